"""Local files and links that an agent names: hostile until checked here, then open for sending."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import SplitResult, unquote, urlsplit

from seedance_mcp.arguments import Kind
from seedance_mcp.catalog import UPLOAD_EXTENSIONS, UPLOAD_MAX_BYTES
from seedance_mcp.errors import FileRejected, InvalidRequest
from seedance_mcp.mp4 import duration_seconds

_HEAD_BYTES = 512
_OPEN_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
"""Follow no link and wait for no pipe, as far as the system knows the words."""
_WITH_MOVIE_HEADER = ("mp4", "mov", "m4v")
_SIGNATURES: tuple[tuple[str, str, bytes], ...] = (
    ("png", "image/png", rb"\x89PNG\r\n\x1a\n"),
    ("jpg", "image/jpeg", rb"\xff\xd8\xff"),
    ("gif", "image/gif", rb"GIF8[79]a"),
    ("webp", "image/webp", rb"RIFF....WEBP"),
    ("bmp", "image/bmp", rb"BM.{12}"),
    ("svg", "image/svg+xml", rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]"),
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
    """A local file that may be sent, open for reading."""

    file: BinaryIO
    name: str
    kind: Kind
    mime_type: str
    size_bytes: int
    seconds: float | None
    """How long it plays, where its header tells."""


def is_link(source: str) -> bool:
    """Whether a source is a link and not a path."""
    return bool(re.match(r"[a-z][a-z0-9+.-]+://", source, re.IGNORECASE)) and not source.lower().startswith("file://")


def check_link(source: str) -> str:
    """Let `https://` links with a host pass; raises `FileRejected`."""
    parts = _split(source)
    if parts.scheme != "https" or not parts.hostname or parts.username or re.search(r"\s", source):
        raise FileRejected("The link must be https:// with a host and without user or blanks.", field="source")
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
    """Open a local file that lies below one of the folders and is what it must be; raises `FileRejected`."""
    path = _confined(source, roots)
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        raise FileRejected(f"The file cannot be read: {error.strerror}.", field="source") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRejected("Only a regular file may be sent.", field="source")
    with os.fdopen(descriptor, "rb") as file:
        yield _checked(file, path)


def _confined(source: str, roots: list[Path]) -> Path:
    text = unquote(_split(source).path) if source.lower().startswith("file://") else source
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        raise FileRejected("That is no path.", field="source") from None
    if any(path.is_relative_to(root) for root in roots):
        return path
    folders = ", ".join(str(root) for root in roots) or "none"
    raise FileRejected(
        f"Files may be sent from these folders alone: {folders}. Move the file there, or let the operator set "
        "SEEDANCE_MEDIA_ROOTS.",
        field="source",
        allowed=folders,
    )


def _checked(file: BinaryIO, path: Path) -> MediaFile:
    size_bytes = os.fstat(file.fileno()).st_size
    if not 0 < size_bytes <= UPLOAD_MAX_BYTES:
        allowed = f"1 to {UPLOAD_MAX_BYTES} bytes"
        raise FileRejected(f"The file has {size_bytes} bytes; allowed: {allowed}.", field="source", allowed=allowed)
    ending, mime_type = sniff(file.read(_HEAD_BYTES))
    seconds = duration_seconds(file) if ending in _WITH_MOVIE_HEADER else None
    file.seek(0)
    kind = next(kind for kind, endings in UPLOAD_EXTENSIONS.items() if ending in endings)
    name = re.sub(r"[^\w.-]+", "_", path.stem, flags=re.ASCII)[:80] or "file"
    return MediaFile(file, f"{name}.{ending}", cast("Kind", kind), mime_type, size_bytes, seconds)


def sniff(head: bytes) -> tuple[str, str]:
    """Ending and media type by content; raises `FileRejected` for everything else."""
    for ending, mime_type, pattern in _SIGNATURES:
        if re.match(pattern, head, re.DOTALL):
            return ending, mime_type
    allowed = ", ".join(ending for endings in UPLOAD_EXTENSIONS.values() for ending in endings)
    raise FileRejected(f"The content is no accepted media; allowed: {allowed}.", field="source", allowed=allowed)
