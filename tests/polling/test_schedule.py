"""The waiting loop: polls, heartbeats, the deadline, cancellation; on a clock that jumps."""

from __future__ import annotations

from itertools import pairwise

import anyio
import httpx
import pytest
from conftest import OpenWorld, no_film

from seedance_mcp.errors import ProviderFailed, TaskNotFound
from seedance_mcp.polling.schedule import HEARTBEAT_SECONDS, LAST_POLL_SECONDS, Forecast, Meter, Source, wait
from seedance_mcp.sandbox.provider import Sandbox


def never(seen: object) -> bool:
    return False


def every_five(seen: object) -> float:
    return 5.0


pytestmark = pytest.mark.anyio


async def test_it_polls_after_each_pause_and_reports_in_between() -> None:
    polls: list[float] = []
    told: list[float] = []

    async def poll() -> int:
        polls.append(anyio.current_time())
        return len(polls)

    async def tell(seen: int) -> None:
        told.append(anyio.current_time())

    start = anyio.current_time()
    assert await wait(Source(poll), never, tell, lambda _: 12.0, timeout_seconds=300) == len(polls)
    assert anyio.current_time() == start + 300
    *gaps, last = (later - earlier for earlier, later in pairwise(polls))
    assert gaps == pytest.approx([12] * 24)
    assert last == pytest.approx(12 - LAST_POLL_SECONDS)
    assert max(later - earlier for earlier, later in pairwise(told)) <= HEARTBEAT_SECONDS + 1e-6


async def test_a_poll_that_outlasts_the_deadline_is_cancelled() -> None:
    polls = 0

    async def poll() -> str:
        nonlocal polls
        polls += 1
        await anyio.sleep(0 if polls == 1 else 10_000)
        return f"poll {polls}"

    async def tell(seen: str) -> None:
        """Nobody listens."""

    start = anyio.current_time()
    assert await wait(Source(poll), never, tell, every_five, timeout_seconds=45) == "poll 1"
    assert anyio.current_time() == start + 45


async def test_a_retryable_failure_is_ignored_and_a_final_one_ends_the_wait() -> None:
    failures = iter([None, ProviderFailed("later"), None, TaskNotFound("never")])

    async def poll() -> str:
        if failure := next(failures):
            raise failure
        return "seen"

    async def tell(seen: str) -> None:
        """Nobody listens."""

    with pytest.raises(TaskNotFound):
        await wait(Source(poll), never, tell, every_five, timeout_seconds=45)


async def test_a_first_poll_that_fails_is_reported_at_once() -> None:
    async def poll() -> str:
        raise ProviderFailed("no")

    async def tell(seen: str) -> None:
        """Nobody listens."""

    with pytest.raises(ProviderFailed):
        await wait(Source(poll), never, tell, every_five, timeout_seconds=45)


async def test_cancelling_the_call_stops_the_polls(open_world: OpenWorld) -> None:
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


