"""When to look again, and one loop: look, tell, sleep, stop at the deadline.

A look costs, and so does every second that a finished video lies unseen. With a hazard h(t), the chance per second that
something still running at t ends there, and a look worth c seconds of delay, n looks per second cost h/(2n) + cn: least
at n = sqrt(h / 2c). So the looks stand dense where the end is likely and thin elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio

from seedance_mcp.errors import ProviderUnreachable, SeedanceError

HEARTBEAT_SECONDS = 5.0
"""A waiting client hears something at least this often."""
LONGEST_PAUSE_SECONDS = 15.0
"""The provider advises 5 to 15 seconds between looks (tool-08)."""
LOOK_COST_FLOORS = 0.25
"""What a look is worth in delay, as a share of the operator's floor."""
_DOUBT = 0.3
"""How far, in logarithms, one observation alone may be off."""
_STEP = 1.2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long something takes in all: log-normal, as sure as its `weight` of observations, beside all that is unknown."""

    log_mean: float = 0.0
    log_sd: float = _DOUBT
    weight: float = 0.0

    @classmethod
    def of(cls, past: Sequence[float], elapsed_seconds: float = 0.0, progress: int = 0) -> Forecast:
        """Forecast from what the like took in seconds, and from a progress in percent, which tells more as it grows."""
        seen = [(math.log(seconds), 1.0) for seconds in past if seconds > 0]
        if progress and elapsed_seconds > 0:
            seen.append((math.log(elapsed_seconds * 100 / progress), progress / 10))
        weight = sum(share for _, share in seen)
        if not weight:
            return cls()
        mean = sum(value * share for value, share in seen) / weight
        spread = sum(share * (value - mean) ** 2 for value, share in seen)
        return cls(mean, math.sqrt((spread + _DOUBT**2) / (weight + 1)), weight)

    def hazard(self, elapsed_seconds: float) -> float:
        """The chance per second to end now; what is unknown ends as likely in any doubling of its time."""
        unknown = 1 / elapsed_seconds
        distance = self._distance(elapsed_seconds)
        left = math.erfc(distance / math.sqrt(2)) / 2
        density = math.exp(-(distance**2) / 2) / math.sqrt(2 * math.pi)
        known = (density / left if left > _RARE else distance) / (elapsed_seconds * self.log_sd)
        return (self.weight * known + unknown) / (self.weight + 1)

    def remaining_seconds(self, elapsed_seconds: float) -> float | None:
        """Half of all that got this far are done after this time; `None` while nothing is known."""
        if self.weight < 1:
            return None
        left = math.erfc(self._distance(elapsed_seconds) / math.sqrt(2)) / 2
        if left < _RARE:
            return elapsed_seconds * self.log_sd
        low, high = elapsed_seconds, math.exp(self.log_mean + 6 * self.log_sd)
        for _ in range(40):
            middle = (low + high) / 2
            late = math.erfc(self._distance(middle) / math.sqrt(2)) > left
            low, high = (middle, high) if late else (low, middle)
        return low - elapsed_seconds

    def pause_seconds(self, elapsed_seconds: float, floor_seconds: float) -> float:
        """Until the next look: where the density of looks sums up to one, never under the operator's floor."""
        cost, longest = floor_seconds * LOOK_COST_FLOORS, max(floor_seconds, LONGEST_PAUSE_SECONDS)
        now = max(elapsed_seconds, floor_seconds)
        pause, step, looks = 0.0, floor_seconds / 8, 0.0
        while pause < longest and looks < 1:
            density = math.sqrt(self.hazard(now + pause + step / 2) / (2 * cost))
            step = min(step, (1 - looks) / density)
            pause, looks, step = pause + step, looks + density * step, step * _STEP
        return min(longest, max(floor_seconds, pause))

    def _distance(self, seconds: float) -> float:
        return (math.log(max(seconds, 1e-9)) - self.log_mean) / self.log_sd


_RARE = 1e-9
"""Under this share the tail is told by its limit: its quotient would be noise."""


async def wait(
    look: Callable[[], Awaitable[T]],
    done: Callable[[T], bool],
    tell: Callable[[T], Awaitable[None]],
    pause: Callable[[T], float],
    *,
    timeout_seconds: float,
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
            await _sleep(pause(seen), partial(tell, seen))
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
