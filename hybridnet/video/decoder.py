"""A decoder that gives up its motion vectors: the frames of one GOP's packets, all of them and no other's."""

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import NoReturn, cast

import av
import numpy as np
from av.codec.context import Flags2
from av.sidedata.motionvectors import MotionVectors
from av.sidedata.sidedata import SideDataContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video.probe import MAX_PIXELS, REMEDY, VideoSource, require_motion_vectors, source_name
from hybridnet.video.references import References

# FFmpeg's AVMotionVector (libavutil/motion_vector.h), padded as the C compiler pads it.
MOTION_VECTOR = np.dtype(
    [
        *(("source", "i4"), ("w", "u1"), ("h", "u1")),
        *(("src_x", "i2"), ("src_y", "i2"), ("dst_x", "i2"), ("dst_y", "i2")),
        *(("flags", "u8"), ("motion_x", "i4"), ("motion_y", "i4"), ("motion_scale", "u2")),
    ],
    align=True,
)
SPARED = {"skip_idct": "nokey", "skip_loop_filter": "nointra"}  # of P-frames; nokey would take IDR frames alone as key
Vectors = tuple[int, int]
NO_VECTORS: Vectors = (0, 0)
I_FRAME, P_FRAME = PictureType.I.value, PictureType.P.value
# A new decoder of these believes that frames may end anywhere until some have ended as they should, and would pass over
# what is left of a damaged one. An I-frame decoded so often before tells it better. MPEG-4's is alike, but misses too
# little by it to be worth the time (1 of 1,100 files with a flipped bit).
TRIALS = {"h263": 2, "h263p": 2, "flv1": 2}
PADDING = bytes(64)  # after a header, where PyAV leaves what the memory held before, and decoders read on into it


class GopDecoder:
    """Decodes GOP after GOP of a stream, each by a decoder of its own.

    No frame strays into the neighbouring GOP, whatever the decoder's delay, and a GOP reads the same alone as in
    sequence: a decoder that has met damage goes on to decode whole packets otherwise than a new one, flushed or not.

    corrupt   True if damage was met in the GOP decoded last, or a packet gave no frame
    shape     height and width of the video's pictures, once one has been seen
    """

    def __init__(self, source: VideoSource, stream: VideoStream, options: Mapping[str, str]) -> None:
        self.corrupt = False
        self.shape: tuple[int, int] | None = None
        self._name = source_name(source)
        context = stream.codec_context
        self._codec = context.codec
        self._extradata = context.extradata + PADDING if context.extradata else None
        self._size = context.width, context.height
        self._tag: str | None = None
        with suppress(UnicodeDecodeError):  # a damaged tag is no text
            self._tag = context.codec_tag
        self._options = {"max_pixels": str(MAX_PIXELS), "threads": "1", **options}
        if self._codec.canonical_name != "h264":
            self._options["flags"] = "+low_delay"  # what is drained from an MPEG decoder with delay has no vectors
        self._references = References(source, stream)

    def open(self) -> VideoCodecContext:
        """A new decoder of the stream; VideoError if FFmpeg opens none on its header."""
        context = cast(VideoCodecContext, av.CodecContext.create(self._codec))
        if self._extradata:
            context.extradata = self._extradata
        if self._tag is not None:
            context.codec_tag = self._tag  # FFmpeg mends the bugs of old encoders by it
        context.width, context.height = self._size
        # Set before the decoder opens: afterwards they are ignored, and every vector reads as zero.
        context.options = self._options
        try:
            context.open()
        except av.error.FFmpegError as error:
            raise VideoError(
                f"{self._name}: no decoder opens on its {self._codec.canonical_name} header ({error.strerror}), it is "
                f"damaged; {REMEDY}"
            ) from error
        return context

    def decode(self, index: int, packets: list[av.Packet]) -> Generator[VideoFrame]:
        """The frames of GOP `index`, the I-frame first, one for each of its first `packets`.

        Raises TranscodeNeeded if no frame can be decoded, for a GOP that does not begin with an I-frame, a B-frame, a
        P-frame that may refer to another picture than the one before, or a change of the picture's size within the
        video.
        """
        times = [packet.pts for packet in packets if packet.pts is not None]
        if times != sorted(times):
            self._refuse_kind("B")  # not left to the decoder: it drops those that need the GOP before
        self.corrupt = self._references.check(index, packets) or any(packet.is_corrupt for packet in packets)
        context, count = self.open(), 0
        for key in packets[:1] * TRIALS.get(self._codec.canonical_name, 0):
            with suppress(av.error.FFmpegError):
                context.decode(key)
        for packet in (*packets, None):
            try:
                frames = context.decode(packet)
            except av.error.FFmpegError:
                self.corrupt = True
                continue
            for frame in frames:
                self.corrupt |= frame.is_corrupt
                self._check(frame, index, first=count == 0)
                count += 1
                yield frame
                if count == len(packets):
                    return
        if not count:
            raise TranscodeNeeded(
                f"{self._name}: no frame of GOP {index} can be decoded, it is damaged or has no I-frame (intra "
                f"refresh); {REMEDY}"
            )
        self.corrupt = True

    def _refuse_kind(self, kind: str) -> NoReturn:
        raise TranscodeNeeded(f"{self._name}: has {kind}-frames, only I- and P-frames can be traced back; {REMEDY}")

    def _check(self, frame: VideoFrame, index: int, first: bool) -> None:
        kind = frame.pict_type
        if first and kind != I_FRAME:
            raise TranscodeNeeded(
                f"{self._name}: GOP {index} begins with a P-frame, its I-frame is damaged or there is none "
                f"(intra refresh); {REMEDY}"
            )
        if kind != P_FRAME and kind != I_FRAME:
            self._refuse_kind(PictureType(kind).name)
        if not first:
            self._references.check_frame(index, frame)
        shape = (frame.height, frame.width)
        if self.shape is None:
            self.shape = shape
        if shape != self.shape:
            height, width = self.shape
            raise TranscodeNeeded(
                f"{self._name}: picture size changes from {width}x{height} to {frame.width}x{frame.height}; {REMEDY}"
            )


