"""Finds out what a media file is: its format and what it holds, by its content, and which bounds of a route it breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from seedance_mcp.catalogue.facts import Kind, Measure, Model, UploadLimits
from seedance_mcp.errors import FileRejected
from seedance_mcp.media.decoder import PROBE, Limits, Unreadable, decode, is_installed
from seedance_mcp.media.formats import FORMATS, SOUND_ONLY, WAY_FORWARD, Content, Format
from seedance_mcp.media.signatures import recognise

_NAME_CHARS = 80
Decode = Callable[[str, str, BinaryIO, Limits], dict[str, Any]]
"""Does a job of `worker` on a file, like `decoder.decode`."""
_DEMUXERS = {
    **dict.fromkeys(("mp4", "mov", "m4v", "m4a"), "mp4"),
    **dict.fromkeys(("webm", "mkv"), "matroska"),
    **{name: name for name in ("avi", "flv", "ogg", "mp3", "aac", "flac", "wav")},
}
"""Ending of a format with a length → the library's name for its reader. No other reader is let near the file."""
DEMUXERS = {
    **_DEMUXERS,
    **dict.fromkeys(("3gp", "qta", "3ga"), "mp4"),
    **dict.fromkeys(("mka", "weba"), "matroska"),
    "ogv": "ogg",
    "wmv": "asf",
    "ts": "mpegts",
    "mpg": "mpeg",
    "avi sound": "avi",
    "flv sound": "flv",
    "mp2": "mp3",
    **{name: name for name in ("aiff", "amr", "caf", "wv", "ape", "ac3", "au")},
}
"""The same by the keys of `FORMATS`, with what the provider does not take and we can convert."""
_PICTURES = ("jpg", "png", "gif", "webp", "bmp")
_SEES_TRACKS = ("mp4", "mov", "m4v", "m4a", "webm", "mkv", "ogg")
"""Formats whose tracks our own reader sees: of those it knows best what moves."""


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
    content: Content

    @property
    def seconds(self) -> float | None:
        """How long its pictures move, or how long it sounds; `None` where that is not known."""
        return self.content.seconds

    @property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height as they are shown; `None` where that is not known."""
        return self.content.size_px


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a route does not take of a file."""

    allowed: str
    """What it takes instead, for example `2 to 15 s`."""
    measured: str
    """What the file has, with its unit, for example `1.9 s`."""
    source: str
    """Who states the bound: a key of the edition's sources."""


def probe(
    file: BinaryIO, path: Path, limits: UploadLimits, sha256: str, size_bytes: int, *, any_format: bool = False
) -> MediaFile:
    """Read what a copied file holds.

    Args:
        file: The copy, readable and seekable, with a descriptor.
        path: Where it was copied from; gives the name, never the format.
        limits: The formats that the provider takes.
        sha256: The digest of its content, in hexadecimal.
        size_bytes: Its size.
        any_format: Whether the provider need not take the format, since the file is to be converted.

    Raises:
        FileRejected: The content is none of the accepted formats.
    """
    content = examine(file)
    form = content.form if content else None
    if content is None or form is None or not (any_format or form.ending in limits.all_endings):
        raise unaccepted(form, limits)
    file.seek(0)
    name = re.sub(r"[^\w.-]+", "_", path.stem, flags=re.ASCII)[:_NAME_CHARS] or "file"
    return MediaFile(file, f"{name}.{form.ending}", form.kind, form.mime_type, size_bytes, sha256, content)


def unaccepted(form: Format | None, limits: UploadLimits) -> FileRejected:
    """Make the refusal of a format: it names what the file is, where that is known, and what helps."""
    allowed = ", ".join(limits.all_endings)
    if form is None:
        words = f"The file's content is none of the accepted formats, whatever its name says; allowed: {allowed}."
        way = "bring a picture, a video or a sound"
    else:
        words = f"The file is {form.title}, whatever its name says, and the provider takes none; allowed: {allowed}."
        way = WAY_FORWARD[form.kind]
    return FileRejected(f"{words} Nothing was sent: {way}.", field="source", allowed=allowed)


def examine(file: BinaryIO, decode: Decode = decode) -> Content | None:
    """Give what a file holds, or `None` where it is no media that is known; the file's position moves.

    Our own reader decides what may be decoded at all. Where PyAV and Pillow are installed, `decode` has them measure it, in
    another process.
    """
    content = recognise(file)
    if content is None or content.damage or not is_installed():
        return content
    try:
        return _decoded(file, content, decode)
    except Unreadable as error:
        return replace(content, damage=str(error))
    except OSError:  # no process can be started here: what is known is what our own reader knows
        return content


def _decoded(file: BinaryIO, content: Content, decode: Decode) -> Content:
    ending = content.form.ending
    if ending in _PICTURES:
        seen = decode("picture", ending, file, PROBE)
        width, height = seen["size_px"]
        return replace(content, size_px=(width, height), is_peculiar=seen["peculiar"])
    if ending not in _DEMUXERS:
        return content
    streams = decode("stream", _DEMUXERS[ending], file, PROBE)
    if content.form.kind == "video" and "video" not in streams and ending not in _SEES_TRACKS:
        content = replace(content, form=FORMATS[SOUND_ONLY[ending]])
    main = streams.get(content.form.kind)
    if main is None:
        return replace(content, damage="holds neither pictures nor sound that can be decoded")
    size = main.get("size_px")
    return replace(
        content,
        seconds=max(main["seconds"] or 0.0, content.header_seconds) or None,
        size_px=(size[0], size[1]) if size else None,
        frames_per_second=main.get("frames_per_second"),
        codec=main["codec"],
    )


def check_bounds(found: MediaFile, model: Model) -> list[Violation]:
    """List every bound of the model's route that a file breaks, in the order of the catalogue; empty when it fits.

    A measure that is not known breaks no bound: see `unknown_measures`.
    """
    return list(_violations(found, model))


def _violations(found: MediaFile, model: Model) -> Iterator[Violation]:
    ending = found.content.form.ending
    for fact in model.route.files:
        if fact.value.kind == found.kind and ending in fact.value.refused:
            yield Violation(f"no {ending.upper()}", f"the format {ending.upper()}", fact.source)
        for bound in fact.value.bounds if fact.value.kind == found.kind else ():
            extent = _extent(found, bound.measure)
            if extent and not (bound.low <= extent[0] and extent[1] <= bound.high):
                yield Violation(bound.description, _measured(found, bound.measure), fact.source)


def unknown_measures(found: MediaFile, model: Model) -> list[str]:
    """Name what the route has bounds for, and nobody here could read of the file: `length`, `size in pixels`."""
    unknown = [each.measure for each in model.route.bounds_of(found.kind) if not _extent(found, each.measure)]
    return list(dict.fromkeys("length" if each == "seconds" else "size in pixels" for each in unknown))


def _extent(found: MediaFile, measure: Measure) -> tuple[float, float] | None:
    """Give what is compared with the lower and with the upper bound; `None` where that is not known."""
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
