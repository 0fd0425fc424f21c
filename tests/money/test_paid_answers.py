"""What was paid is never told as free, never judged while it may still change, and never lost."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import PROVIDER, OpenWorld, no_film

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.errors import LedgerUnusable, OutcomeUnknown, ProviderUnreachable, TaskNotFound
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import NewRequest, Record, Spent
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools import create
from seedance_mcp.tools.arguments import GetTask, read_create_video
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.session import OpenLedger, Shared
from seedance_mcp.tools.tasks import get_task

pytestmark = pytest.mark.anyio
CREATE, BALANCE = "/seedance/videos", "/user/balance"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Same(Sandbox):
    """A provider that gives one task id to everybody."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(CREATE):
            self.requests.append(("POST", request.url.path))
            return httpx.Response(200, json={"code": 0, "data": {"task_id": "vid_1", "status": "queued", "cost": 0.25}})
        if request.url.path.endswith("/v1/videos/vid_1"):
            return httpx.Response(200, json={"code": 0, "data": {"task_id": "vid_1", "status": "failed", "msg": "no"}})
        return await super().__call__(request)


async def test_two_requests_may_share_a_task_and_both_are_told(open_world: OpenWorld) -> None:
    async with open_world(sandbox=Same(no_film)) as world:
        first, second = await world.create(prompt="one"), await world.create(prompt="two")
        assert first["task_id"] == second["task_id"] == "vid_1"
        assert first["request_id"] in second["warnings"][-1]
        assert (await world.call("list_tasks"))["total"] == 2
        looked = await world.call("get_task", {"task_id": first["request_id"]})
        assert second["request_id"] in looked["warnings"][0] or first["request_id"] in looked["warnings"][0]
        assert {task["status"] for task in (await world.call("list_tasks"))["tasks"]} == {"failed"}


@dataclass
class Trickling(Sandbox):
    """A provider that takes the request at once and sends its answer byte by byte."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith(CREATE):
            return await super().__call__(request)
        self.requests.append(("POST", request.url.path))

        async def slowly() -> AsyncIterator[bytes]:
            for byte in b'{"code":0,"data":{"task_id":"vid_1"}}' * 100:
                await anyio.sleep(20)
                yield bytes([byte])

        return httpx.Response(200, content=slowly())


async def test_an_answer_that_trickles_is_of_unknown_outcome_in_time(open_world: OpenWorld) -> None:
    async with open_world(sandbox=Trickling(no_film)) as world:
        began = anyio.current_time()
        answer = await world.create()
        assert anyio.current_time() - began < 50
        assert (answer.error["code"], answer.error["charged"]) == ("outcome_unknown", "maybe")
        assert world.creates == 1


@dataclass
class Replacing(Sandbox):
    """Removes the ledger's files, or puts a copy in their place, when it is asked for the balance."""

    folder: Path = Path()
    puts_back: bool = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(BALANCE) and (found := list(self.folder.glob("ledger*"))):
            for file in found:
                content = file.read_bytes()
                file.unlink()
                if self.puts_back:
                    file.with_name(f"new-{file.name}").write_bytes(content)
                    file.with_name(f"new-{file.name}").rename(file)
        return await super().__call__(request)


@pytest.mark.sqlite_file
@pytest.mark.parametrize("puts_back", [False, True])
async def test_a_ledger_removed_or_replaced_under_the_server_is_noticed_before_money_goes(
    open_world: OpenWorld, tmp_path: Path, *, puts_back: bool
) -> None:
    sandbox = Replacing(no_film, folder=tmp_path / "data", puts_back=puts_back)
    async with open_world(sandbox=sandbox) as world:
        answer = await world.create()
        assert (answer.error["code"], answer.error["charged"]) == ("not_configured", "no")
        assert "removed or replaced" in answer.text
        assert world.creates == 0


@dataclass
class Locking(Sandbox):
    """Makes the ledger refuse the next writes, as long as `times` says, once a create came."""

    folder: Path = Path()
    held: list[sqlite3.Connection] = field(default_factory=list[sqlite3.Connection])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = await super().__call__(request)
        if request.url.path.endswith(CREATE):
            holder = sqlite3.connect(self.folder / "ledger.sqlite3", isolation_level=None)
            holder.execute("ALTER TABLE requests RENAME TO hidden")
            self.held.append(holder)
        return answer

    def release(self) -> None:
        self.held[-1].execute("ALTER TABLE hidden RENAME TO requests")
        self.held.pop().close()


