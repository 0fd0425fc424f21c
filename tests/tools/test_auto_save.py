"""Finished videos that are kept without being asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from conftest import OpenWorld, World, tiny_film

from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.tools import auto_save, saving

pytestmark = pytest.mark.anyio


def provider() -> Sandbox:
    return Sandbox(tiny_film)


def kept(world: World) -> list[str]:
    folder = world.settings.output_dir
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


async def test_a_wait_gives_the_path_of_what_it_saw_finished(open_world: OpenWorld) -> None:
    async with open_world(sandbox=provider(), auto_save=True) as world:
        done = await world.call("wait_for_video", {"task_id": (await world.create())["task_id"]})
        assert [Path(done["saved_path"]).name] == kept(world)
        assert (done["status"], done["next"]) == ("completed", None)
        failed = await world.create(prompt="fail: a fox")
        assert (await world.call("wait_for_video", {"task_id": failed["request_id"], "timeout_seconds": 1}))[
            "saved_path"
        ] is None
        assert (await world.call("list_tasks", {"saved": True}))["total"] == 1


async def test_a_video_is_saved_while_no_call_waits_and_after_a_restart(open_world: OpenWorld) -> None:
    sandbox = provider()
    async with open_world(sandbox=sandbox) as world:
        before = await world.create(prompt="before")
        await world.create(prompt="lost", duration=4)
    async with open_world(sandbox=sandbox, auto_save=True) as world:
        made = await world.create()
        await anyio.sleep(600)
        assert len(kept(world)) == 3
        rows = (await world.call("list_tasks"))["tasks"]
        assert {made["task_id"], before["task_id"]} <= {row["task_id"] for row in rows if row["saved"]}
        polls = len(world.sandbox.requests)
        await anyio.sleep(600)
        assert len(world.sandbox.requests) == polls


async def test_two_servers_of_one_ledger_save_a_video_once(open_world: OpenWorld) -> None:
    sandbox = provider()
    async with open_world(sandbox=sandbox, auto_save=True) as one, open_world(sandbox=sandbox, auto_save=True) as other:
        task = await one.create()
        answers: list[str] = []
        async with anyio.create_task_group() as group:
            for world in (one, other):

                async def wait(world: World = world) -> None:
                    answers.append((await world.call("wait_for_video", {"task_id": task["task_id"]}))["saved_path"])

                group.start_soon(wait)
        assert len(set(answers)) == len(kept(one)) == 1


@pytest.mark.slow
async def test_a_transfer_longer_than_a_claim_is_not_begun_by_another_server(open_world: OpenWorld) -> None:
    async def slow(order: Order, pictures: list[bytes]) -> bytes:
        await anyio.sleep(3 * saving.CLAIM_SECONDS)
        return await tiny_film(order, pictures)

    sandbox = Sandbox(slow)
    async with open_world(sandbox=sandbox, auto_save=True) as one, open_world(sandbox=sandbox, auto_save=True) as other:
        task = await one.create()
        async with anyio.create_task_group() as group:  # at least one of them finds the saving taken, and waits for its end
            for world in (one, other):
                group.start_soon(world.call, "wait_for_video", {"task_id": task["task_id"]})
        assert len(kept(one)) == 1
    assert sum(path.startswith("/results/") for _, path in sandbox.requests) == 1


@pytest.mark.slow
async def test_what_cannot_be_saved_is_told_and_tried_again_later(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "videos").write_text("no folder")
    async with open_world(sandbox=provider(), auto_save=True) as world:
        done = await world.call("wait_for_video", {"task_id": (await world.create())["task_id"]})
        assert done["saved_path"] is None
        assert "could not be saved by itself: The video cannot be written" in done.text
        assert done["next"]["tool"] == "download_video"
        await anyio.sleep(400)
        (warning,) = (await world.call("list_tasks"))["warnings"]
        assert warning.startswith(done["task_id"])
        (tmp_path / "videos").unlink()
        await anyio.sleep(4000)
        assert len(kept(world)) == 1
        assert (await world.call("list_tasks"))["warnings"] == []


async def test_a_task_that_cannot_be_polled_is_polled_later(open_world: OpenWorld) -> None:
    async with open_world(sandbox=provider(), auto_save=True) as world:
        await world.create()
        world.sandbox.faults = [Fault("unauthorized", "/videos", 2)]
        await anyio.sleep(600)
        assert len(kept(world)) == 1


@pytest.mark.sqlite_file
async def test_a_ledger_that_fails_for_a_while_ends_nothing(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    async with open_world(sandbox=provider(), auto_save=True) as world:
        await anyio.sleep(100)
        assert (await world.create()).error["code"] == "not_configured"
        (tmp_path / "data").unlink()
        await world.create()
        await anyio.sleep(600)
        assert len(kept(world)) == 1


@pytest.mark.slow
async def test_a_task_of_days_ago_is_followed_no_more(open_world: OpenWorld) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    async with open_world(sandbox=(sandbox := provider())) as world:
        sandbox.work_seconds = 10**7
        await world.create()
    async with open_world(sandbox=sandbox, auto_save=True, clock=lambda: later):
        await anyio.sleep(600)
        polls = len(sandbox.requests)
        await anyio.sleep(600)
        assert sandbox.requests[polls:] == []


async def test_nobody_is_asked_and_gives_no_answer() -> None:
    assert await auto_save.Nobody().ask("Make it?", "token") == "absent"
