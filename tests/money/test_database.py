"""A ledger in a database that does not answer: it is tried again for a while, and refused in plain words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr
from served import held_port

from seedance_mcp.errors import LedgerAway, LedgerUnusable
from seedance_mcp.money import sql_ledger
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.records import NewRequest
from seedance_mcp.money.sql_ledger import Engine, SqlLedger
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import OpenLedger

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def opener(path: Path, times: int) -> Callable[[], SqliteStore]:
    """Open a ledger that is away at the first tries."""
    left = [LedgerAway("away")] * times

    def opened() -> SqliteStore:
        if left:
            raise left.pop()
        return SqliteStore(path)

    return opened


async def reserve(ledger: Ledger, request_id: str = "req_1") -> None:
    request = NewRequest({"model": "m", "prompt": "a fox"}, "one fox", Decimal("2.5"), request_id)
    reservation = await ledger.reserve(request, window_seconds=600, admit=lambda _: None)
    assert reservation.is_new


async def test_a_database_that_is_away_for_a_moment_is_tried_again(tmp_path: Path) -> None:
    async with aclosing(SqlLedger(Engine(opener(tmp_path / LEDGER_FILE, 2)), lambda: NOON)) as ledger:
        await reserve(ledger)
        assert (await ledger.spent()).reserved == Decimal("2.5")


async def test_a_closed_ledger_waits_for_no_database(tmp_path: Path) -> None:
    ledger = SqlLedger(Engine(opener(tmp_path / LEDGER_FILE, 10**6)), lambda: NOON)

    async def read() -> None:
        with pytest.raises(LedgerAway):
            await ledger.spent()

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        await ledger.aclose()


async def test_a_database_that_does_not_answer_is_refused_and_may_be_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_ledger, "AWAY_SECONDS", 0.0)
    with held_port() as port:
        settings = Settings(database_url=SecretStr(f"postgresql://me:secret@127.0.0.1:{port}/ledger"))
        async with aclosing(open_ledger(settings, lambda: NOON)) as ledger:
            with pytest.raises(LedgerAway, match="does not answer") as refusal:
                await ledger.spent()
    assert refusal.value.retryable
    assert "secret" not in refusal.value.message


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "seedance_mcp.money.stores.postgres", raising=False)
    settings = Settings(database_url=SecretStr("postgresql://127.0.0.1:9/ledger"))
    async with aclosing(open_ledger(settings, lambda: NOON)) as ledger:
        with pytest.raises(LedgerUnusable, match=r"seedance-mcp\[postgres\]"):
            await ledger.spent()


def test_the_sandbox_keeps_its_ledger_in_a_file(tmp_path: Path) -> None:
    url = SecretStr("postgresql://127.0.0.1:9/ledger")
    assert Settings(sandbox=True, database_url=url).ledger_url is None
    assert Settings(database_url=url).ledger_url == "postgresql://127.0.0.1:9/ledger"


async def test_what_is_done_twice_since_its_answer_was_lost_counts_once(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
        for _ in range(2):
            await reserve(ledger)
        assert (await ledger.spent()).reserved == Decimal("2.5")
        for _ in range(2):
            assert (await ledger.mark_sending("req_1", Decimal(1))).state == "sending"
