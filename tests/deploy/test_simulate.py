"""`hybridnet simulate`: what it records, draws and says of real videos; nothing is left of a run that fails."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from command import Command
from deploy import open_bundle
from deploy.runtime import Runtime
from hybridnet.trace import Trace
from hybridnet.video import Clip, sample_clips
from packets import remux
from simulators import load_net

LAYERS = [f"{stream}/{layer}" for stream in ("motion", "residual") for layer in ("conv1", "conv2", "readout")]
COUNTS = ("events", "spike_counts", "overflow_counts")


@pytest.fixture
def simulate(hybridnet: Command, tiny_bundle: Path) -> Command:
    """`hybridnet simulate` of the tiny bundle with these arguments: exit code, stdout, stderr."""
    return partial(hybridnet, "simulate", tiny_bundle)


@pytest.fixture(scope="session")
def short(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first GOP of the shipped clip: one clip."""
    return remux(clip, tmp_path_factory.mktemp("short") / "short.avi", last=12)


@pytest.fixture(scope="session")
def traces(tiny_bundle: Path, clip: Path) -> list[dict[str, Trace]]:
    """Every clip's traces, straight from the runtime."""
    runtime = open_bundle(tiny_bundle)
    clips = sample_clips(clip, runtime.bundle.manifest.preprocessing)
    with runtime.simulator(record=("spikes", "v")) as simulate:
        return [simulate(clip) for clip in clips]


def names(path: Path) -> set[str]:
    with np.load(path, allow_pickle=False) as arrays:
        return set(arrays.files)


def per_layer(clip: int, *kinds: str, layers: Sequence[str] = LAYERS) -> set[str]:
    return {f"{clip}/{layer}/{kind}" for layer in layers for kind in kinds}


def wanted_names(kind: str) -> set[str]:
    """What the help says that a kind adds, for three clips."""
    spiking = [layer for layer in LAYERS if "readout" not in layer]
    found = set()
    for n in range(3):
        found |= {
            "spikes": per_layer(n, "spikes"),
            "v": per_layer(n, "v") | per_layer(n, "threshold", layers=spiking),
            "events": per_layer(n, *COUNTS),
            "potential": {
                f"{n}/{stream}/{name}" for stream in ("motion", "residual") for name in ("potential", "scale")
            },
        }[kind]
    return found


GOPS = {f"{n}/gop" for n in range(3)}
KINDS = ("spikes", "v", "events", "potential")


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), ("spikes", "events"), ()], ids="+".join)
def test_a_trace_holds_what_was_chosen(simulate: Command, clip: Path, tmp_path: Path, kinds: tuple[str, ...]) -> None:
    options = [word for kind in kinds for word in ("--record", kind)]
    code, out, _ = simulate(clip, "--trace", tmp_path / "out.npz", *options)
    assert code == 0
    assert f"wrote {tmp_path / 'out.npz'}: {', '.join(kinds or KINDS)} of 3 clips" in out
    assert names(tmp_path / "out.npz") == GOPS.union(*map(wanted_names, kinds or KINDS))


