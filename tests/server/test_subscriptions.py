"""What a client that listens is told of tasks, and what it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import httpx
import pytest
from conftest import OpenWorld, World, no_film
from mcp import Client
from mcp.client.subscriptions import Subscription
from mcp.server import Server
from mcp.shared.subscriptions import ResourceUpdated

from seedance_mcp.money.records import Record
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.server.handlers import open_shared
from seedance_mcp.server.subscriptions import TaskSubscriptions
from seedance_mcp.tools.observer import Observer
from seedance_mcp.tools.session import Shared

pytestmark = pytest.mark.anyio
SILENCE_SECONDS = 600.0


def uri_of(key: str) -> str:
    return f"seedance://tasks/{key}"


async def heard(subscription: Subscription) -> str:
    event = await anext(subscription)
    assert isinstance(event, ResourceUpdated)
    return event.uri


async def hears_nothing(subscription: Subscription) -> bool:
    with anyio.move_on_after(SILENCE_SECONDS) as silence:
        await anext(subscription)
    return silence.cancelled_caught


async def finish(world: World, task_id: str) -> None:
    assert (await world.call("wait_for_video", {"task_id": task_id, "timeout_seconds": 1800}))["status"] == "completed"


async def test_who_listens_for_a_task_is_told_under_both_its_names_when_it_changes(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create()
        names = [uri_of(task["task_id"]), uri_of(task["request_id"])]
        async with world.client.listen(resource_subscriptions=names) as subscription:
            assert subscription.honored.resource_subscriptions == names
            await finish(world, task["task_id"])
            assert {await heard(subscription), await heard(subscription)} == set(names)


async def test_nothing_is_told_of_other_tasks_or_of_one_that_stays_as_it_is(open_world: OpenWorld) -> None:
    async with open_world() as world:
        quiet, other = await world.create(), await world.create(prompt="an owl")
        await finish(world, quiet["task_id"])
        async with world.client.listen(resource_subscriptions=[uri_of(quiet["task_id"])]) as subscription:
            await finish(world, other["task_id"])
            await anyio.sleep(60)
            await world.call("get_task", {"task_id": quiet["task_id"]})
            assert await hears_nothing(subscription)


async def test_only_tasks_are_promised_since_nothing_else_ever_changes(open_world: OpenWorld) -> None:
    async with open_world() as world:
        offered = world.client.server_capabilities
        assert offered.tools
        assert offered.tools.list_changed is False
        assert offered.prompts
        assert offered.prompts.list_changed is False
        assert offered.resources
        assert offered.resources.list_changed is False
        assert offered.resources.subscribe is True
        asked = ["seedance://pricing", uri_of("req_1")]
        async with world.client.listen(
            tools_list_changed=True, resources_list_changed=True, prompts_list_changed=True, resource_subscriptions=asked
        ) as subscription:
            assert subscription.honored.model_dump(exclude_none=True) == {"resource_subscriptions": [uri_of("req_1")]}


async def test_the_older_era_is_promised_no_changes(open_world: OpenWorld) -> None:
    async with open_world(mode="legacy") as world:
        offered = world.client.server_capabilities
        assert offered.tools
        assert not offered.tools.list_changed
        assert offered.resources
        assert not offered.resources.list_changed
        assert not offered.resources.subscribe


@pytest.mark.parametrize("tool", ["get_balance", "list_tasks"])
async def test_what_the_balance_says_of_a_lost_answer_is_told(open_world: OpenWorld, tool: str) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    async with open_world(clock=lambda: now) as world:
        world.sandbox.faults = [Fault("lost", "/seedance/videos")]
        lost = await world.create()
        assert lost.error["code"] == "outcome_unknown"
        async with world.client.listen(resource_subscriptions=[uri_of(lost.error["request_id"])]) as subscription:
            now += timedelta(seconds=180)
            await world.call(tool, {"refresh": True} if tool == "list_tasks" else {})
            assert await heard(subscription) == uri_of(lost.error["request_id"])


class Seen(Observer):
    """Keeps the tasks that changed."""

    def __init__(self) -> None:
        self.tasks: list[Record] = []

    async def task_changed(self, task: Record) -> None:
        self.tasks.append(task)


async def test_a_principal_without_a_stream_leaves_nothing_behind(open_world: OpenWorld) -> None:
    subscriptions, seen = TaskSubscriptions(), Seen()
    async with open_world(observers=[seen]) as world:
        task = await world.create()
    for number in range(5000):
        await subscriptions.task_changed(seen.tasks[0]._replace(principal=f"caller {number}"))
    assert len(subscriptions) == 0
    server = Server[Shared](
        "listening", on_subscriptions_listen=subscriptions.listen, lifespan=lambda _: open_shared(Shared(world.settings))
    )
    async with Client(server) as client:
        async with client.listen(resource_subscriptions=[uri_of("a")]), client.listen(resource_subscriptions=[uri_of("b")]):
            assert len(subscriptions) == 1
            async with client.listen(resource_subscriptions=[uri_of(task["task_id"])]) as subscription:
                await subscriptions.task_changed(seen.tasks[0])
                assert await heard(subscription) == uri_of(task["task_id"])
        await anyio.wait_all_tasks_blocked()
        assert len(subscriptions) == 0


async def test_a_stream_that_ends_leaves_the_others_of_its_principal_listening(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task_id = (await world.create())["task_id"]
        async with world.client.listen(resource_subscriptions=[uri_of(task_id)]) as subscription:
            async with world.client.listen(resource_subscriptions=[uri_of(task_id)]):
                pass
            await anyio.sleep(1)
            await finish(world, task_id)
            with anyio.fail_after(SILENCE_SECONDS):
                assert await heard(subscription) == uri_of(task_id)


class Slow(Sandbox):
    """Takes its time over a new request."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            await anyio.sleep(30)
        return await super().__call__(request)


@pytest.mark.parametrize(("fault", "status"), [("code_0", "queued"), ("lost", "unknown"), ("bad_parameters", "failed")])
async def test_what_becomes_of_a_request_on_its_way_is_told(open_world: OpenWorld, fault: str, status: str) -> None:
    async with open_world(sandbox=Slow(no_film)) as world, anyio.create_task_group() as group:
        world.sandbox.faults = [Fault(fault, "/seedance/videos")]
        group.start_soon(world.create)
        await anyio.sleep(20)
        (sending,) = (await world.call("list_tasks", {"detail": "full"}))["tasks"]
        async with world.client.listen(resource_subscriptions=[uri_of(sending["request_id"])]) as subscription:
            assert await heard(subscription) == uri_of(sending["request_id"])
            (sent,) = (await world.call("list_tasks", {"detail": "full"}))["tasks"]
            assert sent["status"] == status


async def test_what_another_server_of_the_ledger_saw_is_told(open_world: OpenWorld) -> None:
    sandbox = Sandbox(no_film)
    async with open_world(sandbox=sandbox) as one, open_world(sandbox=sandbox) as other:
        task = await other.create()
        async with one.client.listen(resource_subscriptions=[uri_of(task["task_id"])]) as subscription:
            await finish(other, task["task_id"])
            assert await heard(subscription) == uri_of(task["task_id"])
