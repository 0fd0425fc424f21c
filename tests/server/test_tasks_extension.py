"""What the Tasks extension says of a task at the client's door, whatever its age."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import PROVIDER, no_film

from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.server.handlers import build_server, open_shared
from seedance_mcp.server.tasks_extension import EXTENSION
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import Shared

pytestmark = pytest.mark.anyio
REQUEST = {"model": "seedance2.0-md", "prompt": "a fox"}


@dataclass
class TasksClient:
    """A client that declares the extension and writes its own messages."""

    http: httpx.AsyncClient
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def ask(self, method: str, subject: str, params: dict[str, Any]) -> dict[str, Any]:
        meta: dict[str, Any] = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}},
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        }
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": subject}
        headers["Accept"] = "application/json, text/event-stream"
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": {**params, "_meta": meta}}
        return (await self.http.post("/mcp", json=body, headers=headers)).json()["result"]

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return await self.ask("tools/call", tool, {"name": tool, "arguments": arguments})

    async def get(self, task_id: str) -> dict[str, Any]:
        return await self.ask("tasks/get", task_id, {"taskId": task_id})


class Clock:
    """A wall clock that a test sets; the event loop's own clock jumps along, so that a poll is due."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    async def advance(self, **time: float) -> None:
        self.now += timedelta(**time)
        await anyio.sleep(timedelta(**time).total_seconds())


@asynccontextmanager
async def connected(tmp_path: Path, sandbox: Sandbox, clock: Clock) -> AsyncGenerator[TasksClient]:
    settings = Settings(base_url=PROVIDER, data_dir=tmp_path)

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(sandbox))

    server = build_server(settings, lambda: open_shared(Shared(settings, connect, clock)))
    app = server.streamable_http_app(streamable_http_path="/mcp", stateless_http=True, json_response=True, host="")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http,
    ):
        yield TasksClient(http)


async def test_a_task_that_runs_for_days_is_working_until_it_ends(tmp_path: Path) -> None:
    sandbox, clock = Sandbox(no_film, work_seconds=1e9), Clock()
    async with connected(tmp_path, sandbox, clock) as client:
        task_id = (await client.call("create_video", request=REQUEST))["taskId"]
        await clock.advance(days=2)
        told = await client.call("get_task", task_id=task_id)
        assert told["structuredContent"]["status"] == "processing"
        assert told["structuredContent"]["next"] is None
        handle = await client.get(task_id)
        assert handle["status"] == "working"
        assert handle["pollIntervalMs"] == 3_600_000
        assert "result" not in handle
        waiting = await client.call("wait_for_video", task_id=task_id)
        assert (waiting["resultType"], waiting["status"]) == ("task", "working")
        next(iter(sandbox.tasks.values())).ends_at = 0
        await clock.advance(hours=1)
        handle = await client.get(task_id)
        assert handle["status"] == "completed"
        assert handle["result"]["structuredContent"]["status"] == "completed"


async def test_a_request_of_unknown_outcome_is_no_running_task(tmp_path: Path) -> None:
    sandbox, clock = Sandbox(no_film), Clock()
    async with connected(tmp_path, sandbox, clock) as client:
        sandbox.faults = [Fault("lost", "/seedance/videos")]
        lost = await client.call("create_video", request=REQUEST)
        request_id = lost["structuredContent"]["error"]["request_id"]
        handle = await client.get(request_id)
        assert handle["status"] == "completed"
        assert handle["result"]["structuredContent"]["status"] == "unknown"
        assert "pollIntervalMs" not in handle
