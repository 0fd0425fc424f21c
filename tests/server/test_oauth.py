"""The HTTP transports as an OAuth resource server, before a tiny authorization server with real keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import httpx
import httpx2
import jwt
import pytest
from conftest import no_film
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken, ProtectedResourceMetadata
from pydantic import SecretStr
from starlette.applications import Starlette

from seedance_mcp.errors import NotConfigured
from seedance_mcp.provider.client import BODY_MAX_BYTES, ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.server.http import build_http_app
from seedance_mcp.server.oauth import KEY_TYPES, METADATA_PATH, Issuer
from seedance_mcp.settings import Settings, load_settings

pytestmark = pytest.mark.anyio
ISSUER, AUDIENCE = "https://issuer.example.com", "https://video.example.com/mcp"
METADATA_URL = f"https://video.example.com{METADATA_PATH}/mcp"
REFUSED = f'Bearer error="invalid_token", resource_metadata="{METADATA_URL}"'
PATHS = {
    "https://issuer.example.com": "/.well-known/oauth-authorization-server",
    "https://issuer.example.com/": "/.well-known/openid-configuration",
    "https://issuer.example.com/tenant": "/.well-known/oauth-authorization-server/tenant",
    "https://issuer.example.com/tenant/": "/tenant/.well-known/openid-configuration",
}


@cache
def key_of(algorithm: str, name: str = "first") -> Any:
    """A private key for an algorithm; another one for another name."""
    curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    if algorithm in curves:
        return ec.generate_private_key(curves[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 1024 if name == "short" else 2048)


def jwk_of(algorithm: str, name: str = "first") -> dict[str, Any]:
    made: dict[str, Callable[..., Any]] = {"RSA": RSAAlgorithm.to_jwk, "EC": ECAlgorithm.to_jwk, "OKP": OKPAlgorithm.to_jwk}
    return {**made[KEY_TYPES[algorithm]](key_of(algorithm, name).public_key(), as_dict=True), "kid": name}


def claims_of(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "iat": now, "exp": now + 600, "client_id": "c"}
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def token_of(algorithm: str = "ES256", name: str = "first", header: dict[str, Any] | None = None, **changes: Any) -> str:
    headers = {"kid": name, "typ": "at+jwt", **(header or {})}
    kept = {each: value for each, value in headers.items() if value is not None}
    return jwt.encode(claims_of(**changes), key_of(algorithm, name), algorithm, headers=kept)


def coded(part: dict[str, Any] | bytes) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(header: dict[str, Any], secret: bytes = b"", **changes: Any) -> str:
    """A token that no library would sign."""
    signed = f"{coded(header)}.{coded(claims_of(**changes))}"
    return f"{signed}.{coded(hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret else b'')}"


def public_pem(algorithm: str) -> bytes:
    return key_of(algorithm).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Authority:
    """An authorization server in memory; `asked` holds the paths that were asked for."""

    def __init__(self, url: str = ISSUER, at: str | None = None) -> None:
        self.at = at or PATHS[url]
        self.metadata: Any = {"issuer": url, "jwks_uri": "https://keys.example.com/jwks"}
        self.jwks: Any = {"keys": [jwk_of("ES256")]}
        self.asked: list[str] = []
        self.away = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.away:
            raise httpx.ConnectError("nobody there")
        pages = {self.at: self.metadata, "/jwks": self.jwks}
        content = pages.get(request.url.path)
        if isinstance(content, httpx.Response):
            return content
        return httpx.Response(404) if content is None else httpx.Response(200, json=content)


def reaching(authority: Any) -> Callable[[Settings], Issuer]:
    """What the settings name, reached without a port."""

    def trust(settings: Settings) -> Issuer:
        assert settings.http_oauth_issuer
        assert settings.http_oauth_audience
        return Issuer(settings.http_oauth_issuer, settings.http_oauth_audience, transport=httpx.MockTransport(authority))

    return trust


@asynccontextmanager
async def door(tmp_path: Path, authority: Any, url: str = ISSUER, **fields: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """A client before the HTTP application; what is let in finds nothing at its path."""
    usual: dict[str, Any] = {"data_dir": tmp_path, "http_oauth_issuer": url, "http_oauth_audience": AUDIENCE}
    app = build_http_app(Settings(**{**usual, **fields}), "http", "127.0.0.1", trust=reaching(authority))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://video.example.com") as http:
        yield http


async def knock(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get("/nothing", headers={"Authorization": f"Bearer {token}"})


# who is let in


@pytest.mark.parametrize("algorithm", KEY_TYPES)
async def test_a_token_signed_by_the_issuer_opens_the_door(tmp_path: Path, algorithm: str) -> None:
    authority = Authority()
    authority.jwks = {"keys": ["no key", {"kty": "EC", "use": "enc", "kid": "first"}, jwk_of(algorithm)]}
    async with door(tmp_path, authority) as http:
        assert (await knock(http, token_of(algorithm))).status_code == 404
        assert (await knock(http, token_of(algorithm, aud=["https://other.example.com", AUDIENCE]))).status_code == 404
        assert authority.asked == [PATHS[ISSUER], "/jwks"]


@pytest.mark.parametrize("kind", ["application/at+jwt", "JWT", ""])
async def test_issuers_that_name_their_tokens_otherwise_are_understood(tmp_path: Path, kind: str) -> None:
    async with door(tmp_path, Authority()) as http:
        assert (await knock(http, token_of(header={"typ": kind}))).status_code == 404


async def test_a_token_without_a_key_id_means_the_only_key_that_fits(tmp_path: Path) -> None:
    authority = Authority()
    authority.jwks = {"keys": [jwk_of("ES256"), jwk_of("EdDSA")]}
    async with door(tmp_path, authority) as http:
        assert (await knock(http, token_of(header={"kid": None}))).status_code == 404
        authority.jwks["keys"].append(jwk_of("ES256", "second"))
        await anyio.sleep(601)
        assert (await knock(http, token_of(header={"kid": None}))).status_code == 401


async def test_a_clock_that_is_a_little_off_locks_nobody_out(tmp_path: Path) -> None:
    now = int(time.time())
    async with door(tmp_path, Authority()) as http:
        assert (await knock(http, token_of(exp=now - 5))).status_code == 404
        assert (await knock(http, token_of(nbf=now + 20, iat=now + 20))).status_code == 404


HOUR = 3600
BAD: dict[str, Callable[[], str]] = {
    "signed with a key of the same name": lambda: (
        token_of().rpartition(".")[0] + "." + token_of(sub="bert").rpartition(".")[2]
    ),
    "signed by somebody else": lambda: jwt.encode(claims_of(), key_of("ES256", "x"), "ES256", headers={"kid": "first"}),
    "claims changed": lambda: ".".join((*token_of().split(".")[:1], coded(claims_of(sub="root")), token_of().split(".")[2])),
    "no signature": lambda: forged({"alg": "none", "kid": "first"}),
    "no signature, spelt otherwise": lambda: forged({"alg": "nOnE", "kid": "first"}),
    "the public key as secret": lambda: forged({"alg": "HS256", "kid": "first"}, public_pem("ES256")),
    "the public RSA key as secret": lambda: forged({"alg": "HS256", "kid": "rsa"}, public_pem("RS256")),
    "the published secret": lambda: forged({"alg": "HS256", "kid": "shared"}, b"0" * 32),
    "an algorithm that is not the key's": lambda: token_of("ES384", header={"kid": "first"}),
    "an algorithm the key is not for": lambda: token_of("RS512", header={"kid": "rsa"}),
    "a short key": lambda: token_of("RS256", "short"),
    "an unusable key": lambda: token_of(header={"kid": "broken"}),
    "another issuer": lambda: token_of(iss="https://evil.example.com"),
    "an issuer spelt otherwise": lambda: token_of(iss=f"{ISSUER}/"),
    "no issuer": lambda: token_of(iss=None),
    "another audience": lambda: token_of(aud="https://other.example.com/mcp"),
    "a longer audience": lambda: token_of(aud=f"{AUDIENCE}/admin"),
    "no audience": lambda: token_of(aud=None),
    "expired": lambda: token_of(exp=int(time.time()) - HOUR),
    "no end": lambda: token_of(exp=None),
    "not yet valid": lambda: token_of(nbf=int(time.time()) + HOUR),
    "made in the future": lambda: token_of(iat=int(time.time()) + HOUR),
    "no subject": lambda: token_of(sub=None),
    "an empty subject": lambda: token_of(sub=""),
    "a subject without end": lambda: token_of(sub="a" * 256),
    "another kind of token": lambda: token_of(header={"typ": "logout+jwt"}),
    "too long": lambda: token_of(note="a" * 8192),
    "no token at all": lambda: "anna",
    "a header without end": lambda: f"{coded(b'[' * 6000)}.{coded({})}.",
    "a header that is no object": lambda: f"{coded(b'[]')}.{coded({})}.",
    "bytes": lambda: "\u00fc.\u00fc.\u00fc",
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # it is said of the test's own signing
@pytest.mark.parametrize("name", BAD)
async def test_a_token_that_is_not_good_here_is_refused(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    authority, token = Authority(), BAD[name]()
    shared = {"kty": "oct", "k": coded(b"0" * 32), "kid": "shared"}
    rsa_key = {**jwk_of("RS256"), "kid": "rsa", "alg": "RS256"}
    broken = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "broken"}
    authority.jwks["keys"] += [rsa_key, shared, broken, jwk_of("RS256", "short")]
    async with door(tmp_path, authority) as http:
        assert (await knock(http, token_of())).status_code == 404
        refused = await http.get("/nothing", headers=[(b"Authorization", f"Bearer {token}".encode())])
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == REFUSED
    assert token not in caplog.text


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic YTpi", "Digest x"])
async def test_who_brings_no_token_is_told_where_to_get_one(tmp_path: Path, authorization: str | None) -> None:
    async with door(tmp_path, Authority()) as http:
        refused = await http.post("/mcp", headers={"Authorization": authorization} if authorization is not None else {})
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{METADATA_URL}"'


# keys


async def test_a_new_key_of_the_issuer_is_found_and_a_withdrawn_one_forgotten(tmp_path: Path) -> None:
    authority = Authority()
    async with door(tmp_path, authority) as http:
        assert (await knock(http, token_of())).status_code == 404
        authority.jwks = {"keys": [jwk_of("ES256", "second")]}
        assert (await knock(http, token_of(name="second"))).status_code == 401
        await anyio.sleep(60)
        assert (await knock(http, token_of(name="second"))).status_code == 404
        assert (await knock(http, token_of())).status_code == 401
        authority.jwks = {"keys": [jwk_of("ES256")]}
        await anyio.sleep(601)
        assert (await knock(http, token_of(name="second"))).status_code == 401


async def test_unknown_keys_make_nobody_ask_the_issuer_more_than_once_a_minute(tmp_path: Path) -> None:
    authority = Authority()
    async with door(tmp_path, authority) as http, anyio.create_task_group() as group:
        for turn in range(20):
            group.start_soon(knock, http, token_of(header={"kid": f"unknown {turn}"}))
    assert authority.asked.count("/jwks") == 1
    async with door(tmp_path, authority) as http:
        for _ in range(10):
            assert (await knock(http, token_of(header={"kid": "unknown"}))).status_code == 401
        assert authority.asked.count("/jwks") == 2
        await anyio.sleep(60)
        assert (await knock(http, token_of(header={"kid": "unknown"}))).status_code == 401
        assert authority.asked.count("/jwks") == 3


async def test_while_the_issuer_is_away_nobody_is_called_unknown(tmp_path: Path) -> None:
    authority = Authority()
    authority.away = True
    async with door(tmp_path, authority) as http:
        refused = await knock(http, token_of())
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "60"
        assert "Try again" in refused.text
        assert (await knock(http, token_of())).status_code == 503
        assert len(authority.asked) == 1
        authority.away = False
        await anyio.sleep(60)
        assert (await knock(http, token_of())).status_code == 404


async def test_known_keys_hold_for_an_hour_while_the_issuer_is_away(tmp_path: Path) -> None:
    authority = Authority()
    async with door(tmp_path, authority) as http:
        assert (await knock(http, token_of())).status_code == 404
        authority.away = True
        await anyio.sleep(3500)
        assert (await knock(http, token_of())).status_code == 404
        assert (await knock(http, token_of(name="second"))).status_code == 503
        await anyio.sleep(101)
        assert (await knock(http, token_of())).status_code == 503


async def test_the_age_of_keys_counts_from_when_they_were_fetched_whatever_the_clock_shows(tmp_path: Path) -> None:
    authority = Authority()
    await anyio.sleep(80_000)
    async with door(tmp_path, authority) as http:
        for seconds, fetched in ((0, 1), (599, 1), (2, 2), (600, 2), (1, 3)):
            await anyio.sleep(seconds)
            assert (await knock(http, token_of())).status_code == 404
            assert authority.asked.count("/jwks") == fetched
        authority.away = True
        await anyio.sleep(3600)
        assert (await knock(http, token_of())).status_code == 404
        await anyio.sleep(1)
        assert (await knock(http, token_of())).status_code == 503


@pytest.mark.parametrize("url", PATHS)
async def test_metadata_are_found_where_they_may_stand(tmp_path: Path, url: str) -> None:
    authority = Authority(url)
    async with door(tmp_path, authority, url) as http:
        assert (await knock(http, token_of(iss=url))).status_code == 404


METADATA = {"issuer": ISSUER, "jwks_uri": "https://keys.example.com/jwks"}


@pytest.mark.parametrize(
    ("metadata", "jwks", "why"),
    [
        ({**METADATA, "issuer": f"{ISSUER}/"}, {}, "exactly this issuer"),
        ({**METADATA, "issuer": "https://evil.example.com"}, {}, "exactly this issuer"),
        ([METADATA], {}, "exactly this issuer"),
        (httpx.Response(302, headers={"Location": f"{ISSUER}/jwks"}, json=METADATA), {}, "exactly this issuer"),
        (httpx.Response(200, text="<html>"), {}, "JSONDecodeError"),
        (httpx.Response(200, content=b"[" * 200_000), {}, "Error"),  # which one is up to Python
        (httpx.Response(200, content=b" " * (BODY_MAX_BYTES + 1)), {}, "TooLarge"),
        ({"issuer": ISSUER}, {}, "https:// jwks_uri"),
        ({**METADATA, "jwks_uri": "http://127.0.0.1/jwks"}, {}, "https:// jwks_uri"),
        ({**METADATA, "jwks_uri": "https://keys example/\x00"}, {}, "InvalidURL"),
        (METADATA, {"keys": "none"}, "no keys"),
        (METADATA, httpx.Response(301, headers={"Location": "https://keys.example.com/jwks2"}), "no keys"),
        (METADATA, httpx.Response(500), "no keys"),
    ],
)
async def test_an_issuer_that_answers_as_it_must_not_opens_no_door(
    tmp_path: Path, metadata: Any, jwks: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority()
    authority.metadata, authority.jwks = metadata, jwks
    async with door(tmp_path, authority) as http:
        assert (await knock(http, token_of())).status_code == 503
    assert why in caplog.text
    assert token_of() not in caplog.text


async def test_an_issuer_that_never_answers_is_left_alone_after_a_while(tmp_path: Path) -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with door(tmp_path, silent) as http:
        assert (await knock(http, token_of())).status_code == 503


async def test_who_hangs_up_during_the_first_look_spoils_nothing(tmp_path: Path) -> None:
    authority, begun = Authority(), anyio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        begun.set()
        await anyio.sleep(1)
        return await authority(request)

    async with door(tmp_path, slow) as http:
        async with anyio.create_task_group() as group:
            group.start_soon(knock, http, token_of())
            await begun.wait()
            group.cancel_scope.cancel()
        assert (await knock(http, token_of())).status_code == 404


# beside it


@pytest.mark.parametrize("path", ["", "/mcp", "/sse"])
async def test_everybody_from_a_known_host_may_read_the_metadata(tmp_path: Path, path: str) -> None:
    authority = Authority()
    async with door(tmp_path, authority) as http:
        told = (await http.get(f"{METADATA_PATH}{path}")).json()
        assert told == {"resource": AUDIENCE, "authorization_servers": [ISSUER], "bearer_methods_supported": ["header"]}
        read = ProtectedResourceMetadata.model_validate(told)
        assert str(read.resource) == AUDIENCE
        assert [str(each) for each in read.authorization_servers] == [ISSUER]
        assert (await http.get(f"{METADATA_PATH}{path}", headers={"Host": "evil.example.com"})).status_code == 421
        assert (await http.get(f"{METADATA_PATH}{path}", headers={"Origin": "https://evil.example.com"})).status_code == 403
        assert (await http.get(f"{METADATA_PATH}/other")).status_code == 404
    assert authority.asked == []


async def test_metadata_stand_where_our_own_identifier_puts_them(tmp_path: Path) -> None:
    for audience, path in (("https://video.example.com/a/mcp", "/a/mcp"), ("https://video.example.com/", "")):
        async with door(tmp_path, Authority(), http_oauth_audience=audience) as http:
            challenge = (await http.get("/mcp")).headers["WWW-Authenticate"]
            assert challenge == f'Bearer resource_metadata="https://video.example.com{METADATA_PATH}{path}"'
            assert (await http.get(f"{METADATA_PATH}{path}")).json()["resource"] == audience


async def test_without_an_issuer_there_are_no_metadata(tmp_path: Path) -> None:
    app = build_http_app(Settings(data_dir=tmp_path), "http", "127.0.0.1")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
        assert (await http.get(METADATA_PATH)).status_code == 404


async def test_the_operators_own_tokens_go_on_beside_it(tmp_path: Path) -> None:
    authority, own = Authority(), "carl-token-0123456789"
    async with door(tmp_path, authority, http_tokens=SecretStr(f"carl:{own}")) as http:
        assert (await knock(http, own)).status_code == 404
        assert authority.asked == []
        assert (await knock(http, token_of())).status_code == 404
        assert (await knock(http, f"{own}x")).status_code == 401


async def test_each_subject_is_counted_by_itself(tmp_path: Path) -> None:
    async with door(tmp_path, Authority(), http_requests_per_minute=2) as http:
        assert [(await knock(http, token_of(jti=str(turn)))).status_code for turn in range(3)] == [404, 404, 429]
        assert (await knock(http, token_of(sub="bert"))).status_code == 404


async def test_off_loopback_an_issuer_suffices_also_for_the_older_transport(tmp_path: Path) -> None:
    audience, path = "https://video.example.com/sse", f"{METADATA_PATH}/sse"
    settings = Settings(data_dir=tmp_path, http_oauth_issuer=ISSUER, http_oauth_audience=audience)
    app = build_http_app(settings, "sse", "192.168.7.7")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://192.168.7.7") as http:
        refused = await http.get("/sse")
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == f'Bearer resource_metadata="https://video.example.com{path}"'
        assert (await http.get(path)).json()["resource"] == audience


@pytest.mark.parametrize(
    ("issuer", "audience", "named"),
    [
        (ISSUER, None, "SEEDANCE_HTTP_OAUTH_AUDIENCE: must be set together"),
        (None, AUDIENCE, "SEEDANCE_HTTP_OAUTH_AUDIENCE: must be set together"),
        ("http://issuer.example.com", AUDIENCE, "SEEDANCE_HTTP_OAUTH_ISSUER: http:// is only for loopback"),
        ("issuer.example.com", AUDIENCE, "SEEDANCE_HTTP_OAUTH_ISSUER"),
        (f"{ISSUER}?a=b", AUDIENCE, "SEEDANCE_HTTP_OAUTH_ISSUER"),
        (ISSUER, "http://video.example.com/mcp", "SEEDANCE_HTTP_OAUTH_AUDIENCE"),
        (ISSUER, f'{AUDIENCE}"', "without blanks, quotes"),
        (ISSUER, f"{AUDIENCE}\n", "printable"),
        (ISSUER, "https://v\u00efdeo.example.com", "printable ASCII"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, issuer: str | None, audience: str | None, named: str
) -> None:
    for name, value in (("ISSUER", issuer), ("AUDIENCE", audience)):
        if value:
            monkeypatch.setenv(f"SEEDANCE_HTTP_OAUTH_{name}", value)
    with pytest.raises(NotConfigured) as caught:
        load_settings()
    assert named in caught.value.message
    assert caught.value.message.count("SEEDANCE_") <= 2


# all of it


class Pocket:
    """Where the official client keeps its tokens."""

    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError


@dataclass
class House:
    """The whole server over HTTP, without a port; `provider_saw` is every request that left it."""

    app: Starlette
    authority: Authority
    provider_saw: list[httpx.Request]

    @asynccontextmanager
    async def visited_by(self, name: str, *, get_token: bool = False, mode: str = "auto") -> AsyncGenerator[Client]:
        """The official client with a token in its hand, or one that knows how to get it."""

        async def issue(request: httpx2.Request) -> httpx2.Response:
            if request.url.path != "/token":
                page = await self.authority(httpx.Request(request.method, str(request.url)))
                return httpx2.Response(page.status_code, content=page.content)
            asked = parse_qs(request.content.decode())
            assert asked["resource"] == [AUDIENCE]
            return httpx2.Response(200, json={"access_token": token_of(sub=name), "token_type": "Bearer"})

        provider = ClientCredentialsOAuthProvider(AUDIENCE, Pocket(), name, "secret", issuer=ISSUER)
        async with (
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(self.app),
                mounts={ISSUER: httpx2.MockTransport(issue)},
                auth=provider if get_token else None,
                headers={} if get_token else {"Authorization": f"Bearer {token_of(sub=name)}"},
            ) as http,
            Client(streamable_http_client(AUDIENCE, http_client=http), mode=mode) as client,
        ):
            yield client


@asynccontextmanager
async def house(tmp_path: Path, **fields: Any) -> AsyncGenerator[House]:
    authority, sandbox, seen = Authority(), Sandbox(no_film, queue_seconds=0.05, work_seconds=0.1), list[httpx.Request]()
    authority.metadata.update(
        token_endpoint=f"{ISSUER}/token", authorization_endpoint=f"{ISSUER}/authorize", response_types_supported=["code"]
    )
    usual: dict[str, Any] = {"data_dir": tmp_path, "http_oauth_issuer": ISSUER, "http_oauth_audience": AUDIENCE}
    usual["poll_floor_seconds"] = 0.05

    async def provide(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return await sandbox(request)

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient("https://provider.invalid", KEY, transport=httpx.MockTransport(provide))

    app = build_http_app(Settings(**{**usual, **fields}), "http", "127.0.0.1", connect, reaching(authority))
    async with app.router.lifespan_context(app):
        yield House(app, authority, seen)


async def told(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments)).structured_content or {}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # on trio the client leaves generators behind
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.slow
async def test_the_official_client_finds_the_issuer_gets_a_token_and_makes_a_video(tmp_path: Path, mode: str) -> None:
    async with house(tmp_path) as home, home.visited_by("anna", get_token=True, mode=mode) as client:
        task = await told(client, "create_video", request={"model": "seedance2.0-md", "prompt": "a fox"})
        assert (await told(client, "wait_for_video", task_id=task["task_id"]))["status"] == "completed"
        assert {request.headers.get("Authorization") for request in home.provider_saw} <= {f"Bearer {KEY}", None}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_each_subject_has_its_own_tasks_and_limits_also_beside_a_token_of_its_name(tmp_path: Path) -> None:
    own, request = "anna-token-0123456789", {"model": "seedance2.0-md", "prompt": "a fox"}
    async with house(tmp_path, max_cost_total="0.5", http_tokens=SecretStr(f"anna:{own}")) as home:
        async with home.visited_by("anna") as anna, home.visited_by("bert") as bert:
            task = await told(anna, "create_video", request=request)
            assert (await told(anna, "create_video", request={**request, "prompt": "b"}))["error"]["code"] == "budget_exceeded"
            assert (await told(bert, "get_task", task_id=task["task_id"]))["error"]["code"] == "task_not_found"
            assert (await told(bert, "create_video", request=request))["deduplicated"] is False
        async with home.visited_by("anna") as again:
            assert [each["task_id"] for each in (await told(again, "list_tasks"))["tasks"]] == [task["task_id"]]
        headers = {"Authorization": f"Bearer {own}"}
        async with (
            httpx2.AsyncClient(transport=httpx2.ASGITransport(home.app), headers=headers) as http,
            Client(streamable_http_client(AUDIENCE, http_client=http)) as namesake,
        ):
            assert (await told(namesake, "list_tasks"))["total"] == 0


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.slow
async def test_any_number_of_subjects_share_one_open_ledger_file(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.visited_by("anna") as first:
        await told(first, "list_tasks")
        before = open_files()
        for turn in range(20):
            async with home.visited_by(f"subject {turn}") as client:
                assert (await told(client, "list_tasks"))["total"] == 0
        assert open_files() == before
