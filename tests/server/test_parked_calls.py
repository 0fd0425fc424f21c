"""A call that waits over HTTP is parked outside of the SDK: nothing is kept of its request there, and nothing else is different."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import mcp_types as types
import pytest
from conftest import PROVIDER, no_film
from mcp.server import ServerRequestContext
from starlette.types import Message, Receive, Scope, Send

from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.server.http import build_http_app
from seedance_mcp.server.http_parking import ParkedCalls
from seedance_mcp.server.parked_calls import PARKED, SILENT_SECONDS, ParkedCall
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
OLDER, NEWER = "2025-11-25", "2026-07-28"
BOTH, JSON = "application/json, text/event-stream", "application/json"
TAKES_HANDLES: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


class Caller:
    """A client that writes its own messages, of either era."""

    def __init__(self, http: httpx.AsyncClient, era: str = NEWER, accept: str = BOTH) -> None:
        self._http, self._era, self._accept = http, era, accept

    async def post(
        self, tool: str, arguments: dict[str, Any], meta: dict[str, Any] | None = None, able: Any = None
    ) -> httpx.Response:
        meta, prefix = {**(meta or {})}, "io.modelcontextprotocol/"
        if self._era == NEWER:
            meta |= {f"{prefix}protocolVersion": NEWER, f"{prefix}clientCapabilities": able or {}}
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        body = {"jsonrpc": "2.0", "id": "one", "method": "tools/call", "params": params}
        headers = {"Accept": self._accept, "MCP-Protocol-Version": self._era, "Mcp-Method": "tools/call", "Mcp-Name": tool}
        return await self._http.post("/mcp", json=body, headers=headers)

    async def create(self) -> str:
        made = await self.post("create_video", {"request": {"model": "seedance2.0-md", "prompt": "a fox"}})
        return messages_of(made)[-1]["result"]["structuredContent"]["task_id"]


def messages_of(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


Serve = Callable[..., Any]


@pytest.fixture
def serving(tmp_path: Path) -> Serve:
    """Serve a provider whose videos take `work_seconds`."""

    @asynccontextmanager
    async def served(work_seconds: float) -> AsyncGenerator[httpx.AsyncClient]:
        sandbox = Sandbox(no_film, queue_seconds=0, work_seconds=work_seconds)

        def connect(_: Settings) -> ProviderClient:
            return ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(sandbox))

        app = build_http_app(Settings(data_dir=tmp_path, poll_floor_seconds=0.05), "http", "127.0.0.1", connect)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
        ):
            yield http

    return served


def requests_kept() -> int:
    """Count the calls that the SDK keeps."""
    gc.collect()
    return sum(isinstance(each, ServerRequestContext) for each in gc.get_objects())


@pytest.mark.parametrize("era", [OLDER, NEWER])
async def test_the_sdk_keeps_nothing_of_calls_that_wait(serving: Serve, era: str) -> None:
    async with serving(3600) as http, anyio.create_task_group() as group:
        client = Caller(http, era)
        task_id, before = await client.create(), requests_kept()
        for _ in range(5):
            group.start_soon(client.post, "wait_for_video", {"task_id": task_id, "timeout_seconds": 1800})
        await anyio.sleep(2)
        assert requests_kept() <= before
        group.cancel_scope.cancel()


@pytest.mark.parametrize("era", [OLDER, NEWER])
async def test_progress_and_the_answer_come_as_one_stream_of_events(serving: Serve, era: str) -> None:
    async with serving(0.3) as http:
        client = Caller(http, era)
        answer = await client.post("wait_for_video", {"task_id": await client.create()}, {"progressToken": "p"})
    *reports, last = messages_of(answer)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert {each["params"]["total"] for each in reports} == {100}
    assert {(each["method"], each["params"]["progressToken"]) for each in reports} == {("notifications/progress", "p")}
    numbers = [each["params"]["progress"] for each in reports]
    assert numbers == sorted(set(numbers))
    assert (last["id"], last["result"]["structuredContent"]["status"]) == ("one", "completed")


@pytest.mark.parametrize("era", [OLDER, NEWER])
async def test_a_client_that_reads_json_gets_one_document(serving: Serve, era: str) -> None:
    async with serving(0.3) as http:
        client = Caller(http, era, JSON)
        answer = await client.post("wait_for_video", {"task_id": await client.create()}, {"progressToken": "p"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["result"]["structuredContent"]["status"] == "completed"


async def test_a_client_that_takes_no_json_is_refused_as_for_every_call(serving: Serve) -> None:
    async with serving(0.3) as http:
        answer = await Caller(http, accept="text/event-stream").post("wait_for_video", {"task_id": "vid_1"})
    assert answer.status_code == 406


@pytest.mark.parametrize("era", [OLDER, NEWER])
async def test_an_error_and_a_wait_that_runs_out_are_answered_as_by_the_sdk(serving: Serve, era: str) -> None:
    async with serving(3600) as http:
        client = Caller(http, era)
        unknown = messages_of(await client.post("wait_for_video", {"task_id": "no such task"}))[-1]["result"]
        given = {"task_id": await client.create(), "timeout_seconds": 1}
        running = messages_of(await client.post("wait_for_video", given))[-1]["result"]
    assert (unknown["isError"], unknown["structuredContent"]["error"]["code"]) == (True, "task_not_found")
    assert running["structuredContent"]["status"] == "processing"


async def test_a_client_that_takes_handles_gets_one_at_once(serving: Serve) -> None:
    async with serving(3600) as http:
        client = Caller(http)
        answer = await client.post("wait_for_video", {"task_id": await client.create()}, able=TAKES_HANDLES)
    assert answer.json()["result"]["resultType"] == "task"


# the middleware alone


class Waiting:
    """An application whose calls are parked and wait for some seconds."""

    def __init__(self, seconds: float, *, refused: bool = False) -> None:
        self._seconds, self._refused, self.calls, self.ended = seconds, refused, 0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        call: ParkedCall | None = scope.get(PARKED)
        if call and not call.answer and not self._refused:
            call.park(lambda: self._work(call), "http://127.0.0.1", None)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (await receive())["body"][:1], "more_body": True})
        await send({"type": "http.response.body", "body": b"}"})

    async def _work(self, call: ParkedCall) -> types.CallToolResult:
        try:
            for _ in range(int(self._seconds / 5)):
                await anyio.sleep(5)
                await call.report(0, "waiting")
            return types.CallToolResult(content=[])
        finally:
            self.ended = True


WAIT = b'{"method": "tools/call", "params": {"name": "wait_for_video"}}'


async def sent(app: Any, body: bytes = WAIT, hangs_up: float | None = None, **more: Any) -> bytes:
    """Give what a client is sent that hangs up after some seconds, or never."""
    said, messages = list[bytes](), [{"type": "http.request", "body": body}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        if hangs_up is None or anyio.current_time() < began + hangs_up:
            await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message.get("body", b""))

    began = anyio.current_time()
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": [(b"accept", BOTH.encode())], **more}
    await ParkedCalls(app, "/mcp")(scope, receive, send)
    return b"".join(said)


async def test_a_client_that_asked_for_no_progress_is_sent_a_sign_of_life() -> None:
    waits = 3
    app = Waiting(waits * SILENT_SECONDS)
    assert await sent(app) == waits * b": ping\r\n\r\n" + b"event: message\r\ndata: {}\r\n\r\n"
    assert app.calls == 2


async def test_a_wait_that_ends_soon_is_answered_by_one_document() -> None:
    await anyio.sleep(3600)
    assert await sent(Waiting(SILENT_SECONDS - 5)) == b"{}"


async def test_a_client_that_hangs_up_ends_its_call() -> None:
    app, began = Waiting(3600), anyio.current_time()
    assert await sent(app, hangs_up=7) == b""
    assert (app.ended, app.calls, anyio.current_time() - began) == (True, 1, pytest.approx(10))


@pytest.mark.parametrize(
    "body",
    [
        WAIT.replace(b"tools/call", b"tools/list"),
        WAIT.replace(b'"wait_for_video"', b'"create_video", "prompt": "wait_for_video"'),
        WAIT[:-1],
        b'["wait_for_video"]',
        b"{}",
    ],
)
async def test_any_other_message_is_passed_on(body: bytes) -> None:
    app = Waiting(3600)
    assert await sent(app, body) == body[:1] + b"}"
    assert app.calls == 1


@pytest.mark.parametrize("more", [{"type": "lifespan"}, {"method": "GET"}, {"path": "/files"}])
async def test_what_is_no_message_is_passed_on(more: dict[str, Any]) -> None:
    app = Waiting(3600)
    assert (await sent(app, **more), app.calls) == (b"{}", 1)


async def test_what_the_application_answers_at_once_is_sent_as_it_is() -> None:
    app = Waiting(3600, refused=True)
    assert (await sent(app), app.calls) == (b"{}", 1)


async def test_a_parked_call_asks_nothing() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert await ParkedCall(receive, None).ask("may I?", "token") == "absent"
