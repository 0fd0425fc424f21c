"""When to look again, and one loop: look, tell, sleep, stop at the deadline.

A look costs, and so does every second that a finished video lies unseen. With a hazard h(t), the chance per second that
something still running at t ends there, and a look worth c seconds of delay, n looks per second cost h/(2n) + cn: least
at n = sqrt(h / 2c). So the looks stand dense where the end is likely and thin elsewhere. The hazard is learnt: one bell
round each thing known, and a wide one for all that is not.
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
LAST_LOOK_SECONDS = 2.0
"""A wait looks once more this long before its end: another turn of an agent costs more than a look."""
LOOK_COST_FLOORS = 0.25
"""What a look is worth in delay. Like all times below it is told in the operator's floors, so that the sandbox's videos of
seconds are waited for as those of minutes are."""
BLIND_PAUSE_FLOORS = 3
"""Nothing known: the provider advises 5 to 15 seconds between looks (tool-08)."""
LONGEST_PAUSE_FLOORS = 12
"""With a history or a progress no look is needed for longer; others on the same models advise 30 to 60 seconds."""
_USUAL_FLOORS = 24
"""Most videos take "a few minutes": two, give or take a factor of `e`."""
_DOUBT = 0.3
"""How far, in logarithms, one observation alone may be off."""
_NARROWEST = 0.05
_STEP = 1.2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bell:
    """A log-normal guess: around how many seconds in all, how wide in logarithms, and how much it counts."""

    log_seconds: float
    width: float
    weight: float = 1.0

    def distance(self, seconds: float) -> float:
        """How many widths a time lies from the middle."""
        return (math.log(seconds) - self.log_seconds) / self.width


@dataclass(frozen=True, slots=True)
class Forecast:
    """When something that still runs after `elapsed_seconds` will end."""

    bells: tuple[Bell, ...]
    elapsed_seconds: float
    min_poll_interval_seconds: float

    @classmethod
    def of(cls, past: Sequence[float], elapsed_seconds: float, progress: int, min_poll_interval_seconds: float) -> Forecast:
        """Forecast from what the like took in seconds, and from a progress in percent, which tells more as it grows."""
        bells = _bells_of(past)
        elapsed = max(elapsed_seconds, min_poll_interval_seconds / 8)
        if progress:
            told, trust = math.log(elapsed * 100 / progress), progress / 100
            agreeing = ((bell, 1 + trust * ((bell.log_seconds - told) / _DOUBT) ** 2) for bell in bells)
            bells = [Bell(bell.log_seconds, bell.width, 1 / doubt) for bell, doubt in agreeing]
            bells.append(Bell(told, _DOUBT * (1 - trust / 2), 10 * trust))
        return cls(
            (Bell(math.log(_USUAL_FLOORS * min_poll_interval_seconds), 1.0), *bells), elapsed, min_poll_interval_seconds
        )

    @property
    def is_blind(self) -> bool:
        """Whether less than one observation stands behind it."""
        return sum(bell.weight for bell in self.bells) < 2  # noqa: PLR2004 - the wide bell, and one more

    def remaining_seconds(self) -> float | None:
        """Half of all that got this far are done after this time; `None` while nothing is known."""
        if self.is_blind:
            return None
        half, low, high = self._running(self.elapsed_seconds) / 2, self.elapsed_seconds, 2 * self.elapsed_seconds
        while self._running(high) > half:
            low, high = high, 2 * high
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self._running(middle) > half else (low, middle)
        return high - self.elapsed_seconds

    def pause_seconds(self) -> float:
        """Until the next look: where the density of looks sums up to one, never under the operator's floor."""
        longest = self.min_poll_interval_seconds * (BLIND_PAUSE_FLOORS if self.is_blind else LONGEST_PAUSE_FLOORS)
        cost = self.min_poll_interval_seconds * LOOK_COST_FLOORS
        pause, looks, step = 0.0, 0.0, self.min_poll_interval_seconds / 8
        while pause < longest and looks < 1:
            density = math.sqrt(self._hazard(self.elapsed_seconds + pause + step / 2) / (2 * cost))
            step = min(step, (1 - looks) / density)
            pause, looks, step = pause + step, looks + density * step, step * _STEP
        return min(longest, max(self.min_poll_interval_seconds, pause))

    def _hazard(self, seconds: float) -> float:
        """The chance per second to end then, of what still runs then."""
        ending = sum(bell.weight / bell.width * math.exp(-(bell.distance(seconds) ** 2) / 2) for bell in self.bells)
        return ending / (seconds * math.sqrt(math.tau) * self._running(seconds))

    def _running(self, seconds: float) -> float:
        """How much of the whole weight still runs then."""
        return sum(bell.weight * math.erfc(bell.distance(seconds) / math.sqrt(2)) / 2 for bell in self.bells)


def _bells_of(past: Sequence[float]) -> list[Bell]:
    """A bell for each, half as wide as the usual rule would have it: two peaks stay two."""
    logs = [math.log(seconds) for seconds in past if seconds > 0]
    if not logs:
        return []
    mean = sum(logs) / len(logs)
    spread = math.sqrt((sum((each - mean) ** 2 for each in logs) + _DOUBT**2) / len(logs))
    return [Bell(each, max(_NARROWEST, spread / 2 * len(logs) ** -0.2)) for each in logs]


async def wait(
    look: Callable[[], Awaitable[T]],
    done: Callable[[T], bool],
    tell: Callable[[T], Awaitable[None]],
    pause: Callable[[T], float],
    *,
    timeout_seconds: float,
    seen: T | None = None,
) -> T:
    """Look until it is done or the time is up, and give the last look; a passing failure does not end it.

    What was `seen` to run is looked at after its pause. Only the first look at something unseen may fail, or outlast the
    time as `ProviderUnreachable`.
    """
    deadline, late = anyio.current_time() + timeout_seconds, False
    if seen is None or done(seen):  # a link may be signed anew
        seen = await _first_look(look, seen, deadline)
        await tell(seen)
    while not done(seen) and (left := deadline - anyio.current_time()) > 0:
        await _sleep(min(pause(seen), left if late else max(0.0, left - LAST_LOOK_SECONDS)), partial(tell, seen))
        if (now := anyio.current_time()) >= deadline:
            break
        late = now >= deadline - LAST_LOOK_SECONDS
        with anyio.move_on_at(deadline):  # not round the sleep as well: of a thousand waits nearly all sleep
            seen = await _look_again(look, seen)
        await tell(seen)
    return seen


async def _first_look(look: Callable[[], Awaitable[T]], seen: T | None, deadline: float) -> T:
    with anyio.move_on_at(deadline):
        seen = await look() if seen is None else await _look_again(look, seen)
    if seen is None:
        raise ProviderUnreachable("The provider did not answer in the time given. Call again later.")
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

    __slots__ = ("_last",)

    def __init__(self) -> None:
        """Start below everything."""
        self._last = -1.0

    def rise(self, progress: float) -> float:
        """The next number to tell, above the last one."""
        creep = self._last + (100 - self._last) * 0.01
        self._last = max(progress, creep)
        return self._last
