"""A database that takes connections and says nothing: it is given up, `/readyz` says so meanwhile, and it may come back."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import PROVIDER
from cutting_proxy import Cutting, cutting_proxy
from pydantic import SecretStr
from test_postgres import through

from seedance_mcp.errors import LedgerAway
from seedance_mcp.money.stores import postgres
from seedance_mcp.sandbox.provider import KEY
from seedance_mcp.server.http import build_http_app
from seedance_mcp.settings import Settings

if TYPE_CHECKING:
    from postgres_server import Databases

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def proxied(databases: Databases) -> Generator[tuple[str, Cutting]]:
    """Give the address of a ledger through a proxy, and the proxy."""
    url = databases.new()
    with cutting_proxy(urlsplit(url).port or 0) as proxy:
        yield through(proxy.port, url), proxy


def silence(proxy: Cutting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database say nothing from now on, and be given up sooner than an operator's would be."""
    monkeypatch.setattr(postgres, "SILENT_SECONDS", 1.0)
    proxy.is_silent = True


def ask_until_answered(store: postgres.PostgresStore) -> None:
    asked = False
    while not asked:
        with suppress(LedgerAway):
            asked = store.one("SELECT 1 AS one") == {"one": 1}


MOMENTS = {
    "asleep in the pool": "no connection came about",
    "at a statement": "the connection failed",
    "at the commit": "failed",
}
"""What is said of a connection, by the moment at which it falls silent."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_silent_connection_is_given_up_and_another_is_made_when_the_database_is_back(
    proxied: tuple[str, Cutting], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    url, proxy = proxied
    store = postgres.PostgresStore(url, 2)
    ask_until_answered(store)
    with ExitStack() as work:
        work.enter_context(pytest.raises(LedgerAway, match=MOMENTS[moment]))
        if moment == "asleep in the pool":
            silence(proxy, monkeypatch)
        db = work.enter_context(store.transaction("anna"))
        if moment == "at the commit":
            db.notify("req_1")
        silence(proxy, monkeypatch)
        if moment == "at a statement":
            db.notify("req_1")
    proxy.is_silent = False
    ask_until_answered(store)
    store.close()


def test_a_database_that_is_silent_from_the_start_is_away(proxied: tuple[str, Cutting]) -> None:
    url, proxy = proxied
    proxy.is_silent = True
    with pytest.raises(LedgerAway, match="the connection failed"):
        postgres.PostgresStore(url, 2)


async def test_a_server_is_not_ready_while_its_database_is_silent_or_stopped_and_ready_when_it_is_back(
    databases: Databases, proxied: tuple[str, Cutting], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, proxy = proxied
    settings = Settings(base_url=PROVIDER, api_key=SecretStr(KEY), data_dir=tmp_path, database_url=SecretStr(url))
    app = build_http_app(settings, "http", "127.0.0.1")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http,
    ):

        async def become(status: int, ledger: str) -> None:
            while (answer := await http.get("/readyz")).status_code != status:
                pass
            assert answer.json()["ledger"] == ledger
            assert (await http.get("/healthz")).status_code == 200

        await become(200, "ok")
        silence(proxy, monkeypatch)
        assert (await http.get("/readyz")).status_code == 503
        await become(503, "unusable")
        proxy.is_silent = False
        await become(200, "ok")
        databases.control("stop")
        try:
            await become(503, "unusable")
        finally:
            databases.control("start")
        await become(200, "ok")
