"""Files that another program has open: Windows neither replaces nor removes them, other systems do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

TURNS, _TURN_SECONDS = 50, 0.02
"""How often, and how soon, a change is tried again: a scanner or an indexer has a new file open for a moment."""


def in_turn(change: Callable[[], object], system: str = os.name, pause: Callable[[float], object] = time.sleep) -> None:
    """Replace, rename or remove a file; on Windows that waits up to a second for the program that has it open.

    Args:
        change: Makes the change, or raises `OSError`.
        system: The system, as in `os.name`.
        pause: Waits for so many seconds; this blocks, so call it in a worker thread.

    Raises:
        PermissionError: The file may not be changed, or is still open elsewhere.
    """
    for _ in range(TURNS if system == "nt" else 0):
        try:
            change()
        except PermissionError:
            pause(_TURN_SECONDS)
        else:
            return
    change()
