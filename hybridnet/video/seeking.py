"""The packets of chosen GOPs: by a jump where the container's own index can be believed, else by passing over the rest.

MP4 and MOV are read by their sample table, and FFmpeg takes an AVI's key frames from its index, so both indexes are
what a read from end to end would find; an AVI's must account for every byte between its first and last chunk as well,
for a reader in sequence looks at the chunks. Packets that turn out otherwise than the index has them are damaged, and
the file is then read in sequence. Other containers index a part of their packets, or nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice, pairwise

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video.probe import REMEDY, VideoSource, demux, is_indexed, source_name

CHUNK_HEADER = 8  # bytes of an AVI chunk's name and size


class GopPackets(Iterator[av.Packet]):
    """The packets of one GOP, counted as they are taken.

    index   the GOP's place in the video
    start   index of its I-frame, counted in packets from the first key packet
    """

    def __init__(self, index: int, start: int, packets: Iterator[av.Packet], length: int | None = None) -> None:
        self.index = index
        self.start = start
        self._packets = packets
        self._length = length
        self._taken = 0

    def __next__(self) -> av.Packet:
        packet = next(self._packets)
        self._taken += 1
        return packet

    def length(self) -> int:
        """Packets in the whole GOP; passes over those that are left if nobody has counted them."""
        if self._length is None:
            for _ in self:
                pass
            self._length = self._taken
        return self._length


def gop_packets(
    source: VideoSource,
    container: InputContainer,
    stream: VideoStream,
    wanted: Sequence[int] | None,
    count: int | None = None,
) -> Iterator[GopPackets]:
    """The packets of the GOPs with those ascending indices, or of all; each is to be used up before the next is taken.

    count   packets of a GOP that will be looked at, None for all: those of a jump are compared with the index

    Raises VideoError where the file breaks off or for an index past the last GOP, TranscodeNeeded without a key frame.
    """
    remaining = list(wanted or ())
    if wanted is not None:
        marks = _read_marks(container, stream)
        while remaining and remaining[0] + 1 < len(marks):  # the last GOP's end is not in the index
            gop = _jump(source, container, stream, marks, remaining[0], count)
            if gop is None:
                break
            yield gop
            remaining.pop(0)
        if not remaining:
            return
        if marks:
            container.seek(marks[0].timestamp, stream=stream)
    yield from _scan(source, container, stream, None if wanted is None else remaining)


def _scan(
    source: VideoSource, container: InputContainer, stream: VideoStream, wanted: Sequence[int] | None
) -> Iterator[GopPackets]:
    start, index = 0, -1
    for index, group in _split(demux(source, container, stream)):
        if index < 0:
            continue
        gop = GopPackets(index, start, group)
        if wanted is None or index in wanted:
            yield gop
        start += gop.length()
        if wanted and index == wanted[-1]:
            return
    if index < 0:
        raise TranscodeNeeded(f"{source_name(source)}: no key frame in it, so nothing can be decoded; {REMEDY}")
    if wanted is not None:
        raise VideoError(
            f"{source_name(source)}: GOP {wanted[-1]} was asked for, but the last one is {index}; leave it out"
        )


def _split(packets: Iterable[av.Packet]) -> Iterator[tuple[int, Iterator[av.Packet]]]:
    """Packets by GOP index; -1 for those before the first key packet."""
    index = -1

    def gop_of(packet: av.Packet) -> int:
        nonlocal index
        index += packet.is_keyframe
        return index

    return groupby(packets, gop_of)


@dataclass(frozen=True)
class _Mark:
    """A key packet: its number, counted from the first of all packets, and where the index says it is.

    sizes   of it and the packets that follow in its GOP, bytes
    """

    number: int
    timestamp: int
    sizes: tuple[int, ...]


def _read_marks(container: InputContainer, stream: VideoStream) -> list[_Mark]:
    """Every key packet of a container whose index can be believed; none if it cannot, or has no index."""
    names = container.format.name.split(",")
    # In an AVI, FFmpeg's parser of H.264 finds key frames of its own.
    is_avi = "avi" in names and len(container.streams) == 1 and stream.codec_context.codec.canonical_name != "h264"
    if not is_avi and not is_indexed(container):
        return []
    entries = list(stream.index_entries)
    if is_avi and any(b.pos != a.pos + CHUNK_HEADER + a.size + a.size % 2 for a, b in pairwise(entries)):
        return []
    coded = [entry for entry in entries if entry.size]  # `demux` passes over empty packets too
    numbers = [number for number, entry in enumerate(coded) if entry.is_keyframe]
    return [
        _Mark(number, coded[number].timestamp, tuple(entry.size for entry in coded[number:end]))
        for number, end in pairwise([*numbers, len(coded)])
    ]


def _jump(
    source: VideoSource,
    container: InputContainer,
    stream: VideoStream,
    marks: Sequence[_Mark],
    index: int,
    count: int | None,
) -> GopPackets | None:
    """The packets of GOP `index`, which is not the last; None if the file does not have it where the index says."""
    mark = marks[index]
    packets = islice(demux(source, container, stream, first=mark.number), len(mark.sizes))
    try:
        container.seek(mark.timestamp, stream=stream)
        head = list(islice(packets, count))
    except (av.error.FFmpegError, VideoError):
        return None
    found = [(packet.size, packet.is_keyframe) for packet in head]
    if found != [(size, number == 0) for number, size in enumerate(mark.sizes[:count])]:
        return None
    return GopPackets(index, mark.number - marks[0].number, chain(head, packets), len(mark.sizes))
