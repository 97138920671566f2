"""`hybridnet figure`: the paper's figures of real clips, and what they say checked against hand-made points."""

import io
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from command import Command
from deploy.pictures.energy import Point, read_evaluation
from deploy.pictures.features import draw_features
from deploy.pictures.sheet import Sheet
from deploy.pictures.trajectories import SIDE, Space, cells, read_spaces
from deploy.runtime import open_bundle
from hybridnet.errors import HybridnetError, VideoError
from hybridnet.training.log import COLUMNS
from hybridnet.video import Recipe, transcode

PNG = b"\x89PNG"


def decoded(video: Path | io.BytesIO) -> np.ndarray:
    """uint8 (N,H,W,3)."""
    with av.open(str(video) if isinstance(video, Path) else video) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_backwards_is_the_same_pictures_in_the_other_order(clip: Path) -> None:
    copy = io.BytesIO()
    transcode(clip, copy, Recipe(128, 128, quality=1), backwards=True)
    copy.seek(0)
    pictures, found = decoded(clip).astype(int), decoded(copy).astype(int)
    assert len(found) == len(pictures) == 36
    apart = np.array([[abs(a - b).mean() for b in pictures[::-1]] for a in found])
    assert apart.argmin(axis=1).tolist() == list(range(36))
    assert np.diag(apart).max() < 2


def test_too_long_to_go_backwards(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[transcode.__module__], "LONGEST_BACKWARDS", 35)
    with pytest.raises(VideoError, match=r"walk.avi: has more than 35 frames, .* cut it shorter"):
        transcode(clip, io.BytesIO(), Recipe(128, 128), backwards=True)


def test_cells_by_hand() -> None:
    picture = np.zeros((2 * SIDE, 3 * SIDE, 2))
    picture[0, :2, 0] = 6.0  # two of the six pixels of the first cell
    picture[-1, -1, 1] = 12.0
    found = cells(picture).reshape(SIDE, SIDE, 2)
    assert (found[0, 0].tolist(), found[-1, -1].tolist()) == ([2.0, 0.0], [0.0, 2.0])
    assert np.count_nonzero(found) == 2
    assert cells(np.ones((SIDE + 5, 3, 1))).tolist() == [1.0] * (3 * SIDE)


def test_mixing_by_hand() -> None:
    """On a line: next to 0 is 1.1, to 1.1 is 2, to 4 is 5, to 5 is 4, to 2 is 1.1, to 9 is 5."""
    space = Space(np.array([[0.0], [1.1], [4.0], [5.0]]), np.array([[2.0], [9.0]]))
    assert space.mixing == 3 / 6  # those of the points at 1.1, 2 and 9


def test_a_video_and_its_reverse(clips: Path) -> None:
    """The pictures of both are the same ones, the P-frames are not: reversed, everything moves the other way."""
    spaces = read_spaces(clips / "jump.avi")
    assert spaces["pictures"].forward.shape == spaces["pictures"].backward.shape == (36, SIDE * SIDE * 3)
    assert spaces["P-frames"].forward.shape == spaces["P-frames"].backward.shape == (33, SIDE * SIDE * 5)
    pictures = spaces["pictures"]
    assert abs(pictures.forward - pictures.backward[::-1]).max() < 0.1
    assert pictures.mixing > 0.9 > spaces["P-frames"].mixing


