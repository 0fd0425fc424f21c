"""What other processes of a ledger change is known in this one while somebody wants to know."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import OpenWorld, no_film

from seedance_mcp.errors import LedgerAway
from seedance_mcp.money.announcements import Announcements, Heard
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import NewRequest, Record
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools import other_processes
from seedance_mcp.tools.other_processes import Changes
from seedance_mcp.tools.session import OpenLedger, utc_now

pytestmark = pytest.mark.anyio


class Line:
    """A listener whose engine is the test."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()

    def fileno(self) -> int:
        return self.ours.fileno()

    def take(self) -> None:
        if not self.ours.recv(100):
            raise LedgerAway("cut")

    def close(self) -> None:
        self.ours.close()


class Announced:
    """A ledger that announces its changes, or whose connection cannot be opened."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.lines, self.is_away = ledger, list[Line](), False

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.ledger, verb)

    async def listen(self) -> Announcements | None:
        if self.is_away:
            raise LedgerAway("away")
        self.lines.append(Line())
        return Heard(self.lines[-1])


class Locked:
    """A ledger whose changes are read by nobody while the test holds the lock."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.lock = ledger, anyio.Lock()

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.ledger, verb)

    async def changes_since(self, *span: datetime) -> list[Record]:
        async with self.lock:
            return await self.ledger.changes_since(*span)


class Told:
    """Keeps what was reported."""

    def __init__(self) -> None:
        self.progress: list[int] = []

    async def __call__(self, task: Record) -> None:
        self.progress.append(task.progress)


@asynccontextmanager
async def reading(ledger: Any, told: Told) -> AsyncGenerator[Changes]:
    """Read the changes of a ledger in the background."""
    changes = Changes(lambda: ledger, utc_now, told)
    async with anyio.create_task_group() as group:
        group.start_soon(changes.run)
        yield changes
        group.cancel_scope.cancel()


@asynccontextmanager
async def with_task(open_ledger: OpenLedger, folder: Path) -> AsyncGenerator[Ledger]:
    async with aclosing(open_ledger(Settings(data_dir=folder), lambda: datetime.now(UTC))) as ledger:
        request = NewRequest({"model": "m", "prompt": "a fox"}, "a fox", Decimal(2), request_id="req_1")
        await ledger.reserve(request, window_seconds=None, admit=lambda _: None)
        yield ledger


async def progress(ledger: Ledger, percent: int) -> Record:
    return await ledger.observe("req_1", ProviderTask("vid_1", "processing", progress=percent))


async def woken(changes: Changes, change: Awaitable[Record]) -> bool:
    """Say whether a change wakes a call that sleeps."""
    ended: list[bool] = []

    async def sleep() -> None:
        ended.append(await changes.sleep("req_1", 600))

    async with anyio.create_task_group() as group:
        group.start_soon(sleep)
        await anyio.wait_all_tasks_blocked()
        await change
    return ended == [True]


async def test_a_change_is_read_while_somebody_follows_and_a_sleep_ends_with_it(
    open_ledger: OpenLedger, tmp_path: Path
) -> None:
    told = Told()
    async with with_task(open_ledger, tmp_path) as ledger, reading(locked := Locked(ledger), told) as changes:
        await progress(ledger, 10)
        with changes.followed():
            async with locked.lock:  # a reading between our change and its note would report it, too
                await changes.task_changed(await progress(ledger, 20))
            await anyio.sleep(60)
            assert told.progress == []
            assert await woken(changes, progress(ledger, 30))
            assert not await changes.sleep("req_1", 60)
            assert told.progress == [30]
        await progress(ledger, 40)
        await anyio.sleep(60)
        assert told.progress == [30]
        with changes.awaited():
            await anyio.sleep(60)
            assert told.progress == [30]
            await progress(ledger, 50)
            await anyio.sleep(60)
        assert told.progress == [30, 50]


async def test_only_the_newest_states_are_kept(
    open_ledger: OpenLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_processes, "STATES_KEPT", 0)
    told = Told()
    async with with_task(open_ledger, tmp_path) as ledger, reading(ledger, told) as changes:
        with changes.followed():
            await progress(ledger, 10)
            await anyio.sleep(30)
        assert set(told.progress) == {10}


async def test_an_announcement_is_heard_and_a_lost_connection_replaced(open_ledger: OpenLedger, tmp_path: Path) -> None:
    told = Told()
    async with with_task(open_ledger, tmp_path) as made, reading(ledger := Announced(made), told) as changes:
        with changes.followed():
            await anyio.sleep(0.5)
            (line,) = ledger.lines
            await progress(ledger.ledger, 10)
            line.theirs.send(b"changed")
            await anyio.sleep(1)
            assert told.progress == [10]
            ledger.is_away = True
            line.theirs.close()
            await anyio.sleep(10)
            await progress(ledger.ledger, 20)
            await anyio.sleep(10)
            assert told.progress == [10, 20]
            ledger.is_away = False
            await anyio.sleep(10)
            assert len(ledger.lines) == 2
        await anyio.sleep(1)
        assert [each.ours.fileno() for each in ledger.lines] == [-1, -1]
        for each in ledger.lines:
            each.theirs.close()


async def test_a_ledger_that_is_away_for_a_while_ends_nothing(open_ledger: OpenLedger, tmp_path: Path) -> None:
    told = Told()
    async with with_task(open_ledger, tmp_path) as made:

        class Away(Announced):
            async def changes_since(self, at: datetime, until: datetime | None = None) -> list[Record]:
                if self.is_away:
                    raise LedgerAway("away")
                return await self.ledger.changes_since(at, until)

        ledger = Away(made)
        ledger.is_away = True
        async with reading(ledger, told) as changes:
            with changes.followed():
                await progress(made, 10)
                await anyio.sleep(30)
                ledger.is_away = False
                await anyio.sleep(30)
        for each in ledger.lines:
            each.theirs.close()
    assert told.progress == [10]


async def test_two_servers_share_a_poll_interval_of_ten_minutes(open_world: OpenWorld) -> None:
    sandbox, ahead = Sandbox(no_film, work_seconds=10**6), [0]

    def clock() -> datetime:
        return utc_now() + timedelta(seconds=ahead[0])

    options: dict[str, Any] = {"sandbox": sandbox, "clock": clock, "poll_floor_seconds": 600}
    async with open_world(**options) as one, open_world(**options) as other:
        task_id = (await one.create())["task_id"]
        polls: list[int] = []
        for ahead[0], world in ((601, one), (900, other), (1300, one)):
            await world.call("get_task", {"task_id": task_id})
            polls.append(sum("/videos/" in path for _, path in sandbox.requests))
        assert polls == [1, 1, 2]


async def test_a_wait_ends_when_another_server_saw_the_end(open_world: OpenWorld) -> None:
    options: dict[str, Any] = {"sandbox": Sandbox(no_film, work_seconds=10**6), "poll_floor_seconds": 600}
    async with open_world(**options) as one, open_world(**options) as other, anyio.create_task_group() as group:
        task_id = (await one.create())["task_id"]
        done: list[Any] = []

        async def wait() -> None:
            done.append(await one.call("wait_for_video", {"task_id": task_id, "timeout_seconds": 1800}))

        group.start_soon(wait)
        await anyio.sleep(30)
        options["sandbox"].tasks[task_id].ends_at = 0
        assert (await other.call("get_task", {"task_id": task_id}))["status"] == "completed"
        await anyio.sleep(30)
        assert [each["status"] for each in done] == ["completed"]
        assert sum("/videos/" in path for _, path in options["sandbox"].requests) == 1
