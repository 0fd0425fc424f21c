"""The HTTP transports: Streamable HTTP at `/mcp`, or the older SSE at `/sse`; off loopback only with tokens."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

import anyio
import uvicorn
from anyio.abc import TaskGroup
from mcp.server import Server
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import Receive, Scope, Send

from seedance_mcp.errors import NotConfigured, SeedanceError
from seedance_mcp.server.handlers import build_server, open_shared
from seedance_mcp.server.http_answers import OneAnswer, PostOnly
from seedance_mcp.server.http_client_name import ClientNameMiddleware
from seedance_mcp.server.http_connections import Calls, PatientServer, connections_allowed, guarded
from seedance_mcp.server.http_door import HEALTH_PATH, READY_PATH, Doorkeeper, bracketed
from seedance_mcp.server.http_files import file_routes
from seedance_mcp.server.http_lists import KeptLists
from seedance_mcp.server.http_messages import MessageMiddleware
from seedance_mcp.server.http_parking import ParkedCalls
from seedance_mcp.server.http_principals import KnownPrincipals
from seedance_mcp.server.http_reads import DirectReads
from seedance_mcp.server.log_lines import announce
from seedance_mcp.settings import Settings, is_loopback_host
from seedance_mcp.tools.session import Connect, Shared, connect_to_provider

if TYPE_CHECKING:
    from seedance_mcp.server.oauth import Issuer

log = logging.getLogger(__name__)

MCP_PATH = "/mcp"
Transport = Literal["http", "sse"]


@dataclass(frozen=True, slots=True)
class Place:
    """The address to listen on, and the PEM files of a certificate and its key."""

    host: str = "127.0.0.1"
    port: int = 8931
    certificate: str | None = None
    key: str | None = None


def needs_principals(settings: Settings, host: str) -> bool:
    """Whether other machines reach the server and only principals of the ledger could have a token."""
    return not is_loopback_host(host) and not settings.http_tokens and not settings.http_oauth_issuer


def check_closed(settings: Settings, host: str, *, has_principals: bool) -> None:
    """Raise `NotConfigured` where other machines reach the server and nobody has a token."""
    if needs_principals(settings, host) and not has_principals:
        raise NotConfigured(
            f"Other machines reach {host}, so a token is needed: set SEEDANCE_HTTP_TOKENS (name:token pairs, comma separated) "
            "or SEEDANCE_HTTP_OAUTH_ISSUER, make one with seedance-mcp principals add, or listen on 127.0.0.1."
        )


READY_SECONDS = 0.8
"""A ledger that has not answered by then is not ready: probes give up after a second."""


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


class _Readiness:
    """Answers whether calls can be served: the ledger can be used, and the provider is configured."""

    def __init__(self, opened: list[Shared]) -> None:
        """Take what the server shares."""
        self._opened, self._groups = opened, list[TaskGroup]()
        self._answered, self._ledger = anyio.Event(), "unusable"
        self._answered.set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Let a question go on that is answered late, until the server ends."""
        async with anyio.create_task_group() as group:
            self._groups.append(group)
            yield
            group.cancel_scope.cancel()

    async def answer(self, request: Request) -> Response:
        """Answer within `READY_SECONDS`; a question that the ledger has not answered yet is not asked twice."""
        if self._answered.is_set():
            self._answered = anyio.Event()
            self._groups[0].start_soon(self._ask, self._answered)
        with anyio.move_on_after(READY_SECONDS) as late:
            await self._answered.wait()
        ledger = "unusable" if late.cancelled_caught else self._ledger
        found = {"ledger": ledger, "provider": _provider_fault(self._opened[0])}
        status = 200 if set(found.values()) == {"ok"} else 503
        return JSONResponse({"status": "ok" if status == HTTPStatus.OK else "unavailable", **found}, status)

    async def _ask(self, answered: anyio.Event) -> None:
        """Ask the ledger; what is wrong with it is for the log, not for everybody."""
        try:
            await self._opened[0].ledger.find(READY_PATH)
            self._ledger = "ok"
        except Exception as error:  # noqa: BLE001 - whatever it is, no call can be served
            log.warning("The ledger cannot be used: %s", type(error).__name__)
            self._ledger = "unusable"
        finally:
            answered.set()


def _provider_fault(shared: Shared) -> str:
    try:
        shared.client.require_key()
    except SeedanceError:
        return "not configured"
    return "ok"


def issuer_of(settings: Settings) -> Issuer | None:
    """Give the OAuth issuer that the settings name."""
    if settings.http_oauth_issuer is None or settings.http_oauth_audience is None:
        return None
    from seedance_mcp.server.oauth import Issuer  # noqa: PLC0415 - what verifies its tokens takes three megabytes

    return Issuer(settings.http_oauth_issuer, settings.http_oauth_audience)


