"""One look at a task for all who wait for it, and no more looks in all than the provider is asked to bear."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

TASKS_AT_FLOOR = 50
"""As many tasks may be looked at as often as the floor allows; with more, each waits its turn."""


@dataclass
class _Watched:
    """One task in this process."""

    turn: anyio.Lock = field(default_factory=anyio.Lock)
    looked_at: float = -math.inf


class Looks:
    """When each task was looked at, by the clock of the event loop."""

    def __init__(self, floor_seconds: float) -> None:
        """Take the shortest time between two looks at one task."""
        self._floor_seconds = floor_seconds
        self._watched: dict[str, _Watched] = {}
        self._next_at = -math.inf

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncGenerator[bool]:
        """Hold one task for a look; tells whether a look is due, or was made while this caller waited for the turn."""
        watched = self._watched.setdefault(key, _Watched())
        async with watched.turn:
            due = self.seconds_until(key) == 0
            if due:
                await self._pace()
                watched.looked_at = anyio.current_time()
            yield due

    def seconds_until(self, key: str, pause_seconds: float = 0.0, made_seconds_ago: float = math.inf) -> float:
        """How long until the floor, and this pause after the last look, are over; its making counts as a look."""
        now = anyio.current_time()
        watched = self._watched.get(key)
        looked_at = watched.looked_at if watched else now - made_seconds_ago
        # The difference of two times: who sleeps for it arrives, where a difference of differences may fall short forever.
        return max(0.0, looked_at + max(self._floor_seconds, pause_seconds) - now)

    async def _pace(self) -> None:
        """Wait for a free place in the rate of all looks."""
        self._next_at = max(self._next_at, anyio.current_time()) + self._floor_seconds / TASKS_AT_FLOOR
        await anyio.sleep_until(self._next_at - self._floor_seconds / TASKS_AT_FLOOR)
