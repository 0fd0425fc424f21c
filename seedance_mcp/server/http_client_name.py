"""What a server without sessions has to know of a client that shook hands: its name, carried by the client as a session id."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seedance_mcp.instant.opening import prefers_flat
from seedance_mcp.server.client_session import SESSION_HEADER


class NameTag:
    """Gives a client whose name makes a difference that name as its session id."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application that answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the opening as it passes; every other request goes on untouched."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        first = await receive()
        name = _opening_name(first)
        if not prefers_flat(name, "auto"):
            return await self._app(scope, _before(first, receive), send)

        async def tag(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[SESSION_HEADER] = quote(name or "", safe="")
            await send(message)

        return await self._app(scope, _before(first, receive), tag)


def _before(first: Message, receive: Receive) -> Receive:
    """The same messages with one that was read already."""
    read = [first]

    async def again() -> Message:
        return read.pop() if read else await receive()

    return again


def _opening_name(message: Message) -> str | None:
    """The client's name in an `initialize` request; `None` in any other message."""
    body: bytes = message.get("body", b"")
    if b'"initialize"' not in body:
        return None
    try:
        opening: Any = json.loads(body)
        return str(opening["params"]["clientInfo"]["name"])
    except (ValueError, LookupError, TypeError):  # not ours to refuse
        return None
