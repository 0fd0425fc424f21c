"""Connections over HTTP: how many one peer may hold, how long a request may take to come, and how running calls end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from socket import socket
from types import FrameType
from typing import Any, NamedTuple, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from seedance_mcp.tools.links import UPLOADS

REQUEST_SECONDS = 30.0
"""How long a request may take to come whole, its body included, from its first byte or from the connection's beginning."""
GRACE_SECONDS = 25.0
"""How long running calls may go on after a signal to end: under the 30 seconds that container managers give."""
QUIET_TICKS = 5
"""How often, every tenth of a second, nothing must run before the server ends: what was answered is on its way meanwhile."""
SPARE_FILES = 128
"""Descriptors that no connection gets: the ledger, the provider, videos."""
CONNECTIONS_MOST = 8192
GATHERED_MOST_BYTES = 16_384
"""So much of an answer is kept until the rest of it comes, within the same turn of the event loop."""
EARLY_MOST_BYTES = 1 << 22
"""A client may send so much, as long as the longest message, of its next requests before it has its answer."""


def connections_allowed() -> int:
    """Give how many connections there may be at once, by how many files this process may open; that is raised first."""
    try:
        resource: Any = import_module("resource")
    except ImportError:  # Windows has none, and no such limit
        return CONNECTIONS_MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files_wanted(soft, hard if hard != resource.RLIM_INFINITY else None)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # macOS says that there is no limit, and has one (kern.maxfilesperproc)
        wanted = soft
    return max(1, min(wanted - SPARE_FILES, CONNECTIONS_MOST))


def files_wanted(soft: int, hard: int | None) -> int:
    """Give how many files a process should be allowed to open.

    Args:
        soft: How many it may open now.
        hard: How many it may ask for; `None` without a limit.
    """
    wanted = max(soft, CONNECTIONS_MOST + SPARE_FILES)
    return wanted if hard is None else min(wanted, hard)


class Gathering:
    """A transport that keeps what is written until the event loop turns: head and body of an answer leave as one packet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Take the transport, which does all the rest."""
        self._transport, self._kept, self._kept_bytes = transport, list[bytes](), 0
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        """Give what is the transport's own."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep some bytes for a moment; many are passed on at once, so that the transport can say that it has enough."""
        if not self._kept:
            self._loop.call_soon(self._pass_on)
        self._kept.append(data)
        self._kept_bytes += len(data)
        if self._kept_bytes > GATHERED_MOST_BYTES:
            self._pass_on()

    def close(self) -> None:
        """Close it after what was written."""
        self._pass_on()
        self._transport.close()

    def _pass_on(self) -> None:
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        if kept:
            self._transport.write(b"".join(kept))


class Guarded(H11Protocol):
    """A protocol that keeps connections within bounds."""

    most = CONNECTIONS_MOST
    """How many connections there may be; one address may hold half of them. A further one is closed at once."""
    request_seconds = REQUEST_SECONDS
    _late: asyncio.TimerHandle | None = None
    _early_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or close it."""
        super().connection_made(cast("asyncio.Transport", Gathering(cast("asyncio.Transport", transport))))
        every, peer = cast("set[Guarded]", self.connections), _address(self)
        if len(every) > self.most or sum(_address(each) == peer for each in every) > max(1, self.most // 2):
            return self.transport.abort()
        return self._expect()

    def data_received(self, data: bytes) -> None:
        """Read on; a client that sends ever more while its answer is worked on loses its connection."""
        self._early_bytes += len(data) if self._is_answering() else 0
        if self._early_bytes > EARLY_MOST_BYTES:
            return self.transport.abort()
        super().data_received(data)
        return self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin anew with the next request."""
        self._stop_waiting()
        self._early_bytes = 0
        super().on_response_complete()

    def _expect(self) -> None:
        """Wait for the rest of a request, if one is under way."""
        if self._is_answering() or (self._at_work() and self._is_upload()):
            self._stop_waiting()
        elif self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(self.request_seconds, self.transport.abort)

    def _at_work(self) -> RequestResponseCycle | None:
        """Give the request that came and whose answer is not complete."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def _is_answering(self) -> bool:
        """Whether that request came whole."""
        cycle = self._at_work()
        return cycle is not None and not cycle.more_body

    def _is_upload(self) -> bool:
        """Whether the request under way sends a file: the application closes it if it comes too slowly, or to a wrong URL."""
        return str(self.scope["path"]).startswith(UPLOADS)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _address(connection: H11Protocol) -> str | None:
    return connection.client[0] if connection.client else None


def guarded(connections: int, seconds: float = REQUEST_SECONDS) -> type[Guarded]:
    """Make the protocol for so many connections, on which a request comes whole within this time."""

    class Bounded(Guarded):
        most, request_seconds = connections, seconds

    return Bounded


class Calls(NamedTuple):
    """The calls that a server works on."""

    running: Callable[[], int]
    """Gives how many there are."""
    end_waits: Callable[[], None]
    """Has those answered that only wait."""


@dataclass
class Drain:
    """The calls that a server waits for before it ends."""

    running: Callable[[], int]
    """Gives how many calls are being worked on."""
    ends_at: float | None = None
    """When the grace is over, by the event loop's clock; `None` while nobody asked the server to end."""
    quiet_ticks: int = 0

    def is_over(self, now: float) -> bool:
        """Whether nothing runs any more, or the grace is over."""
        self.quiet_ticks = 0 if self.running() else self.quiet_ticks + 1
        return self.quiet_ticks >= QUIET_TICKS or (self.ends_at is not None and now >= self.ends_at)


class PatientServer(uvicorn.Server):
    """A server that takes no connection more when it is asked to end, and lets running calls out; a second signal ends it."""

    def __init__(self, config: uvicorn.Config, calls: Calls, on_listening: Callable[[int], None]) -> None:
        """Take what to serve, the calls that are being worked on, and what to do with the port once it is open."""
        super().__init__(config)
        self._on_listening = on_listening
        self._calls, self._drain = calls, Drain(calls.running)
        self._asked: int | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen; raises `SystemExit` where the system refuses."""
        await super().startup(sockets)
        self._on_listening(self.servers[0].sockets[0].getsockname()[1])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end, or end now where that was asked before or nothing runs."""
        if self._asked is None and self._drain.running():
            self._asked = sig
        else:
            self._leave(sig)

    def _leave(self, sig: int) -> None:
        super().handle_exit(sig, None)  # streams that only listen end too: `sse_starlette` hears of it

    async def on_tick(self, counter: int) -> bool:
        """See every tenth of a second whether it is time to end."""
        now = asyncio.get_running_loop().time()
        if self._asked is not None and not self.should_exit:
            if self._drain.ends_at is None:
                self._drain.ends_at = now + GRACE_SECONDS
                self._calls.end_waits()
                for listener in self.servers:
                    listener.close()
            if self._drain.is_over(now):
                self._leave(self._asked)
        return await super().on_tick(counter)
