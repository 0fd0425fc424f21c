"""Keeps the bytes of named assets in the data folder: one file for each content and principal, readable by nobody else."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from seedance_mcp.storage.upload_files import folder_of
from seedance_mcp.storage.whole_file import written

STALE_SECONDS = 86_400.0
"""No upload takes so long: an older file that no asset needs was left by a process that was killed."""


class AssetFiles:
    """The folder of one principal's assets, which is made at first use; each method blocks and raises `OSError`."""

    def __init__(self, data_dir: Path, principal: str) -> None:
        """Take the data folder, and whose assets are kept."""
        self.folder = data_dir / "assets" / folder_of(principal)

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

    def sweep(self, kept: Iterable[Path], dropped: Iterable[Path]) -> None:
        """Remove what no asset needs any more, and what killed processes left.

        Other files that no asset needs stay: another process may be writing one, or have one whole whose asset gets its name
        after the upload.

        Args:
            kept: The files of all assets.
            dropped: The files of assets that lost their name just now.
        """
        needed, gone = set(kept), set(dropped)
        for path in list(self.folder.iterdir()) if self.folder.is_dir() else []:
            if path not in needed:
                with suppress(OSError):  # another process may sweep at the same time
                    if path in gone or path.stat().st_mtime < time.time() - STALE_SECONDS:
                        path.unlink()
