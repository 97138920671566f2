"""H.264 streams whose pictures refer to any other, written by `h264_writer` and decoded by FFmpeg.

Where a GOP is read, its motion must be the one that was written and its residual zero.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h264_writer import Head, Picture, Writer
from hybridnet.errors import TranscodeNeeded
from hybridnet.video import Gop, read_gops

MARGIN = 14  # pixels at the edges, where vectors have pointed out of the picture
OTHER, MANY = "other pictures than the frame before", "any of 4 pictures"


def written(says: dict[int, dict], head: Head) -> Writer:
    """An IDR picture and five P-frames, and what they say beside their vectors."""
    writer = Writer(head)
    for k, vector in enumerate([None, *VECTORS]):
        writer.add(replace(Picture(vector), **says.get(k, {})))
    return writer


def assert_moved(gop: Gop, expected: np.ndarray) -> None:
    inside = slice(MARGIN, -MARGIN)
    assert not gop.corrupt
    assert len(gop.motion) == len(expected) - 1
    for motion, residual, moved in zip(gop.motion, gop.residual, expected[1:], strict=True):
        assert (motion[inside, inside] == moved).all()
        assert not residual[inside, inside].any()


VECTORS = [(2, 0), (-2, 4), (4, -2), (-2, -2), (2, 2)]
HEADS = {
    "plain": Head(),
    "one reference, lists of three": Head(max_references=1, default_references=3),
    "order told": Head(order_type=0),
    "order told of both fields, weights": Head(order_type=0, order_of_bottom=True, weighs=True, redundant=True),
    "order by deltas": Head(order_type=1),
    "order by deltas of both fields": Head(order_type=1, order_of_bottom=True, redundant=True),
    "scaling lists, weights": Head(scaling_lists=True, weighs=True),
    "slices": Head(rows_of_a_slice=1, weighs=True),
    "gaps allowed, and none": Head(allows_gaps=True),
    "fields allowed, and none": Head(has_fields=True),
}
THERE = {  # what each P-frame says, whose list holds the frame before and no other
    "first of the list": lambda k: {},
    "named": lambda k: {"named": (("short", k - 1),)},
    "named three times": lambda k: {"named": (("short", k - 1),) * 3, "references": 3, "entry": k % 3},
    "the only one there is": lambda k: {"marks": (("reset", 0),), "references": 2},
}
ELSEWHERE = {  # what some frames say, so that the list of the fourth holds another picture
    "two": ({4: {"references": 2}}, MANY),
    "two, the second used": ({4: {"references": 2, "entry": 1}}, MANY),
    "two, one of them named": ({4: {"references": 2, "named": (("short", 3),)}}, MANY),
    "two, in the last slice": ({4: {"is_mixed": True}}, MANY),
    "an older one named": ({4: {"named": (("short", 1),)}}, OTHER),
    "the one before kept for long": ({3: {"marks": (("keep", 0),)}}, OTHER),
    "the one before is none to refer to": ({3: {"is_reference": False}}, OTHER),
    "frames were never sent": ({4: {"skip": 2}}, OTHER),
    "frames were never sent, the number went round": ({4: {"skip": 15}}, OTHER),
}


@pytest.mark.parametrize("way", THERE)
@pytest.mark.parametrize("name", HEADS)
def test_every_vector_points_at_the_frame_before(name: str, way: str) -> None:
    writer = written({k: THERE[way](k) for k in range(6)}, HEADS[name])
    assert all(set(pictures) == {k - 1} for k, pictures in writer.lists.items())
    (gop,) = read_gops(writer.file())
    assert_moved(gop, writer.motion)


@pytest.mark.parametrize("way", ELSEWHERE)
def test_a_vector_may_point_elsewhere(way: str) -> None:
    says, cause = ELSEWHERE[way]
    writer = written(says, Head(allows_gaps=True, rows_of_a_slice=1))
    assert [set(pictures) == {k - 1} for k, pictures in writer.lists.items()][:4] == [True, True, True, False]
    with pytest.raises(TranscodeNeeded, match=f"^made.h264: GOP 0: its P-frames may refer to {cause}.*; transcode it"):
        list(read_gops(writer.file()))
    (gop,) = read_gops(writer.file(), max_p=2)  # and one frame more is looked at
    assert_moved(gop, writer.motion[:3])


def test_i_frame_kept_for_long() -> None:
    writer = written({0: {"marks": (("keep", 0),)}, 4: {"named": (("long", 0),)}}, Head())
    assert writer.lists[4] == [0]
    with pytest.raises(TranscodeNeeded, match=OTHER):
        list(read_gops(writer.file()))


def test_fields() -> None:
    writer = written({2: {"is_field": True}}, Head(has_fields=True))
    with pytest.raises(TranscodeNeeded, match="its P-frames are interlaced"):
        list(read_gops(writer.file()))


def test_lost_frames_are_damage() -> None:
    writer = written({4: {"skip": 2}}, Head())
    (gop,) = read_gops(writer.file())
    assert gop.corrupt


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_is_read_is_right(data: st.DataObject) -> None:
    draw = data.draw
    writer = Writer(
        draw(st.builds(Head, st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.booleans(), st.booleans()))
    )
    writer.add(Picture(None, marks=draw(st.sampled_from([(), (("keep", 0),)]))))
    longest = draw(st.integers(1, 3))
    for vector in VECTORS:
        writer.add(draw_picture(draw, vector, longest, writer))
    elsewhere = any(set(pictures) != {k - 1} for k, pictures in writer.lists.items())
    try:
        (gop,) = read_gops(writer.file())
    except TranscodeNeeded:
        assert elsewhere or writer.doubtful
    else:
        assert not elsewhere
        assert_moved(gop, writer.motion)


def draw_picture(draw: Callable, vector: tuple[int, int], longest: int, writer: Writer) -> Picture:
    """A P-frame that may come next in the stream."""
    store = writer.store
    there = [*(("short", k) for k in store.short), *(("long", 0) for _ in store.long)]
    references = draw(st.integers(1, longest))
    latest = st.just(there[len(store.short) - 1])
    named = tuple(draw(st.lists(latest | st.sampled_from(there), max_size=references)))
    picture = Picture(vector, references, named)
    entry = draw(st.integers(0, len(store.reference_list(picture)) - 1))
    is_full = len(store.short) + len(store.long) >= store.size
    ways = [(), (("reset", 0),)]
    ways += [(("drop", k),) for k in store.short]
    ways += [(*(("drop", k) for k in [*store.short][:is_full]), ("keep", 0))]
    if is_full and not store.short:
        ways = [(("keep", 0),)]
    is_reference = writer.follows_no_reference or draw(st.sampled_from([True, True, True, False]))
    return replace(
        picture, entry=entry, is_reference=is_reference, marks=draw(st.sampled_from(ways)) if is_reference else ()
    )
