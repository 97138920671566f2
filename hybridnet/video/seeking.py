"""The packets of chosen GOPs: by a jump where the container's own index can be believed, else by passing over the rest.

Key packets are those of the index either way, and `start` counts by it, with the packets that damage has cost. Packets
that turn out otherwise than it has them are damaged, and the file is then read in sequence. So it is if an AVI has lost
a chunk before the end of a chosen GOP: which packets begin one, and so how they are numbered, only FFmpeg then knows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video.probe import (
    CHUNK_HEADER,
    REMEDY,
    BreaksOff,
    PacketEntry,
    VideoSource,
    demux,
    open_bytes,
    packet_index,
    source_name,
)


class _FilePackets:
    """All packets of a file, in sequence, GOP by GOP.

    key          the key packet that comes next; None before `group` has come to one, and at the file's end
    ended        whether the file's end has been met
    breaks_off   whether it was met before its time
    """

    def __init__(self, packets: Iterator[av.Packet]) -> None:
        self.key: av.Packet | None = None
        self.ended = self.breaks_off = False
        self._packets = packets

    def group(self) -> Iterator[av.Packet]:
        """`key`, if there is one, and the packets up to the next; to be used up before the next is taken.

        Raises BreaksOff where the file does so before any key packet.
        """
        if self.key is not None:
            yield self.key
        try:
            for packet in self._packets:
                if packet.is_keyframe:
                    self.key = packet
                    return
                yield packet
        except BreaksOff:
            if self.key is None:
                raise
            self.breaks_off = True
        self.key, self.ended = None, True


class GopPackets:
    """The packets of one GOP.

    index        the GOP's place in the video
    start        index of its I-frame, counted in packets from the first key packet, those that are lost included where
                 the container's index has them
    is_last      whether the file ends with it; known once `length` has been asked for
    breaks_off   whether the file breaks off in it or behind it, of what FFmpeg says; known then too
    """

    def __init__(
        self,
        index: int,
        start: int,
        packets: Iterator[av.Packet],
        length: int | None = None,
        file: _FilePackets | None = None,
    ) -> None:
        self.index = index
        self.start = start
        self._file = file
        self._packets = packets
        self._length = length
        self._taken = 0

    def take(self, count: int | None) -> list[av.Packet]:
        """The next `count` packets, or all that are left."""
        taken = list(islice(self._packets, count))
        self._taken += len(taken)
        return taken

    @property
    def is_last(self) -> bool:
        return self._file is not None and self._file.ended

    @property
    def breaks_off(self) -> bool:
        return self._file is not None and self._file.breaks_off

    def length(self) -> int:
        """Packets in the whole GOP; passes over those that are left if nobody has counted them."""
        if self._length is None:
            self._length = self._taken + sum(1 for _ in self._packets)
        return self._length


def gop_packets(
    source: VideoSource,
    container: InputContainer,
    stream: VideoStream,
    wanted: Sequence[int] | None,
) -> Iterator[GopPackets]:
    """The packets of the GOPs with those ascending indices, or of all; each is to be used up before the next is taken.

    Where the file breaks off, its last GOP ends. Raises VideoError for an index past the last GOP, TranscodeNeeded
    without a key frame.
    """
    remaining, first = list(wanted or ()), 0
    index = packet_index(container, stream)
    marks = _read_marks(index)
    if wanted is not None:
        sound = _keep_whole(container.size, index, marks)
        if "avi" in container.format.name and remaining:
            sound = _keep_sound(source, stream, index, sound, remaining[-1])
        while remaining and remaining[0] + 1 < len(sound):  # the last GOP's end is not in the index
            mark = sound[remaining[0]]
            found = _jump(source, container, stream, index, mark)
            if found is None:
                break
            yield GopPackets(remaining.pop(0), mark.number - marks[0].number, iter(found), len(found))
        if not remaining:
            return
        if marks:
            container.seek(marks[0].timestamp, stream=stream)
            first = marks[0].number
    starts: dict[int | None, int] = {mark.position: mark.number - marks[0].number for mark in marks}
    packets = demux(source, container, stream, index, first)
    yield from _scan(source, packets, starts, None if wanted is None else remaining)


def _scan(
    source: VideoSource, packets: Iterator[av.Packet], starts: Mapping[int | None, int], wanted: Sequence[int] | None
) -> Iterator[GopPackets]:
    start, index = 0, -1
    file = _FilePackets(packets)
    for _ in file.group():
        pass
    while file.key is not None:
        index += 1
        start = max(start, starts.get(file.key.pos, 0))
        gop = GopPackets(index, start, file.group(), file=file)
        if wanted is None or index in wanted:
            yield gop
        start += gop.length()
        if wanted and index == wanted[-1]:
            return
    if index < 0:
        raise TranscodeNeeded(
            f"{source_name(source)}: no key frame in it, so no GOP begins; {REMEDY}, or get another copy"
        )
    if wanted is not None:
        raise VideoError(
            f"{source_name(source)}: GOP {wanted[-1]} was asked for, but the last one is {index}; leave it out"
        )


@dataclass(frozen=True)
class _Mark:
    """A key packet: its number, counted from the first of all packets, and its position and time as the index has them.

    sizes   of it and the packets that follow in its GOP, bytes
    """

    number: int
    position: int
    timestamp: int
    sizes: tuple[int, ...]


def _read_marks(index: Mapping[int, PacketEntry]) -> list[_Mark]:
    positions, entries = list(index), list(index.values())
    numbers = [number for number, entry in enumerate(entries) if entry.is_keyframe]
    return [
        _Mark(number, positions[number], entries[number].timestamp, tuple(entry.size for entry in entries[number:end]))
        for number, end in pairwise([*numbers, len(entries)])
    ]


def _keep_whole(total: int, index: Mapping[int, PacketEntry], marks: list[_Mark]) -> list[_Mark]:
    """The marks before the first packet that does not lie within the file's `total` bytes."""
    ends = (position + entry.size for position, entry in index.items())
    lost = next((number for number, end in enumerate(ends) if end > total), len(index))
    return [mark for mark in marks if mark.number < lost]


def _keep_sound(
    source: VideoSource,
    stream: VideoStream,
    index: Mapping[int, PacketEntry],
    marks: list[_Mark],
    last: int,
) -> list[_Mark]:
    """The marks before the first chunk that is not where an AVI's index has it; looks up to the end of GOP `last`."""
    names = [b"%02d%s" % (stream.index, kind) for kind in (b"dc", b"db")]
    with open_bytes(source) as file:
        for number, (position, entry) in enumerate(index.items()):
            if last + 1 < len(marks) and number > marks[last + 1].number:
                break
            file.seek(position - CHUNK_HEADER)
            head = file.read(CHUNK_HEADER)
            if head[:4] not in names or int.from_bytes(head[4:], "little") != entry.size:
                marks = [mark for mark in marks if mark.number < number]
                break
    return marks


def _jump(
    source: VideoSource,
    container: InputContainer,
    stream: VideoStream,
    index: Mapping[int, PacketEntry],
    mark: _Mark,
) -> list[av.Packet] | None:
    """The packets of the GOP at `mark`; None if they are not what the index has."""
    packets = islice(demux(source, container, stream, index, mark.number), len(mark.sizes))
    try:
        container.seek(mark.timestamp, stream=stream)
        found = list(packets)
    except (av.error.FFmpegError, VideoError):
        return None
    indexed = [(size, number == 0) for number, size in enumerate(mark.sizes)]
    return found if [(packet.size, packet.is_keyframe) for packet in found] == indexed else None
