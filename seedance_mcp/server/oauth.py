"""OAuth access tokens (RFC 9068), verified with the keys that their issuer publishes."""

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
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.shared.auth import ProtectedResourceMetadata
from starlette.routing import Route

from seedance_mcp.errors import NotConfigured
from seedance_mcp.provider.client import TooLarge, read_body
from seedance_mcp.provider.environment import open_client
from seedance_mcp.server.http_principals import REFETCH_SECONDS, IssuerAway
from seedance_mcp.settings import is_loopback

log = logging.getLogger(__name__)

METADATA_PATH = "/.well-known/oauth-protected-resource"
TOKEN_MAX_CHARS = 8192
SUBJECT_MAX_CHARS = 255
LEEWAY_SECONDS = 30.0
"""How far the issuer's clock may be from ours."""
FETCH_SECONDS = 10.0
FRESH_SECONDS, KEPT_SECONDS = 600.0, 3600.0
"""How long keys are used before they are fetched again, and at most while the issuer cannot be reached."""

KEY_TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""Signature algorithm → type of its key: only those with a public key, so that no published key can sign."""
TOKEN_TYPES = {"at+jwt", "application/at+jwt", "jwt"}
"""RFC 9068 asks for the first; many issuers still write the last, or nothing."""

Key = dict[str, Any]
"""A published key (JWK) as its issuer wrote it."""
Header = dict[str, Any]
"""A token's header as its sender wrote it."""


class _BadAnswer(Exception):
    """The issuer answers, but not as an authorization server must."""


_FETCH_FAILURES = (
    httpx.HTTPError,
    httpx.InvalidURL,
    TimeoutError,
    TooLarge,
    ValueError,
    RecursionError,
    NotConfigured,
    _BadAnswer,
)
"""The failures of a request to an issuer."""


