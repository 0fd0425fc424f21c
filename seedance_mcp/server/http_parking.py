"""Parks calls that wait over HTTP: of each no more is kept than its message, its work, and where its client listens."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.server.http_answers import takes
from seedance_mcp.server.http_bodies import beginning, body_of, replay
from seedance_mcp.server.parked_calls import PARKED, PARKED_TOOL, ParkedCall


class ParkedCalls:
    """Middleware that keeps what is left of a call while it waits."""

    def __init__(self, app: ASGIApp, path: str | None) -> None:
        """Take the application, and its path that takes messages; `None`: pass everything on."""
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Park a call that waits, or pass the request on."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path:
            return await self._app(scope, receive, send)
        read = await beginning(receive)
        body = body_of(read)
        takes_json, takes_events = takes(Headers(scope=scope).get("accept", "")) if _waits(body) else (False, False)
        if not takes_json:
            return await self._app(scope, replay(read, receive), send)
        del read  # of many calls that wait each keeps little
        call = ParkedCall(receive, send if takes_events else None)
        await self._pass_on(scope, body, call, call.unless_parked(send))
        if await call.finish():
            await self._pass_on(scope, body, call, call.sender(send))
        return None

    async def _pass_on(self, scope: Scope, body: bytes, call: ParkedCall, send: Send) -> None:
        """Have the application read the message, which is to answer with a document."""
        headers = [*(each for each in scope["headers"] if each[0] != b"accept"), (b"accept", b"application/json")]
        message = {"type": "http.request", "body": body, "more_body": False}
        await self._app({**scope, "headers": headers, PARKED: call}, replay([message], call.receive), send)


def _waits(body: bytes) -> bool:
    """Whether a message is a call that waits; one that cannot be read is not."""
    if PARKED_TOOL.encode() not in body:
        return False
    try:
        asked: Any = json.loads(body)
        return (asked["method"], asked["params"]["name"]) == ("tools/call", PARKED_TOOL)
    except (ValueError, RecursionError, LookupError, TypeError):  # the application refuses it
        return False
