"""Serves the sandbox on a loopback port: in a thread for the embedded one, in the foreground for the command."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import uvicorn

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.sandbox.faults import read_fault
from seedance_mcp.sandbox.film import render
from seedance_mcp.sandbox.kept_tasks import TaskFolder
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import KEY, Sandbox

Message = MutableMapping[str, Any]


async def render_in_thread(order: Order, pictures: list[bytes]) -> bytes:
    """Render one film in a worker thread, so that other requests are answered meanwhile."""
    return await anyio.to_thread.run_sync(render, order, pictures)


def make_sandbox(
    edition: Edition, faults: Sequence[str] = (), folder: Path | None = None, *, real_pace: bool = False
) -> Sandbox:
    """Make a sandbox that renders real videos.

    Args:
        edition: The catalogue that it enforces.
        faults: Each written as `name`, `name:path` or `name:path:times`.
        real_pace: Whether videos take as long as was published, and not seconds.
        folder: Where its tasks are kept, so that another process knows them too; where it cannot be made they are not.

    Raises:
        ValueError: A fault is unknown or cannot be read.

    """
    kept: TaskFolder | None = None
    with suppress(OSError):
        kept = TaskFolder(folder) if folder else None
    made = [read_fault(text) for text in faults]
    return Sandbox(render_in_thread, edition, faults=made, kept=kept, real_pace=real_pace)


class BrokenOnPurpose(Exception):
    """Breaks a connection because a fault asks for it."""


class Gateway:
    """The ASGI application of a sandbox; it starts to render as soon as a task is made."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Serve this sandbox."""
        self.sandbox = sandbox
        self._rendering: set[asyncio.Task[None]] = set()

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one HTTP request; a fault that loses the answer breaks the connection."""
        request = await _request(scope, receive)
        try:
            response = await self.sandbox(request)
        except httpx.TransportError as error:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
            raise BrokenOnPurpose from error
        self._start_rendering()
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": await _content(response)})

    def _start_rendering(self) -> None:
        for task in self.sandbox.tasks.values():
            if task.film is None and not task.rendering and not task.failure:
                task.rendering = True
                rendering = asyncio.create_task(self.sandbox.prepare(task))
                self._rendering.add(rendering)
                rendering.add_done_callback(self._rendering.discard)


async def _request(scope: Message, receive: Callable[[], Awaitable[Message]]) -> httpx.Request:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = scope["headers"]
    host = next(value.decode() for name, value in headers if name == b"host")
    query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
    path = scope["raw_path"].decode() if scope.get("raw_path") else scope["path"]
    return httpx.Request(scope["method"], f"http://{host}{path}{query}", headers=headers, content=bytes(body))


async def _content(response: httpx.Response) -> bytes:
    """Give the bytes to send as they are, without undoing the encoding that their header names."""
    stream: Any = response.stream
    return b"".join([chunk async for chunk in stream])


def listen(port: int = 0) -> socket.socket:
    """Bind a port of loopback; 0 takes a free one. Raises `OSError` or `OverflowError` where that is impossible.

    An address that is used again is, on Windows, one that a second server takes from the first.
    """
    bound = socket.socket(proto=socket.IPPROTO_TCP)  # without proto asyncio leaves Nagle on, which costs 40 ms an answer
    bound.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR), 1)
    try:
        bound.bind(("127.0.0.1", port))
    except (OSError, OverflowError):
        bound.close()
        raise
    bound.listen(128)
    return bound


def server_for(sandbox: Sandbox) -> uvicorn.Server:
    """Make a quiet HTTP server for one sandbox."""
    logging.getLogger("uvicorn.error").addFilter(_is_unexpected)
    config = uvicorn.Config(Gateway(sandbox), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    return uvicorn.Server(config)


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Keep every record but those of connections broken on purpose."""
    return not (record.exc_info and isinstance(record.exc_info[1], BrokenOnPurpose))


def run(sandbox: Sandbox, bound: socket.socket) -> None:
    """Print the settings that lead to the sandbox, and serve it until interrupted."""
    print(f"SEEDANCE_BASE_URL=http://127.0.0.1:{bound.getsockname()[1]} SEEDANCE_API_KEY={KEY}", flush=True)
    server_for(sandbox).run(sockets=[bound])


@asynccontextmanager
async def run_in_background(sandbox: Sandbox) -> AsyncGenerator[str]:
    """Serve a sandbox from a thread; gives its URL."""
    bound = listen()
    server = server_for(sandbox)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="seedance-sandbox", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(thread.join)
