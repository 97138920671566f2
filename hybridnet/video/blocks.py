"""Loops over motion blocks and pixels, compiled: the part of the ingest that has to run at the decoder's own speed.

A moving block is a row of `moves`, int64 (n,6): left, top, right, bottom, the pixels that it covers, and shift_x,
shift_y, so that its pixel (x, y) comes from (x - shift_x, y - shift_y) of the frame before. Both lie in the picture.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types

from hybridnet.compiled import bytes_at, inner, intrinsic, njit, vector_pointer
from hybridnet.video.colour import convert_pair
from hybridnet.video.decoder import MOTION_VECTOR
from hybridnet.video.uncached import LINE, address, copy_lines, copy_rest, fence, subtract_lines, subtract_rest

ONE, NOTHING = np.uintp(1), np.uint8(0)
LANES = 32  # elements at a time
BAND = 8  # rows
PAGE = 4096  # bytes
LONGEST = 127  # pixels, of int8 motion
LITTLE = 3  # times what moves is less than the picture
NO_ROOM = -1.0


@njit(nogil=True)
def follow_blocks(
    vectors, size, fractions, state, motion, next_motion, kept, picture, next_picture,
    rows, y, u, v, of_y, of_u, residual,
):  # fmt: skip
    """Motion, the warped picture and the residual of the next frame, from the motion and warped picture of this one.

    next_motion = motion and next_picture = picture, except in every moving block, where pixel (y,x) is

        next_motion[y,x] = motion[y - shift_y, x - shift_x] + vector
        next_picture[y,x] = picture[y - shift_y, x - shift_x]

    and residual = the frame's colours - next_picture. The vectors are `vectors, size` as `decoder.motion_vectors`
    has them, and what a block adds is its exact vector with `fractions`, else FFmpeg's whole pixels. Motion is (H,W,2),
    float32, int16 or int8; the warped pictures are uint8 (H,3 * W), `residual` is int16 (H,W,3). Without pictures, or
    without residual, these are empty. `kept` is a copy of next_motion to hand out, float32 or int16, or empty:
    next_motion itself is read again for the next frame, from the caches. The frame is either `rows`, uint8 (H,N),
    N >= 3 * W, or `y, u, v, of_y, of_u` as `colour.planes_of` has them, and the others are empty or 0. They are numbers
    because four more arrays a frame take Python longer to make and hand over.

    Motion of int8 takes half the room in the caches, and holds what is not longer than LONGEST. `state`, int64 (2,),
    begins with what no motion of int8 is longer than, which grows by the longest vector. Its second is 1 if motion and
    picture may be written over; it is left at 1 if they were, and are now the next frame's: done where little moves.

    Returns the share of the picture, 0..1, that no block covers, moving or not; NO_ROOM, and nothing is written, if
    motion is int8 and might not hold the next frame's.
    """
    height, width = motion.shape[:2]
    blocks = bytes_at(vectors, size).view(MOTION_VECTOR)
    planes = bytes_at(y, of_y), bytes_at(u, of_u), bytes_at(v, of_u)
    moves = np.empty((len(blocks), 6), np.int64)
    adds = np.empty((len(blocks), 2), kept.dtype)
    count, covered = _list_moves(blocks, height, width, fractions, moves, adds)
    moves, adds = moves[:count], adds[:count]
    moving, longest = 0, 0
    for k in range(count):
        moving += (moves[k, 2] - moves[k, 0]) * (moves[k, 3] - moves[k, 1])
        longest = max(longest, abs(adds[k, 0]), abs(adds[k, 1]))
    if motion.itemsize == 1:
        if state[0] + longest > LONGEST:
            return NO_ROOM
        state[0] += longest
    state[1] &= moving * LITTLE < height * width
    if state[1]:
        _move_within(moves, adds, motion, next_motion, picture, next_picture)
        next_motion, next_picture, moves = motion, picture, moves[:0]
    _move(moves, adds, state[1], motion, next_motion, kept, picture, next_picture, rows, planes, residual)
    return max(1.0 - covered / (height * width), 0.0)


@njit(nogil=True)
def _list_moves(blocks, height, width, fractions, moves, adds):
    """Fill `moves`, and `adds` with what each adds to its pixels' motion; neighbours alike are joined.

    Only blocks whose vector is not zero, cut to what has both ends in the picture. Returns how many there are, and the
    pixels that all blocks cover.
    """
    count, covered = 0, 0
    end, row, row_end, x, y, plus_x, plus_y = -1, 0, 0, 0, 0, 0.0, 0.0  # of the move before; none ends at -1
    for block in blocks:
        left, right = max(block.dst_x - block.w // 2, 0), min(block.dst_x + block.w // 2, width)
        top, bottom = max(block.dst_y - block.h // 2, 0), min(block.dst_y + block.h // 2, height)
        covered += max(right - left, 0) * max(bottom - top, 0)
        shift_x, shift_y = block.dst_x - block.src_x, block.dst_y - block.src_y
        add_x, add_y = float(shift_x), float(shift_y)
        if fractions:
            scale = max(block.motion_scale, 1)  # a decoder without fractions may leave it at 0
            add_x, add_y = -block.motion_x / scale, -block.motion_y / scale
            shift_x, shift_y = math.ceil(add_x - 0.5), math.ceil(add_y - 0.5)
        if add_x == 0 and add_y == 0:
            continue
        left, right = max(left, shift_x), min(right, width + shift_x)
        top, bottom = max(top, shift_y), min(bottom, height + shift_y)
        if left >= right or top >= bottom:
            continue
        joins = left == end and top == row and bottom == row_end and shift_x == x and shift_y == y
        end = right
        if joins and add_x == plus_x and add_y == plus_y:
            moves[count - 1, 2] = right
            continue
        row, row_end, x, y, plus_x, plus_y = top, bottom, shift_x, shift_y, add_x, add_y
        moves[count, 0], moves[count, 1], moves[count, 2], moves[count, 3] = left, top, right, bottom
        moves[count, 4], moves[count, 5] = shift_x, shift_y
        adds[count, 0], adds[count, 1] = add_x, add_y
        count += 1
    return count, covered


@njit(nogil=True)
def _move_within(moves, adds, motion, next_motion, picture, next_picture):
    """Write the moving blocks of the next frame over those of this one, once all of them are in the other arrays."""
    width = motion.shape[1]
    this, other = (motion.reshape(-1), picture.reshape(-1)), (next_motion.reshape(-1), next_picture.reshape(-1))
    for k in range(len(moves)):
        _move_block(*this, *other, moves[k], width, adds[k, 0], adds[k, 1])
    for k in range(len(moves)):
        left, top, right, bottom, _, _ = moves[k]
        _move_block(*other, *this, (left, top, right, bottom, 0, 0), width, NOTHING, NOTHING)


@njit(nogil=True)
def _move(moves, adds, carried, motion, next_motion, kept, picture, next_picture, rows, planes, residual):
    """Band by band, so that what a step has written is still in the processor's nearest cache for the next.

    carried   whether the next frame's motion and picture hold what does not move already
    """
    height, width = motion.shape[:2]
    pitch, subtracts = rows.shape[1], residual.size > 0
    source, target = motion.reshape(-1), next_motion.reshape(-1)
    copy, copies = kept.reshape(-1), kept.size > 0
    pixels, next_pixels = picture.reshape(-1), next_picture.reshape(-1)
    fields = source, pixels, target, next_pixels
    frame, difference = rows.reshape(-1), residual.reshape(-1)
    starts = np.empty(len(moves) + 1, np.int64)  # the highest row that a move or any after it covers
    starts[-1] = height
    for k in range(len(moves) - 1, -1, -1):
        starts[k] = min(starts[k + 1], moves[k, 1])
    step = 1 if rows.size else 2  # rows of the frame's colours at a time: two share u and v
    # Those rows begin with a page, and what is left of the rows before stands in front of them: a store across the edge
    # of a page has to wait until all before it are done, those past the caches too.
    lines = np.empty(LINE + PAGE + 3 * width * step, np.uint8)
    front, size = np.uintp(PAGE - (address(lines) + LINE) % PAGE) + np.uintp(LINE), np.uintp(3 * width * step)
    top, first, subtracted = 0, 0, 0
    copied, written, held = np.uintp(0), np.uintp(0), np.uintp(0)
    while top < height:
        bottom, last, tidy = _next_band(moves, starts, top, first)
        if not tidy and not carried:
            _copy(source, target, 2 * width * top, 2 * width * bottom)
            if pixels.size:
                _copy(pixels, next_pixels, 3 * width * top, 3 * width * bottom)
        done = 0
        for k in range(first, last):
            left, upper, right, lower, _, _ = moves[k]
            if tidy and done < left:
                _move_block(*fields, (done, upper, left, lower, 0, 0), width, NOTHING, NOTHING)
            _move_block(*fields, moves[k], width, adds[k, 0], adds[k, 1])
            done = right
        if tidy and done < width:
            _move_block(*fields, (done, top, width, bottom, 0, 0), width, NOTHING, NOTHING)
        if copies:
            copied += copy_lines(target, copied, copy, copied, np.uintp(2 * width * bottom) - copied)
        while subtracts and subtracted + step <= bottom:
            if step == 2:
                convert_pair(*planes, height, subtracted, lines, front, width)
            else:
                _copy_plus(frame, lines, subtracted * pitch, front, size, NOTHING, NOTHING)
            subtracted += step
            sent = subtract_lines(lines, front - held, next_pixels, difference, written, held + size)
            written, held = written + sent, held + size - sent
            for i in range(held):
                lines[front - held + i] = lines[front + size - held + i]
        top, first = bottom, last
    copy_rest(target, copied, copy, copied)
    subtract_rest(lines, front - held, next_pixels, difference, written)
    fence()


@njit(nogil=True)
def _next_band(moves, starts, top, first):
    """Rows top..bottom that only moves first..last cover, and whether these are in order.

    In order: they cover all these rows and lie side by side, the next right of the one before. What is between them
    can then be copied alone, where otherwise the rows are copied whole and partly written twice.
    """
    if starts[first] > top:
        return min(starts[first], top + BAND), first, False
    bottom, last, tidy, right = top, first, True, 0
    while last < len(moves) and starts[last] < max(bottom, top + 1):
        tidy &= moves[last, 1] == top and moves[last, 3] == moves[first, 3] and moves[last, 0] >= right
        right = moves[last, 2]
        bottom = max(bottom, moves[last, 3])
        last += 1
    return bottom, last, tidy


# Flat and unsigned, so that the compiler works on many elements at once.
@njit(nogil=True)
def _copy(source, target, start, stop):
    for i in range(np.uintp(start), np.uintp(stop)):
        target[i] = source[i]


@intrinsic
def _add_vector(typing, source, start, target, to, even, odd):
    """LANES elements of an array from place `start` on, plus `even` and `odd` in turn, to place `to` of another."""

    def generate(context, builder, signature, arguments):
        kind = signature.args[0]
        source, target = (context.make_array(kind)(context, builder, arguments[k]).data for k in (0, 2))
        pair = ir.Constant(ir.VectorType(context.get_data_type(kind.dtype), 2), ir.Undefined)
        for k in range(2):
            value = context.cast(builder, arguments[4 + k], signature.args[4 + k], kind.dtype)
            pair = builder.insert_element(pair, value, ir.Constant(ir.IntType(32), k))
        turns = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [k % 2 for k in range(LANES)])
        size = kind.dtype.bitwidth // 8
        add = builder.fadd if isinstance(kind.dtype, types.Float) else builder.add
        vector = builder.load(vector_pointer(builder, source, arguments[1], LANES), align=size)
        vector = add(vector, builder.shuffle_vector(pair, pair, turns))
        builder.store(vector, vector_pointer(builder, target, arguments[3], LANES), align=size)
        return context.get_dummy_value()

    return types.void(source, start, target, to, even, odd), generate


@inner
def _copy_plus(source, target, start, to, size, even, odd):
    """target[to : to + size] = source[start : start + size], plus `even` and `odd` in turn."""
    start, to, size, lanes = np.uintp(start), np.uintp(to), np.uintp(size), np.uintp(LANES)
    if size < lanes:
        for i in range(size):
            target[to + i] = source[start + i] + (odd if i & ONE else even)
        return
    done, last = np.uintp(0), size - lanes
    while True:
        _add_vector(source, start + done, target, to + done, even, odd)
        if done == last:
            break
        done = min(done + lanes, last)  # the last vector begins within what is done


@inner
def _move_block(motion, picture, next_motion, next_picture, move, width, even, odd):
    """Move motion and, if there is one, the picture; arrays are flat, `even` and `odd` are added to the motion."""
    left, top, right, bottom, shift_x, shift_y = move
    to, size, back = top * width + left, right - left, shift_y * width + shift_x
    _copy_rows(motion, next_motion, 2 * back, 2 * to, 2 * size, bottom - top, 2 * width, even, odd)
    if picture.size:
        _copy_rows(picture, next_picture, 3 * back, 3 * to, 3 * size, bottom - top, 3 * width, NOTHING, NOTHING)


@inner
def _copy_rows(source, target, back, to, size, rows, pitch, even, odd):
    """As `_copy_plus`, from `back` places before, in `rows` rows whose first elements are `pitch` apart."""
    for _ in range(rows):
        _copy_plus(source, target, to - back, to, size, even, odd)
        to += pitch


@njit(nogil=True)
def subtract_nearest(rows, iframe, motion, residual):
    """residual = picture - iframe at the whole pixel nearest to i - motion, halves up, held at the picture's edge.

    `rows` uint8 (H,N), N >= 3 * W; `iframe` uint8 (H,3 * W); `motion` float32 (H,W,2); `residual` int16 (H,W,3).
    """
    height, width = motion.shape[:2]
    for y in range(height):
        for x in range(width):
            from_x = min(max(int(np.floor(x - motion[y, x, 0] + 0.5)), 0), width - 1)
            from_y = min(max(int(np.floor(y - motion[y, x, 1] + 0.5)), 0), height - 1)
            for channel in range(3):
                source = iframe[from_y, 3 * from_x + channel]
                residual[y, x, channel] = np.int16(rows[y, 3 * x + channel]) - np.int16(source)
