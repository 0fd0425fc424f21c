"""The body of a request: middleware reads it, and gives it on to the application as if nobody had."""

from __future__ import annotations

from starlette.types import Message, Receive

ASKED_MOST_BYTES = 4096
"""No more than this, and the message that exceeds it, is read of a body to see what it asks for."""


async def beginning(receive: Receive) -> list[Message]:
    """Read a request until it is whole, or longer than `ASKED_MOST_BYTES`."""
    read = [await receive()]
    while read[-1].get("more_body") and len(body_of(read)) <= ASKED_MOST_BYTES:
        read.append(await receive())
    return read


def body_of(messages: list[Message]) -> bytes:
    """Give the bytes of what was read."""
    return b"".join(message.get("body", b"") for message in messages)


def replay(read: list[Message], receive: Receive) -> Receive:
    """Give the messages that were read already, then the rest."""

    async def again() -> Message:
        return read.pop(0) if read else await receive()

    return again
