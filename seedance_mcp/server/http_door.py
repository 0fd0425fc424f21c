"""The door of the HTTP transports: a known Host, a known Origin, a known token, and not too many requests.

Probes (`PROBES`) pass without these and say nothing private; pages of named hosts may read answers (CORS).
"""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.money.principals import digest_of
from seedance_mcp.server.client_session import SESSION_HEADER, principal_of
from seedance_mcp.server.http_principals import FRESH_SECONDS, REFETCH_SECONDS, IssuerAway, KnownPrincipals, PrincipalsAway
from seedance_mcp.settings import Settings, is_loopback_host
from seedance_mcp.tools.links import FILES, UPLOADS
from seedance_mcp.untrusted import sanitize

if TYPE_CHECKING:
    from seedance_mcp.server.oauth import Issuer

HEALTH_PATH, READY_PATH = "/healthz", "/readyz"
PROBES = {HEALTH_PATH, READY_PATH}
"""Paths that are answered under any Host: a probe sends the address of a container, which nobody can name beforehand."""
CALLERS_COUNTED = 1024
"""How many callers the request rate is kept of; with more in one minute, the one that was quiet longest is forgotten."""
_MINUTE_SECONDS, _BURST_SECONDS = 60.0, 1.0
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?", re.IGNORECASE)
"""A Host header; anything else, such as a user before the host, is foreign."""
_ORIGIN = re.compile(rf"https?://{_HOST.pattern}", re.IGNORECASE)
_SHOWN_CHARS = 100
_WELL_KNOWN = "/.well-known/"


class OperatorTokens:
    """Verifies the tokens of `SEEDANCE_HTTP_TOKENS`, as the SDK's `TokenVerifier`."""

    def __init__(self, tokens: dict[str, str]) -> None:
        """Keep a digest of each token; takes name → token."""
        self._digests = {name: digest_of(token) for name, token in tokens.items()}

    async def verify_token(self, token: str) -> AccessToken | None:
        """Find the principal of a token; every token is compared, each in constant time."""
        digest = digest_of(token)
        names = [name for name, known in self._digests.items() if hmac.compare_digest(digest, known)]
        return AccessToken(token="", client_id=names[0], scopes=[]) if names else None


@dataclass(slots=True)
class _Burst:
    """Requests that came within a second of the first; they count until the last of them is a minute old."""

    first: float
    last: float
    count: int = 1


class _Minute:
    """One caller's requests of the last minute, in a memory that does not grow with them."""

    def __init__(self) -> None:
        self._bursts, self.count = deque[_Burst](), 0

    @property
    def oldest(self) -> float:
        """Give when the requests that are forgotten next came."""
        return self._bursts[0].last

    @property
    def newest(self) -> float:
        """Give when the last one came."""
        return self._bursts[-1].last

    def forget(self, until: float) -> None:
        """Drop those that came before a time."""
        while self._bursts and self.oldest <= until:
            self.count -= self._bursts.popleft().count

    def note(self, now: float) -> None:
        """Count one."""
        self.count += 1
        if self._bursts and now - self._bursts[-1].first < _BURST_SECONDS:
            self._bursts[-1].last, self._bursts[-1].count = now, self._bursts[-1].count + 1
        else:
            self._bursts.append(_Burst(now, now))


