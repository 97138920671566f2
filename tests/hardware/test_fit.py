"""Layers on cores: the published table of PilotNet, and small layers counted by hand."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from hardware import Target, check_fit, load_target, map_graphs
from hardware.fit import fit
from hardware.levers import fit_chain
from hardware.tiling import Tiling, cut, wire
from hybridnet.errors import TargetError
from hybridnet.spiking import Layer, SpikingGraph


def loihi(name: str, **values: int | str | tuple[str, ...]) -> Target:
    """A shipped chip with some limits changed."""
    target = load_target(name)
    changed = {limit: replace(target.limits[limit], value=value) for limit, value in values.items()}
    return replace(target, limits={**target.limits, **changed})


def conv(name: str = "conv", outputs: int = 4, inputs: int = 2, weight: int = 254, **fields) -> Layer:
    """A 3x3 convolution whose widest weight takes 8 bits in steps of 2, unless told otherwise."""
    return Layer(name, "conv", np.full((outputs, inputs, 3, 3), weight), **fields)


def graph(*layers: Layer, shape: tuple[int, ...]) -> SpikingGraph:
    spiking = [layer if layer.kind == "flatten" else replace(layer, threshold=5) for layer in layers]
    return SpikingGraph(tuple(spiking), shape, 1, 4)


@pytest.fixture(scope="module")
def pilotnet() -> SpikingGraph:
    """PilotNet LIF as lava-dl ships it."""
    pytest.importorskip("lava", reason="Lava is an extra; CI installs it")
    from simulators import load_net

    netx = find_spec("lava.lib.dl.netx").submodule_search_locations[0]
    return load_net(Path(netx).parents[3] / "tests/lava/lib/dl/netx/gts/pilotnet_lif/network.net")


PUBLISHED = {  # lava-dl's pilotnet_snn/benchmark.ipynb: cores, neurons a core (columns, rows, channels), synapse words
    "layer0": (13, (3, 66, 16), 0),
    "layer1": (25, (24, 32, 4), 81),
    "layer2": (13, (36, 15, 4), 864),
    "layer3": (3, (48, 7, 8), 1620),
    "layer4": (3, (64, 4, 8), 2160),
    "layer5": (2, (64, 2, 16), 2880),
    "layer7": (12, None, 7253),
    "layer8": (1, (50, 1, 1), 1300),
    "layer9": (1, (10, 1, 1), 150),
    "layer10": (1, (1, 1, 1), 10),
}
LISTS = {"layer2": 216, "layer3": 324}  # where the notebook's network needs a bit more a weight than the one shipped


def test_pilotnet_takes_the_74_cores_that_lavas_compiler_gave_it(pilotnet) -> None:
    mapping = map_graphs({"pilotnet": pilotnet}, load_target("loihi2"))
    assert {layer.name: layer.fit.cores.number for layer in mapping.layers} == {
        name: cores for name, (cores, _, _) in PUBLISHED.items()
    }
    assert (mapping.cores, mapping.chips) == (74, 1)
    for layer in mapping.layers:
        _, box, words = PUBLISHED[layer.name]
        assert box in (None, layer.fit.cores.tiling.box)
        found = layer.fit.cores.synapse_bits.mean() / 64
        assert int(found) == words - LISTS.get(layer.name, 0)  # the table's mean, rounded down


def test_a_shared_kernel_is_stored_once() -> None:
    """Loihi 1: 2 input channels x 9 taps are 18 lists of 4 weights of 8 bits and 10 in front: 42 bits, a word each."""
    target = load_target("loihi1")
    (wiring,) = wire(graph(conv(padding=(1, 1)), shape=(2, 8, 8)), target)
    cores = cut(wiring, Tiling(4, 8, 2, "shared"), None, target)
    assert cores.neurons.tolist() == [[[64]]] * 4
    assert cores.synapse_bits.tolist() == [[[18 * 64]]] * 4
    assert cores.axons_in.ravel().tolist() == [24, 32, 32, 24]  # 3, 4, 4 and 3 columns of 8 places
    assert not cores.axons_out.any()


def test_an_unrolled_kernel_is_stored_synapse_by_synapse() -> None:
    """Loihi 2, 1 x 4 places, 1 channel to 1, taps 3, padding 1: inputs have 2, 3, 3, 2 synapses of 8 + 12 bits, 20 on
    top: 60, 80, 80 and 60 bits, so 1 + 2 + 2 + 1 words."""
    target = load_target("loihi2")
    layer = Layer("conv", "conv", np.full((1, 1, 1, 3), 254), padding=(0, 1))
    (wiring,) = wire(graph(layer, shape=(1, 1, 4)), target)
    cores = cut(wiring, Tiling(1, 1, 4, "unrolled"), None, target)
    assert cores.synapse_bits.ravel().tolist() == [6 * 64]
    halves = cut(wiring, Tiling(1, 1, 2, "unrolled"), None, target)  # inputs 0..2 with 2, 2, 1; then the mirror of it
    assert halves.synapse_bits.ravel().tolist() == [3 * 64, 3 * 64]
    assert halves.axons_in.ravel().tolist() == [3, 3]


def test_axons_go_to_every_core_that_reads_a_neuron() -> None:
    """6 columns to 6, cut in pairs on both sides; taps 3: columns 1..4 are read by two cores, 0 and 5 by one."""
    first = Layer("first", "conv", np.full((3, 1, 1, 1), 2))
    second = Layer("second", "conv", np.full((1, 3, 1, 3), 2), padding=(0, 1))
    for name, slots in (("loihi1", 2), ("loihi2", 1)):
        target = load_target(name)
        one, two = wire(graph(first, second, shape=(1, 1, 6)), target)
        following = cut(two, Tiling(1, 1, 2, "shared"), None, target)
        cores = cut(one, Tiling(3, 1, 2, "shared"), following, target)
        assert cores.axons_out.ravel().tolist() == [3 * slots * n for n in (1 + 2, 2 + 2, 2 + 1)]


def test_groups_and_strides_read_what_they_read() -> None:
    """4 channels to 4 in 2 groups, stride 2, kernel 1: half the places and channels in reach of a core of a group."""
    layer = Layer("conv", "conv", np.full((4, 2, 1, 1), 2), stride=(2, 2), groups=2)
    target = load_target("loihi2")
    (wiring,) = wire(graph(layer, shape=(4, 4, 4)), target)
    cores = cut(wiring, Tiling(2, 2, 2, "unrolled"), None, target)
    assert cores.axons_in.ravel().tolist() == [2 * 4, 2 * 4]


@pytest.mark.parametrize(
    ("limit", "value", "cores"),
    [("neurons_per_core", 128, 4), ("neurons_per_core", 127, 8), ("synapse_memory", 18 * 64, 1), ("axons_in", 72, 2)],
)
def test_a_limit_that_binds_is_named(limit: str, value: int, cores: int) -> None:
    """8 x 16 places of 4 channels, 32 neurons a column; 8 columns at an edge read 9 columns of 8 places."""
    target = loihi("loihi1", **{limit: value})
    (wiring,) = wire(graph(conv(padding=(1, 1)), shape=(2, 8, 16)), target)
    found = fit(wiring, None, target)
    assert found.cores.number == cores
    assert found.broken is None
    assert found.binding == (None if cores == 1 else limit)


def test_rows_and_channels_are_cut_where_a_column_is_too_much() -> None:
    target = loihi("loihi2", neurons_per_core=20)
    (wiring,) = wire(graph(conv(outputs=6, padding=(1, 1)), shape=(2, 8, 1)), target)
    assert fit(wiring, None, target).cores.tiling.box == (6, 3, 1)  # 48 neurons, 3 pieces of at most 3 rows
    target = loihi("loihi2", neurons_per_core=2)
    assert fit(wiring, None, target).cores.tiling.box == (2, 1, 1)
    assert fit(wiring, None, target).cores.number == 8 * 3


def dense_after_conv() -> SpikingGraph:
    """4 channels of 8 x 8, flattened: 256 inputs of a dense layer of 3."""
    dense = Layer("dense", "dense", np.full((3, 256), 2))
    return graph(conv(padding=(1, 1)), Layer("flat", "flatten"), dense, shape=(2, 8, 8))


def test_a_neuron_that_reads_too_much_is_refused_by_name_with_what_to_change() -> None:
    target = loihi("loihi1", axons_in=100)
    with pytest.raises(TargetError) as caught:
        check_fit({"motion": dense_after_conv()}, target)
    line = str(caught.value)
    assert line.startswith(
        "motion/dense: breaks rule fan_in: one neuron by itself takes 256 of axons_in, over the limit"
    )
    assert "stride 2 instead of 1 in conv" in line  # 4 x 4 places of 4 channels are 64
    assert "channels 1 instead of 4 in conv" in line  # 64; 2 channels are 128
    assert "split what a neuron of dense reads into 3" in line  # 86 each
    assert line.endswith("or leave the check out, with --no-fit-check")
    check_fit({"motion": dense_after_conv()}, loihi("loihi1", axons_in=256))


def test_synapse_memory_of_one_neuron() -> None:
    """256 lists of a word each; fewer bits a weight do not help, for a list takes a word."""
    check_fit({"motion": dense_after_conv()}, loihi("loihi2", synapse_memory=256 * 64))
    with pytest.raises(TargetError, match=r"rule fan_in.*16,384 of synapse_memory, over the limit of 16,383") as caught:
        check_fit({"motion": dense_after_conv()}, loihi("loihi2", synapse_memory=256 * 64 - 1))
    assert "bits" not in str(caught.value).split(";")[1]


def test_unpublished_limits_are_not_checked() -> None:
    target = loihi("loihi1", axons_in="unpublished", axons_out="unpublished", neurons_per_core="unpublished")
    mapping = map_graphs({"motion": dense_after_conv()}, target)
    assert mapping.cores == 2
    assert not list(mapping.broken())


def test_a_system_has_so_many_chips() -> None:
    graphs = {"motion": dense_after_conv(), "residual": dense_after_conv()}
    few = loihi("loihi1", cores=2, chips=1)
    assert (map_graphs(graphs, few).cores, map_graphs(graphs, few).chips) == (4, 2)
    with pytest.raises(TargetError, match=r"breaks rule chips: .* 2 chips, over the limit of 1"):
        check_fit(graphs, few)
    check_fit(graphs, loihi("loihi1", cores=4, chips=1))


def test_shared_kernels_are_taken_where_they_need_fewer_cores() -> None:
    """Shared: 18 lists of a word for all places. Unrolled: 18 for one place, whose 4 channels are in a word each."""
    target = loihi("loihi1", synapse_memory=18 * 64)
    (wiring,) = wire(graph(conv(padding=(1, 1)), shape=(2, 8, 8)), target)
    assert fit(wiring, None, target).cores.tiling == Tiling(4, 8, 8, "shared")
    alone = fit(wiring, None, loihi("loihi1", synapse_memory=18 * 64, kernels=("unrolled",)))
    assert alone.cores.tiling == Tiling(4, 1, 1, "unrolled")
    assert alone.cores.number == 64


def test_every_proposal_holds() -> None:
    """What is proposed, done to the graph itself, takes the cores that were promised."""
    target = loihi("loihi2", neurons_per_core=64)
    before = map_graphs({"m": graph(conv(padding=(1, 1)), shape=(2, 8, 8))}, target).layers[0]
    assert before.fit.cores.number == 4
    done = {
        "stride": graph(conv(padding=(1, 1), stride=(2, 2)), shape=(2, 8, 8)),
        "channels": graph(conv(outputs=2, padding=(1, 1)), shape=(2, 8, 8)),
    }
    assert {change.lever for change in before.changes} == set(done)
    for change in before.changes:
        assert change.after == 2
        assert map_graphs({"m": done[change.lever]}, target).cores == change.cores


def test_the_width_of_weights_is_that_of_the_widest(dense_graph) -> None:
    for weights, bits in (([2, -2], 2), ([0, 0], 1), ([6, -8], 3), ([8, 0], 4), ([254, -256], 8)):
        (wiring,) = wire(dense_graph([weights], threshold=5), load_target("loihi2"))
        assert wiring.weight_bits == bits


def test_a_target_of_prices_maps_nothing() -> None:
    with pytest.raises(TargetError, match="prices but no limits"):
        map_graphs({"motion": dense_after_conv()}, load_target("paper-45nm"))


def test_axons_out_depend_on_the_cores_that_follow() -> None:
    """Words of 16 bits: a list of 3 weights of 8 bits and 10 in front takes 3, of 2 weights 2, so the memory has room
    for 2 neurons of the dense layer, and 256 neurons of the convolution send to 2 cores each."""
    dense = Layer("dense", "dense", np.full((3, 256), 254))
    spiking = graph(conv(padding=(1, 1)), Layer("flat", "flatten"), dense, shape=(2, 8, 8))
    for axons, cores in ((512, 1), (511, 2)):
        target = loihi("loihi1", synapse_word=16, synapse_memory=256 * 2 * 16, axons_out=axons)
        chain = fit_chain(wire(spiking, target), target)
        assert [found.cores.number for found in chain.fits] == [cores, 2]