def test_a_trace_holds_what_happened(
    simulate: Command, tiny_bundle: Path, clip: Path, traces: list[dict[str, Trace]], tmp_path: Path
) -> None:
    simulate(clip, "--trace", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        for n, streams in enumerate(traces):
            assert arrays[f"{n}/gop"] == n
            for stream, trace in streams.items():
                graph = load_net(tiny_bundle / f"{stream}.net")
                np.testing.assert_array_equal(arrays[f"{n}/{stream}/potential"], trace.potential)
                assert arrays[f"{n}/{stream}/scale"] == graph.layers[-1].scale / 64
                for layer in graph.layers:
                    place = f"{n}/{stream}/{layer.name}"
                    for kind in ("spikes", "v", *COUNTS):
                        wanted = getattr(trace, kind)[layer.name]
                        assert arrays[f"{place}/{kind}"].dtype == wanted.dtype
                        np.testing.assert_array_equal(arrays[f"{place}/{kind}"], wanted)
                    if layer.threshold is not None:
                        assert arrays[f"{place}/threshold"].shape == ()
                        assert arrays[f"{place}/threshold"] == 64 * layer.threshold
                        assert arrays[f"{place}/v"].max() <= arrays[f"{place}/threshold"]


def test_only_what_is_asked_for_is_recorded(
    simulate: Command, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []
    simulator = Runtime.simulator

    @contextmanager
    def watched(self: Runtime, most: Sequence[str]) -> Iterator[Callable[[Clip, Sequence[str]], dict[str, Trace]]]:
        with simulator(self, most) as run:

            def call(clip: Clip, record: Sequence[str]) -> dict[str, Trace]:
                asked.append(set(record))
                return run(clip, record)

            yield call

    monkeypatch.setattr(Runtime, "simulator", watched)
    simulate(clip)
    simulate(clip, "--record", "spikes")
    simulate(clip, "--trace", tmp_path / "a.npz", "--record", "events", "--record", "potential")
    simulate(clip, "--png", tmp_path / "a.png", "--clip", "1")
    simulate(clip, "--png", tmp_path / "a.png", "--trace", tmp_path / "a.npz", "--record", "v")
    nothing, spikes, v, both = set[str](), {"spikes"}, {"v"}, {"spikes", "v"}
    assert asked == [
        *[nothing] * 3, *[spikes] * 3, *[nothing] * 3, nothing, both, nothing, both, v, v,
    ]  # fmt: skip
    assert {name.rpartition("/")[2] for name in names(tmp_path / "a.npz")} == {"gop", "v", "threshold"}


def test_what_is_said_of_the_layers_is_what_happened(
    simulate: Command, clip: Path, traces: list[dict[str, Trace]]
) -> None:
    code, out, _ = simulate(clip, "--record", "spikes", "--record", "v", "--json")
    said = json.loads(out)
    assert code == 0
    assert [layer["name"] for layer in said["health"]] == LAYERS
    for layer in said["health"]:
        stream, name = layer["name"].split("/")
        spikes = np.stack([streams[stream].spikes[name] for streams in traces])  # (clips,T,C,H,W)
        v = np.stack([streams[stream].v[name] for streams in traces])
        overflows = [streams[stream].overflows[name] for streams in traces]
        assert (layer["clips"], layer["updates"], layer["overflows"]) == (3, spikes.size, sum(overflows))
        assert layer["events"] == sum(streams[stream].events[name].sum() for streams in traces)
        assert layer["reach"] == np.abs(v).max() / (2**23 - 1)
        if name != "readout":
            ever, always = spikes.any(axis=(0, 1)), spikes.all(axis=(0, 1))
            assert layer["rate"] == spikes.mean()
            assert (layer["spiking"], layer["always_on"]) == (ever.sum(), always.sum())
            assert layer["dead_channels"] == [c for c in range(16) if not ever[c].any()]
    dead = {layer["name"] for layer in said["health"] if layer["dead_channels"]}
    saturated = {layer["name"] for layer in said["health"] if layer["overflows"]}
    assert dead
    assert saturated
    assert {(finding["layer"], finding["problem"]) for finding in said["findings"]} == {
        *((layer, "dead channels") for layer in dead), *((layer, "saturated") for layer in saturated),
    }  # fmt: skip


def test_the_words_are_printed(simulate: Command, clip: Path) -> None:
    _, out, _ = simulate(clip)
    assert "residual/conv1 saturated: " in out
    assert "take --record spikes --record v" in out
    assert "headroom" not in out
    _, out, _ = simulate(clip, "--record", "spikes", "--record", "v")
    assert "residual/conv1 saturated: " in out
    assert "motion/conv1 dead channels: " in out
    assert out.count(" headroom: ") == 4


def test_pictures_of_clips_differ_and_one_clip_s_is_the_same_again(
    simulate: Command, clip: Path, tmp_path: Path
) -> None:
    options = {"a": (), "b": ("--clip", "0"), "c": ("--clip", "2")}
    for name, option in options.items():
        code, out, _ = simulate(clip, "--png", tmp_path / f"{name}.png", *option)
        assert code == 0
        assert out.endswith(f"wrote {tmp_path / name}.png: clip {option[1] if option else 0}\n")
    first, again, last = (tmp_path.joinpath(f"{name}.png").read_bytes() for name in "abc")
    assert first == again != last
    with av.open(str(tmp_path / "a.png")) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (2 * 16 + 4 * 318, 58 + 2 * (34 + 2 * 312) + 16)


def test_lava_records_the_same(simulate: Command, short: Path, tmp_path: Path) -> None:
    for backend in ("integer", "lava"):
        code, out, err = simulate(
            short, "--backend", backend, "--trace", tmp_path / f"{backend}.npz", "--png", tmp_path / f"{backend}.png",
            "--json",
        )  # fmt: skip
        assert (code, err) == (0, "")
    said = json.loads(out)
    assert {layer["overflows"] for layer in said["health"]} == {None}
    assert (said["trace"], said["png"]) == (str(tmp_path / "lava.npz"), str(tmp_path / "lava.png"))
    found, wanted = names(tmp_path / "lava.npz"), names(tmp_path / "integer.npz")
    assert found == {name for name in wanted if not name.endswith("/overflow_counts")}
    with np.load(tmp_path / "lava.npz") as lava, np.load(tmp_path / "integer.npz") as integer:
        for name in found:
            np.testing.assert_array_equal(lava[name], integer[name])


Options = Callable[[Path, Path], tuple[object, ...]]
REFUSED: list[tuple[Options, str]] = [
    (lambda tmp, bundle: ("--trace", tmp / "x", "--png", tmp / "x"), "for --trace and for --png"),
    (lambda tmp, bundle: ("--trace", tmp / "x", "--png", tmp / "y" / ".." / "x"), "for --trace and for --png"),
    (lambda tmp, bundle: ("--png", tmp / "walk.avi"), "is the input"),
    (lambda tmp, bundle: ("--trace", tmp / "walk.avi"), "is the input"),
    (lambda tmp, bundle: ("--png", bundle / "a.png"), "lies in the input"),
    (lambda tmp, bundle: ("--trace", bundle / "manifest.json"), "lies in the input"),
    (lambda tmp, bundle: ("--png", tmp), "is a folder"),
    (lambda tmp, bundle: ("--png", tmp / "none" / "a.png", "--trace", tmp / "x"), "No such file"),
    (lambda tmp, bundle: ("--clip", 1), "give --png FILE too"),
    (lambda tmp, bundle: ("--record", "events"), "give --trace FILE.npz too"),
    (
        lambda tmp, bundle: ("--png", tmp / "a.png", "--record", "v", "--record", "potential"),
        "give --trace FILE.npz too",
    ),
    (
        lambda tmp, bundle: ("--png", tmp / "a.png", "--clip", 3, "--trace", tmp / "x"),
        "has no clip 3, it has clips 0 to 2",
    ),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    simulate: Command, tiny_bundle: Path, clip: Path, tmp_path: Path, options: Options, words: str
) -> None:
    video = tmp_path / "walk.avi"
    video.write_bytes(clip.read_bytes())
    before = {path: path.read_bytes() for path in tiny_bundle.iterdir()}
    code, out, err = simulate(video, *options(tmp_path, tiny_bundle))
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert words in err
    assert os.listdir(tmp_path) == ["walk.avi"]
    assert video.read_bytes() == clip.read_bytes()
    assert {path: path.read_bytes() for path in tiny_bundle.iterdir()} == before


def test_an_unknown_kind_is_wrong_usage(simulate: Command, clip: Path) -> None:
    code, _, err = simulate(clip, "--record", "weights")
    assert code == 2
    assert "weights" in err


def test_a_video_that_breaks_off_leaves_neither_file(simulate: Command, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.avi").write_bytes(clip.read_bytes()[:3000])
    code, out, err = simulate(tmp_path / "cut.avi", "--trace", tmp_path / "a.npz", "--png", tmp_path / "a.png")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert os.listdir(tmp_path) == ["cut.avi"]
