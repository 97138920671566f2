"""Parameters and multiply-accumulates against the paper's totals, counted by hand and by torch on the meta device."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet

TRIPLETS = 8
JOULES_PER_TERA_MAC = 4.6  # 4.6 pJ per MAC, 45 nm (Horowitz, ISSCC 2014), as the paper's own rows reproduce
SPIKING_JOULES = 3.99e9 * 0.9e-12  # the paper's 3.99 G synaptic operations at 0.9 pJ


def hand_count(c: ModelConfig) -> tuple[int, int]:
    """(parameters, multiply-accumulates per triplet) from the paper's description, layer by layer.

    Spiking layers count no multiply-accumulates, except each STM's first, whose input is graded.
    """
    grid, maps = -(-c.size // c.patch), -(-c.size // c.stm_stride)
    tokens, folded = 3 * grid**2, (-(-grid // 2)) ** 2
    parameters = macs = 0
    for channels in (2, 3):
        first, later = 9 * channels * c.stm_channels, 9 * c.stm_channels**2
        parameters += first + later * (c.stm_layers - 1)
        parameters += 2 * c.stm_layers - 1  # a leak each, a threshold each but the readout
        macs += first * maps**2 * c.steps
    patches = [3 * c.patch**2] + 2 * [c.stm_channels * (c.patch // c.stm_stride) ** 2]
    parameters += sum(patches) * c.dim + 3 * c.dim
    macs += sum(patches) * c.dim * grid**2
    parameters += (grid**2 + 3) * c.dim  # positions and modalities
    linear = 12 * c.dim**2  # query, key, value, projection, and a hidden layer of 4
    parameters += c.depth * (linear + 9 * c.dim + 4 * c.dim) + 2 * c.dim  # biases, two norms; the last norm
    macs += c.depth * (linear * tokens + 2 * tokens**2 * c.dim)  # and attention's two products
    fold = 10 * c.dim * c.fold_channels
    parameters += 3 * (fold + 4 * c.fold_channels)  # two batch norms
    macs += 3 * fold * folded
    mixing = 2 * c.stm_channels * c.fold_channels
    fusion = 5 * c.fold_channels * c.rrdb_channels
    parameters += mixing + 2 * c.fold_channels + fusion + c.rrdb_channels
    macs += (mixing + fusion) * folded
    nf, gc = c.rrdb_channels, c.rrdb_growth
    dense = sum(9 * (nf + i * gc) * out for i, out in enumerate([gc, gc, gc, gc, nf]))
    parameters += 3 * (dense + 4 * gc + nf)
    macs += 3 * dense * folded
    parameters += (nf + 1) * c.classes
    macs += nf * c.classes
    return parameters, macs


def on_meta(config: ModelConfig) -> tuple[int, int]:
    """(parameters, multiply-accumulates per triplet) of the module: half of torch's FLOPs, spiking layers left out."""
    with torch.device("meta"):
        net = HybridNet(config).eval()
        shape = (config.size, config.size)
        clip = (
            torch.zeros(1, 3, *shape),
            torch.zeros(1, config.steps, 2, *shape),
            torch.zeros(1, config.steps, 3, *shape),
        )
        with torch.no_grad():
            with FlopCounterMode(display=False) as counter:
                net(*clip)
            flops = counter.get_total_flops()
            for stm in (net.motion, net.residual):
                spikes, _ = stm.layers[0].run(torch.zeros(config.steps, 1, stm.front.in_channels, *shape))
                for layer in stm.layers[1:]:
                    with FlopCounterMode(display=False) as counter:
                        layer.run(spikes)
                    flops -= counter.get_total_flops()
    return sum(p.numel() for p in net.parameters()), flops // 2


@pytest.mark.parametrize(("name", "classes"), [("tiny", 15), ("base", 101), ("large", 400)])
def test_the_module_is_what_a_hand_counts(name: str, classes: int) -> None:
    config = preset(name, classes)
    assert on_meta(config) == hand_count(config)


def test_tiny_is_small() -> None:
    assert hand_count(preset("tiny", 15))[0] < 2_000_000


def test_base_meets_the_papers_totals() -> None:
    parameters, macs = hand_count(preset("base", 101))
    assert parameters == pytest.approx(83.41e6, rel=0.02)
    assert 0.153e12 <= macs * TRIPLETS <= 0.159e12


def test_large_meets_the_papers_energy() -> None:
    _, macs = hand_count(preset("large", 400))
    joules = macs * TRIPLETS / 1e12 * JOULES_PER_TERA_MAC + SPIKING_JOULES
    assert joules == pytest.approx(1.40, rel=0.02)
