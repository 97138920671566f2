"""Hardware: targets as data, the design rules of a chip, operation counts and the energy ledger.

Loads with numpy alone; simulators are its sisters and are never imported here.
"""

from hardware.energy import EnergyReport, EnergyRow, estimate_energy
from hardware.limits import Limit
from hardware.mapping import ChipMapping, LayerMapping, check_fit, map_graphs
from hardware.mesh import Traffic
from hardware.operations import (
    OPERATIONS,
    Count,
    add_counts,
    count_conventional,
    count_spiking,
    dense_spiking,
)
from hardware.rules import check_graph
from hardware.target import Price, Target, list_targets, load_target

__all__ = [
    "OPERATIONS",
    "ChipMapping",
    "Count",
    "EnergyReport",
    "EnergyRow",
    "LayerMapping",
    "Limit",
    "Price",
    "Target",
    "Traffic",
    "add_counts",
    "check_fit",
    "check_graph",
    "count_conventional",
    "count_spiking",
    "dense_spiking",
    "estimate_energy",
    "list_targets",
    "load_target",
    "map_graphs",
]
