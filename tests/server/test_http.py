"""The HTTP transports over real ports: both eras, the older SSE, and a door that is closed."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import httpx2
import pytest
import uvicorn
from conftest import no_film, png
from deadline import LONGEST_SECONDS
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import ElicitResult, Implementation
from pydantic import SecretStr
from served import held_port, served

from seedance_mcp.cli import main
from seedance_mcp.errors import NotConfigured
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import listen, run_in_background
from seedance_mcp.server.http import build_http_app
from seedance_mcp.server.http_door import CALLERS_COUNTED, Doorkeeper, RequestRate
from seedance_mcp.server.tasks_extension import EXTENSION
from seedance_mcp.server.tool_table import TOOLS
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
ANNA, BERT = "anna-token-0123456789", "bert-token-0123456789"
TOKENS = f"anna:{ANNA}, bert:{BERT}"
PATHS = ("/mcp", "/sse", "/messages/", "/", "/nothing", "/healthz/", "/readyz/x")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(no_film, queue_seconds=0.05, work_seconds=0.1)


Serve = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def serving(tmp_path: Path, sandbox: Sandbox) -> Serve:
    """Serve one transport from a thread; gives its address."""

    @asynccontextmanager
    async def served(transport: Any = "http", **fields: Any) -> AsyncGenerator[str]:
        usual: dict[str, Any] = {"data_dir": tmp_path / "data", "poll_floor_seconds": 0.05}
        settings = Settings(**{**usual, **fields})

        def connect(_: Settings) -> ProviderClient:
            if "base_url" in fields:
                return ProviderClient(settings.base_url, KEY)
            return ProviderClient("https://provider.invalid", KEY, transport=httpx.MockTransport(sandbox))

        bound = listen()
        app = build_http_app(settings, transport, "127.0.0.1", connect)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            await anyio.to_thread.run_sync(thread.join, LONGEST_SECONDS)
        assert not thread.is_alive(), "the server did not end"

    return served


@asynccontextmanager
async def connected(address: str, token: str | None = None, mode: str = "auto") -> AsyncGenerator[Client]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=LONGEST_SECONDS) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


async def told(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments)).structured_content or {}


async def create(client: Client, prompt: str = "a fox", **options: Any) -> dict[str, Any]:
    request = {"model": "seedance2.0-md", "prompt": prompt}
    return await told(client, "create_video", request=request, **options)


async def finish(client: Client, task: dict[str, Any]) -> dict[str, Any]:
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    arguments = {"task_id": task["task_id"]}
    done = await client.call_tool("wait_for_video", arguments, progress_callback=on_progress)
    assert seen == sorted(set(seen))
    return done.structured_content or {}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.slow
async def test_streamable_http_serves_both_eras(serving: Serve, sandbox: Sandbox, mode: str) -> None:
    async with serving() as address, connected(address, mode=mode) as client:
        assert len((await client.list_tools()).tools) == len(TOOLS)
        assert (await finish(client, await create(client)))["status"] == "completed"
    assert len(sandbox.tasks) == 1


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.slow
async def test_a_client_that_refuses_unions_lists_none_in_either_era(serving: Serve, mode: str) -> None:
    async with serving() as address:
        for name, field in (
            ("gemini-cli-mcp-client", "prompt"),
            ("Cursor \u00fc\r\n", "prompt"),
            ("codex", "prompt"),
            ("claude-code", "request"),
        ):
            info = Implementation(name=name, version="1")
            async with Client(f"{address}/mcp", mode=mode, client_info=info) as client:
                creator = (await client.list_tools()).tools[1]
                assert field in creator.input_schema["required"]


async def test_an_opening_that_cannot_be_read_is_answered_as_any_other(serving: Serve) -> None:
    headers = {"Accept": "application/json, text/event-stream"}
    async with serving() as address, httpx.AsyncClient(base_url=address, headers=headers) as http:
        for body in (
            '{"method": "initialize"',
            '{"method": "initialize"}',
            '["initialize"]',
            '{"params": {"initialize": {}}}',
        ):
            answer = await http.post("/mcp", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400
            assert "mcp-session-id" not in answer.headers


@pytest.mark.slow
async def test_the_older_sse_transport_serves_clients_that_have_nothing_else(serving: Serve) -> None:
    async with serving("sse") as address, Client(sse_client(f"{address}/sse"), mode="legacy") as client:
        assert (await finish(client, await create(client)))["status"] == "completed"


@pytest.mark.slow
async def test_a_wait_goes_on_after_a_restart_with_the_same_task_id(serving: Serve, sandbox: Sandbox) -> None:
    sandbox.work_seconds = 0.5
    async with serving() as address, connected(address) as client:
        task = await create(client)
        running = await client.call_tool("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 1})
        assert running.structured_content
    async with serving() as address, connected(address) as client:
        assert (await finish(client, task))["request_id"] == task["request_id"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_server_killed_in_the_middle_of_a_wait_goes_on_when_it_is_back(
    tmp_path: Path, sandbox: Sandbox, mode: str
) -> None:
    sandbox.work_seconds = 3600
    waits = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        waits.set()

    async with run_in_background(sandbox) as provider:
        settings = {"SEEDANCE_DATA_DIR": str(tmp_path), "SEEDANCE_BASE_URL": provider, "SEEDANCE_API_KEY": KEY}
        with held_port() as port, served(port, {**os.environ, **settings}) as (_, process):
            async with connected(f"http://127.0.0.1:{port}", mode=mode) as client:
                task = await create(client)
                wait = partial(client.call_tool, "wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 1800})
                async with anyio.create_task_group() as group:
                    group.start_soon(partial(wait, progress_callback=on_progress))
                    await waits.wait()
                    process.kill()
                    process.wait()
                    group.cancel_scope.cancel()
                sandbox.tasks[task["task_id"]].ends_at = 0
                with served(port, {**os.environ, **settings}) as (_, again):
                    done: dict[str, Any] = (await wait()).structured_content or {}
                    again.kill()
    assert (done["status"], done["task_id"], done["request_id"]) == ("completed", task["task_id"], task["request_id"])
    assert len(sandbox.tasks) == 1


@pytest.mark.slow
async def test_a_waiting_call_blocks_nobody(serving: Serve, sandbox: Sandbox) -> None:
    sandbox.work_seconds = 3600
    async with serving() as address, connected(address) as client:
        task = await create(client)
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(client.call_tool, "wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 1800})
            async with connected(address) as other:
                assert len((await other.list_tools()).tools) == len(TOOLS)
                assert (await create(other, "another fox"))["status"] == "queued"
            group.cancel_scope.cancel()


async def test_without_forms_on_a_stateless_connection_the_chat_is_asked(serving: Serve) -> None:
    async with serving(confirm_above="0.1") as address, connected(address, mode="legacy") as client:
        answer = await create(client)
        assert answer["error"]["code"] == "confirmation_required"
        assert (await create(client, confirm_token=answer["error"]["confirm_token"]))["status"] == "queued"


# the door


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "192.168.7.7"])  # noqa: S104 - named, not bound
async def test_a_foreign_host_or_origin_is_refused_on_every_path(tmp_path: Path, host: str, path: str) -> None:
    settings = Settings(data_dir=tmp_path, http_tokens=SecretStr(TOKENS), http_hosts="video.example.com, ")
    app = httpx.ASGITransport(build_http_app(settings, "http", host))
    async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1:8931") as http:
        for name in ("evil.example.com", "127.0.0.1.evil.com", "localhost.evil.com:8931", "evil.com:127", "[::2]:8931", ""):
            assert (await http.get(path, headers={"Host": name})).status_code == 421
        for name in ("127.0.0.1:8931", "LOCALHOST", "[::1]:8931", "video.example.com:443", "video.example.com."):
            assert (await http.get(path, headers={"Host": name})).status_code == 401
        for origin in ("https://evil.example.com", "null", "http://localhost.evil.com", "file://"):
            assert (await http.get(path, headers={"Origin": origin})).status_code == 403
        for origin in ("http://localhost:3000", "https://video.example.com"):
            assert (await http.get(path, headers={"Origin": origin})).status_code == 401


async def test_without_a_token_nobody_comes_in_but_the_health_check(serving: Serve) -> None:
    async with serving(http_tokens=TOKENS) as address, httpx.AsyncClient(base_url=address) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        for authorization in (None, "", "Bearer", f"Bearer {ANNA}x", f"Basic {ANNA}", ANNA, "Bearer \u00fc"):
            headers = [(b"Authorization", authorization.encode())] if authorization is not None else []
            for path in ("/mcp", "/nothing"):
                refused = await http.post(path, headers=headers, json={})
                assert refused.status_code == 401
                assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert (await http.get("/nothing", headers={"Authorization": f"bearer {ANNA}"})).status_code == 404


@pytest.mark.slow
async def test_each_token_has_its_own_tasks_repeats_and_limits(serving: Serve, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(png(640, 480))
    async with (
        serving(http_tokens=TOKENS, max_cost_total="0.5") as address,
        connected(address, ANNA) as anna,
        connected(address, BERT) as bert,
    ):
        task = await create(anna)
        assert (await create(anna, "second"))["error"]["code"] == "budget_exceeded"
        assert (await create(bert))["deduplicated"] is False
        for tool in ("get_task", "wait_for_video"):
            assert (await told(bert, tool, task_id=task["task_id"]))["error"]["code"] == "task_not_found"
        assert (await told(bert, "get_task", task_id="vid_of_nobody"))["error"]["code"] == "task_not_found"
        assert (await told(bert, "list_tasks"))["total"] == 1
        for source in (str(tmp_path / "cat.png"), "cat.png", "~/x", f"file://{tmp_path}/none.png"):
            upload = await told(anna, "upload_asset", source=source, model="seedance2.0-md")
            assert upload["error"]["code"] == "file_rejected"
            assert str(tmp_path) not in json.dumps(upload)
            assert str(Path.cwd()) not in json.dumps(upload)
        assert (await finish(anna, task))["status"] == "completed"
    assert len(sandbox.tasks) == 2


async def test_a_caller_is_not_told_the_servers_folders(serving: Serve, tmp_path: Path) -> None:
    roots = tmp_path / "films"
    roots.mkdir()
    (tmp_path / "cat.png").write_bytes(b"1")
    async with serving(http_tokens=TOKENS, media_roots=[roots]) as address, connected(address, ANNA) as anna:
        refused = [
            (await told(anna, "upload_asset", source=source, model="seedance2.0-md"))["error"]
            for source in (str(tmp_path / "cat.png"), str(tmp_path / "none.png"), "films/none.png", "~/none.png", str(roots))
        ]
    words = [re.sub(r"http\S+|upload:\w+|2\d{3}-\S+Z", "…", each["message"]) for each in refused]
    assert all(each == words[0] for each in words)
    assert str(tmp_path) not in json.dumps(refused)


@pytest.mark.slow
async def test_a_caller_sends_files_of_the_callers_own_folder_only(serving: Serve, tmp_path: Path) -> None:
    for name in ("anna", "bert"):
        (tmp_path / "films" / name).mkdir(parents=True)
        (tmp_path / "films" / name / "cat.png").write_bytes(png(640, 480))
    (tmp_path / "films" / "cat.png").write_bytes(png(640, 480))
    (tmp_path / "films" / "anna" / "link.png").symlink_to(tmp_path / "films" / "bert" / "cat.png")
    async with (
        run_in_background(Sandbox(no_film)) as provider,
        serving(http_tokens=TOKENS, media_roots=[tmp_path / "films"], base_url=provider) as address,
        connected(address, ANNA) as anna,
    ):
        sent = [
            await told(anna, "upload_asset", source=str(tmp_path / "films" / source), model="seedance2.0-std")
            for source in ("anna/cat.png", "bert/cat.png", "cat.png", "anna/../bert/cat.png", "anna/link.png")
        ]
    assert "reference" in sent[0]
    assert [each["error"]["code"] for each in sent[1:]] == ["file_rejected"] * 4


@pytest.mark.slow
async def test_each_token_hears_of_its_own_tasks_alone(serving: Serve) -> None:
    async with (
        serving(http_tokens=TOKENS) as address,
        connected(address, ANNA) as anna,
        connected(address, BERT) as bert,
    ):
        hers, his = await create(anna), await create(bert)
        uris = [f"seedance://tasks/{task['task_id']}" for task in (hers, his)]
        async with (
            anna.listen(resource_subscriptions=uris) as anna_hears,
            bert.listen(resource_subscriptions=uris) as bert_hears,
        ):
            await finish(anna, hers)
            assert await anext(anna_hears) == ResourceUpdated(uris[0])
            await finish(bert, his)
            assert await anext(bert_hears) == ResourceUpdated(uris[1])


@pytest.mark.slow
async def test_each_token_has_its_own_folder_for_videos(serving: Serve, tmp_path: Path) -> None:
    async def film(order: Order, pictures: list[bytes]) -> bytes:
        return b"\0\0\0\x0cftypisom\0\0\0\x08moov" + (8 + len(order.prompt)).to_bytes(4) + b"mdat" + order.prompt.encode()

    async with (
        run_in_background(Sandbox(film, queue_seconds=0.05, work_seconds=0.1)) as provider,
        serving(http_tokens=TOKENS, base_url=provider, output_dir=tmp_path / "videos") as address,
        connected(address, ANNA) as anna,
        connected(address, BERT) as bert,
    ):
        for client, prompt in ((anna, "hers"), (bert, "his")):
            task = await finish(client, await create(client, prompt))
            saved = await told(client, "download_video", task_id=task["task_id"], filename="../fox")
            assert saved["bytes"] == 28 + len(prompt)
        assert (await told(anna, "download_video", task_id=task["task_id"]))["error"]["code"] == "task_not_found"
    assert [path.relative_to(tmp_path / "videos") for path in sorted((tmp_path / "videos").rglob("*.mp4"))] == [
        Path("anna", "_fox.mp4"),
        Path("bert", "_fox.mp4"),
    ]


@pytest.mark.slow
async def test_an_older_sse_session_belongs_to_the_token_that_opened_it(serving: Serve) -> None:
    async with serving("sse", http_tokens=TOKENS) as address:
        headers = {"Authorization": f"Bearer {ANNA}"}
        async with Client(sse_client(f"{address}/sse", headers=headers), mode="legacy") as client:
            task = await create(client)
            assert task["status"] == "queued"
        async with Client(sse_client(f"{address}/sse", headers={"Authorization": f"Bearer {BERT}"}), mode="legacy") as other:
            assert (await told(other, "get_task", task_id=task["task_id"]))["error"]["code"] == "task_not_found"


async def test_who_comes_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    now = 0.0
    settings = Settings(data_dir=tmp_path, http_requests_per_minute=3)

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    door = Doorkeeper(inside, settings, "127.0.0.1", lambda: now)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://localhost") as http:
        assert [(await http.get("/mcp")).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        now = 30.5
        refused = await http.get("/mcp")
        assert refused.headers["Retry-After"] == "30"
        now = 60.0
        assert (await http.get("/mcp")).status_code == 200


def test_many_requests_within_a_second_count_each_and_until_the_last_is_a_minute_old() -> None:
    now = 0.0
    rate = RequestRate(5, lambda: now)
    for at in (0.0, 0.25, 0.5, 1.25, 2.5):
        now = at
        assert rate.seconds_to_wait("anna") == 0.0
    now = 3.0
    assert rate.seconds_to_wait("anna") == 57.5
    now = 60.5
    assert [rate.seconds_to_wait("anna") for _ in range(4)] == [0.0, 0.0, 0.0, 0.75]


def test_the_rate_limit_of_five_thousand_callers_keeps_a_bounded_number_of_them() -> None:
    now = 0.0
    rate = RequestRate(2, lambda: now)
    for number in range(5000):
        assert rate.seconds_to_wait(f"caller {number}") == 0.0
        assert len(rate) <= CALLERS_COUNTED
    assert [rate.seconds_to_wait("caller 4999") for _ in range(2)] == [0.0, 60.0]
    assert rate.seconds_to_wait("caller 0") == 0.0
    now = 30.0
    assert rate.seconds_to_wait("anna") == 0.0
    now = 60.0
    assert rate.seconds_to_wait("bert") == 0.0
    assert len(rate) == 2


def test_off_loopback_it_refuses_to_start_without_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("0.0.0.0", "::", "192.168.7.7", "video.example.com"):  # noqa: S104 - refused, not bound
        with pytest.raises(NotConfigured, match="SEEDANCE_HTTP_TOKENS"):
            build_http_app(Settings(data_dir=tmp_path), "http", host)
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.2"):
        build_http_app(Settings(data_dir=tmp_path), "sse", host)
    arguments = ["serve", "--transport", "http", "--host", "0.0.0.0"]  # noqa: S104 - refused, not bound
    assert main.main(arguments) == 2
    assert "SEEDANCE_HTTP_TOKENS" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_serves_on_the_port_it_is_given_and_ends_when_interrupted(tmp_path: Path) -> None:
    with held_port() as port, served(port, {**os.environ, "SEEDANCE_DATA_DIR": str(tmp_path)}) as (address, process):
        assert address == f"http://127.0.0.1:{port}/mcp"
    assert process.returncode == 130


@pytest.mark.parametrize(
    "value",
    ["anna", "anna:short", f":{ANNA}", f"anna:{ANNA},anna:{BERT}", f"anna:{ANNA},bert:{ANNA}", "anna:üüüüüüüüüüüüüüüüüü"],
)
def test_tokens_that_cannot_be_used_are_refused(value: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("SEEDANCE_HTTP_TOKENS", value)
    assert main.main(["serve", "--transport", "http"]) == 2
    told = capsys.readouterr().err
    assert "SEEDANCE_HTTP_TOKENS" in told
    assert value not in told


# handles


class Raw:
    """A client of 2026-07-28 that writes its own messages."""

    def __init__(self, address: str, *, extensions: tuple[str, ...] = (EXTENSION,)) -> None:
        self._address, self._ids = address, iter(range(1, 1000))
        self._capabilities: dict[str, Any] = {"extensions": {name: {} for name in extensions}}

    async def ask(self, method: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": self._capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        }
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name}
        headers["Accept"] = "application/json, text/event-stream"
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": {**params, "_meta": meta}}
        async with httpx.AsyncClient() as http:
            answer = await http.post(f"{self._address}/mcp", json=body, headers=headers)
        text = next((line[6:] for line in answer.text.splitlines() if line.startswith("data: {")), answer.text)
        return json.loads(text)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return (await self.ask("tools/call", tool, {"name": tool, "arguments": arguments}))["result"]

    async def look(self, task_id: str) -> dict[str, Any]:
        return (await self.ask("tasks/get", task_id, {"taskId": task_id}))["result"]


REQUEST = {"model": "seedance2.0-md", "prompt": "a fox"}


@pytest.mark.slow
async def test_a_client_that_declares_tasks_gets_a_handle_and_fetches_the_result(serving: Serve, sandbox: Sandbox) -> None:
    sandbox.work_seconds = 3600
    async with serving() as address:
        client = Raw(address)
        handle = await client.call("create_video", request=REQUEST)
        assert handle["resultType"] == "task"
        assert handle["status"] == "working"
        assert handle["ttlMs"] is None
        assert handle["pollIntervalMs"] > 0
        seen = await client.look(handle["taskId"])
        assert seen["resultType"] == "complete"
        waiting = await client.call("wait_for_video", task_id=handle["taskId"], timeout_seconds=1800)
        assert waiting["taskId"] == handle["taskId"]
    next(iter(sandbox.tasks.values())).ends_at = 0
    async with serving() as address:
        client = Raw(address)
        while (seen := await client.look(handle["taskId"]))["status"] == "working":
            assert "result" not in seen
        assert seen["status"] == "completed"
        assert seen["result"]["structuredContent"]["status"] == "completed"
        assert seen["result"]["structuredContent"]["request_id"] == handle["taskId"]
        done = await client.call("wait_for_video", task_id=handle["taskId"])
        assert done["structuredContent"]["status"] == "completed"
        for method in ("tasks/cancel", "tasks/update"):
            noted = await client.ask(method, handle["taskId"], {"taskId": handle["taskId"], "inputResponses": {}})
            assert noted["result"]["resultType"] == "complete"
    assert len(sandbox.tasks) == 1


async def test_a_refusal_and_a_dry_run_are_answered_at_once(serving: Serve) -> None:
    async with serving() as address:
        client = Raw(address)
        refused = await client.call("create_video", request={**REQUEST, "duration": 99})
        assert refused["isError"] is True
        dry = await client.call("create_video", request=REQUEST, dry_run=True)
        assert dry["structuredContent"]["dry_run"] is True


async def test_a_task_is_still_there_when_the_provider_is_away(serving: Serve, sandbox: Sandbox) -> None:
    async with serving() as address:
        client = Raw(address)
        handle = await client.call("create_video", request=REQUEST)
        sandbox.faults = [Fault("unauthorized", "/videos/", 99)]
        assert (await client.look(handle["taskId"]))["status"] == "working"


@pytest.mark.slow
async def test_handles_are_refused_where_they_do_not_belong(serving: Serve) -> None:
    async with serving() as address:
        client, plain = Raw(address), Raw(address, extensions=())
        task_id = (await client.call("create_video", request=REQUEST))["taskId"]
        answer = await plain.call("create_video", request=REQUEST)
        assert answer["structuredContent"]["deduplicated"] is True
        for method in ("tasks/get", "tasks/cancel", "tasks/update"):
            missing = (await plain.ask(method, task_id, {"taskId": task_id}))["error"]
            assert missing["code"] == -32021
            assert missing["data"]["requiredCapabilities"]["extensions"] == {EXTENSION: {}}
            assert (await client.ask(method, "req_nobody", {"taskId": "req_nobody"}))["error"]["code"] == -32602
            assert (await client.ask(method, "another", {"taskId": task_id}))["error"]["code"] == -32020
        found = (await client.ask("server/discover", "", {}))["result"]
        assert found["capabilities"]["extensions"][EXTENSION] == {}


async def test_a_form_is_not_tried_where_nobody_can_be_asked_back(serving: Serve) -> None:
    async def person(context: Any, params: Any) -> ElicitResult:
        raise AssertionError

    async with (
        serving(confirm_above="0.1") as address,
        Client(f"{address}/mcp", mode="legacy", elicitation_callback=person) as client,
    ):
        assert (await create(client))["error"]["confirm_token"]
