"""The installed server over real pipes, with the official client and by hand."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import TextResourceContents

from seedance_mcp.sandbox import serve
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import KEY, Sandbox, SandboxTask

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]
PROMPT = "an unmistakable prompt"


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    ours = {"SEEDANCE_DATA_DIR": str(tmp_path / "data"), "SEEDANCE_MEDIA_ROOTS": str(tmp_path), **more}
    return {**os.environ, "HOME": str(tmp_path.with_name("home")), **ours}


def server(tmp_path: Path, **more: str) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=["-m", "seedance_mcp"], env=environment(tmp_path, **more))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_official_client_makes_a_video_on_the_embedded_sandbox(tmp_path: Path, mode: str) -> None:
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async with Client(server(tmp_path, SEEDANCE_SANDBOX="1"), mode=mode) as client:
        request = {"model": "seedance2.0-fast-i2v", "prompt": PROMPT, "duration": 1}
        task = (await client.call_tool("create_video", {"request": request})).structured_content
        assert task
        assert task["sandbox"] is True
        waited = await client.call_tool("wait_for_video", {"task_id": task["task_id"]}, progress_callback=on_progress)
        done = waited.structured_content
        assert done
        assert done["status"] == "completed"
        async with httpx.AsyncClient() as http:
            film = await http.get(done["video_url"])
        for name in ("pricing", "limits", "models", "models/seedance2.0-md", f"tasks/{task['task_id']}"):
            (content,) = (await client.read_resource(f"seedance://{name}")).contents
            assert isinstance(content, TextResourceContents)
            assert "SANDBOX: nothing is real" in content.text or json.loads(content.text)["sandbox"] is True
    assert film.content[4:8] == b"ftyp"
    assert seen == sorted(set(seen))
    assert 0 < seen[0] <= seen[-1] <= 100  # how many there are depends on the machine


async def test_one_post_and_no_key_prompt_or_link_in_any_log_or_file(tmp_path: Path) -> None:
    sandbox = Sandbox(serve.render_in_thread, queue_seconds=0.1, work_seconds=0.3)
    (tmp_path / "errors").touch()
    async with serve.run_in_background(sandbox) as address:
        parameters = server(tmp_path, SEEDANCE_BASE_URL=address, SEEDANCE_API_KEY=KEY, SEEDANCE_LOG_LEVEL="DEBUG")
        shell = f"exec '{sys.executable}' -m seedance_mcp 2>'{tmp_path}/errors'"
        parameters.command, parameters.args = "/bin/sh", ["-c", shell]
        async with Client(parameters) as client:
            request = {"model": "seedance2.0-md", "prompt": PROMPT, "duration": 1}
            made = await client.call_tool("create_video", {"request": request})
            assert made.structured_content
            arguments = {"task_id": made.structured_content["task_id"]}
            done = await client.call_tool("wait_for_video", arguments)
            assert done.structured_content
            link = done.structured_content["video_url"]
            bad = await client.call_tool("create_video", {"request": {**request, "duration": 99}})
            results = [made, done, bad, await client.call_tool("get_balance", {})]
    assert sandbox.requests.count(("POST", "/api/open-api/v1/seedance/videos")) == 1
    log = (tmp_path / "errors").read_text("utf-8")
    assert "Request req_" in log
    assert PROMPT not in log
    assert link not in log
    assert "signature" not in log
    assert KEY not in log + "".join(result.model_dump_json() for result in results)
    for path in (tmp_path / "data").rglob("*"):
        assert KEY.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


async def test_standard_output_is_protocol_only_and_the_end_of_input_ends_the_server(tmp_path: Path) -> None:
    info = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}
    lines: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": info},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "create_video", "arguments": {"model": "x"}}},
        {"jsonrpc": "2.0", "id": 4, "method": "no/such"},
    ]
    script = [sys.executable, "-m", "seedance_mcp"]
    async with await anyio.open_process(script, env=environment(tmp_path)) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        await process.stdin.send("\n".join([*map(json.dumps, lines), "not json", ""]).encode())
        answers: list[dict[str, Any]] = []
        received = b""
        while not {1, 2, 3, 4} <= {answer.get("id") for answer in answers}:
            received += await process.stdout.receive()
            *complete, received = received.split(b"\n")
            answers += map(json.loads, complete)
        await process.stdin.aclose()
        assert await process.wait() == 0
        errors = b"".join([chunk async for chunk in process.stderr])
    assert received == b""
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert b"Traceback" not in errors


async def test_the_end_of_input_ends_the_server_with_a_wait_in_flight(tmp_path: Path) -> None:
    class Watched(Sandbox):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if "/videos/" in request.url.path:
                looks.append(request.url.path)
            return await super().__call__(request)

    looks: list[str] = []
    info = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}
    call = {"name": "wait_for_video", "arguments": {"task_id": "vid_1", "timeout_seconds": 1800}}
    lines: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": info},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
    ]
    sandbox = Watched(serve.render_in_thread, faults=[Fault("strange_status", "/videos/", 9999)])
    sandbox.tasks["vid_1"] = SandboxTask("vid_1", {"model": "seedance2.0-md", "prompt": PROMPT}, 0.3, 1, 0.0, 1e12, film=b"")
    async with serve.run_in_background(sandbox) as address:
        environ = environment(tmp_path, SEEDANCE_BASE_URL=address, SEEDANCE_API_KEY=KEY)
        async with await anyio.open_process([sys.executable, "-m", "seedance_mcp"], env=environ) as process:
            assert process.stdin
            await process.stdin.send("".join(f"{json.dumps(line)}\n" for line in lines).encode())
            while not looks:
                await anyio.lowlevel.checkpoint()
            await process.stdin.aclose()
            with anyio.fail_after(30):
                assert await process.wait() == 0


@pytest.mark.parametrize("interrupted", [True, False])
async def test_an_opened_server_ends_quietly_by_interrupt_and_by_the_end_of_input(tmp_path: Path, interrupted: bool) -> None:  # noqa: FBT001 - a column
    info = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}
    command = str(Path(sys.executable).with_name("seedance-mcp"))
    async with await anyio.open_process([command], env=environment(tmp_path)) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        await process.stdin.send(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": info}).encode() + b"\n"
        )
        assert json.loads(await process.stdout.receive())["id"] == 1
        if interrupted:
            process.send_signal(signal.SIGINT)
        else:
            await process.stdin.aclose()
        assert await process.wait() == (130 if interrupted else 0)
        assert b"".join([chunk async for chunk in process.stderr]) == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_during_a_create_ends_the_server_with_the_paid_task_written_down(
    tmp_path: Path, number: signal.Signals
) -> None:
    class Slow(Sandbox):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = await super().__call__(request)
            if request.url.path.endswith("/seedance/videos"):
                posted.set()
                await anyio.to_thread.run_sync(signalled.wait)
            return answer

    posted, signalled = threading.Event(), threading.Event()
    info = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}
    call = {"name": "create_video", "arguments": {"request": {"model": "seedance2.0-md", "prompt": PROMPT}}}
    lines: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": info},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
    ]
    sandbox = Slow(serve.render_in_thread)
    async with serve.run_in_background(sandbox) as address:
        environ = environment(tmp_path, SEEDANCE_BASE_URL=address, SEEDANCE_API_KEY=KEY)
        async with await anyio.open_process([sys.executable, "-m", "seedance_mcp"], env=environ) as process:
            assert process.stdin
            await process.stdin.send("".join(f"{json.dumps(line)}\n" for line in lines).encode())
            await anyio.to_thread.run_sync(posted.wait)
            process.send_signal(number)
            signalled.set()
            assert await process.wait() == 130
        command = [sys.executable, "-m", "seedance_mcp", "tasks"]
        listed = await anyio.run_process(command, env=environ)
    assert next(iter(sandbox.tasks)) in listed.stdout.decode()
