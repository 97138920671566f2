"""H.264 headers: as much of ITU-T H.264 as says which pictures a P-slice may predict from.

Clauses 7.3.2.1 and 7.3.2.2 (sequence and picture parameter sets), 7.3.3 (slice headers).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import av

from hybridnet.video.nal import Bits, Unreadable, listed_units, prefixed_units, split_units

# Bytes of a slice that are looked at: for the usual header, and for the longest, with weights of 32 references.
SHORT_HEADER, LONG_HEADER = 48, 1024
SLICE, IDR_SLICE, SEQUENCE_SET, PICTURE_SET = 1, 5, 7, 8  # nal_unit_type
# profile_idc of those whose sequence parameter sets tell chroma and scaling lists
HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


@dataclass(frozen=True)
class SequenceSet:
    """What slice headers need of a sequence parameter set.

    frame_num_bits     frame_num counts reference pictures modulo 2**frame_num_bits
    order_bits         of pic_order_cnt_lsb; 0 where slices have none
    order_deltas       whether slices have delta_pic_order_cnt instead
    separate_planes    whether each colour is coded on its own
    has_chroma         whether slices weigh chroma
    max_references     pictures that the decoder holds to predict from, at most
    allows_gaps        whether frame_num may skip pictures that were never sent
    only_frames        whether no picture is a field
    mixes_fields       whether pairs of macroblocks in a frame may be fields (MBAFF)
    """

    frame_num_bits: int
    order_bits: int
    order_deltas: bool
    separate_planes: bool
    has_chroma: bool
    max_references: int
    allows_gaps: bool
    only_frames: bool
    mixes_fields: bool


@dataclass(frozen=True)
class PictureSet:
    """What slice headers need of a picture parameter set; `references` of a P-slice that does not say."""

    sequence: int
    order_of_bottom: bool
    references: int
    weighs: bool
    has_redundant: bool


@dataclass(frozen=True)
class Slice:
    """A slice's header. Of fields and of B-slices nothing is read beyond `frame_num`.

    kind            0 P, 1 B, 2 I, 3 SP, 4 SI
    frame_num       number of its picture among the reference pictures
    is_idr          whether the decoder forgets every picture before it
    is_reference    whether later pictures may predict from it
    is_field        whether its picture is a field
    references      entries of its list of reference pictures; 0 without prediction
    reordered       frame_num of the pictures put at the head of that list; None for a long-term reference
    is_long_term    whether its picture is kept as a long-term reference
    resets          whether its picture, once decoded, makes the decoder forget every other and count from 0
    """

    sequence: SequenceSet
    kind: int
    frame_num: int
    is_idr: bool
    is_reference: bool
    is_field: bool = False
    references: int = 0
    reordered: tuple[int | None, ...] = ()
    is_long_term: bool = False
    resets: bool = False

    @property
    def picture(self) -> tuple[int, bool, bool]:
        """What the slices of a picture have in common."""
        return self.frame_num, self.is_idr, self.is_reference

    @property
    def predicts(self) -> bool:
        """Whether it has vectors to pictures before it in its list: P and SP."""
        return self.kind in (0, 3)


class HeaderReader:
    """Reads the slices of packets, and keeps the parameter sets that it meets.

    extradata   the stream's header, as FFmpeg gives it: of an MP4 or Matroska, or parameter sets in a byte stream; an
                unreadable part of it is missing then
    """

    def __init__(self, extradata: bytes) -> None:
        self._sequences: dict[int, SequenceSet] = {}
        self._pictures: dict[int, PictureSet] = {}
        self.take_extradata(extradata)

    def take_extradata(self, extradata: bytes) -> None:
        """A new header, which FFmpeg also attaches to packets."""
        has_lengths = extradata[:1] == b"\x01" and len(extradata) >= 7
        self._length_size = (extradata[4] & 3) + 1 if has_lengths else 0
        for nal in listed_units(extradata) if self._length_size else split_units(extradata):
            self._take_set(nal)

    def slices(self, packet: av.Packet) -> Iterator[Slice]:
        """The headers of a packet's slices; raises Unreadable at the first that cannot be read."""
        for nal in prefixed_units(packet, self._length_size) if self._length_size else split_units(bytes(packet)):
            kind = nal[0] & 31 if nal else 0
            if kind in (SLICE, IDR_SLICE):
                try:
                    yield self._slice(bytes(nal[:SHORT_HEADER]))
                except Unreadable:
                    yield self._slice(bytes(nal[:LONG_HEADER]))
            elif kind in (SEQUENCE_SET, PICTURE_SET):
                self._take_set(bytes(nal))

    def _take_set(self, nal: bytes) -> None:
        """Keep a parameter set; one that cannot be read is missing to the slices that need it."""
        kind = nal[0] & 31 if nal else 0
        try:
            if kind == SEQUENCE_SET:
                key, sequence = _sequence_set(nal)
                self._sequences[key] = sequence
            elif kind == PICTURE_SET:
                key, picture = _picture_set(Bits(nal))
                self._pictures[key] = picture
        except Unreadable:
            sets = self._sequences if kind == SEQUENCE_SET else self._pictures
            sets.clear()

    def _slice(self, nal: bytes) -> Slice:
        bits = Bits(nal)
        bits.code()  # first_mb_in_slice
        kind = bits.code()
        picture = self._pictures.get(bits.code())
        sequence = None if picture is None else self._sequences.get(picture.sequence)
        if kind > 9 or picture is None or sequence is None:
            raise Unreadable
        return _slice(bits, kind % 5, nal[0], sequence, picture)


