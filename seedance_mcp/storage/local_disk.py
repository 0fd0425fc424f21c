"""Keeps videos in a folder of this machine; a file appears whole or not at all, and replaces none."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from seedance_mcp.errors import DownloadRefused
from seedance_mcp.storage.dirfd import Folder, open_folder
from seedance_mcp.storage.video_names import ENDING, folder_name
from seedance_mcp.storage.video_store import Stored

STALE_SECONDS = 3600.0
"""A part that nobody has written to for so long was left by a process that was killed."""

_PART = re.compile(r"\.seedance-\w+\.part")
_NAMES_TRIED = 1000
_OUTPUT_FOLDER = "SEEDANCE_OUTPUT_DIR"
_TEMPORARY_FOLDER = "the temporary folder (TMPDIR)"


class LocalDisk:
    """A `VideoStore` in one folder; every named principal has a folder below it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is made at first use."""
        self._folder = folder

    def new(self, name: str, principal: str) -> Part:
        """Begin a file; see `VideoStore.new`."""
        with in_words(_OUTPUT_FOLDER), ExitStack() as stack:
            folder = stack.enter_context(open_own_folder(self._folder, principal))
            _sweep(folder)
            part = Part(folder, name)
            stack.pop_all()
            return part

    def holds(self, stored: Stored) -> bool:
        """Read a file's bytes; see `VideoStore.holds`."""
        file = self.open(stored)
        if file:
            file.close()
        return file is not None

    def open(self, stored: Stored) -> BinaryIO | None:
        """Open a file; see `VideoStore.open`."""
        path = Path(stored.uri)
        try:
            with open_folder(path.parent) as folder:
                descriptor = folder.open(path.name)
        except OSError:
            return None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != stored.size_bytes:
            os.close(descriptor)
            return None
        file = os.fdopen(descriptor, "rb")
        if hashlib.file_digest(file, "sha256").hexdigest() != stored.sha256:
            file.close()
            return None
        file.seek(0)
        return file

    def link(self, uri: str, seconds: float) -> None:
        """Give no URL: nobody else can fetch from this disk."""

    def path(self, uri: str) -> Path:
        """Give the file's path, which is what this store calls it."""
        return Path(uri)


class Part:
    """A `Pending` file under a hidden name; keeps its folder open until it is committed or aborted."""

    def __init__(self, folder: Folder, name: str) -> None:
        """Make the hidden file in an open folder, which it closes at its end; raises `OSError`."""
        self.hidden_name = f".seedance-{secrets.token_hex(8)}.part"
        self._folder, self._name = folder, name
        self._file: BinaryIO = os.fdopen(folder.open(self.hidden_name, os.O_RDWR | os.O_CREAT | os.O_EXCL), "w+b")
        self._digest, self._size_bytes, self._is_open = hashlib.sha256(), 0, True

    def write(self, data: bytes) -> None:
        """Append bytes; see `Pending.write`."""
        with in_words(_OUTPUT_FOLDER):
            self._file.write(data)
        self._digest.update(data)
        self._size_bytes += len(data)

    def commit(self) -> Stored:
        """Give the file its name; see `Pending.commit`."""
        try:
            with in_words(_OUTPUT_FOLDER):
                path = self._publish()
        finally:
            self.abort()  # the hidden name goes, whether the file has another one now or not
        return Stored(str(path), self._size_bytes, self._digest.hexdigest())

    def abort(self) -> None:
        """Drop the hidden name; see `Pending.abort`."""
        if not self._is_open:
            return
        self._is_open = False
        with suppress(OSError):  # on a full disk it raises, and is closed all the same
            self._file.close()
        with suppress(OSError):
            self._folder.remove(self.hidden_name)
        self._folder.close()

    def _publish(self) -> Path:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()  # Windows renames no open file
        for number in range(1, _NAMES_TRIED):
            final = f"{self._name} ({number}){ENDING}" if number > 1 else f"{self._name}{ENDING}"
            with suppress(FileExistsError):
                _claim(self._folder, self.hidden_name, final)
                self._folder.sync()
                return self._folder.path / final
        raise FileExistsError(errno.EEXIST, f"{_NAMES_TRIED} files have that name")


def _claim(folder: Folder, part: str, name: str) -> None:
    """Give a part its final name; raises `FileExistsError` where anything has it."""
    try:
        folder.link(part, name)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links: reserve the name with an empty file, then rename over it
        os.close(folder.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            folder.rename(part, name)
        except OSError:
            folder.remove(name)  # else the empty file would pass for the video
            raise


def _sweep(folder: Folder) -> None:
    """Remove the parts that killed processes left."""
    for name in filter(_PART.fullmatch, folder.names()):
        with suppress(OSError):  # another process may sweep at the same time
            if folder.modified(name) < time.time() - STALE_SECONDS:
                folder.remove(name)


def open_own_folder(root: Path, principal: str) -> Folder:
    """Open the folder that a principal's videos go to, made at first use; raises `OSError`."""
    root.mkdir(parents=True, exist_ok=True)
    top = open_folder(root.absolute())
    if not principal:
        return top
    with top:
        top.make(name := folder_name(principal))
        return top.below(name)


@contextmanager
def temporary_video() -> Generator[BinaryIO]:
    """Open a file for a video that is not kept; raises `DownloadRefused` where it cannot be written."""
    with in_words(_TEMPORARY_FOLDER), tempfile.TemporaryFile() as file:
        yield file


@contextmanager
def in_words(folder: str) -> Generator[None]:
    """Turn an `OSError` into a `DownloadRefused` that names the folder."""
    try:
        yield
    except OSError as error:
        raise DownloadRefused(
            f"The video cannot be written ({error.strerror}): the operator should free or open {folder}, or name "
            "another folder."
        ) from error
