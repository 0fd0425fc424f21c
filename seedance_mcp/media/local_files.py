"""Local files and links that an agent names: hostile until checked here, then open for sending."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import SplitResult, unquote, urlsplit

from seedance_mcp.catalogue.editions.edition_2026_07 import SOURCES, UPLOAD_EXTENSIONS, UPLOAD_MAX_BYTES
from seedance_mcp.catalogue.facts import Kind, Measure, Model
from seedance_mcp.errors import FileRejected, InvalidRequest
from seedance_mcp.media.headers import picture_size, wave_seconds
from seedance_mcp.media.mp4_header import duration_seconds, frame_size
from seedance_mcp.storage.dirfd import hold

_HEAD_BYTES = 512
_SOURCE_CHARS = 200
"""How much of a path a refusal repeats."""
_COPIED_BYTES = 1 << 20
_WITH_MOVIE_HEADER = ("mp4", "mov", "m4v", "m4a")
_SVG = rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--(?:(?!-->).)*-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]"
"""A comment ends at its first end: otherwise every split of many comments would be tried in turn."""
_SIGNATURES: tuple[tuple[str, str, bytes], ...] = (
    ("png", "image/png", rb"\x89PNG\r\n\x1a\n"),
    ("jpg", "image/jpeg", rb"\xff\xd8\xff"),
    ("gif", "image/gif", rb"GIF8[79]a"),
    ("webp", "image/webp", rb"RIFF....WEBP"),
    ("bmp", "image/bmp", rb"BM.{12}"),
    ("svg", "image/svg+xml", _SVG),
    ("wav", "audio/wav", rb"RIFF....WAVE"),
    ("avi", "video/x-msvideo", rb"RIFF....AVI "),
    ("flac", "audio/flac", rb"fLaC"),
    ("ogg", "audio/ogg", rb"OggS"),
    ("flv", "video/x-flv", rb"FLV\x01"),
    ("m4a", "audio/mp4", rb"....ftypM4A"),
    ("m4v", "video/x-m4v", rb"....ftypM4V"),
    ("mov", "video/quicktime", rb"....ftypqt  |....(moov|mdat|wide|free)"),
    ("mp4", "video/mp4", rb"....ftyp"),
    ("webm", "video/webm", rb"\x1aE\xdf\xa3.{0,60}?webm"),
    ("mkv", "video/x-matroska", rb"\x1aE\xdf\xa3"),
    ("aac", "audio/aac", rb"\xff[\xf0\xf1\xf8\xf9]"),
    ("mp3", "audio/mpeg", rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"),
)
"""Ending, media type and first bytes of every format that files/upload takes; the first match decides."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """What a local file held when it was checked: a copy of our own, which nobody else can change."""

    file: BinaryIO
    name: str
    kind: Kind
    mime_type: str
    size_bytes: int
    sha256: str
    seconds: float | None
    """How long it plays, where its header tells."""
    size_px: tuple[int, int] | None
    """Width and height, where its header tells."""


def is_link(source: str) -> bool:
    """Whether a source is a link and not a path."""
    return bool(re.match(r"[a-z][a-z0-9+.-]+://", source, re.IGNORECASE)) and not source.lower().startswith("file://")


def check_link(source: str) -> str:
    """Let `https://` links with a host pass; raises `FileRejected`."""
    parts = _split(source)
    if parts.scheme != "https" or not parts.hostname or parts.username or re.search(r"\s", source):
        raise FileRejected(
            "The link must be https:// with a host and without user or blanks: use the https:// address, or download the file "
            "and give its path.",
            field="source",
            allowed="an https:// link or a local path",
        )
    return source


def _split(source: str) -> SplitResult:
    try:
        return urlsplit(source)
    except ValueError:
        raise FileRejected("That is no link.", field="source") from None


def kind_of_link(source: str, wanted: Kind | None) -> Kind:
    """The kind that was named, else by the path's ending; raises `InvalidRequest` when neither tells."""
    ending = PurePosixPath(_split(source).path).suffix.lower().removeprefix(".")
    guessed = next((kind for kind, endings in UPLOAD_EXTENSIONS.items() if ending in endings), None)
    if found := wanted or guessed:
        return cast("Kind", found)
    raise InvalidRequest("The link's ending tells no kind: say kind.", field="kind", allowed="one of image, video, audio")


@contextmanager
def open_media(source: str, roots: list[Path]) -> Generator[MediaFile]:
    """Copy a local file that lies below one of the folders and is what it must be; raises `FileRejected`."""
    path, root = _confined(source, roots)
    with _opened(source, root, path, roots) as file:
        found = _copied(file, path)
    with found.file:
        yield found


def _copied(file: BinaryIO, path: Path) -> MediaFile:
    """A checked copy in the temporary folder; raises `FileRejected`, also where there is no room for it."""
    try:
        with ExitStack() as stack:
            copy = stack.enter_context(tempfile.TemporaryFile())
            found = _checked(copy, path, *copy_whole(file, copy))
            stack.pop_all()
            return found
    except OSError as error:
        raise FileRejected(
            f"The file cannot be copied ({error.strerror}): the operator should free the temporary folder, or name another "
            "one with TMPDIR.",
            field="source",
        ) from None


def path_of(link: str, *, windows: bool) -> str:
    """The path that a `file://` link means; in one a drive of Windows stands behind a slash."""
    path = unquote(_split(link).path)
    return path[1:] if windows and re.match(r"/[a-z]:", path, re.IGNORECASE) else path


