"""One mechanism for every file that is derived from the code: `UPDATE=1 pytest` rewrites it, `pytest` compares."""

from __future__ import annotations

import os
from pathlib import Path


def check(path: Path, made: str) -> None:
    """Hold a file against what the code makes of it."""
    if os.environ.get("UPDATE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made, f"UPDATE=1 pytest rewrites {path.name}"


def check_only(folder: Path, names: set[str]) -> None:
    """Hold the names in a folder of derived files against those that the code makes."""
    if os.environ.get("UPDATE"):
        for stray in {path.name for path in folder.iterdir()} - names:
            (folder / stray).unlink()
    assert {path.name for path in folder.iterdir()} == names
