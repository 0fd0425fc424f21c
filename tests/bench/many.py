"""A hundred clients at once over HTTP, twenty of them waiting for a video: how long the others wait for `tools/list`.

Run it with the interpreter that has seedance-mcp installed: `python tests/bench/many.py [SECONDS]`. Provider, server and
clients share this machine; every client has its own token, book and connection, and lists once a second.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx

from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import listen, run_in_background

OLDER, NEWER = "2025-11-25", "2026-07-28"
CLIENTS, WAITING = 100, 20
LISTING = CLIENTS - WAITING
PAUSE_SECONDS = 1.0


async def no_film(body: dict[str, Any], pictures: list[bytes]) -> bytes:
    """Draw nothing: nobody gets to see it."""
    return b""


class Bench:
    """One client of one era, on a connection of its own; counts what goes wrong."""

    errors: int = 0

    def __init__(self, address: str, number: int, version: str) -> None:
        """Take where the server is, and who this is."""
        self.name, self._version, self._ids = f"{version} {number}", version, itertools.count(1)
        headers = {"Authorization": f"Bearer {token(number)}", "Accept": "application/json, text/event-stream"}
        headers["MCP-Protocol-Version"] = version
        self._http = httpx.AsyncClient(base_url=address, headers=headers, timeout=120)

    async def ask(self, method: str, params: dict[str, Any], name: str = "") -> dict[str, Any]:
        """Send one request; gives its result, or an empty one that counts as an error."""
        identity, meta = next(self._ids), {"progressToken": 1}
        if self._version == NEWER:
            prefix = "io.modelcontextprotocol/"
            meta |= {f"{prefix}protocolVersion": NEWER, f"{prefix}clientCapabilities": {}}
        body = {"jsonrpc": "2.0", "id": identity, "method": method, "params": {**params, "_meta": meta}}
        headers = {"Mcp-Method": method, **({"Mcp-Name": name} if name else {})}
        try:
            answer = await self._http.post("/mcp", json=body, headers=headers)
            lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith(("data: {", "{"))]
            return next(told["result"] for told in map(json.loads, lines) if told.get("id") == identity)
        except (httpx.HTTPError, ValueError, KeyError, StopIteration) as error:
            Bench.errors += 1
            print(f"{self.name}: {method}: {error!r}")
            return {}

    async def open(self) -> None:
        """Shake hands where the era does."""
        if self._version == OLDER:
            info = {"protocolVersion": OLDER, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
            await self.ask("initialize", info)

    async def wait(self) -> None:
        """Make a video that never ends, and wait for it."""
        request = {"model": "seedance2.0-md", "prompt": self.name}
        made = await self.ask("tools/call", {"name": "create_video", "arguments": {"request": request}}, "create_video")
        task_id = made.get("structuredContent", {}).get("task_id")
        given = {"task_id": task_id, "timeout_seconds": 1800}
        await self.ask("tools/call", {"name": "wait_for_video", "arguments": given}, "wait_for_video")
        Bench.errors += 1  # this wait has no end

    async def list_until(self, end: float, times: list[float]) -> None:
        """List the tools once a second and take the time."""
        while time.perf_counter() < end:
            begun = time.perf_counter()
            if len((await self.ask("tools/list", {})).get("tools", ())) == 0:
                Bench.errors += 1
            times.append(time.perf_counter() - begun)
            await anyio.sleep(PAUSE_SECONDS)


def token(number: int) -> str:
    """The token of one client."""
    return f"token-of-client-{number:03}"


@asynccontextmanager
async def served(folder: str) -> AsyncGenerator[tuple[str, int]]:
    """Run provider and server; gives the server's address and process."""
    with listen() as free:
        port = free.getsockname()[1]
    tokens = ",".join(f"client{number}:{token(number)}" for number in range(CLIENTS))
    async with run_in_background(Sandbox(no_film, work_seconds=3600, balance=1e6)) as provider:
        settings = {"BASE_URL": provider, "API_KEY": KEY, "DATA_DIR": folder, "HTTP_TOKENS": tokens}
        environment = {**os.environ, **{f"SEEDANCE_{name}": value for name, value in settings.items()}}
        command = [sys.executable, "-m", "seedance_mcp", "serve", "--transport", "http", "--port", str(port)]
        process = subprocess.Popen(command, env=environment)  # noqa: ASYNC220 - starts at once, and is awaited below
        try:
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=8)) as http:
                await http.get(f"http://127.0.0.1:{port}/healthz")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.kill()
            process.wait()


def processor_seconds(process: int) -> float:
    """What a process has used of the processors so far."""
    with open(f"/proc/{process}/stat", encoding="ascii") as file:  # noqa: PTH123 - a kernel file
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


async def measure(address: str, process: int, version: str, seconds: float) -> None:
    """Print one line for one era."""
    clients = [Bench(address, number, version) for number in range(CLIENTS)]
    for client in clients:
        await client.open()
    times: list[float] = []
    share = 0.0
    Bench.errors = 0
    async with anyio.create_task_group() as waiting:
        for client in clients[LISTING:]:
            waiting.start_soon(client.wait)
        await anyio.sleep(2)  # all of them wait now
        begun, used = time.perf_counter(), processor_seconds(process)
        end = begun + seconds
        async with anyio.create_task_group() as listing:
            for client in clients[:LISTING]:
                listing.start_soon(client.list_until, end, times)
                await anyio.sleep(PAUSE_SECONDS / LISTING)  # they do not come all at once
        share = (processor_seconds(process) - used) / (time.perf_counter() - begun)
        waiting.cancel_scope.cancel()
    median, worst = statistics.median(times) * 1000, statistics.quantiles(times, n=100)[-1] * 1000
    print(f"{version}: {len(times)} lists by {LISTING} clients beside {WAITING} that wait, {Bench.errors} errors,", end=" ")
    print(f"median {median:.1f} ms, 99 % under {worst:.1f} ms; the server", end=" ")
    print(f"took {share:.0%} of one processor, load of the machine {os.getloadavg()[0]:.2f}")


async def main(seconds: float) -> None:
    """Print one line for each era."""
    with tempfile.TemporaryDirectory() as folder:
        async with served(folder) as (address, process):
            for version in (OLDER, NEWER):
                await measure(address, process, version, seconds)


if __name__ == "__main__":
    anyio.run(main, float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
