"""Reads the header of Matroska and WebM: the type of document, its tracks, and how long it says to be."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

_ELEMENTS_MOST = 1000
"""More elements than any real file has side by side before its first cluster."""
_VALUE_MOST_BYTES = 64
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_DOC_TYPE, _INFO, _TRACKS, _TRACK, _VIDEO = 0x4282, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0
_SCALE, _DURATION, _TYPE, _CODEC = 0x2AD7B1, 0x4489, 0x83, 0x86
_WIDTH, _HEIGHT, _SHOWN_WIDTH, _SHOWN_HEIGHT, _UNIT = 0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2
_PICTURES, _SOUND = 1, 2


class Element(NamedTuple):
    """An element's identifier, and where its content begins and ends."""

    name: int
    start: int
    end: int
    is_cut: bool = False
    """Whether it claims to be longer than what is around it."""


@dataclass(slots=True)
class Matroska:
    """The facts of a header."""

    doc_type: str
    """`webm` or `matroska`."""
    has_pictures: bool = False
    has_sound: bool = False
    has_tracks: bool = False
    codec: str = ""
    """Of the pictures, else of the sound."""
    size_px: tuple[int, int] | None = None
    seconds: float | None = None
    is_cut: bool = False


def read_matroska(file: BinaryIO) -> Matroska | None:
    """Give what the header says, `None` where the file does not begin with one. The file's position moves."""
    size_bytes = file.seek(0, os.SEEK_END)
    head, *rest = [*_elements(file, 0, size_bytes, 2), Element(0, 0, 0)]
    if head.name != _EBML:
        return None
    found = Matroska(_value(file, _by_name(file, head).get(_DOC_TYPE)).decode("latin-1").rstrip("\0"))
    segment = rest[0]
    found.is_cut = segment.is_cut
    for part in _elements(file, segment.start, segment.end) if segment.name == _SEGMENT else ():
        if part.name == _INFO:
            _read_info(file, part, found)
        elif part.name == _TRACKS:
            found.has_tracks = True
            _read_tracks(file, part, found)
    return found


def _elements(file: BinaryIO, start: int, end: int, most: int = _ELEMENTS_MOST) -> Iterator[Element]:
    """Give each element of one level up to the first cluster, in order."""
    for _ in range(most):
        if start >= end:
            return
        file.seek(start)
        head = file.read(12)
        name_bytes, size_bytes = _length(head), _length(head[_length(head) :])
        if not name_bytes or not size_bytes:
            return
        name = int.from_bytes(head[:name_bytes])
        content = start + name_bytes + size_bytes
        bits = 7 * size_bytes
        size = int.from_bytes(head[name_bytes : name_bytes + size_bytes]) & (2**bits - 1)
        after = end if size == 2**bits - 1 else content + size  # all ones: as long as the rest
        if name == _CLUSTER:
            return
        yield Element(name, content, min(end, after), after > end)
        start = after


def _length(head: bytes) -> int:
    """Give how many bytes a number of variable length has; 0 where it is none."""
    return 9 - head[0].bit_length() if head[:1] > b"\0" and len(head) >= 9 - head[0].bit_length() else 0


def _by_name(file: BinaryIO, element: Element) -> dict[int, Element]:
    """Give the elements inside one by identifier; of equal ones the last."""
    return {each.name: each for each in _elements(file, element.start, element.end)}


def _value(file: BinaryIO, element: Element | None) -> bytes:
    if element is None:
        return b""
    file.seek(element.start)
    return file.read(max(0, min(_VALUE_MOST_BYTES, element.end - element.start)))


def _number(file: BinaryIO, element: Element | None) -> int:
    return int.from_bytes(_value(file, element)[:8])


def _read_info(file: BinaryIO, info: Element, found: Matroska) -> None:
    parts = _by_name(file, info)
    raw = _value(file, parts.get(_DURATION))
    ticks = struct.unpack({4: ">f", 8: ">d"}[len(raw)], raw)[0] if len(raw) in {4, 8} else 0.0
    seconds = ticks * (_number(file, parts.get(_SCALE)) or 1_000_000) / 1e9
    found.seconds = seconds if 0 < seconds < 1e9 else None  # noqa: PLR2004 - thirty years, and no infinity


def _read_tracks(file: BinaryIO, tracks: Element, found: Matroska) -> None:
    for element in _elements(file, tracks.start, tracks.end):
        parts = _by_name(file, element) if element.name == _TRACK else {}
        kind, codec = _number(file, parts.get(_TYPE)), _value(file, parts.get(_CODEC)).decode("latin-1")
        if kind == _PICTURES and not found.has_pictures:
            found.has_pictures, found.codec = True, codec
            found.size_px = _size(file, parts.get(_VIDEO))
        if kind == _SOUND and not found.has_sound:
            found.has_sound, found.codec = True, found.codec or codec


def _size(file: BinaryIO, video: Element | None) -> tuple[int, int] | None:
    """Give the size that is shown, where it is stated in pixels, else that of the stored picture."""
    parts = _by_name(file, video) if video else {}
    width, height, unit = (_number(file, parts.get(name)) for name in (_WIDTH, _HEIGHT, _UNIT))
    shown = (_number(file, parts.get(_SHOWN_WIDTH)), _number(file, parts.get(_SHOWN_HEIGHT)))
    if unit == 0 and all(shown):
        return shown
    return (width, height) if width and height else None
