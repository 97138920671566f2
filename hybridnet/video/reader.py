"""`read_gops`: a video as GOPs of one I-frame, accumulated motion and accumulated residuals.

A GOP is the run of packets from one key packet to the next. An I-frame inside a GOP (H.264 writes some that are no key
frames) counts as a P-frame without motion, which is exact: J stays, R is taken against the GOP's I-frame, and its intra
share is 1.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice, repeat
from typing import Literal

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hybridnet.errors import VideoError
from hybridnet.video.accumulate import Tracer
from hybridnet.video.colour import NO_ROWS, RgbRows, convert, exact_planes
from hybridnet.video.decoder import GopDecoder, motion_vectors, prediction_decoder, vector_decoder
from hybridnet.video.ending import is_cut
from hybridnet.video.gop import Gop
from hybridnet.video.memory import Memory
from hybridnet.video.probe import REMEDY, VideoSource, open_video, source_name
from hybridnet.video.request import Request, check_request
from hybridnet.video.seeking import GopPackets, gop_packets
from hybridnet.video.subpixel import SubpixelTracer

AnyTracer = Tracer | SubpixelTracer
TRACERS: dict[str, type[AnyTracer]] = {"trunc": Tracer, "float": SubpixelTracer}


def read_gops(
    source: VideoSource,
    *,
    gops: Sequence[int] | None = None,
    max_p: int | None = None,
    positions: Sequence[int] | None = None,
    accumulate: bool = True,
    subpel: Literal["trunc", "float"] = "trunc",
    residual: Literal["pixel", "codec"] | None = "pixel",
    strict: bool = False,
) -> Iterator[Gop]:
    """Iterate over a video's GOPs in file order, decoding each when it is asked for and keeping none.

    source       a path, or a seekable file object, read from its start
    gops         strictly ascending 0-based indices of the GOPs to read, as in `probe(source).keyframes`; None for all.
                 The others are not decoded, and jumped over where the container's index can be believed
    max_p        keep the first `max_p` P-frames of each GOP and decode one more, no further; None for all. `Gop.length`
                 still counts the whole GOP. A P-frame takes 10 * H * W bytes, so long GOPs want a limit
    positions    keep only the P-frames at those strictly ascending 1-based places, decoding one after the last and no
                 further; a GOP that is shorter gives those it has. Not together with `max_p`
    accumulate   True: motion and residual against the GOP's I-frame. False: raw, each P-frame against the frame before
    subpel       "trunc": whole pixels, int16, as CoViAR. "float": fractions kept, `Gop.motion` is float32
    residual     "pixel": frame minus the traced I-frame. "codec": MPEG-4 only and accumulated only, frame minus what
                 the codec's own motion compensation makes of the I-frame without any residual; zero where a block has
                 just been coded intra. None: no residual, `Gop.residual` is (0,H,W,3)
    strict       True: refuse a GOP that is damaged. False: read what decodes of it, and set `Gop.corrupt`

    Packets before the first key packet are dropped (`probe(source).keyframes[0]` of them) and `Gop.start` counts from
    there, one frame a packet. Pictures are as stored: rotation metadata is not applied. Frames of damaged GOPs that
    still decode are kept, and `Gop.positions` counts those. Where a file breaks off (`ending.is_cut`, or FFmpeg cannot
    read on), its last GOP is damaged, however well it decodes. One thread. The memory of two GOPs is kept, and used
    again once nobody holds on to what is in it; when the iterator ends, 64 MiB at most are kept for the next reader.

    Raises VideoError: at once if the path is missing, a folder or no video, or if an argument is out of range; while
    iterating for an index past the last GOP, or damage with `strict`. Raises TranscodeNeeded: at once for a codec
    without motion vectors; while iterating on a B-frame, a GOP of which no frame can be decoded or that begins with
    another frame than an I-frame, a P-frame that may refer to another picture than the frame before or to its fields,
    a change of size, or a video without key frame.
    """
    request = check_request(
        source_name(source),
        gops=gops,
        max_p=max_p,
        positions=positions,
        accumulate=accumulate,
        subpel=subpel,
        residual=residual,
        strict=strict,
    )
    container, stream = open_video(source)
    try:
        reader = _GopReader(source, stream, request)
    except VideoError:
        container.close()
        raise
    return _iterate(source, container, stream, request.gops, reader)


def _iterate(
    source: VideoSource,
    container: InputContainer,
    stream: VideoStream,
    wanted: list[int] | None,
    reader: "_GopReader",
) -> Iterator[Gop]:
    with container, closing(reader):
        if wanted == []:
            return
        for packets in gop_packets(source, container, stream, wanted):
            gop = reader.read(packets)
            yield gop
            del gop  # or its memory could not be used again for the next


class _GopReader:
    """Reads GOP after GOP, with decoders and buffers that all of them share."""

    def __init__(self, source: VideoSource, stream: VideoStream, request: Request) -> None:
        self._name = source_name(source)
        self._request = request
        self._decoder = vector_decoder(source, stream)
        self._quick = None if request.residual else vector_decoder(source, stream, pictures=False)
        self._is_cut = is_cut(source)
        self._predictor = prediction_decoder(source, stream) if request.residual == "codec" else None
        self._rgb_rows = RgbRows(self._name)
        # Whether the tracer alone wants the P-frames' pictures, and takes them as the decoder has them.
        self._spares_pictures = (
            request.residual == "pixel" and request.accumulate and TRACERS[request.subpel].takes_planes
        )
        self._pictures, self._motions, self._residuals = Memory(), Memory(), Memory()
        self._tracer: AnyTracer | None = None

    def close(self) -> None:
        """Leave the memory to other readers."""
        for memory in (self._pictures, self._motions, self._residuals):
            memory.leave()

    def read(self, packets: GopPackets) -> Gop:
        """One GOP, of whose packets the first few may be all that is taken."""
        head = packets.take(self._request.packets)
        gop = None
        if self._quick:
            with suppress(VideoError):  # which is then raised again, or not, by the one that leaves nothing out
                gop = self._read(self._quick, packets, head)
            self._decoder.shape = self._quick.shape
        if gop is None or (self._quick and self._quick.corrupt):
            gop = self._read(self._decoder, packets, head)
        if self._request.strict and gop.corrupt:
            raise VideoError(
                f"{self._name}: GOP {packets.index} is damaged; leave strict out to keep the frames that decode, "
                f"or {REMEDY}"
            )
        return gop

    def _read(self, decoder: GopDecoder, packets: GopPackets, head: list[av.Packet]) -> Gop:
        request = self._request
        places = request.places(len(head))
        with closing(decoder.decode(packets.index, head)) as frames:
            first = next(frames)
            tracer = self._tracer or TRACERS[request.subpel](first.height, first.width)
            self._tracer, shape = tracer, tracer.shape
            tracer.start(None)  # lets go of the GOP before, whose memory may then be taken again
            picture = self._pictures.take((first.height, 3 * first.width), np.dtype(np.uint8))
            planes, traced = exact_planes(first), picture
            if planes and places and self._spares_pictures and isinstance(tracer, Tracer):
                traced = tracer.room  # the caches should have what is read again, and need not what is handed out
                convert(*planes, traced, picture)
            elif planes:
                convert(*planes, picture, NO_ROWS)
            else:
                np.copyto(picture, self._rgb_rows(first)[:, : 3 * first.width])
            try:
                motion = self._motions.take((len(places), *shape, 2), tracer.motion_dtype)
                residual = self._residuals.take((len(places) if request.residual else 0, *shape, 3), np.dtype(np.int16))
            except MemoryError as error:
                raise VideoError(
                    f"{self._name}: GOP {packets.index} has {len(places)} P-frames of {first.width}x{first.height}, "
                    f"more than fit in memory; set max_p, or {REMEDY}"
                ) from error
            with closing(self._predict(packets.index, head)) as predictions:
                pairs = zip(frames, predictions, strict=False)
                shares = self._trace(tracer, traced, pairs, places, motion, residual)
        length = packets.length()
        return Gop(
            iframe=picture.reshape(*shape, 3),
            motion=motion[: len(shares)],
            residual=residual[: len(shares)],
            positions=np.array(places[: len(shares)], np.int32),
            intra_share=np.array(shares, np.float32),
            start=packets.start,
            length=length,
            corrupt=decoder.corrupt or packets.breaks_off or (self._is_cut and packets.is_last),
        )

    def _predict(self, index: int, head: list[av.Packet]) -> Generator[np.ndarray | None]:
        """RGB rows of each P-frame as the codec predicts it from the I-frame alone; None for each if not asked for."""
        if self._predictor is None:
            yield from repeat(None)
        else:
            with closing(self._predictor.decode(index, head)) as frames:
                yield from map(self._rgb_rows, islice(frames, 1, None))

    def _trace(
        self,
        tracer: AnyTracer,
        picture: np.ndarray,
        frames: Iterable[tuple[VideoFrame, np.ndarray | None]],
        places: list[int],
        motion: np.ndarray,
        residual: np.ndarray,
    ) -> list[float]:
        """Write motion and residual of the P-frames at `places`, the I-frame being `picture`; returns intra shares."""
        request, shares = self._request, list[float]()
        pixel, width = request.residual == "pixel", picture.shape[1]
        rows: np.ndarray = picture
        for place, (frame, prediction) in enumerate(frames, start=1):
            if len(shares) == len(places):
                continue  # decoded only to know that it is no B-frame
            if place == 1 or not request.accumulate:
                tracer.start(np.ascontiguousarray(rows[:, :width]) if pixel else None)
            kept = len(shares)
            keep = place == places[kept]
            planes = exact_planes(frame) if keep and self._spares_pictures else None
            if request.residual and planes is None and (keep or not request.accumulate):
                rows = self._rgb_rows(frame)
            d, r = (motion[kept], residual[kept] if pixel else None) if keep else (None, None)
            share = tracer.follow(motion_vectors(frame), planes or rows, d, r)
            if keep:
                shares.append(share)
                if prediction is not None:
                    target = residual[kept].reshape(-1, width)
                    np.subtract(rows[:, :width], prediction[:, :width], out=target, dtype=np.int16)
        return shares
