"""The word of a database that some process changed something, awaited without holding a thread."""

from __future__ import annotations

from typing import Protocol

import anyio
import anyio.to_thread

from seedance_mcp.money.stores.store import Listener


class Announcements(Protocol):
    """The announcements of all processes of a ledger."""

    async def wait(self) -> None:
        """Wait until something changed; raises `LedgerAway` where nothing will be heard any more."""
        ...

    async def aclose(self) -> None:
        """Listen no longer."""
        ...


class Heard:
    """Announcements on the connection of a store."""

    def __init__(self, listener: Listener) -> None:
        """Take a listener, which is closed with this."""
        self._listener = listener

    async def wait(self) -> None:
        """Wait until the connection has something to read."""
        await anyio.wait_readable(self._listener.fileno())
        await anyio.to_thread.run_sync(self._listener.take)

    async def aclose(self) -> None:
        """Close the connection."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._listener.close)
