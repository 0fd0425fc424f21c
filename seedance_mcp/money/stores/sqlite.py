"""The ledger's file: SQLite in WAL mode, private to its owner, brought up to date, shared by processes."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedance_mcp.errors import LedgerUnusable

BUSY_SECONDS = 10.0
"""How long one process waits for another's transaction; ours take milliseconds."""

TURNS, _TURN_SECONDS = 500, 0.01
"""How often, and how soon, the change to WAL mode is tried again while others make it."""

MIGRATIONS = (
    """
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
    """,
    """
    ALTER TABLE requests ADD COLUMN scope TEXT NOT NULL DEFAULT '';
    ALTER TABLE requests ADD COLUMN fingerprint TEXT;
    ALTER TABLE requests ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE requests ADD COLUMN settled INTEGER;
    ALTER TABLE requests ADD COLUMN settled_by TEXT;
    ALTER TABLE requests ADD COLUMN used_before TEXT;
    ALTER TABLE requests ADD COLUMN evidence TEXT;
    ALTER TABLE requests ADD COLUMN error_code TEXT;
    UPDATE requests SET reserved = CAST(round(coalesce(estimate, '0') * 1e9) AS INTEGER);
    UPDATE requests SET settled = CAST(round(coalesce(cost, estimate, '0') * 1e9) AS INTEGER), settled_by = 'provider'
        WHERE state != 'unknown';
    CREATE INDEX requests_by_time ON requests (scope, created_at);
    CREATE INDEX requests_by_state ON requests (scope, state, created_at);
    CREATE INDEX requests_by_fingerprint ON requests (scope, fingerprint, created_at);
    CREATE TABLE totals (
        scope TEXT NOT NULL,
        day INTEGER NOT NULL,
        spent INTEGER NOT NULL,
        held INTEGER NOT NULL,
        PRIMARY KEY (scope, day)
    ) STRICT;
    INSERT INTO totals
        SELECT scope, CAST(created_at / 86400 AS INTEGER),
            sum(coalesce(settled, reserved)), sum(iif(settled IS NULL, reserved, 0))
        FROM requests GROUP BY 1, 2;
    CREATE TRIGGER requests_counted AFTER INSERT ON requests BEGIN
        INSERT INTO totals VALUES (
            NEW.scope, CAST(NEW.created_at / 86400 AS INTEGER),
            coalesce(NEW.settled, NEW.reserved), iif(NEW.settled IS NULL, NEW.reserved, 0)
        ) ON CONFLICT DO UPDATE SET spent = spent + excluded.spent, held = held + excluded.held;
    END;
    CREATE TRIGGER requests_recounted AFTER UPDATE OF settled, reserved ON requests BEGIN
        UPDATE totals SET
            spent = spent + coalesce(NEW.settled, NEW.reserved) - coalesce(OLD.settled, OLD.reserved),
            held = held + iif(NEW.settled IS NULL, NEW.reserved, 0) - iif(OLD.settled IS NULL, OLD.reserved, 0)
        WHERE scope = NEW.scope AND day = CAST(NEW.created_at / 86400 AS INTEGER);
    END;
    CREATE TABLE events (
        request_id TEXT NOT NULL REFERENCES requests,
        state TEXT NOT NULL,
        at REAL NOT NULL
    ) STRICT;
    CREATE INDEX events_by_request ON events (request_id);
    CREATE TABLE tokens (
        digest TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        price TEXT NOT NULL,
        expires_at REAL NOT NULL,
        used_at REAL
    ) STRICT;
    CREATE TABLE media (
        reference TEXT PRIMARY KEY,
        seconds REAL,
        at REAL NOT NULL
    ) STRICT;
    """,
    """
    ALTER TABLE requests ADD COLUMN saved_bytes INTEGER;
    ALTER TABLE requests ADD COLUMN saved_sha256 TEXT;
    CREATE TABLE uploads (
        scope TEXT NOT NULL,
        digest TEXT NOT NULL,
        link TEXT NOT NULL,
        asset_id TEXT,
        at REAL NOT NULL,
        PRIMARY KEY (scope, digest)
    ) STRICT;
    """,
    """
    CREATE INDEX requests_ended ON requests (scope, model, created_at) WHERE state IN ('completed', 'failed');
    """,
)
"""What each version adds; `PRAGMA user_version` counts those already there."""


class Store:
    """One open ledger file; every trouble with it is a `LedgerUnusable`."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, mode 0600, and bring it up to date."""
        with _translated():
            self._db = _connect(path)
            try:
                _share(self._db)
                _migrate(self._db)
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Hold the write lock from the first statement to the commit, or undo everything."""
        with _translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def all(self, statement: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Every row of a query."""
        with _translated():
            return self._db.execute(statement, values).fetchall()

    def one(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Row | None:
        """The first row of a query."""
        with _translated():
            row: sqlite3.Row | None = self._db.execute(statement, values).fetchone()
            return row


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


def _share(db: sqlite3.Connection) -> None:
    """Turn WAL mode on; SQLite does not wait its turn for this one change, so several first openers must."""
    for _ in range(TURNS):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_TURN_SECONDS)
        else:
            db.execute("PRAGMA synchronous = FULL")  # a record must outlive a power cut, or money could be spent twice
            return
    raise TimeoutError("another process holds it")


def _migrate(db: sqlite3.Connection) -> None:
    if _version(db) == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    found = _version(db)
    if found > len(MIGRATIONS):
        db.execute("ROLLBACK")
        raise LedgerUnusable(f"The ledger is of version {found} and this program knows {len(MIGRATIONS)}: update it.")
    for script in MIGRATIONS[found:]:
        for statement in _statements(script):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.execute("COMMIT")


def _statements(script: str) -> Generator[str]:
    """One statement at a time: a script run whole would commit half-way."""
    statement = ""
    for line in script.splitlines():
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise LedgerUnusable(
            f"The ledger in SEEDANCE_DATA_DIR cannot be used ({error}). Nothing is sent without it: the operator should free "
            "or open the folder, or name another one."
        ) from None
