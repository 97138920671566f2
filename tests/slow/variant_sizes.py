"""Print the sizes in docs/variants.md: of the presets with one key changed, and of those that stand for the paper's.

make sizes    # or: python tests/slow/variant_sizes.py
"""

import dataclasses

import torch
from torch.utils.flop_counter import FlopCounterMode

from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet
from variants import VARIANTS

PRESETS = {"tiny": 15, "base": 101}  # with so many classes
PAPERS = {"base": 101, "large": 400}  # Ours on UCF-101, Ours-L on K-400
TRIPLETS = 8
WEIGHTLESS = {"accumulate", "subpel", "reset"}  # keys that change neither count


def size_of(config: ModelConfig) -> tuple[int, int]:
    """(parameters, multiply-accumulates of one triplet, STMs as ordinary convolutions), on the meta device."""
    shape = (config.size, config.size)
    with torch.device("meta"), torch.no_grad():
        net = HybridNet(config).eval()
        clip = torch.zeros(1, 3, *shape), *(torch.zeros(1, config.steps, n, *shape) for n in (2, 3))
        with FlopCounterMode(display=False) as counter:
            net(*clip)
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops() // 2


def between_spiking_layers(config: ModelConfig) -> int:
    """Multiply-accumulates of one triplet that are none on the chip: of 3x3 layers that spikes reach."""
    side = -(-config.size // config.stm_stride)
    return 2 * (config.stm_layers - 1) * 9 * config.stm_channels**2 * side**2 * config.steps


for variant in VARIANTS:
    if WEIGHTLESS & variant.changes.keys():
        continue
    cells = []
    for name, classes in PRESETS.items():
        parameters, macs = size_of(dataclasses.replace(preset(name, classes), **variant.changes))
        cells.append(f"{parameters / 1e6:.2f} M, {macs / 1e9:.2f} G")
    row = ", ".join(f"`{key}` {value}" for key, value in variant.changes.items()) or "the paper's"
    print(f"| {row} | {' | '.join(cells)} |")

print()
for name, classes in PAPERS.items():
    parameters, macs = size_of(preset(name, classes))
    tera = TRIPLETS * (macs - between_spiking_layers(preset(name, classes))) / 1e12
    print(f"{name}, {classes} classes: {parameters / 1e6:.2f} M, {tera:.4f} TMAC a video of {TRIPLETS} triplets")
