"""Keeps the first bytes of a video whose transfer was cut off, so that a later call goes on where it ended.

One file in the data folder for each video, readable by this user only. Whoever has it open has it locked, so that one
process fetches a video at a time; the system takes the lock from a process that was killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from seedance_mcp.storage.file_lock import is_at, lock
from seedance_mcp.storage.local_disk import in_words
from seedance_mcp.storage.open_flags import SAFELY

PARTS_MOST = 8
"""How many parts are kept, the newest; each is as large as a video at most."""

_HEADER_BYTES = 1024
"""The room before the video's bytes, for what is known of the transfer."""
_PIECE_BYTES = 1 << 20
_MODE = 0o600
_DATA_FOLDER = "SEEDANCE_DATA_DIR"


class PartFile:
    """The part of one video, locked until it is closed; raises `DownloadRefused` where the disk refuses."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Take an open, locked file and read what an earlier transfer left in it."""
        self._path, self._file, self._is_wanted = path, file, True
        header = _read_header(file)
        self.mark: str = header.get("mark", "")
        self.announced_bytes: int | None = header.get("announced_bytes")
        self.size_bytes = max(0, file.seek(0, os.SEEK_END) - _HEADER_BYTES) if self.mark else 0

    @property
    def is_whole(self) -> bool:
        """Whether these are all bytes of the video, as far as its host says."""
        return bool(self.mark) and self.size_bytes == self.announced_bytes

    def begin(self, mark: str, announced_bytes: int | None) -> None:
        """Drop all bytes and start anew.

        Args:
            mark: The name that the host gives to exactly these bytes; empty where they cannot be continued.
            announced_bytes: How long the whole video is, where the host says it.
        """
        header = json.dumps({"mark": mark, "announced_bytes": announced_bytes}).encode()
        fits = len(header) < _HEADER_BYTES
        with in_words(_DATA_FOLDER):
            self._file.seek(0)
            self._file.truncate()
            self._file.write((header if fits else b"{}").ljust(_HEADER_BYTES))
        self.size_bytes, self.mark, self.announced_bytes = 0, mark if fits else "", announced_bytes

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with in_words(_DATA_FOLDER):
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self._file.flush()  # a process that is killed leaves all that came
        self.size_bytes += len(data)

    def pieces(self) -> Iterator[bytes]:
        """Give all bytes from the first."""
        self._file.seek(_HEADER_BYTES)
        with in_words(_DATA_FOLDER):
            while piece := self._file.read(_PIECE_BYTES):
                yield piece

    def drop(self) -> None:
        """Let the file go when it is closed: the video is saved, or these bytes are of no use."""
        self._is_wanted = False

    def close(self) -> None:
        """Unlock the file; it stays where a later transfer can continue it, and else for those who wait with it open."""
        is_left = self._is_wanted and bool(self.mark and self.size_bytes)
        goes_when_closed = not is_left and is_at(self._file, self._path) and not self._remove()
        with suppress(OSError):  # on a full disk the last bytes are lost, and a later transfer fetches them
            self._file.close()
        if goes_when_closed:
            with suppress(OSError):  # another one has it open, and removes it at its end
                self._path.unlink()

    def _remove(self) -> bool:
        """Remove the file. Windows does so only when it is closed: until then nobody must go on with it, or find it whole."""
        try:
            self._path.unlink()
        except OSError:
            if not self.is_whole:
                with suppress(OSError):
                    self._file.truncate(0)
            return False
        return True


class Turn:
    """The wait for the part of a video; it has the file open, and so sees all that another one brings and removes."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open the part, made at first use.

        Args:
            folder: Where parts are kept.
            name: The video's own name among all, such as a request id.

        Raises:
            DownloadRefused: The folder cannot be written to.
        """
        self._path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.part"
        self._part: PartFile | None = None
        with in_words(_DATA_FOLDER):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = _open(self._path)

    def take(self) -> PartFile | None:
        """Give the part; `None` while another call or process has it."""
        if lock(self._file, self._path):
            self._part = PartFile(self._path, self._file)
        elif not is_at(self._file, self._path):
            self._part = self._removed() or self.take()
        return self._part

    def _removed(self) -> PartFile | None:
        """Give a part that another one brought whole and had no more use for; opens a new one where it is not whole."""
        part = PartFile(self._path, self._file)
        if part.is_whole:
            return part
        self._file.close()
        with in_words(_DATA_FOLDER):
            self._file = _open(self._path)
        return None

    def leave(self) -> None:
        """Let others have the part, if it was taken."""
        if part := self._part or self.take():
            part.close()
        else:
            self._file.close()


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | SAFELY, _MODE), "r+b")


def _read_header(file: BinaryIO) -> dict[str, Any]:
    """Read what is known of a transfer; empty for a file that is new or was never finished."""
    file.seek(0)
    try:
        return dict(json.loads(file.read(_HEADER_BYTES)))
    except ValueError:
        return {}


def sweep(folder: Path, oldest_seconds: float) -> None:
    """Remove the parts that nobody has open and that are older than so many seconds, or too many."""
    parts: list[tuple[float, Path]] = []
    for path in folder.glob("*.part"):
        with suppress(OSError):  # another process may sweep at the same time
            parts.append((path.stat().st_mtime, path))
    parts.sort(reverse=True)
    for place, (modified, path) in enumerate(parts):
        if place >= PARTS_MOST or modified < time.time() - oldest_seconds:
            with suppress(OSError):
                _remove(path)


def _remove(path: Path) -> None:
    file = _open(path)
    if lock(file, path):
        part = PartFile(path, file)
        part.drop()
        part.close()
    else:
        file.close()
