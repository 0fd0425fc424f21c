"""Shares one status poll among all waiters of a task, and limits the rate of polls across tasks."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from seedance_mcp.errors import SeedanceError

TASKS_AT_MIN_INTERVAL = 50
"""So many tasks can be polled as often as the minimum poll interval allows; with more, polls queue for a place."""
SLEPT_SECONDS = 60.0
"""The wall's clock got ahead of the event loop's by so much: the machine slept, and every answer is old."""
FORGOTTEN_AFTER_SECONDS = 3600.0
"""Longer than any poll interval: a task last polled before this may be polled at once, so its entry can be dropped."""


class Claim(Protocol):
    """The word of the other processes about one poll."""

    @property
    def is_mine(self) -> bool:
        """Whether this process may poll now."""
        ...

    @property
    def place_seconds(self) -> float:
        """Give how far off the place of this poll is in the rate of all processes."""
        ...

    @property
    def again_seconds(self) -> float:
        """Give how long another process has the poll to itself."""
        ...

    @property
    def answered_seconds_ago(self) -> float | None:
        """Give when another process last had an answer."""
        ...


class OtherProcesses(Protocol):
    """All processes that may poll the same task."""

    async def claim(self, pace_seconds: float) -> Claim:
        """Claim the poll before all others, and a place in a rate of one poll in so many seconds."""
        ...

    async def release(self, seconds: float, *, answered: bool) -> None:
        """End the claim; nobody else polls for so many seconds."""
        ...


@dataclass
class _PolledTask:
    """When one task was polled, by the clock of the event loop."""

    lock: anyio.Lock = field(default_factory=lambda: anyio.Lock(fast_acquire=True))
    polled_at: float = -math.inf
    answered_at: float = -math.inf
    """When the last answer came, even if it was a failure; a poll that was cancelled has no answer."""
    answers: int = 0
    """How many polls were answered or failed."""
    wall_ahead_seconds: float = math.inf
    """How far the wall's clock was ahead of the event loop's at the last poll."""
    times_missing: int = 0
    """How many polls in a row found no such task."""
    not_before: float = -math.inf
    """The provider asked not to be polled before this."""

    def note_answer(self) -> None:
        """Note that a poll was answered just now, or failed."""
        self.answered_at, self.answers = anyio.current_time(), self.answers + 1

    def note_elsewhere(self, claim: Claim, min_interval_seconds: float) -> None:
        """Note that another process polls: the caller reads the ledger again when its answer is likely."""
        now = anyio.current_time()
        if claim.answered_seconds_ago is not None:
            self.answered_at = max(self.answered_at, now - claim.answered_seconds_ago)
        self.answers += 1
        self.not_before = max(self.not_before, now + min(claim.again_seconds, min_interval_seconds))


class Polls:
    """When each task was last polled by this process."""

    def __init__(self, min_poll_interval_seconds: float, wall_seconds: Callable[[], float] = time.time) -> None:
        """Take the shortest time between two polls of one task, and the wall's clock, which goes on in a machine's sleep."""
        self._wall_seconds = wall_seconds
        self._min_interval_seconds = min_poll_interval_seconds
        self._tasks: dict[str, _PolledTask] = {}
        self._rate_lock = anyio.Lock()
        self._next_place_at = -math.inf

    @asynccontextmanager
    async def acquire(
        self, key: str, others: OtherProcesses | None = None, *, until_due: bool = False
    ) -> AsyncGenerator[bool]:
        """Acquire the poll lock of one task for the length of a `with` block.

        Args:
            key: The task.
            others: All processes that may poll it, which then share its polls.
            until_due: Sleep until a poll is allowed; for callers that know no earlier state of the task.

        Yields:
            True where the caller should poll now; False where another caller has just done it.
        """
        task = self._task(key)
        async with task.lock:
            if until_due:
                await anyio.sleep(self.seconds_until_due(key))
            if self.seconds_until_due(key) > 0 or not await self._place_taken(task, others):
                yield False
                return
            task.polled_at = anyio.current_time()
            task.wall_ahead_seconds = self._wall_seconds() - task.polled_at
            try:
                yield True
            except Exception:
                task.note_answer()
                raise
            else:
                task.note_answer()
            finally:
                if others:
                    await self._released(key, task, others)

    async def _released(self, key: str, task: _PolledTask, others: OtherProcesses) -> None:
        answered = task.answered_at >= task.polled_at
        with anyio.CancelScope(shield=True), suppress(SeedanceError):  # a claim ends by itself too
            await others.release(self.seconds_until_due(key) if answered else 0.0, answered=answered)

    def seconds_since_answer(self, key: str) -> float:
        """Give how long ago a poll of a task was answered; 0 where this process saw no answer."""
        task = self._tasks.get(key)
        return 0.0 if task is None or task.answered_at == -math.inf else anyio.current_time() - task.answered_at

    def answers(self, key: str) -> int:
        """Give how many polls of a task this process has seen answered."""
        return self._tasks[key].answers if key in self._tasks else 0

    def postpone(self, key: str, seconds: float) -> None:
        """Let no poll of a task begin for a time, because the provider asks for it."""
        task = self._task(key)
        task.not_before = max(task.not_before, anyio.current_time() + seconds)

    def seconds_until_due(self, key: str, pause_seconds: float = 0.0, made_seconds_ago: float = math.inf) -> float:
        """Give how long a task may not be polled yet; 0 where it may be polled now.

        Args:
            key: The task.
            pause_seconds: How long to leave after the last answer; the minimum poll interval counts where it is longer.
            made_seconds_ago: How old the task is; being made counts as an answer while it was never polled.
        """
        now = anyio.current_time()
        task = self._tasks.get(key, _PolledTask(answered_at=now - made_seconds_ago))
        if self._wall_seconds() - now > task.wall_ahead_seconds + SLEPT_SECONDS:
            return 0.0
        pause_seconds = max(self._min_interval_seconds, pause_seconds)
        due_at = max(task.polled_at + self._min_interval_seconds, task.answered_at + pause_seconds, task.not_before)
        # One subtraction at the end: a sum of relative delays can lose the last digit, and a sleep for it then never ends.
        return max(0.0, due_at - now)

    def count_missing(self, key: str, *, missing: bool) -> int:
        """Note whether a poll found no such task; gives how many in a row did."""
        task = self._task(key)
        task.times_missing = task.times_missing + 1 if missing else 0
        return task.times_missing

    def _task(self, key: str) -> _PolledTask:
        """Give the entry of a task; a new one drops those that were polled long ago."""
        if key not in self._tasks:
            old = anyio.current_time() - FORGOTTEN_AFTER_SECONDS
            kept = {name: task for name, task in self._tasks.items() if task.lock.locked() or task.polled_at > old}
            self._tasks = {**kept, key: _PolledTask()}
        return self._tasks[key]

    async def _place_taken(self, task: _PolledTask, others: OtherProcesses | None) -> bool:
        """Wait for a place in the rate of all polls; `False` where another process has the poll.

        A caller that is cancelled while it waits takes no place.
        """
        interval_seconds = self._min_interval_seconds / TASKS_AT_MIN_INTERVAL
        async with self._rate_lock:
            await anyio.sleep_until(self._next_place_at)
            if others:
                claim = await others.claim(interval_seconds)
                if not claim.is_mine:
                    task.note_elsewhere(claim, self._min_interval_seconds)
                    return False
                await anyio.sleep(claim.place_seconds)
            self._next_place_at = max(self._next_place_at, anyio.current_time()) + interval_seconds
        return True
