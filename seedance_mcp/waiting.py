"""When to look again, and one loop: look, tell, sleep, stop at the deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import anyio

from seedance_mcp.errors import ProviderUnreachable, SeedanceError

HEARTBEAT_SECONDS = 5.0
"""A waiting client hears something at least this often."""
LONGEST_PAUSE_SECONDS = 15.0
"""The provider advises 5 to 15 seconds between looks (tool-08)."""
_PAUSE_SHARE = 0.1
"""The pause grows with the time already waited."""

T = TypeVar("T")


def pause_after(elapsed_seconds: float, floor_seconds: float) -> float:
    """Seconds until the next look at something that has run for a while; never under the operator's floor."""
    return max(floor_seconds, min(LONGEST_PAUSE_SECONDS, elapsed_seconds * _PAUSE_SHARE))


async def wait(
    look: Callable[[], Awaitable[T]],
    done: Callable[[T], bool],
    tell: Callable[[T], Awaitable[None]],
    *,
    timeout_seconds: float,
    floor_seconds: float,
    known: T | None = None,
) -> T:
    """Look until it is done or the time is up, and give the last look; a passing failure does not end it.

    Only the first look at something that is not `known` may fail, or outlast the time as `ProviderUnreachable`.
    """
    start, seen = anyio.current_time(), known
    with anyio.move_on_at(start + timeout_seconds):
        seen = await look() if seen is None else await _look_again(look, seen)
        while not done(seen):
            await tell(seen)
            pause = pause_after(anyio.current_time() - start, floor_seconds)
            await _sleep(pause, partial(tell, seen))
            seen = await _look_again(look, seen)
    if seen is None:
        raise ProviderUnreachable("The provider did not answer in the time given. Call again later.")
    await tell(seen)
    return seen


async def _look_again(look: Callable[[], Awaitable[T]], seen: T) -> T:
    try:
        return await look()
    except SeedanceError as error:
        if not error.retryable:
            raise
        return seen


async def _sleep(seconds: float, tell: Callable[[], Awaitable[None]]) -> None:
    """Sleep, with a sign of life in every long stretch."""
    while seconds > HEARTBEAT_SECONDS:
        await anyio.sleep(HEARTBEAT_SECONDS)
        seconds -= HEARTBEAT_SECONDS
        await tell()
    await anyio.sleep(seconds)


class Meter:
    """Turns progress that may stand still or fall into numbers that strictly rise towards 100."""

    def __init__(self) -> None:
        """Start below everything."""
        self._last = -1.0

    def rise(self, progress: float) -> float:
        """The next number to tell, above the last one."""
        creep = self._last + (100 - self._last) * 0.01
        self._last = max(progress, creep)
        return self._last
