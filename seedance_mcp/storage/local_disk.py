"""Keeps videos in a folder of this machine; a file appears whole or not at all, and replaces none.

Before a file gets its name, a hidden note says which name and which bytes: by it another process finds the video of one that
was killed before the ledger knew it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from seedance_mcp.errors import DownloadRefused
from seedance_mcp.storage.dirfd import Folder, open_folder
from seedance_mcp.storage.scratch_folder import scratch_file
from seedance_mcp.storage.video_names import ENDING, folder_name
from seedance_mcp.storage.video_store import Stored

STALE_SECONDS = 3600.0
"""A part that nobody has written to for so long was left by a process that was killed."""

NOTED_SECONDS = 30 * 86_400.0
"""A note that is older was left by a process that was killed, and nobody has asked for its video since."""

_PART, _NOTE = re.compile(r"\.seedance-\w+\.part"), re.compile(r"\.seedance-\w+\.note")
_NOTE_MOST_BYTES = 4096
_NAMES_TRIED = 1000
_OUTPUT_FOLDER = "SEEDANCE_OUTPUT_DIR"
TEMPORARY_FOLDER = "the temporary folder (TMPDIR)"


class LocalDisk:
    """A `VideoStore` in one folder; every named principal has a folder below it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is made at first use."""
        self._folder = folder

    def new(self, name: str, principal: str, key: str = "") -> Part:
        """Begin a file; see `VideoStore.new`."""
        with in_words(_OUTPUT_FOLDER), ExitStack() as stack:
            folder = stack.enter_context(open_own_folder(self._folder, principal))
            _sweep(folder)
            part = Part(folder, name, _note_of(key) if key else None)
            stack.pop_all()
            return part

    def found(self, principal: str, key: str) -> Stored | None:
        """Read the note, and hold the file against it; see `VideoStore.found`."""
        try:
            with open_own_folder(self._folder, principal) as folder:
                note = _read_note(folder, _note_of(key))
                stored = Stored(str(folder.path / note["name"]), note["bytes"], note["sha256"])
                if not self.holds(stored):
                    return None
                with suppress(OSError):  # nearly always gone
                    folder.remove(note["part"])
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return stored

    def noted(self, principal: str, key: str) -> None:
        """Remove the note; see `VideoStore.noted`."""
        with suppress(OSError), open_own_folder(self._folder, principal) as folder:
            folder.remove(_note_of(key))

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
                file = folder.open_file(path.name)
        except OSError:
            return None
        has_size = os.fstat(file.fileno()).st_size == stored.size_bytes
        if not has_size or hashlib.file_digest(file, "sha256").hexdigest() != stored.sha256:
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

    def __init__(self, folder: Folder, name: str, note: str | None = None) -> None:
        """Make the hidden file in an open folder, which it closes at its end; raises `OSError`."""
        self.hidden_name = f".seedance-{secrets.token_hex(8)}.part"
        self._folder, self._name, self._note = folder, name, note
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
                self._write_note(final)
                _claim(self._folder, self.hidden_name, final)
                self._folder.sync()
                return self._folder.path / final
        raise FileExistsError(errno.EEXIST, f"{_NAMES_TRIED} files have that name")

    def _write_note(self, final: str) -> None:
        if self._note is None:
            return
        told = {"name": final, "bytes": self._size_bytes, "sha256": self._digest.hexdigest(), "part": self.hidden_name}
        with os.fdopen(self._folder.open(self._note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())


def _note_of(key: str) -> str:
    return f".seedance-{hashlib.sha256(key.encode()).hexdigest()[:24]}.note"


def _read_note(folder: Folder, note: str) -> dict[str, Any]:
    with folder.open_file(note) as file:
        return dict(json.loads(file.read(_NOTE_MOST_BYTES)))


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
    """Remove the parts and notes that killed processes left."""
    for name in folder.names():
        seconds = STALE_SECONDS if _PART.fullmatch(name) else NOTED_SECONDS if _NOTE.fullmatch(name) else None
        with suppress(OSError):  # another process may sweep at the same time
            if seconds and folder.modified(name) < time.time() - seconds:
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
    with in_words(TEMPORARY_FOLDER), scratch_file() as file:
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
