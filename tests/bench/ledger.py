"""What the ledger costs: one create (begin, answer) on an empty and on a large book, and a list of 100,000 requests."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from kit import Row, median_ms

from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import Spent
from seedance_mcp.task import ProviderTask

RUNS, ROWS = 200, 100_000


def admit(spent: Spent) -> None:
    """Read what was spent, as a server with limits does."""


def create(ledger: Ledger, name: str) -> None:
    """Everything that the ledger does around one POST."""
    entry = Entry({"model": "seedance2.0-sp", "prompt": "a fox"}, name, Decimal("0.25"))
    record, _ = ledger.begin(entry, window_seconds=600, admit=admit)
    ledger.note_used(record.request_id, Decimal("1.5"))
    ledger.update(record.request_id, ProviderTask(f"vid_{name}", "queued", cost=Decimal("0.25")))


def fill(path: Path, rows: int) -> None:
    """Put many finished requests into a book, in one transaction."""
    import sqlite3  # noqa: PLC0415 - the benchmark's own short cut

    now = datetime.now(UTC).timestamp()
    with sqlite3.connect(path) as db:
        db.executemany(
            "INSERT INTO requests (request_id, task_id, fingerprint, model, prompt, body, state, progress, estimate, reserved,"
            " settled, settled_by, created_at) VALUES (?, ?, ?, 'seedance2.0-sp', 'a fox', '{}', 'completed', 100, '0.25',"
            " 250000000, 250000000, 'provider', ?)",
            ((f"req_{n}", f"vid_old_{n}", f"old {n}", now - rows + n) for n in range(rows)),
        )
    db.close()


def rows() -> list[Row]:
    """Measure one book, empty and full."""
    full = f"{ROWS:,} requests"
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder), lambda: datetime.now(UTC))
        bare = median_ms(lambda number: create(ledger, f"a{number}"), RUNS)
        fill(Path(folder, "ledger.sqlite3"), ROWS)
        filled = median_ms(lambda number: create(ledger, f"b{number}"), RUNS)
        listed = median_ms(lambda _: ledger.list(limit=20), RUNS)
        spent = median_ms(lambda _: ledger.spent(), RUNS)
        ledger.close()
    return [
        Row(f"ledger: one create, {full}", filled, "ms", "empty book", bare),
        Row(f"ledger: newest twenty, {full}", listed, "ms"),
        Row(f"ledger: what was spent, {full}", spent, "ms"),
    ]
