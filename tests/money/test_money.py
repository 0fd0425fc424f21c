"""Money: never twice, never over a limit, never lost sight of."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import PROVIDER, Answer, OpenWorld, World, no_film

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.errors import ConfirmationRequired, LedgerUnusable, OutcomeUnknown, TaskNotFound
from seedance_mcp.money.gate import fingerprint
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.ledger import open_ledger as open_by_settings
from seedance_mcp.money.records import ModelSpending, NewRequest, Record, Spent
from seedance_mcp.money.stores import sqlite
from seedance_mcp.money.stores.sqlite import SqliteStore, migrations
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox import serve
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools.arguments import ListTasks, NoArguments, read_request
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.balance import get_balance
from seedance_mcp.tools.observer import Observer
from seedance_mcp.tools.session import OpenLedger, Shared
from seedance_mcp.tools.tasks import list_tasks
from seedance_mcp.tools.views import Outlook, task_of

pytestmark = pytest.mark.anyio
CREATE = "/seedance/videos"
BODY = {"model": "seedance2.0-sp", "prompt": "a fox", "duration": 5}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(open_ledger: OpenLedger, tmp_path: Path, clock: Clock) -> AsyncGenerator[Ledger]:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), clock)) as opened:
        yield opened


# repeats


async def test_the_same_request_again_is_the_same_task(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        first = await world.create()
        again = await world.create(resolution="720p", duration=5, prompt="a fox ")
        assert again["task_id"] == first["task_id"]
        assert again["deduplicated"] is True
        assert first["deduplicated"] is False
        assert "made a short while ago" in again["warnings"][-1]
        assert "allow_duplicate" in again["warnings"][-1]
        assert world.creates == 1
        at = anyio.current_time()
        assert (await world.create())["deduplicated"] is True
        assert anyio.current_time() == at, "it waited for an answer that is there"
        assert (await world.create(duration=6))["deduplicated"] is False
        clock.pass_(seconds=601)
        assert (await world.create())["task_id"] != first["task_id"]
        assert world.creates == 3


async def test_a_repeat_is_recognised_after_a_restart_and_paid_for_when_asked(open_world: OpenWorld) -> None:
    async with open_world() as first:
        task = await first.create()
    async with open_world(sandbox=first.sandbox) as second:
        assert (await second.create())["task_id"] == task["task_id"]
        request = {"model": "seedance2.0-sp", "prompt": "a fox"}
        more = await second.call("create_video", {"request": request, "allow_duplicate": True})
        assert more["task_id"] != task["task_id"]
        assert second.creates == 2


async def test_recognition_can_be_turned_off(open_world: OpenWorld) -> None:
    async with open_world(dedupe_seconds=0) as world:
        assert (await world.create())["task_id"] != (await world.create())["task_id"]


async def test_after_a_failed_task_or_a_refusal_a_repeat_is_allowed(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("content_refused", CREATE)]
        task = await world.create()
        assert (await world.call("wait_for_video", {"task_id": task["task_id"]}))["status"] == "failed"
        world.sandbox.faults = [Fault("bad_parameters", CREATE)]
        assert (await world.create()).error["code"] == "invalid_request"
        assert (await world.create())["deduplicated"] is False
        assert world.creates == 3


async def test_a_lost_answer_is_never_followed_by_a_second_post(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("lost", CREATE)]
        lost = await world.create()
        again = await world.create()
        assert again["status"] == "unknown"
        assert again["request_id"] == lost.error["request_id"]
        assert again["next"]["tool"] == "get_balance"
        assert "lost" in again["warnings"][-1]
        assert world.creates == 1
        waited = await world.call("wait_for_video", {"task_id": lost.error["request_id"]})
        assert waited["status"] == "unknown"


def names_of(*bodies: dict[str, Any]) -> set[str]:
    return {fingerprint(read_request(load_edition(), {"model": "seedance2.0-md", "prompt": "x", **body})) for body in bodies}


def test_a_fingerprint_ignores_what_makes_no_difference_and_nothing_else() -> None:
    assert len(names_of({}, {"duration": 5}, {"ratio": "16:9"}, {"resolution": "720p"}, {"prompt": " x "})) == 1
    assert len(names_of({"ratio": "1:1"}, {"ratio": "1:1", "orientation": "portrait"})) == 1
    assert (
        len(names_of({}, {"orientation": "portrait"}, {"duration": 6}, {"prompt": "X"}, {"model": "seedance2.0-fast-md"})) == 5
    )
    spelt = ("a red\u200b fox", " a\nred \u00a0 fox\ufeff", "a re\u2060d \u200b fox")
    assert len(names_of(*({"prompt": each} for each in ("a red fox", *spelt)))) == 1
    assert len(names_of({"prompt": "caf\u00e9"}, {"prompt": "cafe\u0301"})) == 1
    assert len(names_of({"prompt": "a red fox"}, {"prompt": "a redfox"}, {"prompt": "a red fox."})) == 3
    images = [["https://a.b/1", "https://a.b/2"], ["https://a.b/2", "https://a.b/1"]]
    assert len(names_of(*({"images": each} for each in images))) == 2


# limits


async def test_each_limit_refuses_what_would_pass_it_before_anything_is_sent(open_world: OpenWorld, tmp_path: Path) -> None:
    cases = [
        ({"max_cost_per_video": "0.24"}, "0.24 per video", "every single video"),
        ({"max_cost_per_day": "0.24"}, "0.24 per day", "renews at 2026-11-24T00:00:00Z"),
        ({"max_cost_total": "0.24"}, "0.24 in total", "never renews"),
    ]
    for number, (setting, words, renewal) in enumerate(cases):
        async with open_world(clock=Clock(), data_dir=tmp_path / str(number), **setting) as world:
            answer = await world.create()
            assert answer.error["code"] == "budget_exceeded"
            assert answer.error["charged"] == "no"
            assert words in answer.text
            assert renewal in answer.text
            assert "cost 0.25 JimiCoin" in answer.text
            assert world.creates == 0
            assert (await world.create(resolution="480p"))["estimated_cost"] == 0.1


async def test_the_day_renews_at_midnight_utc_and_the_total_never(open_world: OpenWorld, clock: Clock) -> None:
    clock.now = datetime(2026, 11, 23, 23, 59, 59, 900_000, tzinfo=UTC)
    async with open_world(clock=clock, max_cost_per_day="0.5", max_cost_total="0.8") as world:
        await world.create(prompt="one")
        await world.create(prompt="two")
        refused = await world.create(prompt="three")
        assert "reserved, 0 is left" in refused.text
        assert refused.error["allowed"] == "at most 0 JimiCoin"
        clock.pass_(seconds=0.1)
        assert (await world.create(prompt="three"))["status"] == "queued"
        answer = await world.create(prompt="four")
        assert "in total" in answer.text
        assert world.creates == 3
        balance = await world.call("get_balance")
        assert balance["spent_here"] == {"today": 0.25, "total": 0.75, "reserved": 0.0}
        assert balance["limits"] == {"max_cost_per_day": 0.5, "max_cost_total": 0.8}
        assert balance["left_today"] == 0.25


async def test_an_unknown_price_is_refused_while_a_limit_is_set_unless_the_operator_allows_it(open_world: OpenWorld) -> None:
    sandbox = Sandbox(serve.render_in_thread, faults=[Fault("unavailable", "catalog", 999)])
    async with open_world(max_cost_total="100", sandbox=sandbox) as world:
        answer = await world.create()
        assert answer.error["code"] == "budget_exceeded"
        assert "SEEDANCE_ALLOW_UNPRICED=1" in answer.text
        assert world.creates == 0
    async with open_world(max_cost_total="100", allow_unpriced=True, sandbox=sandbox) as world:
        assert (await world.create())["estimated_cost"] is None
    async with open_world(sandbox=sandbox) as world:
        assert (await world.create(prompt="another"))["status"] == "queued"


async def test_what_failed_does_not_count_and_what_is_unclear_does(open_world: OpenWorld) -> None:
    async with open_world(max_cost_total="0.5") as world:
        world.sandbox.faults = [Fault("content_refused", CREATE)]
        task = await world.create(prompt="one")
        await world.call("wait_for_video", {"task_id": task["task_id"]})
        world.sandbox.faults = [Fault("bad_parameters", CREATE)]
        await world.create(prompt="two")
        world.sandbox.faults = [Fault("lost", CREATE), Fault("unavailable", "/user/balance", 2)]
        await world.create(prompt="three")
        assert (await world.create(prompt="four"))["status"] == "queued"
        answer = await world.create(prompt="five")
        assert "0.5 is spent or reserved" in answer.text
        assert world.creates == 4


async def test_a_provider_that_tells_no_cost_is_settled_by_the_estimate(ledger: Ledger) -> None:
    found = await ledger.reserve(entry(), window_seconds=600, admit=nothing)
    assert found.is_new
    request_id = found.record.request_id
    told = await ledger.observe(request_id, ProviderTask("vid_1", "queued"))
    assert (told.settled, told.settled_by, told.cost) == (None, None, None)
    assert (await ledger.spent()).reserved == Decimal("2.5")
    told = await ledger.observe(request_id, ProviderTask("vid_1", "completed", cost=Decimal("2.4")))
    assert (told.settled, told.settled_by, told.cost) == (Decimal("2.4"), "provider", Decimal("2.4"))
    told = await ledger.observe(request_id, ProviderTask("vid_1", "completed"))
    assert told.settled == Decimal("2.4")
    assert await ledger.spending_by_model() == [ModelSpending("m", 1, Decimal("2.5"), Decimal("2.4"))]


@pytest.mark.parametrize(
    ("words", "cost", "told"),
    [
        ("余额不足", "0", "Nothing was charged. The account needs a top-up first: see get_balance."),
        ("素材未通过审核", "0", "Nothing was charged. Bring the file with upload_asset"),
        ("no reason given", "2.4", "The provider charged 2.4 JimiCoin and reported no refund: see get_balance."),
        ("no reason given", None, "Whether it was charged is not known: see get_balance."),
    ],
)
async def test_a_failed_task_tells_whether_money_went_and_what_to_do(
    ledger: Ledger, words: str, cost: str | None, told: str
) -> None:
    record = (await ledger.reserve(entry(), window_seconds=600, admit=nothing)).record
    failed = ProviderTask("vid_1", "failed", error=words, cost=Decimal(cost) if cost else None)
    task = task_of(load_edition(), await ledger.observe(record.request_id, failed), NOON, Outlook([], 5.0))
    assert task.error
    assert task.error.message.startswith(f'The provider\'s words: "{words}". {told}')


async def test_a_failed_task_of_another_ledger_charges_what_the_provider_says(ledger: Ledger) -> None:
    record = await ledger.adopt("vid_1", None)
    failed = await ledger.observe(record.request_id, ProviderTask("vid_1", "failed", error="x"))
    unknown = task_of(load_edition(), failed, NOON, Outlook([], 5.0))
    free = await ledger.observe(record.request_id, ProviderTask("vid_1", "failed", error="x", cost=Decimal(0)))
    assert unknown.error
    assert "not known" in unknown.error.message
    assert "Nothing was charged." in str(task_of(load_edition(), free, NOON, Outlook([], 5.0)).error)


async def test_a_request_that_was_refused_tells_in_the_list_that_nothing_was_charged(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("bad_parameters", CREATE)]
        await world.create()
        (task,) = (await world.call("list_tasks", {"detail": "full"}))["tasks"]
    assert task["error"]["message"].endswith("Nothing was charged.")


def entry(name: str = "x") -> NewRequest:
    return NewRequest({"model": "m", "prompt": name}, name, Decimal("2.5"))


def nothing(spent: Spent) -> None:
    """Admit everything."""


# lost answers and the balance


async def lose(world: World, fault: str, **fields: Any) -> Answer:
    world.sandbox.faults = [Fault(fault, CREATE)]
    return await world.create(**fields)


async def test_a_lost_answer_that_was_charged_is_found_out_by_the_balance(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        lost = await lose(world, "lost")
        clock.pass_(seconds=1)
        balance = await world.call("get_balance")
        assert balance["spent_here"] == {"today": 0.25, "total": 0.25, "reserved": 0.0}
        assert balance["unclear"] == []
        (task,) = (await world.call("list_tasks", {"detail": "full"}))["tasks"]
        assert task["request_id"] == lost.error["request_id"]
        assert task["status"] == "unknown"
        assert task["cost"] == 0.25
        assert "The balance shows that it was charged." in task["warnings"][0]
        assert task["error"]["code"] == "outcome_unknown"
        assert "It was paid (0.25 JimiCoin), and no video is known" in task["error"]["message"]
        assert f"contact the provider with request_id {task['request_id']}" in task["error"]["message"]
        assert "in the making" not in task["error"]["message"]
        assert task["next"] is None


async def seen(world: World, clock: Clock) -> None:
    """Make a video, which the provider charges before it is ready."""
    made = await world.create(prompt="seen")
    clock.pass_(seconds=300)
    assert (await world.call("wait_for_video", {"task_id": made["task_id"]}))["status"] == "completed"


async def test_until_a_charge_was_seen_a_quiet_account_proves_nothing(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        lost = await lose(world, "server_error")
        clock.pass_(seconds=3600)
        balance = await world.call("get_balance")
        assert balance["unclear"] == [lost.error["request_id"]]
        assert "`seedance-mcp settle REQUEST_ID charged` or `not-charged`" in balance["warnings"][0]
        again = await world.create()
        assert again["deduplicated"] is True
        assert f"seedance-mcp settle {lost.error['request_id']} " in " ".join(again["warnings"])
        assert (again["next"]["tool"], again["next"]["after_seconds"]) == ("get_balance", 3600)
        same = {"model": "seedance2.0-sp", "prompt": "a fox"}
        dry = await world.call("create_video", {"request": same, "dry_run": True})
        assert dry["next"] == again["next"]
        clock.pass_(seconds=7 * 86_400)
        assert (await world.call("get_balance"))["unclear"] == []


async def test_the_next_video_shows_when_this_provider_charges(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        await lose(world, "server_error")
        clock.pass_(seconds=3600)
        assert len((await world.call("get_balance"))["unclear"]) == 1
        await seen(world, clock)
        clock.pass_(seconds=1)
        assert (await world.call("get_balance"))["unclear"] == []


async def test_a_lost_request_that_was_not_charged_is_released_after_two_minutes(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        await seen(world, clock)
        lost = await lose(world, "server_error")
        balance = await world.call("get_balance")
        assert balance["unclear"] == [lost.error["request_id"]]
        assert balance["spent_here"]["reserved"] == 0.25
        (task, _) = (await world.call("list_tasks", {"detail": "full"}))["tasks"]
        assert "The balance does not show whether it was charged." in task["warnings"][0]
        clock.pass_(seconds=121)
        listed = await world.call("list_tasks", {"refresh": True, "detail": "full"})
        (task, _) = listed["tasks"]
        assert task["status"] == "failed"
        assert "not charged" in task["warnings"][0]
        assert task["error"]["message"] == (
            "The answer to this request was lost. It was not charged: the request may be sent again."
        )
        assert (await world.call("get_balance"))["spent_here"] == {"today": 0.25, "total": 0.25, "reserved": 0.0}
        assert (await world.create())["deduplicated"] is False


async def test_several_lost_answers_or_other_movements_leave_it_unclear(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        await lose(world, "lost", prompt="one")
        clock.pass_(seconds=200)
        await lose(world, "lost", prompt="two")
        balance = await world.call("get_balance")
        assert len(balance["unclear"]) == 2
        assert balance["spent_here"]["reserved"] == 0.5
        world.sandbox.used += 7
        assert len((await world.call("get_balance"))["unclear"]) == 2


async def test_a_known_charge_in_between_is_taken_into_account(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        await lose(world, "lost", prompt="one")
        clock.pass_(seconds=1)
        await world.create(prompt="two", resolution="480p")
        clock.pass_(seconds=1)
        assert (await world.call("get_balance"))["unclear"] == []


async def test_a_refund_in_between_leaves_it_unclear(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        world.sandbox.faults = [Fault("content_refused", CREATE)]
        failing = await world.create(prompt="one")
        clock.pass_(seconds=300)
        lost = await lose(world, "lost", prompt="two")
        clock.pass_(seconds=300)
        await world.call("wait_for_video", {"task_id": failing["task_id"]})
        assert (await world.call("get_balance"))["unclear"] == [lost.error["request_id"]]


@pytest.mark.parametrize("fault", ["unavailable", "no_task_id"])
async def test_without_a_balance_before_or_after_nothing_is_concluded(open_world: OpenWorld, fault: str) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("lost", CREATE), Fault(fault, "/user/balance", 99)]
        lost = await world.create()
        (task,) = (await world.call("list_tasks", {"refresh": True, "detail": "full"}))["tasks"]
        assert task["request_id"] == lost.error["request_id"]
        assert task["cost"] is None
        answer = await world.call("get_balance")
        assert answer.is_error or answer["unclear"] == [lost.error["request_id"]]
        world.sandbox.faults = []
        assert (await world.call("get_balance"))["unclear"] == [lost.error["request_id"]]


async def test_a_debt_is_shown_as_one(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.used = 130.0
        assert (await world.call("get_balance"))["account"] == {"balance": 100.0, "used": 130.0, "available": -30.0}


# the list


async def test_tasks_are_listed_newest_first_and_looked_at_on_request(open_world: OpenWorld, clock: Clock) -> None:
    async with open_world(clock=clock) as world:
        made: list[str] = []
        for number in range(5):
            made.insert(0, (await world.create(prompt=f"fox {number}"))["task_id"])
            clock.pass_(seconds=1)
        await anyio.sleep(60)
        listed = await world.call("list_tasks", {"limit": 3})
        assert [task["task_id"] for task in listed["tasks"]] == made[:3]
        assert listed["total"] == 5
        assert {task["status"] for task in listed["tasks"]} == {"queued"}
        world.sandbox.faults = [Fault("unauthorized", f"/videos/{made[0]}")]
        refreshed = await world.call("list_tasks", {"refresh": True})
        assert not any("Not every running task" in told for told in refreshed["warnings"])
        done = await world.call("list_tasks", {"status": "completed"})
        assert [task["task_id"] for task in done["tasks"]] == made[1:]
        assert (await world.call("list_tasks", {"status": "queued"}))["total"] == 1
        assert (await world.call("list_tasks", {"status": "failed"}))["tasks"] == []


async def test_a_request_that_is_being_sent_is_followed_by_its_request_id(
    tmp_path: Path, open_world: OpenWorld, open_ledger: OpenLedger, clock: Clock
) -> None:
    ledger = open_ledger(Settings(data_dir=tmp_path / "data"), clock)
    name = fingerprint(read_request(load_edition(), {"model": "seedance2.0-sp", "prompt": "a fox"}))
    request = NewRequest({"model": "seedance2.0-sp", "prompt": "a fox"}, name, Decimal("0.25"))
    record = (await ledger.reserve(request, window_seconds=600, admit=nothing)).record
    await ledger.mark_sending(record.request_id, None)
    async with open_world(clock=clock) as world:
        again = await world.create()
        assert again["deduplicated"] is True
        assert again["task_id"] is None
        assert again["next"]["arguments"] == {"task_id": record.request_id}
        assert (await world.call("list_tasks", {"status": "queued"}))["total"] == 1
        clock.pass_(seconds=200)
        assert (await world.call("get_task", again["next"]["arguments"]))["status"] == "unknown"
        assert (await world.call("list_tasks", {"status": "unknown"}))["total"] == 1
        assert (await world.call("get_balance"))["unclear"] == [record.request_id]
        assert world.creates == 0
    await ledger.aclose()


async def test_a_repeat_waits_for_the_first_one_that_is_in_flight(open_world: OpenWorld) -> None:
    async with open_world() as world:
        answers: list[Answer] = []

        async def create() -> None:
            answers.append(await world.create())

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(create)
        assert len({answer["task_id"] for answer in answers}) == 1
        assert sum(answer["deduplicated"] for answer in answers) == 7
        assert world.creates == 1


# the file


@pytest.mark.sqlite_file
async def test_a_broken_foreign_or_newer_ledger_refuses_before_anything_is_sent(open_world: OpenWorld, tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        path.write_bytes(b"this is no database, whatever its name says" * 100)

    def newer(path: Path) -> None:
        with sqlite3.connect(path) as db:
            db.execute(f"PRAGMA user_version = {len(migrations()) + 1}")
        db.close()

    for number, (spoil, words) in enumerate([(broken, "not a database"), (newer, "Upgrade seedance-mcp")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        spoil(folder / "ledger.sqlite3")
        async with open_world(data_dir=folder) as world:
            answer = await world.create()
            assert answer.error["code"] == "not_configured"
            assert answer.error["charged"] == "no"
            assert words in answer.text
            assert world.creates == 0


def test_a_ledger_that_another_holds_for_good_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite3"
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(sqlite, "TURNS", 3)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerUnusable, match="another process holds it"):
        SqliteStore(path)
    holder.execute("COMMIT")
    holder.close()
    SqliteStore(path).close()


@contextmanager
def no_file_larger_than(size_bytes: int) -> Generator[None]:
    """A disk without room: what a file would need beyond that is refused, to root as to anybody."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.sqlite_file
