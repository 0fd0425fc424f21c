"""A thousand waits on two hundred tasks in one server: who is told what and when, what it holds, and who else is kept waiting.

Run it with the interpreter that has seedance-mcp installed: `python tests/bench/swarm.py [TASKS] [WAITS]`. The provider is in
this process, so only the server is measured; a floor of one second stands for the usual five.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import run_in_background

FLOOR_SECONDS, WORK_SECONDS = 1.0, 40.0
MODEL = "seedance2.0-md"


class Provider(Sandbox):
    """Keeps the time of each look."""

    looks: dict[str, list[float]]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Write the time down and answer as ever."""
        if request.method == "GET" and "/videos/" in request.url.path:
            self.looks[request.url.path.rpartition("/")[2]].append(anyio.current_time())
        return await super().__call__(request)


async def no_film(body: dict[str, Any], pictures: list[bytes]) -> bytes:
    """Draw nothing: nobody gets to see it."""
    return b""


class Session:
    """One client on the server's pipes, with as many requests under way as it likes."""

    def __init__(self, process: Process) -> None:
        """Take the server."""
        assert process.stdin
        assert process.stdout
        self._to, self._from = process.stdin, BufferedByteReceiveStream(process.stdout)
        self._ids, self._waiting = itertools.count(1), dict[int, tuple[anyio.Event, list[Any]]]()

    async def listen(self) -> None:
        """Hand every answer to who waits for it."""
        while True:
            message = json.loads(await self._from.receive_until(b"\n", 1 << 24))
            if "method" not in message:
                event, box = self._waiting.pop(message["id"])
                box.append(message["result"])
                event.set()

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one request and wait for its result."""
        identity, event, box = next(self._ids), anyio.Event(), list[Any]()
        self._waiting[identity] = event, box
        await self.say(method, id=identity, params={**params, "_meta": {"progressToken": identity}})
        await event.wait()
        return box[0]

    async def say(self, method: str, **more: Any) -> None:
        """Send one message."""
        await self._to.send(json.dumps({"jsonrpc": "2.0", "method": method, **more}).encode() + b"\n")

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured half of a tool's result."""
        result = await self.ask("tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), result
        return result["structuredContent"]


@asynccontextmanager
async def server(provider: Provider, folder: str) -> AsyncGenerator[tuple[Session, int]]:
    """Run a server on its own provider; gives the open session and the server's process."""
    async with run_in_background(provider) as address:
        settings = {"BASE_URL": address, "API_KEY": KEY, "DATA_DIR": folder, "POLL_FLOOR_SECONDS": str(FLOOR_SECONDS)}
        environment = {**os.environ, **{f"SEEDANCE_{name}": value for name, value in settings.items()}}
        command = [sys.executable, "-m", "seedance_mcp"]
        process = await anyio.open_process(command, stdin=subprocess.PIPE, stderr=None, env=environment)
        async with process, anyio.create_task_group() as group:
            session = Session(process)
            group.start_soon(session.listen)
            info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
            await session.ask("initialize", **info)
            await session.say("notifications/initialized")
            yield session, process.pid
            group.cancel_scope.cancel()
            process.kill()


def memory_mb(process: int, what: str) -> float:
    """Resident megabytes, now (`VmRSS`) or at most (`VmHWM`)."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{what}:"))


async def measure(tasks: int, waits: int) -> None:
    """Print what was seen, one line each."""
    told: dict[str, list[float]] = defaultdict(list)
    lists: list[float] = []
    provider = Provider(no_film, work_seconds=WORK_SECONDS, balance=1e6)
    provider.looks = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        async with server(provider, folder) as (session, process):

            async def wait(task_id: str) -> None:
                seen = await session.call("wait_for_video", task_id=task_id, timeout_seconds=600)
                assert seen["status"] == "completed", seen
                told[task_id].append(anyio.current_time())

            async def list_on() -> None:
                while True:
                    begun = anyio.current_time()
                    assert (await session.ask("tools/list"))["tools"]
                    lists.append((anyio.current_time() - begun) * 1000)
                    await anyio.sleep(0.2)

            made = [await session.call("create_video", request={"model": MODEL, "prompt": f"fox {n}"}) for n in range(tasks)]
            ids = [task["task_id"] for task in made]
            before = memory_mb(process, "VmRSS")
            async with anyio.create_task_group() as listing:
                listing.start_soon(list_on)
                async with anyio.create_task_group() as waiting:
                    for number in range(waits):
                        waiting.start_soon(wait, ids[number % tasks])
                listing.cancel_scope.cancel()
            report(provider, told, lists)
            print(
                f"memory: {before:.1f} MB with {tasks} tasks, at most {memory_mb(process, 'VmHWM'):.1f} MB with {waits} waits"
            )


def report(provider: Provider, told: dict[str, list[float]], lists: list[float]) -> None:
    """Print who was told when, and how many looks that took."""
    last = {task_id: looks[-1] for task_id, looks in provider.looks.items()}
    late = [last[task_id] - task.ends_at for task_id, task in provider.tasks.items()]
    after = [(at - last[task_id]) * 1000 for task_id, times in told.items() for at in times]
    spare = [sum(at > task.ends_at for at in provider.looks[task_id]) - 1 for task_id, task in provider.tasks.items()]
    count = [len(looks) for looks in provider.looks.values()]
    print(f"told: {sum(map(len, told.values()))} waits on {len(told)} tasks")
    print(f"looks per task: {statistics.mean(count):.1f}; looks after the one that saw the end: {sum(spare)}")
    print(
        f"the look that saw the end came {statistics.mean(late):.2f} s late, at most {max(late):.2f} s, floor {FLOOR_SECONDS:.0f} s"
    )
    print(f"who waited was told {statistics.median(after):.0f} ms after that look, at most {max(after):.0f} ms")
    print(f"tools/list meanwhile: median {statistics.median(lists):.1f} ms, at most {max(lists):.0f} ms of {len(lists)}")


if __name__ == "__main__":
    TASKS, WAITS = (int(given) for given in (*sys.argv[1:], 200, 1000)[:2]) if len(sys.argv) != 2 else (int(sys.argv[1]), 1000)
    anyio.run(measure, TASKS, WAITS)
