"""`Pictures`: every picture of a video that decodes, and a count of what does not."""

from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hybridnet.errors import VideoError
from hybridnet.video.ending import is_cut
from hybridnet.video.probe import VideoSource, demux, open_video

HIDES_FRAMES = {"vp8"}  # codes frames in packets of their own that are never shown; other codecs pack them with one


@dataclass(frozen=True)
class Damage:
    """What of a video could not be read as it was coded; false if nothing is known of.

    lost        coded frames that gave no picture, those before the first key frame among them
    concealed   pictures that FFmpeg flagged: parts of them were missing, and it made them up
    cut         whether the file breaks off
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
