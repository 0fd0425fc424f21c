"""The SQLite file: migrations, locks, indexes, and a server that it holds up."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path

import anyio
import pytest
from conftest import Answer, OpenWorld
from mcp import Client
from mcp_types import EmptyResult, PingRequest, ResourceTemplateReference
from trio.testing import wait_all_tasks_blocked

from seedance_mcp.errors import LedgerUnusable
from seedance_mcp.money import known_records, sql_lists
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.records import Models, NewRequest, Record, Spent, Totals, Wanted
from seedance_mcp.money.sql_ledger import Engine, SqlLedger
from seedance_mcp.money.sql_queries import Reading
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore, migrations
from seedance_mcp.money.stores.store import Row
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools.session import Shared

pytestmark = [pytest.mark.anyio, pytest.mark.sqlite_file]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the write lock, as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


# a row that is asked for again


class Counting(SqliteStore):
    """Counts the rows that are read."""

    reads = 0

    def one(self, statement: str, *values: object) -> Row | None:
        self.reads += 1
        return super().one(statement, *values)


def reservation(request_id: str) -> NewRequest:
    return NewRequest({"model": "m", "prompt": "a fox"}, f"one {request_id}", Decimal("2.5"), request_id)


async def test_a_row_is_read_once_until_any_process_changes_the_ledger(tmp_path: Path) -> None:
    store, now = Counting(tmp_path / LEDGER_FILE), [NOON]
    other = open_ledger(Settings(data_dir=tmp_path), lambda: now[0])
    async with aclosing(SqlLedger(Engine(lambda: store), lambda: now[0])) as ledger, aclosing(other):
        await ledger.reserve(reservation("req_1"), window_seconds=600, admit=lambda _: None)
        store.reads = 0
        for _ in range(3):
            assert await ledger.find("req_1") == await ledger.get("req_1")
        assert (await ledger.get("req_1")).status == "queued"
        assert store.reads == 1
        assert await ledger.for_principal("anna").find("req_1") is None

        now[0] += timedelta(days=1)
        assert (await ledger.get("req_1")).status == "failed"  # nobody goes on with it, though no row changed
        now[0] = NOON
        await other.mark_sending("req_1", None)
        await other.observe("req_1", ProviderTask("task_1", "processing", progress=40))
        assert (await ledger.get("req_1")).progress == 40
        await ledger.observe("req_1", ProviderTask("task_1", "processing", progress=60))
        assert (await ledger.get("task_1")).progress == 60
        assert (await other.get("task_1")).progress == 60


class Untold(Counting):
    """A store that cannot tell whether another process changed it, as a database of several readers."""

    def version(self) -> None:
        return None


async def test_a_store_of_several_readers_is_asked_each_time(tmp_path: Path) -> None:
    store = Untold(tmp_path / LEDGER_FILE)
    async with aclosing(SqlLedger(Engine(lambda: store, readers=2), lambda: NOON)) as ledger:
        await ledger.adopt("task_1", NOON)
        store.reads = 0
        for _ in range(2):
            assert await ledger.find("task_1")
        assert store.reads == 2


async def test_rows_asked_for_longest_ago_are_forgotten_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_records, "RECORDS_KEPT", 2)
    store = Counting(tmp_path / LEDGER_FILE)
    async with aclosing(SqlLedger(Engine(lambda: store), lambda: NOON)) as ledger:
        for number in range(3):
            await ledger.adopt(f"task_{number}", NOON)
        for number in (0, 1, 0, 2):
            await ledger.find(f"task_{number}")
        store.reads = 0
        await ledger.find("task_0")
        assert store.reads == 0
        await ledger.find("task_1")
        assert store.reads == 1


# a ledger that another process holds


async def test_a_locked_ledger_holds_up_what_needs_it_and_nothing_else(open_world: OpenWorld, tmp_path: Path) -> None:
    answers: list[Answer] = []
    async with open_world(mode="legacy") as world, anyio.create_task_group() as group:
        first = await world.create()

        async def create(prompt: str) -> None:
            answers.append(await world.create(prompt=prompt))

        with locked(tmp_path / "data" / LEDGER_FILE):
            for number in range(3):
                group.start_soon(create, f"fox {number}")
            await wait_all_tasks_blocked()
            await world.client.session.send_request(PingRequest(), EmptyResult)
            assert (await world.client.list_tools()).tools
            assert (await world.call("list_tasks"))["total"] == 1
            assert (await completed(world.client, first["task_id"])) == [first["task_id"]]
            assert answers == []
    assert [answer["status"] for answer in answers] == ["queued"] * 3


async def completed(client: Client, value: str) -> list[str]:
    reference = ResourceTemplateReference(uri="seedance://tasks/{task_id}")
    return (await client.complete(reference, {"name": "task_id", "value": value})).completion.values


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_ledger_works_under_both_event_loops_and_a_second_opening_succeeds(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    (tmp_path / LEDGER_FILE).mkdir()
    async with aclosing(open_ledger(settings, lambda: NOON)) as ledger:
        with pytest.raises(LedgerUnusable):
            await ledger.spent()
        (tmp_path / LEDGER_FILE).rmdir()
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(reserve, ledger, number)
        assert (await ledger.spent()).reserved == 20
    async with aclosing(open_ledger(settings, lambda: NOON)):
        """A ledger that was never used has nothing to close."""


async def reserve(ledger: Ledger, number: int) -> None:
    request = NewRequest({"model": "m", "prompt": "a fox"}, str(number), Decimal("2.5"))
    await ledger.reserve(request, window_seconds=600, admit=lambda _: None)


async def test_a_request_that_is_gone_from_the_file_is_told_and_not_made_up(tmp_path: Path) -> None:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
        await reserve(ledger, 1)
        (record,) = (await ledger.page()).records
        with closing(sqlite3.connect(tmp_path / LEDGER_FILE)) as db:
            db.execute("DELETE FROM requests")
            db.commit()
        with pytest.raises(LedgerUnusable, match=record.request_id):
            await ledger.observe(record.request_id, ProviderTask("vid_1", "queued"))


async def test_many_calls_that_wait_for_one_task_hold_one_view_of_it(tmp_path: Path) -> None:
    async with aclosing(Shared(Settings(data_dir=tmp_path), now=lambda: NOON)) as shared:
        await reserve(shared.ledger, 1)
        (record,) = (await shared.ledger.page()).records
        views = [await shared.session().view(record) for _ in range(3)]
        assert len(set(map(id, views))) == 1


def test_opening_a_ledger_twice_in_one_process_keeps_its_locks(tmp_path: Path) -> None:
    """Another process that closes the file must not take itself for the last one and delete the log under this one."""
    path = tmp_path / LEDGER_FILE
    with closing(SqliteStore(path)) as store, closing(SqliteStore(path)):
        with store.transaction("") as db:
            db.run("INSERT INTO media (reference, seconds, at) VALUES ('a', 1, 1)")
        script = (
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM media').fetchall(); db.close()"
        )
        subprocess.run([sys.executable, "-c", script, path], check=True, timeout=60)
        assert path.with_name(f"{LEDGER_FILE}-wal").exists()


async def test_of_many_ids_the_newest_hundred_are_offered(open_world: OpenWorld, tmp_path: Path) -> None:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path / "data"), lambda: NOON)) as ledger:
        for number in range(101):
            await ledger.adopt(f"vid_{number}", None)
    async with open_world() as world:
        reference = ResourceTemplateReference(uri="seedance://tasks/{task_id}")
        found = (await world.client.complete(reference, {"name": "task_id", "value": "vid"})).completion
        assert found.values == [f"vid_{number}" for number in range(100, 0, -1)]
        assert (found.total, found.has_more) == (None, True)
        one = (await world.client.complete(reference, {"name": "task_id", "value": "D_42"})).completion
        assert (one.values, one.total, one.has_more) == (["vid_42"], 1, False)


# migrations


def test_every_migration_is_a_numbered_file_that_is_shipped() -> None:
    folder = resources.files("seedance_mcp.money.stores") / "schema" / "sqlite"
    assert sorted(each.name for each in folder.iterdir()) == [f"{number:03}.sql" for number in range(1, len(migrations()) + 1)]


def make(path: Path, version: int) -> None:
    """Make a ledger of an older version with two requests in it."""
    with closing(sqlite3.connect(path)) as db:
        for script in migrations()[:version]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {version}")
        for name, state, cost, settled in (("a", "completed", "2.4", 2_400_000_000), ("b", "unknown", None, None)):
            db.execute(
                "INSERT INTO requests (request_id, task_id, model, body, state, estimate, reserved, cost, settled, fingerprint,"
                " created_at) VALUES (?, ?, 'm', '{\"duration\": 7}', ?, '2.5', 2500000000, ?, ?, 'x', ?)",
                (name, f"vid_{name}", state, cost, settled, NOON.timestamp()),
            )
        if version > TOTALS_BY_TRIGGER:
            db.execute("INSERT INTO totals VALUES ('', ?, 4900000000, 2500000000)", (NOON.timestamp() // 86_400,))
            db.execute("INSERT INTO counts SELECT scope, state, count(*) FROM requests GROUP BY scope, state")
            db.execute("UPDATE requests SET duration = 7")
        if version >= SUMS_BY_DAY:
            db.execute("UPDATE requests SET kept = 0 WHERE state = 'completed'")
            db.execute(
                "INSERT INTO days SELECT scope, ?, '', model, state, coalesce(kept, -1), 0, 1, reserved, coalesce(settled, 0),"
                " CASE WHEN settled IS NULL THEN reserved ELSE 0 END FROM requests",
                (NOON.timestamp() // 86_400,),
            )
        db.commit()


TOTALS_BY_TRIGGER = 4
"""The last version whose totals the file kept by itself."""


SUMS_BY_DAY = 10
"""The first version that keeps sums by day."""


@pytest.mark.parametrize("version", range(2, len(migrations())))
async def test_a_ledger_of_every_version_is_migrated_with_its_money(tmp_path: Path, version: int) -> None:
    make(tmp_path / LEDGER_FILE, version)
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
        assert await ledger.spent() == Spent._make([*map(Decimal, ("4.9", "4.9", "2.5", "4.9", "4.9")), None])
        assert [(await ledger.page(status)).total for status in (None, "completed", "unknown", "failed")] == [2, 1, 1, 0]
        assert (await ledger.get("a")).duration == 7
        observed = await ledger.observe("b", ProviderTask("vid_b", "completed", cost=Decimal(3)))
        assert (observed.status, observed.settled) == ("completed", 3)
        assert await ledger.spent() == Spent._make([*map(Decimal, ("5.4", "5.4", "0", "5.4", "5.4")), None])
        assert (await ledger.page("completed")).total == 2
        assert await ledger.totals(Wanted()) == Totals(2, Decimal(5), Decimal("5.4"), Decimal(0), 2)


async def test_a_program_of_the_version_before_pays_nothing_from_a_migrated_ledger(tmp_path: Path) -> None:
    """It still has the file open, and would no longer keep the totals: what it reads before it pays is gone."""
    make(tmp_path / LEDGER_FILE, 4)
    with closing(sqlite3.connect(tmp_path / LEDGER_FILE)) as older:
        spent = "SELECT sum(spent), sum(held) FROM totals WHERE scope = ''"
        assert older.execute(spent).fetchone() == (4_900_000_000, 2_500_000_000)
        SqliteStore(tmp_path / LEDGER_FILE).close()
        with pytest.raises(sqlite3.OperationalError, match="held"):
            older.execute(spent)


# indexes


@dataclass
class Planner:
    """Passes queries on, and remembers how SQLite would answer them."""

    store: SqliteStore
    plans: list[str] = field(default_factory=list[str])

    def all(self, statement: str, *values: object) -> list[Row]:
        plan = self.store.all(f"EXPLAIN QUERY PLAN {statement}", *values)
        self.plans += [f"{step['detail']} in {statement}" for step in plan]
        return self.store.all(statement, *values)

    def one(self, statement: str, *values: object) -> Row | None:
        return next(iter(self.all(statement, *values)), None)


def test_whatever_an_agent_asks_for_is_found_by_an_index(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / LEDGER_FILE)) as store:
        planner = Planner(store)
        read = Reading(planner, store.insertion_order, "", NOON)
        record = Record("req_1", "", "x", "sending", NOON, model="m")
        for status in (None, "queued", "processing", "completed", "failed", "cancelled", "unknown"):
            read.page(status, 20)
        read.find("vid_1")
        read.find_anybodys("task_id", "vid_1")
        read.find_anybodys("request_id", "req_1")
        read.same_requests("x", NOON)
        read.keys("vid", 100)
        read.expiring(1, 2, 10)
        read.expiring(1, 2, 10, Models(("m",), others=True))
        read.spent()
        read.similar_durations(record)
        read.unknown_outcomes()
        read.movements(record, NOON)
        read.unsent()
        read.requests_of("vid_1")
        read.used_before()
        read.is_refused("x")
        read.token_fault("x", "x", "None")
        read.media("x")
        read.find_upload("x", 1)
        read.request_body("req_1")
        for wanted in EVERY_FILTER:
            sql_lists.tasks(read, wanted, 20, None)
            sql_lists.totals(read, wanted)
        sql_lists.spending(read, "project", 0)
        sql_lists.spending_by_day(read, 0)
    scans = [plan for plan in planner.plans if plan.startswith("SCAN") and not plan.startswith(("SCAN slice_", "SCAN counts"))]
    walks = [
        plan for plan in planner.plans if plan.startswith("SEARCH requests") and "(scope=?) in" in plan and "LIMIT" not in plan
    ]
    assert scans == walks == []
    assert len(planner.plans) > 20


STATUSES = (None, "queued", "processing", "completed", "failed", "cancelled", "unknown")
EVERY_FILTER = [
    Wanted(status, project, since, until, saved)
    for status in STATUSES
    for project in (None, "film")
    for since, until in ((None, None), (NOON, None), (NOON - timedelta(days=3), NOON))
    for saved in (None, True, False)
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "requests_by_time (scope=? AND created_at>? AND created_at<?)"),
        (Wanted("failed"), "requests_by_state (scope=? AND state=? AND created_at>? AND created_at<?)"),
        (Wanted(project="film"), "requests_of_project (scope=? AND project=? AND created_at>? AND created_at<?)"),
        (
            Wanted("failed", "film"),
            "requests_of_project_by_state (scope=? AND project=? AND state=? AND created_at>? AND created_at<?)",
        ),
        (Wanted(saved=False), "requests_kept (scope=? AND kept=? AND created_at>? AND created_at<?)"),
        (
            Wanted(project="film", saved=True),
            "requests_of_project_kept (scope=? AND project=? AND kept=? AND created_at>? AND created_at<?)",
        ),
    ],
)
async def test_each_list_walks_only_rows_that_fit_and_sorts_none(tmp_path: Path, wanted: Wanted, index: str) -> None:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
        await reserve(ledger, 1)
        (record,) = (await ledger.page()).records
    with closing(SqliteStore(tmp_path / LEDGER_FILE)) as store:
        for after in (None, record.request_id):
            planner = Planner(store)
            sql_lists.tasks(Reading(planner, store.insertion_order, "", NOON), wanted, 20, after)
            found = [plan for plan in planner.plans if "INDEX" in plan and "_id = ?" not in plan and "films" not in plan]
            assert any(index in plan for plan in found)
            assert all("SEARCH requests USING INDEX" in plan for plan in found)


async def test_totals_of_all_time_read_sums_and_no_row(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / LEDGER_FILE)) as store:
        planner = Planner(store)
        sql_lists.totals(Reading(planner, store.insertion_order, "", NOON), Wanted(project="film"))
    assert [plan.partition(" in ")[0] for plan in planner.plans] == [
        "SEARCH films USING INDEX films_by_time (scope=? AND created_at>? AND created_at<?)",
        "SEARCH days USING INDEX sqlite_autoindex_days_1 (scope=? AND day>? AND day<?)",
    ]


def test_a_poll_that_brings_nothing_new_writes_nothing(tmp_path: Path) -> None:
    async def polled() -> None:
        async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
            task = ProviderTask("vid_1", "processing", 10, cost=Decimal("2.5"))
            await reserve(ledger, 1)
            request_id = (await ledger.page()).records[0].request_id
            before = await ledger.observe(request_id, task)
            with closing(sqlite3.connect(tmp_path / LEDGER_FILE)) as watcher:
                version = watcher.execute("PRAGMA data_version").fetchone()
                assert await ledger.observe(request_id, task) == before
                assert watcher.execute("PRAGMA data_version").fetchone() == version

    anyio.run(polled)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_ledger_that_others_could_write_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / LEDGER_FILE
    with closing(SqliteStore(path)) as open_before:
        files = [path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))]
        for each in files:
            each.chmod(0o666)
        with closing(SqliteStore(path)):
            assert [each.stat().st_mode & 0o777 for each in files] == [0o600] * 3
        assert open_before.faults() == []
