"""The path that an agent's source means on each system: a path, or a `file://` URL."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from seedance_mcp.errors import FileRejected
from seedance_mcp.media.urls import quoted


def path_of(source: str, roots: Sequence[Path] = (), system: str = os.name) -> str:
    """Give the path that a source means; a drive of Windows stands behind a slash in a URL.

    Args:
        source: A path or a `file://` URL.
        roots: The folders that may be read; a share of another machine is asked only where one of them lies on it.
        system: The system, as in `os.name`.

    Raises:
        FileRejected: The source is an invalid URL, or names no file of a disk.
    """
    path = _of_url(source, system) if source.lower().startswith("file://") else source
    if system == "nt":
        _check_disk(path, roots)
    return path


def _of_url(url: str, system: str) -> str:
    try:
        path = unquote(urlsplit(url).path)
    except ValueError as error:
        raise FileRejected(f"{quoted(url)} is an invalid URL. Nothing was sent: check it.", field="source") from error
    return path[1:] if system == "nt" and re.match(r"/[a-z]:", path, re.IGNORECASE) else path


def _check_disk(path: str, roots: Sequence[Path]) -> None:
    """Refuse what Windows takes for a share, a device or a stream inside a file, before it is touched.

    Windows signs in to a share as soon as its name is looked up: an agent could send the user's name and the answer to a
    challenge of the password to any machine.
    """
    named = PureWindowsPath(path)
    is_share = named.drive.startswith("\\\\") and not any(named.is_relative_to(str(root)) for root in roots)
    if is_share or any(":" in part for part in named.parts[bool(named.anchor) :]):
        raise FileRejected(
            f"{quoted(path)} names a share of another machine, a device or a part of a file; allowed: a path such as "
            r"C:\pictures\fox.png. Nothing was sent: copy the file to a folder that may be read.",
            field="source",
            allowed=r"a path such as C:\pictures\fox.png",
        )


def _are_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def root_above(
    path: Path, roots: Sequence[Path], are_same: Callable[[Path, Path], bool] = _are_same
) -> tuple[Path, Path] | None:
    """Find the allowed folder above a path, also where a file system knows both by more than one spelling.

    macOS and Windows take upper and lower case for the same, macOS also an accent and the letter with it, Windows short names.

    Args:
        path: The path, without links.
        roots: The allowed folders, without links.
        are_same: Says whether two paths are one folder.

    Returns:
        The path as it goes on from the spelling of the folder, and the folder; `None` where no allowed one is above it.
    """
    for root in roots:
        if path.is_relative_to(root):
            return path, root
    for above in path.parents:
        for root in roots:
            if are_same(above, root):
                return root / path.relative_to(above), root
    return None
