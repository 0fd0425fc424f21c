"""Reads what the header of a picture or a sound says of its pixels or its length."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

_SEGMENTS_MOST = 1000
"""More parts than any real file has before its size."""

Size = tuple[int, int]
"""Width and height in pixels."""


def picture_size(file: BinaryIO, ending: str) -> Size | None:
    """Give width and height in pixels, or `None` where the header does not say; the file's position moves."""
    read = _READERS.get(ending)
    file.seek(0)
    try:
        size = read(file) if read else None
    except struct.error:  # the file is cut short
        return None
    return size if size and all(size) else None


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _png(file: BinaryIO) -> Size | None:
    width, height = _unpack(file, ">16x2I")
    return width, height


def _gif(file: BinaryIO) -> Size | None:
    width, height = _unpack(file, "<6x2H")
    return width, height


def _bmp(file: BinaryIO) -> Size | None:
    width, height = _unpack(file, "<18x2i")
    return abs(width), abs(height)  # a height below zero only turns the picture upside down


def _jpeg(file: BinaryIO) -> Size | None:
    file.seek(2)
    for _ in range(_SEGMENTS_MOST):
        marker, length = _unpack(file, ">2H")
        if 0xFFC0 <= marker <= 0xFFCF and marker not in {0xFFC4, 0xFFC8, 0xFFCC}:  # noqa: PLR2004 - start of a frame
            height, width = _unpack(file, ">x2H")
            return width, height
        if marker < 0xFF00 or length < 2:  # noqa: PLR2004 - this is no segment
            return None
        file.seek(length - 2, 1)
    return None


def _webp(file: BinaryIO) -> Size | None:
    file.seek(12)
    kind = file.read(4)
    if kind == b"VP8X":
        parts = _unpack(file, "<8xHBHB")
        return 1 + parts[0] + (parts[1] << 16), 1 + parts[2] + (parts[3] << 16)
    if kind == b"VP8L":
        (bits,) = _unpack(file, "<5xI")
        return 1 + bits % 2**14, 1 + (bits >> 14) % 2**14
    width, height = _unpack(file, "<10x2H")
    return width % 2**14, height % 2**14


_READERS: dict[str, Callable[[BinaryIO], Size | None]] = {
    "png": _png,
    "gif": _gif,
    "bmp": _bmp,
    "jpg": _jpeg,
    "webp": _webp,
}


def wave_seconds(file: BinaryIO, size_bytes: int) -> float | None:
    """Give how long a WAV file plays: its bytes of sound over its bytes per second; the file's position moves.

    `None` where the header does not say, or is cut short.
    """
    file.seek(12)
    rate = 0
    try:
        for _ in range(_SEGMENTS_MOST):
            name, length = struct.unpack("<4sI", file.read(8))
            start = file.tell()
            if name == b"fmt ":
                (rate,) = _unpack(file, "<8xI")
            if name == b"data":
                return min(length, size_bytes - start) / rate if rate else None
            file.seek(start + length + length % 2)
    except struct.error:
        return None
    return None
