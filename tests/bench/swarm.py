"""A thousand waits on two hundred tasks in one server: who is told what and when, what it holds, and who else is kept waiting.

The provider is in this process, so only the server is measured; a floor of one second stands for the usual five.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from functools import partial

import anyio
import httpx
from kit import ENVIRONMENT, MODEL, Row, Session, empty, memory_mb, ours, session, settings

from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.sandbox.serve import run_in_background

TASKS, WAITS = 200, 1000
FLOOR_SECONDS, WORK_SECONDS = 1.0, 40.0


class Provider(Sandbox):
    """Keeps the time of each look."""

    looks: dict[str, list[float]]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Write the time down and answer as ever."""
        if request.method == "GET" and "/videos/" in request.url.path:
            self.looks[request.url.path.rpartition("/")[2]].append(anyio.current_time())
        return await super().__call__(request)


async def no_film(order: Order, pictures: list[bytes]) -> bytes:
    """Draw nothing: nobody gets to see it."""
    return b""


async def hold_empty() -> float:
    """Megabytes at most of an empty server that holds as many calls."""
    held = 0.0
    async with session(empty(), ENVIRONMENT) as server, anyio.create_task_group() as group:
        for _ in range(WAITS):
            group.start_soon(partial(server.call, "nothing", seconds=5))
        await anyio.sleep(4)
        held = memory_mb(server.process_id, "VmHWM")
        group.cancel_scope.cancel()
    return held


class Swarm:
    """What was seen of one server with very many waits."""

    def __init__(self, server: Session, provider: Provider) -> None:
        """Take both ends."""
        self._server, self._provider = server, provider
        self.told: dict[str, list[float]] = defaultdict(list)
        self.lists: list[float] = []

    async def run(self) -> None:
        """Make the tasks and wait for them, and list the tools meanwhile."""
        requests = [{"model": MODEL, "prompt": f"fox {number}"} for number in range(TASKS)]
        ids = [(await self._server.call("create_video", request=request))["task_id"] for request in requests]
        async with anyio.create_task_group() as listing:
            listing.start_soon(self._list_on)
            async with anyio.create_task_group() as waiting:
                for number in range(WAITS):
                    waiting.start_soon(self._wait, ids[number % TASKS])
            listing.cancel_scope.cancel()

    async def _wait(self, task_id: str) -> None:
        seen = await self._server.call("wait_for_video", task_id=task_id, timeout_seconds=600)
        assert seen["status"] == "completed", seen
        self.told[task_id].append(anyio.current_time())

    async def _list_on(self) -> None:
        while True:
            begun = anyio.current_time()
            assert (await self._server.ask("tools/list"))["tools"]
            self.lists.append((anyio.current_time() - begun) * 1000)
            await anyio.sleep(0.2)

    def rows(self, held_mb: float, empty_mb: float) -> list[Row]:
        """Who was told when, and how many looks that took."""
        looks, tasks = self._provider.looks, self._provider.tasks
        late = [looks[task_id][-1] - task.ends_at for task_id, task in tasks.items()]
        after = [(at - looks[task_id][-1]) * 1000 for task_id, times in self.told.items() for at in times]
        many = f"{WAITS:,} waits on {TASKS} tasks"
        return [
            Row(f"{many}: told of the end", sum(map(len, self.told.values())), "waits", promised=f"{WAITS:,}"),
            Row(f"{many}: looks per task", statistics.mean(map(len, looks.values())), "looks"),
            Row(f"{many} that end at once: lag of the look that saw the end", statistics.mean(late), "s (50 looks a second)"),
            Row(f"{many}: told after that look, the last one", max(after), "ms"),
            Row(f"{many}: `tools/list` meanwhile, median", statistics.median(self.lists), "ms", promised="50 ms"),
            Row(f"{many}: memory at most", held_mb, "MB", f"empty server with {WAITS:,} calls", empty_mb, "100 MB"),
        ]


async def measure() -> list[Row]:
    """Run the swarm once."""
    provider = Provider(no_film, work_seconds=WORK_SECONDS, balance=1e6)
    provider.looks = defaultdict(list)
    empty_mb = await hold_empty()
    async with run_in_background(provider) as address:
        with settings(address, POLL_FLOOR_SECONDS=str(FLOOR_SECONDS)) as environment:
            async with session(ours(), environment) as server:
                swarm = Swarm(server, provider)
                await swarm.run()
                return swarm.rows(memory_mb(server.process_id, "VmHWM"), empty_mb)


def rows() -> list[Row]:
    """Run the swarm once."""
    return anyio.run(measure)
