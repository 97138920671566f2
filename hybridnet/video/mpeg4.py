"""MPEG-4 packets whose headers leave a decoder as a new one would be (ISO/IEC 14496-2, 6.2).

A decoder carries three things from GOP to GOP: what the headers said, reference pictures, and guesses at the bugs of
old encoders that only decide whether odd stuffing behind a picture counts as damage. An undamaged I-frame needs no
reference, so between undamaged GOPs whose headers are the same, one decoder gives what a new one gives.
"""

from collections.abc import Sequence

import av

GROUP, PICTURE = b"\0\0\1\xb3", b"\0\0\1\xb6"  # start codes of a group of pictures' time code, and of a picture
GROUP_SIZE = 7  # bytes
LONGEST = 1024  # bytes of headers, far beyond any


def common_header(packets: Sequence[av.Packet]) -> bytes | None:
    """What stands before the first picture of a GOP but for its time code; None if more headers are in the GOP."""
    head, picture, _ = bytes(memoryview(packets[0])[:LONGEST]).partition(PICTURE)
    header, group, time = head.partition(GROUP)
    if not picture or (group and len(group + time) != GROUP_SIZE):
        return None
    if any(bytes(memoryview(packet)[:4]) != PICTURE for packet in packets[1:]):
        return None
    return header
