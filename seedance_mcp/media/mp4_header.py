"""Reads the boxes of MP4, QuickTime and their kin: brands, tracks, lengths, sizes, and whether the file is whole."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO, NamedTuple

_HEADER_BYTES = 8
_BOXES_MOST = 20_000
"""More boxes than any real file has side by side, one fragment for each frame included."""
_TABLE_MOST_BYTES = 1 << 20
"""How much of one table of samples is read."""
_FIRST = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp"}
"""Boxes that such a file may begin with."""
_MUST_END = {b"moov", b"moof", b"mdat"}
"""Boxes that are part of the film: one that leads out of the file was cut."""
_SLACK_SECONDS = 0.5
"""By so much a movie header may differ from its longest track."""
_UNKNOWN = (0xFFFFFFFF, 2**64 - 1)
_STILL_CODECS = {"jpeg", "png ", "mjpa", "mjpb", "gif "}


class Box(NamedTuple):
    """One box: its name, and where its content begins and ends, in bytes from the start of the file."""

    name: bytes
    start: int
    end: int
    """Never beyond the box around it, whatever the box claims."""
    is_cut: bool
    """Whether it claims to be longer."""


@dataclass(slots=True)
class Track:
    """One track of a movie."""

    number: int = 0
    handler: str = ""
    """`vide` for pictures, `soun` for sound, and others."""
    codec: str = ""
    """The four characters of the first sample description."""
    ticks_per_second: int = 0
    header_ticks: int = 0
    sample_ticks: int = 0
    """By the table of samples and by all fragments."""
    edit_ticks: int = 0
    """Of the movie's own clock: what an edit list shows of the track; 0 where there is no such list."""
    origin_ticks: int | None = None
    """What the clock of its fragments shows where the track begins."""
    default_ticks: int = 0
    """Of a sample of a fragment that states none."""
    size_px: tuple[int, int] | None = None
    """Upright, in square pixels."""


@dataclass(slots=True)
class Movie:
    """The facts in the boxes of a file."""

    brands: list[str]
    """The major brand first; empty where there is no `ftyp`."""
    is_whole: bool
    """Whether there is a movie header, and each box that belongs to the film ends inside the file."""
    has_header: bool = False
    ticks_per_second: int = 0
    header_ticks: int = 0
    tracks: list[Track] = field(default_factory=list[Track])

    def moving(self) -> Track | None:
        """Give the first track of moving pictures; an audiobook's drawings of chapters are none."""
        stills = _STILL_CODECS if self.brands[:1] in (["M4A "], ["M4B "]) else set[str]()
        return next((each for each in self.tracks if each.handler == "vide" and each.codec not in stills), None)

    def sound(self) -> Track | None:
        """Give the first track of sound."""
        return next((each for each in self.tracks if each.handler == "soun"), None)

    def seconds(self) -> float | None:
        """Give the length of the pictures, else of the sound; the movie header's, where it claims more."""
        main = self.moving() or self.sound()
        return max(self._seconds_of(main) if main else 0.0, self.header_seconds()) or None

    def header_seconds(self) -> float:
        """Give the length that the movie header states, where every track is shorter, else 0."""
        longest = max(map(self._seconds_of, self.tracks), default=0.0)
        header = self.header_ticks / self.ticks_per_second if self.ticks_per_second else 0.0
        return header if header > longest + _SLACK_SECONDS else 0.0

    def _seconds_of(self, track: Track) -> float:
        if track.edit_ticks and self.ticks_per_second:
            return track.edit_ticks / self.ticks_per_second
        return max(track.header_ticks, track.sample_ticks) / track.ticks_per_second if track.ticks_per_second else 0.0


def read_movie(file: BinaryIO) -> Movie | None:
    """Give what the boxes say; `None` where the file does not begin with one. The file's position moves."""
    size_bytes = file.seek(0, os.SEEK_END)
    boxes = list(_boxes(file, (0, size_bytes)))
    if not boxes or boxes[0].name not in _FIRST:
        return None
    brands = next((_brands(_content(file, box, 512)) for box in boxes if box.name == b"ftyp"), list[str]())
    movie = Movie(brands, not any(box.is_cut for box in boxes if box.name in _MUST_END))
    for box in boxes:
        if box.name == b"moov" and not movie.has_header:
            movie.has_header = True
            _read_header(file, box, movie)
    for box in boxes:
        if box.name == b"moof":
            _read_fragment(file, box, {track.number: track for track in movie.tracks})
    movie.is_whole &= movie.has_header
    return movie


def _brands(content: bytes) -> list[str]:
    names = [content[start:end].decode("latin-1") for start, end in pairwise(range(0, len(content) + 1, 4))]
    return names[:1] + names[2:]  # the second is a version


def _boxes(file: BinaryIO, within: tuple[int, int]) -> Iterator[Box]:
    """Give each box of one level, in order; rubbish behind the last box ends it."""
    start, end = within
    for _ in range(_BOXES_MOST):
        if start + _HEADER_BYTES > end:
            return
        file.seek(start)
        head = file.read(2 * _HEADER_BYTES)
        name = head[4:8]
        if not all(0x20 <= byte <= 0xA9 for byte in name):  # noqa: PLR2004 - letters, and QuickTime's ©
            return
        size, content = int.from_bytes(head[:4]), start + _HEADER_BYTES
        if size == 1:  # the size stands in eight bytes behind the name
            size, content = int.from_bytes(head[_HEADER_BYTES:]), content + _HEADER_BYTES
        after = start + size if size else end
        yield Box(name, content, min(end, after), after > end)
        if after < content:
            return
        start = after


