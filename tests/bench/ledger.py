"""What the ledger costs: one create (begin, answer) on an empty and on a large book, and a list of 100,000 requests.

Run it with the interpreter that has seedance-mcp installed: `python tests/bench/ledger.py [ROWS]`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from seedance_mcp.ledger import Ledger
from seedance_mcp.records import Entry, Spent
from seedance_mcp.wire import ProviderTask

RUNS = 200


def admit(spent: Spent) -> None:
    """Read what was spent, as a server with limits does."""


def create(ledger: Ledger, name: str) -> None:
    """Everything that the ledger does around one POST."""
    entry = Entry({"model": "seedance2.0-sp", "prompt": "a fox"}, name, Decimal("0.25"))
    record, _ = ledger.begin(entry, window_seconds=600, admit=admit)
    ledger.note_used(record.request_id, Decimal("1.5"))
    ledger.update(record.request_id, ProviderTask(f"vid_{name}", "queued", cost=Decimal("0.25")))


def median_ms(act: Callable[[int], Any]) -> str:
    """Median and worst of many runs, in milliseconds."""
    times: list[float] = []
    for number in range(RUNS):
        begun = time.perf_counter()
        act(number)
        times.append((time.perf_counter() - begun) * 1000)
    return f"{statistics.median(times):7.2f} ms   (95 % under {statistics.quantiles(times, n=20)[-1]:.2f})"


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


def main(rows: int) -> None:
    """Print one table."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder), lambda: datetime.now(UTC))
        print(f"create, empty book        {median_ms(lambda n: create(ledger, f'a{n}'))}")
        fill(Path(folder, "ledger.sqlite3"), rows)
        print(f"create, {rows:>7} rows     {median_ms(lambda n: create(ledger, f'b{n}'))}")
        print(f"list_tasks, {rows:>7} rows {median_ms(lambda _: ledger.list(limit=20))}")
        print(f"list by status            {median_ms(lambda _: ledger.list('completed', 20))}")
        print(f"spending                  {median_ms(lambda _: ledger.spent())}")
        ledger.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
