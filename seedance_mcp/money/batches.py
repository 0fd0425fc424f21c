"""Runs short functions in a worker thread, all that wait in one go: to change threads costs more than one of them does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import anyio
import anyio.lowlevel
import anyio.to_thread

T = TypeVar("T")


class _Work(Generic[T]):
    """One function, and what it gave or raised."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.called = anyio.Event()
        """Set when it was run, or when its caller is to go now."""
        self.is_done = False
        self._outcome: T | None = None
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Run it, in the worker thread."""
        try:
            self._outcome, self.is_done = self._work(), True
        except BaseException as failure:  # noqa: BLE001 - it is raised where it is waited for
            self.fail(failure)

    def fail(self, failure: BaseException) -> None:
        """End it with what is raised where it is waited for."""
        self._failure, self.is_done = failure, True

    def outcome(self) -> T:
        """Give what the function gave, or raise what it raised."""
        if self._failure is not None:
            raise self._failure
        return cast("T", self._outcome)


class Batches:
    """The functions that wait for a thread, which takes all of them along each time it goes."""

    def __init__(self, thread: anyio.CapacityLimiter) -> None:
        """Take the limiter of the one thread, which may be lent for other work too."""
        self._thread = thread
        self._waiting = list[_Work[Any]]()
        self._is_away = False

    async def run(self, work: Callable[[], T]) -> T:
        """Run a function; one that takes long keeps those waiting that go with it."""
        mine = _Work(work)
        if self._is_away:
            await self._call(mine)
        else:
            await anyio.lowlevel.checkpoint_if_cancelled()
            self._waiting.append(mine)
        if not mine.is_done:
            await self._go()
        return mine.outcome()

    async def _call(self, mine: _Work[Any]) -> None:
        """Wait until the function was run, or is the first of those that wait."""
        self._waiting.append(mine)
        try:
            await mine.called.wait()
        except BaseException:
            if mine in self._waiting:
                self._waiting.remove(mine)
                if mine.called.is_set():
                    self._call_next()
            raise

    async def _go(self) -> None:
        """Run all that wait; who was cancelled meanwhile comes back with the others."""
        taken, self._waiting, self._is_away = self._waiting, [], True
        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: [each.run() for each in taken], limiter=self._thread)
        except RuntimeError as failure:  # no thread could be started
            for each in taken:
                each.fail(failure)
        for each in taken:
            each.called.set()
        self._call_next()

    def _call_next(self) -> None:
        self._is_away = bool(self._waiting)
        for each in self._waiting[:1]:
            each.called.set()
