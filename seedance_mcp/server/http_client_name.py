"""Stateless HTTP: puts the client's name into its session id, so that later requests get the schema profile of that client."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seedance_mcp.instant.opening import prefers_flat
from seedance_mcp.server.client_session import SESSION_HEADER
from seedance_mcp.server.http_bodies import replay


class ClientNameMiddleware:
    """Middleware that gives a client its own name as session id, where the name decides about the schema profile."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the name in an `initialize` request; pass every request on unchanged."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        first = await receive()
        name = _opening_name(first)
        if not prefers_flat(name, "auto"):
            return await self._app(scope, replay([first], receive), send)

        async def tag(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[SESSION_HEADER] = quote(name or "", safe="")
            await send(message)

        return await self._app(scope, replay([first], receive), tag)


def _opening_name(message: Message) -> str | None:
    """Read the client's name in an `initialize` request; `None` in any other message."""
    body: bytes = message.get("body", b"")
    if b'"initialize"' not in body:
        return None
    try:
        opening: Any = json.loads(body)
        return str(opening["params"]["clientInfo"]["name"])
    except (ValueError, LookupError, TypeError):  # the application refuses it
        return None
