"""`read_gops`: a video as GOPs of one I-frame, accumulated motion and accumulated residuals.

A GOP is the run of packets from one key packet to the next. The decoder is emptied between GOPs, so that no frame
strays into its neighbour, whatever the decoder's delay, and a GOP reads the same alone as in sequence. An I-frame
inside a GOP (H.264 writes some that are no key frames) counts as a P-frame without motion, which is exact: J stays, R
is taken against the GOP's I-frame, and its intra share is 1.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice

import av
import numpy as np
from av.codec.context import Flags2
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video.accumulate import Tracer
from hybridnet.video.gop import Gop
from hybridnet.video.probe import REMEDY, VideoSource, demux, open_video, require_motion_vectors, source_name


def read_gops(source: VideoSource, *, gops: Sequence[int] | None = None, max_p: int | None = None) -> Iterator[Gop]:
    """Iterate over a video's GOPs in file order, decoding each when it is asked for and keeping none.

    gops    strictly ascending 0-based indices of the GOPs to read, as in `probe(path).keyframes`; None for all.
            Packets of the other GOPs are not decoded
    max_p   keep the first `max_p` P-frames of each GOP and decode no further; None for all. `Gop.length` still counts
            the whole GOP. A P-frame takes 10 * H * W bytes, so long GOPs want a limit

    Packets before the first key packet are dropped (`probe(path).keyframes[0]` of them) and `Gop.start` counts from
    there, one frame a packet. Pictures are as stored: rotation metadata is not applied. Damage sets `Gop.corrupt`;
    frames that still decode are kept, and `Gop.positions` counts those.

    Raises VideoError: at once if the path is missing, a folder, no video, or of a codec without motion vectors, or if
    an argument is out of range; while iterating on a B-frame, a change of size, a GOP whose I-frame cannot be decoded,
    a video without key frame, or an index past the last GOP.
    """
    wanted = None if gops is None else list(gops)
    if wanted and (wanted[0] < 0 or wanted != sorted(set(wanted))):
        raise VideoError(f"{source_name(source)}: gops {wanted} must be ascending indices from 0, each once; sort them")
    if max_p is not None and max_p < 0:
        raise VideoError(f"{source_name(source)}: max_p {max_p} must be at least 0; leave it out to read every P-frame")
    container, stream = open_video(source)
    return _iterate(source, container, stream, _GopDecoder(source, stream), wanted, max_p)


def _iterate(
    source: VideoSource,
    container: InputContainer,
    stream: VideoStream,
    decoder: "_GopDecoder",
    wanted: list[int] | None,
    max_p: int | None,
) -> Iterator[Gop]:
    start, index = 0, -1
    with container:
        if wanted == []:
            return
        for index, group in _split(demux(source, container, stream)):
            if index < 0:
                continue
            packets = _GopPackets(group)
            if wanted is None or index in wanted:
                gop = decoder.read(index, start, packets, max_p)
                yield gop
                del gop  # or two GOPs would be in memory while the next is read
            start += packets.skip_rest()
            if wanted is not None and index == wanted[-1]:
                return
    if index < 0:
        raise VideoError(f"{source_name(source)}: no key frame in it, so nothing can be decoded; {REMEDY}")
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


class _GopPackets(Iterator[av.Packet]):
    """The packets of one GOP, counted as they are taken."""

    def __init__(self, packets: Iterator[av.Packet]) -> None:
        self._packets = packets
        self._taken = 0

    def __next__(self) -> av.Packet:
        packet = next(self._packets)
        self._taken += 1
        return packet

    def skip_rest(self) -> int:
        """Pass over the packets that are left; returns how many the whole GOP has."""
        for _ in self:
            pass
        return self._taken


class _GopDecoder:
    """A stream's decoder, set to export motion vectors, and the buffers that all of its GOPs share."""

    def __init__(self, source: VideoSource, stream: VideoStream) -> None:
        self._name = source_name(source)
        self._context = stream.codec_context
        self._codec = self._context.codec.canonical_name
        require_motion_vectors(source, self._codec)
        # Set before the decoder opens: afterwards it is ignored, and every vector reads as zero.
        self._context.options = {"flags2": "+export_mvs"}
        self._context.thread_type = "NONE"
        self._context.thread_count = 1
        self._context.open()
        if not self._context.flags2 & Flags2.export_mvs:
            raise VideoError(
                f"{source_name(source)}: PyAV cannot set {self._codec} to export motion vectors; install av 17 or later"
            )
        self._reformatter = VideoReformatter()
        self._tracer: Tracer | None = None
        self._corrupt = False

    def read(self, index: int, start: int, packets: _GopPackets, max_p: int | None) -> Gop:
        """GOP `index`, whose I-frame is frame `start`; takes all of its packets."""
        self._corrupt = False
        head = list(islice(packets, None if max_p is None else max_p + 1))
        room = len(head)  # a packet holds one frame; a decoder with delay needs more packets than it gives frames
        frames = islice(self._decode(chain(head, packets), head[0]), room)
        first = next(frames, None)
        if first is None:
            raise VideoError(f"{self._name}: no frame of GOP {index} can be decoded, it is damaged; {REMEDY}")
        if first.pict_type != PictureType.I:
            raise VideoError(
                f"{self._name}: GOP {index} begins with a P-frame, its I-frame is damaged or there is none "
                f"(intra refresh); {REMEDY}"
            )
        if self._tracer is None:
            self._tracer = Tracer(first.height, first.width)
        iframe = self._tracer.start(self._rgb_rows(first))
        motion = np.empty((room - 1, *self._tracer.shape, 2), np.int16)
        residual = np.empty((room - 1, *self._tracer.shape, 3), np.int16)
        shares = []
        for frame, d, r in zip(frames, motion, residual, strict=False):
            side_data = frame.side_data.get("MOTION_VECTORS")
            vectors = None if side_data is None else side_data.to_ndarray()
            shares.append(self._tracer.follow(self._rgb_rows(frame), vectors, d, r))
        self._context.flush_buffers()
        return Gop(
            iframe=iframe,
            motion=motion[: len(shares)],
            residual=residual[: len(shares)],
            positions=np.arange(1, len(shares) + 1, dtype=np.int32),
            intra_share=np.array(shares, np.float32),
            start=start,
            length=packets.skip_rest(),
            corrupt=self._corrupt,
        )

    def _decode(self, packets: Iterable[av.Packet], key: av.Packet) -> Iterator[VideoFrame]:
        """Every frame of a GOP's packets, of which `key` is the first; notes any damage."""
        for packet in packets:
            yield from self._decode_packet(packet)
        # MPEG decoders with delay export no vectors with the frame they are drained of, so the I-frame pushes it out.
        pushes = self._context.has_b_frames and self._codec != "h264"
        yield from self._decode_packet(key if pushes else None)

    def _decode_packet(self, packet: av.Packet | None) -> Iterator[VideoFrame]:
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError:
            self._corrupt = True
            return
        self._corrupt |= packet is not None and packet.is_corrupt
        for frame in frames:
            self._check(frame)
            self._corrupt |= frame.is_corrupt
            yield frame

    def _check(self, frame: VideoFrame) -> None:
        if frame.pict_type not in (PictureType.I, PictureType.P):
            kind = PictureType(frame.pict_type).name
            raise TranscodeNeeded(f"{self._name}: has {kind}-frames, only I- and P-frames can be traced back; {REMEDY}")
        if self._tracer is not None and (frame.height, frame.width) != self._tracer.shape:
            height, width = self._tracer.shape
            raise VideoError(
                f"{self._name}: picture size changes from {width}x{height} to {frame.width}x{frame.height}; {REMEDY}"
            )

    def _rgb_rows(self, frame: VideoFrame) -> np.ndarray:
        """The frame as rows of RGB bytes, uint8 (H,N), N >= 3 * W with padding; a view of PyAV's buffer."""
        # One thread: at these sizes starting more costs 2-4 times what they save.
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        plane = rgb.planes[0]
        return np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, plane.line_size)
