"""Videos that `run`, `energy` and `simulate` transcode in memory: the same results as of the prepared file."""

import json
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import av
import numpy as np
import pytest

import transcoding
from command import Command
from deploy import open_bundle
from deploy.runtime import use_clips
from deploy.transcoded import transcoding_recipe
from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.training.prepare import prepare
from hybridnet.video import Clip, Preprocessing, Recipe, read_gops, sample_clips
from packets import remux, spans
from panning import encode

PREPROCESSING = Preprocessing(size=112, short_side=128)
TIMES = [int(time) for time in np.cumsum(np.random.default_rng(0).integers(5, 90, 26))]  # milliseconds


@pytest.fixture(scope="session")
def late_b_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 whose first GOP of 12 can be read, and whose second has B-frames."""
    options = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:open-gop=0:ref=1"}
    return encode(tmp_path_factory.mktemp("late") / "late.mp4", "libx264", 30, b_frames_from=12, **options)


def only(sources: Path, cache: Path, recipe: Recipe) -> Path:
    """The AVI that a single source is prepared to."""
    (entry,) = prepare([sources], cache, recipe, workers=1)
    return cache / entry.output


def test_results_equal_those_of_the_prepared_file(tiny_bundle: Path, vp9: Path, tmp_path: Path) -> None:
    runtime = open_bundle(tiny_bundle)
    recipe = transcoding_recipe(runtime.bundle.manifest.preprocessing)
    assert recipe == Recipe()
    told: list[str] = []
    direct = runtime.predict(vp9, tell=told.append)
    prepared = runtime.predict(only(vp9, tmp_path, recipe))
    assert (direct.transcoded, prepared.transcoded) == (True, False)
    assert told == [
        f"{vp9}: transcoded in memory to MPEG-4, 340x256, GOP 12 (codec vp9 exports no motion vectors)"
    ]  # fmt: skip
    np.testing.assert_array_equal(direct.logits, prepared.logits)
    assert direct.work == prepared.work
    assert direct.clips == 2


# What `prepare` must take, and the words that are said of those that cannot be read as they are.
KINDS = {
    "VP9": ("a.webm", "libvpx-vp9", "yuv420p", {"options": {"deadline": "realtime", "cpu-used": "8"}}, "codec vp9"),
    "HEVC in 10 bits": (
        "a.mp4",
        "libx265",
        "yuv420p10le",
        {"options": {"x265-params": "log-level=none"}},
        "codec hevc",
    ),
    "B-frames": ("a.mp4", "libx264", "yuv420p", {"b_frames": 2}, "has B-frames"),
    "variable frame rate": ("a.mkv", "mpeg4", "yuv420p", {"times": TIMES, "options": {"g": "26"}}, ""),
    "variable frame rate in VP9": ("a.webm", "libvpx-vp9", "yuv420p", {"times": TIMES}, "codec vp9"),
    "10 bits": ("a.mp4", "libx264", "yuv420p10le", {"options": {"refs": "1", "sc_threshold": "0"}}, ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_memory_and_prepared(kind: str, tiny_bundle: Path, tmp_path: Path) -> None:
    name, codec, pix_fmt, more, words = KINDS[kind]
    video = transcoding.encode(tmp_path / name, transcoding.smooth(26), codec, pix_fmt, **more)
    runtime, told = open_bundle(tiny_bundle), list[str]()
    direct = runtime.predict(video, tell=told.append)
    assert (direct.transcoded, len(told)) == (bool(words), bool(words))
    prepared = runtime.predict(only(video, tmp_path / "cache", Recipe()))
    assert not prepared.transcoded
    if words:
        assert f"{video}: transcoded in memory to MPEG-4, 340x256, GOP 12 ({words}" in told[0]
        np.testing.assert_array_equal(direct.logits, prepared.logits)
        assert direct.work == prepared.work


def test_turned_pictures_in_memory_and_prepared(tiny_bundle: Path, tmp_path: Path) -> None:
    video, told = encode(tmp_path / "turned.mp4", "mpeg4", 26, g="12", sc_threshold="1000000000"), list[str]()
    data = bytearray(video.read_bytes())
    at = data.index(b"tkhd") + 44  # the display matrix
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    video.write_bytes(data)
    runtime = open_bundle(tiny_bundle)
    direct = runtime.predict(video, tell=told.append)
    assert told == [
        f"{video}: transcoded in memory to MPEG-4, 340x256, GOP 12 (its pictures are to be turned by -90 degrees)"
    ]
    prepared = only(video, tmp_path / "cache", Recipe())
    np.testing.assert_array_equal(direct.logits, runtime.predict(prepared).logits)
    upright = np.rot90(next(read_gops(video)).iframe, -1)  # a quarter clockwise, as the matrix says
    shown = next(read_gops(prepared)).iframe
    rows, columns = (np.arange(n) * m // n for n, m in zip(shown.shape, upright.shape[:2], strict=False))
    assert np.abs(shown.astype(int) - upright[rows][:, columns]).mean() < 25


def test_found_out_in_the_middle_and_no_clip_counted_twice(
    tiny_bundle: Path, late_b_frames: Path, tmp_path: Path
) -> None:
    runtime = open_bundle(tiny_bundle)
    preprocessing = runtime.bundle.manifest.preprocessing
    clips = sample_clips(late_b_frames, preprocessing)
    next(clips)
    with pytest.raises(TranscodeNeeded, match="B-frames"):
        list(clips)
    direct = runtime.predict(late_b_frames)
    prepared = runtime.predict(only(late_b_frames, tmp_path, Recipe()))
    assert direct.transcoded
    assert direct.clips == 2
    np.testing.assert_array_equal(direct.logits, prepared.logits)
    assert direct.work == prepared.work


def test_the_transcode_is_part_of_taking_the_first_clip(vp9: Path) -> None:
    """Whoever times the clips, as `predict` does for "ingest", times it too."""
    told: list[str] = []

    def use(clips: Iterator[Clip]) -> tuple[int, int]:
        before = len(told)
        next(clips)
        return before, len(told)

    assert use_clips(vp9, PREPROCESSING, use, told.append) == ((0, 1), True)


def test_short_gops_become_whole_clips(tmp_path: Path) -> None:
    video = encode(tmp_path / "short.avi", "mpeg4", 30, g="5")
    taken, transcoded = use_clips(video, PREPROCESSING, lambda clips: [clip.gop for clip in clips])
    assert (taken, transcoded) == ([0, 1], True)


def test_a_damaged_gop_costs_its_frames_and_not_the_video(tmp_path: Path) -> None:
    video, told = encode(tmp_path / "lost.avi", "mpeg4", 49, g="12"), list[str]()
    data = bytearray(video.read_bytes())
    with av.open(str(video)) as container:
        position, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][15]
    data[position : position + size] = bytes(size)
    video.write_bytes(data)
    taken, transcoded = use_clips(video, PREPROCESSING, lambda clips: [clip.gop for clip in clips], told.append)
    assert (taken, transcoded) == ([0, 1, 2, 3], True)  # of the 48 frames that are left
    why = "GOP 1 is damaged, 10 P-frames decoded but a clip takes 11"
    assert told == [
        f"{video}: transcoded in memory to MPEG-4, 340x256, GOP 12 ({why})",
        f"{video}: damaged (1 frame lost); used as far as it decodes",
    ]


def test_intra_refresh_is_transcoded(tmp_path: Path) -> None:
    options = "ref=1:bframes=0:keyint=24:intra-refresh=1:scenecut=0"
    video, told = encode(tmp_path / "refresh.mkv", "libx264", 60, **{"x264-params": options}), list[str]()
    with pytest.raises(TranscodeNeeded, match=r"\(intra refresh\); transcode it"):
        list(sample_clips(video, PREPROCESSING))
    _, transcoded = use_clips(video, PREPROCESSING, list, told.append)
    assert transcoded
    assert "(intra refresh)" in told[0]


def test_a_video_of_which_nothing_decodes_ends_in_one_error(tmp_path: Path) -> None:
    video = encode(tmp_path / "nothing.avi", "mpeg4", 12, g="12")
    data = bytearray(video.read_bytes())
    with av.open(str(video)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    video.write_bytes(data)
    with pytest.raises(VideoError, match=r"nothing\.avi: no frame can be decoded, it is damaged; get another copy"):
        use_clips(video, PREPROCESSING, list)


def test_several_reference_pictures(tmp_path: Path) -> None:
    video, told = encode(tmp_path / "three.mp4", "libx264", 24, refs="3", weightp="0", sc_threshold="0"), list[str]()
    taken, transcoded = use_clips(video, PREPROCESSING, lambda clips: [clip.gop for clip in clips], told.append)
    assert (taken, transcoded) == ([0, 1], True)
    assert told[0].endswith(
        "(GOP 0: its P-frames may refer to any of 3 pictures (H.264 reference frames), FFmpeg does not say which)"
    )


@pytest.mark.parametrize("frames", [3, 11])
def test_shorter_than_a_clip_even_so(frames: int, tmp_path: Path) -> None:
    video = encode(tmp_path / "blink.webm", "libvpx-vp9", frames, deadline="realtime")
    with pytest.raises(VideoError, match=rf"webm: too short, a clip takes 12 frames and it has {frames}; give a"):
        use_clips(video, PREPROCESSING, list)


def test_cut_to_less_than_a_clip(tmp_path: Path) -> None:
    video = encode(tmp_path / "cut.avi", "mpeg4", 24, g="12")
    position, _ = spans(video)[7]
    video.write_bytes(video.read_bytes()[:position])
    with pytest.raises(VideoError, match=r"it has 7 \(the file breaks off\); get a whole copy"):
        use_clips(video, PREPROCESSING, list)


def test_pictures_are_large_enough_for_the_clips() -> None:
    assert transcoding_recipe(Preprocessing(112, 256)) == Recipe(340, 256, 12)
    assert transcoding_recipe(Preprocessing(112, 128, steps=7)) == Recipe(340, 256, 8)
    assert transcoding_recipe(Preprocessing(480, 512, steps=3)) == Recipe(680, 512, 4)


@pytest.mark.parametrize("command", ["run", "energy"])
def test_commands_say_so_once_a_video(
    hybridnet: Command, tiny_bundle: Path, vp9: Path, late_b_frames: Path, clip: Path, tmp_path: Path, command: str
) -> None:
    for video in (vp9, late_b_frames, clip):
        shutil.copy(video, tmp_path)
    code, out, err = hybridnet(command, tiny_bundle, tmp_path, "--json")
    assert code == 0, err
    rows = {Path(row["video"]).name: row for row in json.loads(out)["videos"]}
    assert {name: row["transcoded"] for name, row in rows.items()} == {
        "new.webm": True, "late.mp4": True, "walk.avi": False,
    }  # fmt: skip
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        str(tmp_path / "late.mp4"), str(tmp_path / "new.webm"),
    ]  # fmt: skip
    assert all("transcoded in memory to MPEG-4, 340x256, GOP 12 (" in line for line in err.splitlines())


def test_simulate_starts_its_trace_over(
    hybridnet: Command, tiny_bundle: Path, late_b_frames: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.npz"
    code, out, err = hybridnet("simulate", tiny_bundle, late_b_frames, "--trace", trace, "--json")
    assert code == 0
    assert (len(err.splitlines()), err.count("transcoded in memory")) == (1, 1)
    assert json.loads(out)["transcoded"]
    assert json.loads(out)["clips"] == 2
    names = ZipFile(trace).namelist()
    assert len(names) == len(set(names))
    assert {name.split("/")[0] for name in names} == {"0", "1"}
    runtime = open_bundle(tiny_bundle)
    prepared = only(late_b_frames, tmp_path / "cache", Recipe())
    with np.load(trace) as arrays, runtime.simulator() as simulate:
        for n, clip in enumerate(sample_clips(prepared, runtime.bundle.manifest.preprocessing)):
            for stream, wanted in simulate(clip).items():
                np.testing.assert_array_equal(arrays[f"{n}/{stream}/potential"], wanted.potential)


def test_a_copy_too_long_for_memory_goes_to_disk(vp9: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def clips() -> list[np.ndarray]:
        return use_clips(vp9, PREPROCESSING, lambda clips: [clip.motion for clip in clips])[0]

    in_memory = clips()
    monkeypatch.setattr("deploy.transcoded.SPOOL", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    np.testing.assert_array_equal(clips(), in_memory)
    assert os.listdir(tmp_path) == []


def test_mp4_that_ends_before_its_index_is_transcoded_and_said(tmp_path: Path) -> None:
    slow, video = encode(tmp_path / "slow.mp4", "mpeg4", 60, g="12"), tmp_path / "fast.mp4"
    remux(slow, video, movflags="faststart")
    position, _ = spans(video)[40]
    video.write_bytes(video.read_bytes()[:position])
    told: list[str] = []
    taken, transcoded = use_clips(video, PREPROCESSING, lambda clips: [clip.gop for clip in clips], told.append)
    assert (taken, transcoded) == ([0, 1, 2], True)
    assert told == [
        f"{video}: transcoded in memory to MPEG-4, 340x256, GOP 12 (damaged after packet 40 (the file ends before its "
        "index does))",
        f"{video}: damaged (the file breaks off); used as far as it decodes",
    ]


def test_damage_of_what_is_transcoded_in_memory_is_said(vp9: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.webm").write_bytes(vp9.read_bytes()[:-600])
    told: list[str] = []
    use_clips(tmp_path / "cut.webm", PREPROCESSING, list, told.append)
    assert len(told) == 2
    assert told[1].startswith(f"{tmp_path}/cut.webm: damaged (")
    assert "the file breaks off" in told[1]
