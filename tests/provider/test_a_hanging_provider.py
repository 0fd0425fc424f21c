"""A provider that never answers holds no call for long: each ends with what is known, and says meanwhile that it waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest
from conftest import OpenWorld, World, no_film, png

from seedance_mcp.sandbox.provider import Sandbox

pytestmark = pytest.mark.anyio
MOST_SECONDS = 45
CREATE_MOST_SECONDS = 50


@dataclass
class Hanging(Sandbox):
    """A sandbox that takes requests and never answers them, once it is told to."""

    hangs: bool = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.hangs:
            return await super().__call__(request)
        self.requests.append((request.method, request.url.path))
        if request.url.path.endswith("/files/upload"):
            raise httpx.ReadTimeout("silent", request=request)
        await anyio.sleep(10_000)
        raise AssertionError("unreachable")


@dataclass
class Notes:
    """The progress that a client was told."""

    told: list[float] = field(default_factory=list[float])

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.told.append(progress)


async def timed(world: World, tool: str, arguments: dict[str, Any]) -> tuple[Any, float, Notes]:
    began, notes = anyio.current_time(), Notes()
    answer = await world.call(tool, arguments, progress_callback=notes)
    return answer, anyio.current_time() - began, notes


FREE: dict[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "get_task": ("get_task", lambda task_id: {"task_id": task_id}),
    "get_task of a stranger": ("get_task", lambda _: {"task_id": "vid_elsewhere"}),
    "get_balance": ("get_balance", lambda _: {}),
    "get_asset": ("get_asset", lambda _: {"reference": "asset://a1", "model": "seedance2.0-sp"}),
    "upload_asset": ("upload_asset", lambda _: {"source": "https://a.b/c.png", "model": "seedance2.0-sp"}),
}


@pytest.mark.parametrize("name", FREE)
async def test_a_free_call_ends_in_time_with_notes_meanwhile(open_world: OpenWorld, name: str) -> None:
    tool, arguments = FREE[name]
    async with open_world(sandbox=Hanging(no_film)) as world:
        task = await world.create()
        assert isinstance(world.sandbox, Hanging)
        await anyio.sleep(60)
        world.sandbox.hangs = True
        answer, seconds, notes = await timed(world, tool, arguments(task["task_id"]))
    assert seconds < MOST_SECONDS
    assert (answer.error["code"], answer.error["charged"], answer.error["retryable"]) == ("provider_error", "no", True)
    assert "did not answer within" in answer.text
    assert notes.told == sorted(set(notes.told))
    assert len(notes.told) >= 3


async def test_a_list_that_cannot_be_refreshed_in_time_says_so(open_world: OpenWorld) -> None:
    async with open_world(sandbox=Hanging(no_film)) as world:
        for number in range(9):
            await world.create(prompt=f"fox {number}")
        assert isinstance(world.sandbox, Hanging)
        await anyio.sleep(60)
        world.sandbox.hangs = True
        listed, seconds, notes = await timed(world, "list_tasks", {"refresh": True})
        plain = await world.call("list_tasks", {})
    assert seconds < MOST_SECONDS
    assert listed["total"] == 9
    assert any("Not every running task could be polled" in each for each in listed["warnings"])
    assert not any("Not every running task" in each for each in plain["warnings"])
    assert len(notes.told) >= 3


async def test_a_create_is_of_unknown_outcome_in_time(open_world: OpenWorld) -> None:
    async with open_world(sandbox=Hanging(no_film, hangs=True), max_cost_per_day="9", allow_unpriced=True) as world:
        answer, seconds, notes = await timed(
            world, "create_video", {"request": {"model": "seedance2.0-sp", "prompt": "a fox"}}
        )
        assert world.creates == 1
    assert seconds < CREATE_MOST_SECONDS
    assert (answer.error["code"], answer.error["charged"]) == ("outcome_unknown", "maybe")
    assert len(notes.told) >= 5


async def test_a_file_that_nobody_takes_ends_its_upload(open_world: OpenWorld, tmp_path: Any) -> None:
    (tmp_path / "a.png").write_bytes(png(640, 480))
    async with open_world(sandbox=Hanging(no_film, hangs=True)) as world:
        answer = await world.call("upload_asset", {"source": str(tmp_path / "a.png"), "model": "seedance2.0-sp"})
    assert (answer.error["code"], answer.error["charged"]) == ("provider_error", "no")


@dataclass
class Limiting(Sandbox):
    """A sandbox that asks for a pause when a task is polled, once it is told to."""

    retry_after: str = ""
    polls: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.retry_after and "/v1/videos/" in request.url.path:
            self.polls += 1
            return httpx.Response(429, headers={"Retry-After": self.retry_after})
        return await super().__call__(request)


async def test_a_long_pause_that_the_provider_asks_for_is_told_and_kept(open_world: OpenWorld) -> None:
    async with open_world(sandbox=Limiting(no_film)) as world:
        task = await world.create()
        assert isinstance(world.sandbox, Limiting)
        await anyio.sleep(60)
        world.sandbox.retry_after = "120"
        answer, seconds, _ = await timed(world, "get_task", {"task_id": task["task_id"]})
        assert seconds < MOST_SECONDS
        assert (answer.error["code"], answer.error["retry_after_seconds"]) == ("rate_limited", 120)
        assert world.sandbox.polls == 1
        waited = await world.call("wait_for_video", {"task_id": task["task_id"]})
        assert waited["status"] == "queued"
        assert world.sandbox.polls == 1
        await anyio.sleep(120)
        world.sandbox.retry_after = ""
        assert (await world.call("get_task", {"task_id": task["task_id"]}))["status"] == "completed"
        world.sandbox.retry_after = "120"
        assert (await world.call("get_task", {"task_id": "vid_elsewhere"})).error["retry_after_seconds"] == 120
