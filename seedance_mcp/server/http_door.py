"""The door of the HTTP transports: known Host, known Origin, known token, not too often."""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.server.oauth import REFETCH_SECONDS, Issuer, IssuerAway
from seedance_mcp.settings import Settings


class Doorkeeper:
    """Lets a request in: known Host, known Origin, known token, not too often; on every path."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        host: str,
        clock: Callable[[], float] = anyio.current_time,
        issuer: Issuer | None = None,
    ) -> None:
        """Take the application behind the door, the address that it listens on, and whose tokens are good beside our own."""
        self._app, self._settings, self._clock, self._issuer = app, settings, clock, issuer
        public = {_name(urlsplit(settings.http_oauth_audience or "").netloc)} - {""}
        self._hosts = {*_LOOPBACK_NAMES, bracketed(host), *settings.http_host_names, *public}
        self._tokens = {name: _digest(token) for name, token in settings.http_token_pairs.items()}
        self._seen: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a stranger at the door, else pass the request on with its principal."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refused = self._stranger(headers)
            if not refused and not self._is_public(scope["path"]):
                refused = await self._unknown(scope, headers)
            if refused:
                return await refused(scope, receive, send)
        return await self._app(scope, receive, send)

    def _stranger(self, headers: Headers) -> Response | None:
        """Refuse a page that reached this machine under a foreign name."""
        if _name(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("Foreign Host header: the operator names hosts in SEEDANCE_HTTP_HOSTS.", 421)
        origin = headers.get("origin")
        if origin is not None and _name(urlsplit(origin).netloc) not in self._hosts:
            return PlainTextResponse("Foreign Origin header.", 403)
        return None

    def _is_public(self, path: str) -> bool:
        return path == HEALTH_PATH or (self._issuer is not None and path in self._issuer.metadata_paths)

    async def _unknown(self, scope: Scope, headers: Headers) -> Response | None:
        """Refuse who has no token or comes too often; mark who has one as the request's user."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = given.strip() if scheme.lower() == "bearer" else ""
        try:
            name = await self._principal(token)
        except IssuerAway:
            words = "The authorization server gives no keys, so no token can be checked now. Try again in a minute."
            return PlainTextResponse(words, 503, headers={"Retry-After": str(int(REFETCH_SECONDS))})
        if name is None:
            challenge = self._issuer.challenge(token_given=bool(token)) if self._issuer else "Bearer"
            return PlainTextResponse("A bearer token is needed.", 401, headers={"WWW-Authenticate": challenge})
        if wait_seconds := self._too_often(name):
            return PlainTextResponse("Too many requests.", 429, headers={"Retry-After": str(int(wait_seconds) + 1)})
        if name:
            scope["user"] = AuthenticatedUser(AccessToken(token="", client_id=name, scopes=[]))
        return None

    async def _principal(self, token: str) -> str | None:
        """Who holds a token, the operator's or the issuer's, `""` where none is asked for; compared in constant time."""
        if not self._tokens and not self._issuer:
            return ""
        digest = _digest(token)
        matches = [name for name, known in self._tokens.items() if hmac.compare_digest(digest, known)]
        if matches or not token or not self._issuer:
            return next(iter(matches), None)
        return await self._issuer.principal_of(token)

    def _too_often(self, name: str) -> float:
        """Seconds until the next request of that name is welcome; 0: now."""
        seen, now = self._seen.setdefault(name, deque()), self._clock()
        while seen and seen[0] <= now - _MINUTE_SECONDS:
            seen.popleft()
        if len(seen) >= self._settings.http_requests_per_minute:
            return seen[0] + _MINUTE_SECONDS - now
        seen.append(now)
        return 0.0


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _name(netloc: str) -> str:
    """A host without its port, as it is compared."""
    bare = netloc.lower()
    end = bare.rfind("]") + 1 if bare.startswith("[") else bare.find(":")
    return bare[: end if end >= 0 else len(bare)].rstrip(".")


HEALTH_PATH = "/healthz"
_MINUTE_SECONDS = 60.0
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def bracketed(host: str) -> str:
    """Give a host as a URL writes it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host.lower()
