"""Reads of the older era are answered by the SDK's kernel alone, in the words of its transport, which answers all else."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import NoBackChannelError
from starlette.responses import PlainTextResponse

from seedance_mcp.server.http import build_http_app
from seedance_mcp.server.http_reads import DirectReads
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
JSON = "application/json"
OLDER = {"MCP-Protocol-Version": "2025-11-25", "Accept": JSON, "Content-Type": JSON}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def call(tool: Any = "list_tasks", arguments: Any = None, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": arguments or {}, **more}}


@asynccontextmanager
async def asking(app: Any) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
        yield http


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    app = build_http_app(Settings(data_dir=tmp_path), "http", "127.0.0.1")
    async with app.router.lifespan_context(app), asking(app) as http:
        yield http


def transports(caplog: pytest.LogCaptureFixture) -> int:
    """Count the transports that the SDK has made and ended since the last count."""
    ended = sum(each.getMessage().startswith("Terminating session") for each in caplog.records)
    caplog.clear()
    return ended


@pytest.mark.parametrize("accept", [JSON, f"{JSON}, text/event-stream", ""])
async def test_a_read_is_answered_as_by_the_transport_and_without_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    caplog.set_level(logging.INFO)
    headers = {**OLDER, "Accept": accept}
    async with served(tmp_path) as http:
        direct = await http.post("/mcp", json=call(), headers=headers)
        assert transports(caplog) == 0
        by_transport = await http.post("/mcp", json=call(_meta={"progressToken": 1}), headers=OLDER)
        assert transports(caplog) == 1
    assert direct.json()["result"]["structuredContent"]["totals"]
    assert direct.content == by_transport.content
    assert dict(direct.headers) == dict(by_transport.headers)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (call("download_video", {"task_id": "vid_none"}), OLDER),
        (call(["get_task"]), OLDER),
        (call(arguments=5), OLDER),
        (call(_meta="none"), OLDER),
        ({**call(), "method": "prompts/list", "params": {"about": '"tools/call"', "name": "tools/call"}}, OLDER),
        ({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "list_tasks"}}, OLDER),
        (call(), {**OLDER, "Accept": "text/event-stream"}),
        (call(), {**OLDER, "Content-Type": "application/jsonx"}),
        (call(), {**OLDER, "Content-Type": "Application/JSON"}),
    ],
)
async def test_what_is_no_read_or_fails_is_left_to_the_transport(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, body: dict[str, Any], headers: dict[str, str]
) -> None:
    caplog.set_level(logging.INFO)
    async with served(tmp_path) as http:
        await http.post("/mcp", json=body, headers=headers)
    assert transports(caplog) == 1


async def test_a_body_that_is_no_message_is_passed_on() -> None:
    app = DirectReads(PlainTextResponse("passed on"), Server("x"), object)
    async with asking(app) as http:
        for body in ('{"method": "tools/call"', '"tools/call"', "{}"):
            assert (await http.post("/mcp", content=body, headers=OLDER)).text == "passed on"


async def test_a_read_can_tell_its_client_nothing_but_the_answer() -> None:
    async def on_call(ctx: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
        await ctx.session.report_progress(1, 2, "half")
        await ctx.session.send_tool_list_changed()
        with pytest.raises(NoBackChannelError):
            await ctx.session.elicit_form("may I?", {"type": "object", "properties": {}}, ctx.request_id)
        return types.CallToolResult(content=[])

    app = DirectReads(PlainTextResponse("failed"), Server("x", on_call_tool=on_call), object)
    async with asking(app) as http:
        answer = await http.post("/mcp", json=call(), headers=OLDER)
    assert answer.json() == {"jsonrpc": "2.0", "id": 7, "result": {"content": [], "isError": False}}
