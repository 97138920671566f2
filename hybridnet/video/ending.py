"""Whether a video's file breaks off, by what its container says of lengths: FFmpeg takes any end for the end."""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from hybridnet.video.probe import VideoSource, open_bytes

HEAD, TAIL = 2**12, 2**17  # bytes: where a container says what it is, and more than an MPEG-PS has between two packs
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # Matroska's first element, and the one that holds all else
ASF, ASF_FILE = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
IN_SEGMENT = (  # SeekHead, Info, Tracks, Cluster, Cues, Tags, Chapters, Attachments, Void
    *(b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b"),
    *(b"\x12\x54\xc3\x67", b"\x10\x43\xa7\x70", b"\x19\x41\xa4\x69", b"\xec"),
)
MXF_PARTITION = bytes.fromhex("060e2b34020501010d01020101")
FLV_HEADER, FLV_SIZE = 13, b"\x00\x08filesize\x00"  # bytes up to the first tag; what stands before a double
FLV_TAGS = {8, 9, 18}  # sound, video, data
BOXES = {  # of MP4 and MOV, and of their fragments
    *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"meta", b"udta"),
    *(b"styp", b"sidx", b"ssix", b"moof", b"mfra", b"emsg", b"prft"),
}
TS_SYNC, TS_LEADS = b"\x47", {188: 0, 192: 4, 204: 0}  # of packets of so many bytes, and those that stand before it
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

    AVI, ASF (WMV), MXF               shorter than its header says
    FLV                               the same, or ends within a tag if its header does not say
    Matroska                          the same, or ends within a cluster
    MP4 and MOV, MPEG-TS, MPEG-PS     ends within a box, or a packet

    False of what breaks off between two of those, of other containers, of raw streams, and of a recording that could
    not go back to write down its length: if one ends within a frame, decoders mostly tell. What others have appended
    does not count, unless it looks like a part of the container.
    """
    with open_bytes(source) as file:
        data = _Bytes(file, file.seek(0, os.SEEK_END))
        head = data.at(0, HEAD)
        if head.startswith(b"RIFF"):
            return _riff_is_cut(data)
        if head.startswith(EBML):
            return _matroska_is_cut(head, data)
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
        return _ts_is_cut(head, data)


def _riff_is_cut(data: _Bytes) -> bool:
    position = 0
    while data.at(position, 4) == b"RIFF":  # one for each GiB
        size = int.from_bytes(data.at(position + 4, 4), "little")
        if size == 2**32 - 1:  # of a recording that could not go back to say
            return False
        position += 8 + size + size % 2
    return data.total < position - 1  # the last byte may be the padding, which some leave out


def _matroska_is_cut(head: bytes, data: _Bytes) -> bool:
    position = head.find(SEGMENT)
    if position < 0:
        return False
    start, end = _element(data, position)
    if end is None:  # a recording that could not go back to say; what it consists of may have lengths
        end = start
        while end is not None and end < data.total and data.at(end, 4).startswith(IN_SEGMENT):
            _, end = _element(data, end)
    return end is not None and data.total < end


def _element(data: _Bytes, position: int) -> tuple[int, int | None]:
    """Where the content of Matroska's element at `position` begins and ends; None for an end that it does not say."""
    # Name and size have as many bytes as their first has leading zeros, and one; of a size those bits are cut off.
    at = position + 9 - data.at(position, 1)[0].bit_length()
    head = data.at(at, 8)
    length = 9 - (head[0] if head else 255).bit_length()
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(head[:length], "big") & unknown
    return at + length, None if size == unknown else at + length + size


def _mp4_is_cut(data: _Bytes) -> bool:
    position = 0
    while position < data.total:
        header = data.at(position, 16)
        if len(header) >= 8 and header[4:8] not in BOXES:  # what others have appended
            return False
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:].ljust(8, b"\xff"), "big")
        elif size == 0:  # up to the end, wherever that is
            return False
        if len(header) < 8:
            return header[0] == 0  # as every box of less than 16 MiB begins
        if size < 8:
            return False
        position += size
    return position > data.total


def _asf_is_cut(head: bytes, total: int) -> bool:
    at = head.find(ASF_FILE) + 40
    size, flags = (int.from_bytes(head[start : start + 8], "little") for start in (at, at + 48))
    is_live = flags & 1
    return at > 40 and not is_live and total < size


def _flv_is_cut(head: bytes, data: _Bytes) -> bool:
    at = head.find(FLV_SIZE) + len(FLV_SIZE)
    if at >= len(FLV_SIZE) and len(head) >= at + 8 and (size := struct.unpack_from(">d", head, at)[0]) > 0:
        return data.total < size
    # Behind each tag stands how long it was, which finds the last one. Elsewhere they are gone through.
    size = int.from_bytes(data.at(max(data.total - 4, 0), 4), "big")
    position = data.total - 4 - size
    if position < FLV_HEADER or size != 11 + int.from_bytes(data.at(position + 1, 3), "big"):
        position = FLV_HEADER
    while position < data.total:
        tag = data.at(position, 4)
        if tag[0] % 32 not in FLV_TAGS:  # what others have appended
            return False
        position += 15 + int.from_bytes(tag[1:], "big")
    return position > data.total


def _ps_is_cut(data: _Bytes) -> bool:
    tail = data.at(max(data.total - TAIL, 0), TAIL)
    start, filled = tail.find(PACK), len(tail.rstrip(b"\x00"))
    while start >= 0:
        end: int | None = start
        while end is not None and end < filled:
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


def _ts_is_cut(head: bytes, data: _Bytes) -> bool:
    for size, lead in TS_LEADS.items():
        counts = [head[phase::size].count(TS_SYNC) for phase in range(size)]
        phase = counts.index(max(counts))
        if counts[phase] > 3 * len(head) // (4 * size) > 0:
            rest = (data.total + lead - phase) % size
            sync = data.at(data.total - rest + lead, 1)
            return rest > 0 and sync in (b"", TS_SYNC)  # or others have appended what is no packet
    return False
