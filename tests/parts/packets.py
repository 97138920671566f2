"""A video's packets: where they lie in its file, and copies of the file with some of them."""

from pathlib import Path

import av


def spans(path: Path) -> list[tuple[int, int]]:
    """Position and size of every packet in the file, bytes."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def remux(source: Path, target: Path, first: int = 0, last: int | None = None, **options: str) -> Path:
    """Copy a video's packets from `first` on and below `last`, undecoded; the options are the muxer's."""
    with av.open(str(source)) as reading, av.open(str(target), "w", options=options) as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for number, packet in enumerate(reading.demux(video=0)):
            if packet.dts is not None and number >= first and (last is None or number < last):
                packet.stream = stream
                writing.mux(packet)
    return target
