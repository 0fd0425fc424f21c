"""A hundred clients at once over HTTP, twenty of them waiting for a video: how long the others wait for `tools/list`.

Provider, server and clients share this machine; every client has its own token, book and connection, and lists once a second.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
from kit import INFO, MODEL, NEWER, OLDER, Row, ours, settings
from served import held_port
from swarm import no_film

from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.sandbox.serve import run_in_background

CLIENTS, WAITING = 100, 20
LISTING = CLIENTS - WAITING
PAUSE_SECONDS, SECONDS = 1.0, 15.0


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
            await self.ask("initialize", INFO)

    async def wait(self) -> None:
        """Make a video that never ends, and wait for it."""
        request = {"model": MODEL, "prompt": self.name}
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
async def served() -> AsyncGenerator[tuple[str, int]]:
    """Run provider and server; gives the server's address and process."""
    tokens = ",".join(f"client{number}:{token(number)}" for number in range(CLIENTS))
    async with run_in_background(Sandbox(no_film, work_seconds=3600, balance=1e6)) as provider:
        with settings(provider, HTTP_TOKENS=tokens) as environment, held_port() as port:
            command = [*ours(), "serve", "--transport", "http", "--port", str(port)]
            process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - starts at once
            try:
                async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=8)) as http:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                yield f"http://127.0.0.1:{port}", process.pid
            finally:
                process.kill()
                process.wait()


def processor_seconds(process: int) -> float:
    """What a process has used of the processors so far, by the kernel's clock of that process: its `stat` has ten ms steps."""
    return time.clock_gettime((~process << 3) | 2)


async def measure(address: str, process: int, version: str) -> list[Row]:
    """The lines of one era."""
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
        async with anyio.create_task_group() as listing:
            for client in clients[:LISTING]:
                listing.start_soon(client.list_until, begun + SECONDS, times)
                await anyio.sleep(PAUSE_SECONDS / LISTING)  # they do not come all at once
        share = (processor_seconds(process) - used) / (time.perf_counter() - begun)
        waiting.cancel_scope.cancel()
    many = f"{CLIENTS} clients over HTTP, {WAITING} of them waiting ({version})"
    return [
        Row(f"{many}: `tools/list`, median", statistics.median(times) * 1000, "ms", promised="50 ms"),
        Row(f"{many}: errors", Bench.errors, f"of {len(times)} lists", promised="0"),
        Row(f"{many}: of one processor", share * 100, "%"),
    ]


async def both_eras() -> list[Row]:
    """Measure one after the other."""
    async with served() as (address, process):
        return [row for version in (OLDER, NEWER) for row in await measure(address, process, version)]


def rows() -> list[Row]:
    """Measure both eras."""
    return anyio.run(both_eras)
