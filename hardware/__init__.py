"""Hardware: targets as data, the design rules of a chip, operation counts and the energy ledger.

Loads with numpy alone; simulators are its sisters and are never imported here.
"""

from hardware.activity import LayerActivity, observe, sum_activities
from hardware.baselines import break_even_rate, convlstm_spiking, dense_spiking, silence
from hardware.counting import NodeSize, count_bridge, count_conventional, count_messages, count_spiking
from hardware.energy import EnergyReport, EnergyRow, estimate_energy
from hardware.limits import Limit
from hardware.mapping import ChipMapping, LayerMapping, check_fit, map_graphs
from hardware.mesh import Traffic
from hardware.neurobench import NeuroBench, neurobench
from hardware.operations import OPERATIONS, Count, Store, add_counts
from hardware.prices import Memory, Price
from hardware.rules import check_graph
from hardware.target import Target, list_targets, load_target

__all__ = [
    "OPERATIONS",
    "ChipMapping",
    "Count",
    "EnergyReport",
    "EnergyRow",
    "LayerActivity",
    "LayerMapping",
    "Limit",
    "Memory",
    "NeuroBench",
    "NodeSize",
    "Price",
    "Store",
    "Target",
    "Traffic",
    "add_counts",
    "break_even_rate",
    "check_fit",
    "check_graph",
    "convlstm_spiking",
    "count_bridge",
    "count_conventional",
    "count_messages",
    "count_spiking",
    "dense_spiking",
    "estimate_energy",
    "list_targets",
    "load_target",
    "map_graphs",
    "neurobench",
    "observe",
    "silence",
    "sum_activities",
]
