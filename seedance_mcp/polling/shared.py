"""One look at a task for all who wait for it, and no more looks in all than the provider is asked to bear."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

TASKS_AT_FLOOR = 50
"""As many tasks may be looked at as often as the floor allows; with more, each waits its turn."""
FORGOTTEN_AFTER_SECONDS = 3600.0
"""No pause is as long: what was asked for earlier may be asked for at once."""


@dataclass
class _Watched:
    """One task in this process."""

    turn: anyio.Lock = field(default_factory=anyio.Lock)
    asked_at: float = -math.inf
    told_at: float = -math.inf
    """When the last answer came, if only a failure; a look that was cut off has told nothing."""


class Polls:
    """When each task was looked at, by the clock of the event loop."""

    def __init__(self, min_poll_interval_seconds: float) -> None:
        """Take the shortest time between two looks at one task."""
        self._floor_seconds = min_poll_interval_seconds
        self._watched: dict[str, _Watched] = {}
        self._place = anyio.Lock()
        self._next_at = -math.inf

    @asynccontextmanager
    async def turn(self, key: str, *, patient: bool = False) -> AsyncGenerator[bool]:
        """Hold one task for a look; tells whether one is due, or was made while this caller waited for the turn.

        Who has nothing else to go by is `patient`: waits until one is due.
        """
        watched = self._watch(key)
        async with watched.turn:
            if patient:
                await anyio.sleep(self.seconds_until(key))
            if self.seconds_until(key) > 0:
                yield False
                return
            await self._pace()
            watched.asked_at = anyio.current_time()
            try:
                yield True
            except Exception:
                watched.told_at = anyio.current_time()
                raise
            watched.told_at = anyio.current_time()

    def seconds_until(self, key: str, pause_seconds: float = 0.0, made_seconds_ago: float = math.inf) -> float:
        """How long until the floor, and this pause after the last answer, are over; its making counts as one."""
        now = anyio.current_time()
        watched = self._watched.get(key, _Watched(told_at=now - made_seconds_ago))
        due_at = max(watched.asked_at + self._floor_seconds, watched.told_at + max(self._floor_seconds, pause_seconds))
        # The difference of two times: who sleeps for it arrives, where a difference of differences may fall short forever.
        return max(0.0, due_at - now)

    def _watch(self, key: str) -> _Watched:
        """The task of that key; what was last looked at long ago makes room for it."""
        if key not in self._watched:
            old = anyio.current_time() - FORGOTTEN_AFTER_SECONDS
            kept = {
                name: watched for name, watched in self._watched.items() if watched.turn.locked() or watched.asked_at > old
            }
            self._watched = {**kept, key: _Watched()}
        return self._watched[key]

    async def _pace(self) -> None:
        """Wait for a free place in the rate of all looks; who gives up takes none."""
        async with self._place:
            await anyio.sleep_until(self._next_at)
            self._next_at = max(self._next_at, anyio.current_time()) + self._floor_seconds / TASKS_AT_FLOOR
