"""Keeps what callers from elsewhere bring, for an hour: a folder for each principal, a file for each upload, written once."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from seedance_mcp.storage.busy_files import in_turn
from seedance_mcp.storage.open_flags import NEW

KEPT_SECONDS = 3600.0
"""How long the bytes of an upload can be used."""
KEPT_MOST_BYTES = 1 << 30
"""How much one principal may have here at a time."""
_NAME = re.compile(r"[0-9a-f]{32}")
_PART = ".part"


class TooMuchKept(Exception):
    """The principal has brought more than is kept for one at a time."""


class UploadFiles:
    """The uploads of one principal; each method blocks and raises `OSError`."""

    def __init__(self, data_dir: Path, folder: str) -> None:
        """Take the data folder, and the name of the principal's folder as `folder_of` gives it."""
        self._all = data_dir / "uploads"
        self.folder = self._all / folder

    def path(self, name: str) -> Path:
        """Give where an upload is kept; raises `FileNotFoundError` for what is no name of one."""
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(name)
        return self.folder / name

    def begin(self, name: str) -> Incoming | None:
        """Begin an upload, which nobody else can begin meanwhile or afterwards; `None` where somebody has.

        Raises:
            TooMuchKept: The principal has brought too much in the last hour.
        """
        path = self.path(name)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.sweep()
        if sum(size_bytes for _, size_bytes, _ in _entries(self.folder)) >= KEPT_MOST_BYTES:
            raise TooMuchKept
        try:
            incoming = Incoming(path, os.open(f"{path}{_PART}", NEW, 0o600))
        except FileExistsError:
            return None
        if path.exists():
            incoming.abort()
            return None
        return incoming

    def sweep(self) -> None:
        """Remove what is older than it is kept, of every principal, and what killed processes left."""
        for folder in self._all.iterdir():
            for path, _, modified in _entries(folder):
                if modified < time.time() - KEPT_SECONDS:
                    with suppress(OSError):  # another process may sweep at the same time
                        path.unlink()


def folder_of(principal: str) -> str:
    """Name a principal's folder, so that the name says nothing about the principal."""
    return hashlib.sha256(principal.encode()).hexdigest()[:16]


def _entries(folder: Path) -> Iterator[tuple[Path, int, float]]:
    """Give path, size in bytes and time of each file."""
    for path in list(folder.iterdir()):
        with suppress(OSError):  # likewise
            found = path.stat(follow_symlinks=False)
            yield path, found.st_size, found.st_mtime


class Incoming:
    """An upload that is being written: it has its name once it is whole."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take where it is kept, and its open file beside that."""
        self._path = path
        self.file: BinaryIO = os.fdopen(descriptor, "wb")
        self.size_bytes, self._digest = 0, hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self.file.write(data)
        self.size_bytes += len(data)
        self._digest.update(data)

    def whole(self) -> BinaryIO:
        """Open what was written for reading."""
        self.file.flush()
        return Path(f"{self._path}{_PART}").open("rb")

    def commit(self) -> str:
        """Give the upload its name; gives the digest of its bytes."""
        self.file.close()
        in_turn(partial(Path(f"{self._path}{_PART}").rename, self._path))
        return self._digest.hexdigest()

    def abort(self) -> None:
        """Drop what was written; changes nothing after `commit`."""
        with suppress(OSError):  # on a full disk it raises, and is closed all the same
            self.file.close()
        Path(f"{self._path}{_PART}").unlink(missing_ok=True)
