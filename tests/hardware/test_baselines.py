"""The dense baselines against naive convolutions and torch, the break-even rate against arithmetic by hand."""

from itertools import product

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hardware import (
    Count,
    LayerActivity,
    break_even_rate,
    convlstm_spiking,
    count_spiking,
    dense_spiking,
    estimate_energy,
    silence,
)
from hardware.activity import Told
from hybridnet.model.config import preset
from hybridnet.model.recurrent import ConvLSTM
from hybridnet.spiking import Layer, SpikingGraph


def macs(counts: list[Count]) -> dict[str, int]:
    return {count.layer: count.count for count in counts if count.operation == "mac"}


def test_the_dense_baseline_equals_a_naive_convolution():
    """Grouped, strided, padded, dilated: one multiply-accumulate per tap, padding included."""
    layer = Layer("conv", "conv", np.ones((4, 2, 3, 2), int), (2, 1), (1, 2), (1, 2), groups=2, threshold=3)
    graph = SpikingGraph((layer,), (4, 6, 5), input_bits=8, steps=3)
    padded = np.zeros((4, 6 + 2 * 1, 5 + 2 * 2))
    taps_inside = 0
    for _ in range(4):
        for y, x in product(range(0, padded.shape[1], 2), range(padded.shape[2])):
            taps = padded[:2, y : y + 3, x : x + 3 : 2]
            if taps.shape == (2, 3, 2):  # the window lies inside
                taps_inside += taps.size
    assert macs(dense_spiking("motion", graph, steps=3)) == {"conv": 3 * taps_inside}


def test_the_dense_baseline_of_a_chain(conv_graph):
    """conv 3 * 4 * 4 places x 2 * 3 * 3 weights, readout 5 x 48, over 2 steps; a flatten computes nothing."""
    counts = dense_spiking("motion", conv_graph, steps=2)
    assert macs(counts) == {"conv": 2 * 48 * 18, "readout": 2 * 240}
    assert all(count.kind == "int8" for count in counts if count.operation == "mac")
    rest = {(count.layer, count.operation): (count.count, count.store.size) for count in counts if count.store}
    assert rest["conv", "weight_read"] == (2 * 48 * 18, 54)
    assert rest["conv", "activation_read"] == (2 * 48 * 18, 32)
    assert rest["conv", "activation_write"] == (2 * 48, 48)


def test_the_convlstm_baseline_equals_torchs_count_of_the_models_own():
    """The variant `stm = "convlstm"` of the model is the same cells: tiny's, of 16 channels in 3 layers, stride 2."""
    config = preset("tiny", 15)
    channels, steps = config.stm_channels, config.steps
    layers = [
        Layer(f"conv{n}", "conv", np.ones((channels, inputs, 3, 3), int), (stride, stride), (1, 1), threshold=1)
        for n, (inputs, stride) in enumerate([(2, config.stm_stride), *[(channels, 1)] * (config.stm_layers - 1)])
    ]
    graph = SpikingGraph(tuple(layers), (2, 32, 32), 8, steps)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ConvLSTM(2, config, 1.0)(torch.zeros(1, steps, 2, 32, 32))
    found = convlstm_spiking("motion", graph, steps)
    assert sum(macs(found).values()) == counter.get_total_flops() // 2
    states = [count.count for count in found if count.operation == "potential_access"]
    assert states == [2 * channels * 16 * 16 * steps] * 3


def activities(spikes: int) -> dict[str, LayerActivity]:
    """conv of 612 events; 5 events of the readout a spike."""
    return {
        "conv": LayerActivity(33, 612, 96, spikes, Told(68, 612)),
        "readout": LayerActivity(spikes, 5 * spikes, 10, 0, Told(9, 5 * spikes)),
    }


def test_silence_keeps_what_is_not_driven_by_spikes(conv_graph):
    silent = silence(conv_graph, activities(8))
    assert silent == {
        "conv": LayerActivity(33, 612, 96, 0, Told(68, 612)),
        "readout": LayerActivity(0, 0, 10, 0, Told(9, 0)),
    }


def test_break_even_by_hand(conv_graph):
    """paper-45nm: 612 macs of 4.6 pJ whatever happens, 40 additions of 0.9 pJ at 8 spikes of 96 updates.

    Dense: (1728 + 480) macs. The spikes may cost what is left, 2208 * 4.6 - 612 * 4.6 = 7341.6 pJ, which is
    7341.6 / 36 times as much: 8 / 96 * 203.93 = 16.99 spikes per neuron and step. An STM of that rate costs the same.
    """
    joules = [
        estimate_energy(counts, "paper-45nm").total
        for counts in (
            count_spiking("motion", conv_graph, activities(8)),
            count_spiking("motion", conv_graph, silence(conv_graph, activities(8))),
            dense_spiking("motion", conv_graph, steps=2),
        )
    ]
    assert joules == pytest.approx([(612 * 4.6 + 36) * 1e-12, 612 * 4.6e-12, 2208 * 4.6e-12])
    rate = break_even_rate(8 / 96, *joules)
    assert rate == pytest.approx(8 / 96 * 7341.6 / 36)


@pytest.mark.parametrize(
    ("costs", "rate"),
    [
        ((1.0, 2.0, 1.0, 5.0), 4.0),
        ((0.5, 2.0, 1.0, 1.0), 0.0),
        ((0.5, 2.0, 1.0, 0.9), 0.0),
        ((0.0, 1.0, 1.0, 5.0), None),
    ],
)
def test_break_even_at_its_ends(costs, rate):
    assert break_even_rate(*costs) == rate
