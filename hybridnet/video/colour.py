"""swscale's conversion of yuv420p to RGB, bit for bit, for a kernel that wants a row of colours and not a picture.

With y, u and v in 0..255, u and v shared by the four pixels of a square, and m(a, c) = floor(a * c / 65536),

    luma = m(8 * y - 128, 9539)
    red = luma + m(8 * v - 1024, 13075)
    green = luma + m(8 * u - 1024, -3209) + m(8 * v - 1024, -6660)
    blue = luma + m(8 * u - 1024, 16525)

each cut to 0..255: BT.601, limited range, as FFmpeg's vector code rounds it (libswscale/x86/yuv_2_rgb.asm). Other
matrices, ranges, formats and builds of FFmpeg convert otherwise, so nobody relies on this before it has been compared
with swscale on noise of the same kind: a video's own first frame may be black, and prove nothing.
"""

import sys
from functools import lru_cache
from typing import Any, cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from llvmlite import ir
from numba import types

from hybridnet.compiled import bytes_at, inner, intrinsic, njit, vector_pointer
from hybridnet.errors import VideoError
from hybridnet.video.uncached import copy_lines, copy_rest, fence

PIXELS = 32  # at a time, and the least width
PLACES, HALF, QUARTER = range(PIXELS), PIXELS // 2, PIXELS // 4
NOISE = 1 << 16  # pixels at least
LUMA, RED, GREEN_U, GREEN_V, BLUE = 9539, 13075, -3209, -6660, 16525

Planes = tuple[int, int, int, int, int]
NO_PLANES: Planes = (0, 0, 0, 0, 0)
NO_ROWS = np.empty((0, 0), np.uint8)


class RgbRows:
    """swscale's conversion to RGB, set up once. Every frame has its colours, as two converters differ by rounding."""

    def __init__(self, name: str) -> None:
        """`name` is what errors call the video."""
        self._name = name
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """The frame as rows of RGB bytes, uint8 (H,N), N >= 3 * W with padding; a view of PyAV's buffer.

        Raises VideoError if swscale does not know its colours.
        """
        try:
            # One thread: at these sizes starting more costs 2-4 times what they save.
            rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        except av.error.FFmpegError as error:
            raise unconvertible(self._name, frame, error) from error
        plane = rgb.planes[0]
        return np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, plane.line_size)


def unconvertible(name: str, frame: VideoFrame, error: av.error.FFmpegError) -> VideoError:
    """The error for a frame that swscale refuses, such as one of a colour matrix that it lacks (YCgCo) or of none."""
    size, kind, matrix = f"{frame.width}x{frame.height}", frame.format.name, frame.colorspace
    return VideoError(
        f"{name}: frames of {size} in {kind} with colour matrix {matrix} of ITU-T H.273 cannot be converted "
        f"({error.strerror}); convert it to yuv420p and BT.601 with another program first"
    )


def planes_of(frame: VideoFrame) -> Planes:
    """Where a yuv420p frame's y, u and v lie while it lives, then the bytes of y and those of u, which v has too.

    The padding behind each row is among the bytes.
    """
    y, u, v = frame.planes
    return y.buffer_ptr, u.buffer_ptr, v.buffer_ptr, y.buffer_size, u.buffer_size


