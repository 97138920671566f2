"""`transcode`: any video that FFmpeg reads to MPEG-4 with regular GOPs, no B-frames and usable motion vectors."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from hybridnet.errors import OutputError, VideoError
from hybridnet.files import whole_file
from hybridnet.video.colour import unconvertible
from hybridnet.video.orientation import Turn, read_turn
from hybridnet.video.pictures import Pictures, Survey
from hybridnet.video.probe import VideoSource, open_video, source_name

LIMITS = {"width": (16, 8191), "height": (16, 8191), "gop": (2, 600), "quality": (1, 31)}  # the encoder's own
MAX_TICKS = 65535  # to MPEG-4's second
USUAL_RATE = Fraction(25)
LONGEST_BACKWARDS = 600  # frames


@dataclass(frozen=True)
class Recipe:
    """How a video is transcoded; `dataclasses.asdict` and the constructor make the JSON round trip.

    width, height   pixels of the result, 16..8191: CoViAR's 340x256, whatever the aspect of the source
    gop             frames of a GOP, its I-frame included, 2..600; the last GOP of a video may be shorter
    quality         MPEG-4's quantiser, the same for every frame, 1 (best) .. 31

    Raises VideoError for a value that is no integer or out of range.
    """

    width: int = 340
    height: int = 256
    gop: int = 12
    quality: int = 5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            low, high = LIMITS[name]
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise VideoError(f"recipe: {name} {value!r} must be an integer of {low}..{high}; change it")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}, GOP {self.gop}, quality {self.quality}"


def transcode(
    source: VideoSource,
    target: str | os.PathLike[str] | BinaryIO,
    recipe: Recipe,
    *,
    comment: str = "",
    backwards: bool = False,
) -> Survey:
    """Write a video as MPEG-4 in an AVI, frame by frame, keeping none; returns what was read, all of it written.

    target      a path, whose file appears whole or not at all, or a seekable file object open for writing
    comment     text for the AVI's metadata, where FFmpeg calls it `comment`
    backwards   the last frame first; all are then held in memory, so there may be no more than LONGEST_BACKWARDS

    Every frame that decodes is written once, in order of presentation, at the stream's average rate (25 a second where
    it names none of 1..1000): pictures are what counts, so a variable frame rate loses its timing but no frame. Frames
    before the first key frame are dropped, as `read_gops` does. Pictures are scaled to the recipe's size by bicubic
    interpolation, aspect not kept, turned and mirrored as the display matrix says, and become 8-bit 4:2:0 in BT.601's
    limited range; transparency is dropped, high dynamic range not mapped. Equal input gives equal bytes.

    Raises VideoError if the source is missing, a folder, no video, without a decodable frame, to be turned by other
    than quarters, or too long to go backwards; OutputError if `target` cannot be written.
    """
    if not isinstance(target, str | os.PathLike):
        _require_writable(target)
        return _write(source, target, recipe, comment, backwards)
    with whole_file(Path(target)) as work, work.open("wb") as file:
        found = _write(source, file, recipe, comment, backwards)
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave an empty file under the final name
        return found


def _require_writable(target: BinaryIO) -> None:
    try:
        target.seek(target.tell())  # the AVI's header is written again at its end
        target.write(b"")
    except (AttributeError, TypeError, ValueError, OSError) as error:
        name = getattr(target, "name", repr(target))
        raise OutputError(
            f"{name}: is neither a path nor a seekable file open for writing bytes ({error}); give one"
        ) from error


def _write(source: VideoSource, file: BinaryIO, recipe: Recipe, comment: str, backwards: bool) -> Survey:
    container, stream = open_video(source)
    with container:
        pictures = Pictures(source, container, stream)
        writing = av.open(file, "w", format="avi")
        writing.metadata["comment"] = comment
        try:
            scaled: Iterator[VideoFrame] = map(_Scaler(source, recipe), pictures)
            frames = _encode(_reversed(source, scaled) if backwards else scaled, writing, _rate(stream), recipe)
            if not frames:
                raise VideoError(f"{source_name(source)}: no frame can be decoded, it is damaged; get another copy")
        except BaseException:
            with suppress(av.error.FFmpegError):  # it would hide the error that led here
                writing.close()
            raise
        writing.close()
        return pictures.survey


def _encode(pictures: Iterator[VideoFrame], writing: OutputContainer, rate: Fraction, recipe: Recipe) -> int:
    # The threshold keeps scene cuts from starting GOPs of their own.
    output = writing.add_stream("mpeg4", rate=rate, options={"sc_threshold": "1000000000"})
    encoder = output.codec_context
    encoder.width, encoder.height, encoder.pix_fmt = recipe.width, recipe.height, "yuv420p"
    encoder.gop_size, encoder.max_b_frames = recipe.gop, 0
    encoder.qmin = encoder.qmax = recipe.quality
    encoder.thread_count = 1
    frames = 0
    for frames, picture in enumerate(pictures, start=1):
        picture.pts, picture.time_base = frames - 1, 1 / rate
        picture.pict_type = PictureType.NONE  # or the source's I-frames would be I-frames again
        writing.mux(output.encode(picture))
    if frames:
        writing.mux(output.encode(None))
    return frames


def _reversed(source: VideoSource, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    held = list(islice(frames, LONGEST_BACKWARDS + 1))
    if len(held) > LONGEST_BACKWARDS:
        raise VideoError(
            f"{source_name(source)}: has more than {LONGEST_BACKWARDS:,} frames, too many to hold for going backwards; "
            "cut it shorter"
        )
    return reversed(held)


def _rate(stream: VideoStream) -> Fraction:
    """Frames a second, such that MPEG-4 can count a frame's time in whole ticks."""
    rate = stream.average_rate or USUAL_RATE
    if not 1 <= rate <= 1000:
        rate = USUAL_RATE
    return 1 / (1 / rate).limit_denominator(MAX_TICKS)


class _Scaler:
    """Brings frames of any size, format and orientation to the encoder's."""

    def __init__(self, source: VideoSource, recipe: Recipe) -> None:
        self._name = source_name(source)
        self._size = (recipe.width, recipe.height)
        self._reformatter = VideoReformatter()
        self._turned_reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The frame as the recipe's yuv420p."""
        turn = read_turn(self._name, frame)
        if turn is not None:
            frame = self._turn(frame, turn)
        return self._scale(self._reformatter, frame, self._size, "yuv420p")

    def _turn(self, frame: VideoFrame, turn: Turn) -> VideoFrame:
        """The frame as RGB, upright and of the recipe's size."""
        a, b, c, d = turn
        swapped = a == 0
        size = self._size[::-1] if swapped else self._size
        pixels: np.ndarray = self._scale(self._turned_reformatter, frame, size, "rgb24").to_ndarray()
        if swapped:
            pixels = pixels.transpose(1, 0, 2)
        pixels = pixels[:: -1 if b + d < 0 else 1, :: -1 if a + c < 0 else 1]
        return VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")

    def _scale(self, reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int], kind: str) -> VideoFrame:
        try:
            return reformatter.reformat(
                frame,
                *size,
                format=kind,
                dst_colorspace=Colorspace.ITU601,  # what readers take MPEG-4 to be, which cannot say
                dst_color_range=ColorRange.MPEG if kind == "yuv420p" else ColorRange.JPEG,
                interpolation=Interpolation.BICUBIC,
                threads=1,
            )
        except av.error.FFmpegError as error:
            raise unconvertible(self._name, frame, error) from error
