"""Where videos are kept: names that are safe on every system, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import time
import unicodedata
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from seedance_mcp.errors import DownloadRefused
from seedance_mcp.storage.dirfd import Folder, hold

NAME_MOST_BYTES = 128
"""Of a name without its ending: what every file system takes, with room for a number."""
STALE_SECONDS = 3600.0
"""A part that nobody has written to for so long was left by a process that was killed."""

_ENDING = ".mp4"
_PART = re.compile(r"\.seedance-\w+\.part")
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
"""Devices of Windows, which no file may be named after; older ones overlook blanks before the dot."""
_NAMES_TRIED = 1000


def safe_name(wanted: str) -> str:
    """A file name, without ending, that is one on every system and leads nowhere; may be empty."""
    marked = "".join(each if each.isprintable() and each not in '<>:"/\\|?*' else "/" for each in wanted)
    plain = re.sub(r"(/|\.{2,})+", "_", unicodedata.normalize("NFC", marked)).strip(" .")
    short = plain.encode()[:NAME_MOST_BYTES].decode("utf-8", "ignore").rstrip(" .")
    return f"_{short}" if _RESERVED.match(short) else short


def video_name(wanted: str | None, default: str) -> str:
    """The name of a video as an agent wants it, made safe, without its ending."""
    given = (wanted or "").strip()
    return safe_name(given[: -len(_ENDING)] if given.lower().endswith(_ENDING) else given) or safe_name(default) or "video"


def _guest_name(principal: str) -> str:
    """A folder of one's own: two principals never share one, whatever a system takes for the same name."""
    name = safe_name(principal)
    if name == principal.lower() and name.isascii():
        return name
    return f"{name[:64]}-{hashlib.sha256(principal.encode()).hexdigest()[:12]}"


@contextmanager
def _open_folder(root: Path, principal: str) -> Generator[Folder]:
    """Hold the folder that videos go to, made at first use; a principal has one below it."""
    root.mkdir(parents=True, exist_ok=True)
    with hold(root.absolute()) as top:
        if not principal:
            yield top
            return
        top.make(name := _guest_name(principal))
        with top.below(name) as own:
            yield own


@contextmanager
def translated(folder: str) -> Generator[None]:
    """Say in words what a disk refuses, and which folder it was: `OSError` becomes `DownloadRefused`."""
    try:
        yield
    except OSError as error:
        raise DownloadRefused(
            f"The video cannot be written ({error.strerror}): the operator should free or open {folder}, or name "
            "another folder."
        ) from None


class Part:
    """A file on its way, under a hidden name."""

    def __init__(self, folder: Folder) -> None:
        """Make the file; raises `OSError`."""
        self.name = f".seedance-{secrets.token_hex(8)}.part"
        self._folder = folder
        self.file: BinaryIO = os.fdopen(folder.open(self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL), "w+b")

    def publish(self, name: str) -> Path:
        """Give the file its name, or that name with a number where it is taken; what is there stays. Raises `OSError`."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()  # Windows renames no open file
        for number in range(1, _NAMES_TRIED):
            final = f"{name} ({number}){_ENDING}" if number > 1 else f"{name}{_ENDING}"
            with suppress(FileExistsError):
                _claim(self._folder, self.name, final)
                self._folder.sync()
                return self._folder.path / final
        raise FileExistsError(errno.EEXIST, f"{_NAMES_TRIED} files have that name")

    def discard(self) -> None:
        """Close the file and remove the hidden name."""
        self.file.close()
        with suppress(FileNotFoundError):
            self._folder.remove(self.name)


@contextmanager
def new_part(root: Path, principal: str = "") -> Generator[Part]:
    """Hold a new part; whatever happens, no hidden name stays behind. Raises `DownloadRefused`."""
    with translated("SEEDANCE_OUTPUT_DIR"), _open_folder(root, principal) as folder:
        _sweep(folder)
        part = Part(folder)
        try:
            yield part
        finally:
            part.discard()


def _sweep(folder: Folder) -> None:
    """Remove what killed processes left."""
    for name in filter(_PART.fullmatch, folder.names()):
        with suppress(OSError):  # another process sweeps too
            if folder.modified(name) < time.time() - STALE_SECONDS:
                folder.remove(name)


def _claim(folder: Folder, part: str, name: str) -> None:
    """Give a part its final name; raises `FileExistsError` where anything has it."""
    try:
        folder.link(part, name)
    except FileExistsError:
        raise
    except OSError:  # a file system without second names: an empty file, which only one process can make, is replaced
        os.close(folder.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            folder.rename(part, name)
        except OSError:
            folder.remove(name)  # else an empty file would pass for the video
            raise


def open_saved(path: Path, size_bytes: int, sha256: str) -> BinaryIO | None:
    """Open a video that was saved earlier, or `None` where it is not there with the same bytes."""
    try:
        with hold(path.parent) as folder:
            descriptor = folder.open(path.name)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
        os.close(descriptor)
        return None
    file = os.fdopen(descriptor, "rb")
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        file.close()
        return None
    file.seek(0)
    return file
