"""Keeps the bytes of named assets in the data folder: one file for each content and principal, readable by nobody else."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from seedance_mcp.storage.whole_file import written


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
        file.seek(0)
        try:
            with written(path) as copy:
                shutil.copyfileobj(file, copy)
        finally:
            file.seek(0)

    def sweep(self, kept: Iterable[Path]) -> None:
        """Remove every file that no asset needs."""
        needed = set(kept)
        for path in list(self.folder.iterdir()) if self.folder.is_dir() else []:
            if path not in needed:
                with suppress(OSError):  # another process may sweep at the same time
                    path.unlink()