def _confined(source: str, roots: list[Path]) -> tuple[Path, Path]:
    """The path that a source means, and the folder above it that may be read."""
    text = path_of(source, windows=os.name == "nt") if source.lower().startswith("file://") else source
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        raise FileRejected("That is no path.", field="source") from None
    root = next((root for root in roots if path.is_relative_to(root)), None)
    if root:
        return path, root
    folders = _named(roots)
    raise FileRejected(
        f"{_quoted(source)} lies outside: files may be sent from these folders alone: {folders}. Move the file there, or let "
        "the operator set SEEDANCE_MEDIA_ROOTS.",
        field="source",
        allowed=folders,
    )


def _named(roots: list[Path]) -> str:
    return ", ".join(str(root) for root in roots) or "none"


def _quoted(source: str) -> str:
    return f'"{source[:_SOURCE_CHARS]}"'


def _opened(source: str, root: Path, path: Path, roots: list[Path]) -> BinaryIO:
    """The open file; a refusal names what was asked for and where files may lie."""
    try:
        return open_below(root, path)
    except FileRejected as error:
        folders = _named(roots)
        raise FileRejected(
            f"{error.message} {_quoted(source)} is {_quoted(str(path))} here: check the path. Files may be sent from these "
            f"folders: {folders}.",
            field="source",
            allowed=folders,
        ) from None


def open_below(root: Path, path: Path) -> BinaryIO:
    """Open a file step by step from the folder, so that nothing swapped on the way leads out of it."""
    *parents, name = path.relative_to(root).parts or (".",)
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(hold(root))
            for parent in parents:
                folder = stack.enter_context(folder.below(parent))
            descriptor = folder.open(name)
    except OSError as error:
        raise FileRejected(f"The file cannot be read: {error.strerror}.", field="source") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRejected("Only a regular file may be sent.", field="source")
    return os.fdopen(descriptor, "rb")


def copy_whole(file: BinaryIO, copy: BinaryIO) -> tuple[str, int]:
    """Copy a file of an allowed size that nobody writes to meanwhile; gives its digest and size."""
    before = os.fstat(file.fileno())
    if not 0 < before.st_size <= UPLOAD_MAX_BYTES:
        allowed = f"1 to {UPLOAD_MAX_BYTES} bytes"
        raise FileRejected(f"The file has {before.st_size} bytes; allowed: {allowed}.", field="source", allowed=allowed)
    digest, left = hashlib.sha256(), before.st_size
    while chunk := file.read(min(left, _COPIED_BYTES)):
        digest.update(chunk)
        copy.write(chunk)
        left -= len(chunk)
    after = os.fstat(file.fileno())
    if left or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise FileRejected("The file changed while it was read: call again when it is complete.", field="source")
    return digest.hexdigest(), before.st_size


def _checked(file: BinaryIO, path: Path, sha256: str, size_bytes: int) -> MediaFile:
    file.seek(0)
    ending, mime_type = sniff(file.read(_HEAD_BYTES))
    kind = next(kind for kind, endings in UPLOAD_EXTENSIONS.items() if ending in endings)
    name = re.sub(r"[^\w.-]+", "_", path.stem, flags=re.ASCII)[:80] or "file"
    seconds, size_px = _measured(file, ending, size_bytes)
    file.seek(0)
    return MediaFile(file, f"{name}.{ending}", cast("Kind", kind), mime_type, size_bytes, sha256, seconds, size_px)


def _measured(file: BinaryIO, ending: str, size_bytes: int) -> tuple[float | None, tuple[int, int] | None]:
    """Length and pixels, as far as the header tells."""
    if ending in _WITH_MOVIE_HEADER:
        return duration_seconds(file), frame_size(file)
    return wave_seconds(file, size_bytes) if ending == "wav" else None, picture_size(file, ending)


def check_bounds(found: MediaFile, model: Model) -> None:
    """Refuse what the model's route states not to take; raises `FileRejected`."""
    for fact in model.route.files:
        for bound in fact.value.bounds if fact.value.kind == found.kind else ():
            extent = _extent(found, bound.measure)
            if extent and not (bound.low <= extent[0] and extent[1] <= bound.high):
                raise FileRejected(
                    f"The {found.kind} has {_shown(found, bound.measure)}; allowed on the route {model.route.name}: "
                    f"{bound.description} ({SOURCES[fact.source]}). Nothing was sent.",
                    field="source",
                    allowed=bound.description,
                )


def _extent(found: MediaFile, measure: Measure) -> tuple[float, float] | None:
    """What is held against the lower and what against the upper bound; `None` where the header does not tell."""
    if measure == "bytes":
        return found.size_bytes, found.size_bytes
    if measure == "seconds":  # a last frame or sample more is no longer video
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


def _shown(found: MediaFile, measure: Measure) -> str:
    if measure == "bytes":
        return f"{found.size_bytes / 2**20:.1f} MB"
    return f"{found.seconds:.1f} s" if measure == "seconds" else "{} x {} px".format(*(found.size_px or ()))


def sniff(head: bytes) -> tuple[str, str]:
    """Ending and media type by content; raises `FileRejected` for everything else."""
    for ending, mime_type, pattern in _SIGNATURES:
        if re.match(pattern, head, re.DOTALL):
            return ending, mime_type
    allowed = ", ".join(ending for endings in UPLOAD_EXTENSIONS.values() for ending in endings)
    raise FileRejected(f"The content is no accepted media; allowed: {allowed}.", field="source", allowed=allowed)
