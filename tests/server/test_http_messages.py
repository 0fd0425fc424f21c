"""Over HTTP every body that holds an id is answered with that id, in both eras and however a client reads."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import no_film
from starlette.types import Receive, Scope, Send
from unreadable import LINES, request

from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.server.http import build_http_app
from seedance_mcp.server.http_messages import ANSWERED_MOST, MessageMiddleware
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
ERAS = ("2025-06-18", "2026-07-28")
READS = ("application/json", "application/json, text/event-stream")
PREFIX = "io.modelcontextprotocol/"
DRY = {"dry_run": True, "request": {"model": "seedance2.0-md", "prompt": "a fox"}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def serving(tmp_path: Path, transport: Any = "http") -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the whole application without a port."""
    settings = Settings(data_dir=tmp_path / "data")

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient("https://provider.invalid", KEY, transport=httpx.MockTransport(Sandbox(no_film)))

    app = build_http_app(settings, transport, "127.0.0.1", connect)
    headers = {"Content-Type": "application/json", "Accept": READS[1]}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8931", headers=headers) as http,
    ):
        yield http


def told(answer: httpx.Response) -> Any:
    """The message of an answer, which came as a document or as the one event of a stream."""
    is_stream = answer.headers["content-type"].startswith("text/event-stream")
    return json.loads(answer.text.partition("data: ")[2] if is_stream else answer.text)


def errors_of(answer: httpx.Response) -> list[dict[str, Any]]:
    return json.loads(answer.text if answer.text.startswith("[") else f"[{answer.text}]")


def of_era(era: str, method: str, params: dict[str, Any]) -> tuple[dict[str, str], str]:
    """The headers and the body of a request, in one era."""
    headers = {"MCP-Protocol-Version": era, "Mcp-Method": method, "Mcp-Name": params.get("name", "")}
    if era == ERAS[1]:
        envelope: dict[str, Any] = {f"{PREFIX}protocolVersion": era, f"{PREFIX}clientCapabilities": {}}
        params = {**params, "_meta": {**envelope, **params.get("_meta", {})}}
    return headers, request("1", method, json.dumps(params))


@pytest.mark.parametrize("accept", READS)
@pytest.mark.parametrize("era", ERAS)
async def test_a_body_that_is_no_message_is_answered_with_the_ids_that_it_holds(tmp_path: Path, era: str, accept: str) -> None:
    async with serving(tmp_path) as http:
        for body, ids in LINES:
            answer = await http.post("/mcp", content=body, headers={"MCP-Protocol-Version": era, "Accept": accept})
            if not ids:
                assert answer.status_code in {202, 400}, body
                continue
            assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json"), body
            errors = errors_of(answer)
            assert [each["id"] for each in errors] == ids
            assert all(each["error"]["code"] in {-32600, -32700} and each["error"]["message"] for each in errors)


@pytest.mark.parametrize("accept", READS)
@pytest.mark.parametrize("era", ERAS)
async def test_what_is_loose_is_mended(tmp_path: Path, era: str, accept: str) -> None:
    loose: list[dict[str, Any]] = [
        {"arguments": json.dumps(DRY)},
        {"arguments": DRY, "_meta": {"progressToken": None}},
        {"arguments": DRY, "_meta": {f"{PREFIX}clientInfo": {"name": "by hand"}}},
    ]
    async with serving(tmp_path) as http:
        for each in loose:
            headers, body = of_era(era, "tools/call", {"name": "create_video", **each})
            answer = await http.post("/mcp", content=body, headers={**headers, "Accept": accept})
            assert answer.status_code == 200
            assert told(answer)["result"]["structuredContent"]["dry_run"]


async def test_a_client_without_a_version_may_open_a_connection(tmp_path: Path) -> None:
    opening = {"protocolVersion": ERAS[0], "capabilities": {}, "clientInfo": {"name": "codex"}}
    async with serving(tmp_path) as http:
        answer = await http.post("/mcp", content=request('"hello"', "initialize", json.dumps(opening)))
        assert told(answer)["result"]["protocolVersion"] == ERAS[0]
        assert answer.headers["mcp-session-id"] == "codex"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
