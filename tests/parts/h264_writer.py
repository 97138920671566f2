"""H.264 streams written bit by bit, so that any picture may refer to any other.

An I-frame of raw noise, and P-frames of whole-pixel vectors without residual: each of them is the I-frame moved.
"""

import io
import re
from dataclasses import dataclass, field, replace

import numpy as np

WIDTH, HEIGHT = 4, 4  # macroblocks
FRAME_NUM_BITS, ORDER_BITS = 4, 6
NOISE = np.random.default_rng(0).integers(0, 256, (WIDTH * HEIGHT, 384), dtype=np.uint8)


@dataclass(frozen=True)
class Head:
    """What the parameter sets say."""

    max_references: int = 4
    default_references: int = 1
    order_type: int = 2
    order_of_bottom: bool = False
    weighs: bool = False
    redundant: bool = False
    scaling_lists: bool = False
    allows_gaps: bool = False
    has_fields: bool = False
    rows_of_a_slice: int = HEIGHT


@dataclass(frozen=True)
class Picture:
    """A P-frame, or an I-frame if `vector` is None.

    named    what its reordering commands put first: ("short", index of the picture) or ("long", 0)
    entry    of its list, which it is predicted from
    marks    memory management: ("drop", index of a short-term picture), ("keep", 0), ("reset", 0)
    skip     frame numbers left out before it
    is_field whether its header calls it one, which it is not
    is_mixed whether its last slice lists one picture more
    """

    vector: tuple[int, int] | None = (2, 0)
    references: int = 1
    named: tuple[tuple[str, int], ...] = ()
    entry: int = 0
    is_reference: bool = True
    marks: tuple[tuple[str, int], ...] = ()
    skip: int = 0
    is_field: bool = False
    is_mixed: bool = False


@dataclass
class Store:
    """Clauses 8.2.4 and 8.2.5 for frames, with pictures as their index in the stream, -1 for one never sent."""

    size: int
    short: dict[int, int] = field(default_factory=dict)  # picture: frame_num since the last IDR, not wrapped
    long: list[int] = field(default_factory=list)

    def reference_list(self, picture: Picture) -> list[int]:
        initial = [*sorted(self.short, key=lambda k: -self.short[k]), *self.long]
        first = [number if kind == "short" else self.long[0] for kind, number in picture.named]
        for place, number in enumerate(first):
            initial = [*initial[:place], number, *(k for k in initial[place:] if k != number)]
        return initial[: picture.references]

    def add(self, index: int, frame_num: int, marks: tuple[tuple[str, int], ...]) -> None:
        if not marks and len(self.short) + len(self.long) >= self.size:
            self.short.pop(min(self.short, key=self.short.__getitem__))
        for kind, number in marks:
            if kind == "drop":
                del self.short[number]
            elif kind == "reset":
                self.short, self.long, frame_num = {}, [], 0
        if ("keep", 0) in marks:
            self.long = [index]
        else:
            self.short[index] = frame_num


def unsigned(value: int, count: int) -> str:
    return f"{value % (1 << count):0{count}b}" if count else ""


