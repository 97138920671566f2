"""The limits a target file states: their names, units and ranges.

`hardware.rules` reads those of arithmetic, `hardware.fit` and `hardware.tiling` those of the cores.
"""

from dataclasses import dataclass

UNPUBLISHED = "unpublished"  # stands for the value of a limit that the chip has and nobody states
KINDS = {  # the words each limit may list
    "resets": ("zero", "subtract"),
    "readouts": ("probed", "graded"),
    "kernels": ("shared", "unrolled"),
}
BIT_LIMITS = {  # the integers each limit may take
    "weight_bits": range(1, 33),
    "weight_exponent": range(8),
    "decay_bits": range(1, 33),
    "threshold_bits": range(1, 33),
    "bias_bits": range(1, 33),
    "state_bits": range(8, 33),
    "input_bits": range(1, 33),
    "synapse_word": range(1, 2**10),
    "synapse_header": range(2**10),
    "synapse_index": range(33),
}
COUNT_LIMITS = {  # unit of each; positive integers
    "neurons_per_core": "neuron",
    "synapse_memory": "bit",
    "synapse_list": "synapse",
    "axons_in": "axon",
    "axons_out": "axon",
    "axon_slots": "axon",
    "cores": "core",
    "chips": "chip",
    "mesh_columns": "tile",
    "mesh_rows": "tile",
    "tile_cores": "core",
}
STATED = (
    "cores",
    "mesh_columns",
    "mesh_rows",
    "tile_cores",
)  # of COUNT_LIMITS: never unpublished, a mapping needs them
LIMITS = (*BIT_LIMITS, *COUNT_LIMITS, *KINDS)
COUNT_TOP = 2**40


@dataclass(frozen=True)
class Limit:
    """One thing a graph must respect.

    value    an integer in the limit's unit; what a chip can do, of KINDS, in `unit` "kind"; or UNPUBLISHED: nothing is
             checked then
    source   where the number is stated, or where it was looked for
    """

    value: int | str | tuple[str, ...]
    unit: str
    source: str
    note: str = ""
