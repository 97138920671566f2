"""The picture of a clip's activity: what is taken into a raster, and that any graph can be drawn."""

from pathlib import Path

import av
import numpy as np
import pytest

from deploy.pictures.trace import COLUMNS, draw_traces, evenly, raster
from hybridnet.spiking import Layer, SpikingGraph
from simulators import simulate

RNG = np.random.default_rng(5)
DENSE = SpikingGraph(
    (
        Layer("fc1", "dense", RNG.integers(-40, 41, (300, 16)), decay_v=400, threshold=120),
        Layer("fc2", "dense", RNG.integers(-40, 41, (20, 300)), decay_v=400, threshold=300),
        Layer("out", "dense", RNG.integers(-40, 41, (5, 20)), scale=0.01),
    ),
    (16,),
    8,
    steps=20,
)
WIDE = SpikingGraph(
    (Layer("a", "conv", RNG.integers(-40, 41, (4, 2, 3, 3)), padding=(1, 1), threshold=100),), (2, 5, 40), 8, steps=3
)
READOUT_ONLY = SpikingGraph(
    (Layer("flat", "flatten"), Layer("out", "dense", RNG.integers(-4, 5, (3, 12)))), (3, 2, 2), 1, steps=1
)


def draw(png: Path, graph: SpikingGraph, x: np.ndarray, name: str = "walk.avi") -> np.ndarray:
    """The picture of one run, uint8 (H,W,3)."""
    trace = simulate(graph, x, record=("spikes", "v"))
    draw_traces(png, name, "clip 0", {"motion": graph}, {"motion": trace})
    with av.open(str(png)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def random_input(graph: SpikingGraph, seed: int = 0) -> np.ndarray:
    limit = min(9, graph.input_limit)
    return np.random.default_rng(seed).integers(0, limit + 1, (graph.steps, *graph.input_shape))


@pytest.mark.parametrize(
    ("graph", "rows"), [(DENSE, 2), (WIDE, 2), (READOUT_ONLY, 1)], ids=["dense", "wide", "readout"]
)
def test_any_graph_can_be_drawn(tmp_path: Path, graph: SpikingGraph, rows: int) -> None:
    picture = draw(tmp_path / "a.png", graph, random_input(graph))
    assert picture.shape == (58 + 34 + rows * 312 + 16, 32 + COLUMNS * 318, 3)
    assert (picture != 255).any()


def test_silence_can_be_drawn(tmp_path: Path) -> None:
    for graph in (DENSE, WIDE, READOUT_ONLY):
        draw(tmp_path / "a.png", graph, np.zeros((graph.steps, *graph.input_shape), int))


def test_the_same_traces_give_the_same_file_and_others_another(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        draw(tmp_path / f"{name}.png", WIDE, random_input(WIDE, seed))
    first, second, other = (tmp_path.joinpath(f"{name}.png").read_bytes() for name in "abc")
    assert first == second != other


def test_any_name_can_be_drawn(tmp_path: Path) -> None:
    for name in ("x" * 500, "\u6f22\u5b57 $\\frac{1$.avi", "a\nb\tc\ufffe"):
        draw(tmp_path / "a.png", READOUT_ONLY, random_input(READOUT_ONLY), name)


def test_spikes_stand_where_they_happened(tmp_path: Path) -> None:
    """The raster of 4 neurons over 4 steps: each spike fills a sixteenth of the first panel."""
    weight = np.diag([30, 30, 30, 0])
    graph = SpikingGraph((Layer("fc", "dense", weight, decay_v=4096, threshold=20),), (4,), 1, steps=4)
    x = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 1, 0]])
    picture = draw(tmp_path / "a.png", graph, x)
    left, top, side = 16 + 52, 58 + 34 + 42, 224 // 4
    blue = (picture == (0x00, 0x72, 0xB2)).all(axis=-1)
    centres = blue[top + side // 2 : top + 4 * side : side, left + side // 2 : left + 4 * side : side]
    np.testing.assert_array_equal(centres, [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]])


def test_few_neurons_are_all_in_the_raster() -> None:
    spikes = RNG.random((7, 50)) < 0.3
    rows, neurons = raster(spikes)
    np.testing.assert_array_equal(rows, spikes.T)
    np.testing.assert_array_equal(neurons, range(50))


def test_many_neurons_are_evenly_taken() -> None:
    spikes = RNG.random((7, 1000)) < 0.3
    rows, neurons = raster(spikes)
    assert (len(neurons), neurons[0], set(np.diff(neurons))) == (112, 0, {8, 9})
    np.testing.assert_array_equal(rows, spikes[:, neurons].T)


def test_every_channel_has_its_rows_and_a_dead_one_is_empty() -> None:
    spikes = np.zeros((5, 3, 10, 10), bool)
    spikes[2, 0, 4, 7] = spikes[3, 0, 9, 9] = True  # two neurons of the first channel, none of the second
    spikes[1, 2] = True  # and all 100 of the third
    rows, channels = raster(spikes)
    np.testing.assert_array_equal(channels, [0, 1, 2])
    assert rows.shape == (3 * 37, 5)
    assert np.argwhere(rows[:37]).tolist() == [[0, 2], [1, 3]]
    assert not rows[37:74].any()
    np.testing.assert_array_equal(rows[74:], np.tile([0, 1, 0, 0, 0], (37, 1)))


@pytest.mark.parametrize(
    ("count", "most", "wanted"), [(0, 3, []), (2, 3, [0, 1]), (3, 3, [0, 1, 2]), (8, 3, [0, 2, 5])]
)
def test_evenly(count: int, most: int, wanted: list[int]) -> None:
    assert evenly(count, most).tolist() == wanted
