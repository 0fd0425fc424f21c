"""Who comes through the door of the HTTP application, what everybody may ask, and how each kind of client is answered."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import no_film
from pydantic import SecretStr, ValidationError

from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.server.http import build_http_app
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
ANNA = "anna-token-0123456789"
OURS = "https://video.example.com"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def door(
    tmp_path: Path, transport: Any = "http", key: str | None = KEY, **fields: Any
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the whole application, with neither a port nor a Host of its own."""
    usual: dict[str, Any] = {"data_dir": tmp_path / "data", "http_hosts": "video.example.com"}
    settings = Settings(**{**usual, **fields})
    sandbox = Sandbox(no_film)

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient("https://provider.invalid", key, transport=httpx.MockTransport(sandbox))

    app = build_http_app(settings, transport, "127.0.0.1", connect)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8931") as http,
    ):
        yield http


# typed by hand; the first four passed once
ODD_HOSTS = (
    "localhost:80@evil.example",
    "[::1]evil.example",
    "[::1].evil.example",
    "localhost:evil.example",
    "evil.example@localhost",
    "localhost:",
    "localhost:123456",
    "localhost/",
    "localhost evil.example",
    "localhost,evil.example",
    "[::1",
    "::1",
    "localhost..",
    "",
)
ODD_ORIGINS = (
    *(f"http://{host}" for host in ODD_HOSTS),
    "http://[::1",
    "http://[::1].evil.example",
    "http://localhost/path",
    "http://localhost?x",
    "http://localhost http://evil.example",
    "http://localhost, http://evil.example",
    "ftp://localhost",
    "localhost",
    "http:localhost",
    "null",
    "",
)


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_a_host_that_only_begins_or_ends_like_ours_is_refused_and_named(tmp_path: Path, host: str) -> None:
    async with door(tmp_path) as http:
        refused = await http.post("/mcp", json=LIST, headers={"Host": host})
    assert refused.status_code == 421
    assert f'"{host}"' in refused.text
    assert "SEEDANCE_HTTP_HOSTS" in refused.text


@pytest.mark.parametrize("origin", ODD_ORIGINS)
async def test_an_origin_that_is_not_exactly_one_of_ours_is_refused(tmp_path: Path, origin: str) -> None:
    async with door(tmp_path) as http:
        refused = await http.post("/mcp", json=LIST, headers={"Origin": origin})
    assert (refused.status_code, "SEEDANCE_HTTP_HOSTS" in refused.text) == (403, True)


async def test_every_host_and_every_origin_is_looked_at(tmp_path: Path) -> None:
    async with door(tmp_path) as http:
        for name, ours, foreign, status in (
            ("Origin", OURS, "https://evil.example", 403),
            ("Host", "localhost", "evil.example", 421),
        ):
            for given in ((ours, foreign), (foreign, ours), (ours, ours)):
                headers = [(name, each) for each in given]
                assert (await http.post("/mcp", json=LIST, headers=headers)).status_code == status


async def test_what_a_stranger_sends_is_told_bounded_and_marked(tmp_path: Path) -> None:
    async with door(tmp_path) as http:
        refused = await http.get("/mcp", headers={"Host": "evil" * 5000 + '"'})
    assert len(refused.text) < 400
    assert refused.text.count('"') == 2


# probes


async def test_probes_are_answered_under_any_host_and_without_a_token(tmp_path: Path) -> None:
    async with door(tmp_path, http_tokens=SecretStr(f"anna:{ANNA}")) as http:
        for host in ("10.42.0.17:8931", "pod-7", ""):
            assert (await http.get("/healthz", headers={"Host": host})).json() == {"status": "ok"}
            ready = await http.get("/readyz", headers={"Host": host, "Origin": "https://evil.example"})
            assert (ready.status_code, ready.json()) == (200, {"status": "ok", "ledger": "ok", "provider": "ok"})
            assert "Access-Control-Allow-Origin" not in ready.headers


@pytest.mark.slow
async def test_a_ledger_that_hangs_is_not_ready_until_it_answers(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        async with door(tmp_path, data_dir=folder) as http:
            for _ in range(2):
                ready = await http.get("/readyz")
                assert (ready.status_code, ready.json()["ledger"]) == (503, "unusable")
            assert (await http.get("/healthz")).status_code == 200
            other.execute("ROLLBACK")
            while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - another thread makes it true
                await anyio.sleep(0.1)


async def test_a_server_that_can_serve_no_call_is_alive_and_not_ready(tmp_path: Path) -> None:
    async with door(tmp_path, key=None) as http:
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["provider"]) == (503, "not configured")
    (tmp_path / "file").write_text("no folder")
    async with door(tmp_path, data_dir=tmp_path / "file" / "data") as http:
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["ledger"]) == (503, "unusable")
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["oauth-protected-resource", "oauth-protected-resource/mcp", "openid-configuration", "x/y"])
async def test_a_well_known_path_that_does_not_apply_is_not_there(tmp_path: Path, path: str) -> None:
    async with door(tmp_path, http_tokens=SecretStr(f"anna:{ANNA}")) as http:
        assert (await http.get(f"/.well-known/{path}")).status_code == 404
        assert (await http.get("/well-known/x")).status_code == 401


