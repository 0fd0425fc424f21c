"""The Tasks extension (2026-07-28): a client that declares it gets a durable handle at once and fetches the result later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from seedance_mcp.server.client_session import Context
from seedance_mcp.tools.results import Result, Task

EXTENSION = "io.modelcontextprotocol/tasks"

Handle = dict[str, Any]
Look = Callable[[Context, str], Awaitable[Task | None]]
Answer = Callable[[Result], types.CallToolResult]


class HandleParams(types.RequestParams):
    """What each method of the extension takes: the handle's id, which is our request id."""

    task_id: str


def declared(ctx: Context) -> bool:
    """Whether this very request says that its client takes handles."""
    capabilities = ctx.session.client_capabilities
    extensions = (capabilities.extensions if capabilities else None) or {}
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and EXTENSION in extensions


def is_running(result: Result) -> bool:
    """Whether a result is a task that has been sent and is not finished."""
    return isinstance(result, Task) and result.next is not None and result.next.tool == "wait_for_video"


def handle_for(task: Task) -> Handle:
    """The handle of a running task, in lieu of its result."""
    return {**_state(task), "resultType": "task"}


def _state(task: Task) -> Handle:
    running = is_running(task)
    state: Handle = {
        "taskId": task.request_id,
        "status": "working" if running else "completed",
        "statusMessage": f"{task.status} {task.progress} %",
        "createdAt": task.created_at,
        "lastUpdatedAt": task.completed_at or task.created_at,
        "ttlMs": None,
    }
    return {**state, "pollIntervalMs": int(task.next.after_seconds * 1000)} if running and task.next else state


def serve_handles(server: Server[Any], look: Look, answer: Answer) -> None:
    """Add the extension's methods to a server.

    `look` gives the task behind a handle as it is now, `answer` the tool result that a finished one carries.
    """

    async def find(ctx: Context, params: HandleParams) -> Task:
        _check(ctx, params)
        task = await look(ctx, params.task_id)
        if task is None:
            raise MCPError(types.INVALID_PARAMS, "There is no task of that id")
        return task

    async def get(ctx: Context, params: HandleParams) -> Handle:
        task = await find(ctx, params)
        if is_running(task):
            return _state(task)
        result = answer(task).model_dump(by_alias=True, mode="json", exclude_none=True)
        return {**_state(task), "result": result}

    async def acknowledge(ctx: Context, params: HandleParams) -> Handle:
        """Take note: nothing is ever asked in a task, and the provider cannot stop one."""
        await find(ctx, params)
        return {}

    server.extensions[EXTENSION] = {}
    server.add_request_handler("tasks/get", HandleParams, get)
    server.add_request_handler("tasks/update", HandleParams, acknowledge)
    server.add_request_handler("tasks/cancel", HandleParams, acknowledge)


def _check(ctx: Context, params: HandleParams) -> None:
    """Raise the protocol's errors for a client that takes no handles and for a header that names another."""
    if not declared(ctx):
        data: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", data)
    if ctx.request is not None and ctx.request.headers.get("mcp-name") != params.task_id:
        raise MCPError(types.HEADER_MISMATCH, "The Mcp-Name header must be the task id")
