"""Whether a video's file breaks off, by what its container says of lengths: FFmpeg takes any end for the end."""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from hybridnet.video.probe import VideoSource, open_bytes

HEAD, TAIL = 2**12, 2**17  # bytes: where a container says what it is, and more than an MPEG-PS has between two packs
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # Matroska's first element, and the one that holds all else
ASF, ASF_FILE = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
MXF_PARTITION = bytes.fromhex("060e2b34020501010d01020101")
FLV_HEADER, FLV_SIZE = 13, b"\x00\x08filesize\x00"  # bytes up to the first tag; what stands before a double
BOXES = {b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide"}  # that an MP4 or MOV begins with
TS_SYNC, TS_LEADS = 0x47, {188: 0, 192: 4, 204: 0}  # of packets of so many bytes, and those that stand before it
START, PACK, END_CODE = b"\x00\x00\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb9"  # of an MPEG-PS


@dataclass(frozen=True)
class _Bytes:
    """A file's bytes, and how many there are."""

    file: BinaryIO
    total: int

    def at(self, position: int, count: int) -> bytes:
        """As many as there are."""
        self.file.seek(position)
        return self.file.read(count)


def is_cut(source: VideoSource) -> bool:
    """Whether the file ends before it should; False if nothing in it says where that is.

    AVI, Matroska, MP4 and MOV, ASF (WMV), MXF    shorter than its headers say
    FLV                                           the same, or ends within a tag
    MPEG-TS, MPEG-PS                              ends within a packet

    A TS, PS or FLV that breaks off between two packets, a live recording that could not know its length, raw streams
    and other containers are False: if they end within a frame, decoders mostly tell.
    """
    with open_bytes(source) as file:
        data = _Bytes(file, file.seek(0, os.SEEK_END))
        head = data.at(0, HEAD)
        if head.startswith(b"RIFF"):
            return _riff_is_cut(data)
        if head.startswith(EBML):
            return _matroska_is_cut(head, data.total)
        if head[4:8] in BOXES:
            return _mp4_is_cut(data)
        if head.startswith(ASF):
            return _asf_is_cut(head, data.total)
        if head.startswith(b"FLV"):
            return _flv_is_cut(head, data)
        if PACK in head:
            return _ps_is_cut(data)
        if MXF_PARTITION in head:
            return _mxf_is_cut(head, data.total)
        return _ts_is_cut(head, data.total)


def _riff_is_cut(data: _Bytes) -> bool:
    position = 0
    while data.at(position, 4) == b"RIFF":  # one for each GiB
        size = int.from_bytes(data.at(position + 4, 4), "little")
        position += 8 + size + size % 2
    return data.total < position - 1  # the last byte may be the padding, which some leave out


def _matroska_is_cut(head: bytes, total: int) -> bool:
    at = head.find(SEGMENT) + len(SEGMENT)
    if at < len(SEGMENT) or len(head) < at + 8:
        return False
    # The size has as many bytes as its first has leading zeros, and one; behind those bits come its own.
    length = 9 - head[at].bit_length()
    unknown = (1 << 7 * length) - 1  # all ones, of a live stream
    size = int.from_bytes(head[at : at + length], "big") & unknown
    return size != unknown and total < at + length + size


def _mp4_is_cut(data: _Bytes) -> bool:
    position = 0
    while position < data.total:
        header = data.at(position, 16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        elif size == 0:  # up to the end, wherever that is
            return False
        if size < 8:
            return len(header) < 8
        position += size
    return position > data.total


def _asf_is_cut(head: bytes, total: int) -> bool:
    at = head.find(ASF_FILE) + 40
    size, flags = (int.from_bytes(head[start : start + 8], "little") for start in (at, at + 48))
    is_live = flags & 1
    return at > 40 and not is_live and total < size


def _flv_is_cut(head: bytes, data: _Bytes) -> bool:
    at = head.find(FLV_SIZE) + len(FLV_SIZE)
    if at >= len(FLV_SIZE) and len(head) >= at + 8 and data.total < struct.unpack_from(">d", head, at)[0]:
        return True
    # Behind each tag stands its size, 11 bytes more than the tag's own header has; some writers leave it 0.
    size = int.from_bytes(data.at(max(data.total - 4, 0), 4), "big")
    tag = data.total - 4 - size
    return size != 0 and (tag < FLV_HEADER or size != 11 + int.from_bytes(data.at(tag + 1, 3), "big"))


def _ps_is_cut(data: _Bytes) -> bool:
    tail = data.at(max(data.total - TAIL, 0), TAIL)
    start = tail.find(PACK)
    while start >= 0:
        end: int | None = start
        while end is not None and end < len(tail):
            end = _ps_packet_end(tail, end)
        if end is not None:
            return end > len(tail)
        start = tail.find(PACK, start + 1)  # what follows the one before is no packet, or damaged
    return False


def _ps_packet_end(data: bytes, at: int) -> int | None:
    """Where the packet of an MPEG-PS ends that begins at `at`, be it beyond the data; None if none begins there."""
    head = data[at : at + 14]
    if not head.startswith(START[: len(head)]):
        return None
    if len(head) < 6:
        return at + (4 if head == END_CODE else 6)
    if head.startswith(END_CODE):
        return at + 4
    if head.startswith(PACK):
        is_mpeg2 = head[4] >> 6 == 1
        return at + (14 + head[-1] % 8 if is_mpeg2 else 12)
    return at + 6 + int.from_bytes(head[4:6], "big") if head[3] > END_CODE[3] else None


def _mxf_is_cut(head: bytes, total: int) -> bool:
    at = head.find(MXF_PARTITION) + 16
    if at < 16 or len(head) < at + 64:
        return False
    value = at + 1 + (head[at] % 128 if head[at] > 127 else 0)  # behind its own length, of one byte or of more
    footer = int.from_bytes(head[value + 24 : value + 32], "big")  # 0 where the writer could not go back to fill it in
    return total <= footer


def _ts_is_cut(head: bytes, total: int) -> bool:
    for size, lead in TS_LEADS.items():
        counts = [head[phase::size].count(TS_SYNC) for phase in range(size)]
        phase = counts.index(max(counts))
        if counts[phase] > 3 * len(head) // (4 * size) > 0:
            return (total + lead - phase) % size > 0
    return False