async def test_a_body_in_any_encoding_of_unicode_is_read(tmp_path: Path, era: str, encoding: str) -> None:
    headers, body = of_era(era, "tools/list", {})
    async with serving(tmp_path) as http:
        answer = await http.post("/mcp", content=body.encode(encoding), headers=headers)
        assert told(answer)["id"] == 1
        assert told(answer)["result"]["tools"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("Accept", "text/html", 406), ("Content-Type", "text/plain", 400), ("MCP-Protocol-Version", "1999", 400)],
)
async def test_a_refusal_of_the_headers_names_the_request(
    tmp_path: Path, era: str, header: str, value: str, status: int
) -> None:
    headers, body = of_era(era, "tools/list", {})
    async with serving(tmp_path) as http:
        answer = await http.post("/mcp", content=body, headers={**headers, header: value})
        assert (answer.status_code, answer.json()["id"]) == (status, 1)
        assert answer.json()["error"]["message"]


async def test_a_refusal_that_names_the_request_itself_stays_as_it_is(tmp_path: Path) -> None:
    headers, body = of_era(ERAS[1], "nothing/here", {})
    async with serving(tmp_path) as http:
        answer = await http.post("/mcp", content=body, headers=headers)
        error = {"code": -32601, "message": "Method not found", "data": "nothing/here"}
        assert (answer.status_code, answer.json()) == (404, {"jsonrpc": "2.0", "id": 1, "error": error})


@pytest.mark.parametrize("era", ERAS)
async def test_what_only_looks_like_an_opening_is_answered_as_any_other(tmp_path: Path, era: str) -> None:
    async with serving(tmp_path) as http:
        for method in ("initialize", "initialize/x"):
            headers, body = of_era(era, method, {"a": "initialize"})
            answer = await http.post("/mcp", content=body, headers=headers)
            assert told(answer)["id"] == 1
            assert "mcp-session-id" not in answer.headers


async def test_a_message_to_a_path_that_is_not_there_is_refused_with_its_id(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post("/mcp/there", content=request("7"))
        assert (answer.status_code, answer.json()["id"], answer.json()["error"]["message"]) == (404, 7, "Not Found")


async def test_a_refusal_in_pieces_is_read_whole() -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b"Not ", "more_body": True})
        await send({"type": "http.response.body", "body": b"now"})

    transport = httpx.ASGITransport(MessageMiddleware(refusing, "/mcp"))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.post("/mcp", content=request("7"))
    assert (answer.status_code, answer.json()["id"], answer.json()["error"]["message"]) == (503, 7, "Not now")


@pytest.mark.parametrize("era", ERAS)
async def test_the_answer_to_a_batch_is_not_longer_without_end(tmp_path: Path, era: str) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post("/mcp", content=f"[{'{},' * 100_000}{{}}]", headers={"MCP-Protocol-Version": era})
        assert len(answer.json()) == ANSWERED_MOST


@pytest.mark.parametrize("era", ERAS)
async def test_a_body_that_is_too_long_is_refused_unread(tmp_path: Path, era: str) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post("/mcp", content=b" " * 5_000_000, headers={"MCP-Protocol-Version": era})
        assert answer.status_code == 413


async def test_the_older_sse_transport_answers_so_too(tmp_path: Path) -> None:
    async with serving(tmp_path, "sse") as http:
        nobody = await http.post(f"/messages/?session_id={'0' * 32}", content=request("7"))
        assert (nobody.status_code, nobody.json()["id"]) == (404, 7)
        assert nobody.json()["error"]["message"] == "Could not find session"
        cut = await http.post("/messages/", content=request("8")[:-1])
        assert (cut.status_code, cut.json()["id"]) == (400, 8)
