"""`Pictures`: every picture of a video that decodes, and a count of what does not."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hybridnet.errors import VideoError
from hybridnet.video.probe import VideoSource, demux, open_video

HIDES_FRAMES = {"vp8"}  # codes frames in packets of their own that are never shown; other codecs pack them with one
TS_PACKET, TS_SYNC = 188, 0x47  # bytes, and the first of each packet of an MPEG transport stream
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # Matroska's first element, and the one that holds all else


@dataclass(frozen=True)
class Damage:
    """What of a video could not be read as it was coded; false if nothing is known of.

    lost        coded frames that gave no picture, those before the first key frame among them
    concealed   pictures that FFmpeg flagged: parts of them were missing, and it made them up
    cut         whether the file breaks off, or is shorter than its own header says
    """

    lost: int = 0
    concealed: int = 0
    cut: bool = False

    def __bool__(self) -> bool:
        return bool(self.lost or self.concealed or self.cut)

    def __str__(self) -> str:
        counts = ((self.lost, "lost"), (self.concealed, "concealed"))
        parts = [f"{n:,} frame{'' if n == 1 else 's'} {what}" for n, what in counts if n]
        return ", ".join([*parts, *(["the file breaks off"] if self.cut else [])]) or "none known"


@dataclass(frozen=True)
class Survey:
    """What there is in a video.

    codec    FFmpeg's name of its codec
    packets  coded frames
    frames   pictures that they gave
    damage   what could not be read as it was coded
    """

    codec: str
    packets: int
    frames: int
    damage: Damage


def survey(source: VideoSource) -> Survey:
    """Decode a video from end to end, keeping nothing; VideoError if it cannot be opened."""
    container, stream = open_video(source)
    with container:
        pictures = Pictures(source, container, stream)
        for _ in pictures:
            pass
        return pictures.survey


class Pictures(Iterator[VideoFrame]):
    """Every frame that decodes, in order of presentation, from the first key frame on to where the file breaks off."""

    def __init__(self, source: VideoSource, container: InputContainer, stream: VideoStream) -> None:
        self._context = stream.codec_context
        self._context.thread_type, self._context.thread_count = "NONE", 1  # whoever has many videos has processes
        self._packets = self._shown = self._dropped = self._refused = self._flagged_packets = self._flagged = 0
        self._cut = is_cut(source)
        self._decoded = self._decode(source, container, stream)

    def __next__(self) -> VideoFrame:
        frame = next(self._decoded)
        self._shown += 1
        self._flagged += frame.is_corrupt
        return frame

    @property
    def survey(self) -> Survey:
        """What was met; of the whole video once every picture has been taken."""
        codec = self._context.codec.canonical_name
        lost = self._dropped + self._refused if codec in HIDES_FRAMES else max(self._packets - self._shown, 0)
        damage = Damage(lost, max(self._flagged, self._flagged_packets), self._cut)
        return Survey(codec, self._packets, self._shown, damage)

    def _decode(self, source: VideoSource, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        started = False
        try:
            for packet in demux(source, container, stream):
                self._packets += 1
                started |= packet.is_keyframe
                if started:
                    self._flagged_packets += packet.is_corrupt
                    yield from self._decode_packet(packet)
                else:
                    self._dropped += 1
        except VideoError:
            self._cut = True
        yield from self._decode_packet(None)

    def _decode_packet(self, packet: av.Packet | None) -> list[VideoFrame]:
        try:
            return self._context.decode(packet)
        except av.error.FFmpegError:
            self._refused += packet is not None
            return []


def is_cut(source: VideoSource) -> bool:
    """Whether the file is shorter than an AVI's or Matroska's header says, or ends within a packet of an MPEG-TS.

    FFmpeg takes that for its end. Where an MPEG-TS breaks off between two packets, nothing in it says so.
    """
    head, total = _head(source, 4096)
    if head[:4] == b"RIFF":
        return total < 8 + int.from_bytes(head[4:8], "little")
    if len(head) > 2 * TS_PACKET and set(head[::TS_PACKET]) == {TS_SYNC}:
        return total % TS_PACKET > 0
    at = head.find(SEGMENT)
    if head[:4] != EBML or at < 0 or len(head) < at + 12:
        return False
    # The size has as many bytes as its first has leading zeros, and one; behind those bits come its own.
    length = 9 - head[at + 4].bit_length()
    unknown = (1 << 7 * length) - 1  # all ones, of a live stream
    size = int.from_bytes(head[at + 4 : at + 4 + length], "big") & unknown
    return size != unknown and total < at + 4 + length + size


def _head(source: VideoSource, size: int) -> tuple[bytes, int]:
    """The first bytes of a video's file, and how many there are in all."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return _head(file, size)
    place = source.tell()
    total = source.seek(0, os.SEEK_END)
    source.seek(0)
    head = source.read(size)
    source.seek(place)
    return head, total
