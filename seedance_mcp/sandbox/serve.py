"""The imitation behind a loopback port: in a thread of its own for the embedded one, in the foreground for the command."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import httpx
import uvicorn

from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.film import render
from seedance_mcp.sandbox.provider import KEY, Sandbox

__all__ = ["KEY", "Gateway", "LostOnPurpose", "listen", "render_in_thread", "run", "run_in_background", "with_faults"]

Message = MutableMapping[str, Any]


async def render_in_thread(body: dict[str, Any], pictures: list[bytes]) -> bytes:
    """Render without holding up the other requests."""
    return await anyio.to_thread.run_sync(render, body, pictures)


class LostOnPurpose(Exception):
    """Breaks a connection because a fault says so."""


class Gateway:
    """The ASGI face of a sandbox; starts to draw as soon as a task is made."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Take the sandbox to serve."""
        self.sandbox = sandbox
        self._drawing: set[asyncio.Task[None]] = set()

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one HTTP request; a fault that loses the answer breaks the connection."""
        request = await _request(scope, receive)
        try:
            response = await self.sandbox(request)
        except httpx.TransportError:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
            raise LostOnPurpose from None
        self._draw()
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": await _content(response)})

    def _draw(self) -> None:
        for task in self.sandbox.tasks.values():
            if task.film is None and not task.rendering and not task.failure:
                task.rendering = True
                drawing = asyncio.create_task(self.sandbox.prepare(task))
                self._drawing.add(drawing)
                drawing.add_done_callback(self._drawing.discard)


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
    """The bytes as they are to travel, not as their encoding header would have them read."""
    stream: Any = response.stream
    return b"".join([chunk async for chunk in stream])


def listen(port: int = 0) -> socket.socket:
    """Bind loopback; port 0 takes a free one."""
    bound = socket.socket(proto=socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on: 40 ms for each answer
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except (OSError, OverflowError):
        bound.close()
        raise
    bound.listen(128)
    return bound


def server_for(sandbox: Sandbox) -> uvicorn.Server:
    """A quiet HTTP server for one sandbox."""
    logging.getLogger("uvicorn.error").addFilter(_unasked)
    config = uvicorn.Config(Gateway(sandbox), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    return uvicorn.Server(config)


def _unasked(record: logging.LogRecord) -> bool:
    """Keep what nobody asked for in the log."""
    return not (record.exc_info and isinstance(record.exc_info[1], LostOnPurpose))


def run(sandbox: Sandbox, bound: socket.socket) -> None:
    """Serve until interrupted, and say where."""
    print(f"SEEDANCE_BASE_URL=http://127.0.0.1:{bound.getsockname()[1]} SEEDANCE_API_KEY={KEY}", flush=True)
    server_for(sandbox).run(sockets=[bound])


def with_faults(faults: Sequence[str]) -> Sandbox:
    """A sandbox with faults, each written `name`, `name:path` or `name:path:times`; raises `ValueError` for another."""
    return Sandbox(render_in_thread, faults=[_fault(text) for text in faults])


def _fault(text: str) -> Fault:
    name, where, times = [*text.split(":"), "", ""][:3]
    if not (times or "1").isdecimal():
        raise ValueError(f"{text} is no NAME[:PATH[:TIMES]]")
    return Fault(name, where or "/", int(times or 1))


@asynccontextmanager
async def run_in_background(sandbox: Sandbox | None = None) -> AsyncGenerator[str]:
    """Serve a sandbox from a thread; gives its address."""
    bound = listen()
    server = server_for(sandbox or Sandbox(render_in_thread))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="seedance-sandbox", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(thread.join)
