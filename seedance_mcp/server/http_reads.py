"""Answers the reads of clients of the older era straight from the SDK's kernel, which takes half as long.

For each request without a session the SDK makes a transport, four streams and three tasks, so that the server could ask its
client something, or hear from it. A read needs none of these: it asks nothing, changes nothing, and ends soon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.connection import Connection
from mcp.server.runner import serve_one
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.server.http_answers import takes
from seedance_mcp.server.http_bodies import replay
from seedance_mcp.server.parked_calls import PARKED

READS = {"get_task", "list_models", "list_tasks", "list_assets", "get_balance"}
"""Tools that send nothing which costs or stays, and end soon: it does no harm to do one twice."""
_TRANSPORT = TransportContext(kind="streamable-http", can_send_request=False)


@dataclass(frozen=True)
class _Exchange:
    """One request and its answer, with no way to say anything else, as the SDK's `DispatchContext`."""

    request_id: types.RequestId
    message_metadata: ServerMessageMetadata
    transport: TransportContext = _TRANSPORT
    can_send_request: bool = False
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)
    """Never set: a client without a session stops nothing."""

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Refuse to ask the client."""
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Drop what a single document has no place for."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Drop it likewise."""


class DirectReads:
    """Middleware that answers the reads it knows, and passes on everything that it is not sure of."""

    def __init__(self, app: ASGIApp, server: Server[Any], shared: Callable[[], object]) -> None:
        """Take the application of the SDK, the server behind it, and what the server shares."""
        self._app, self._server, self._shared = app, server, shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on; a read that fails is done once more there, where its error is worded."""
        version = _older_version(scope)
        if version is None:
            return await self._app(scope, receive, send)
        first = await receive()
        message = _read_of(first.get("body", b""), parked=PARKED in scope)
        answer = message and await self._answer(message, version, Request(scope, replay([first], receive)))
        if answer is None:
            return await self._app(scope, replay([first], receive), send)
        return await Response(answer, media_type="application/json")(scope, receive, send)

    async def _answer(self, message: types.JSONRPCRequest, version: str, request: Request) -> str | None:
        exchange = _Exchange(message.id, ServerMessageMetadata(request_context=request, can_send_request=False))
        connection, shared = Connection.from_envelope(version, None, None), self._shared()
        kernel = serve_one(
            self._server, exchange, message.method, message.params, connection=connection, lifespan_state=shared
        )
        try:
            found = types.JSONRPCResponse(jsonrpc="2.0", id=message.id, result=await kernel)
        except Exception:  # noqa: BLE001 - the SDK's own transport says what is wrong, and logs it
            return None
        return found.model_dump_json(by_alias=True, exclude_unset=True)


def _older_version(scope: Scope) -> str | None:
    """Give the protocol version of a message that the SDK's transport would take as it is; `None` for any other request."""
    told = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}  # the first of each counts
    is_json = told.get(b"content-type", "").partition(";")[0].strip() == "application/json"
    version = told.get(b"mcp-protocol-version")
    is_taken = is_json and scope["method"] == "POST" and version in HANDSHAKE_PROTOCOL_VERSIONS
    return version if is_taken and takes(told.get(b"accept", ""))[0] else None


def _read_of(body: bytes, *, parked: bool) -> types.JSONRPCRequest | None:
    """Read a call of a tool that only reads, by a client that hears of no progress, or one that is parked; else `None`."""
    if b'"tools/call"' not in body:
        return None
    try:
        message = types.jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError:  # the application refuses it
        return None
    if not isinstance(message, types.JSONRPCRequest) or message.method != "tools/call":
        return None
    params = message.params or {}
    name: Any = params.get("name")
    meta: Any = params.get("_meta") or {}
    is_read = isinstance(name, str) and name in READS and isinstance(meta, dict) and "progressToken" not in meta
    return message if parked or is_read else None
