"""The loop: looks, signs of life, the deadline, cancellation; on a clock that jumps."""

from __future__ import annotations

from itertools import pairwise

import anyio
import pytest
from conftest import OpenWorld

from seedance_mcp.errors import ProviderFailed, TaskNotFound
from seedance_mcp.waiting import HEARTBEAT_SECONDS, Meter, pause_after, wait


def never(seen: object) -> bool:
    return False


pytestmark = pytest.mark.anyio


async def test_it_looks_no_more_often_than_the_floor_and_tells_in_between() -> None:
    looks: list[float] = []
    told: list[float] = []

    async def look() -> int:
        looks.append(anyio.current_time())
        return len(looks)

    async def tell(seen: int) -> None:
        told.append(anyio.current_time())

    start = anyio.current_time()
    assert await wait(look, never, tell, timeout_seconds=300, floor_seconds=12) == len(looks)
    assert anyio.current_time() == start + 300
    gaps = [later - earlier for earlier, later in pairwise(looks)]
    assert min(gaps) >= 12
    assert max(gaps) <= 15 + 1e-6
    assert max(later - earlier for earlier, later in pairwise(told)) <= HEARTBEAT_SECONDS + 1e-6


async def test_a_look_that_outlasts_the_deadline_is_given_up() -> None:
    looks = 0

    async def look() -> str:
        nonlocal looks
        looks += 1
        await anyio.sleep(0 if looks == 1 else 10_000)
        return f"look {looks}"

    async def tell(seen: str) -> None:
        """Nobody listens."""

    start = anyio.current_time()
    assert await wait(look, never, tell, timeout_seconds=45, floor_seconds=5) == "look 1"
    assert anyio.current_time() == start + 45


async def test_a_passing_failure_is_waited_out_and_a_final_one_ends_it() -> None:
    failures = iter([None, ProviderFailed("later"), None, TaskNotFound("never")])

    async def look() -> str:
        if failure := next(failures):
            raise failure
        return "seen"

    async def tell(seen: str) -> None:
        """Nobody listens."""

    with pytest.raises(TaskNotFound):
        await wait(look, never, tell, timeout_seconds=45, floor_seconds=5)


async def test_a_first_look_that_fails_is_told_at_once() -> None:
    async def look() -> str:
        raise ProviderFailed("no")

    async def tell(seen: str) -> None:
        """Nobody listens."""

    with pytest.raises(ProviderFailed):
        await wait(look, never, tell, timeout_seconds=45, floor_seconds=5)


async def test_cancelling_the_call_stops_the_looks(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.work_seconds = 3600
        task = await world.create()
        with anyio.move_on_after(60) as scope:
            await world.call("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 1800})
        assert scope.cancelled_caught
        before = len(world.sandbox.requests)
        await anyio.sleep(600)
        assert len(world.sandbox.requests) == before


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_cancelled_create_is_still_written_down(open_world: OpenWorld, mode: str) -> None:
    async with open_world(mode=mode) as world:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await world.create()
        await anyio.sleep(1)
        assert world.creates <= 1


def test_the_pause_grows_between_floor_and_ceiling() -> None:
    assert pause_after(0, 5) == 5
    assert pause_after(100, 5) == 10
    assert pause_after(10_000, 5) == 15
    assert pause_after(10_000, 60) == 60


def test_a_meter_only_rises_and_stays_below_the_end() -> None:
    meter = Meter()
    told = [meter.rise(progress) for progress in (0, 0, 40, 10, 40, 99, 99, 99)]
    assert told == sorted(set(told))
    assert told[-1] < 100
    assert meter.rise(100) == 100
