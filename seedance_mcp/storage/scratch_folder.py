"""Files and folders in the temporary folder for one call; what killed processes left there goes with a later call."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

STALE_SECONDS = 86_400.0
"""No call works for so long: an older folder belongs to a process that was killed."""
_PREFIX = "seedance-scratch-"


def scratch_file() -> BinaryIO:
    """Open a file that is gone when it is closed; what Windows gives for it is of another class and does the same."""
    file: Any = tempfile.TemporaryFile()  # noqa: SIM115 - its caller closes it
    return file


@contextmanager
def scratch_folder() -> Generator[Path]:
    """Make a folder that is gone afterwards."""
    _sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _sweep() -> None:
    """Remove the folders that killed processes left."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process may sweep at the same time, and another user's folder stays
            if left.stat().st_mtime < time.time() - STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