def _children(file: BinaryIO, box: Box, *names: bytes) -> Iterator[Box]:
    """Give the boxes of one path of names below a box."""
    name, *below = names
    for child in _boxes(file, (box.start, box.end)):
        if child.name == name:
            yield from _children(file, child, *below) if below else (child,)


def _content(file: BinaryIO, box: Box, most_bytes: int = 256) -> bytes:
    file.seek(box.start)
    return file.read(max(0, min(most_bytes, box.end - box.start)))


def _first(file: BinaryIO, box: Box, *names: bytes, most_bytes: int = 256) -> bytes:
    """Give the content of the first box of a path, empty where there is none."""
    return next((_content(file, child, most_bytes) for child in _children(file, box, *names)), b"")


def _numbers(content: bytes, form: str, offset: int = 0) -> tuple[int, ...]:
    """Give the numbers of a form, with zeros for what is missing."""
    size = struct.calcsize(form)
    return struct.unpack(form, content[offset : offset + size].ljust(size, b"\0"))


def _times(header: bytes) -> tuple[int, int]:
    """Give ticks per second, and ticks, of `mvhd` or `mdhd`; 0 ticks where it calls them unknown."""
    scale, ticks = _numbers(header, ">IQ", 20) if header[:1] == b"\x01" else _numbers(header, ">II", 12)
    return scale, 0 if ticks in _UNKNOWN else ticks


def _read_header(file: BinaryIO, moov: Box, movie: Movie) -> None:
    movie.ticks_per_second, movie.header_ticks = _times(_first(file, moov, b"mvhd"))
    movie.tracks = [_track(file, box) for box in _children(file, moov, b"trak")]
    defaults = [_numbers(_content(file, box), ">4xI4xI") for box in _children(file, moov, b"mvex", b"trex")]
    for number, ticks in defaults:
        for track in movie.tracks:
            track.default_ticks = ticks if track.number == number else track.default_ticks


def _track(file: BinaryIO, trak: Box) -> Track:
    track = Track()
    _read_track_header(_first(file, trak, b"tkhd"), track)
    track.handler = _first(file, trak, b"mdia", b"hdlr")[8:12].decode("latin-1")
    track.ticks_per_second, track.header_ticks = _times(_first(file, trak, b"mdia", b"mdhd"))
    table = (b"mdia", b"minf", b"stbl")
    track.codec = _first(file, trak, *table, b"stsd")[12:16].decode("latin-1")
    samples = _first(file, trak, *table, b"stts", most_bytes=_TABLE_MOST_BYTES)[8:]
    track.sample_ticks = sum(count * ticks for count, ticks in struct.iter_unpack(">II", samples[: len(samples) // 8 * 8]))
    track.edit_ticks = _edited(_first(file, trak, b"edts", b"elst", most_bytes=_TABLE_MOST_BYTES))
    return track


def _read_track_header(tkhd: bytes, track: Track) -> None:
    (track.number,) = _numbers(tkhd, ">I", 20 if tkhd[:1] == b"\x01" else 12)
    if len(tkhd) >= 44:  # noqa: PLR2004 - matrix, width and height
        across, down, width, height = struct.unpack(">i12xi16x2I", tkhd[-44:])
        size = round(width / 2**16), round(height / 2**16)
        turned = size[::-1] if across == down == 0 else size
        track.size_px = (turned[0], turned[1]) if all(size) else None


def _edited(elst: bytes) -> int:
    """Add up what an edit list shows of its track; an empty edit shows nothing."""
    form = ">Qq4x" if elst[:1] == b"\x01" else ">Ii4x"
    entries = elst[8:]
    whole = entries[: len(entries) // struct.calcsize(form) * struct.calcsize(form)]
    return sum(ticks for ticks, at in struct.iter_unpack(form, whole) if at >= 0)


def _read_fragment(file: BinaryIO, moof: Box, tracks: dict[int, Track]) -> None:
    """Add a fragment's samples to its tracks; each of them says how long it lasts, or the fragment, or the track."""
    for traf in _children(file, moof, b"traf"):
        tfhd = _first(file, traf, b"tfhd")
        flags, number = _numbers(tfhd, ">II")
        track = tracks.get(number)
        if track is None:
            continue
        offset = 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
        ticks = _numbers(tfhd, ">I", offset)[0] if flags & 0x8 else track.default_ticks
        track.edit_ticks = 0  # the list in the header covers what is before the fragments
        before = track.sample_ticks
        for run in _children(file, traf, b"trun"):
            track.sample_ticks += _run_ticks(_content(file, run, _TABLE_MOST_BYTES), ticks)
        _use_clock(_first(file, traf, b"tfdt"), track, before)


def _use_clock(tfdt: bytes, track: Track, before_ticks: int) -> None:
    """Let a fragment end no sooner than by its own clock: writers of many short ones guess how long each lasts."""
    if tfdt:
        (clock,) = _numbers(tfdt, ">Q" if tfdt[:1] == b"\x01" else ">I", 4)
        track.origin_ticks = clock - before_ticks if track.origin_ticks is None else track.origin_ticks
        run = track.sample_ticks - before_ticks
        track.sample_ticks = max(track.sample_ticks, clock - track.origin_ticks + run)


def _run_ticks(trun: bytes, default_ticks: int) -> int:
    flags, count = _numbers(trun, ">II")
    if not flags & 0x100:
        return count * default_ticks
    entries = trun[8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0) :]
    fields = sum(1 for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag)
    whole = len(entries) // 4 // fields * fields
    return sum(struct.unpack(f">{whole}I", entries[: whole * 4])[::fields])