def test_the_commands(hybridnet: Command, clip: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    told = json.loads(hybridnet("figure", "tsne", clip, "-o", tmp_path / "tsne.png", "--json").out)
    assert sorted(told["mixing"]) == ["P-frames", "pictures"]
    assert (tmp_path / "tsne.png").read_bytes().startswith(PNG)

    done = hybridnet("figure", "features", tiny_bundle, clip, "-o", tmp_path / "features.png", "--json")
    assert json.loads(done.out)["steps"] == [1, 3, 5, 7, 9, 11]
    assert (tmp_path / "features.png").read_bytes().startswith(PNG)
    done = hybridnet("figure", "features", tiny_bundle, clip, "--clip", 3, "-o", tmp_path / "none.png")
    assert (done.code, done.err) == (1, f"hybridnet: {clip}: has no clip 3; choose a smaller --clip\n")
    assert not (tmp_path / "none.png").exists()

    (tmp_path / "log.csv").write_text(f"{','.join(COLUMNS)}\n1{',0.5' * (len(COLUMNS) - 1)}\n")
    assert hybridnet("figure", "curves", tmp_path, "-o", tmp_path / "a.png").out == f"wrote {tmp_path / 'a.png'}\n"
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    done = hybridnet("figure", "curves", clip, "-o", tmp_path / "b.png")
    assert done.code == 1
    assert done.err.startswith(f"hybridnet: {clip}: no readable log (")
    (tmp_path / "log.csv").write_text(f"{','.join(COLUMNS)}\n")
    done = hybridnet("figure", "curves", tmp_path / "log.csv", "-o", tmp_path / "b.png")
    assert (done.code, done.err) == (1, f"hybridnet: {tmp_path / 'log.csv'}: has no epoch yet; train for one\n")
    for epoch, loss in (("inf", "0.5"), ("", "0.5"), ("1", "inf")):
        (tmp_path / "log.csv").write_text(f"{','.join(COLUMNS)}\n{epoch},0.5,{loss}{',0.5' * (len(COLUMNS) - 3)}\n")
        done = hybridnet("figure", "curves", tmp_path, "-o", tmp_path / "b.png")
        assert done.err.startswith(f"hybridnet: {tmp_path / 'log.csv'}: no readable log (an epoch without a number")


def evaluation(path: Path, data: str = "toy (test)", **forms: tuple[float, float | None]) -> Path:
    """What `evaluate --json` prints, of forms with (top-1, joules)."""
    facts = {"data": data, "regime": "paper-45nm"}
    path.write_text(json.dumps(facts | {form: {"top1": top1, "energy": e} for form, (top1, e) in forms.items()}))
    return path


def test_accuracy_against_energy(hybridnet: Command, tmp_path: Path) -> None:
    full = evaluation(tmp_path / "full.json", float=(0.5, 0.002), bundle=(0.25, 0.001))
    none = evaluation(tmp_path / "none.json", float=(0.5, None))
    assert read_evaluation(full).points == (
        Point("full", "float", 50.0, 0.002),
        Point("full", "bundle", 25.0, 0.001),
    )
    done = hybridnet("figure", "energy", full, none, "-o", tmp_path / "energy.png")
    assert done.out == f"wrote {tmp_path / 'energy.png'}\n"
    assert done.err == f"hybridnet: {none}: has no joules, so it is not drawn\n"
    assert (tmp_path / "energy.png").read_bytes().startswith(PNG)
    other = evaluation(tmp_path / "other.json", "UCF-101 (test)", bundle=(0.25, 0.001))
    assert "of toy (test) under paper-45nm and of UCF-101" in hybridnet("figure", "energy", full, other, "-o", "x").err
    assert "none of the evaluations has joules" in hybridnet("figure", "energy", none, "-o", "x").err
    (tmp_path / "list.json").write_text("[]")
    impossible = [(0.5, float("inf")), (0.5, float("nan")), (0.5, -1.0), (7.0, 0.1)]
    bad = [tmp_path / "list.json", *(evaluation(tmp_path / f"{k}.json", float=x) for k, x in enumerate(impossible))]
    for path in bad:
        with pytest.raises(HybridnetError, match=f"{path.name}: is not what `hybridnet evaluate --json` prints"):
            read_evaluation(path)


def test_features_of_a_video_that_is_transcoded(clip: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """VP9 exports no motion vectors; its pictures are found all the same."""
    video = tmp_path / "walk.webm"
    pictures = decoded(clip)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=24, options={"deadline": "realtime", "cpu-used": "8"})
        stream.height, stream.width, stream.pix_fmt = 128, 128, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    assert draw_features(open_bundle(tiny_bundle), video, 2, tmp_path / "a.png") == [1, 3, 5, 7, 9, 11]


def test_features_where_nothing_moves(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No vector and no residual in black pictures, so every potential is 0, and the maps say why they are blank."""
    video, texts = tmp_path / "black.avi", list[str]()
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.height, stream.width, stream.pix_fmt, stream.codec_context.gop_size = 128, 128, "yuv420p", 12
        for _ in range(24):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((128, 128, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    monkeypatch.setattr(Sheet, "text", lambda self, x, y, text, **_: texts.append(text))
    draw_features(open_bundle(tiny_bundle), video, 1, tmp_path / "a.png")
    blank = [text for text in texts if text.endswith(": every potential is 0 in this clip, --clip draws another")]
    assert [text.split(":")[0] for text in blank] == ["motion", "residual"]
