"""What the benchmarks share: one row of the table, the server as an operator installs it, and a client on its pipes."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from seedance_mcp.sandbox.provider import KEY

sys.path.insert(0, str(Path(__file__).parents[1]))
from workshop import ROOT, empty_venv, install

NOWHERE = "http://127.0.0.1:9"
ENVIRONMENT = {**os.environ, "SEEDANCE_BASE_URL": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1"}
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody starts from sources twice
MODEL = "seedance2.0-md"
OLDER, NEWER = "2025-11-25", "2026-07-28"
INFO = {"protocolVersion": OLDER, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
EMPTY = """
import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.stdio import stdio_server

async def tools(ctx, params):
    return types.ListToolsResult(tools=[types.Tool(name="nothing", input_schema={"type": "object"})])

async def call(ctx, params):
    await anyio.sleep(params.arguments["seconds"])
    return types.CallToolResult(content=[], structured_content={"done": True})

async def main():
    server = Server("empty", on_list_tools=tools, on_call_tool=call)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

anyio.run(main)
"""
PROVIDER = """
import sys
from seedance_mcp.sandbox import serve
from seedance_mcp.sandbox.provider import Sandbox

async def film(order, pictures):
    media = int(sys.argv[1]) - 36
    boxes = (20, b"ftypisom", 8), (media, b"mdat", media - 8), (16, b"moov", 8)
    return b"".join(size.to_bytes(4) + name + bytes(zeros) for size, name, zeros in boxes)

bound = serve.listen()
print(f"http://127.0.0.1:{bound.getsockname()[1]}", flush=True)
serve.server_for(Sandbox(film, balance=1e6)).run(sockets=[bound])
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a figure of ours, one beside it from the same run, and what was promised."""

    what: str
    ours: float
    unit: str
    beside: str = ""
    theirs: float | None = None
    promised: str = ""
    ratio: float | None = None
    """Where it is not simply one by the other: the median of the ratios of each round."""

    def __str__(self) -> str:
        """Give the line as Markdown."""
        beside = "" if self.theirs is None else f"{self.beside}: {_short(self.theirs)}"
        ratio = self.ratio if self.ratio is not None else self.theirs and self.ours / self.theirs
        cells = (self.what, f"{_short(self.ours)} {self.unit}", beside, "" if ratio is None else f"{ratio:.2f}", self.promised)
        return f"| {' | '.join(cells)} |"


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


@cache
def binaries(extras: str = "") -> Path:
    """The `bin` folder of an environment with what an operator installs, and no more; `extras` as pip writes them."""
    folder = tempfile.mkdtemp(prefix="seedance-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    found = empty_venv(Path(folder))
    install(found / "pip", "install", "-q", f"{ROOT}{extras}")
    return found


def ours() -> list[str]:
    """The installed console script."""
    return [str(binaries() / "seedance-mcp")]


def empty() -> list[str]:
    """A server with one tool that sleeps, on the same SDK."""
    return [str(binaries() / "python"), "-c", EMPTY]


@contextmanager
def provider(film_bytes: int = 1000) -> Generator[str]:
    """Run a provider in a process of its own; gives its address."""
    with subprocess.Popen([sys.executable, "-c", PROVIDER, str(film_bytes)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def settings(address: str, **more: str) -> Generator[dict[str, str]]:
    """What a server is told: its provider, and a scratch folder to keep its books in."""
    with tempfile.TemporaryDirectory() as folder:
        told = {"BASE_URL": address, "API_KEY": KEY, "DATA_DIR": folder, **more}
        yield {**ENVIRONMENT, **{f"SEEDANCE_{name}": value for name, value in told.items()}}


class Session:
    """One client on a server's pipes, with as many requests under way as it likes."""

    def __init__(self, process: Process) -> None:
        """Take the server."""
        assert process.stdin
        assert process.stdout
        self.process_id = process.pid
        self._to, self._from = process.stdin, BufferedByteReceiveStream(process.stdout)
        self._ids, self._waiting = itertools.count(1), dict[int, tuple[anyio.Event, list[Any]]]()

    async def listen(self) -> None:
        """Hand every answer to who waits for it."""
        while True:
            line = await self._from.receive_until(b"\n", 1 << 24)
            message: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}  # some print other things, too
            if "id" in message and "method" not in message:
                event, box = self._waiting.pop(message["id"])
                box.append(message["result"])
                event.set()

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one request and wait for its result."""
        identity, event, box = next(self._ids), anyio.Event(), list[Any]()
        self._waiting[identity] = event, box
        await self._say(method, id=identity, params={**params, "_meta": {"progressToken": identity}})
        await event.wait()
        return box[0]

    async def _say(self, method: str, **more: Any) -> None:
        await self._to.send(json.dumps({"jsonrpc": "2.0", "method": method, **more}).encode() + b"\n")

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured half of a tool's result."""
        result = await self.ask("tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), result
        return result["structuredContent"]

    async def open(self) -> None:
        """Shake hands."""
        await self.ask("initialize", **INFO)
        await self._say("notifications/initialized")


@asynccontextmanager
async def session(command: list[str], environment: dict[str, str]) -> AsyncGenerator[Session]:
    """Run a server and open a session with it."""
    process = await anyio.open_process(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    async with process, anyio.create_task_group() as group:
        opened = Session(process)
        group.start_soon(opened.listen)
        try:
            await opened.open()
            yield opened
        finally:
            group.cancel_scope.cancel()
            process.kill()


def memory_mb(process_id: int, what: str = "VmRSS") -> float:
    """Resident megabytes, now or at most (`VmHWM`)."""
    lines = Path(f"/proc/{process_id}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{what}:"))


def median_ms(act: Callable[[int], Any], runs: int) -> float:
    """Median of many runs in milliseconds; each is given its number."""
    times: list[float] = []
    for number in range(runs):
        begun = time.perf_counter()
        act(number)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)