@pytest.mark.sqlite_file
async def test_a_paid_task_is_written_down_at_a_later_try(
    open_world: OpenWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "WRITE_PAUSES_SECONDS", (5.0, 5.0, 5.0))
    sandbox = Locking(no_film, folder=tmp_path / "data")
    async with open_world(sandbox=sandbox) as world, anyio.create_task_group() as group:

        async def release() -> None:
            await anyio.sleep(8)
            sandbox.release()

        group.start_soon(release)
        assert (await world.create())["task_id"] in sandbox.tasks


@pytest.mark.sqlite_file
async def test_a_paid_task_that_could_not_be_written_down_is_found_by_its_principal_alone(
    open_ledger: OpenLedger, tmp_path: Path
) -> None:
    sandbox, settings = Locking(no_film, folder=tmp_path), Settings(base_url=PROVIDER, data_dir=tmp_path)
    provider = ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(sandbox))
    async with aclosing(Shared(settings, lambda _: provider, open_ledger=open_ledger)) as shared:
        alice, bob = shared.session("alice"), shared.session("bob")
        wanted = read_create_video(load_edition(), {"request": {"model": "seedance2.0-sp", "prompt": "a fox"}})
        with pytest.raises(LedgerUnusable) as refused:
            await create.create_video(alice, wanted, Nobody())
        sandbox.release()
        (task_id,) = sandbox.tasks
        with pytest.raises(TaskNotFound):
            await get_task(bob, GetTask(task_id=task_id), Nobody())
        assert (await alice.ledger.get(refused.value.details["request_id"])).task_id is None
        found = await get_task(alice, GetTask(task_id=task_id), Nobody())
        assert (found.task_id, found.request_id) == (task_id, refused.value.details["request_id"])


