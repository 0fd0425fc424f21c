"""The HTTP transports as an OAuth resource server: access tokens (RFC 9068) checked with their issuer's published keys."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx
import jwt
from mcp.client.auth.utils import build_oauth_authorization_server_metadata_discovery_urls as discovery_urls
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from seedance_mcp.provider.client import TooLarge, read_body
from seedance_mcp.settings import Settings, is_loopback

log = logging.getLogger(__name__)

METADATA_PATH = "/.well-known/oauth-protected-resource"
TOKEN_MAX_CHARS = 8192
SUBJECT_MAX_CHARS = 255
LEEWAY_SECONDS = 30.0
"""How far the issuer's clock may be from ours."""
FETCH_SECONDS = 10.0
REFETCH_SECONDS = 60.0
"""The issuer is never asked more often than this, whatever tokens come."""
FRESH_SECONDS, KEPT_SECONDS = 600.0, 3600.0
"""How long keys are used before they are fetched again, and at most while the issuer is away."""

KEY_TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""Signature algorithm → type of its key: those with a public key alone, so that no published key can sign."""
TOKEN_TYPES = {"at+jwt", "application/at+jwt", "jwt"}
"""RFC 9068 asks for the first; many issuers still write the last, or nothing."""


class IssuerAway(Exception):
    """The issuer gives no keys, so nobody can say whether a token is good."""


class _Unfit(Exception):
    """The issuer answers, but not as an authorization server must."""


class Issuer:
    """The authorization server that the operator trusts, as far as its tokens go."""

    def __init__(
        self,
        url: str,
        audience: str,
        clock: Callable[[], float] = anyio.current_time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the issuer's and our own identifier, and, in tests, a transport that opens no port."""
        self.url, self.audience = url, audience
        self._clock, self._transport = clock, transport
        self._keys: list[dict[str, Any]] = []
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = anyio.Lock()

    @property
    def metadata_url(self) -> str:
        """Where clients learn whom to ask for a token (RFC 9728)."""
        parts = urlsplit(self.audience)
        return parts._replace(path=METADATA_PATH + parts.path.rstrip("/")).geturl()

    @property
    def metadata_paths(self) -> set[str]:
        """Where it says so: at the place that belongs to our identifier, and where clients guess."""
        return {urlsplit(self.metadata_url).path, *(METADATA_PATH + path for path in ("", "/mcp", "/sse"))}

    def challenge(self, *, token_given: bool) -> str:
        """The `WWW-Authenticate` header of a refusal."""
        error = 'error="invalid_token", ' if token_given else ""
        return f'Bearer {error}resource_metadata="{self.metadata_url}"'

    def routes(self) -> list[Route]:
        """Our metadata, for everybody to read."""
        metadata = {"resource": self.audience, "authorization_servers": [self.url], "bearer_methods_supported": ["header"]}

        async def tell(request: Request) -> Response:
            return JSONResponse(metadata)

        return [Route(path, tell) for path in sorted(self.metadata_paths)]

    async def principal_of(self, token: str) -> str | None:
        """Whom a token speaks for, never a name that an operator's own token can have; `None`: it is not good here.

        Raises `IssuerAway`.
        """
        header = _header(token)
        key = await self._key_for(header) if header else None
        subject = self._subject(token, key, header["alg"]) if header and key else None
        return f"{self.url} {subject}" if subject else None

    def _subject(self, token: str, key: dict[str, Any], algorithm: str) -> str | None:
        """The subject of a token that was signed with that key, for us, and is of today."""
        try:
            claims = jwt.decode(
                token,
                jwt.PyJWK(key, algorithm),
                algorithms=[algorithm],
                audience=self.audience,
                issuer=self.url,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, RecursionError):
            return None
        return claims["sub"] if len(claims["sub"]) <= SUBJECT_MAX_CHARS else None

    async def _key_for(self, header: dict[str, Any]) -> dict[str, Any] | None:
        """The one key that a token's header means, fetched again where none fits or all are old."""
        if not self._fitting(header) or self._clock() - self._fetched_at > FRESH_SECONDS:
            await self._refresh()
        fitting, away = self._fitting(header), self._tried_at > self._fetched_at
        if away and (not fitting or self._clock() - self._fetched_at > KEPT_SECONDS):
            raise IssuerAway
        return fitting[0] if len(fitting) == 1 else None

    def _fitting(self, header: dict[str, Any]) -> list[dict[str, Any]]:
        return [key for key in self._keys if _fits(key, header)]

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago; the old ones stay where it fails."""
        async with self._lock:
            if self._clock() - self._tried_at < REFETCH_SECONDS:
                return
            try:
                self._keys = await self._fetch()
                self._fetched_at = self._tried_at = self._clock()
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, TooLarge, ValueError, RecursionError, _Unfit) as error:
                self._tried_at = self._clock()
                why = str(error) if isinstance(error, _Unfit) else type(error).__name__
                log.warning("No keys from the issuer in SEEDANCE_HTTP_OAUTH_ISSUER: %s", why)

    async def _fetch(self) -> list[dict[str, Any]]:
        """The issuer's public keys, found by its metadata (RFC 8414, else OpenID Connect); no redirect is followed."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        trust_env = not is_loopback(self.url)
        with anyio.fail_after(FETCH_SECONDS):
            async with httpx.AsyncClient(transport=self._transport, headers=headers, trust_env=trust_env) as http:
                keys = (await _get(http, await self._find_keys(http))).get("keys")
        if not isinstance(keys, list):
            raise _Unfit("no keys at its jwks_uri")
        return [key for key in cast("list[Any]", keys) if isinstance(key, dict)]

    async def _find_keys(self, http: httpx.AsyncClient) -> str:
        """The address of the keys, said by metadata that name this very issuer."""
        for address in discovery_urls(self.url, self.url):
            metadata = await _get(http, address)
            if metadata.get("issuer") == self.url:
                keys_url = str(metadata.get("jwks_uri"))
                if keys_url.startswith("https://") or (is_loopback(self.url) and is_loopback(keys_url)):
                    return keys_url
                raise _Unfit("its metadata name no https:// jwks_uri")
        raise _Unfit("no metadata that name this issuer exactly so")


async def _get(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    async with http.stream("GET", url) as answer:
        data: Any = json.loads(await read_body(answer)) if answer.status_code == HTTPStatus.OK else {}
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _header(token: str) -> dict[str, Any] | None:
    """What a token says of its signature, if that is one we check."""
    try:
        header = jwt.get_unverified_header(token) if len(token) <= TOKEN_MAX_CHARS else {}
    except (jwt.PyJWTError, RecursionError):
        return None
    kind = str(header.get("typ", "jwt")).lower()
    return header if str(header.get("alg")) in KEY_TYPES and kind in TOKEN_TYPES else None


def _fits(key: dict[str, Any], header: dict[str, Any]) -> bool:
    """Whether a published key may be the one that a header means; a header without `kid` means the only one."""
    return (
        key.get("kty") == KEY_TYPES[header["alg"]]
        and key.get("alg", header["alg"]) == header["alg"]
        and key.get("use", "sig") == "sig"
        and header.get("kid", key.get("kid")) == key.get("kid")
    )


def issuer_of(settings: Settings) -> Issuer | None:
    """The issuer that the settings name."""
    if settings.http_oauth_issuer is None or settings.http_oauth_audience is None:
        return None
    return Issuer(settings.http_oauth_issuer, settings.http_oauth_audience)
