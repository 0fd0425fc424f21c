"""An open folder: what is done in it stays in it, even when its path is swapped for another folder or a link meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from io import BufferedReader
from pathlib import Path

from seedance_mcp.storage.busy_files import in_turn
from seedance_mcp.storage.open_flags import DIRECTORY, NEVER_WAIT, SAFELY

HAS_DIR_FD = os.open in os.supports_dir_fd
"""Whether this system opens files relative to an open folder; where it does not, their paths are used."""

_SAFELY = SAFELY | NEVER_WAIT
_REPARSE_LINKS = (0xA000_000C, 0xA000_0003)
"""Windows's tags of a symbolic link and of a junction, which every user can make and which counts as a folder."""


def is_link(mode: int, reparse_tag: int = 0) -> bool:
    """Say whether an entry leads elsewhere: a symbolic link, or a junction of Windows, which knows its tag."""
    return stat.S_ISLNK(mode) or reparse_tag in _REPARSE_LINKS


class NoRegularFile(OSError):
    """There is something else of that name: a folder, a pipe, a device."""


def open_folder(path: Path) -> Folder:
    """Open the folder at a path, which may be a link itself; raises `OSError`."""
    return Folder(path, os.open(path, DIRECTORY) if HAS_DIR_FD else None)


def open_file_below(root: Path, parents: Iterable[str], name: str) -> BufferedReader:
    """Open a regular file for reading, step by step from a folder above it, each step in the open folder before it.

    Nothing that is swapped for a link on the way leads out of the folder; raises `OSError`.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder(root))
        for parent in parents:
            folder = stack.enter_context(folder.below(parent))
        return folder.open_file(name)


class Folder(AbstractContextManager["Folder"]):
    """One folder. Every name given to a method is that of an entry, and none is followed where it is a link.

    Every method raises `OSError` where the system refuses.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        """Take a path and, where the system can, the descriptor of the folder that stood there."""
        self.path, self._descriptor = path, descriptor

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close it, once."""
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _at(self, name: str) -> str:
        return str(self.path / name) if self._descriptor is None else name

    def below(self, name: str) -> Folder:
        """Open a folder in this one; refuses a link as well."""
        if self._descriptor is not None:
            return Folder(self.path / name, os.open(name, DIRECTORY | _SAFELY, dir_fd=self._descriptor))
        self._refuse_link(name)
        if not (self.path / name).is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return Folder(self.path / name, None)

    def make(self, name: str) -> None:
        """Make a folder in this one, readable by this user only, unless something has that name."""
        try:
            os.mkdir(self._at(name), 0o700, dir_fd=self._descriptor)
        except FileExistsError:
            return

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a file; gives its descriptor."""
        if self._descriptor is None:
            self._refuse_link(name)
        return os.open(self._at(name), flags | _SAFELY, 0o666, dir_fd=self._descriptor)

    def open_file(self, name: str) -> BufferedReader:
        """Open a regular file for reading; raises `NoRegularFile` for anything else."""
        descriptor = self.open(name)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
        raise NoRegularFile(f"{name} is no file")

    def _refuse_link(self, name: str) -> None:
        """Raise where an entry is a link now; only a system with descriptors of folders can do both in one step."""
        with suppress(FileNotFoundError):
            found = os.lstat(self._at(name))
            if is_link(found.st_mode, getattr(found, "st_reparse_tag", 0)):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def link(self, name: str, other: str) -> None:
        """Give a file a second name; raises `FileExistsError` where anything has it."""
        os.link(self._at(name), self._at(other), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def rename(self, name: str, other: str) -> None:
        """Give a file another name, in place of whatever has it."""
        places = {"src_dir_fd": self._descriptor, "dst_dir_fd": self._descriptor}
        in_turn(partial(os.replace, self._at(name), self._at(other), **places))

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(self._at(name), dir_fd=self._descriptor)

    def modified(self, name: str) -> float:
        """Give when a file was last written to, in Unix seconds."""
        return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False).st_mtime

    def names(self) -> list[str]:
        """List the names of all entries."""
        return os.listdir(self.path if self._descriptor is None else self._descriptor)  # noqa: PTH208 - of the open folder

    def sync(self) -> None:
        """Let new names outlive a power cut, where the system can."""
        if self._descriptor is not None:
            with suppress(OSError):  # some file systems cannot, and what has its name by then must not count as lost
                os.fsync(self._descriptor)
