"""Locks an open file against every other process and call; the system takes the lock from a process that ends."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

_FAR_BYTES = 0x7FFF_0000
"""The byte that Windows locks, behind all that is written: it lets nobody read or write a locked one."""


def lock(file: BinaryIO, path: Path, system: str = os.name) -> bool:
    """Lock a file until it is closed.

    Args:
        file: The open file.
        path: Where it was opened.
        system: The kind of operating system.

    Returns:
        Whether it is locked and still the one at its path; `False` where another opening of it is locked.
    """
    is_locked = _lock_of_windows(file, import_module("msvcrt")) if system == "nt" else _lock_of_unix(file)
    return is_locked and is_at(file, path)


def is_at(file: BinaryIO, path: Path) -> bool:
    """Return whether a file is still there: a call that had it locked before may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _lock_of_unix(file: BinaryIO) -> bool:
    fcntl: Any = import_module("fcntl")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_of_windows(file: BinaryIO, msvcrt: Any) -> bool:
    before = file.tell()
    try:
        file.seek(_FAR_BYTES)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        file.seek(before)
    return True