class RequestRate:
    """Counts each caller's requests of the last minute."""

    def __init__(self, most_per_minute: int, clock: Callable[[], float]) -> None:
        """Take the operator's limit, and seconds that never run backwards."""
        self._most, self._clock = most_per_minute, clock
        self._times: OrderedDict[str, _Minute] = OrderedDict()
        """The caller that was quiet longest stands first."""

    def __len__(self) -> int:
        """Give how many callers are counted now."""
        return len(self._times)

    def seconds_to_wait(self, caller: str) -> float:
        """Count one request; gives how long its caller must wait, or 0.0 for a request that is within the limit."""
        now = self._clock()
        minute = self._times.setdefault(caller, _Minute())
        minute.forget(now - _MINUTE_SECONDS)
        if minute.count >= self._most:
            return minute.oldest + _MINUTE_SECONDS - now
        minute.note(now)
        self._times.move_to_end(caller)
        self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Drop callers that were quiet for a minute, and those that are too many."""
        while len(self._times) > CALLERS_COUNTED or next(iter(self._times.values())).newest <= now - _MINUTE_SECONDS:
            self._times.popitem(last=False)


class Doorkeeper:
    """Lets a request in, or answers it: 421 or 403 for a foreign name, 401 or 503 for its token, 429 for too many."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        host: str,
        clock: Callable[[], float] = anyio.current_time,
        issuer: Issuer | None = None,
        principals: KnownPrincipals | None = None,
    ) -> None:
        """Stand before an application.

        Args:
            app: The application behind the door.
            settings: The operator's tokens, host names and request rate.
            host: The address that the application listens on.
            clock: Seconds that never run backwards.
            issuer: Whose tokens are good beside the operator's own.
            principals: Those that the ledger knows, whose tokens are good too.
        """
        self._app, self._issuer = app, issuer
        named = {*settings.http_host_names, *map(_name_of_url, _own_urls(settings))} - {""}
        self._hosts = {*_LOOPBACK_NAMES, bracketed(host), *named}
        self._readable = _readable_for(named, self._admit)
        tokens = settings.http_token_pairs
        self._principals = principals or KnownPrincipals(lambda: None, clock)
        self._verifiers: list[TokenVerifier] = [OperatorTokens(tokens), self._principals, *([issuer] if issuer else [])]
        self._is_closed = bool(tokens) or issuer is not None or not is_loopback_host(host)
        self._rate = RequestRate(settings.http_requests_per_minute, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a stranger at the door, else pass the request on with its user."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        # Without an Origin no page reads the answer, and that of a POST is kept by no cache.
        inside = self._admit if scope["method"] == "POST" and "origin" not in headers else self._readable
        return await (self._stranger(headers) or inside)(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request that came under a known name, if its caller may."""
        refusal = None if self._is_public(scope["path"]) else await self._unknown(scope, Headers(scope=scope))
        return await (refusal or self._app)(scope, receive, send)

    def _stranger(self, headers: Headers) -> Response | None:
        """Refuse a page that reached this machine under a foreign name."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or _name(hosts[0]) not in self._hosts:
            return PlainTextResponse(_foreign("Host", hosts), 421)
        if len(origins) > 1 or any(_name_of_origin(origin) not in self._hosts for origin in origins):
            return PlainTextResponse(_foreign("Origin", origins), 403)
        return None

    def _is_public(self, path: str) -> bool:
        """Whether no token is asked for: metadata, what a signed URL opens, and well-known paths that are not there."""
        return path.startswith((_WELL_KNOWN, FILES, UPLOADS)) or (
            self._issuer is not None and path in self._issuer.metadata_paths
        )

    async def _unknown(self, scope: Scope, headers: Headers) -> Response | None:
        """Refuse a caller without a good token or with too many requests; else note in the scope whose request it is."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = given.strip() if scheme.lower() == "bearer" else ""
        try:
            await self._principals.refresh()
            access = await self._verified(token)
        except IssuerAway:
            return _REFUSED_FOR_NOW
        except PrincipalsAway:
            return _REFUSED_WITHOUT_LEDGER
        if access is None and (self._is_closed or self._principals.has_any):
            challenge = self._issuer.challenge(token_given=bool(token)) if self._issuer else "Bearer"
            return PlainTextResponse(_STRANGER if token else _NOBODY, 401, headers={"WWW-Authenticate": challenge})
        if wait_seconds := self._rate.seconds_to_wait(principal_of(access)):
            return PlainTextResponse("Too many requests.", 429, headers={"Retry-After": str(int(wait_seconds) + 1)})
        if access:
            scope["user"] = AuthenticatedUser(access)
        return None

    async def _verified(self, token: str) -> AccessToken | None:
        """Verify a token with the operator's own first; raises `IssuerAway`."""
        for verifier in self._verifiers if token else ():
            if access := await verifier.verify_token(token):
                return None if self._principals.is_disabled(principal_of(access)) else access
        return None


_NOBODY = "A bearer token is needed."
_STRANGER = "The bearer token is unknown, expired or switched off here: ask the operator for another one, or sign in again."

_REFUSED_FOR_NOW = PlainTextResponse(
    "The keys of the OAuth issuer cannot be fetched, so that no token can be verified now. Try again in a minute.",
    503,
    headers={"Retry-After": str(int(REFETCH_SECONDS))},
)


_REFUSED_WITHOUT_LEDGER = PlainTextResponse(
    "The ledger cannot be read, so that nobody can be let in now: the operator finds the reason in the log and by "
    "seedance-mcp doctor. Try again in a minute.",
    503,
    headers={"Retry-After": str(int(FRESH_SECONDS))},
)


def _readable_for(names: set[str], app: ASGIApp) -> ASGIApp:
    """Let pages of these hosts read what an application answers, over http and https and from any port."""
    hosts = "|".join(re.escape(name) for name in sorted(names)) or "(?!)"
    return CORSMiddleware(
        app,
        allow_origin_regex=rf"https?://({hosts})(:[0-9]+)?",
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=[SESSION_HEADER, "Retry-After", "WWW-Authenticate"],
    )


def _foreign(header: str, given: list[str]) -> str:
    """Say which name came and how the operator lets it in."""
    came = sanitize(", ".join(given), _SHOWN_CHARS)
    return (
        f'Foreign {header} header: "{came}". Where this server is reached under that name, the operator adds the host '
        "(without scheme and port) to SEEDANCE_HTTP_HOSTS and starts the server again."
    )


def _name(netloc: str) -> str | None:
    """Give a host without its port, as it is compared; `None` where it is none."""
    found = _HOST.fullmatch(netloc)
    return found[1].lower().removesuffix(".") if found else None


def _own_urls(settings: Settings) -> tuple[str, str]:
    return settings.http_oauth_audience or "", settings.public_url or ""


def _name_of_url(url: str) -> str:
    return _name(urlsplit(url).netloc) or ""


def _name_of_origin(origin: str) -> str | None:
    found = _ORIGIN.fullmatch(origin)
    return found[1].lower().removesuffix(".") if found else None


def bracketed(host: str) -> str:
    """Give a host as a URL writes it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host.lower()
