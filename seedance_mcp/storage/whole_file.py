"""Writes our own small files whole or not at all: neither a reader nor a power cut finds half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from seedance_mcp.storage.busy_files import in_turn
from seedance_mcp.storage.open_flags import NEW

_PRIVATE = 0o600


@contextmanager
def written(path: Path, *, replaces: bool = True, mode: int = _PRIVATE) -> Generator[BinaryIO]:
    """Write a file that has its name once the block has ended, and that nobody but its owner can read until then.

    Args:
        path: Where it is kept; its folder is made at first use.
        replaces: Whether it takes the place of an earlier one.
        mode: Who may read and write it from then on; as a rule nobody else.

    Raises:
        FileExistsError: There is an earlier one, and it stays.
        OSError: The system refuses; an earlier one stays.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, NEW, _PRIVATE), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode != _PRIVATE:
            part.chmod(mode)
        in_turn(partial(os.replace, part, path)) if replaces else os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
