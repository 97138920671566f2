"""Open a video and say what is in it, without decoding a frame."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import BinaryIO, NamedTuple, cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.files import missing
from hybridnet.video.orientation import describe_turn, read_turn

# Decoders that fill in motion vectors under flags2 +export_mvs (FFmpeg's codec descriptor names).
# The others (hevc, vp8, vp9, av1, ...) export none and raise nothing.
MOTION_VECTOR_CODECS = frozenset(
    {
        *("mpeg4", "h263", "h263p", "flv1", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2"),
        *("mpeg1video", "mpeg2video", "h264", "snow"),
    }
)

MAX_PIXELS = 2**25  # of a picture, as much as 8K; damaged headers claim pictures that no memory holds

CHUNK_HEADER = 8  # bytes of an AVI chunk's name and size

VideoSource = str | os.PathLike[str] | BinaryIO  # a path, or a seekable file object, read from its start

REMEDY = "transcode it: hybridnet prepare VIDEO -o CACHE"


class BreaksOff(TranscodeNeeded):
    """A file whose packets end before it says, or where FFmpeg cannot read on."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video holds, found by demuxing it from end to end: its header is not trusted.

    codec                FFmpeg's name of the codec, such as "mpeg4"
    width, height        pixels, as stored: rotation metadata is not applied
    packets              coded frames
    keyframes            index of every key packet, ascending; each starts a GOP
    has_motion_vectors   whether the codec's decoder exports motion vectors
    breaks_off           a line that says where FFmpeg could not read on, or that it ends before its index; else None
    """

    codec: str
    width: int
    height: int
    packets: int
    keyframes: tuple[int, ...]
    has_motion_vectors: bool
    breaks_off: str | None

    @property
    def gop_lengths(self) -> tuple[int, ...]:
        """Frames in each GOP, its I-frame included; packets before the first key packet are in none."""
        return tuple(end - start for start, end in pairwise((*self.keyframes, self.packets)))


class PacketEntry(NamedTuple):
    """What a container's index says of a packet. A copy: PyAV's entries point into memory that FFmpeg may move.

    number         of the packet among all that it lists, from 0
    timestamp      in the stream's time base
    size           bytes
    is_keyframe    whether a GOP begins with it
    """

    number: int
    timestamp: int
    size: int
    is_keyframe: bool


def probe(source: VideoSource) -> VideoInfo:
    """Count a video's packets and key packets; nothing is decoded and one packet is held at a time.

    Raises VideoError if the path is missing or a folder, or holds no video.
    """
    container, stream = open_video(source)
    with container:
        packets, keyframes, breaks_off = 0, [], None
        try:
            for packet in demux(source, container, stream):
                if packet.is_keyframe:
                    keyframes.append(packets)
                packets += 1
        except BreaksOff as error:
            breaks_off = str(error)
        codec = stream.codec_context.codec.canonical_name
        return VideoInfo(
            codec=codec,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            packets=packets,
            keyframes=tuple(keyframes),
            has_motion_vectors=codec in MOTION_VECTOR_CODECS,
            breaks_off=breaks_off,
        )


def count_dropped(source: VideoSource) -> int:
    """Packets before the first key packet, of which nothing can be decoded; reads no further."""
    container, stream = open_video(source)
    with container:
        return sum(1 for _ in takewhile(lambda packet: not packet.is_keyframe, demux(source, container, stream)))


def require_upright(source: VideoSource) -> None:
    """TranscodeNeeded if the metadata ask to turn or mirror the pictures, as phones do, VideoError if by odd angles.

    The first frame is decoded to know.
    """
    container, stream = open_video(source)
    context = stream.codec_context
    context.thread_type, context.thread_count = "NONE", 1
    with container:
        for packet in demux(source, container, stream):
            frames: list[av.VideoFrame] = []
            with suppress(av.error.FFmpegError):
                frames = context.decode(packet)
            for frame in frames[:1]:
                turn = read_turn(source_name(source), frame)
                if turn is not None:
                    raise TranscodeNeeded(
                        f"{source_name(source)}: its pictures are to be {describe_turn(turn, frame)}; {REMEDY}"
                    )
                return


def source_name(source: VideoSource) -> str:
    """What errors call a video: its path, or the name of its file object."""
    return (
        os.fspath(source) if isinstance(source, str | os.PathLike) else str(getattr(source, "name", "video in memory"))
    )


@contextmanager
def open_bytes(source: VideoSource) -> Iterator[BinaryIO]:
    """The video's file, for reads at any place; a file object is left where it was."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb", buffering=0) as file:
            yield cast(BinaryIO, file)
    else:
        place = source.tell()
        yield source
        source.seek(place)


def require_motion_vectors(source: VideoSource, codec: str) -> None:
    """TranscodeNeeded if the codec's decoder exports no motion vectors: every one would read as zero, in silence."""
    if codec not in MOTION_VECTOR_CODECS:
        raise TranscodeNeeded(f"{source_name(source)}: codec {codec} exports no motion vectors; {REMEDY}")


