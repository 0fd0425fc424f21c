"""Half requests, too many of them, and a server that is asked to end while it works."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest
import uvicorn
from conftest import no_film
from deadline import LONGEST_SECONDS, running
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from served import held_port, patient_get, served
from sse_starlette.sse import AppStatus

from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import listen, run_in_background
from seedance_mcp.server.http_connections import (
    CONNECTIONS_MOST,
    EARLY_MOST_BYTES,
    GATHERED_MOST_BYTES,
    SPARE_FILES,
    Calls,
    Drain,
    Gathering,
    PatientServer,
    connections_allowed,
    files_wanted,
    guarded,
)

HALVES = (
    b"",
    b"GET / HTTP/1.1\r\nHost: localhost",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost:",
)


@contextmanager
def serving(app: Any, most: int, request_seconds: float) -> Generator[int]:
    """Serve an application within bounds; gives its port."""
    bound = listen()
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", http=guarded(most, request_seconds), timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(LONGEST_SECONDS)
    assert not thread.is_alive()


def connection(port: int, text: bytes = b"", address: str = "127.0.0.1") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), LONGEST_SECONDS, source_address=(address, 0))
    made.sendall(text)
    return made


def is_closed(half: socket.socket) -> bool:
    """Read to the end; fails where it does not come."""
    try:
        while half.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


async def echo(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Wire(asyncio.Transport):
    """Notes what leaves, packet by packet."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.2", 80)})
        self.left = list[bytes]()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.left.append(bytes(data))

    def close(self) -> None:
        self.left.append(b"closed")


def test_what_is_written_in_one_turn_leaves_as_one_packet() -> None:
    async def main() -> None:
        wire = Wire()
        transport = Gathering(wire)
        assert transport.get_extra_info("peername") == ("127.0.0.2", 80)
        for text in (b"head", b"body"):
            transport.write(text)
        await asyncio.sleep(0)
        transport.write(b"more")
        await asyncio.sleep(0)
        assert wire.left == [b"headbody", b"more"]

        transport.write(b"much")
        transport.write(b"x" * GATHERED_MOST_BYTES)
        assert len(wire.left.pop()) == len(b"much") + GATHERED_MOST_BYTES
        transport.write(b"last")
        transport.close()
        await asyncio.sleep(0)
        assert wire.left == [b"headbody", b"more", b"last", b"closed"]

    asyncio.run(main())