async def test_a_disk_without_room_refuses_before_anything_is_sent(open_world: OpenWorld, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with open_world(data_dir=folder) as world:
        await world.create(prompt="first")
        with no_file_larger_than(max(file.stat().st_size for file in folder.iterdir())):
            answer = await world.create(prompt="second")
        assert answer.error["code"] == "not_configured"
        assert answer.error["charged"] == "no"
        assert "free or open the folder" in answer.text
        assert world.creates == 1
        assert (await world.create(prompt="second"))["status"] == "queued"


@pytest.mark.sqlite_file
@pytest.mark.parametrize("room_bytes", [0, 8192])
async def test_a_disk_without_room_for_a_ledger_refuses_before_anything_is_sent(
    open_world: OpenWorld, room_bytes: int
) -> None:
    async with open_world() as world:
        with no_file_larger_than(room_bytes):
            answer = await world.create()
        assert answer.error["code"] == "not_configured"
        assert world.creates == 0
        assert (await world.create())["status"] == "queued"


@pytest.mark.sqlite_file
async def test_a_folder_that_cannot_be_had_refuses_before_anything_is_sent(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with open_world(data_dir=tmp_path / "file" / "data") as world:
        answer = await world.create()
        assert answer.error["code"] == "not_configured"
        assert "free or open the folder" in answer.text
        assert world.creates == 0


@dataclass
class Saboteur(Sandbox):
    """Spoils the ledger while a create is on its way."""

    folder: Path = Path()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(CREATE):
            with sqlite3.connect(self.folder / "ledger.sqlite3") as db:
                db.execute("DROP TABLE IF EXISTS events")
            db.close()
        return await super().__call__(request)


@pytest.mark.sqlite_file
async def test_a_ledger_that_breaks_on_the_way_loses_neither_task_nor_money(
    open_world: OpenWorld, tmp_path: Path, film_less: Sandbox
) -> None:
    sandbox = Saboteur(film_less.render, folder=tmp_path / "data")
    async with open_world(sandbox=sandbox) as world:
        answer = await world.create()
        (task_id,) = sandbox.tasks
        assert answer.error["charged"] == "yes"
        assert task_id in answer.text
        assert "do not create the video again" in answer.text
    sandbox.faults = [Fault("lost", CREATE)]
    async with open_world(sandbox=sandbox, dedupe_seconds=0) as world:
        assert (await world.create(prompt="another")).error["code"] == "not_configured"
        assert world.creates == 1


@pytest.mark.sqlite_file
async def test_a_refusal_that_cannot_be_written_down_is_still_told(
    open_world: OpenWorld, tmp_path: Path, film_less: Sandbox
) -> None:
    sandbox = Saboteur(film_less.render, folder=tmp_path / "data", faults=[Fault("lost", CREATE)])
    async with open_world(sandbox=sandbox) as world:
        assert (await world.create()).error["code"] == "outcome_unknown"


async def test_the_first_ledger_is_migrated_with_its_records(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "ledger.sqlite3"
    with sqlite3.connect(path) as db:
        db.executescript(migrations()[0])
        rows = [("a", "completed", "2.5", "2.4"), ("b", "unknown", "1.5", None)]
        for name, state, estimate, cost in rows:
            db.execute(
                "INSERT INTO requests (request_id, task_id, model, state, estimate, cost, created_at) VALUES (?, ?, 'm', ?, ?, ?, ?)",
                (name, f"vid_{name}", state, estimate, cost, NOON.timestamp()),
            )
        db.execute("PRAGMA user_version = 1")
    db.close()
    async with aclosing(open_by_settings(Settings(data_dir=tmp_path), clock)) as ledger:
        assert (await ledger.get("vid_a")).settled == Decimal("2.4")
        assert (await ledger.get("b")).settled is None
        assert await ledger.spent() == Spent._make([*map(Decimal, ("3.9", "3.9", "1.5", "3.9", "3.9")), None])
        assert [(await ledger.page(status)).total for status in (None, "completed", "unknown", "failed")] == [2, 1, 1, 0]
    SqliteStore(path).close()


async def test_a_token_that_two_calls_checked_at_once_is_used_by_one(ledger: Ledger) -> None:
    token = await ledger.new_token("x", Decimal("2.5"), None)
    assert await ledger.token_fault(token, "x", Decimal("2.5"), None) is None
    await ledger.reserve(entry(), window_seconds=None, admit=nothing, token=token)
    with pytest.raises(ConfirmationRequired, match="used meanwhile"):
        await ledger.reserve(entry(), window_seconds=None, admit=nothing, token=token)
    assert (await ledger.page()).total == 1


async def test_what_a_transaction_raises_undoes_it(ledger: Ledger) -> None:
    def refuse(spent: Spent) -> None:
        raise LedgerUnusable("no")

    with pytest.raises(LedgerUnusable):
        await ledger.reserve(entry(), window_seconds=600, admit=refuse)
    assert (await ledger.page()).total == 0
    with pytest.raises(TaskNotFound):
        await ledger.get("nothing")


# many processes


def environment(place: dict[str, str], address: str, **more: str) -> dict[str, str]:
    return {**os.environ, "SEEDANCE_BASE_URL": address, "SEEDANCE_API_KEY": KEY, **place, **more}


async def race(mode: str, arguments: list[str], environ: dict[str, str]) -> list[str]:
    """Run the racers and give their lines."""
    script = [sys.executable, str(Path(__file__).with_name("race.py")), mode, *arguments]
    return (await anyio.run_process(script, env=environ)).stdout.decode().splitlines()


@pytest.fixture
def film_less() -> Sandbox:
    return Sandbox(no_film, balance=1000)


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_sixteen_processes_with_one_request_send_one_post(ledger_place: dict[str, str], film_less: Sandbox) -> None:
    async with serve.run_in_background(film_less) as address:
        told = [json.loads(line) for line in await race("together", ["one fox"] * 16, environment(ledger_place, address))]
    assert len(told) == 16
    assert len({task["task_id"] for task in told}) == 1
    assert sum(task["deduplicated"] for task in told) == 15
    assert len(film_less.tasks) == 1


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_sixteen_processes_against_a_day_limit_of_five_send_five_posts(
    tmp_path: Path, ledger_place: dict[str, str], film_less: Sandbox
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nname = "seedance2.0-md"\nper = "task"\nunit_price = 0.3\n', "utf-8")
    async with serve.run_in_background(film_less) as address:
        environ = environment(ledger_place, address, SEEDANCE_MAX_COST_PER_DAY="1.6", SEEDANCE_PRICES=str(prices))
        lines = await race("together", [f"fox {number}" for number in range(16)], environ)
    told = [json.loads(line) for line in lines]
    assert sum("task_id" in answer for answer in told) == 5
    assert sum(answer.get("code") == "budget_exceeded" for answer in told) == 11
    assert len(film_less.tasks) == 5


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_killed_at_fifty_moments_nothing_is_lost_or_sent_twice(
    ledger_place: dict[str, str], film_less: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ledger_place.items():
        monkeypatch.setenv(name, value)
    async with serve.run_in_background(film_less) as address:
        environ = environment(ledger_place, address)
        ends = await race("killed", ["50"], environ)
        ledger = open_by_settings(Settings(), lambda: datetime.now(UTC))
        noted = {record.prompt for record in (await ledger.page()).records}
        sent = [task.body["prompt"] for task in film_less.tasks.values()]
        assert len(sent) == len(set(sent))
        assert set(sent) <= noted
        assert {answer.get("deduplicated") for answer in map(json.loads, await race("together", sent[:1], environ))} == {True}
        assert len(film_less.tasks) == len(sent)
    assert (await ledger.health()).faults == []
    await ledger.aclose()
    assert ends.count("killed") >= 40, ends
    assert 1 < len(sent) < len(noted), "none was killed before it was sent, or none after"


# several principals, one account


async def test_a_lost_answer_is_judged_by_whoever_looks_and_told_to_its_owner_alone(
    tmp_path: Path, open_ledger: OpenLedger
) -> None:
    """The account is shared, so anybody's look at the balance is evidence; whose request it was stays theirs."""
    sandbox, told = Sandbox(no_film), list[tuple[str, str]]()

    class Listening(Observer):
        async def task_changed(self, task: Record) -> None:
            told.append((task.principal, task.status))

    settings = Settings(base_url=PROVIDER, data_dir=tmp_path)
    transport = httpx.MockTransport(sandbox)
    shared = Shared(
        settings, lambda _: ProviderClient(PROVIDER, KEY, transport=transport), observer=Listening(), open_ledger=open_ledger
    )
    alice, bob = shared.session("alice"), shared.session("bob")
    request = NewRequest(BODY, "one", Decimal("0.25"))
    lost = (await alice.ledger.reserve(request, window_seconds=0, admit=nothing)).record
    await alice.ledger.mark_sending(lost.request_id, Decimal(0))
    await alice.ledger.fail(lost.request_id, OutcomeUnknown("lost", charged="maybe"))
    assert (await get_balance(alice, NoArguments(), Nobody())).unclear == [lost.request_id]
    for other in (bob, shared.session()):
        assert (await get_balance(other, NoArguments(), Nobody())).unclear == []
        assert (await list_tasks(other, ListTasks(refresh=True), Nobody())).total == 0
    sandbox.used = 0.25
    await get_balance(bob, NoArguments(), Nobody())
    assert (await alice.ledger.get(lost.request_id)).evidence == "charged"
    assert told[-1] == ("alice", "unknown")
    await shared.aclose()


# what videos took


async def test_the_forecast_learns_from_what_the_provider_says_a_video_took(ledger: Ledger, clock: Clock) -> None:
    """Our clock may be wrong, and a video may be looked at the next day: neither changes what it took."""
    made = NOON - timedelta(hours=1)
    at_75, at_5 = (made + timedelta(seconds=seconds) for seconds in (75, 5))
    for task in (
        ProviderTask("vid_0", "completed", created_at=made, completed_at=at_75),
        ProviderTask("vid_1", "failed", created_at=made, completed_at=at_5),
        ProviderTask("vid_2", "processing", created_at=made),
    ):
        request = NewRequest(BODY, str(task.task_id), None)
        record = (await ledger.reserve(request, window_seconds=0, admit=nothing)).record
        clock.pass_(days=1)
        await ledger.observe(record.request_id, task)
    assert await ledger.similar_durations(await ledger.get("vid_2")) == [5, 75]
