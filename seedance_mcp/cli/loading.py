"""The loading of a server process."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Generator[None]:
    """Import modules without the collector, and keep what they made out of its sight for good.

    Modules live as long as the process. A collector that visits their hundred thousand objects again and again while they load
    takes a sixth of the time to the first answer.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
