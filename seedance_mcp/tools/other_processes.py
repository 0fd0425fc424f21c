"""Shares the polls of tasks with other processes of the ledger, and learns what those changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

import anyio

from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.announcements import Announcements
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import PollClaim, Record
from seedance_mcp.polling.shared import TASKS_AT_MIN_INTERVAL
from seedance_mcp.tools.newest import keep_newest
from seedance_mcp.tools.observer import Observer

POLL_SECONDS = 15.0
"""A process that polls has the poll to itself for so long at most: one that was killed meanwhile is then replaced."""
READ_SECONDS = 1.0
"""How often changes are read while somebody wants to know them at once."""
SLOW_READ_SECONDS = 5.0
"""How often they are read while there are only calls that wait, which ask again by themselves, or nothing happens."""
QUIET_SECONDS = 30.0
"""After so long without a change nothing happens."""
GATHER_SECONDS = 0.02
"""How long announcements are gathered before the changes are read."""
OVERLAP_SECONDS = 10.0
"""So much of what was read is read again: the clocks of two machines differ, and a slow transaction comes into force late."""
STATES_KEPT = 4096
"""Of how many requests the last known state is kept."""


class Replicas:
    """All processes that may poll one task."""

    def __init__(self, ledger: Ledger, process: str, task_id: str) -> None:
        """Take the ledger that they share, and the name of this process."""
        self._ledger, self._process, self._task_id = ledger, process, task_id

    async def claim(self, pace_seconds: float) -> PollClaim:
        """Claim the poll in the ledger."""
        interval_seconds = pace_seconds * TASKS_AT_MIN_INTERVAL
        return await self._ledger.claim_poll(self._task_id, self._process, POLL_SECONDS, pace_seconds, interval_seconds)

    async def release(self, seconds: float, *, answered: bool) -> None:
        """End the claim in the ledger."""
        await self._ledger.release_poll(self._task_id, self._process, seconds, answered=answered)


class Changes(Observer):
    """Learns from the ledger what other processes changed, while somebody in this one wants to know."""

    def __init__(
        self, ledger: Callable[[], Ledger], now: Callable[[], datetime], report: Callable[[Record], Awaitable[None]]
    ) -> None:
        """Take how to get at the ledger, the clock, and whom to report each change of another process to."""
        self._ledger, self._now, self._report = ledger, now, report
        self._states: OrderedDict[str, tuple[Any, ...]] = OrderedDict()
        self._events: WeakValueDictionary[str, anyio.Event] = WeakValueDictionary()
        self._waits = self._followers = 0
        self.is_ending = False
        """Whether this process was asked to end: no call waits any more."""
        self._someone, self._reading = anyio.Event(), anyio.CancelScope()
        self._since = self._quiet_since = now()

    async def task_changed(self, task: Record) -> None:
        """Note what this process changed itself."""
        self._is_new(task)

    @contextmanager
    def followed(self) -> Generator[None]:
        """Report changes soon, until the block ends."""
        self._followers += 1
        try:
            with self.awaited():
                yield
        finally:
            self._followers -= 1

    @contextmanager
    def awaited(self) -> Generator[None]:
        """End `sleep` early for changes, until the block ends."""
        self._since = self._since if self._waits else self._now()
        self._waits += 1
        self._someone.set()
        try:
            yield
        finally:
            self._waits -= 1
            if not self._waits:
                self._someone = anyio.Event()
                self._reading.cancel()

    def end_waits(self) -> None:
        """End every `sleep`, since this process is to end: its callers wait on elsewhere, or later."""
        self.is_ending = True
        for event in list(self._events.values()):
            event.set()

    async def sleep(self, request_id: str, seconds: float) -> bool:
        """Sleep; returns sooner, with true, where another process changed a request or this one is to end."""
        event = self._events.setdefault(request_id, anyio.Event())
        with anyio.CancelScope(deadline=anyio.current_time() + seconds):  # less than `move_on_after` for each of many waits
            await event.wait()
        return event.is_set()

    async def run(self) -> None:
        """Read changes whenever somebody wants to know them, until this is cancelled."""
        while True:
            await self._someone.wait()
            with anyio.CancelScope() as self._reading:
                await self._read_on()

    async def _read_on(self) -> None:
        announced = None
        since = self._quiet_since = self._since
        try:
            with suppress(SeedanceError):
                await self._note_earlier(since)
            while True:
                with suppress(SeedanceError):
                    announced = announced or await self._ledger().listen()
                with suppress(SeedanceError):
                    since = await self._read(since)
                announced = await self._paused(announced)
        finally:
            await _closed(announced)

    async def _note_earlier(self, since: datetime) -> None:
        """Keep what changed just before, which nobody waits for."""
        for task in await self._ledger().changes_since(since - timedelta(seconds=OVERLAP_SECONDS), since):
            self._is_new(task)

    async def _read(self, since: datetime) -> datetime:
        """Read what changed since a time, and give the time of the reading."""
        now = self._now()
        for task in reversed(await self._ledger().changes_since(min(since, now) - timedelta(seconds=OVERLAP_SECONDS))):
            if self._is_new(task):
                self._quiet_since = now
                if event := self._events.pop(task.request_id, None):
                    event.set()
                await self._report(task)
        return now

    def _pause_seconds(self) -> float:
        """Give the pause between two readings: short while somebody wants to know at once, and there is something to know."""
        is_quiet = self._now() > self._quiet_since + timedelta(seconds=QUIET_SECONDS)
        return READ_SECONDS if self._followers and not is_quiet else SLOW_READ_SECONDS

    async def _paused(self, announced: Announcements | None) -> Announcements | None:
        """Pause until something is announced, or for a while; gives what is listened to afterwards."""
        with anyio.move_on_after(self._pause_seconds()):
            if announced and await _heard(announced):
                await anyio.sleep(GATHER_SECONDS)
                return announced
            announced = None
            await anyio.sleep_forever()
        return announced

    def _is_new(self, task: Record) -> bool:
        """Keep the state of a task, and say whether it is another one than before."""
        if self._states.get(task.request_id) == task.news:
            return False
        keep_newest(self._states, task.request_id, task.news, STATES_KEPT)
        return True


async def _heard(announced: Announcements) -> bool:
    """Wait for an announcement; `False` where none will come any more."""
    try:
        await announced.wait()
    except SeedanceError:
        await announced.aclose()
        return False
    return True


async def _closed(announced: Announcements | None) -> None:
    if announced:
        await announced.aclose()
