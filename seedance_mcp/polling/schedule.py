"""When to poll a task again, and the loop that does it until the task is done or the time is up.

A poll has a cost, and so has every second in which a finished video goes unnoticed. Let h(t) be the hazard: the chance per
second that a task still running at t ends there. Let one poll cost as much as c seconds of delay. Then n polls per second
cost h / 2n + cn, which is least at n = sqrt(h / 2c): polls are dense where the end is likely, and rare elsewhere. The hazard
is learnt from earlier videos by a kernel density estimate, with one wide kernel for all that is not known.

Durations named `_INTERVALS` are multiples of the minimum poll interval that the operator sets: the same schedule serves the
sandbox, whose videos take seconds, and the provider, whose videos take minutes.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import anyio

from seedance_mcp.errors import ProviderUnreachable, SeedanceError

HEARTBEAT_SECONDS = 5.0
"""A waiting client gets a progress report at least this often."""
LAST_POLL_SECONDS = 2.0
"""A wait polls once more this long before its deadline: another call of the agent costs more than a poll."""
POLL_COST_INTERVALS = 0.25
"""The delay that is as bad as one poll."""
BLIND_PAUSE_INTERVALS = 3
"""The pause while nothing is known: the provider's tool advises 5 to 15 seconds between polls."""
LONGEST_PAUSE_INTERVALS = 12
"""The longest pause once a history or a progress is known; others on the same models advise 30 to 60 seconds."""
_USUAL_INTERVALS = 24
"""How long most videos take, give or take a factor of e: "a few minutes"."""
_SINGLE_WIDTH = 0.3
"""How far one observation may be off, as a standard deviation in log time."""
_NARROWEST_WIDTH = 0.05
_STEP_GROWTH = 1.2

T = TypeVar("T")


class LogNormal(NamedTuple):
    """One kernel of the estimate: a normal distribution of the logarithm of the duration."""

    log_seconds: float
    """The logarithm of the most likely duration in seconds."""
    width: float
    """The standard deviation of the logarithm."""
    weight: float = 1.0
    """How much it counts; one finished video counts 1."""

    def distance(self, seconds: float) -> float:
        """Give how many standard deviations a duration lies from the middle."""
        return (math.log(seconds) - self.log_seconds) / self.width


class Forecast(NamedTuple):
    """When a task that still runs after `elapsed_seconds` will end."""

    kernels: tuple[LogNormal, ...]
    """The first is the wide one, for all that is not known."""
    elapsed_seconds: float
    min_poll_interval_seconds: float

    @classmethod
    def of(
        cls,
        past: Sequence[float],
        elapsed_seconds: float,
        progress: int,
        min_poll_interval_seconds: float,
        progress_age_seconds: float = 0.0,
        guess: LogNormal | None = None,
    ) -> Forecast:
        """Make a forecast.

        Args:
            past: How many seconds similar videos took.
            elapsed_seconds: How long this one has been running.
            progress: In percent; 0 says nothing, and it counts more the higher it is.
            min_poll_interval_seconds: The shortest time between two polls of one task.
            progress_age_seconds: How long ago the progress was reported.
            guess: How long such videos take elsewhere; it counts only while nothing is known from here.
        """
        kernels = _kernels_of(past) or ([guess] if guess else [])
        elapsed = max(elapsed_seconds, min_poll_interval_seconds / 8)
        reported_at = max(elapsed_seconds - progress_age_seconds, min_poll_interval_seconds / 8)
        if progress:
            by_progress, trust = math.log(reported_at * 100 / progress), progress / 100
            kernels = [_reweighted(kernel, by_progress, trust) for kernel in kernels]
            kernels.append(LogNormal(by_progress, _SINGLE_WIDTH * (1 - trust / 2), 10 * trust))
        wide = LogNormal(math.log(_USUAL_INTERVALS * min_poll_interval_seconds), 1.0)
        return cls((wide, *kernels), elapsed, min_poll_interval_seconds)

    @property
    def is_blind(self) -> bool:
        """Whether less than one finished video stands behind it."""
        return sum(kernel.weight for kernel in self.kernels) < 2  # noqa: PLR2004 - the wide kernel, and one more

    def remaining_seconds(self) -> float | None:
        """Give the median time to the end: half of all tasks that got this far end sooner. `None` while it is blind."""
        if self.is_blind:
            return None
        half, low, high = self._still_running(self.elapsed_seconds) / 2, self.elapsed_seconds, 2 * self.elapsed_seconds
        while self._still_running(high) > half:
            low, high = high, 2 * high
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self._still_running(middle) > half else (low, middle)
        return high - self.elapsed_seconds

    def pause_seconds(self) -> float:
        """Give the time until the next poll: to where the density of polls sums up to one.

        Never shorter than the minimum poll interval, nor longer than `BLIND_PAUSE_INTERVALS` or `LONGEST_PAUSE_INTERVALS`.
        """
        longest = self.min_poll_interval_seconds * (BLIND_PAUSE_INTERVALS if self.is_blind else LONGEST_PAUSE_INTERVALS)
        cost = self.min_poll_interval_seconds * POLL_COST_INTERVALS
        pause, polls, step = 0.0, 0.0, self.min_poll_interval_seconds / 8
        while pause < longest and polls < 1:
            density = math.sqrt(self._hazard(self.elapsed_seconds + pause + step / 2) / (2 * cost))
            step = min(step, (1 - polls) / density)
            pause, polls, step = pause + step, polls + density * step, step * _STEP_GROWTH
        return min(longest, max(self.min_poll_interval_seconds, pause))

    def _hazard(self, seconds: float) -> float:
        """Give the chance per second that a task ends after so many seconds, if it still runs then."""
        ending = sum(kernel.weight / kernel.width * math.exp(-(kernel.distance(seconds) ** 2) / 2) for kernel in self.kernels)
        return ending / (seconds * math.sqrt(math.tau) * self._still_running(seconds))

    def _still_running(self, seconds: float) -> float:
        """Give the weight of all tasks that still run after so many seconds."""
        return sum(kernel.weight * math.erfc(kernel.distance(seconds) / math.sqrt(2)) / 2 for kernel in self.kernels)


