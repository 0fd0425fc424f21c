"""The one message of each HTTP request: mended where it is loose, and answered with its id whatever is wrong with it."""

from __future__ import annotations

import json
from http import HTTPStatus
from itertools import islice
from typing import Any, cast

import mcp_types as types
from anyio import to_thread
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE, RequestBodyLimitMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seedance_mcp.server.http_bodies import replay
from seedance_mcp.server.loose_messages import mended
from seedance_mcp.server.unreadable_lines import message_of, refusals_of

ANSWERED_MOST = 1000
"""So many members of a batch are answered, each with its error: an answer stays about as long as its request may be."""


class MessageMiddleware:
    """Reads a message before the SDK does, which refuses without an id what it cannot read."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        """Take the application, and how its paths begin that take messages."""
        self._app, self._path = app, path
        self._whole = RequestBodyLimitMiddleware(self._read, DEFAULT_MAX_REQUEST_BODY_SIZE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no message."""
        holds_message = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(self._path)
        return await (self._whole if holds_message else self._app)(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is no message, else pass the message on."""
        first = await receive()
        body: bytes = first.get("body", b"")
        text = body.decode(json.detect_encoding(body), "replace")
        try:
            message = message_of(text)
        except ValueError:
            refused = await to_thread.run_sync(_refused, text)
            return await (refused or self._app)(scope, replay([first], receive), send)
        mend = mended(message)
        passed = text if mend is message else mend.model_dump_json(by_alias=True, exclude_unset=True)
        answer = _Addressed(send, message.id) if isinstance(message, types.JSONRPCRequest) else send
        return await self._app(scope, replay([{**first, "body": passed.encode()}], receive), answer)


def _refused(text: str) -> Response | None:
    """Make the answer to what is no message; `None` where it wants none. Several errors, for a batch, are an array."""
    errors = list(islice(refusals_of(text), ANSWERED_MOST))
    body = errors[0] if len(errors) == 1 else f"[{','.join(errors)}]"
    return Response(body, HTTPStatus.BAD_REQUEST, media_type="application/json") if errors else None


class _Addressed:
    """Sends the response to a request on; one that refuses it without an id, or without a word, is given both."""

    def __init__(self, send: Send, id_: types.RequestId) -> None:
        """Take where to send, and the id of the request."""
        self._send, self._id = send, id_
        self._refusal: Message | None = None
        """The beginning of a refusal, whose body is not whole yet."""
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Take in one message of the response."""
        if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
            self._refusal = message
        elif self._refusal is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._refuse(self._refusal)

    async def _refuse(self, start: Message) -> None:
        said = _object(self._body)
        error = said.get("error") or {"code": types.INVALID_REQUEST, "message": self._words(start["status"])}
        id_ = said.get("id")
        answer = JSONResponse({"jsonrpc": "2.0", "id": self._id if id_ is None else id_, "error": error})
        kept = [(name, value) for name, value in start["headers"] if name not in {b"content-length", b"content-type"}]
        await self._send({**start, "headers": [*kept, *answer.raw_headers]})
        await self._send({"type": "http.response.body", "body": answer.body})

    def _words(self, status: int) -> str:
        """Give what a refusal says that is no JSON-RPC, or what its status says."""
        return self._body.decode("utf-8", "replace") or f"{status} {HTTPStatus(status).phrase}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
