"""Reads what the header of a picture or a sound says of its pixels or its length."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

_SEGMENTS_MOST = 1000
"""More parts than any real file has before its size."""
_EXIF_MOST_BYTES = 1 << 16
_ORIENTATION, _TURNED = 0x0112, range(5, 9)
_UNKNOWN_BYTES = 0xFFFFFFFF
_PCM = {0x0001, 0x0003, 0x0006, 0x0007}
"""Encodings of WAV whose bytes per second are exact."""

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
    """Read the first chunk, or the second: in front of it Apple's tools put one of their own."""
    file.seek(8)
    length, name = struct.unpack(">I4s", file.read(8))
    if name == b"CgBI":
        file.seek(length + 12, 1)
    width, height = _unpack(file, ">2I")
    return width, height


def _gif(file: BinaryIO) -> Size | None:
    width, height = _unpack(file, "<6x2H")
    return width, height


def _bmp(file: BinaryIO) -> Size | None:
    (length,) = _unpack(file, "<14xI")
    width, height = _unpack(file, "<2H" if length == 12 else "<2i")  # noqa: PLR2004 - the header of OS/2
    return abs(width), abs(height)  # a height below zero only turns the picture upside down


def _jpeg(file: BinaryIO) -> Size | None:
    turned = False
    for marker, length in _segments(file):
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # noqa: PLR2004 - start of a frame
            height, width = _unpack(file, ">x2H")
            return (height, width) if turned else (width, height)
        if marker == 0xE1:  # noqa: PLR2004 - where Exif is kept
            start = file.tell()
            turned = turned or _orientation(file.read(min(length, _EXIF_MOST_BYTES))) in _TURNED
            file.seek(start)
    return None


def _segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Give the marker of each segment and the bytes of its content, where the file's position is."""
    start = 2
    for _ in range(_SEGMENTS_MOST):
        file.seek(start)
        head = file.read(64)
        marker = head.lstrip(b"\xff")  # any number of fill bytes may stand in front
        fill = len(head) - len(marker)
        file.seek(start + fill)
        code, length = _unpack(file, ">BH")
        if not fill or length < 2:  # noqa: PLR2004 - this is no segment
            return
        yield code, length - 2
        start += fill + 1 + length


def scan_start(file: BinaryIO) -> int:
    """Give where the pixels of a JPEG begin, behind all previews; 0 where that is not found."""
    try:
        return next((file.tell() for marker, _ in _segments(file) if marker == 0xDA), 0)  # noqa: PLR2004 - start of a scan
    except struct.error:
        return 0


def _orientation(exif: bytes) -> int:
    """Give the orientation of a camera, as Exif counts it; 1 where it does not say."""
    tiff = exif[6:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if not exif.startswith(b"Exif\0") or order is None:
        return 1
    (start,) = struct.unpack_from(f"{order}I", tiff.ljust(8, b"\0"), 4)
    entries = tiff[start + 2 :]
    for tag, value in struct.iter_unpack(f"{order}H6xH2x", entries[: len(entries) // 12 * 12][: 12 * 100]):
        if tag == _ORIENTATION:
            return int(value)
    return 1


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
    """Give how long a WAV or RF64 file plays; the file's position moves.

    Compressed sound has a number of samples, in a chunk of its own or by the size of its blocks; other sound has bytes per
    second. `None` where the header does not say, or is cut short.
    """
    try:
        return _wave_seconds(_wave_chunks(file, size_bytes))
    except struct.error:
        return None


def _wave_chunks(file: BinaryIO, size_bytes: int) -> dict[bytes, tuple[bytes, int]]:
    """Give the beginning of each chunk up to the sound, and how many bytes of it there are."""
    found: dict[bytes, tuple[bytes, int]] = {}
    start = 12
    for _ in range(_SEGMENTS_MOST):
        file.seek(start)
        name, length = struct.unpack("<4sI", file.read(8))
        start += 8
        found[name] = (file.read(min(length, 64)), min(length, size_bytes - start))
        if name == b"data":
            return found
        start += length + length % 2
    return found


def _wave_seconds(chunks: dict[bytes, tuple[bytes, int]]) -> float | None:
    if b"data" not in chunks or b"fmt " not in chunks:
        return None
    form, sound_bytes = chunks[b"fmt "][0], chunks[b"data"][1]
    encoding, rate, bytes_per_second, block = struct.unpack_from("<H2xIIH", form)
    samples = struct.unpack("<I", chunks.get(b"fact", (b"", 0))[0][:4].ljust(4, b"\0"))[0]
    per_block = struct.unpack_from("<H", form, 18)[0] if len(form) >= 20 else 0  # noqa: PLR2004 - a longer header
    if encoding in {0x0002, 0x0011} and rate and block and per_block:
        return sound_bytes / block * per_block / rate
    if encoding not in _PCM | {0xFFFE} and rate and 0 < samples < _UNKNOWN_BYTES:
        return samples / rate
    return sound_bytes / bytes_per_second if bytes_per_second else None


def flac_seconds(head: bytes) -> float | None:
    """Give how long a FLAC file plays by its first block; `None` where that does not say."""
    bits = int.from_bytes(head[18:26].ljust(8, b"\0"))
    rate, samples = bits >> 44, bits & 2**36 - 1
    return samples / rate if rate and samples else None