def open_video(source: VideoSource) -> tuple[InputContainer, VideoStream]:
    """A video's container, for the caller to close, and its video stream; VideoError if it has none."""
    name = source_name(source)
    opened: str | BinaryIO
    if isinstance(source, str | os.PathLike):
        if not os.path.exists(source):
            raise VideoError(f"{name}: {missing(source)}")
        if os.path.isdir(source):
            raise VideoError(f"{name}: is a folder, not a video; name a file in it")
        if not os.path.isfile(source):  # a FIFO would be waited for, for ever
            raise VideoError(f"{name}: is no file but a pipe or a device; save the video as a file first")
        opened = f"file:{name}"  # the prefix keeps FFmpeg from reading a protocol or a pattern into the name
    else:
        opened = source
        try:
            opened.seek(0)  # it may have been read before
            if not isinstance(opened.read(0), bytes):
                raise TypeError("it gives text")
        except (AttributeError, TypeError, ValueError, OSError) as error:
            raise VideoError(
                f"{name}: is neither a path nor a seekable file open for reading bytes ({error}); give one"
            ) from error
    try:
        container = av.open(opened, "r", metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise VideoError(
            f"{name}: cannot be opened as a video ({reason}); check that it is whole and readable"
        ) from error
    stream = cast(VideoStream | None, container.streams.best("video"))
    # FFmpeg renders text files as a terminal's picture, and counts a song's cover as its video.
    if stream is None or stream.disposition & Disposition.attached_pic or container.format.name == "tty":
        container.close()
        raise VideoError(f"{name}: holds no video stream; give a video file")
    if stream.codec_context is None:
        container.close()
        raise VideoError(f"{name}: its video codec is unknown to FFmpeg; {REMEDY}")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        container.close()
        raise VideoError(
            f"{name}: its header claims pictures of {width}x{height}, more than {MAX_PIXELS:,} pixels; check that it "
            "is whole, or scale it down with a video editor"
        )
    return container, stream


def demux(
    source: VideoSource,
    container: InputContainer,
    stream: VideoStream,
    index: Mapping[int, PacketEntry] | None = None,
    first: int = 0,
) -> Iterator[av.Packet]:
    """The stream's packets in file order, one per coded frame; BreaksOff where the file does.

    index   what `packet_index` made of the container, if the caller has it already
    first   number of the packet that comes next, for the error to count from

    Key packets are what `packet_index` says. FFmpeg's parser sees none in a damaged one, which would lengthen the GOP
    before it; of H.264 it is believed as well, for it alone tells intra refresh. A packet counts as corrupt if an AVI
    has lost those before it, which FFmpeg passes over without a word, unless a GOP begins with it.
    """
    index = packet_index(container, stream) if index is None else index
    parser_counts = stream.codec_context.codec.canonical_name == "h264"
    is_avi = "avi" in container.format.name
    count, follows = first, None
    try:
        for packet in container.demux(stream):
            # An empty packet is PyAV's end mark or an AVI's dropped frame; a decoder would take it for the end.
            if not packet.size:
                continue
            entry = None if packet.pos is None else index.get(packet.pos)
            if entry is not None:
                packet.is_keyframe = entry.is_keyframe or (parser_counts and packet.is_keyframe)
                if is_avi and follows is not None and entry.number != follows and not packet.is_keyframe:
                    packet.is_corrupt = True
            follows = None if entry is None else entry.number + 1
            count += 1
            yield packet
    except av.error.FFmpegError as error:
        raise _breaks_off(source, count, error.strerror) from error
    except IndexError as error:  # PyAV's, at a packet of a stream that the file began without, as MPEG-TS may
        raise _breaks_off(source, count, "another stream begins within the file") from error
    if count < len(index) and not is_avi:
        raise _breaks_off(source, count, "the file ends before its index does")


def packet_index(container: InputContainer, stream: VideoStream) -> dict[int, PacketEntry]:
    """Every coded packet by its position, bytes, as the container lists them; empty if it is not to be believed.

    MP4 and MOV are read by theirs. An AVI's must account for every byte between its first and last chunk: it is the
    chunks that are read. Other containers list a part of their packets, or nothing.
    """
    names = container.format.name.split(",")
    is_mov = "mov" in names
    # FFmpeg's parser finds more key frames in an AVI's H.264 than its index has.
    parsed = stream.codec_context.codec.canonical_name == "h264"
    if not is_mov and ("avi" not in names or len(container.streams) > 1 or parsed):
        return {}
    entries = [(entry.pos, entry.size, entry.timestamp, entry.is_keyframe) for entry in stream.index_entries]
    header = 0 if is_mov else CHUNK_HEADER
    if not is_mov and any(b != a + header + size + size % 2 for (a, size, *_), (b, *_) in pairwise(entries)):
        return {}
    coded = enumerate(entry for entry in entries if entry[1])
    return {position + header: PacketEntry(n, time, size, key) for n, (position, size, time, key) in coded}


def _breaks_off(source: VideoSource, count: int, reason: str | None) -> BreaksOff:
    return BreaksOff(f"{source_name(source)}: damaged after packet {count} ({reason}); {REMEDY}")
