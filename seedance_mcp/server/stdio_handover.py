"""Replays the messages of the opening into the real server, and drops the answers that the client already has.

The SDK's streams would do for the rest, but they give standard output back, and do not end before a silent client does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from itertools import chain
from threading import Thread

import mcp_types as types
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    Lock,
    create_memory_object_stream,
    from_thread,
    to_thread,
)
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from anyio.lowlevel import EventLoopToken, current_token
from mcp.shared.message import SessionMessage

from seedance_mcp.instant.opening import Opening
from seedance_mcp.instant.pipes import Lines, write
from seedance_mcp.server.loose_messages import mended
from seedance_mcp.server.unreadable_lines import message_of, refusals_of

_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_SERVER_ENDED = (BrokenResourceError, ClosedResourceError, CancelledError, RuntimeError)
"""What a thread's call into the event loop raises while the server ends, and after that."""
Received = SessionMessage | Exception


def resume(opening: Opening, source: int, sink: int) -> tuple[Incoming, Outgoing]:
    """Give the two streams of a server that goes on where an opening ended."""
    incoming = Incoming(opening, source)
    outgoing = Outgoing(opening, sink, incoming.end)
    incoming.refuse = outgoing.write_line
    return incoming, outgoing


async def _tell_nobody(refusal: str) -> None:
    """Where nobody writes to the client."""


class Incoming(ObjectReceiveStream[Received]):
    """A client's messages, with those first that were read before the server was there."""

    def __init__(self, opening: Opening, source: int) -> None:
        """Read on in a thread that does not keep the process alive."""
        self.refuse: Callable[[str], Awaitable[None]] = _tell_nobody
        """Sends the error that answers a line which is no message."""
        self._sender, self._lines = create_memory_object_stream[bytes]()
        lines = chain(opening.replayed, Lines(source))
        Thread(target=self._read, args=(lines, current_token()), daemon=True).start()

    def _read(self, lines: Iterable[bytes], token: EventLoopToken) -> None:
        with suppress(*_SERVER_ENDED):
            try:
                for line in lines:
                    from_thread.run(self._sender.send, line, token=token)
            finally:
                from_thread.run_sync(self.end, token=token)

    async def receive(self) -> Received:
        """Give the next message; one that cannot be read is answered, and given as the exception, as by the SDK's stream."""
        line = (await self._lines.receive()).decode("utf-8-sig", "replace")
        try:
            return SessionMessage(mended(message_of(line)))
        except ValueError as error:
            for refusal in refusals_of(line):
                await self.refuse(refusal)
            return error

    def end(self) -> None:
        """Take no message after those that were read."""
        self._sender.close()

    async def aclose(self) -> None:
        """Close both ends."""
        self.end()
        self._lines.close()


class Outgoing(ObjectSendStream[SessionMessage]):
    """A server's messages, without the answers that its client has already."""

    def __init__(self, opening: Opening, sink: int, gone: Callable[[], None]) -> None:
        """Take the answers to drop, the descriptor to write to, and what to call when the client no longer reads."""
        self._answered, self._sink, self._gone = list(opening.answered), sink, gone
        self._turn = Lock()

    async def send(self, item: SessionMessage) -> None:
        """Write a message, or drop it."""
        answered = _answers(item.message)
        if answered in self._answered:
            self._answered.remove(answered)
        else:
            await self.write_line(item.message.model_dump_json(by_alias=True, exclude_unset=True))

    async def write_line(self, line: str) -> None:
        """Write a line of JSON; raises `BrokenResourceError` where nobody reads it."""
        try:
            async with self._turn:
                await to_thread.run_sync(write, self._sink, line)
        except BrokenPipeError:
            self._gone()
            raise BrokenResourceError from None

    async def aclose(self) -> None:
        """Leave the pipe open until the process ends."""


def _answers(message: types.JSONRPCMessage) -> types.RequestId | None:
    """Give the id of the request that a message answers; a subscription's first answer is its acknowledgement."""
    if isinstance(message, types.JSONRPCNotification) and message.method == _ACKNOWLEDGED:
        return (message.params or {}).get("_meta", {}).get("io.modelcontextprotocol/subscriptionId")
    return message.id if isinstance(message, types.JSONRPCResponse) else None
