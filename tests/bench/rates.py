"""What our part of a request costs over HTTP: `tools/list` and `get_task` beside an empty server on the same SDK, in turn.

One client holds some connections open and writes requests that were made beforehand, so that the server is what is measured.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
from anyio.streams.buffered import BufferedByteReceiveStream
from kit import ENVIRONMENT, MODEL, NEWER, OLDER, Row, binaries, memory_mb, ours, settings
from many import processor_seconds
from served import held_port
from swarm import no_film

from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.sandbox.serve import run_in_background

AT_ONCE, ROUNDS, REQUESTS = 8, 7, 240
WARM_REQUESTS, MANY_REQUESTS = 8000, 100_000
TOKEN = "token-of-the-rates-bench"  # noqa: S105 - opens nothing
EMPTY = """
import sys
import mcp_types as types
import uvicorn
from mcp.server import Server

async def tools(ctx, params):
    return types.ListToolsResult(tools=[types.Tool(name="nothing", input_schema={"type": "object"})])

async def call(ctx, params):
    return types.CallToolResult(content=[], structured_content={"done": True})

server = Server("empty", on_list_tools=tools, on_call_tool=call)
app = server.streamable_http_app(streamable_http_path="/mcp", stateless_http=True, json_response=True)
uvicorn.run(app, port=int(sys.argv[1]), log_config=None, http="h11")
"""
"""The least that answers over HTTP: no door, no tokens, one tool that does nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server that runs."""

    port: int
    process_id: int

    def request(self, version: str, method: str, **params: Any) -> bytes:
        """Write one request as it goes over the wire."""
        prefix = "io.modelcontextprotocol/"
        newer: dict[str, Any] = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": {}}
        meta: dict[str, Any] = {"_meta": newer} if version == NEWER else {}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, **meta}}).encode()
        name = [f"Mcp-Name: {params['name']}"] if "name" in params else []
        head = [
            *("POST /mcp HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Authorization: Bearer {TOKEN}"),
            *("Accept: application/json", "Content-Type: application/json", f"MCP-Protocol-Version: {version}"),
            *(f"Mcp-Method: {method}", *name, f"Content-Length: {len(body)}"),
        ]
        return "\r\n".join([*head, "", ""]).encode() + body

    async def answer(self, request: bytes) -> dict[str, Any]:
        """Send one request and give its result."""
        answers = list[bytes]()
        await self._ask(request, 1, answers)
        told = json.loads(answers[0])
        assert "result" in told, told
        return told["result"]

    async def _ask(self, request: bytes, times: int, answers: list[bytes]) -> None:
        async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
            read = BufferedByteReceiveStream(stream)
            for _ in range(times):
                await stream.send(request)
                head = (await read.receive_until(b"\r\n\r\n", 1 << 16)).lower()
                assert head.startswith(b"http/1.1 200"), head
                size_bytes = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                answers[:] = [await read.receive_exactly(size_bytes)]

    async def per_second(self, request: bytes, requests: int = REQUESTS) -> float:
        """How many requests are answered in a second of the server's processor: others may use this machine meanwhile."""
        begun = processor_seconds(self.process_id)
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(self._ask, request, requests // AT_ONCE, list[bytes]())
        return requests / (processor_seconds(self.process_id) - begun)


@asynccontextmanager
async def _running(command: list[str], environment: dict[str, str], port: int) -> AsyncGenerator[Place]:
    process = subprocess.Popen([*command, str(port)], env=environment, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - starts at once
    try:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=8)) as http:
            await http.get(f"http://127.0.0.1:{port}/healthz")
        yield Place(port, process.pid)
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def both() -> AsyncGenerator[tuple[Place, Place]]:
    """Run the provider, our server and the empty one."""
    async with AsyncExitStack() as stack:
        sandbox = Sandbox(no_film, work_seconds=3600, balance=1e6)
        provider = await stack.enter_async_context(run_in_background(sandbox))
        told = {"HTTP_TOKENS": f"bench:{TOKEN}", "HTTP_REQUESTS_PER_MINUTE": "100000000", "POLL_FLOOR_SECONDS": "3600"}
        environment = stack.enter_context(settings(provider, **told))
        mine, other = (stack.enter_context(held_port()) for _ in range(2))
        serve = [*ours(), "serve", "--transport", "http", "--port"]
        empty = [str(binaries() / "python"), "-c", EMPTY]
        yield (
            await stack.enter_async_context(_running(serve, environment, mine)),
            await stack.enter_async_context(_running(empty, ENVIRONMENT, other)),
        )


async def _compare(what: str, pairs: tuple[tuple[Place, bytes], tuple[Place, bytes]], promised: str, beside: str) -> Row:
    """Measure one and the other in turn; the ratio is the median of those of the rounds."""
    (mine, asked), (other, beside_asked) = pairs
    await mine.per_second(asked)
    await other.per_second(beside_asked)
    rounds = [(await mine.per_second(asked), await other.per_second(beside_asked)) for _ in range(ROUNDS)]
    fast, plain = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratio = statistics.median(first / second for first, second in rounds)
    return Row(f"over HTTP ({what}", fast, "a second", beside, plain, promised, ratio)


async def measure() -> list[Row]:
    """Measure both eras, then whether many calls leave memory behind."""
    found = list[Row]()
    async with both() as (mine, other):
        made = {"name": "create_video", "arguments": {"request": {"model": MODEL, "prompt": "fox"}}}
        task = await mine.answer(mine.request(NEWER, "tools/call", **made))
        get = {"name": "get_task", "arguments": {"task_id": task["structuredContent"]["task_id"]}}
        nothing = {"name": "nothing", "arguments": {"seconds": 0}}
        for version in (OLDER, NEWER):
            lists = ((mine, mine.request(version, "tools/list")), (other, other.request(version, "tools/list")))
            calls = mine.request(version, "tools/call", **get), other.request(version, "tools/call", **nothing)
            found.append(await _compare(f"{version}): `tools/list`", lists, "at least 0.5", "one tool, empty server"))
            two = (mine, calls[0]), (other, calls[1])
            found.append(
                await _compare(f"{version}): `get_task`, within the floor", two, "at least 0.6", "no work, empty server")
            )
        found.append(await _growth(mine, mine.request(NEWER, "tools/call", **get), mine.request(NEWER, "tools/list")))
    return found


async def _growth(mine: Place, *asked: bytes) -> Row:
    for request in asked:
        await mine.per_second(request, WARM_REQUESTS)
    before = memory_mb(mine.process_id)
    for request in asked:
        await mine.per_second(request, MANY_REQUESTS // len(asked))
    more = memory_mb(mine.process_id) - before
    return Row(f"over HTTP: memory more after {MANY_REQUESTS:,} calls", more, "MB", "before", before)


def rows() -> list[Row]:
    """Measure all of it."""
    return anyio.run(measure)
