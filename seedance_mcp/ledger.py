"""What was asked, paid and received: SQLite on disk, shared by every server process of one data folder."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from seedance_mcp.errors import NotConfigured, SeedanceError
from seedance_mcp.results import Status
from seedance_mcp.wire import ProviderTask

VERSION = 1

_SCHEMA = """
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY,
    task_id TEXT UNIQUE,
    model TEXT,
    prompt TEXT,
    body TEXT,
    state TEXT NOT NULL,
    progress INTEGER NOT NULL DEFAULT 0,
    estimate TEXT,
    cost TEXT,
    created_at REAL NOT NULL,
    completed_at REAL,
    video_url TEXT,
    saved_path TEXT,
    error TEXT
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One request and all that is known of it."""

    request_id: str
    task_id: str | None
    model: str | None
    prompt: str | None
    state: Status
    progress: int
    estimate: Decimal | None
    cost: Decimal | None
    created_at: datetime
    completed_at: datetime | None
    video_url: str | None
    saved_path: str | None
    error: str | None


class Ledger:
    """One data folder's book of requests."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        """Open or make the book; raises `NotConfigured` when the folder cannot hold it."""
        self._now = now
        try:
            self._db = _open(folder / "ledger.sqlite3")
        except (OSError, sqlite3.Error) as error:
            raise NotConfigured(f"The ledger in SEEDANCE_DATA_DIR cannot be used ({error}): nothing is sent.") from None

    def close(self) -> None:
        """Close the book."""
        self._db.close()

    def begin(self, body: dict[str, Any], estimate: Decimal | None) -> str:
        """Write a request down before its bytes leave; gives our `request_id`."""
        request_id = new_request_id()
        self._write(
            "INSERT INTO requests (request_id, model, prompt, body, state, estimate, created_at)"
            " VALUES (?, ?, ?, ?, 'unknown', ?, ?)",
            (request_id, body["model"], body["prompt"], json.dumps(body), _text(estimate), self._now().timestamp()),
        )
        return request_id

    def adopt(self, task_id: str) -> str:
        """Take in a task that was made elsewhere."""
        request_id = new_request_id()
        self._write(
            "INSERT OR IGNORE INTO requests (request_id, task_id, state, created_at) VALUES (?, ?, 'unknown', ?)",
            (request_id, task_id, self._now().timestamp()),
        )
        return request_id

    def refuse(self, request_id: str, error: SeedanceError) -> None:
        """Write down that a request came to nothing, or that nobody knows."""
        state = "unknown" if error.charged == "maybe" else "failed"
        self._write("UPDATE requests SET state = ?, error = ? WHERE request_id = ?", (state, error.code, request_id))

    def update(self, request_id: str, task: ProviderTask) -> None:
        """Write down what the provider says; progress never falls and what is known is never forgotten."""
        done = task.completed_at or (self._now() if task.status == "completed" else None)
        self._write(
            "UPDATE requests SET task_id = coalesce(task_id, ?), state = ?, progress = max(progress, ?),"
            " model = coalesce(model, ?), cost = coalesce(?, cost), completed_at = coalesce(completed_at, ?),"
            " video_url = coalesce(?, video_url), error = ? WHERE request_id = ?",
            (
                *(task.task_id, task.status, task.progress, task.model, _text(task.cost)),
                *(done.timestamp() if done else None, task.video_url, task.error, request_id),
            ),
        )

    def find(self, key: str) -> Record | None:
        """The request of that task id or request id."""
        row = self._db.execute("SELECT * FROM requests WHERE task_id = ? OR request_id = ?", (key, key)).fetchone()
        return _record(row) if row else None

    def get(self, request_id: str) -> Record:
        """The request of that id, which must be there."""
        row = self._db.execute("SELECT * FROM requests WHERE request_id = ?", (request_id,)).fetchone()
        return _record(row)

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._db:
            self._db.execute(statement, values)


def new_request_id() -> str:
    """A name for one request, too long to guess."""
    return f"req_{secrets.token_hex(12)}"


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, timeout=10, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    with closing(db.execute("PRAGMA user_version")) as found:
        version = found.fetchone()[0]
    if version == 0:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    return db


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _record(row: sqlite3.Row) -> Record:
    return Record(
        **{name: row[name] for name in ("request_id", "task_id", "model", "prompt", "state", "progress")},
        estimate=Decimal(row["estimate"]) if row["estimate"] else None,
        cost=Decimal(row["cost"]) if row["cost"] else None,
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        completed_at=datetime.fromtimestamp(row["completed_at"], UTC) if row["completed_at"] else None,
        **{name: row[name] for name in ("video_url", "saved_path", "error")},
    )
