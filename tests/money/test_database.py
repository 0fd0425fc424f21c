"""A ledger in a database that does not answer: it is tried again for a while, and refused in plain words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import anyio
import httpx
import pytest
from conftest import PROVIDER, no_film
from pydantic import SecretStr
from served import held_port

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.errors import LedgerAway, LedgerUnusable
from seedance_mcp.money import sql_ledger
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.records import NewRequest
from seedance_mcp.money.sql_ledger import Engine, SqlLedger
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore
from seedance_mcp.money.stores.store import Transaction
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.tools.arguments import GetTask, read_create_video
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.session import OpenLedger, Shared
from seedance_mcp.tools.tasks import get_task

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


class Leaving(SqliteStore):
    """A ledger that is away whenever that is said."""

    is_away, tries = False, 0

    @contextmanager
    def transaction(self, principal: str | None) -> Generator[Transaction]:
        if self.is_away:
            self.tries += 1
            raise LedgerAway("away")
        with super().transaction(principal) as db:
            yield db


async def test_a_task_that_was_paid_when_the_database_went_is_named_and_written_down_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sql_ledger, "AWAY_SECONDS", 0.0)
    store, sandbox = Leaving(tmp_path / LEDGER_FILE), Sandbox(no_film)

    async def carry(request: httpx.Request) -> httpx.Response:
        store.is_away = request.method == "POST"
        return await sandbox(request)

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(carry))

    def opened(_: Settings, now: Callable[[], datetime]) -> Ledger:
        return SqlLedger(Engine(lambda: store), now)

    request = {"model": "seedance2.0-sp", "prompt": "a fox"}
    settings = Settings(base_url=PROVIDER, data_dir=tmp_path)
    async with aclosing(Shared(settings, connect, open_ledger=opened)) as shared:
        asked = read_create_video(load_edition(), {"request": request})
        with pytest.raises(LedgerUnusable, match="is being made as task") as told:
            await create_video(shared.session(), asked, Nobody())
        assert (told.value.charged, store.tries) == ("yes", 1)
        store.is_away = False
        (task_id,) = sandbox.tasks
        task = await get_task(shared.session(), GetTask(task_id=task_id), Nobody())
        assert (task.task_id, task.request_id) == (task_id, told.value.details["request_id"])


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
