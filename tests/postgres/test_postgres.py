"""A ledger in PostgreSQL: its schema, what it refuses, and connections that are cut at the worst moments."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import httpx
import psycopg
import pytest
from conftest import PROVIDER, no_film
from cutting_proxy import cutting_proxy
from pydantic import SecretStr

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.cli import main
from seedance_mcp.errors import LedgerAway, LedgerUnusable
from seedance_mcp.money import sql_ledger
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.principals import Principal
from seedance_mcp.money.records import NewRequest, Record, Spent
from seedance_mcp.money.stores import postgres
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools.arguments import read_create_video
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.results import Task
from seedance_mcp.tools.session import Shared

if TYPE_CHECKING:
    from postgres_server import Databases

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def opened(url: str) -> Ledger:
    return open_ledger(Settings(database_url=SecretStr(url)), lambda: NOON)


async def reserve(ledger: Ledger, prompt: str = "a fox") -> Record:
    request = NewRequest({"model": "m", "prompt": prompt}, prompt, Decimal("2.5"))
    return (await ledger.reserve(request, window_seconds=600, admit=lambda _: None)).record


# the schema


def test_every_migration_is_a_numbered_file_that_is_shipped() -> None:
    folder = resources.files("seedance_mcp.money.stores") / "schema" / "postgres"
    names = [f"{number:03}.sql" for number in range(1, len(postgres.migrations()) + 1)]
    assert sorted(each.name for each in folder.iterdir()) == names


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET principal = 'bert'", "TRUNCATE audit"])
async def test_an_entry_of_the_audit_is_never_changed(databases: Databases, statement: str) -> None:
    url = databases.new()
    async with aclosing(opened(url)) as ledger:
        await ledger.add_principal(Principal("anna", NOON))
        with databases.connected(url) as db, pytest.raises(psycopg.errors.RaiseException, match="only added to"):
            db.execute(statement.encode())
        assert len(await ledger.audit(None, None, 9)) == 1


async def test_a_database_without_a_schema_is_refused_until_it_is_migrated(databases: Databases) -> None:
    url = databases.new(made=False)
    async with aclosing(opened(url)) as ledger:
        with pytest.raises(LedgerUnusable, match="seedance-mcp ledger migrate"):
            await ledger.spent()
        assert postgres.migrate(url) == (0, len(postgres.migrations()))
        assert postgres.migrate(url) == (len(postgres.migrations()),) * 2
        assert (await ledger.spent()).total == 0
        assert (await ledger.health()).faults == []


async def test_a_program_works_with_a_schema_one_version_newer_and_no_more(databases: Databases) -> None:
    url = databases.new()
    for ahead in (1, 2):
        with databases.connected(url) as db:
            db.execute("INSERT INTO schema_versions (version) VALUES (%s)", (len(postgres.migrations()) + ahead,))
        async with aclosing(opened(url)) as ledger:
            if ahead == 1:
                assert (await ledger.spent()).total == 0
            else:
                with pytest.raises(LedgerUnusable, match="Upgrade seedance-mcp"):
                    await ledger.spent()
    with pytest.raises(LedgerUnusable, match="Upgrade seedance-mcp"):
        postgres.migrate(url)


# what is refused


@pytest.mark.parametrize("path", ["nowhere", "postgres?sslmode=require"])
async def test_a_database_that_refuses_is_not_tried_again(databases: Databases, path: str) -> None:
    async with aclosing(opened(f"{databases.address}/{path}")) as ledger:
        with pytest.raises(LedgerUnusable, match="cannot be used") as refusal:
            await ledger.spent()
    assert not isinstance(refusal.value, LedgerAway)


async def test_a_read_only_database_refuses_what_is_written_and_answers_what_is_read(
    databases: Databases, tmp_path: Path
) -> None:
    url = databases.new()
    with databases.connected() as db:
        db.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" SET default_transaction_read_only = on'.encode())
    async with world(url, tmp_path) as (shared, sandbox):
        with pytest.raises(LedgerUnusable, match="it is read-only"):
            await make(shared)
        assert (await shared.ledger.spent()).total == 0
        assert (await shared.ledger.health()).faults == ["the database is read-only"]
    assert posts(sandbox) == 0


@pytest.mark.slow
async def test_a_principal_that_another_process_has_locked_is_refused_and_others_are_served(databases: Databases) -> None:
    url = databases.new()
    async with aclosing(opened(url)) as ledger:
        held = await reserve(ledger.for_principal("anna"))
        bobs = await reserve(ledger.for_principal("bob"))
        holder = postgres.PostgresStore(url, 1)
        with holder.transaction("anna"):
            await ledger.for_principal("bob").mark_sending(bobs.request_id, None)
            with pytest.raises(LedgerUnusable, match="another process has held it for 8 seconds"):
                await ledger.for_principal("anna").mark_sending(held.request_id, None)
        holder.close()


async def test_a_zero_character_is_kept_as_a_replacement(databases: Databases) -> None:
    async with aclosing(opened(databases.new())) as ledger:
        made = await reserve(ledger, "a\0fox")
        assert (await ledger.get(made.request_id)).prompt == "a\N{REPLACEMENT CHARACTER}fox"
        assert await ledger.find("vid\0") is None


def test_everybody_who_listens_is_told_of_a_change_at_the_commit(databases: Databases) -> None:
    url = databases.new()
    store = postgres.PostgresStore(url, 2)
    with databases.connected(url) as listener:
        listener.execute(f"LISTEN {postgres.CHANNEL}".encode())
        with store.transaction("") as db:
            db.notify("req_1")
        (told,) = listener.notifies(timeout=60, stop_after=1)
        assert told.payload == "req_1"
    store.close()


# connections that break


def test_a_connection_that_the_database_ends_may_be_tried_again(databases: Databases) -> None:
    url = databases.new()
    store = postgres.PostgresStore(url, 1)
    mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with pytest.raises(LedgerAway, match="AdminShutdown"):
        store.all(mine)
    assert store.one("SELECT 1 AS one") == {"one": 1}
    store.close()


@asynccontextmanager
async def world(url: str, folder: Path) -> AsyncGenerator[tuple[Shared, Sandbox]]:
    """A server on a database, with a sandbox behind it."""
    sandbox = Sandbox(no_film, balance=1000)

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(sandbox))

    settings = Settings(base_url=PROVIDER, data_dir=folder, database_url=SecretStr(url))
    async with aclosing(Shared(settings, connect)) as shared:
        yield shared, sandbox


async def make(shared: Shared, prompt: str = "a fox") -> Task:
    request = {"model": "seedance2.0-sp", "prompt": prompt}
    return await create_video(shared.session(), read_create_video(load_edition(), {"request": request}), Nobody())


def posts(sandbox: Sandbox) -> int:
    return sandbox.requests.count(("POST", "/api/open-api/v1/seedance/videos"))


def through(port: int, url: str) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}{urlsplit(url).path}"


MOMENTS = {"reserved": b"INSERT INTO requests", "sending": b"SET state = $1, used_before", "answered": b"SET task_id = $1"}
"""A statement of each transaction of a create, by the state that it leads to."""


@pytest.mark.parametrize("at_commit", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_connection_that_is_cut_costs_one_post_that_is_recorded(
    databases: Databases, tmp_path: Path, moment: str, *, at_commit: bool
) -> None:
    url = databases.new()
    with cutting_proxy(urlsplit(url).port or 0) as cutting:
        async with world(through(cutting.port, url), tmp_path) as (shared, sandbox):
            await shared.ledger.spent()
            cutting.arm(MOMENTS[moment], at_commit=at_commit)
            task = await make(shared)
            assert cutting.cuts == 1
            assert (task.status, task.deduplicated) == ("queued", False)
            (record,) = (await shared.ledger.page()).records
            assert (record.task_id, record.state) == (task.task_id, "queued")
            assert (await make(shared)).deduplicated
            assert posts(sandbox) == 1


async def test_connections_that_broke_in_the_pool_are_replaced(databases: Databases, tmp_path: Path) -> None:
    url = databases.new()
    with cutting_proxy(urlsplit(url).port or 0) as cutting:
        async with world(through(cutting.port, url), tmp_path) as (shared, sandbox):
            await make(shared)
            cutting.cut_all()
            await make(shared, "an owl")
            assert posts(sandbox) == 2


@pytest.mark.slow
async def test_a_database_that_is_stopped_refuses_for_a_moment_and_pays_nothing(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_ledger, "AWAY_SECONDS", 0.0)
    async with world(databases.new(), tmp_path) as (shared, sandbox):
        await make(shared)
        databases.control("stop")
        try:
            for prompt in ("an owl", "a cat"):
                with pytest.raises(LedgerAway, match="does not answer"):
                    await make(shared, prompt)
        finally:
            databases.control("start")
        assert posts(sandbox) == 1
        monkeypatch.setattr(sql_ledger, "AWAY_SECONDS", 20.0)
        await make(shared, "an owl")
        assert posts(sandbox) == 2


@pytest.mark.slow
async def test_no_call_fails_while_the_database_is_restarted(databases: Databases, tmp_path: Path) -> None:
    told: list[Task] = []
    async with world(databases.new(), tmp_path) as (shared, sandbox):

        async def many(name: str) -> None:
            told.extend([await make(shared, f"{name} {number}") for number in range(20)])

        async with anyio.create_task_group() as group:
            for name in ("fox", "owl", "cat", "dog"):
                group.start_soon(many, name)
            await anyio.to_thread.run_sync(databases.control, "restart")
        assert len(told) == posts(sandbox) == (await shared.ledger.page()).total == 80


def test_a_ledger_in_a_file_is_moved_by_two_commands(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = databases.new(made=False)
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path))

    async def spent() -> tuple[Spent, list[str | None]]:
        async with aclosing(open_ledger(Settings(), lambda: NOON)) as ledger:
            return await ledger.spent(), [record.prompt for record in (await ledger.page()).records]

    async def fill() -> None:
        async with aclosing(open_ledger(Settings(), lambda: NOON)) as ledger:
            for prompt in ("a fox", "an owl\0", "一只狐狸"):
                made = await reserve(ledger, prompt)
            await ledger.observe(made.request_id, ProviderTask("vid_1", "completed", cost=Decimal("0.000000001")))

    anyio.run(fill)
    before = anyio.run(spent)
    monkeypatch.setenv("SEEDANCE_DATABASE_URL", url)
    assert main.main(["ledger", "copy"]) == 2
    assert "seedance-mcp ledger migrate" in capsys.readouterr().err
    assert main.main(["ledger", "migrate"]) == 0
    assert main.main(["ledger", "copy"]) == 0
    assert capsys.readouterr().out.startswith(f"The schema had version 0 and has version {len(postgres.migrations())}.\n3 req")
    after = anyio.run(spent)
    assert (after[0], after[1]) == (before[0], ["一只狐狸", "an owl\N{REPLACEMENT CHARACTER}", "a fox"])
    assert main.main(["ledger", "copy"]) == 2
    assert "3 requests already" in capsys.readouterr().err


def test_a_doctor_sees_the_database(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = databases.new()
    monkeypatch.setenv("SEEDANCE_DATABASE_URL", url)
    main.main(["doctor"])
    assert "ok   ledger: in the database, whole, 0 requests" in capsys.readouterr().out
    with databases.connected() as db:
        db.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" SET default_transaction_read_only = on'.encode())
    main.main(["doctor"])
    assert "ledger: the database is read-only" in capsys.readouterr().out
