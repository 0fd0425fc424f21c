"""The Tasks extension (2026-07-28): a client that declares it gets a durable handle at once and fetches the result later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NotRequired, TypedDict

import mcp_types as types
from mcp.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from seedance_mcp.server.client_session import Context
from seedance_mcp.task import RUNNING
from seedance_mcp.tools.results import Result, Task

EXTENSION = "io.modelcontextprotocol/tasks"
LONG_POLL_INTERVAL_SECONDS = 3600.0
"""The poll interval of a task that has run for more than a day and names no next call."""


class _Handle(TypedDict):
    """A task as the extension writes it; the names are the protocol's."""

    taskId: str
    """Our request id: it exists before the provider's task id does."""
    status: Literal["working", "completed"]
    """A failed video is a completed task whose result reports the failure."""
    statusMessage: str
    createdAt: str | None
    lastUpdatedAt: str | None
    ttlMs: None
    """Handles do not expire."""
    pollIntervalMs: NotRequired[int]


Handle = dict[str, Any]
"""A handle as the SDK sends it; with `resultType` in place of a tool result, with `result` once it is completed."""
FindTask = Callable[[Context, str], Awaitable[Task | None]]
ResultOf = Callable[[Result], types.CallToolResult]


class HandleParams(types.RequestParams):
    """The parameters of each method of the extension: the handle's id."""

    task_id: str


def declared(ctx: Context) -> bool:
    """Whether this very request says that its client takes handles."""
    capabilities = ctx.session.client_capabilities
    extensions = (capabilities.extensions if capabilities else None) or {}
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and EXTENSION in extensions


def is_running(result: Result) -> bool:
    """Whether a result is a task that may still change; its `next` call is a hint and decides nothing."""
    return isinstance(result, Task) and result.status in RUNNING


def handle_for(task: Task) -> Handle:
    """Give the handle of a running task, in place of its result."""
    return {**_state(task), "resultType": "task"}


def _state(task: Task) -> _Handle:
    state: _Handle = {
        "taskId": task.request_id,
        "status": "completed",
        "statusMessage": f"{task.status} {task.progress} %",
        "createdAt": task.created_at,
        "lastUpdatedAt": task.completed_at or task.created_at,
        "ttlMs": None,
    }
    if not is_running(task):
        return state
    interval_seconds = task.next.after_seconds if task.next and task.next.after_seconds else LONG_POLL_INTERVAL_SECONDS
    return {**state, "status": "working", "pollIntervalMs": int(interval_seconds * 1000)}


def serve_handles(server: Server[Any], find_task: FindTask, result_of: ResultOf) -> None:
    """Add the extension's methods to a server.

    Args:
        server: The server that gets the methods.
        find_task: Gives the task behind a handle as it is now, or `None` for an id that it does not know.
        result_of: Gives the tool result that a finished task carries.
    """

    async def find(ctx: Context, params: HandleParams) -> Task:
        _check(ctx, params)
        task = await find_task(ctx, params.task_id)
        if task is None:
            raise MCPError(types.INVALID_PARAMS, "There is no task of that id. list_tasks names those of this user.")
        return task

    async def get(ctx: Context, params: HandleParams) -> Handle:
        task = await find(ctx, params)
        if is_running(task):
            return dict(_state(task))
        result = result_of(task).model_dump(by_alias=True, mode="json", exclude_none=True)
        return {**_state(task), "result": result}

    async def acknowledge(ctx: Context, params: HandleParams) -> Handle:
        """Take note and do nothing: no task ever asks for input, and the provider cannot stop one."""
        await find(ctx, params)
        return {}

    server.extensions[EXTENSION] = {}
    server.add_request_handler("tasks/get", HandleParams, get)
    server.add_request_handler("tasks/update", HandleParams, acknowledge)
    server.add_request_handler("tasks/cancel", HandleParams, acknowledge)


def _check(ctx: Context, params: HandleParams) -> None:
    """Raise the protocol's errors for a client that takes no handles and for a header that names another task."""
    if not declared(ctx):
        data: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", data)
    if ctx.request is not None and ctx.request.headers.get("mcp-name") != params.task_id:
        raise MCPError(types.HEADER_MISMATCH, "The Mcp-Name header must be the task id")
