"""H.264 NAL units: how a file holds them, and the bits inside.

ITU-T H.264, 7.3.1 (NAL units), 9.1 (Exp-Golomb codes), Annex B (byte streams); ISO/IEC 14496-15, 5.3.3, for files that
prefix every unit by its length.
"""

from collections.abc import Iterator

import av

START_CODE = b"\x00\x00\x01"


class Unreadable(ValueError):
    """A header that breaks off, contradicts the standard, or refers to parameter sets that are not there."""


class Bits:
    """Reads a NAL unit's payload bit by bit; Unreadable at its end."""

    def __init__(self, nal: bytes) -> None:
        payload = nal[1:].replace(b"\x00\x00\x03", b"\x00\x00")  # emulation prevention
        self._bits = f"{int.from_bytes(payload):0{8 * len(payload)}b}"
        self._at = 0

    def unsigned(self, count: int) -> int:
        """The next `count` bits, u(n)."""
        end = self._at + count
        if end > len(self._bits):
            raise Unreadable
        value = self._bits[self._at : end]
        self._at = end
        return int(value or "0", 2)

    def flag(self) -> bool:
        """The next bit."""
        if self._at >= len(self._bits):
            raise Unreadable
        self._at += 1
        return self._bits[self._at - 1] == "1"

    def code(self) -> int:
        """The next Exp-Golomb code, ue(v), 0 to 2**32 - 2 (clause 9.1): zeros, and as many bits and one."""
        one = self._next_one()
        count = one - self._at + 1
        self._at = one
        return self.unsigned(count) - 1

    def skip_codes(self, count: int) -> None:
        """Pass over Exp-Golomb codes, signed or not."""
        for _ in range(count):
            self._at = 2 * self._next_one() - self._at + 1
        if self._at > len(self._bits):
            raise Unreadable

    def _next_one(self) -> int:
        one = self._bits.find("1", self._at, self._at + 32)
        if one < 0:
            raise Unreadable
        return one


def split_units(stream: bytes) -> list[bytes]:
    """NAL units of a byte stream."""
    return stream.split(START_CODE)[1:]


def prefixed_units(packet: av.Packet, length_size: int) -> Iterator[memoryview]:
    """NAL units that are each prefixed by their length; Unreadable if they do not fill the packet."""
    view, at = memoryview(packet), 0
    while at < len(view):
        start = at + length_size
        at = start + int.from_bytes(view[at:start])
        if not start < at <= len(view):
            raise Unreadable
        yield view[start:at]


def listed_units(extradata: bytes) -> Iterator[bytes]:
    """Parameter sets of an MP4's or Matroska's header, as far as they go."""
    at = 5
    for mask in (31, 255):  # bits of the count: sequence parameter sets, then picture parameter sets
        count = extradata[at] & mask if at < len(extradata) else 0
        at += 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2])
            yield extradata[at + 2 : at + 2 + size]
            at += 2 + size