def code(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def signed(value: int) -> str:
    return code(2 * value - 1 if value > 0 else -2 * value)


def unit(kind: int, bits: str, importance: int = 3) -> bytes:
    """A NAL unit with its start code and emulation prevention."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8)
    return bytes([0, 0, 0, 1, importance << 5 | kind]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def parameter_sets(head: Head) -> bytes:
    high = ""
    if head.scaling_lists:
        lists = ["1" + signed(0) * 16, "1" + signed(2) + signed(-10), *"0000", "1" + signed(1) + signed(0) * 63, "0"]
        high = code(1) + code(0) * 2 + "0" + "1" + "".join(lists)
    order = {0: code(ORDER_BITS - 4), 1: "0" + signed(-1) + signed(1) + code(0), 2: ""}[head.order_type]
    sequence = (
        unsigned(100 if high else 77, 8) + unsigned(40, 16) + code(0) + high + code(FRAME_NUM_BITS - 4)
        + code(head.order_type) + order + code(head.max_references) + str(int(head.allows_gaps))
        + code(WIDTH - 1) + code(HEIGHT // (1 + head.has_fields) - 1) + ("00" if head.has_fields else "1") + "1" + "00"
    )  # fmt: skip
    picture = (
        code(0) * 2 + "0" + str(int(head.order_of_bottom)) + code(0) + code(head.default_references - 1) + code(0)
        + str(int(head.weighs)) + "00" + signed(0) * 3 + "10" + str(int(head.redundant))
    )  # fmt: skip
    return unit(7, sequence) + unit(8, picture)


class Writer:
    """Writes pictures, and works out what each is predicted from and how far it has moved.

    lists      of the P-frames, by index of picture
    motion     D inside the picture, of every picture
    """

    def __init__(self, head: Head) -> None:
        self.head = head
        self.store = Store(max(head.max_references, 1))
        self.lists: dict[int, list[int]] = {}
        self.motion = np.zeros((0, 2), int)
        self.data = b""
        self.doubtful = self.follows_no_reference = False
        self._next_frame_num = self._order = self._index = 0

    def add(self, picture: Picture) -> None:
        index, is_idr = self._index, self._index == 0
        frame_num = self._next_frame_num + picture.skip
        for number in range(self._next_frame_num, frame_num):
            self.store.add(-1 - number, number, ())
        moved = np.zeros(2, int)
        if picture.vector is not None:
            listed = replace(picture, references=picture.references + picture.is_mixed)
            self.lists[index] = self.store.reference_list(listed)
            self.doubtful |= len(self.lists[index]) < picture.references or index - 1 in self.store.long
            source = self.lists[index][picture.entry]
            moved = (self.motion[source] if source >= 0 else moved) - picture.vector
        self.motion = np.vstack([self.motion, moved])
        self.data += parameter_sets(self.head) if is_idr else b""
        importance = 2 if picture.is_reference else 0
        for row in range(0, HEIGHT, self.head.rows_of_a_slice):
            mixed = picture.is_mixed and row + self.head.rows_of_a_slice >= HEIGHT
            listed = replace(picture, references=picture.references + mixed)
            bits = code(row * WIDTH) + self._header(listed, frame_num, is_idr)
            blocks = range(row * WIDTH, min(row + self.head.rows_of_a_slice, HEIGHT) * WIDTH)
            self.data += unit(5 if is_idr else 1, write_blocks(bits, listed, blocks), importance)
        if picture.is_reference:
            self.store.add(index, frame_num, picture.marks)
        reset = ("reset", 0) in picture.marks
        self._next_frame_num = 1 if reset else frame_num + picture.is_reference
        self._order = 2 if reset else self._order + 2
        self._index += 1
        self.follows_no_reference = not picture.is_reference

    def file(self) -> io.BytesIO:
        """The raw file, in memory."""
        memory = io.BytesIO(self.data)
        memory.name = "made.h264"  # type: ignore[attr-defined]
        return memory

    def _header(self, picture: Picture, frame_num: int, is_idr: bool) -> str:
        head, predicts = self.head, picture.vector is not None
        bits = code(5 if predicts else 7) + code(0) + unsigned(frame_num, FRAME_NUM_BITS)
        bits += ("10" if picture.is_field else "0") * head.has_fields + code(0) * is_idr
        if head.order_type < 2:
            bits += signed(self._order) if head.order_type else unsigned(self._order, ORDER_BITS)
            bits += signed(0) * head.order_of_bottom
        bits += code(0) * head.redundant
        if predicts:
            usual = picture.references == head.default_references
            bits += "0" if usual else "1" + code(picture.references - 1)
            bits += self._reordering(picture, frame_num)
            if head.weighs:  # by one, which changes nothing
                bits += (
                    code(0) * 2 + ("1" + signed(1) + signed(0) + "1" + (signed(1) + signed(0)) * 2) * picture.references
                )
        if picture.is_reference:
            bits += "0" + str(int(("keep", 0) in picture.marks)) if is_idr else self._marking(picture, frame_num)
        return bits + signed(0) + code(1)  # no deblocking

    def _reordering(self, picture: Picture, frame_num: int) -> str:
        bits, number = str(int(bool(picture.named))), frame_num
        for kind, index in picture.named:
            if kind == "long":
                bits += code(2) + code(0)
            else:
                target = self.store.short[index]
                bits += code(int(target > number)) + code((abs(target - number) or 1 << FRAME_NUM_BITS) - 1)
                number = target
        return bits + code(3) * bool(picture.named)

    def _marking(self, picture: Picture, frame_num: int) -> str:
        if not picture.marks:
            return "0"
        bits = "1"
        for kind, index in picture.marks:
            if kind == "drop":
                bits += code(1) + code(frame_num - self.store.short[index] - 1)
            else:
                bits += code(5) if kind == "reset" else code(4) + code(1) + code(6) + code(0)
        return bits + code(0)


def write_blocks(bits: str, picture: Picture, blocks: range) -> str:
    """A slice's macroblocks behind its header: of raw samples, or 16x16 with one vector and no residual."""
    for number in blocks:
        if picture.vector is None:
            bits += code(25)
            bits += "0" * (-len(bits) % 8) + f"{int.from_bytes(NOISE[number].tobytes()):03072b}"
            continue
        first = number == blocks[0]  # the others' vectors are foretold by their neighbours'
        bits += code(0) + code(0)
        if picture.references > 1:
            bits += str(1 - picture.entry) if picture.references == 2 else code(picture.entry)
        bits += "".join(signed(4 * v if first else 0) for v in picture.vector) + code(0)
    return bits