def _slice(bits: Bits, kind: int, first_byte: int, sequence: SequenceSet, picture: PictureSet) -> Slice:
    is_idr, is_reference = first_byte & 31 == IDR_SLICE, bool(first_byte & 0x60)
    if sequence.separate_planes:
        bits.unsigned(2)
    frame_num = bits.unsigned(sequence.frame_num_bits)
    is_field = not sequence.only_frames and bits.flag()
    if is_field or kind == 1:
        return Slice(sequence, kind, frame_num, is_idr, is_reference, is_field)
    bits.skip_codes(is_idr)  # idr_pic_id
    bits.unsigned(sequence.order_bits)
    if sequence.order_bits or sequence.order_deltas:
        bits.skip_codes(picture.order_of_bottom + sequence.order_deltas)
    bits.skip_codes(picture.has_redundant)
    references, reordered = 0, tuple[int | None, ...]()
    if kind in (0, 3):
        references = bits.code() + 1 if bits.flag() else picture.references
        if references > 32:
            raise Unreadable
        reordered = _reordered(bits, frame_num, sequence.frame_num_bits)
        if picture.weighs:
            _skip_weights(bits, references, sequence.has_chroma)
    marks = _marks(bits, is_idr) if is_reference else set()
    return Slice(
        sequence, kind, frame_num, is_idr, is_reference, is_field, references, reordered, 6 in marks, 5 in marks
    )


def _reordered(bits: Bits, frame_num: int, frame_num_bits: int) -> tuple[int | None, ...]:
    """ref_pic_list_modification (7.3.3.1, 8.2.4.3): frame_num of each picture it names, None for long-term ones."""
    named = list[int | None]()
    if bits.flag():
        number = frame_num
        while (operation := bits.code()) != 3:
            value = bits.code()
            if operation > 2:
                raise Unreadable
            if operation == 2:
                named.append(None)
            else:
                number = (number + (value + 1 if operation else -value - 1)) % (1 << frame_num_bits)
                named.append(number)
    return tuple(named)


def _skip_weights(bits: Bits, references: int, has_chroma: bool) -> None:
    """pred_weight_table, 7.3.3.2."""
    bits.skip_codes(1 + has_chroma)
    for _ in range(references):
        bits.skip_codes(2 * bits.flag())
        if has_chroma:
            bits.skip_codes(4 * bits.flag())


def _marks(bits: Bits, is_idr: bool) -> set[int]:
    """dec_ref_pic_marking (7.3.3.3): its memory management operations; 6 also for an IDR picture kept as long-term."""
    if is_idr:
        bits.flag()
        return {6} if bits.flag() else set()
    operations = set[int]()
    if bits.flag():
        while operation := bits.code():
            if operation > 6:
                raise Unreadable
            bits.skip_codes({3: 2, 5: 0}.get(operation, 1))
            operations.add(operation)
    return operations


def _sequence_set(nal: bytes) -> tuple[int, SequenceSet]:
    bits = Bits(nal)
    profile = bits.unsigned(8)
    bits.unsigned(16)  # constraints and level
    key, chroma, separate_planes = bits.code(), 1, False
    if profile in HIGH_PROFILES:
        chroma = bits.code()
        separate_planes = chroma == 3 and bits.flag()
        bits.skip_codes(2)  # bit depths
        bits.flag()
        if bits.flag():
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    frame_num_bits = bits.code() + 4
    order_type = bits.code()
    order_bits = bits.code() + 4 if order_type == 0 else 0
    order_deltas = order_type == 1 and not bits.flag()
    if order_type == 1:
        bits.skip_codes(2)
        bits.skip_codes(min(bits.code(), 256))
    if max(frame_num_bits, order_bits) > 16 or order_type > 2:
        raise Unreadable
    max_references, allows_gaps = bits.code(), bits.flag()
    bits.skip_codes(2)  # width and height
    only_frames = bits.flag()
    return key, SequenceSet(
        frame_num_bits,
        order_bits,
        order_deltas,
        separate_planes,
        has_chroma=chroma > 0 and not separate_planes,
        max_references=max_references,
        allows_gaps=allows_gaps,
        only_frames=only_frames,
        mixes_fields=not only_frames and bits.flag(),
    )


def _skip_scaling_lists(bits: Bits, count: int) -> None:
    """Clause 7.3.2.1.1.1: a list ends early where the next scale would be 0."""
    for number in range(count):
        if bits.flag():
            last = 8
            for _ in range(16 if number < 6 else 64):
                code = bits.code()
                last = (last + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
                if last == 0:
                    break


def _picture_set(bits: Bits) -> tuple[int, PictureSet]:
    key, sequence = bits.code(), bits.code()
    bits.flag()
    order_of_bottom = bits.flag()
    if bits.code():  # slice groups, which FFmpeg does not decode
        raise Unreadable
    references = bits.code() + 1
    bits.code()
    weighs = bits.flag()
    bits.unsigned(2)
    bits.skip_codes(3)  # quantisers
    bits.unsigned(2)
    return key, PictureSet(sequence, order_of_bottom, references, weighs, has_redundant=bits.flag())
