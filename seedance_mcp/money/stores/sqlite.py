"""The ledger as one SQLite file in WAL mode: private to its owner, migrated when opened, shared by processes."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock

from seedance_mcp.errors import InvalidRequest, LedgerUnusable
from seedance_mcp.money.stores.file_system import network_kind
from seedance_mcp.money.stores.store import Row, Transaction, schema_scripts

LEDGER_FILE = "ledger.sqlite3"
"""Its name in the folder of the ledger."""

BUSY_SECONDS = 10.0
"""How long one process waits for the transaction of another; ours take milliseconds."""

TURNS, _TURN_SECONDS = 500, 0.01
"""How often, and how soon, the change to WAL mode is tried again while other processes make it."""


class SqliteStore:
    """One opened ledger file with two connections: a reader never waits for a writer, whichever process that is in."""

    insertion_order = "rowid"

    def __init__(self, path: Path) -> None:
        """Open or make the file with mode 0600 and migrate it.

        Raises:
            LedgerUnusable: The file cannot be opened, is no ledger, lies on a network disk, or is of a newer version than this
                program.
        """
        with _translated():
            _refuse_network(path)
            _make(path)
            self._path = path
            self._writer = _Connection(path)
            try:
                _share(self._writer.db)
                _migrate(self._writer.db)
                self._reader = _Connection(path)
                self._file = _identity(path)
            except BaseException:
                self._writer.close()
                raise

    def close(self) -> None:
        """Close the file; a query or a transaction that is under way in another thread ends first."""
        self._reader.close()
        self._writer.close()

    @contextmanager
    def transaction(self, principal: str | None) -> Generator[Transaction]:
        """Hold the write lock of the file, which every principal shares, from the beginning to the commit."""
        with self._writer.turn, _translated():
            self._check_file()
            self._writer.db.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.db.execute("COMMIT")
            except BaseException:
                if self._writer.db.in_transaction:
                    self._writer.db.execute("ROLLBACK")
                raise

    def _check_file(self) -> None:
        """Raise where the open file is not the one at the path any more: another program would count from zero."""
        try:
            is_there = _identity(self._path) == self._file
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise LedgerUnusable(
                "The ledger's file was removed or replaced while this server runs: nothing is sent. The operator should put "
                "it back and restart the server."
            )

    def all(self, statement: str, *values: object) -> list[Row]:
        """Give every row of a result."""
        with self._reader.turn, _translated():
            return self._reader.all(statement, *values)

    def one(self, statement: str, *values: object) -> Row | None:
        """Give the first row of a result, or `None` for an empty one."""
        with self._reader.turn, _translated():
            return self._reader.one(statement, *values)

    def version(self) -> int | None:
        """Give a number that is another one as soon as any connection but the reader, which writes nothing, has committed."""
        with self._reader.turn, _translated():
            (number,) = self._reader.db.execute("PRAGMA data_version").fetchone()
            return number

    def backup(self, target: Path) -> None:
        """Write a whole copy into a new file, as it is at one moment, while others read and write the ledger.

        Raises:
            InvalidRequest: There is such a file.
        """
        if target.exists():
            raise InvalidRequest(f"{target} is there already, and is not overwritten: name a new file.")
        with self._reader.turn, _translated():
            _make(target)
            with closing(_connect(target)) as copy:
                self._reader.db.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, which needs no other beside it

    def listener(self) -> None:
        """Give none: SQLite calls no other process."""

    def faults(self) -> list[str]:
        """Describe what SQLite finds damaged in the file."""
        found: list[str] = [row["integrity_check"] for row in self.all("PRAGMA integrity_check")]
        return [fault for fault in found if fault != "ok"]


class _Connection:
    """One connection, used by one thread at a time: the one that holds its turn."""

    def __init__(self, path: Path) -> None:
        self.turn = Lock()
        self.db = _connect(path)

    def close(self) -> None:
        with self.turn:
            self.db.close()

    def all(self, statement: str, *values: object) -> list[Row]:
        """Give every row of a result."""
        return list(self.db.execute(statement, values))

    def one(self, statement: str, *values: object) -> Row | None:
        """Give the first row of a result, or `None` for an empty one."""
        return next(iter(self.all(statement, *values)), None)

    def run(self, statement: str, *values: object) -> int:
        """Write, and give the number of rows that were changed."""
        return self.db.execute(statement, values).rowcount

    def notify(self, request_id: str) -> None:
        """Do nothing: SQLite cannot call other processes, they read what changed."""


def _refuse_network(path: Path) -> None:
    """Raise for a disk on which two machines would both take themselves for the only writer."""
    if kind := network_kind(path):
        raise LedgerUnusable(
            f"SEEDANCE_DATA_DIR lies on a network disk ({kind}), where the locks of SQLite do not hold, so money could be "
            "spent twice: nothing is sent. The operator should name a folder of this machine, or set SEEDANCE_DATABASE_URL."
        )


def _make(path: Path) -> None:
    """Make the file where it is missing, and let nobody but its owner read or write it.

    One that is there is not opened here: a process that closes a file loses every lock that it has on it, those of SQLite too,
    and another process would then take itself for the last one and delete the log that this one still writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError, PermissionError):  # the owner of a file that is not ours answers for its mode
            each.chmod(each.stat().st_mode & 0o700)


def _identity(path: Path) -> tuple[int, int]:
    """Name the file at a path, whatever it is called; it is not opened, since closing it would lose SQLite's locks."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
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
            db.execute("PRAGMA fullfsync = ON")  # likewise on macOS, whose usual call leaves the disk's own memory unwritten
            return
    raise TimeoutError("another process holds it")


def migrations() -> list[str]:
    """Give the scripts that make the schema, in the order of their numbers; `PRAGMA user_version` counts those already run."""
    return schema_scripts("sqlite")


def _migrate(db: sqlite3.Connection) -> None:
    scripts = migrations()
    if _version(db) == len(scripts):
        return
    db.execute("BEGIN IMMEDIATE")
    found = _version(db)
    if found > len(scripts):
        db.execute("ROLLBACK")
        raise LedgerUnusable(
            f"Ledger schema version {found} is newer than this seedance-mcp supports ({len(scripts)}): nothing is sent. "
            "Upgrade seedance-mcp."
        )
    for script in scripts[found:]:
        for statement in _statements(script):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(scripts)}")
    db.execute("COMMIT")


def _statements(script: str) -> Generator[str]:
    """Give one statement at a time: a script run whole would commit half-way."""
    statement = ""
    for line in script.splitlines(keepends=True):
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
        ) from error
