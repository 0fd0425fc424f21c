"""From the snapshot to the real server: it hears what was said, and what was answered is not answered twice."""

from __future__ import annotations

from typing import Protocol

import mcp_types as types
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.shared.message import SessionMessage

from seedance_mcp.instant.opening import Opening

_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
Heard = SessionMessage | Exception


class _Source(Protocol):
    async def receive(self) -> Heard: ...
    async def aclose(self) -> None: ...


class _Sink(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...
    async def aclose(self) -> None: ...


class Replayed(ObjectReceiveStream[Heard]):
    """A client's messages, with those first that were read before the server was there."""

    def __init__(self, opening: Opening, stream: _Source) -> None:
        """Take what was said, and the stream that goes on from there."""
        self._said, self._stream = list(opening.said), stream

    async def receive(self) -> Heard:
        """The next message; what cannot be read comes as the exception, as from the stream itself."""
        if not self._said:
            return await self._stream.receive()
        try:
            return SessionMessage(types.jsonrpc_message_adapter.validate_json(self._said.pop(0), by_name=False))
        except ValueError as error:
            return error

    async def aclose(self) -> None:
        """Close the stream behind."""
        await self._stream.aclose()


class Unrepeated(ObjectSendStream[SessionMessage]):
    """A server's messages, without the answers that its client has already."""

    def __init__(self, opening: Opening, stream: _Sink) -> None:
        """Take which answers those are, and the stream to the client."""
        self._answered, self._stream = list(opening.answered), stream

    async def send(self, item: SessionMessage) -> None:
        """Pass a message on, or drop it."""
        answered = _answers(item.message)
        if answered in self._answered:
            self._answered.remove(answered)
        else:
            await self._stream.send(item)

    async def aclose(self) -> None:
        """Close the stream behind."""
        await self._stream.aclose()


def _answers(message: types.JSONRPCMessage) -> types.RequestId | None:
    """The request that a message answers; a subscription's first answer is its acknowledgement."""
    if isinstance(message, types.JSONRPCNotification) and message.method == _ACKNOWLEDGED:
        return (message.params or {}).get("_meta", {}).get("io.modelcontextprotocol/subscriptionId")
    return message.id if isinstance(message, types.JSONRPCResponse) else None
