"""The MCP client behind one call: its principal, reports of progress, and questions to the user in both protocol eras."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import anyio
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, principal_components
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from seedance_mcp.money.gate import Action, AskedForLater, Reply
from seedance_mcp.polling.schedule import HEARTBEAT_SECONDS, Meter
from seedance_mcp.tools.beside import beside
from seedance_mcp.tools.session import Session, Shared

ASK_SECONDS = 120.0
"""How long the user has to answer before the call ends without an answer."""

T = TypeVar("T")
Context = ServerRequestContext[Shared, Any]

SESSION_HEADER = "Mcp-Session-Id"

_FIELD = "confirm"
_FORM: types.ElicitRequestedSchema = {
    "type": "object",
    "properties": {_FIELD: {"type": "boolean", "title": "Make this video and pay for it", "default": True}},
    "required": [_FIELD],
}


def principal_of(access: AccessToken | None) -> str:
    """Give the principal that a verified token speaks for; `""`: the one user of a server that asks for no token.

    An OAuth subject comes after the issuer's URL; the name of an operator's own token cannot equal it, as it holds no colon.
    """
    if access is None:
        return ""
    name, issuer, subject = principal_components(access)
    return name if subject is None else f"{issuer} {subject}"


def session_of(ctx: Context) -> Session:
    """Give the view that the request's principal has of the server."""
    user = ctx.request.scope.get("user") if ctx.request is not None else None
    return ctx.lifespan_context.session(principal_of(user.access_token if isinstance(user, AuthenticatedUser) else None))


def address_of(ctx: Context) -> str | None:
    """Give how the client reached this server; the name is one that the server is known by, else nothing came this far."""
    if ctx.request is None:
        return None
    return f"{ctx.request.scope['scheme']}://{ctx.request.headers['host']}"


def client_name(ctx: Context) -> str | None:
    """Give the client's name as it introduced itself; on a connection without sessions its session id holds the name."""
    client = ctx.session.client_params
    if client is not None:
        return client.client_info.name
    return ctx.request.headers.get(SESSION_HEADER) if ctx.request is not None else None


_LONG_WAITS_SECONDS = {"claude-code": 110, "codex": 110}
"""By a part of the client's name: a wait that ends before the host, at 120 s, moves it to the background or gives it up."""


def longest_wait_seconds(ctx: Context) -> int | None:
    """Give how long a wait this client is known to bear beyond the usual one; `None` where nothing is known."""
    name = (client_name(ctx) or "").lower()
    return next((seconds for part, seconds in _LONG_WAITS_SECONDS.items() if part in name), None)


class Asked(AskedForLater):
    """The call ends with a question; the client makes it again with the user's answer (2026-07-28)."""

    def __init__(self, question: str, token: str) -> None:
        """Take the question, and the token that stands for a yes."""
        super().__init__(question)
        self.question, self.token = question, token

    def as_result(self) -> types.InputRequiredResult:
        """Give the result that asks the client for the user's answer; the token travels as its opaque state."""
        form = types.ElicitRequestFormParams(message=self.question, requested_schema=_FORM)
        return types.InputRequiredResult(input_requests={_FIELD: types.ElicitRequest(params=form)}, request_state=self.token)


class McpCaller:
    """The client of one tool call."""

    def __init__(self, ctx: Context, params: types.CallToolRequestParams) -> None:
        """Take the request's context and its parameters, which may hold the user's answer."""
        self._ctx = ctx
        self._meter, self._reported_at = Meter(), 0.0
        self._is_heard = ctx.request is None or "progress_token" in (ctx.meta or {})
        self.reply = _reply(params)
        self.address = address_of(ctx)

    async def report(self, progress: float, message: str) -> None:
        """Report progress, if the client asked for it; the numbers rise whatever is given."""
        self._reported_at = anyio.current_time()
        await self._ctx.session.report_progress(self._meter.rise(progress), 100, message)

    async def accompany(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await a tool's work, and report to the client whenever nothing was reported for `HEARTBEAT_SECONDS`."""
        if not self._is_heard:
            return await work()
        self._reported_at = anyio.current_time()
        async with beside(self._beat):
            return await work()

    async def _beat(self) -> None:
        while True:
            await anyio.sleep_until(self._reported_at + HEARTBEAT_SECONDS)
            if anyio.current_time() >= self._reported_at + HEARTBEAT_SECONDS:
                await self.report(0, "waiting for the provider")

    async def ask(self, question: str, token: str) -> Action:
        """Ask the user by a form.

        Returns:
            `absent` where the client has no forms, `cancel` where no answer comes within `ASK_SECONDS` or the form fails.

        Raises:
            Asked: The client makes the call again with the answer.
        """
        if not has_forms(self._ctx.session.client_capabilities):
            return "absent"
        if self._ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            raise Asked(question, token)
        with anyio.move_on_after(ASK_SECONDS), suppress(MCPError):
            return _action(await self._ctx.session.elicit_form(question, _FORM, self._ctx.request_id))
        return "cancel"


def has_forms(capabilities: types.ClientCapabilities | None) -> bool:
    """Whether a client can show the user a form; an elicitation capability that names no mode means forms."""
    found = capabilities.elicitation if capabilities else None
    return found is not None and (found.form is not None or found.url is None)


def _action(result: types.ElicitResult) -> Action:
    if result.action != "accept":
        return result.action
    return "accept" if (result.content or {}).get(_FIELD) is True else "decline"


def _reply(params: types.CallToolRequestParams) -> Reply | None:
    answer = (params.input_responses or {}).get(_FIELD)
    if not isinstance(answer, types.ElicitResult) or params.request_state is None:
        return None
    return Reply(_action(answer), params.request_state)
