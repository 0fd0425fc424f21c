"""One page beside the videos of a principal: it is replaced whole or not at all, and no link leads out of the folder."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from urllib.parse import quote

from seedance_mcp.storage.dirfd import Folder
from seedance_mcp.storage.local_disk import open_own_folder

_PART = ".seedance-{}.part"
"""The hidden name of a page that is being written; the next video that is saved removes what a killed process left."""


class PageFolder(AbstractContextManager["PageFolder"]):
    """The folder of one principal's videos, open for a page that stands beside them; every method may wait for the disk."""

    def __init__(self, root: Path, principal: str) -> None:
        """Open the folder, made at first use; raises `OSError`."""
        self._folder: Folder = open_own_folder(root, principal)

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._folder.close()

    @property
    def path(self) -> Path:
        """The folder's path."""
        return self._folder.path

    def read(self, name: str, most_bytes: int) -> bytes | None:
        """Give a file's content; `None` where there is none of that name.

        Raises:
            OSError: It is a link or no file, is longer than allowed, or the system refuses.
        """
        content = self.head(name, most_bytes + 1)
        if content is not None and len(content) > most_bytes:
            raise OSError(f"{name} is longer than {most_bytes} bytes")
        return content

    def head(self, name: str, size_bytes: int) -> bytes | None:
        """Give the first bytes of a file; `None` where there is none of that name.

        Raises:
            OSError: It is a link or no file, or the system refuses.
        """
        try:
            with self._folder.open_file(name) as file:
                return file.read(size_bytes)
        except FileNotFoundError:
            return None

    def replace(self, name: str, content: bytes) -> Path:
        """Write a file in place of whatever has its name, and give its path; raises `OSError`."""
        part = _PART.format(secrets.token_hex(8))
        try:
            with os.fdopen(self._folder.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._folder.rename(part, name)
        except OSError:
            with suppress(OSError):
                self._folder.remove(part)
            raise
        self._folder.sync()
        return self._folder.path / name

    def link_to(self, uri: str, size_bytes: int) -> str | None:
        """Give the relative URL of a video from a page in this folder; `None` where it is not on this disk any more."""
        path = Path(uri)
        try:
            found = path.stat() if path.is_absolute() else None
            relative = os.path.relpath(path, self.path)
        except (OSError, ValueError):  # a name with a zero byte, or another drive
            return None
        if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
            return None
        return "./" + quote(relative.replace(os.sep, "/"))