class Issuer:
    """The authorization server that the operator trusts; verifies its tokens as the SDK's `TokenVerifier`."""

    def __init__(
        self,
        url: str,
        audience: str,
        clock: Callable[[], float] = anyio.current_time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Trust one issuer.

        Args:
            url: The issuer's identifier, exactly as its tokens and its metadata write it.
            audience: Our own identifier: the public URL that tokens must be made for.
            clock: Seconds that never run backwards.
            transport: In tests, a transport that opens no port.
        """
        self.url, self.audience = url, audience
        self._clock, self._transport = clock, transport
        self._keys: list[Key] = []
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = anyio.Lock()
        self._metadata = ProtectedResourceMetadata.model_validate({"resource": audience, "authorization_servers": [url]})

    @property
    def metadata_url(self) -> str:
        """Where clients read which issuer to ask for a token (RFC 9728)."""
        return str(build_resource_metadata_url(self._metadata.resource))

    @property
    def metadata_paths(self) -> set[str]:
        """The paths of that metadata: the one that belongs to our identifier, and those that clients guess."""
        return {urlsplit(self.metadata_url).path, *(METADATA_PATH + path for path in ("", "/mcp", "/sse"))}

    def challenge(self, *, token_given: bool) -> str:
        """Give the `WWW-Authenticate` header of a refusal."""
        error = 'error="invalid_token", ' if token_given else ""
        return f'Bearer {error}resource_metadata="{self.metadata_url}"'

    def routes(self) -> list[Route]:
        """Give the routes of our metadata, which need no token."""
        (route,) = create_protected_resource_routes(self._metadata.resource, self._metadata.authorization_servers)
        return [Route(path, route.endpoint, methods=["GET", "OPTIONS"]) for path in sorted(self.metadata_paths)]

    async def verify_token(self, token: str) -> AccessToken | None:
        """Verify an access token; gives `None` for one that is not good here, and raises `IssuerAway`."""
        header = _header(token)
        key = await self._key_for(header) if header else None
        claims = self._claims(token, key, header["alg"]) if header and key else None
        if not claims or not 0 < len(claims["sub"]) <= SUBJECT_MAX_CHARS:
            return None
        return AccessToken(
            token="",  # nothing behind the door needs it
            client_id=str(claims.get("client_id", "")),
            scopes=[],
            expires_at=int(claims["exp"]),
            resource=self.audience,
            subject=claims["sub"],
            claims={"iss": self.url},
        )

    def _claims(self, token: str, key: Key, algorithm: str) -> dict[str, Any] | None:
        """Read a token that was signed with that key, for us, and has not expired."""
        try:
            return jwt.decode(
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

    async def _key_for(self, header: Header) -> Key | None:
        """Find the one key that a token's header means; keys are fetched again where none fits or all are old."""
        if not self._fitting(header) or self._age_seconds() > FRESH_SECONDS:
            await self._refresh()
        fitting, is_away = self._fitting(header), self._tried_at > self._fetched_at
        if is_away and (not fitting or self._age_seconds() > KEPT_SECONDS):
            raise IssuerAway
        return fitting[0] if len(fitting) == 1 else None

    def _age_seconds(self) -> float:
        """How long ago the keys were fetched; infinite before the first time."""
        return self._clock() - self._fetched_at

    def _fitting(self, header: Header) -> list[Key]:
        return [key for key in self._keys if _fits(key, header)]

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried within the last minute; a failure leaves the old keys in place."""
        async with self._lock:
            if self._clock() - self._tried_at < REFETCH_SECONDS:
                return
            try:
                self._keys = await self._fetch()
                self._fetched_at = self._tried_at = self._clock()
            except _FETCH_FAILURES as error:
                self._tried_at = self._clock()
                why = str(error) if isinstance(error, _BadAnswer | NotConfigured) else type(error).__name__
                log.warning("The issuer in SEEDANCE_HTTP_OAUTH_ISSUER gives no keys: %s", why)

    async def _fetch(self) -> list[Key]:
        """Fetch the issuer's keys, found by its metadata (RFC 8414, else OpenID Connect); no redirect is followed."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        trust_env = not is_loopback(self.url)
        with anyio.fail_after(FETCH_SECONDS):
            async with open_client(transport=self._transport, headers=headers, trust_env=trust_env) as http:
                keys = (await _get(http, await self._find_keys(http))).get("keys")
        if not isinstance(keys, list):
            raise _BadAnswer("no keys at its jwks_uri")
        return [key for key in cast("list[Any]", keys) if isinstance(key, dict)]

    async def _find_keys(self, http: httpx.AsyncClient) -> str:
        """Find the URL of the keys in metadata that names exactly this issuer."""
        for address in discovery_urls(self.url, self.url):
            metadata = await _get(http, address)
            if metadata.get("issuer") == self.url:
                keys_url = str(metadata.get("jwks_uri"))
                if keys_url.startswith("https://") or (is_loopback(self.url) and is_loopback(keys_url)):
                    return keys_url
                raise _BadAnswer("its metadata names no https:// jwks_uri")
        raise _BadAnswer("no metadata names exactly this issuer")


async def _get(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Get a JSON object; an empty one where the answer is something else."""
    async with http.stream("GET", url) as answer:
        data: Any = json.loads(await read_body(answer)) if answer.status_code == HTTPStatus.OK else {}
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _header(token: str) -> Header | None:
    """Read how a token was signed; `None` where that is no way that we check."""
    try:
        header = jwt.get_unverified_header(token) if len(token) <= TOKEN_MAX_CHARS else {}
    except (jwt.PyJWTError, RecursionError):
        return None
    kind = str(header.get("typ", "jwt")).lower()
    return header if str(header.get("alg")) in KEY_TYPES and kind in TOKEN_TYPES else None


def _fits(key: Key, header: Header) -> bool:
    """Whether a published key may be the one that a header means; a header without `kid` means the only one."""
    return (
        key.get("kty") == KEY_TYPES[header["alg"]]
        and key.get("alg", header["alg"]) == header["alg"]
        and key.get("use", "sig") == "sig"
        and header.get("kid", key.get("kid")) == key.get("kid")
    )
