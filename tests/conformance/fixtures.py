"""The tools that the official suite's Tasks scenarios call, served by the same handles as videos: `python fixtures.py PORT`."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp.server import Server

from seedance_mcp.server import tasks_extension
from seedance_mcp.server.client_session import Context
from seedance_mcp.tools.results import Next, Result, Task

LONGEST_SECONDS = 2.0
TOOLS = ("greet", "slow_compute", "failing_job")

jobs: dict[str, tuple[str, datetime, float]] = {}


def start(name: str, seconds: float) -> Task:
    """Start a job, which is done when its time is up."""
    identity = f"req_{len(jobs)}"
    jobs[identity] = name, datetime.now(UTC), time.monotonic() + min(seconds, LONGEST_SECONDS)
    return seen(identity)


def seen(identity: str) -> Task:
    """One job as it is now, in the shape of a video task."""
    name, created_at, ends_at = jobs[identity]
    running = time.monotonic() < ends_at
    return Task(
        request_id=identity,
        prompt=name,
        status="processing" if running else "completed",
        created_at=created_at.isoformat(timespec="seconds"),
        currency="none",
        next=Next(tool="wait_for_video", arguments={}, after_seconds=0.1) if running else None,
    )


async def look(ctx: Context, identity: str) -> Task | None:
    return seen(identity) if identity in jobs else None


def answer(result: Result) -> types.CallToolResult:
    assert isinstance(result, Task)
    return told(f"{result.prompt} is done", is_error=result.prompt == "failing_job")


def told(text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=is_error)


async def list_tools(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema={"type": "object"}) for name in TOOLS])


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult | tasks_extension.Handle:
    given: dict[str, Any] = params.arguments or {}
    if params.name not in TOOLS:
        return told(f"There is no tool {params.name}", is_error=True)
    if params.name == "greet":
        return told(f"Hello, {given.get('name')}!")
    task = start(params.name, float(given.get("seconds", 1)))
    if tasks_extension.declared(ctx) and tasks_extension.is_running(task):
        return tasks_extension.handle_for(task)
    while tasks_extension.is_running(task):
        await anyio.sleep(0.1)
        task = seen(task.request_id)
    return answer(task)


def main(port: int) -> None:
    server = Server[Any]("fixtures", version="1", on_list_tools=list_tools)
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    tasks_extension.serve_handles(server, look, answer)
    uvicorn.run(server.streamable_http_app(stateless_http=True), port=port, log_config=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
