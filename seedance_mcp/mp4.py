"""How long a video file plays, by its own header: the movie header box of MP4 and QuickTime."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

_HEADER_BYTES = 8
_BOXES_MOST = 1000
"""More boxes than any real file has before its movie header."""


def duration_seconds(file: BinaryIO) -> float | None:
    """Seconds from the header, or `None` where there is none that makes sense; the file's position moves."""
    file.seek(0, os.SEEK_END)
    moov = _find(file, b"moov", 0, file.tell())
    mvhd = moov and _find(file, b"mvhd", *moov)
    if not mvhd:
        return None
    file.seek(mvhd[0])
    return _read(file.read(32))


def _find(file: BinaryIO, wanted: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Where the content of the first box of a kind begins and ends."""
    for _ in range(_BOXES_MOST):
        file.seek(start)
        head = file.read(2 * _HEADER_BYTES)
        if len(head) < _HEADER_BYTES or start >= end:
            return None
        size, content = int.from_bytes(head[:4]), start + _HEADER_BYTES
        if size == 1:  # the size stands in eight bytes behind the name
            size, content = int.from_bytes(head[_HEADER_BYTES:]), content + _HEADER_BYTES
        after = end if size == 0 else start + size
        if head[4:8] == wanted:
            return content, after
        if after < content:
            return None
        start = after
    return None


def _read(mvhd: bytes) -> float | None:
    """Duration over time scale, in the box's short or long form."""
    form = ">20xIQ" if mvhd[:1] == b"\x01" else ">12xII"
    if len(mvhd) < struct.calcsize(form):
        return None
    scale, duration = struct.unpack_from(form, mvhd)
    return duration / scale if scale and duration else None