@pytest.mark.slow
def test_a_request_that_does_not_come_whole_is_given_up_and_one_that_is_worked_on_is_not() -> None:
    halves_are_gone = threading.Event()

    async def busy(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/work":
            await anyio.to_thread.run_sync(halves_are_gone.wait)
        await echo(scope, receive, send)

    with serving(busy, 100, 0.3) as port:
        whole = connection(port, b"GET /work HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        try:
            for text in HALVES:
                with connection(port, text) as half:
                    assert is_closed(half)
        finally:
            halves_are_gone.set()
        with whole:
            assert whole.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_client_that_sends_ever_more_before_its_answer_loses_its_connection() -> None:
    hung_up = threading.Event()

    async def patient(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        while message["type"] != "http.disconnect":
            await anyio.lowlevel.checkpoint()
            with anyio.CancelScope(deadline=-math.inf):  # as calls that wait ask it
                message = await receive()
        hung_up.set()

    with serving(patient, 100, LONGEST_SECONDS) as port:
        with connection(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") as greedy, pytest.raises(ConnectionError):
            greedy.sendall(bytes(10 * EARLY_MOST_BYTES))
        assert hung_up.wait(LONGEST_SECONDS)


def test_one_peer_holds_half_of_the_connections_and_all_together_no_more_than_there_are() -> None:
    with serving(echo, 8, LONGEST_SECONDS) as port, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connection(port))
        for address, fits in (("127.0.0.1", False), ("127.0.0.2", True)):
            with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=LONGEST_SECONDS) as http:
                if fits:
                    assert http.get(f"http://127.0.0.1:{port}").status_code == 200
                else:
                    with pytest.raises(httpx.TransportError):
                        http.get(f"http://127.0.0.1:{port}")
        for number in range(2, 6):
            stack.enter_context(connection(port, address=f"127.0.0.{number}"))
        with connection(port, address="127.0.0.9") as further:
            assert is_closed(further)


@pytest.mark.slow
def test_many_half_requests_of_one_peer_stop_nobody_else(tmp_path: Path) -> None:
    environment = {**os.environ, "SEEDANCE_DATA_DIR": str(tmp_path)}
    with held_port() as port, ExitStack() as stack:
        serve = f"ulimit -n 256; exec {sys.executable} -m seedance_mcp serve --transport http --port {port}"
        options: dict[str, Any] = {"env": environment, "stderr": subprocess.DEVNULL}
        with running("the server", ["/bin/sh", "-c", serve], **options) as process:
            assert patient_get(f"http://127.0.0.1:{port}/healthz").status_code == 200
            for _ in range(300):
                stack.enter_context(connection(port, b"GET / HTTP/1.1\r\nHost: localhost"))
            with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2"), timeout=LONGEST_SECONDS) as http:
                assert http.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
            process.send_signal(signal.SIGINT)


def test_connections_are_counted_by_the_files_that_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert 1 <= connections_allowed() <= CONNECTIONS_MOST
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    enough = CONNECTIONS_MOST + SPARE_FILES
    assert [files_wanted(256, 1024), files_wanted(256, None), files_wanted(2 * enough, None)] == [1024, enough, 2 * enough]
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert connections_allowed() == CONNECTIONS_MOST


@pytest.mark.parametrize("error", [ValueError("current limit exceeds maximum limit"), OSError()])
def test_a_system_that_lets_no_more_files_be_open_than_before_is_served_within_that(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error  # as macOS does above kern.maxfilesperproc

    def few(_: int) -> tuple[int, int]:
        return 256, resource.RLIM_INFINITY

    monkeypatch.setattr(resource, "getrlimit", few)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert connections_allowed() == 256 - SPARE_FILES


# the end


@pytest.mark.parametrize("running_calls", [0, 1])
def test_a_drain_ends_when_nothing_runs_for_a_while_or_its_grace_is_over(running_calls: int) -> None:
    drain = Drain(lambda: running_calls, 10.0)
    assert [drain.is_over(9.0) for _ in range(5)] == [False, False, False, False, running_calls == 0]
    assert drain.is_over(10.0)


def test_a_second_signal_ends_a_server_that_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AppStatus, "should_exit", False)  # of the whole process: streams of later tests would end
    server = PatientServer(uvicorn.Config(echo, log_config=None), Calls(lambda: 1, lambda: None), lambda _: None)
    server.handle_exit(signal.SIGTERM, None)
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_server_says_its_port_when_it_listens_there_and_nothing_where_the_port_is_taken() -> None:
    said: list[int] = []

    def server(port: int, on_listening: Callable[[int], None]) -> PatientServer:
        config = uvicorn.Config(echo, port=port, lifespan="off", log_config=None)
        return PatientServer(config, Calls(lambda: 0, lambda: None), on_listening)

    def visit(port: int) -> None:
        socket.create_connection(("127.0.0.1", port)).close()
        said.append(port)
        first.should_exit = True

    first = server(0, visit)
    await first.serve()
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SystemExit):
        await server(other.getsockname()[1], said.append).serve()
    assert len(said) == 1


@dataclass
class Holding(Sandbox):
    """A provider that takes its time for one video."""

    is_asked: anyio.Event = field(default_factory=anyio.Event)
    may_answer: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if b"take your time" in request.content:
            self.is_asked.set()
            await self.may_answer.wait()
        return await super().__call__(request)


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.usefixtures("heard_hang_up")
@pytest.mark.parametrize(("transport", "number"), [("http", signal.SIGTERM), ("sse", signal.SIGINT), ("http", signal.SIGHUP)])
async def test_a_server_that_is_asked_to_end_answers_waits_at_once_and_finishes_other_calls(
    tmp_path: Path, transport: Literal["http", "sse"], number: signal.Signals
) -> None:
    waits, waited, done = anyio.Event(), anyio.Event(), dict[str, Any]()
    sandbox = Holding(no_film, queue_seconds=0.05, work_seconds=3600)

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        waits.set()

    async def wait(client: Client, task_id: str) -> None:
        arguments = {"task_id": task_id, "timeout_seconds": 1800}
        result = await client.call_tool("wait_for_video", arguments, progress_callback=on_progress)
        done["wait"] = result.structured_content
        waited.set()

    async def create(client: Client, prompt: str) -> None:
        result = await client.call_tool("create_video", {"request": {"model": "seedance2.0-md", "prompt": prompt}})
        done[prompt] = result.structured_content

    async with run_in_background(sandbox) as provider:
        settings = {"SEEDANCE_DATA_DIR": str(tmp_path), "SEEDANCE_BASE_URL": provider, "SEEDANCE_API_KEY": KEY}
        with held_port() as port, served(port, {**os.environ, **settings}, transport) as (address, process):
            async with httpx2.AsyncClient(timeout=LONGEST_SECONDS) as http:
                way = streamable_http_client(address, http_client=http) if transport == "http" else sse_client(address)
                async with Client(way, mode="legacy") as client, anyio.create_task_group() as group:
                    await create(client, "a fox")
                    group.start_soon(wait, client, done["a fox"]["task_id"])
                    group.start_soon(create, client, "take your time")
                    await waits.wait()
                    await sandbox.is_asked.wait()
                    process.send_signal(number)
                    await _nobody_listens(port)
                    await waited.wait()
                    sandbox.may_answer.set()
            assert await anyio.to_thread.run_sync(process.wait) in {-number, 130}
    assert done["wait"]["status"] in {"queued", "processing"}
    assert done["wait"]["next"]["tool"] == "wait_for_video"
    assert done["take your time"]["task_id"] in sandbox.tasks


async def _nobody_listens(port: int) -> None:
    """Wait until no new connection is taken."""
    while True:
        try:
            await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
        except OSError:
            return
        await anyio.lowlevel.checkpoint()
