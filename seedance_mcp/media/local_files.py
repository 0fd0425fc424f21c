"""Local files that an agent names: found below the allowed folders, opened without following what is swapped, and copied."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from seedance_mcp.catalogue.facts import UploadLimits
from seedance_mcp.errors import FileRejected
from seedance_mcp.media.file_paths import path_of, root_above
from seedance_mcp.media.probe import MediaFile, probe
from seedance_mcp.media.urls import quoted
from seedance_mcp.storage.dirfd import NoRegularFile, open_file_below
from seedance_mcp.storage.scratch_folder import scratch_file

_COPIED_BYTES = 1 << 20
"""How much is copied in one step."""
CONVERTED_MOST_BYTES = 2 << 30
"""The largest file that is converted."""


class OutsideFolders(FileRejected):
    """The file is not in a folder that may be read; names these folders, which are the business of this machine's user."""


@contextmanager
def open_media(source: str, roots: list[Path], limits: UploadLimits, *, any_format: bool = False) -> Generator[MediaFile]:
    """Copy a local file and give what it holds; the copy is gone afterwards.

    Args:
        source: A path or a `file://` URL.
        roots: The folders that may be read; links are resolved before the path is compared with them.
        limits: What the provider's file upload takes.
        any_format: Whether the provider need not take the format, and size in bytes, since the file is to be converted.

    Raises:
        FileRejected: The file lies elsewhere, cannot be read, is too large, changes meanwhile, or is no accepted media.
    """
    path, root = _confined(source, roots)
    with _opened(source, root, path, roots) as file:
        found = _copied(file, path, limits, any_format=any_format)
    with found.file:
        yield found


def _copied(file: BinaryIO, path: Path, limits: UploadLimits, *, any_format: bool) -> MediaFile:
    """Make a checked copy in the temporary folder; raises `FileRejected`, also where there is no room for it."""
    try:
        with ExitStack() as stack:
            copy = stack.enter_context(scratch_file())
            most_bytes = CONVERTED_MOST_BYTES if any_format else limits.max_bytes
            found = probe(copy, path, limits, *copy_whole(file, copy, most_bytes), any_format=any_format)
            stack.pop_all()
            return found
    except OSError as error:
        raise FileRejected(
            f"The file cannot be copied ({error.strerror}), and nothing was sent: the operator should free the temporary "
            "folder, or name another one with TMPDIR.",
            field="source",
        ) from error


def _confined(source: str, roots: list[Path]) -> tuple[Path, Path]:
    """Give the path that a source means, and the allowed folder above it."""
    text = path_of(source, roots)
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise FileRejected(f"{quoted(source)} is not a path. Nothing was sent: check it.", field="source") from error
    if found := root_above(path, roots):
        return found
    folders = _named(roots)
    raise OutsideFolders(
        f"{quoted(source)} lies outside the folders that files may be sent from; allowed: {folders}. Nothing was sent: move "
        "the file there, or let the operator set SEEDANCE_MEDIA_ROOTS.",
        field="source",
        allowed=folders,
    )


def _named(roots: list[Path]) -> str:
    return ", ".join(str(root) for root in roots) or "none"


def _opened(source: str, root: Path, path: Path, roots: list[Path]) -> BinaryIO:
    """Open the file; a refusal names what was asked for and which folders are allowed."""
    try:
        return open_below(root, path)
    except FileRejected as error:
        folders = _named(roots)
        raise OutsideFolders(
            f"{error.message} {_place(source, path)}: check the path. Nothing was sent. Files may be sent from these folders: "
            f"{folders}.",
            field="source",
            allowed=folders,
        ) from error


def _place(source: str, path: Path) -> str:
    """Say which path was asked for, and where that is, if it is written in another way."""
    return quoted(source) if source == str(path) else f"{quoted(source)} is {quoted(str(path))} here"


def open_below(root: Path, path: Path) -> BinaryIO:
    """Open a file below a folder, without following what is swapped for a link on the way.

    Raises:
        FileRejected: A step is missing, is a link, may not be read, or is no regular file.
    """
    *parents, name = path.relative_to(root).parts or (".",)
    try:
        return open_file_below(root, parents, name)
    except NoRegularFile as error:
        raise FileRejected("Only a regular file may be sent.", field="source") from error
    except OSError as error:
        raise FileRejected(f"The file cannot be read: {error.strerror}.", field="source") from error


def copy_whole(file: BinaryIO, copy: BinaryIO, max_bytes: int) -> tuple[str, int]:
    """Copy a file that is not too large; give the content's digest in hexadecimal, and its size in bytes.

    Raises:
        FileRejected: The file is empty or too large, or it changed while it was read.
        OSError: There is no room for the copy.
    """
    before = os.fstat(file.fileno())
    if not 0 < before.st_size <= max_bytes:
        allowed = f"1 to {max_bytes} bytes"
        raise FileRejected(
            f"The file has {before.st_size} bytes; allowed: {allowed}. Nothing was sent.", field="source", allowed=allowed
        )
    digest, left = hashlib.sha256(), before.st_size
    while chunk := file.read(min(left, _COPIED_BYTES)):
        digest.update(chunk)
        copy.write(chunk)
        left -= len(chunk)
    after = os.fstat(file.fileno())
    if left or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise FileRejected(
            "The file changed while it was read, and nothing was sent: call again when it is complete.", field="source"
        )
    return digest.hexdigest(), before.st_size