async def test_a_token_that_is_no_good_is_not_called_missing(tmp_path: Path) -> None:
    async with door(tmp_path, http_tokens=SecretStr(f"anna:{ANNA}")) as http:
        missing = await http.post("/mcp", json=LIST)
        unknown = await http.post("/mcp", json=LIST, headers={"Authorization": "Bearer no-token-of-anybody"})
    assert (missing.status_code, missing.text) == (401, "A bearer token is needed.")
    assert unknown.status_code == 401
    assert "The bearer token is unknown, expired or switched off here: ask the operator" in unknown.text
    assert "no-token-of-anybody" not in unknown.text


# pages


async def test_a_page_of_a_named_host_may_ask_and_read_and_no_other(tmp_path: Path) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,mcp-protocol-version"}
    async with door(tmp_path, http_tokens=SecretStr(f"anna:{ANNA}")) as http:
        for origin in (OURS, "http://video.example.com:3000"):
            preflight = await http.options("/mcp", headers={"Origin": origin, **asked})
            assert preflight.status_code == 200
            assert preflight.headers["Access-Control-Allow-Origin"] == origin
            assert "mcp-protocol-version" in preflight.headers["Access-Control-Allow-Headers"]
            for token, status in ((ANNA, 200), ("x", 401)):
                headers = {"Origin": origin, "Authorization": f"Bearer {token}", "Accept": "application/json"}
                answer = await http.post("/mcp", json=LIST, headers=headers)
                assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, origin)
        for origin in ("http://localhost:3000", "http://127.0.0.1"):
            preflight = await http.options("/mcp", headers={"Origin": origin, **asked})
            assert "Access-Control-Allow-Origin" not in preflight.headers
            assert (await http.options("/mcp", headers={"Origin": "https://evil.example", **asked})).status_code == 403


async def test_no_page_may_read_where_no_host_is_named(tmp_path: Path) -> None:
    async with door(tmp_path, http_hosts="") as http:
        answer = await http.post("/mcp", json=LIST, headers={"Origin": "http://localhost"})
        assert answer.status_code == 200
        assert "Access-Control-Allow-Origin" not in answer.headers


# answers


@pytest.mark.parametrize("accept", ["application/json", "Application/JSON; q=0.9, text/html", "application/*", None])
async def test_a_client_that_reads_only_json_is_sent_json(tmp_path: Path, accept: str | None) -> None:
    async with door(tmp_path) as http:
        del http.headers["Accept"]
        for body in ({**LIST, "method": "initialize", "params": HELLO}, LIST):
            answer = await http.post("/mcp", json=body, headers={"Accept": accept} if accept is not None else {})
            assert answer.status_code == 200
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.json()["result"]


@pytest.mark.parametrize("accept", ["application/json, text/event-stream", "*/*", "application/json, text/*"])
async def test_a_client_that_reads_streams_is_sent_one(tmp_path: Path, accept: str) -> None:
    async with door(tmp_path) as http:
        answer = await http.post("/mcp", json=LIST, headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert json.loads(next(line[6:] for line in answer.text.splitlines() if line.startswith("data: {")))["result"]


async def test_a_stream_that_no_request_asked_for_is_refused(tmp_path: Path) -> None:
    async with door(tmp_path) as http:
        for headers in ({}, {"Mcp-Session-Id": "x"}, {"MCP-Protocol-Version": "2026-07-28"}):
            refused = await http.get("/mcp", headers={"Accept": "text/event-stream", **headers})
            assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


# settings


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("video.example.com", {"video.example.com"}),
        (" Video.Example.com:443 , b.example ", {"video.example.com", "b.example"}),
        ("https://video.example.com/", {"video.example.com"}),
        ("http://video.example.com:8931", {"video.example.com"}),
        ("video.example.com./", {"video.example.com"}),
        ("[2001:db8::1]:443, 2001:db8::2, 10.0.0.7", {"[2001:db8::1]", "[2001:db8::2]", "10.0.0.7"}),
        (", ", set[str]()),
    ],
)
def test_a_host_is_read_out_of_what_was_pasted(value: str, names: set[str]) -> None:
    assert Settings(http_hosts=value).http_host_names == names


@pytest.mark.parametrize(
    "value", ["*.example.com", "*", "a.example/mcp", "a b", "user@a.example", "https://", "a.example:x", "-"]
)
def test_hosts_that_would_never_match_are_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="entry 2 is no host; allowed: names or addresses, comma separated"):
        Settings(http_hosts=f"good.example, {value}")
