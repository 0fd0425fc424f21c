"""A folder held open: what is done in it stays in it, whatever is swapped around it meanwhile."""

from __future__ import annotations

import errno
import os
from contextlib import AbstractContextManager, suppress
from pathlib import Path

HOLDS = os.open in os.supports_dir_fd
"""Whether this system opens files relative to an open folder; where it does not, paths must do."""

_SAFELY = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"))
"""Follow no link and wait for no pipe, as far as the system knows the words."""
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


def hold(path: Path) -> Folder:
    """Hold the folder at a path, which may be a link itself; raises `OSError`."""
    return Folder(path, os.open(path, _DIRECTORY) if HOLDS else None)


class Folder(AbstractContextManager["Folder"]):
    """One folder; names are those of its own entries, and none of them is followed where it is a link."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        """Take a path and, where the system can, the open folder that stood there."""
        self.path, self._descriptor = path, descriptor

    def __exit__(self, *_: object) -> None:
        """Let go."""
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _at(self, name: str) -> str:
        return str(self.path / name) if self._descriptor is None else name

    def below(self, name: str) -> Folder:
        """Hold a folder in this one; raises `OSError`, also where it is a link."""
        if self._descriptor is not None:
            return Folder(self.path / name, os.open(name, _DIRECTORY | _SAFELY, dir_fd=self._descriptor))
        if (self.path / name).is_symlink() or not (self.path / name).is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return Folder(self.path / name, None)

    def make(self, name: str) -> None:
        """Make a folder in this one, unless something of that name is there."""
        try:
            os.mkdir(self._at(name), 0o700, dir_fd=self._descriptor)
        except FileExistsError:
            return

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a file of this folder."""
        return os.open(self._at(name), flags | _SAFELY, 0o666, dir_fd=self._descriptor)

    def link(self, name: str, other: str) -> None:
        """Give a file a second name; raises `FileExistsError` where anything has it."""
        os.link(self._at(name), self._at(other), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def rename(self, name: str, other: str) -> None:
        """Give a file another name."""
        os.replace(self._at(name), self._at(other), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(self._at(name), dir_fd=self._descriptor)

    def modified(self, name: str) -> float:
        """When a file was last written to, in Unix seconds."""
        return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False).st_mtime

    def names(self) -> list[str]:
        """Every entry."""
        return os.listdir(self.path if self._descriptor is None else self._descriptor)  # noqa: PTH208 - of the open folder

    def sync(self) -> None:
        """Let new names outlive a power cut, where the system can."""
        if self._descriptor is not None:
            with suppress(OSError):  # some file systems cannot, and what has its name by then must not count as lost
                os.fsync(self._descriptor)
