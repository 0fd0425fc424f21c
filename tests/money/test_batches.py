"""Short questions to the ledger go to its thread together, and each caller gets its own answer whatever happens to others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from seedance_mcp.errors import ProviderUnreachable
from seedance_mcp.money.batches import Batches

pytestmark = pytest.mark.anyio


class Away:
    """Batches whose thread is busy until it is let go, so that whatever is asked meanwhile waits."""

    def __init__(self) -> None:
        self.batches = Batches(anyio.CapacityLimiter(1))
        self.ran, self.came = list[str](), list[str]()
        self.go = threading.Event()

    def work(self, name: str) -> Callable[[], str]:
        def run() -> str:
            self.ran.append(name)
            return name

        return run

    async def ask(self, name: str, work: Callable[[], str] | None = None) -> None:
        self.came.append(await self.batches.run(work or self.work(name)))

    async def hold(self) -> None:
        await self.batches.run(self.go.wait)


@asynccontextmanager
async def away() -> AsyncGenerator[Away]:
    """Send the thread off; it comes back when the block ends."""
    held = Away()
    async with anyio.create_task_group() as group:
        group.start_soon(held.hold)
        await anyio.wait_all_tasks_blocked()
        try:
            yield held
        finally:
            held.go.set()


async def test_all_that_wait_go_together() -> None:
    came_before_the_last = list[str]()
    async with away() as held, anyio.create_task_group() as group:

        def last() -> str:
            came_before_the_last.extend(held.came)
            return "last"

        for name in ("a", "b", "c"):
            group.start_soon(held.ask, name)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(held.ask, "last", last)
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    assert sorted(held.ran) == ["a", "b", "c"]
    assert sorted(held.came) == ["a", "b", "c", "last"]
    assert came_before_the_last == []


async def test_what_one_raises_is_for_its_caller_alone() -> None:
    async with away() as held, anyio.create_task_group() as group:

        async def fail() -> None:
            with pytest.raises(KeyError, match="nobody"):
                await held.batches.run(lambda: dict[str, str]()["nobody"])

        group.start_soon(fail)
        group.start_soon(held.ask, "other")
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    assert held.came == ["other"]


async def test_whoever_gives_up_while_waiting_is_not_served_and_stops_nobody() -> None:
    async with away() as held, anyio.create_task_group() as group:
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(held.ask, "gone")
            await anyio.wait_all_tasks_blocked()
            group.start_soon(held.ask, "stays")
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        held.go.set()
    assert held.ran == held.came == ["stays"]


def test_whoever_gives_up_when_it_is_its_turn_lets_the_next_one_go() -> None:
    async def main() -> None:
        batches, go, ran = Batches(anyio.CapacityLimiter(1)), threading.Event(), list[str]()
        leaving = list[asyncio.Task[None]]()

        async def first() -> None:
            await batches.run(go.wait)
            leaving[0].cancel()  # in the same turn of the event loop in which it was called

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await anyio.wait_all_tasks_blocked()
            leaving.append(asyncio.create_task(batches.run(lambda: ran.append("gone"))))
            await anyio.wait_all_tasks_blocked()
            group.start_soon(batches.run, lambda: ran.append("stays"))
            await anyio.wait_all_tasks_blocked()
            go.set()
        assert ran == ["stays"]
        assert leaving[0].cancelled()

    asyncio.run(main())


async def test_whoever_gives_up_while_its_question_is_asked_stops_nobody() -> None:
    async with away() as held, anyio.create_task_group() as group:
        began, go_on = threading.Event(), threading.Event()

        def slow() -> str:
            began.set()
            go_on.wait()
            return "gone"

        async with anyio.create_task_group() as leaving:
            group.start_soon(held.ask, "stays")
            await anyio.wait_all_tasks_blocked()
            leaving.start_soon(held.ask, "gone", slow)
            await anyio.wait_all_tasks_blocked()
            held.go.set()
            await anyio.to_thread.run_sync(began.wait)
            leaving.cancel_scope.cancel()
        go_on.set()
    assert held.came == ["stays"]


async def test_a_call_that_was_given_up_before_asks_nothing() -> None:
    batches, ran = Batches(anyio.CapacityLimiter(1)), list[str]()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await batches.run(lambda: ran.append("asked"))
    assert not ran
    assert await batches.run(lambda: "answer") == "answer"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio lets a task take a thread that it holds itself: it would wait
async def test_where_no_thread_can_go_everybody_is_told_and_the_next_one_is_served() -> None:
    thread = anyio.CapacityLimiter(1)
    batches = Batches(thread)
    await thread.acquire()  # the same task cannot take it twice
    with pytest.raises(RuntimeError, match="already holding"):
        await batches.run(lambda: "never")
    thread.release()
    assert await batches.run(lambda: "answer") == "answer"


@pytest.mark.parametrize("fails", [False, True])
async def test_whoever_went_along_comes_back_though_the_thread_is_taken(*, fails: bool) -> None:
    """Each in a batch has its answer when the thread is back: none goes again."""
    thread, back, asked = anyio.CapacityLimiter(1), anyio.Event(), anyio.Event()
    batches, go = Batches(thread), threading.Event()

    async def take_the_thread() -> None:
        asked.set()
        async with thread:
            await back.wait()

    def leads() -> None:
        anyio.from_thread.run_sync(group.start_soon, take_the_thread)
        anyio.from_thread.run(asked.wait)

    def along() -> str:
        if fails:
            raise ProviderUnreachable("no")
        return "along"

    async def go_along() -> None:
        with anyio.fail_after(60), pytest.raises(ProviderUnreachable) if fails else nullcontext():
            assert await batches.run(along) == "along"
        back.set()

    async with anyio.create_task_group() as group:
        for each in (partial(batches.run, go.wait), partial(batches.run, leads), go_along):
            group.start_soon(each)
            await anyio.wait_all_tasks_blocked()
        go.set()


async def test_whoever_gives_up_while_the_thread_is_taken_still_sees_to_those_that_wait() -> None:
    thread, leaving, came = anyio.CapacityLimiter(1), anyio.CancelScope(), list[str]()
    batches = Batches(thread)

    async def ask(name: str) -> None:
        came.append(await batches.run(lambda: name))

    async def give_up() -> None:
        with leaving:
            await ask("first")

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group, thread:
            for each in (give_up, partial(ask, "second")):
                group.start_soon(each)
                await anyio.wait_all_tasks_blocked()
            leaving.cancel()
            await anyio.wait_all_tasks_blocked()
    assert "second" in came