@intrinsic
def _pixels(typing, y, at, pitch, u, v, half, target, to, row):
    """The colours of PIXELS of two rows that share u and v; arrays are flat.

    `at` and `to` are places in y and target, `half` is one in u and v, and the second row is `pitch` further in y and
    `row` further in target.
    """

    def generate(context, builder, signature, arguments):
        _, at, pitch, _, _, half, _, to, row = arguments
        arrays = [pair for pair in zip(signature.args, arguments, strict=True) if isinstance(pair[0], types.Array)]
        y, u, v, target = (context.make_array(kind)(context, builder, array).data for kind, array in arrays)
        byte, word = ir.IntType(8), ir.IntType(16)

        def constant(lanes: int, value: int) -> Any:
            return ir.Constant(ir.VectorType(word, lanes), [value] * lanes)

        def load(array: Any, place: Any, lanes: int) -> Any:
            values = builder.load(vector_pointer(builder, array, place, lanes), align=1)
            return builder.zext(values, ir.VectorType(word, lanes))

        def shuffle(a: Any, b: Any, places: list[int]) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places))

        def times(value: Any, factor: int) -> Any:
            lanes = value.type.count
            wide = ir.VectorType(ir.IntType(32), lanes)
            product = builder.mul(builder.sext(value, wide), ir.Constant(wide, [factor] * lanes))
            return builder.trunc(builder.ashr(product, ir.Constant(wide, [16] * lanes)), value.type)

        def centred(value: Any, zero: int) -> Any:
            lanes = value.type.count
            return builder.sub(builder.shl(value, constant(lanes, 3)), constant(lanes, zero))

        def split(array: Any, place: Any) -> tuple[Any, Any]:
            """The pixels at even and at odd places, which a square has one each of: their chroma is the same vector."""
            pairs = builder.load(vector_pointer(builder, array, place, PIXELS), align=1)
            pairs = builder.bitcast(pairs, ir.VectorType(word, HALF))
            low, high = builder.and_(pairs, constant(HALF, 255)), builder.lshr(pairs, constant(HALF, 8))
            return (low, high) if sys.byteorder == "little" else (high, low)

        def cut(even: Any, odd: Any) -> Any:
            """Both as bytes, a QUARTER of each in turn, so that the pixels of a HALF are together."""
            if "+avx2" in features:  # with AVX-512 too, LLVM takes three slower instructions where this one does
                kind = ir.FunctionType(ir.VectorType(byte, PIXELS), [even.type, odd.type])
                pack = builder.module.declare_intrinsic("llvm.x86.avx2.packuswb", fnty=kind)
                return builder.call(pack, [even, odd])
            value = shuffle(even, odd, list(range(PIXELS)))
            least, most = constant(PIXELS, 0), constant(PIXELS, 255)
            value = builder.select(builder.icmp_signed("<", value, least), least, value)
            value = builder.select(builder.icmp_signed(">", value, most), most, value)
            value = builder.trunc(value, ir.VectorType(byte, PIXELS))
            return shuffle(value, value, [k // QUARTER % 2 * HALF + k // HALF * QUARTER + k % QUARTER for k in PLACES])

        def interleaved(planes: list[Any], third: int) -> Any:
            """Of every `lane` pixels, one third of their colours."""
            colours = [third * lane + k % lane for k in PLACES]
            pixels = [k // lane * lane + colour // 3 for k, colour in zip(PLACES, colours, strict=True)]
            sources = [pixel // HALF * HALF + pixel % HALF // 2 + pixel % 2 * QUARTER for pixel in pixels]
            first = [source + PIXELS * (colour % 3 == 1) for source, colour in zip(sources, colours, strict=True)]
            second = [PIXELS + sources[k] if colours[k] % 3 == 2 else k for k in PLACES]
            return shuffle(shuffle(planes[0], planes[1], first), planes[2], second)

        features = context.codegen().magic_tuple()[2].split(",")
        lane = PIXELS if "+avx512vbmi" in features else HALF  # bytes that the processor shuffles at once
        first = centred(load(u, half, HALF), 1024)
        second = centred(load(v, half, HALF), 1024)
        of_red, of_blue = times(second, RED), times(first, BLUE)
        of_green = builder.add(times(first, GREEN_U), times(second, GREEN_V))
        for _ in range(2):
            lumas = [times(centred(value, 128), LUMA) for value in split(y, at)]
            planes = [cut(*(builder.add(luma, chroma) for luma in lumas)) for chroma in (of_red, of_green, of_blue)]
            thirds = [interleaved(planes, third) for third in range(3)]
            for k in range(3 * PIXELS // lane):
                colours = shuffle(thirds[k % 3], thirds[k % 3], [k // 3 * lane + place for place in range(lane)])
                place = builder.add(to, ir.Constant(to.type, k * lane))
                builder.store(colours, vector_pointer(builder, target, place, lane), align=1)
            at, to = builder.add(at, pitch), builder.add(to, row)
        return context.get_dummy_value()

    return types.void(y, at, pitch, u, v, half, target, to, row), generate


@inner
def convert_pair(y, u, v, height, top, target, to, width):
    """The colours of the rows `top` and `top + 1` of `height`, all even.

    to      place of row `top` in `target`, which is flat, and in which a row has 3 * width elements
    width   even, at least PIXELS; the last pixels may be done twice
    """
    pitch, half_pitch = y.size // height, u.size // (height // 2)
    at, half = np.uintp(top * pitch), np.uintp(top // 2 * half_pitch)
    to, pitch, row = np.uintp(to), np.uintp(pitch), np.uintp(3 * width)
    x, last = np.uintp(0), np.uintp(width - PIXELS)
    while True:
        x2, x3 = x // np.uintp(2), np.uintp(3) * x
        _pixels(y, at + x, pitch, u, v, half + x2, target, to + x3, row)
        if x == last:
            break
        x = min(x + np.uintp(PIXELS), last)


@njit(nogil=True)
def convert(y, u, v, of_y, of_u, picture, copy):
    """picture = the colours of a frame by `planes_of` it, uint8 (H,3 * W); `copy` is one past the caches, or empty."""
    planes = bytes_at(y, of_y), bytes_at(u, of_u), bytes_at(v, of_u)
    height, row = picture.shape
    colours, target, copied = picture.reshape(-1), copy.reshape(-1), np.uintp(0)
    for top in range(0, height, 2):
        convert_pair(*planes, height, top, colours, row * top, row // 3)
        if copy.size:
            copied += copy_lines(colours, copied, target, copied, np.uintp(row * (top + 2)) - copied)
    copy_rest(colours, copied, target, copied)
    fence()


def exact_planes(frame: VideoFrame) -> Planes | None:
    """`planes_of` a frame of which `convert_pair` makes what swscale makes; None if it must go through swscale."""
    kind = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range)
    return planes_of(frame) if _is_exact(*kind) else None


@lru_cache
def _is_exact(pixel_format: str, width: int, height: int, colorspace: int, color_range: int) -> bool:
    """Whether the two agree on noise: all that the conversion depends on, but for the pixels, is given."""
    if pixel_format != "yuv420p" or width % 2 or height % 2 or width < PIXELS:
        return False
    rng, rows = np.random.default_rng(0), RgbRows("noise")
    for _ in range(max(NOISE // (width * height), 1)):
        frame = VideoFrame(width, height, pixel_format)
        frame.colorspace, frame.color_range = colorspace, color_range
        for plane in cast(tuple[memoryview, ...], frame.planes):  # buffers, though no type checker knows
            values = np.frombuffer(plane, np.uint8)
            values[:] = rng.integers(0, 256, values.size, np.uint8)
        colours = np.empty((height, 3 * width), np.uint8)
        convert(*planes_of(frame), colours, NO_ROWS)
        try:
            if not np.array_equal(colours, rows(frame)[:, : 3 * width]):
                return False
        except VideoError:
            return False
    return True
