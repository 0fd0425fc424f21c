"""`tools/list` over HTTP from memory: the answer is that of the SDK, byte for byte but for its id."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from seedance_mcp.server.http import build_http_app
from seedance_mcp.server.http_bodies import ASKED_MOST_BYTES
from seedance_mcp.server.http_lists import ANSWER_MOST_BYTES, ANSWERS_KEPT, KeptLists
from seedance_mcp.server.tool_table import TOOLS
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
NEWER: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "MCP-Protocol-Version": "2026-07-28"}
OLDER = {**HEADERS, "MCP-Protocol-Version": "2025-11-25"}
STREAM = {**OLDER, "Accept": "application/json, text/event-stream"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Counted:
    """An application that lists one tool, or refuses, and counts how often it is asked."""

    times = 0

    def __init__(self, answer: Any = None) -> None:
        self._answer = {"tools": [{"name": "x"}]} if answer is None else answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.times += 1
        if scope["type"] != "http":
            return
        try:
            asked = json.loads(await Request(scope, receive).body())
            told: Response = JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": self._answer})
        except (ValueError, TypeError, KeyError, RecursionError):
            told = Response(status_code=400)
        await told(scope, receive, send)


@asynccontextmanager
async def asking(app: Any) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
        yield http


def question(id_: Any = 1, meta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    params = {} if meta is None else {"params": {"_meta": meta}}
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/list", **params, **more}


@pytest.mark.parametrize(("headers", "meta"), [(HEADERS, NEWER), (OLDER, None), (STREAM, None)])
async def test_the_list_from_memory_is_the_one_of_the_sdk(tmp_path: Path, headers: Any, meta: Any) -> None:
    app = build_http_app(Settings(data_dir=tmp_path), "http", "127.0.0.1")
    headers = {**headers, **({"Mcp-Method": "tools/list"} if meta else {})}
    async with app.router.lifespan_context(app), asking(app) as http:
        answers = [await http.post("/mcp", json=question(id_, meta), headers=headers) for id_ in (7, 7, "seven", 8)]
    assert [each.status_code for each in answers] == [200] * 4
    assert answers[0].content == answers[1].content
    assert {**answers[0].headers, "content-length": "x"} == {**answers[1].headers, "content-length": "x"}
    assert answers[2].text == answers[0].text.replace('"id":7', '"id":"seven"')
    told = json.loads(answers[3].text.partition("data: ")[2] or answers[3].text)
    assert (told["id"], len(told["result"]["tools"])) == (8, len(TOOLS))


async def test_no_header_of_one_callers_page_is_given_to_another(tmp_path: Path) -> None:
    app = build_http_app(Settings(data_dir=tmp_path, http_hosts="a.example.com,b.example.com"), "http", "127.0.0.1")
    async with app.router.lifespan_context(app), asking(app) as http:
        for name in ("a", "b", "a"):
            told = await http.post("/mcp", json=question(), headers={**OLDER, "Origin": f"https://{name}.example.com"})
            assert told.headers.get_list("access-control-allow-origin") == [f"https://{name}.example.com"]
        assert "access-control-allow-origin" not in (await http.post("/mcp", json=question(), headers=OLDER)).headers


async def test_a_client_that_refuses_unions_is_not_given_the_list_of_another(tmp_path: Path) -> None:
    app = build_http_app(Settings(data_dir=tmp_path), "http", "127.0.0.1")
    shown = list[str]()
    async with app.router.lifespan_context(app), asking(app) as http:
        for name in ("claude-code", "codex", "claude-code", "codex"):
            meta = {**NEWER, "io.modelcontextprotocol/clientInfo": {"name": name, "version": "1"}}
            answer = await http.post("/mcp", json=question(1, meta), headers={**HEADERS, "Mcp-Method": "tools/list"})
            shown.append(answer.json()["result"]["tools"][1]["inputSchema"]["required"][0])
    assert shown == ["request", "model", "request", "model"]


async def test_the_same_question_is_asked_once_whatever_its_id_and_progress_token() -> None:
    counted = Counted()
    async with asking(KeptLists(counted, "/mcp")) as http:
        for number in range(3):
            told = (await http.post("/mcp", json=question(f"q{number}", {"progressToken": number}))).json()
            assert told == {"jsonrpc": "2.0", "id": f"q{number}", "result": {"tools": [{"name": "x"}]}}
    assert counted.times == 1


async def test_every_other_wording_is_asked_again() -> None:
    counted = Counted()
    async with asking(KeptLists(counted, "/mcp")) as http:
        await http.post("/mcp", json=question())
        for body in (question(params={}), question(params={"cursor": "x"}), question(meta={"a": 1}), question(params=[1])):
            await http.post("/mcp", json=body)
        for headers in ({"Accept": "text/event-stream"}, {"Mcp-Method": "tools/call"}, {"Content-Type": "text/plain"}):
            await http.post("/mcp", content=json.dumps(question()), headers=headers)
    assert counted.times == 8


@pytest.mark.parametrize(
    "body",
    [
        *('{"method": "tools/list"', '["tools/list"]', "[" * 3000 + '"tools/list"', '{"id": 1, "x": "tools/list"}'),
        *(json.dumps(question(id_)) for id_ in (None, True, 1.5, "\u00fc", '"', [1])),
        json.dumps(question(params={"x": "x" * ASKED_MOST_BYTES})),
        '{"id": 1, "method": "tools/call"}',
    ],
)
async def test_what_is_no_plain_question_goes_to_the_application_each_time(body: str) -> None:
    counted = Counted()
    async with asking(KeptLists(counted, "/mcp")) as http:
        first, again = [await http.post("/mcp", content=body) for _ in range(2)]
    assert (first.status_code, first.content, counted.times) == (again.status_code, again.content, 2)


@pytest.mark.parametrize("answer", [{"error": 1}, {"tools": ["x" * ANSWER_MOST_BYTES]}])
async def test_what_is_no_list_or_too_long_is_not_kept(answer: Any) -> None:
    counted = Counted(answer)
    async with asking(KeptLists(counted, "/mcp")) as http:
        for _ in range(2):
            assert (await http.post("/mcp", json=question())).json()["result"] == answer
    assert counted.times == 2


async def test_other_paths_methods_and_protocols_are_passed_on_and_so_is_all_of_a_traced_server() -> None:
    for path in ("/mcp", None):
        counted = Counted()
        kept = KeptLists(counted, path)
        async with asking(kept) as http:
            await http.post("/other", json=question())
            await http.put("/mcp", json=question())
            await http.post("/mcp", json=question())
            await http.post("/mcp", json=question())
        await kept({"type": "lifespan"}, no_message, no_answer)
        assert counted.times == (4 if path else 5)


async def no_message() -> dict[str, Any]:
    raise AssertionError("nothing is read")


async def no_answer(message: Any) -> None:
    raise AssertionError("nothing is sent")


async def test_memory_is_bounded_however_many_wordings_there_are() -> None:
    counted = Counted()
    async with asking(KeptLists(counted, "/mcp")) as http:
        for number in range(ANSWERS_KEPT + 1):
            await http.post("/mcp", json=question(meta={"n": number}))
        await http.post("/mcp", json=question(meta={"n": 1}))
        assert counted.times == ANSWERS_KEPT + 1
        await http.post("/mcp", json=question(meta={"n": 0}))
    assert counted.times == ANSWERS_KEPT + 2
