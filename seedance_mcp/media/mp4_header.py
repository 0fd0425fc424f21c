"""Reads how long a video file plays and how large its frames are, by its own header: the movie box of MP4 and QuickTime."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

_HEADER_BYTES = 8
_BOXES_MOST = 1000
"""More boxes than any real file has before its movie header."""

Span = tuple[int, int]
"""Where a box's content begins and ends, in bytes from the start of the file."""


def duration_seconds(file: BinaryIO) -> float | None:
    """Give the length in seconds, or `None` where the header says nothing that makes sense; the file's position moves."""
    mvhd = next((box for moov in _movie(file) for box in _boxes(file, b"mvhd", moov)), None)
    if mvhd is None:
        return None
    file.seek(mvhd[0])
    return _read(file.read(32))


def frame_size(file: BinaryIO) -> tuple[int, int] | None:
    """Give width and height in pixels of the first track that has any, or `None`; the file's position moves."""
    tracks = [track for moov in _movie(file) for track in _boxes(file, b"trak", moov)]
    for start, end in [header for track in tracks for header in _boxes(file, b"tkhd", track)]:
        file.seek(max(start, end - 8))
        width, height = struct.unpack(">2I", file.read(8).ljust(8, b"\0"))
        if width >> 16 and height >> 16:
            return width >> 16, height >> 16
    return None


def _movie(file: BinaryIO) -> list[Span]:
    file.seek(0, os.SEEK_END)
    return list(_boxes(file, b"moov", (0, file.tell())))[:1]


def _boxes(file: BinaryIO, wanted: bytes, within: Span) -> Iterator[Span]:
    """Give each box of a kind, in order."""
    start, end = within
    for _ in range(_BOXES_MOST):
        file.seek(start)
        head = file.read(2 * _HEADER_BYTES)
        if len(head) < _HEADER_BYTES or start >= end:
            return
        size, content = int.from_bytes(head[:4]), start + _HEADER_BYTES
        if size == 1:  # the size stands in eight bytes behind the name
            size, content = int.from_bytes(head[_HEADER_BYTES:]), content + _HEADER_BYTES
        after = min(end, start + size) if size else end  # no size that a file claims leads out of it
        if head[4:8] == wanted:
            yield content, after
        if after < content:
            return
        start = after


def _read(mvhd: bytes) -> float | None:
    """Divide duration by time scale, from the box's short or long form."""
    form = ">20xIQ" if mvhd[:1] == b"\x01" else ">12xII"
    if len(mvhd) < struct.calcsize(form):
        return None
    scale, duration = struct.unpack_from(form, mvhd)
    return duration / scale if scale and duration else None
