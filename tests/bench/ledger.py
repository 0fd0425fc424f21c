"""What the ledger costs: one create, and what agents ask of it, empty and with a million requests; and a server that it holds up."""

from __future__ import annotations

import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
from kit import Row, Session, ours, provider, session, settings

from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import NewRequest, Spent
from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools.arguments import ListTasks
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.session import Shared
from seedance_mcp.tools.tasks import list_tasks

RUNS, ROWS = 200, 1_000_000
LOCKED_SECONDS = 3.0
_NUMBERS = itertools.count()


def admit(spent: Spent) -> None:
    """Read what was spent, as a server with limits does."""


async def create(ledger: Ledger) -> None:
    """Do everything that the ledger does around one POST."""
    name = str(next(_NUMBERS))
    request = NewRequest({"model": "seedance2.0-sp", "prompt": "a fox"}, name, Decimal("0.25"))
    await ledger.reserve(request, window_seconds=600, admit=admit)
    await ledger.mark_sending(request.request_id, Decimal("1.5"))
    await ledger.observe(request.request_id, ProviderTask(f"vid_{name}", "queued", cost=Decimal("0.25")))


def fill(path: Path, rows: int) -> None:
    """Put many finished requests into a ledger, one a minute, the last day's of them not saved."""
    now = datetime.now(UTC).timestamp()
    made = [now - 60 * (rows - number) for number in range(rows)]
    with sqlite3.connect(path) as db:
        db.executemany(
            "INSERT INTO requests (request_id, task_id, fingerprint, model, prompt, body, state, progress, estimate, reserved,"
            " settled, settled_by, created_at, completed_at, saved_path) VALUES (?, ?, ?, 'seedance2.0-sp', 'a fox', '{}',"
            " 'completed', 100, '0.25', 250000000, 250000000, 'provider', ?, ?, ?)",
            (
                (f"req_{n}", f"vid_old_{n}", f"old {n}", at, at + 90, None if now - at < 3 * 86400 else "/videos/fox.mp4")
                for n, at in enumerate(made)
            ),
        )
        db.execute(
            "INSERT INTO totals (scope, day, spent, reserved) SELECT '', CAST(created_at / 86400 AS INTEGER), sum(settled), 0"
            " FROM requests WHERE task_id LIKE 'vid_old_%' GROUP BY 2 ON CONFLICT DO UPDATE SET spent = spent + excluded.spent"
        )
        db.execute("INSERT INTO counts (scope, state, requests) VALUES ('', 'completed', ?)", (rows,))
    db.close()


async def median_ms(act: Callable[[], Awaitable[object]], runs: int = RUNS) -> float:
    """Median of many runs in milliseconds."""
    times: list[float] = []
    for _ in range(runs):
        begun = time.perf_counter()
        await act()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


@asynccontextmanager
async def opened() -> AsyncGenerator[tuple[Shared, Path]]:
    """Give what a server shares, and the folder of its ledger."""
    with tempfile.TemporaryDirectory() as folder:
        async with aclosing(Shared(Settings(base_url="http://127.0.0.1:9", data_dir=Path(folder)))) as shared:
            yield shared, Path(folder)


async def million() -> list[Row]:
    """Measure one ledger, empty and full."""
    async with opened() as (shared, folder):
        view, ledger, full = shared.session(), shared.ledger, f"{ROWS:,} requests"

        async def listed() -> object:
            return await list_tasks(view, ListTasks(), Nobody())

        acts: list[tuple[str, Callable[[], Awaitable[object]], str]] = [
            ("one create", lambda: create(ledger), "10 ms"),
            ("`list_tasks`", listed, "50 ms"),
            ("`list_tasks` of a status", lambda: ledger.page("failed", 20), "50 ms"),
            ("a task id completed from nothing", lambda: ledger.keys("", 101), "50 ms"),
            ("a task id completed from its beginning", lambda: ledger.keys("vid_old_5", 101), "50 ms"),
            ("one task found", lambda: ledger.find("vid_old_7"), ""),
            ("what was spent", ledger.spent, ""),
            ("unknown outcomes", ledger.unknown_outcomes, ""),
        ]
        await listed()
        bare = [await median_ms(act) for _, act, _ in acts]
        fill(folder / LEDGER_FILE, ROWS)
        filled = [await median_ms(act) for _, act, _ in acts]
    return [
        Row(f"ledger, {full}: {what}", ms, "ms", "empty ledger", before, promised)
        for (what, _, promised), ms, before in zip(acts, filled, bare, strict=True)
    ]


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold the write lock of a ledger."""
    db = sqlite3.connect(folder / LEDGER_FILE, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


async def held_up() -> list[Row]:
    """Ask a server for what needs no ledger while another process holds the lock for which its creates wait."""
    times: dict[str, list[float]] = {}
    with provider() as address, settings(address) as environment:
        async with session(ours(), environment) as server, anyio.create_task_group() as creates:
            await server.call("create_video", request=request())
            with locked(Path(environment["SEEDANCE_DATA_DIR"])):
                for _ in range(4):
                    creates.start_soon(make, server)
                times = {method: await asked(server, method, LOCKED_SECONDS / 2) for method in ("ping", "tools/list")}
    return [
        Row(f"ledger, locked by another process for {LOCKED_SECONDS:.0f} s: `{method}`, {kind}", ms, "ms", promised="50 ms")
        for method, each in times.items()
        for kind, ms in (("median", statistics.median(each)), ("slowest", max(each)))
    ]


def request() -> dict[str, Any]:
    """Give a request that nobody made yet."""
    return {"model": "seedance2.0-md", "prompt": f"fox {next(_NUMBERS)}"}


async def make(server: Session) -> None:
    """Create a video, whenever the ledger lets it."""
    await server.call("create_video", request=request())


async def asked(server: Session, method: str, seconds: float) -> list[float]:
    """Give the milliseconds that answers took, for some seconds."""
    times, until = list[float](), time.perf_counter() + seconds
    while (begun := time.perf_counter()) < until:
        await server.ask(method)
        times.append((time.perf_counter() - begun) * 1000)
        await anyio.sleep(0.02)
    return times


def rows() -> list[Row]:
    """Measure both."""
    return [*anyio.run(million), *anyio.run(held_up)]
