"""Finds out what a media file is: its format, its length and pixels, and which bounds of a route it breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from seedance_mcp.catalogue.facts import Bound, Kind, Measure, Model, UploadLimits
from seedance_mcp.errors import FileRejected
from seedance_mcp.media.headers import picture_size, wave_seconds
from seedance_mcp.media.mp4_header import duration_seconds, frame_size

_HEAD_BYTES = 512
"""How much of a file the signatures are compared with."""
_NAME_CHARS = 80
_WITH_MOVIE_HEADER = ("mp4", "mov", "m4v", "m4a")
_SVG = rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--(?:(?!-->).)*-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]"
"""A comment ends at its first end: otherwise every split of many comments would be tried in turn."""


@dataclass(frozen=True, slots=True)
class Format:
    """A file format that files/upload takes."""

    ending: str
    mime_type: str
    head: bytes
    """A regular expression that the first bytes match."""


FORMATS: tuple[Format, ...] = (
    Format("png", "image/png", rb"\x89PNG\r\n\x1a\n"),
    Format("jpg", "image/jpeg", rb"\xff\xd8\xff"),
    Format("gif", "image/gif", rb"GIF8[79]a"),
    Format("webp", "image/webp", rb"RIFF....WEBP"),
    Format("bmp", "image/bmp", rb"BM.{12}"),
    Format("svg", "image/svg+xml", _SVG),
    Format("wav", "audio/wav", rb"RIFF....WAVE"),
    Format("avi", "video/x-msvideo", rb"RIFF....AVI "),
    Format("flac", "audio/flac", rb"fLaC"),
    Format("ogg", "audio/ogg", rb"OggS"),
    Format("flv", "video/x-flv", rb"FLV\x01"),
    Format("m4a", "audio/mp4", rb"....ftypM4A"),
    Format("m4v", "video/x-m4v", rb"....ftypM4V"),
    Format("mov", "video/quicktime", rb"....ftypqt  |....(moov|mdat|wide|free)"),
    Format("mp4", "video/mp4", rb"....ftyp"),
    Format("webm", "video/webm", rb"\x1aE\xdf\xa3.{0,60}?webm"),
    Format("mkv", "video/x-matroska", rb"\x1aE\xdf\xa3"),
    Format("aac", "audio/aac", rb"\xff[\xf0\xf1\xf8\xf9]"),
    Format("mp3", "audio/mpeg", rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"),
)
"""Every format that files/upload takes (pages-05); the first row whose head matches decides."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A checked local file: a copy of our own, which nobody else can change, and what it holds."""

    file: BinaryIO
    """The copy, open for reading from its start."""
    name: str
    """A file name of ASCII letters, digits, `_`, `.` and `-`, with the ending of the real format."""
    kind: Kind
    mime_type: str
    size_bytes: int
    sha256: str
    """Of the whole content, in hexadecimal."""
    seconds: float | None
    """How long it plays; `None` where its header does not say."""
    size_px: tuple[int, int] | None
    """Width and height; `None` where its header does not say."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One bound of a route that a file does not keep."""

    bound: Bound
    measured: str
    """What the file has instead, with its unit, for example `1.9 s`."""
    source: str
    """Who states the bound: a key of the edition's sources."""


def probe(file: BinaryIO, path: Path, limits: UploadLimits, sha256: str, size_bytes: int) -> MediaFile:
    """Read what a copied file holds.

    Args:
        file: The copy, readable and seekable.
        path: Where it was copied from; gives the name, never the format.
        limits: The formats that the provider takes.
        sha256: The digest of its content, in hexadecimal.
        size_bytes: Its size.

    Raises:
        FileRejected: The content is none of the accepted formats.
    """
    file.seek(0)
    form = sniff(file.read(_HEAD_BYTES), limits)
    kind = form.mime_type.partition("/")[0]
    name = re.sub(r"[^\w.-]+", "_", path.stem, flags=re.ASCII)[:_NAME_CHARS] or "file"
    seconds, size_px = _measure(file, form.ending, size_bytes)
    file.seek(0)
    return MediaFile(file, f"{name}.{form.ending}", cast("Kind", kind), form.mime_type, size_bytes, sha256, seconds, size_px)


def sniff(head: bytes, limits: UploadLimits) -> Format:
    """Give the format of a file by its first bytes; raises `FileRejected` for every other content."""
    form = next((form for form in FORMATS if re.match(form.head, head, re.DOTALL)), None)
    if form and form.ending in limits.all_endings:
        return form
    allowed = ", ".join(limits.all_endings)
    raise FileRejected(
        f"The file's content is none of the accepted formats, whatever its name says; allowed: {allowed}. Nothing was sent.",
        field="source",
        allowed=allowed,
    )


def _measure(file: BinaryIO, ending: str, size_bytes: int) -> tuple[float | None, tuple[int, int] | None]:
    """Give seconds, and width and height in pixels, each where the header says it."""
    if ending in _WITH_MOVIE_HEADER:
        return duration_seconds(file), frame_size(file)
    return wave_seconds(file, size_bytes) if ending == "wav" else None, picture_size(file, ending)


def check_bounds(found: MediaFile, model: Model) -> list[Violation]:
    """List every bound of the model's route that a file breaks, in the order of the catalogue; empty when it fits.

    A measure that the file's header does not say breaks no bound.
    """
    return list(_violations(found, model))


def _violations(found: MediaFile, model: Model) -> Iterator[Violation]:
    for fact in model.route.files:
        for bound in fact.value.bounds if fact.value.kind == found.kind else ():
            extent = _extent(found, bound.measure)
            if extent and not (bound.low <= extent[0] and extent[1] <= bound.high):
                yield Violation(bound, _measured(found, bound.measure), fact.source)


def _extent(found: MediaFile, measure: Measure) -> tuple[float, float] | None:
    """Give what is compared with the lower and with the upper bound; `None` where the header does not say."""
    if measure == "bytes":
        return found.size_bytes, found.size_bytes
    if measure == "seconds":  # one frame or sample more than a whole second breaks no bound
        return (round(found.seconds, 1), round(found.seconds, 1)) if found.seconds else None
    if found.size_px is None:
        return None
    width, height = found.size_px
    return {
        "sides_px": (min(found.size_px), max(found.size_px)),
        "a_side_px": (max(found.size_px), min(found.size_px)),
        "pixels": (width * height, width * height),
        "aspect": (width / height, width / height),
    }[measure]


def _measured(found: MediaFile, measure: Measure) -> str:
    if measure == "bytes":
        return f"{found.size_bytes / 2**20:.1f} MB"
    return f"{found.seconds:.1f} s" if measure == "seconds" else "{} x {} px".format(*(found.size_px or ()))
