"""Polls are shared among the callers of a task, limited in their rate, and counted from their answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import PROVIDER, Answer, OpenWorld, World, no_film

from seedance_mcp.errors import LedgerUnusable, ProviderUnreachable
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.money.records import NewRequest, PollClaim, Record
from seedance_mcp.polling.shared import FORGOTTEN_AFTER_SECONDS, TASKS_AT_MIN_INTERVAL, OtherProcesses, Polls
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.tools.observer import Observer
from seedance_mcp.tools.session import Shared
from seedance_mcp.tools.tasks import poll_task

pytestmark = pytest.mark.anyio
MIN_INTERVAL_SECONDS = 5.0


class Slow(Sandbox):
    """Takes its time to answer a poll, and keeps when each was asked."""

    answer_seconds: float = 0.0
    asked: list[float]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and "/videos/" in request.url.path:
            self.asked.append(anyio.current_time())
            await anyio.sleep(self.answer_seconds)
        return await super().__call__(request)


def slow(answer_seconds: float, work_seconds: float = 60.0) -> Slow:
    sandbox = Slow(no_film, work_seconds=work_seconds)
    sandbox.answer_seconds, sandbox.asked = answer_seconds, []
    return sandbox


async def test_a_poll_that_outlasts_the_min_interval_is_shared_as_well(open_world: OpenWorld) -> None:
    async with open_world(sandbox=slow(6), poll_floor_seconds=MIN_INTERVAL_SECONDS) as world:
        task_id = (await world.create())["task_id"]
        start = anyio.current_time()
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(world.call, "get_task", {"task_id": task_id})
        assert anyio.current_time() - start == pytest.approx(6)
    assert len(sandbox_of(world).asked) == 1


def sandbox_of(world: object) -> Slow:
    found = getattr(world, "sandbox", None)
    assert isinstance(found, Slow)
    return found


async def test_a_cancelled_caller_takes_no_place_in_the_rate_limit() -> None:
    polls = Polls(MIN_INTERVAL_SECONDS)

    async def poll(key: str) -> None:
        with anyio.move_on_after(2):
            async with polls.acquire(key) as due:
                assert due

    async with anyio.create_task_group() as group:
        for number in range(500):
            group.start_soon(poll, f"task {number}")
    start = anyio.current_time()
    async with polls.acquire("another") as due:
        assert due
    assert anyio.current_time() - start <= MIN_INTERVAL_SECONDS / TASKS_AT_MIN_INTERVAL + 1e-6


async def test_a_cancelled_poll_counts_for_the_min_interval_and_for_nothing_else() -> None:
    polls = Polls(MIN_INTERVAL_SECONDS)
    with anyio.move_on_after(1):
        async with polls.acquire("task"):
            await anyio.sleep_forever()
    assert polls.seconds_until_due("task", pause_seconds=60) == pytest.approx(MIN_INTERVAL_SECONDS - 1)
    async with polls.acquire("task", until_due=True) as due:
        assert due
    assert polls.seconds_until_due("task", pause_seconds=60) == pytest.approx(60)


async def answered(polls: Polls, key: str = "task", others: OtherProcesses | None = None) -> None:
    async with polls.acquire(key, others) as due:
        assert due


async def test_fifty_tasks_are_polled_in_one_min_interval() -> None:
    polls, began = Polls(MIN_INTERVAL_SECONDS), list[float]()

    async def poll(key: str) -> None:
        async with polls.acquire(key):
            began.append(anyio.current_time())

    start = anyio.current_time()
    async with anyio.create_task_group() as group:
        for number in range(101):
            group.start_soon(poll, f"task {number}")
    assert sorted(began) == pytest.approx([start + number * MIN_INTERVAL_SECONDS / 50 for number in range(101)])


async def test_a_poll_before_its_time_is_left_to_the_caller_before() -> None:
    polls = Polls(MIN_INTERVAL_SECONDS)
    assert (polls.seconds_until_due("task"), polls.seconds_until_due("task", made_seconds_ago=2)) == (0, 3)
    await answered(polls)
    await anyio.sleep(MIN_INTERVAL_SECONDS - 0.5)
    async with polls.acquire("task") as due:
        assert not due
    assert polls.seconds_until_due("task") == 0.5
    await anyio.sleep(0.5)
    await answered(polls)
    quick = Polls(0.25)
    await answered(quick)
    assert quick.seconds_until_due("task") == 0.25


async def test_answers_are_counted_and_dated_and_a_failure_is_one() -> None:
    polls = Polls(MIN_INTERVAL_SECONDS)
    assert (polls.answers("task"), polls.seconds_since_answer("task")) == (0, 0)
    with anyio.move_on_after(1):
        async with polls.acquire("task"):
            await anyio.sleep_forever()
    assert (polls.answers("task"), polls.seconds_since_answer("task")) == (0, 0)
    for count in (1, 2):
        await anyio.sleep(60)
        with pytest.raises(ProviderUnreachable):
            async with polls.acquire("task"):
                raise ProviderUnreachable("no")
        await anyio.sleep(7)
        assert (polls.answers("task"), polls.seconds_since_answer("task")) == (count, 7)
        assert polls.seconds_until_due("task", pause_seconds=10) == 3
    assert [polls.count_missing("task", missing=each) for each in (True, True, False, True)] == [1, 2, 0, 1]


async def test_the_longest_pause_that_the_provider_asked_for_holds() -> None:
    polls = Polls(MIN_INTERVAL_SECONDS)
    await answered(polls)
    for asked, until_due in ((3, 5), (20, 20), (10, 20)):
        polls.postpone("task", asked)
        assert polls.seconds_until_due("task") == until_due


async def test_after_a_machine_slept_every_answer_is_old() -> None:
    ahead_seconds = 1000.0
    polls = Polls(MIN_INTERVAL_SECONDS, lambda: anyio.current_time() + ahead_seconds)
    await anyio.sleep(7)
    await answered(polls)
    ahead_seconds += 60
    assert polls.seconds_until_due("task") == MIN_INTERVAL_SECONDS
    ahead_seconds += 0.5
    assert polls.seconds_until_due("task") == 0
    await answered(polls)
    assert polls.seconds_until_due("task") == MIN_INTERVAL_SECONDS


class Elsewhere:
    """Other processes, whose word on each poll is given, and what they are told."""

    def __init__(self, *claims: PollClaim, is_broken: bool = False) -> None:
        self.claims, self.is_broken = list(claims), is_broken
        self.paces, self.released = list[float](), list[tuple[float, bool]]()

    async def claim(self, pace_seconds: float) -> PollClaim:
        self.paces.append(pace_seconds)
        return self.claims.pop(0)

    async def release(self, seconds: float, *, answered: bool) -> None:
        await anyio.sleep(1)
        self.released.append((seconds, answered))
        if self.is_broken:
            raise LedgerUnusable("no")


async def test_a_poll_of_another_process_counts_as_ours() -> None:
    polls, start = Polls(MIN_INTERVAL_SECONDS), anyio.current_time()
    others = Elsewhere(
        PollClaim(is_mine=False, again_seconds=3),
        PollClaim(is_mine=False, again_seconds=8, answered_seconds_ago=1),
        PollClaim(is_mine=False, again_seconds=2, answered_seconds_ago=60),
    )
    for count, since_answer, until_due in ((1, 0, 3), (2, 1, 5), (3, 6, 2)):
        async with polls.acquire("task", others) as due:
            assert not due
        assert (polls.answers("task"), polls.seconds_since_answer("task")) == (count, since_answer)
        assert polls.seconds_until_due("task") == until_due
        await anyio.sleep(until_due)
    assert anyio.current_time() == start + 10
    assert (others.released, set(others.paces)) == ([], {MIN_INTERVAL_SECONDS / 50})


@pytest.mark.parametrize("is_broken", [False, True])
async def test_other_processes_are_told_how_a_poll_ended(*, is_broken: bool) -> None:
    polls, start = Polls(MIN_INTERVAL_SECONDS), anyio.current_time()
    others = Elsewhere(PollClaim(is_mine=True, place_seconds=2), PollClaim(is_mine=True), is_broken=is_broken)
    async with polls.acquire("task", others) as due:
        assert (due, anyio.current_time()) == (True, start + 2)
    await anyio.sleep(60)
    with anyio.move_on_after(1):
        async with polls.acquire("task", others):
            await anyio.sleep_forever()
    assert others.released == [(MIN_INTERVAL_SECONDS, True), (0.0, False)]


async def test_a_task_not_polled_for_an_hour_is_forgotten_and_one_under_way_is_not() -> None:
    polls = Polls(MIN_INTERVAL_SECONDS)
    async with polls.acquire("held"):
        async with polls.acquire("old"):
            pass
        await anyio.sleep(FORGOTTEN_AFTER_SECONDS + 1)
        async with polls.acquire("new"):
            assert polls.seconds_until_due("old") == 0
            assert set(vars(polls)["_tasks"]) == {"held", "new"}


async def test_a_task_polled_an_hour_ago_is_forgotten_and_one_polled_since_is_not() -> None:
    polls = Polls(MIN_INTERVAL_SECONDS)
    await answered(polls, "old")
    await anyio.sleep(1)
    await answered(polls, "newer")
    await anyio.sleep(FORGOTTEN_AFTER_SECONDS - 1)
    await answered(polls, "newest")
    assert set(vars(polls)["_tasks"]) == {"newer", "newest"}


async def test_an_unknown_task_is_polled_at_the_min_interval_as_well(open_world: OpenWorld) -> None:
    async with open_world(sandbox=slow(0), poll_floor_seconds=MIN_INTERVAL_SECONDS) as world:
        for _ in range(4):
            assert (await world.call("get_task", {"task_id": "vid_elsewhere"})).error["code"] == "task_not_found"
    gaps = [later - earlier for earlier, later in pairwise(sandbox_of(world).asked)]
    assert min(gaps) >= MIN_INTERVAL_SECONDS - 1e-6


async def test_a_short_wait_polls_once_if_the_min_interval_is_over(open_world: OpenWorld) -> None:
    async with open_world(sandbox=slow(0, work_seconds=20), poll_floor_seconds=MIN_INTERVAL_SECONDS) as world:
        task_id = (await world.create())["task_id"]
        await anyio.sleep(60)
        for seconds in (1, 2, 3):
            assert (await world.call("wait_for_video", {"task_id": task_id, "timeout_seconds": seconds}))[
                "status"
            ] == "completed"


@pytest.mark.sqlite_file
async def test_a_request_that_is_still_being_sent_is_waited_for_without_haste(open_world: OpenWorld, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    async with open_world(poll_floor_seconds=MIN_INTERVAL_SECONDS, clock=lambda: now) as world:
        ledger = open_ledger(Settings(data_dir=tmp_path / "data"), lambda: now)
        request = NewRequest({"model": "seedance2.0-sp", "prompt": "a fox", "duration": 5}, "one", None)
        record = (await ledger.reserve(request, window_seconds=0, admit=lambda _: None)).record
        now += timedelta(seconds=30)
        told: list[float] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            told.append(progress)

        waited = await world.call(
            "wait_for_video", {"task_id": record.request_id, "timeout_seconds": 45}, progress_callback=on_progress
        )
        await ledger.aclose()
    assert waited["status"] == "queued"
    assert len(told) < 15


async def test_a_task_of_yesterday_is_not_waited_for(open_world: OpenWorld) -> None:
    now = datetime.now(UTC)
    async with open_world(clock=lambda: now) as world:
        task_id = (await world.create())["task_id"]
        world.sandbox.tasks.clear()
        now += timedelta(days=1, seconds=1)
        for tool, more in (("get_task", {}), ("wait_for_video", {"timeout_seconds": 2})):
            task = await world.call(tool, {"task_id": task_id, **more})
            assert task["status"] == "queued"
            assert task.content["eta_seconds"] is task.content["next"] is None
            assert any("not ended in a day" in warning for warning in task["warnings"])


async def test_a_change_is_published_though_its_poll_is_cancelled(tmp_path: Path) -> None:
    """The ledger knows it by then: no later poll would find a change to tell."""
    told: list[str] = []

    class Slow(Observer):
        async def task_changed(self, task: Record) -> None:
            await anyio.sleep(2)
            told.append(task.status)

    settings = Settings(base_url=PROVIDER, data_dir=tmp_path)
    sandbox = slow(0, work_seconds=1)
    shared = Shared(settings, lambda _: ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(sandbox)), observer=Slow())
    task = await shared.client.create_video({"model": "seedance2.0-sp", "prompt": "a fox", "duration": 5})
    await anyio.sleep(5)
    assert task.task_id
    session = shared.session()
    await session.ledger.adopt(task.task_id, None)
    with anyio.move_on_after(1):
        await poll_task(session, await session.ledger.find(task.task_id), task.task_id)
    assert told == ["completed"]
    await shared.aclose()


async def test_servers_of_one_ledger_poll_a_task_once_per_interval(open_world: OpenWorld) -> None:
    sandbox = slow(2)
    fields: dict[str, Any] = {"sandbox": sandbox, "poll_floor_seconds": MIN_INTERVAL_SECONDS}
    async with open_world(**fields) as one, open_world(**fields) as other:
        task_id = (await one.create())["task_id"]
        answers: list[Answer] = []

        async def get(world: World) -> None:
            answers.append(await world.call("get_task", {"task_id": task_id}))

        async with anyio.create_task_group() as group:
            for world in (one, other, one, other):
                group.start_soon(get, world)
        assert len(sandbox.asked) == 1
        await get(other)
        assert {answer["status"] for answer in answers[-3:]} == {"processing"}
        assert len(sandbox.asked) == 1
