"""Callers whom the ledger knows come in over HTTP by their tokens, and every change of them holds without a restart."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import pytest
from pydantic import SecretStr

from seedance_mcp.errors import LedgerUnusable, NotConfigured
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.principals import Principal, digest_of, enabled, rotated
from seedance_mcp.server import http as http_transport
from seedance_mcp.server.http_door import Doorkeeper
from seedance_mcp.server.http_principals import FRESH_SECONDS, KnownPrincipals
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BERT = "bert-token-0123456789"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Door:
    """The door before an application that names its caller, with a clock of its own."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.now, self.is_away, self.reads, self._ledger = 0.0, False, 0, ledger
        people = KnownPrincipals(lambda: cast("Ledger", self), lambda: self.now)
        door = Doorkeeper(self._inside, settings, "127.0.0.1", lambda: self.now, principals=people)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://127.0.0.1")

    async def registered(self) -> list[Principal]:
        self.reads += 1
        if self.is_away:
            raise LedgerUnusable("away")
        return await self._ledger.registered()

    async def _inside(self, scope: Any, receive: Any, send: Any) -> None:
        name = scope["user"].access_token.client_id if "user" in scope else "nobody"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode()})

    async def asks(self, token: str = "") -> str | int:
        answer = await self._http.post("/mcp", headers={"Authorization": f"Bearer {token}"} if token else {})
        return answer.text if answer.status_code == 200 else answer.status_code


@asynccontextmanager
async def opened(tmp_path: Path, **fields: Any) -> AsyncGenerator[tuple[Door, Ledger]]:
    settings = Settings(data_dir=tmp_path, **fields)
    async with aclosing(open_ledger(settings, lambda: NOON)) as ledger:
        yield Door(settings, ledger), ledger


async def test_every_change_of_a_principal_holds_within_seconds(tmp_path: Path) -> None:
    async with opened(tmp_path) as (door, ledger):
        assert await door.asks() == "nobody"
        await ledger.add_principal(Principal("anna", NOON, digest=digest_of("one")))
        door.now += FRESH_SECONDS
        assert [await door.asks(token) for token in ("", "one", "two")] == [401, "anna", 401]
        await ledger.change_principal("anna", partial(rotated, digest=digest_of("two")), "rotated")
        door.now += FRESH_SECONDS
        assert [await door.asks(token) for token in ("one", "two", "three")] == ["anna", "anna", 401]
        await ledger.change_principal("anna", partial(rotated, digest=digest_of("three")), "rotated")
        door.now += FRESH_SECONDS
        assert [await door.asks(token) for token in ("one", "two", "three")] == [401, "anna", "anna"]
        for is_enabled, answer in ((False, 401), (True, "anna")):
            await ledger.change_principal("anna", partial(enabled, is_enabled=is_enabled), "disabled")
            door.now += FRESH_SECONDS
            assert await door.asks("three") == answer


async def test_tokens_of_the_environment_still_work_and_a_row_of_that_name_can_be_disabled(tmp_path: Path) -> None:
    async with opened(tmp_path, http_tokens=SecretStr(f"bert:{BERT}")) as (door, ledger):
        await ledger.add_principal(Principal("bert", NOON, digest=digest_of("one")))
        assert [await door.asks(token) for token in (BERT, "one", "")] == ["bert", "bert", 401]
        await ledger.change_principal("bert", lambda row: replace(row, disabled=True), "disabled")
        door.now += FRESH_SECONDS
        assert [await door.asks(token) for token in (BERT, "one", "")] == [401, 401, 401]


async def test_while_the_ledger_is_away_those_who_were_known_come_in(tmp_path: Path) -> None:
    async with opened(tmp_path) as (door, ledger):
        door.is_away = True
        assert await door.asks("one") == 503
        door.is_away = False
        await ledger.add_principal(Principal("anna", NOON, digest=digest_of("one")))
        assert await door.asks("one") == 503
        door.now += FRESH_SECONDS
        assert await door.asks("one") == "anna"
        door.now += FRESH_SECONDS
        before = door.reads
        async with anyio.create_task_group() as group:
            for _ in range(9):
                group.start_soon(door.asks, "one")
        assert door.reads == before + 1
        door.is_away, door.now = True, door.now + FRESH_SECONDS
        assert [await door.asks(token) for token in ("one", "two", "")] == ["anna", 401, 401]


async def test_beyond_loopback_a_token_is_needed_and_one_of_the_ledger_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, place = Settings(data_dir=tmp_path), http_transport.Place("0.0.0.0", 0)  # noqa: S104 - it listens on a free port
    with pytest.raises(NotConfigured, match="seedance-mcp principals add"):
        await http_transport.serve_http(settings, "http", place)
    async with aclosing(open_ledger(settings, lambda: NOON)) as ledger:
        await ledger.add_principal(Principal("anna", NOON, digest=digest_of("one")))
    app = http_transport.build_http_app(settings, "http", place.host, has_principals=True)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http,
    ):
        listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert (await http.post("/mcp", json=listed)).status_code == 401
        assert (await http.post("/mcp", json=listed, headers={"Authorization": "Bearer one"})).status_code == 200
