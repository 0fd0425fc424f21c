"""Keeps the bytes of named assets in the data folder: one file for each content and principal, readable by nobody else."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_MODE = 0o600


class AssetFiles:
    """The folder of one principal's assets, which is made at first use; each method blocks and raises `OSError`."""

    def __init__(self, data_dir: Path, principal: str) -> None:
        """Take the data folder, and whose assets are kept."""
        self.folder = data_dir / "assets" / hashlib.sha256(principal.encode()).hexdigest()[:16]

    def path(self, sha256: str, ending: str) -> Path:
        """Give where bytes of a digest are kept, with the ending of their format."""
        return self.folder / f"{sha256}{ending}"

    def keep(self, file: BinaryIO, path: Path) -> None:
        """Copy a file, whole or not at all, and put it back to its start."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as copy:
                file.seek(0)
                shutil.copyfileobj(file, copy)
                copy.flush()
                os.fsync(copy.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
            file.seek(0)

    def sweep(self, kept: Iterable[Path]) -> None:
        """Remove every file that no asset needs."""
        needed = set(kept)
        for path in list(self.folder.iterdir()) if self.folder.is_dir() else []:
            if path not in needed:
                with suppress(OSError):  # another process may sweep at the same time
                    path.unlink()