def vector_decoder(source: VideoSource, stream: VideoStream, *, pictures: bool = True) -> GopDecoder:
    """The stream's decoder, exporting motion vectors; VideoError if it cannot.

    pictures   False: of P-frames nobody wants more than the vectors, so their residuals are not transformed back and
               their edges not smoothed, wherever the codec can leave that out. If `corrupt`, a GOP is to be decoded
               again with them: vectors that are lost FFmpeg guesses by how well the pixels fit
    """
    codec = stream.codec_context.codec.canonical_name
    require_motion_vectors(source, codec)
    decoder = GopDecoder(source, stream, {"flags2": "+export_mvs", **({} if pictures else SPARED)})
    if not decoder.open().flags2 & Flags2.export_mvs:
        raise VideoError(
            f"{source_name(source)}: PyAV cannot set {codec} to export motion vectors; install av 17 or later"
        )
    return decoder


def prediction_decoder(source: VideoSource, stream: VideoStream) -> GopDecoder:
    """A decoder that adds no residual to what motion compensation predicts; VideoError if it is not MPEG-4's."""
    codec = stream.codec_context.codec.canonical_name
    if codec != "mpeg4":
        raise VideoError(
            f"{source_name(source)}: residual 'codec' is of MPEG-4 only and this is {codec}; use 'pixel', or transcode"
        )
    return GopDecoder(source, stream, {"skip_idct": "nokey"})


def motion_vectors(frame: VideoFrame) -> Vectors:
    """Where the frame's n records of MOTION_VECTOR lie while it lives, and their bytes, 40 * n; NO_VECTORS for 0."""
    # Not `frame.side_data`: that makes a cycle, and frames would pile up until the garbage collector comes by.
    for data in SideDataContainer(frame):  # type: ignore[call-arg]
        if isinstance(data, MotionVectors):
            return data.buffer_ptr, data.buffer_size
    return NO_VECTORS
