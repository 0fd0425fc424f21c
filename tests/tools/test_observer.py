"""What an observer learns of a running server, each event once, at the client's door."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from conftest import OpenWorld
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequestParams, ElicitResult

from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.records import Record
from seedance_mcp.provider.client import Exchange
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.tools.observer import UNKNOWN_TOOL, NoObserver, Observer, Poll, ToolCall

pytestmark = pytest.mark.anyio
PROMPT = "a fox"
"""What `world.create` asks for; no log line may hold it."""


class Diary(Observer):
    """Keeps every event in its order."""

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []
        self.exchanges: list[Exchange] = []
        self.polls: list[Poll] = []
        self.changed: list[Record] = []
        self.lost: list[tuple[Record, SeedanceError]] = []
        self.settled: list[Record] = []

    def tool_called(self, call: ToolCall) -> None:
        self.calls.append(call)

    def provider_called(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    def poll_done(self, poll: Poll) -> None:
        self.polls.append(poll)

    async def task_changed(self, task: Record) -> None:
        self.changed.append(task)

    def answer_lost(self, task: Record, error: SeedanceError) -> None:
        self.lost.append((task, error))

    def money_settled(self, task: Record) -> None:
        self.settled.append(task)


class Impatient(NoObserver):
    """Gives a call up when its first request to the provider failed: a pause follows, and the call is certainly not done."""

    scope: anyio.CancelScope | None = None

    def provider_called(self, exchange: Exchange) -> None:
        if self.scope is not None:
            self.scope.cancel()


class Broken(Observer):
    """Raises whatever happens."""

    def tool_called(self, call: ToolCall) -> None:
        raise RuntimeError(PROMPT)

    def provider_called(self, exchange: Exchange) -> None:
        raise RuntimeError(PROMPT)

    def poll_done(self, poll: Poll) -> None:
        raise RuntimeError(PROMPT)

    async def task_changed(self, task: Record) -> None:
        raise RuntimeError(PROMPT)

    def answer_lost(self, task: Record, error: SeedanceError) -> None:
        raise RuntimeError(PROMPT)

    def money_settled(self, task: Record) -> None:
        raise RuntimeError(PROMPT)


async def test_one_video_is_seen_from_its_call_to_its_cost(open_world: OpenWorld) -> None:
    diary = Diary()
    async with open_world(observers=[diary]) as world:
        task = await world.create()
        await world.call("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 1800})
    assert [(call.tool, call.principal, call.outcome, call.error) for call in diary.calls] == [
        ("create_video", "", "answered", None),
        ("wait_for_video", "", "answered", None),
    ]
    assert diary.calls[1].seconds > diary.calls[0].seconds >= 0
    posts = [exchange for exchange in diary.exchanges if exchange.method == "POST"]
    assert [(each.path, each.status) for each in posts] == [("/api/open-api/v1/seedance/videos", 200)]
    assert {each.task_id for each in diary.polls} == {task["task_id"]}
    assert [each.status for each in diary.polls][-1] == "completed"
    assert diary.changed[0].status == "queued"
    assert diary.changed[-1].status == "completed"
    assert [(each.settled, each.settled_by) for each in diary.settled] == [(Decimal("0.25"), "provider")]
    assert diary.lost == []


async def test_a_lost_answer_is_seen_and_so_is_what_became_of_its_money(open_world: OpenWorld) -> None:
    diary, now = Diary(), datetime(2026, 11, 23, 12, tzinfo=UTC)
    async with open_world(observers=[diary], clock=lambda: now) as world:
        world.sandbox.faults = [Fault("lost", "/seedance/videos")]
        lost = await world.create()
        ((task, error),) = diary.lost
        assert (task.request_id, error.code) == (lost.error["request_id"], "outcome_unknown")
        assert [(call.tool, call.outcome, call.error) for call in diary.calls] == [("create_video", "failed", error)]
        assert diary.settled == []
        now += timedelta(seconds=180)
        await world.call("get_balance")
        assert [(each.request_id, each.settled_by) for each in diary.settled] == [(task.request_id, "balance")]


async def test_a_poll_and_a_request_without_an_answer_are_seen_as_such(open_world: OpenWorld) -> None:
    diary = Diary()
    async with open_world(observers=[diary]) as world:
        task = await world.create()
        world.sandbox.faults = [Fault("hang", "/videos/", 99)]
        await anyio.sleep(6)
        assert (await world.call("get_task", {"task_id": task["task_id"]})).is_error
    assert diary.polls[-1].status is None
    assert diary.exchanges[-1].status is None
    assert diary.calls[-1].outcome == "failed"


async def test_a_question_an_unknown_tool_and_a_cancelled_call_are_seen(open_world: OpenWorld) -> None:
    async def decline(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="decline")

    diary, impatient = Diary(), Impatient()
    async with open_world(observers=[diary, impatient], answer=decline, confirm_above="0.01") as world:
        await world.create()
        assert [call.outcome for call in diary.calls] == ["asked", "failed"]
        await world.call("make_video")
        assert (diary.calls[-1].tool, diary.calls[-1].outcome) == (UNKNOWN_TOOL, "failed")
        with anyio.CancelScope() as scope:
            impatient.scope = scope
            world.sandbox.faults = [Fault("hang", "balance", 99)]
            await world.call("get_balance")
        assert scope.cancelled_caught
        await anyio.wait_all_tasks_blocked()
        assert (diary.calls[-1].tool, diary.calls[-1].outcome) == ("get_balance", "cancelled")
        with pytest.raises(MCPError):
            await world.client.read_resource("seedance://nothing")
        assert len(diary.calls) == 4


async def test_an_observer_that_fails_stops_no_call_and_no_other_observer(
    open_world: OpenWorld, caplog: pytest.LogCaptureFixture
) -> None:
    diary = Diary()
    async with open_world(observers=[Broken(), NoObserver(), diary]) as world:
        task = await world.create()
        await world.call("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 1800})
        world.sandbox.faults = [Fault("lost", "/seedance/videos")]
        await world.create(prompt="an owl")
    assert diary.calls
    assert diary.exchanges
    assert diary.polls
    assert diary.changed
    assert diary.lost
    assert diary.settled
    assert "RuntimeError in the observer Broken" in caplog.text
    assert PROMPT not in caplog.text


async def test_an_operator_finds_in_the_log_what_was_lost_refused_and_paid(
    open_world: OpenWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "seedance_mcp")
    async with open_world() as world:
        task = await world.create()
        world.sandbox.faults = [Fault("lost", "/seedance/videos")]
        lost = (await world.create(prompt="an owl")).error
        world.sandbox.faults = [Fault("bad_parameters", "/seedance/videos")]
        refused = (await world.create(prompt="a bear")).error
        await world.call("get_task", {"task_id": "no task"})
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert ("INFO", f"Request {task['request_id']} on seedance2.0-sp, task {task['task_id']}: queued, 0 %") in lines
    assert ("INFO", f"Request {task['request_id']} on seedance2.0-sp: 0.25 settled by provider") in lines
    assert ("WARNING", f"Request {lost['request_id']} on seedance2.0-sp: outcome_unknown, charged: maybe") in lines
    assert ("WARNING", f"create_video (request {refused['request_id']}): invalid_request, charged: no") in lines
    assert ("INFO", "get_task (request None): task_not_found, charged: no") in lines
    assert any(line.startswith("POST /api/open-api/v1/seedance/videos: HTTP 200") for _, line in lines)
    assert not any(animal in caplog.text for animal in (PROMPT, "an owl", "a bear"))