@pytest.mark.sqlite_file
async def test_a_paid_task_that_could_not_be_written_down_can_be_used_and_is_logged(
    open_world: OpenWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = Locking(no_film, folder=tmp_path / "data")
    async with open_world(sandbox=sandbox) as world:
        with caplog.at_level(logging.ERROR):
            answer = await world.create()
        (task_id,) = sandbox.tasks
        assert answer.error["charged"] == "yes"
        assert f"Request {answer.error['request_id']} was made as task {task_id}" in caplog.text
        sandbox.release()
        assert (await world.call("wait_for_video", {"task_id": task_id}))["request_id"] == answer.error["request_id"]
        assert (await world.call("get_task", {"task_id": task_id}))["request_id"] == answer.error["request_id"]


async def test_an_error_after_the_payment_is_never_told_as_free(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: Any) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(create, "sharing_warnings", fail)
    async with open_world() as world:
        answer = await world.create()
        (task_id,) = world.sandbox.tasks
        assert (answer.error["charged"], answer.error["retryable"]) == ("yes", False)
        assert task_id in answer.text
    assert "ZeroDivisionError while a request was under way" in caplog.text


# judgement


def admit(spent: Spent) -> None:
    """Admit everything."""


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


async def lost(ledger: Ledger, name: str, used: str = "10") -> Record:
    request = NewRequest({"model": "m", "prompt": name}, name, Decimal("2.5"), f"req_{name}")
    await ledger.reserve(request, window_seconds=0, admit=admit)
    await ledger.mark_sending(f"req_{name}", Decimal(used))
    return await ledger.fail(f"req_{name}", OutcomeUnknown("lost", charged="maybe"))


async def paid_at_once(ledger: Ledger) -> None:
    """Let the ledger see that the provider charges this model before a task ends."""
    request = NewRequest({"model": "m", "prompt": "seen"}, "seen", Decimal("2.5"), "req_seen")
    await ledger.reserve(request, window_seconds=0, admit=admit)
    await ledger.mark_sending("req_seen", Decimal("7.5"))
    for status in ("queued", "completed"):
        await ledger.observe("req_seen", ProviderTask("vid_seen", status, cost=Decimal("2.5")))


async def test_a_request_under_way_or_changed_since_the_question_leaves_it_open(
    open_ledger: OpenLedger, tmp_path: Path
) -> None:
    clock = Clock()
    ledger = open_ledger(Settings(data_dir=tmp_path), clock)
    record = await lost(ledger, "one")
    clock.now += timedelta(seconds=300)
    asked_at = clock.now
    other = NewRequest({"model": "m", "prompt": "two"}, "two", Decimal("2.5"), "req_two")
    clock.now += timedelta(seconds=1)
    await ledger.for_principal("bob").reserve(other, window_seconds=0, admit=admit)
    for used in ("10", "12.5"):
        assert (await ledger.judge(record, Decimal(used), asked_at, only_one=True)).settled is None
    await ledger.for_principal("bob").observe("req_two", ProviderTask("vid_2", "queued", cost=Decimal("2.5")))
    assert (await ledger.judge(record, Decimal(10), asked_at, only_one=True)).settled is None
    clock.now += timedelta(seconds=1)
    running = await ledger.judge(record, Decimal("12.5"), clock.now, only_one=True)
    assert running.evidence == "cannot tell", "what the other was charged may have been given back"
    await ledger.for_principal("bob").observe("req_two", ProviderTask("vid_2", "completed", cost=Decimal("2.5")))
    clock.now += timedelta(seconds=1)
    after = await ledger.judge(record, Decimal("12.5"), clock.now, only_one=True)
    assert (after.evidence, after.settled) == ("not charged", 0)
    assert await ledger.judge(record, Decimal(15), clock.now, only_one=True) == after, "settled by compare and set"
    await ledger.aclose()


async def test_only_a_failure_of_a_task_begun_before_can_hide_a_charge(open_ledger: OpenLedger, tmp_path: Path) -> None:
    for begun_before in (True, False):
        clock = Clock()
        ledger = open_ledger(Settings(data_dir=tmp_path / str(begun_before)), clock)
        other = NewRequest({"model": "m", "prompt": "two"}, "two", Decimal("2.5"), "req_two")

        async def begin(ledger: Ledger = ledger, clock: Clock = clock, other: NewRequest = other) -> None:
            await ledger.reserve(other, window_seconds=0, admit=admit)
            await ledger.observe("req_two", ProviderTask("vid_2", "queued"))
            clock.now += timedelta(seconds=300)

        await paid_at_once(ledger)
        if begun_before:
            await begin()
        record = await lost(ledger, "one")
        clock.now += timedelta(seconds=300)
        if not begun_before:
            await begin()
        await ledger.observe("req_two", ProviderTask("vid_2", "failed"))
        clock.now += timedelta(seconds=1)
        judged = await ledger.judge(record, Decimal(10), clock.now, only_one=True)
        assert judged.evidence == ("cannot tell" if begun_before else "not charged")
        await ledger.aclose()


TOLD = Decimal("2.5")
RUNNING, ENDED = ProviderTask("vid_2", "processing", cost=TOLD), ProviderTask("vid_2", "completed", cost=TOLD)
CAME_TO_NOTHING = ProviderTask("vid_2", "failed"), ProviderTask("vid_2", "failed", cost=Decimal(0))


@pytest.mark.parametrize(
    ("reports", "model", "evidence"),
    [
        ((RUNNING, ENDED), "m", "not charged"),
        ((ENDED,), "m", "cannot tell"),
        ((ENDED, RUNNING), "m", "cannot tell"),
        ((CAME_TO_NOTHING[0], replace(ENDED, video_url="https://a.b/c")), "m", "cannot tell"),
        ((CAME_TO_NOTHING[1],), "m", "not charged"),
        ((ProviderTask("vid_2", "unknown", cost=TOLD), ENDED), "m", "cannot tell"),
        ((ENDED,), "other", "not charged"),
    ],
)
async def test_the_newest_charge_of_the_same_model_tells_when_the_provider_charges(
    open_ledger: OpenLedger, tmp_path: Path, reports: tuple[ProviderTask, ...], model: str, evidence: str
) -> None:
    clock = Clock()
    ledger = open_ledger(Settings(data_dir=tmp_path), clock)
    await paid_at_once(ledger)
    newest = NewRequest({"model": model, "prompt": "two"}, "two", TOLD, "req_two")
    await ledger.for_principal("bob").reserve(newest, window_seconds=0, admit=admit)
    for report in reports:
        await ledger.for_principal("bob").observe("req_two", report)
    record = await lost(ledger, "one")
    clock.now += timedelta(seconds=300)
    assert (await ledger.judge(record, Decimal(10), clock.now, only_one=True)).evidence == evidence
    await ledger.aclose()


async def test_an_answer_that_comes_after_the_judgement_wins(open_ledger: OpenLedger, tmp_path: Path) -> None:
    clock = Clock()
    ledger = open_ledger(Settings(data_dir=tmp_path), clock)
    await paid_at_once(ledger)
    record = await lost(ledger, "one")
    clock.now += timedelta(seconds=300)
    judged = await ledger.judge(record, Decimal(10), clock.now, only_one=True)
    assert (judged.status, judged.settled) == ("failed", 0)
    late = await ledger.observe("req_one", ProviderTask("vid_1", "completed", video_url="https://a.b/c"))
    assert (late.status, late.task_id, late.settled) == ("completed", "vid_1", Decimal("2.5"))
    assert late._replace(state="queued").evidence is None
    await ledger.aclose()


async def test_a_lone_request_without_a_price_is_charged_what_the_account_moved(open_world: OpenWorld) -> None:
    now = NOON
    async with open_world(clock=lambda: now) as world:
        world.sandbox.faults = [Fault("unavailable", "catalog", 99), Fault("lost", CREATE)]
        answer = await world.create()
        now += timedelta(seconds=1)
        assert (await world.call("get_balance"))["unclear"] == []
        task = await world.call("get_task", {"task_id": answer.error["request_id"]})
        assert (task["status"], task["cost"]) == ("unknown", 0.25)


@dataclass
class Breaking(Sandbox):
    """A provider whose answer to a create breaks our own program."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(CREATE):
            raise ZeroDivisionError
        return await super().__call__(request)


async def test_an_error_of_ours_while_a_request_is_on_its_way_is_of_unknown_outcome(open_world: OpenWorld) -> None:
    async with open_world(sandbox=Breaking(no_film)) as world:
        answer = await world.create()
        assert (answer.error["code"], answer.error["charged"]) == ("outcome_unknown", "maybe")
        assert (await world.call("get_task", {"task_id": answer.error["request_id"]}))["status"] == "unknown"


@pytest.mark.sqlite_file
async def test_a_request_that_the_ledger_lost_is_told(open_ledger: OpenLedger, tmp_path: Path) -> None:
    ledger = open_ledger(Settings(data_dir=tmp_path), lambda: NOON)
    with pytest.raises(LedgerUnusable, match="does not hold request req_1"):
        await ledger.mark_sending("req_1", None)
    await ledger.aclose()


async def test_what_never_left_is_released_without_the_balance(
    open_world: OpenWorld, open_ledger: OpenLedger, tmp_path: Path
) -> None:
    clock = Clock()
    ledger = open_ledger(Settings(data_dir=tmp_path / "data"), clock)
    request = NewRequest({"model": "m", "prompt": "one"}, "one", Decimal("2.5"), "req_one")
    for by in ("get_balance", "create_video"):
        await ledger.reserve(replace(request, request_id=f"req_{by}"), window_seconds=None, admit=admit)
        async with open_world(clock=clock, max_cost_total="2.6") as world:
            world.sandbox.faults = [Fault("no_task_id", BALANCE, 99)]
            assert (await world.call("get_task", {"task_id": f"req_{by}"}))["status"] == "queued"
            assert (await world.create()).error["code"] == "budget_exceeded"
            clock.now += timedelta(seconds=181)
            assert (await world.call("get_task", {"task_id": f"req_{by}"}))["status"] == "failed"
            assert (await world.call("list_tasks", {"status": "failed"}))["total"] >= 1
            answer = await world.create(resolution="480p") if by == "create_video" else await world.call("get_balance")
            assert not answer.is_error
        task = await ledger.get(f"req_{by}")
        assert (task.state, task.settled) == ("failed", 0)
    with pytest.raises(ProviderUnreachable):
        await ledger.mark_sending("req_get_balance", None)
    await ledger.aclose()


@dataclass
class Jumping(Sandbox):
    """While it makes a video, the clock jumps and another session asks for the balance."""

    clock: Clock = field(default_factory=Clock)
    jump_seconds: int = 200
    ask: Callable[[], Awaitable[Any]] | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(CREATE) and self.ask:
            self.clock.now += timedelta(seconds=self.jump_seconds)
            await self.ask()
            await anyio.sleep(30)
            self.clock.now += timedelta(seconds=self.jump_seconds)
            await self.ask()
        return await super().__call__(request)


@pytest.mark.parametrize("jump_seconds", [200, 3600, -3600])
async def test_a_clock_that_jumps_judges_no_request_that_is_awaited(open_world: OpenWorld, jump_seconds: int) -> None:
    sandbox = Jumping(no_film, jump_seconds=jump_seconds)
    async with open_world(sandbox=sandbox, clock=sandbox.clock) as world:

        async def ask() -> None:
            assert (await world.call("get_balance"))["unclear"] == []
            await world.call("list_tasks", {"refresh": True})

        sandbox.ask = ask
        task = await world.create()
        assert task["status"] == "queued"
        assert (await world.call("wait_for_video", {"task_id": task["task_id"]}))["status"] == "completed"
        assert world.creates == 1


async def test_a_request_that_is_awaited_is_so_for_other_processes_too_whatever_the_clock_did(
    open_world: OpenWorld, open_ledger: OpenLedger, tmp_path: Path
) -> None:
    seen: list[str] = []
    sandbox = Jumping(no_film)
    async with aclosing(open_ledger(Settings(data_dir=tmp_path / "data"), sandbox.clock)) as other:

        async def ask() -> None:
            seen.extend(record.status for record in (await other.page()).records)

        sandbox.ask = ask
        async with open_world(sandbox=sandbox, clock=sandbox.clock, data_dir=tmp_path / "data") as world:
            sandbox.jump_seconds = 170
            await world.create()
    assert seen == ["queued", "queued"]


async def test_a_process_whose_clock_is_wrong_judges_no_request_that_another_one_awaits(open_world: OpenWorld) -> None:
    sandbox, unclear = Jumping(no_film, jump_seconds=0), list[list[str]]()

    def wrong_clock() -> datetime:
        return sandbox.clock() + timedelta(days=9)

    right: dict[str, Any] = {"sandbox": sandbox, "clock": sandbox.clock}
    async with open_world(**right) as world, open_world(**{**right, "clock": wrong_clock}) as other:

        async def ask() -> None:
            sandbox.clock.now += timedelta(seconds=40)
            for pause_seconds in (0, 2):
                await anyio.sleep(pause_seconds)
                unclear.append((await other.call("get_balance"))["unclear"])

        sandbox.ask = ask
        task = await world.create()
    assert unclear == [[task["request_id"]]] * 4


async def test_a_request_that_is_being_sent_can_be_waited_for(
    open_world: OpenWorld, open_ledger: OpenLedger, tmp_path: Path
) -> None:
    clock = Clock()
    ledger = open_ledger(Settings(data_dir=tmp_path / "data"), clock)
    request = NewRequest({"model": "m", "prompt": "one"}, "one", Decimal("2.5"), "req_one")
    await ledger.reserve(request, window_seconds=None, admit=admit)
    async with open_world(clock=clock) as world, anyio.create_task_group() as group:
        waited = await world.call("wait_for_video", {"task_id": "req_one", "timeout_seconds": 5})
        assert (waited["status"], waited["task_id"]) == ("queued", None)

        async def answer() -> None:
            await anyio.sleep(7)
            await ledger.observe("req_one", ProviderTask("vid_1", "failed", error="no"))

        group.start_soon(answer)
        assert (await world.call("wait_for_video", {"task_id": "req_one", "timeout_seconds": 60}))["status"] == "failed"
    await ledger.aclose()


@pytest.mark.sqlite_file
async def test_a_row_that_ended_at_no_known_time_stops_no_tool(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        ended = await world.create(prompt="one")
        await world.call("wait_for_video", {"task_id": ended["task_id"]})
        with closing(sqlite3.connect(tmp_path / "data" / "ledger.sqlite3", isolation_level=None)) as db:
            db.execute("UPDATE requests SET completed_at = NULL")
        running = await world.create(prompt="two")
        assert running["status"] == "queued"
        assert (await world.call("list_tasks", {"refresh": True}))["total"] == 2
        for tool in ("get_task", "wait_for_video"):
            assert (await world.call(tool, {"task_id": running["task_id"]}))["request_id"] == running["request_id"]