def _kernels_of(past: Sequence[float]) -> list[LogNormal]:
    """Put one kernel on each duration; the bandwidth is half of Silverman's, so that a history with two peaks keeps both."""
    logs = [math.log(seconds) for seconds in past if seconds > 0]
    if not logs:
        return []
    mean = sum(logs) / len(logs)
    spread = math.sqrt((sum((each - mean) ** 2 for each in logs) + _SINGLE_WIDTH**2) / len(logs))
    return [LogNormal(each, max(_NARROWEST_WIDTH, spread / 2 * len(logs) ** -0.2)) for each in logs]


def _reweighted(kernel: LogNormal, by_progress: float, trust: float) -> LogNormal:
    """Count a kernel less, the further it is from the duration that the progress points to."""
    disagreement = 1 + trust * ((kernel.log_seconds - by_progress) / _SINGLE_WIDTH) ** 2
    return LogNormal(kernel.log_seconds, kernel.width, 1 / disagreement)


async def _undisturbed(_: object, seconds: float) -> bool:
    await anyio.sleep(seconds)
    return False


class Source(NamedTuple, Generic[T]):
    """Where the states of something come from: from polls, and from other processes that poll."""

    poll: Callable[[], Awaitable[T]]
    """Asks for the state now."""
    sleep: Callable[[T, float], Awaitable[bool]] = _undisturbed
    """Sleeps for so many seconds, or until another process saw a newer state, and says whether one did."""
    reread: Callable[[], Awaitable[T]] | None = None
    """Gives the newer state without a poll; the poll itself where it is left out."""


async def wait(
    source: Source[T],
    is_done: Callable[[T], bool],
    report: Callable[[T], Awaitable[None]],
    pause: Callable[[T], float],
    *,
    timeout_seconds: float,
    seen: T | None = None,
) -> T:
    """Poll until something is done or the time is up, and give its last state.

    Args:
        source: Where the states come from.
        is_done: Whether a state is final.
        report: Reports a state to the client, after each poll and at least every `HEARTBEAT_SECONDS`.
        pause: How many seconds to leave between a state and the next poll.
        timeout_seconds: How long to wait in all.
        seen: A state known already: while it is not final, the first poll comes after its pause. A final one is polled
            once more at once, because its link may have been renewed.

    Raises:
        ProviderUnreachable: Nothing was known before, and the first poll did not end in time.
        SeedanceError: The first poll failed and nothing was known before, or a poll failed with an error that is not
            retryable. Other failures are ignored.
    """
    deadline, is_late = anyio.current_time() + timeout_seconds, False
    if seen is None or is_done(seen):
        seen = await _first_poll(source.poll, seen, deadline)
        await report(seen)
    while not is_done(seen) and (left := deadline - anyio.current_time()) > 0:
        seconds = min(pause(seen), left if is_late else max(0.0, left - LAST_POLL_SECONDS))
        if await _sleep(source, seen, seconds, report):
            seen = await (source.reread or source.poll)()
            await report(seen)
            continue
        if (now := anyio.current_time()) >= deadline:
            break
        is_late = now >= deadline - LAST_POLL_SECONDS
        with anyio.move_on_at(deadline):  # not around the sleep as well: of a thousand waits nearly all sleep
            seen = await _poll_again(source.poll, seen)
        await report(seen)
    return seen


async def _first_poll(poll: Callable[[], Awaitable[T]], seen: T | None, deadline: float) -> T:
    with anyio.move_on_at(deadline):
        seen = await poll() if seen is None else await _poll_again(poll, seen)
    if seen is None:
        raise ProviderUnreachable("The provider did not answer in the time given. Call again later.")
    return seen


async def _poll_again(poll: Callable[[], Awaitable[T]], seen: T) -> T:
    """Poll, or keep what was seen where the poll fails with a retryable error."""
    try:
        return await poll()
    except SeedanceError as error:
        if not error.retryable:
            raise
        return seen


async def _sleep(source: Source[T], seen: T, seconds: float, report: Callable[[T], Awaitable[None]]) -> bool:
    """Sleep, with a report after every `HEARTBEAT_SECONDS`; says whether another process ended it."""
    while seconds > HEARTBEAT_SECONDS:
        if await source.sleep(seen, HEARTBEAT_SECONDS):
            return True
        seconds -= HEARTBEAT_SECONDS
        await report(seen)
    return await source.sleep(seen, seconds)


class Meter:
    """Turns progress that may stand still or fall into numbers that strictly rise towards 100, as the protocol asks."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        """Start below every progress."""
        self._last = -1.0

    def rise(self, progress: float) -> float:
        """Give the next number to report, in percent: the progress, or a little more than the last number."""
        creep = self._last + (100 - self._last) * 0.01
        self._last = max(progress, creep)
        return self._last