class Thinking(Sandbox):
    """Takes five seconds to answer a create."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            await anyio.sleep(5)
        return await super().__call__(request)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_create_that_is_cancelled_under_way_is_written_down_with_its_task(open_world: OpenWorld, mode: str) -> None:
    async with open_world(mode=mode, sandbox=Thinking(no_film)) as world:
        with anyio.move_on_after(1) as scope:
            await world.create()
        assert scope.cancelled_caught
        await anyio.sleep(10)
        listed = await world.call("list_tasks")
        assert [task["task_id"] for task in listed["tasks"]] == list(world.sandbox.tasks)


USUAL = [110.0, 120.0, 130.0] * 7
"""What earlier videos took."""


def pause(past: list[float], elapsed: float, progress: int = 0, min_interval: float = 5.0) -> float:
    return Forecast.of(past, elapsed, progress, min_interval).pause_seconds()


def left(past: list[float], elapsed: float, progress: int = 0) -> float | None:
    return Forecast.of(past, elapsed, progress, 5).remaining_seconds()


def test_where_nothing_is_known_polls_keep_to_what_the_provider_advises() -> None:
    assert {pause([], elapsed) for elapsed in (0, 10, 30, 60, 10_000)} == {15.0}
    assert left([], 10) is None


def test_polls_are_dense_where_the_end_is_likely() -> None:
    early, near, late = (pause(USUAL, elapsed) for elapsed in (0, 118, 250))
    assert near < 7
    assert 30 < early <= 60
    assert near < late <= 60
    assert pause(USUAL, 118, min_interval=1) < near


@pytest.mark.parametrize("min_interval", [0.2, 5, 60])
def test_all_pauses_scale_with_the_min_poll_interval(min_interval: float) -> None:
    past = [share * min_interval for share in USUAL]
    assert pause(past, 50 * min_interval, min_interval=min_interval) == pytest.approx(
        min_interval * pause(USUAL, 50, min_interval=1)
    )


def test_two_peaks_stay_two() -> None:
    peaks = [58.0, 60.0, 62.0, 235.0, 240.0, 245.0] * 4
    at_first, between, at_second = (pause(peaks, elapsed) for elapsed in (58, 110, 238))
    assert at_first < 12 < between
    assert at_second < 12


@pytest.mark.parametrize(("elapsed", "expected"), [(0, 120), (60, 60), (110, 13), (1_000, 300)])
def test_the_remaining_time_follows_from_similar_videos(elapsed: float, expected: float) -> None:
    assert left(USUAL, elapsed) == pytest.approx(expected, rel=0.2)


def test_progress_outweighs_a_history_that_it_contradicts_more_the_further_it_is() -> None:
    told = [left(USUAL, 30, progress) or 0 for progress in (0, 50, 90)]
    assert told[0] == pytest.approx(90, rel=0.1)
    assert 30 < told[1] < 80
    assert told[2] < 15


def test_progress_without_a_history_counts_from_ten_percent_on() -> None:
    assert left([], 30, 9) is None
    assert left([], 30, 25) == pytest.approx(90, rel=0.25)


@pytest.mark.parametrize("past", [[], [1e-3], [100.0] * 40, [1e6]])
@pytest.mark.parametrize("elapsed", [0.0, 1e-9, 1e7])
@pytest.mark.parametrize("progress", [0, 1, 99, 100])
def test_extreme_numbers_keep_the_pause_in_its_bounds(past: list[float], elapsed: float, progress: int) -> None:
    assert 5 <= pause(past, elapsed, progress) <= 60
    assert (left(past, elapsed, progress) or 0) >= 0


async def test_a_finished_video_is_read_once_more_for_a_link_that_holds(open_world: OpenWorld) -> None:
    async with open_world(poll_floor_seconds=5) as world:
        task = (await world.create())["task_id"]
        await anyio.sleep(60)
        await world.call("get_task", {"task_id": task})
        await anyio.sleep(60)
        polls = len(world.sandbox.requests)
        assert (await world.call("wait_for_video", {"task_id": task}))["status"] == "completed"
        assert len(world.sandbox.requests) == polls + 1


@pytest.mark.slow
async def test_many_waits_on_one_task_share_their_polls(open_world: OpenWorld) -> None:
    async with open_world(poll_floor_seconds=5) as world:
        world.sandbox.work_seconds = 60
        tasks = [(await world.create(prompt=f"fox {number}"))["task_id"] for number in range(20)]
        before, told = len(world.sandbox.requests), list[str]()

        async def wait_for(task_id: str) -> None:
            told.append((await world.call("wait_for_video", {"task_id": task_id, "timeout_seconds": 600}))["status"])

        async with anyio.create_task_group() as group:
            for task_id in tasks * 5:
                group.start_soon(wait_for, task_id)
        assert told == ["completed"] * 100
        alone = 60 / 5 + 3
        assert len(world.sandbox.requests) - before <= alone * len(tasks)


def test_a_meter_only_rises_and_stays_below_the_end() -> None:
    meter = Meter()
    told = [meter.rise(progress) for progress in (0, 0, 40, 10, 40, 99, 99, 99)]
    assert told == sorted(set(told))
    assert told[-1] < 100
    assert max(meter.rise(99) for _ in range(500)) < 100
    assert meter.rise(100) == 100