def build_http_app(
    settings: Settings,
    transport: Transport,
    host: str,
    connect: Connect = connect_to_provider,
    trust: Callable[[Settings], Issuer | None] = issuer_of,
    *,
    has_principals: bool = False,
) -> Starlette:
    """Make the ASGI application of one transport, whose clients share one provider connection and one ledger.

    Args:
        settings: The operator's settings.
        transport: `http` for Streamable HTTP, `sse` for the older transport.
        host: The address that the application listens on.
        connect: Makes the client of the provider.
        trust: Gives the OAuth issuer whose tokens are good, or `None`.
        has_principals: Whether the ledger knows principals.

    Returns:
        The application; its `state.calls` are those that it works on.

    Raises:
        NotConfigured: Other machines reach the host and nobody has a token.
    """
    check_closed(settings, host, has_principals=has_principals)
    opened: list[Shared] = []
    issuer, readiness = trust(settings), _Readiness(opened)
    principals = KnownPrincipals(lambda: opened[0].ledger if opened else None)
    door = Middleware(Doorkeeper, settings=settings, host=host, issuer=issuer, principals=principals)

    server = build_server(settings, lambda: nullcontext(opened[0]))
    inner = _streamable(server, lambda: opened[0]) if transport == "http" else _older_sse(server)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with open_shared(Shared(settings, connect)) as shared:
            opened.append(shared)
            async with inner.lifespan_context(inner), readiness.open():
                yield

    own = [*file_routes(opened), Route(HEALTH_PATH, _healthy), Route(READY_PATH, readiness.answer)]
    app = Starlette(
        routes=[*inner.routes, *own, *(issuer.routes() if issuer else []), _elsewhere(inner)],
        middleware=[door, Middleware(ParkedCalls, path=_path_without_spans(server))],
        lifespan=lifespan,
    )
    app.state.calls = _calls_of(opened)
    return app


def _calls_of(opened: list[Shared]) -> Calls:
    def end_waits() -> None:
        for each in opened:
            each.changes.end_waits()

    return Calls(lambda: sum(each.calls_running for each in opened), end_waits)


def _elsewhere(inner: Router) -> Mount:
    """Answer what came to no path of ours: with the id of its message, or where it should go."""
    return Mount("/", MessageMiddleware(Starlette(routes=inner.routes), MCP_PATH))


def _path_without_spans(server: Server[Shared]) -> str | None:
    """Give the path of messages; `None` where spans are taken, which the SDK makes only of what it answers itself."""
    return None if server.middleware else MCP_PATH


def _streamable(server: Server[Shared], shared: Callable[[], Shared]) -> Router:
    """Make the routes without sessions: any process can answer any request, also after a restart."""
    streams, single = (
        StreamableHTTPSessionManager(server, json_response=is_json, stateless=True) for is_json in (False, True)
    )

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        async with streams.run(), single.run():
            yield

    # A fault of the SDK is answered here already, so that its answer gets the id of its request.
    answers = ServerErrorMiddleware(OneAnswer(streams.handle_request, single.handle_request))
    path = _path_without_spans(server)
    named = ClientNameMiddleware(DirectReads(answers, server, shared) if path else answers)
    listed = PostOnly(MessageMiddleware(named, MCP_PATH), MCP_PATH)
    return Router([Route(MCP_PATH, KeptLists(listed, path))], lifespan=lifespan)


class _SseEndpoint:
    """One connection of the older transport."""

    def __init__(self, server: Server[Shared], transport: SseServerTransport) -> None:
        self._server, self._transport = server, transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._transport.connect_sse(scope, receive, send) as (read, write):
            await self._server.run(read, write, self._server.create_initialization_options())


def _older_sse(server: Server[Shared]) -> Router:
    path = "/messages/"
    transport = SseServerTransport(path)
    posted = MessageMiddleware(ServerErrorMiddleware(transport.handle_post_message), path)
    return Router([Route("/sse", _SseEndpoint(server, transport)), Mount(path, posted)])


async def _has_principals(settings: Settings) -> bool:
    async with aclosing(Shared(settings)) as shared:
        return bool(await shared.ledger.registered())


def _load(config: uvicorn.Config, place: Place) -> None:
    """Read what a server needs; raises `NotConfigured` where its certificate and key are none."""
    try:
        if place.key and not place.certificate:
            raise FileNotFoundError("no certificate is given")
        config.load()
    except OSError as error:  # what TLS cannot use is one too
        raise NotConfigured(
            f"--tls-certificate {place.certificate} and --tls-key {place.key} cannot be used ({error}); allowed: PEM files "
            "of a certificate and its private key, or none. Nothing is served."
        ) from error


async def serve_http(settings: Settings, transport: Transport, place: Place) -> None:
    """Serve until a signal comes and the running calls have ended; writes the server's URL to standard error when it listens.

    Raises:
        NotConfigured: Other machines reach the host and nobody has a token, or the certificate or its key cannot be used.
    """
    has_principals = needs_principals(settings, place.host) and await _has_principals(settings)
    app = build_http_app(settings, transport, place.host, has_principals=has_principals)
    most = connections_allowed()
    config = uvicorn.Config(
        app,
        host=place.host,
        port=place.port,
        http=guarded(most),
        limit_concurrency=most,
        log_config=None,
        server_header=False,
        access_log=False,  # its lines would hold signed URLs
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
        timeout_graceful_shutdown=1,
    )
    _load(config, place)
    path = MCP_PATH if transport == "http" else "/sse"
    scheme = "https" if place.certificate else "http"
    beginning = f"{scheme}://{bracketed(place.host)}"
    await PatientServer(config, app.state.calls, lambda port: announce(f"{beginning}:{port}{path}")).serve()
