"""Whether every vector of a GOP points at the frame right before it: FFmpeg does not export what vectors point at.

A vector that crosses three frames, or one of a field, would be taken in silence for the motion of one frame. What a
frame may refer to, its header says, and a GOP is refused if one of its P-frames may refer to anything but the frame
before, whether it does or not:

    H.264       by its lists of reference pictures, by fields, or because the frame before is none to refer to
    MPEG-2      by prediction from fields
    Sorenson    because the frame before is disposable

The decoder says of MPEG-4's frames that they are interlaced, and of Snow's vectors how far back they go. The other
codecs have one reference picture and no fields.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import av
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hybridnet.errors import TranscodeNeeded
from hybridnet.video.h264 import HeaderReader, Slice
from hybridnet.video.nal import Unreadable
from hybridnet.video.probe import REMEDY, VideoSource, source_name

FIELDS = "its P-frames are interlaced, and a vector may be that of a field"
OLDER = "its P-frames may refer to other pictures than the frame before, FFmpeg does not say which"
MANY = "its P-frames may refer to any of {} pictures (H.264 reference frames), FFmpeg does not say which"
B_SLICES = "has B-frames, only I- and P-frames can be traced back"
PICTURE_CODING_EXTENSION = b"\x00\x00\x01\xb5"  # MPEG-2's, if the next four bits are 8
ONLY_FRAMES = 3  # its picture_structure


class Broken(Exception):
    """A GOP that is to be refused, and why."""


class References:
    """Looks after the GOPs of one stream; TranscodeNeeded names the GOP and the cause."""

    def __init__(self, source: VideoSource, stream: VideoStream) -> None:
        self._name = source_name(source)
        self._codec = stream.codec_context.codec.canonical_name
        self._extradata = stream.codec_context.extradata or b""

    def check(self, index: int, packets: Sequence[av.Packet]) -> bool:
        """Read the headers of GOP `index`, the first of its I-frame; True if one is damaged, or a frame is missing."""
        try:
            if self._codec == "h264":
                return _h264(packets, self._extradata)
            if self._codec == "mpeg2video":
                _mpeg2(packets[1:])
            elif self._codec == "flv1":
                _sorenson(packets)
        except Broken as broken:
            self._refuse(index, str(broken))
        return False

    def check_frame(self, index: int, frame: VideoFrame) -> None:
        """Look at a P-frame of GOP `index`, as the decoder gives it."""
        if self._codec == "mpeg4" and frame.interlaced_frame:
            self._refuse(index, FIELDS)
        if self._codec == "snow":
            vectors = SideDataContainer(frame).get("MOTION_VECTORS")  # type: ignore[call-arg]
            if vectors is not None and (vectors.to_ndarray()["source"] != -1).any():
                self._refuse(index, OLDER)

    def _refuse(self, index: int, cause: str) -> None:
        raise TranscodeNeeded(
            f"{self._name}: GOP {index}: {cause}; {REMEDY}, or encode it progressive with one reference frame (refs=1)"
        )


def _h264(packets: Iterable[av.Packet], extradata: bytes) -> bool:
    headers = HeaderReader(extradata)
    before: Slice | None = None
    damaged = False
    for packet in packets:
        if packet.has_sidedata("new_extradata"):
            headers.take_extradata(bytes(packet.get_sidedata("new_extradata")))
        try:
            slices = list(headers.slices(packet))
        except Unreadable:
            before, damaged = None, True
            continue
        for part in slices:
            if before is not None:
                damaged |= _follow(before, part)
            damaged |= part.picture != slices[0].picture  # a packet holds one
        before = slices[0] if slices else before
    return damaged


def _follow(before: Slice, part: Slice) -> bool:
    """Clauses 8.2.4 and 8.2.5: Broken if a slice may refer to another picture than `before`, True if one is missing.

    Its list begins with the pictures named for it, and the others follow, the latest first and those kept for long
    last. It holds `before` alone if that is an IDR picture, or all that a decoder has room for.
    """
    if part.kind == 1:
        raise Broken(B_SLICES)
    if not part.predicts:
        return False
    if part.is_field or part.sequence.mixes_fields:
        raise Broken(FIELDS)
    if before.is_long_term or not before.is_reference:
        raise Broken(OLDER)
    number = 0 if before.resets else before.frame_num
    if part.frame_num != (number + 1) % (1 << part.sequence.frame_num_bits):
        if part.sequence.allows_gaps:
            raise Broken(OLDER)
        return True
    if before.is_idr or before.resets or part.sequence.max_references <= 1:
        return False
    named = part.reordered
    if any(name != number for name in named) or part.references > max(len(named), 1):
        raise Broken(OLDER if part.references == 1 else MANY.format(part.sequence.max_references))
    return False


def _mpeg2(packets: Iterable[av.Packet]) -> None:
    """ISO/IEC 13818-2, 6.2.3.1: only frames, and frame_pred_frame_dct."""
    for data in map(bytes, packets):
        at = data.find(PICTURE_CODING_EXTENSION)
        while 0 <= at < len(data) - 8 and data[at + 4] >> 4 != 8:
            at = data.find(PICTURE_CODING_EXTENSION, at + 4)
        if 0 <= at < len(data) - 8 and (data[at + 6] & 3 != ONLY_FRAMES or not data[at + 7] & 0x40):
            raise Broken(FIELDS)


def _sorenson(packets: Iterable[av.Packet]) -> None:
    """H.263 as Flash has it: start code 17 bits, format 5, number 8, size 3, width and height, type 2."""
    for before, after in pairwise(map(_sorenson_type, packets)):
        if before > 1 and after > 0:
            raise Broken(OLDER)


def _sorenson_type(packet: av.Packet) -> int:
    """0 for I, 1 for P, more for a P-frame that is disposable."""
    bits = int.from_bytes(bytes(packet)[:10].ljust(10, b"\x00"))
    size = bits >> 80 - 33 & 7
    return bits >> 80 - 35 - {0: 16, 1: 32}.get(size, 0) & 3
