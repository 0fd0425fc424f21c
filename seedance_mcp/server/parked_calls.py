"""Calls that wait for minutes over HTTP, parked outside the SDK, which would keep forty kilobytes of each meanwhile.

The SDK reads and checks such a call as any other, and gives it away. When its work is done the SDK is given the same message
once more, and writes the answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types

from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.polling.schedule import Meter
from seedance_mcp.server.client_session import Context

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send

Answer = types.CallToolResult | types.InputRequiredResult | dict[str, Any]
"""What a handler of the SDK gives for a call."""
Work = Callable[[], Awaitable[Answer]]

PARKED = "seedance_mcp.parked_call"
"""Where the scope of a request holds the call that may be parked."""
PARKED_TOOL = "wait_for_video"
SILENT_SECONDS = 15.0
"""A client that asked for no progress gets a sign of life this often: a proxy takes a silent connection for dead."""
_PING = b": ping\r\n\r\n"
_STREAM = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"connection", b"keep-alive"),
    (b"x-accel-buffering", b"no"),
]


class _HungUp(BaseException):
    """Nobody waits for the answer any more."""


class ParkedCall:
    """One call that may be parked, and the client behind it."""

    __slots__ = (
        *("_client", "_is_stream_open", "_meter", "_said_at", "_token", "_work"),
        *("address", "answer", "receive"),
    )
    reply: Reply | None = None

    def __init__(self, receive: Receive, client: Send | None) -> None:
        """Take where the client hangs up, and where it is sent events; `None` where it takes none."""
        self.receive, self._client = receive, client
        self._meter, self._is_stream_open = Meter(), False
        self._work: Work | None = None
        self._token: types.ProgressToken | None = None
        self._said_at = anyio.current_time()
        self.address: str | None = None
        self.answer: Answer | None = None
        """What the tool said; `None` until the work is done."""

    @property
    def is_parked(self) -> bool:
        """Whether the SDK gave the call away."""
        return self._work is not None

    def park(self, work: Work, address: str | None, token: types.ProgressToken | None) -> Answer:
        """Take a call from the SDK; gives what the SDK answers in the meantime, which no client is sent.

        Args:
            work: Gives the answer.
            address: How the client reached this server.
            token: What its reports of progress are known by; `None` where it asked for none.
        """
        self._work, self.address, self._token = work, address, token
        return types.CallToolResult(content=[])

    async def finish(self) -> bool:
        """Do the work, if the call was parked; says whether there is an answer, and a client for it."""
        if self._work is None:
            return False
        with suppress(_HungUp):
            self.answer = await self._work()
        return self.answer is not None

    async def report(self, progress: float, message: str) -> None:
        """Report progress, if the client asked for it and takes events; ends the call where the client hung up."""
        if await self._has_hung_up():
            raise _HungUp
        if self._token is not None:
            told = {"progressToken": self._token, "progress": self._meter.rise(progress), "total": 100, "message": message}
            notification = {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}
            await self._say(_event(json.dumps(notification, separators=(",", ":")).encode()))
        elif anyio.current_time() >= self._said_at + SILENT_SECONDS:
            await self._say(_PING)

    async def ask(self, question: str, token: str) -> Action:
        """Ask nothing."""
        return "absent"

    async def _has_hung_up(self) -> bool:
        """Say whether the client closed its connection, without waiting for that."""
        with anyio.CancelScope(deadline=-math.inf):
            return (await self.receive())["type"] == "http.disconnect"
        return False

    async def _say(self, event: bytes) -> None:
        if self._client:
            await self._open(self._client)
            await self._client({"type": "http.response.body", "body": event, "more_body": True})
            self._said_at = anyio.current_time()

    async def _open(self, client: Send) -> None:
        if not self._is_stream_open:
            self._is_stream_open = True
            await client({"type": "http.response.start", "status": 200, "headers": _STREAM})

    def unless_parked(self, client: Send) -> Send:
        """Give where the SDK sends what it says to a call at first: to the client, if it keeps the call."""

        async def said(message: Message) -> None:
            if not self.is_parked:
                await client(message)

        return said

    def sender(self, client: Send) -> Send:
        """Give where the SDK sends the answer: it is an event of the stream, if one was begun."""
        if not self._is_stream_open:
            return client
        said = list[bytes]()

        async def last_event(message: Message) -> None:
            said.append(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await client({"type": "http.response.body", "body": _event(b"".join(said))})

        return last_event


def _event(message: bytes) -> bytes:
    """Write a message of JSON-RPC as an event of a stream."""
    return b"event: message\r\ndata: %b\r\n\r\n" % message


def parked_call(ctx: Context) -> ParkedCall | None:
    """Give the call behind a request, where the transport can park it."""
    return ctx.request.scope.get(PARKED) if ctx.request is not None else None
