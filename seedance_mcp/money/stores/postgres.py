"""The ledger in a PostgreSQL database, shared by any number of servers, also through a pooler in transaction mode.

Nothing here outlives a transaction: timeouts and locks end with it, no statement is prepared, and no session is set up.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from seedance_mcp.errors import LedgerAway, LedgerUnusable
from seedance_mcp.money.stores.store import Row, schema_scripts

T = TypeVar("T")
CHANNEL = "seedance_requests"
"""Where the request ids of changed requests are announced."""
CONNECT_SECONDS, POOL_SECONDS = 5, 5.0
"""How long a new connection, and one from the pool, is waited for."""
SILENT_SECONDS = 18.0
"""How long an answer is waited for: longer than the database itself lets a statement take."""
LOCK_SECONDS, STATEMENT_SECONDS, IDLE_SECONDS = 8, 15, 15
"""How long the transaction of another may be waited for, how long one statement may take, and how long a process may stop
inside a transaction until the database ends it; ours take milliseconds."""

_TIMEOUTS = (
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s';"
    f" SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
)
_SENSES_LOSS: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A network that swallows everything is noticed."""


class Connection(psycopg.Connection[DictRow]):
    """A connection that does not wait for ever for a database that says nothing."""

    def wait(self, gen: PQGen[T], *arguments: Any, **options: Any) -> T:
        """Run what psycopg waits with; a database that is silent for too long is taken for gone."""
        return super().wait(self._in_time(gen), *arguments, **options)

    def _in_time(self, gen: PQGen[T]) -> PQGen[T]:
        """Pass on what a generator of psycopg waits for; an answer that is there counts, however late it is read."""
        last = time.monotonic() + SILENT_SECONDS
        try:
            awaited = next(gen)
            while time.monotonic() < last:
                awaited = gen.send((yield awaited))  # on a mere pause too, which psycopg before 3.3 may call ready
        except StopIteration as end:
            result: T = end.value
            return result
        self.pgconn.finish()
        raise psycopg.OperationalError("the database is silent")


class PostgresStore:
    """One opened database, whose schema `migrate` made."""

    insertion_order = "seq"

    def __init__(self, url: str, most_connections: int) -> None:
        """Connect, and see that the schema is one that this program can use.

        Raises:
            LedgerAway: The database did not answer.
            LedgerUnusable: It refuses, or its schema is missing, too old or too new.
        """
        self._url = url
        with _translated(), _connected(url) as db:
            _check(db)
        self._pool = ConnectionPool(
            url,
            connection_class=Connection,
            kwargs={"autocommit": True, "prepare_threshold": None, "row_factory": dict_row, **_SENSES_LOSS},
            min_size=1,
            max_size=most_connections,
            timeout=POOL_SECONDS,
            reconnect_timeout=POOL_SECONDS,  # else the pauses between its tries grow as long as the database was away
            check=_probe,
            open=True,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def transaction(self, principal: str | None) -> Generator[_Transaction]:
        """Lock one principal, or all of them, until the end of the transaction."""
        with _translated(), self._begun(_locks(principal)) as db:
            yield _Transaction(db)

    @contextmanager
    def _begun(self, also: str = "") -> Generator[Connection]:
        with self._pool.connection() as db, db.transaction():
            db.execute(f"SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {_TIMEOUTS}{also}".encode())
            yield db

    def all(self, statement: str, *values: object) -> list[Row]:
        """Give every row of a result."""
        with _translated(), self._begun() as db:
            return _Transaction(db).all(statement, *values)

    def one(self, statement: str, *values: object) -> Row | None:
        """Give the first row of a result, or `None` for an empty one."""
        with _translated(), self._begun() as db:
            return _Transaction(db).one(statement, *values)

    def listener(self) -> _Listener:
        """Listen on a connection of its own; behind a pooler in transaction mode nothing is heard on it."""
        with _translated():
            db = Connection.connect(self._url, autocommit=True, prepare_threshold=None, row_factory=dict_row, **_SENSES_LOSS)
            db.execute(f"LISTEN {CHANNEL}".encode())
            return _Listener(db)

    def version(self) -> None:
        """Give none: PostgreSQL counts no changes that are cheaper to ask for than a row."""

    def faults(self) -> list[str]:
        """Say whether the database takes writes; its files are the business of its own tools."""
        row = self.one("SELECT current_setting('transaction_read_only') AS read_only")
        return ["the database is read-only"] if row and row["read_only"] == "on" else []


def _probe(db: Connection) -> None:
    """Raise where a connection that lay in the pool is broken."""
    db.execute("")


class _Listener:
    """The connection that changes are announced on."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def fileno(self) -> int:
        """Give the socket."""
        return self._db.fileno()

    def take(self) -> None:
        """Take what was announced."""
        with _translated():
            self._db.pgconn.consume_input()
            while self._db.pgconn.notifies():
                pass

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


class _Transaction:
    """Statements of one connection."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def _executed(self, statement: str, values: tuple[object, ...]) -> psycopg.Cursor[DictRow]:
        """Send a statement with its values, in which PostgreSQL takes no zero character."""
        shown = [value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value for value in values]
        return self._db.execute(statement.replace("?", "%s").encode(), shown)

    def all(self, statement: str, *values: object) -> list[Row]:
        """Give every row of a result."""
        return list(self._executed(statement, values))

    def one(self, statement: str, *values: object) -> Row | None:
        """Give the first row of a result, or `None` for an empty one."""
        return self._executed(statement, values).fetchone()

    def run(self, statement: str, *values: object) -> int:
        """Write, and give the number of rows that were changed."""
        return self._executed(statement, values).rowcount

    def notify(self, request_id: str) -> None:
        """Announce a changed request to everybody who listens, at the commit."""
        self._db.execute("SELECT pg_notify(%s, %s)", (CHANNEL, request_id))


def _locks(principal: str | None) -> str:
    """Give the statements that exclude the same principal, or everybody.

    The account is locked by everybody together or by one transaction for itself, and always first.
    """
    account = _key("account")
    if principal is None:
        return f"; SELECT pg_advisory_xact_lock({account})"
    return f"; SELECT pg_advisory_xact_lock_shared({account}); SELECT pg_advisory_xact_lock({_key(f'principal {principal}')})"


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"seedance-mcp {name}".encode()).digest()[:8], signed=True)


@contextmanager
def _connected(url: str) -> Generator[Connection]:
    """Give one connection in a transaction that is committed at the end."""
    with Connection.connect(url, prepare_threshold=None, row_factory=dict_row, **_SENSES_LOSS) as db:
        db.execute(_TIMEOUTS.encode())
        yield db


# the schema


def migrations() -> list[str]:
    """Give the scripts that make the schema, in the order of their numbers."""
    return schema_scripts("postgres")


def migrate(url: str) -> tuple[int, int]:
    """Bring the schema of a database to this program's version; gives the versions before and after.

    A script adds what this version of the program needs and takes away what the one before no longer used, so that servers
    of both versions work meanwhile.

    Raises:
        LedgerUnusable: The schema cannot be changed, or is newer than this program.
    """
    scripts = migrations()
    with _translated(), _connected(url) as db:
        db.execute(f"SELECT pg_advisory_xact_lock({_key('schema')})".encode())
        db.execute("CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY)")
        found = _version(db)
        if found > len(scripts):
            raise _too_new(found)
        for number, script in enumerate(scripts[found:], found + 1):
            db.execute(script.encode())
            db.execute("INSERT INTO schema_versions (version) VALUES (%s)", (number,))
    return found, len(scripts)


def _version(db: Connection) -> int:
    row = db.execute("SELECT coalesce(max(version), 0) AS version FROM schema_versions").fetchone()
    return row["version"] if row else 0


def _check(db: Connection) -> None:
    """Raise where the schema is not of this program's version or of the next one."""
    row = db.execute("SELECT to_regclass('schema_versions') AS name").fetchone()
    found, needed = _version(db) if row and row["name"] else 0, len(migrations())
    if found < needed:
        raise LedgerUnusable(
            f"The ledger's database has schema version {found}, and this seedance-mcp needs {needed}: nothing is "
            "sent. The operator should run seedance-mcp ledger migrate."
        )
    if found > needed + 1:
        raise _too_new(found)


def _too_new(found: int) -> LedgerUnusable:
    return LedgerUnusable(
        f"The ledger's database has schema version {found}, and this seedance-mcp knows {len(migrations())}: nothing is sent. "
        "Upgrade seedance-mcp."
    )


# what went wrong

_AWAY = re.compile(r"08...|57P0[1-4]|53300|40001|40P01|25P03")
"""SQLSTATE of a lost connection, a restart, too many connections, and of what succeeds when it is done again.

https://www.postgresql.org/docs/18/errcodes-appendix.html
"""
_REFUSES = re.compile(r"authentication|does not exist|no pg_hba\.conf|not permitted|invalid|SSL")
"""The reasons of a failed connection that a repeat does not change; libpq gives no code for them."""
_MEANINGS = {
    "25006": "it is read-only",
    "55P03": f"another process has held it for {LOCK_SECONDS} seconds",
    "57014": f"it needed more than {STATEMENT_SECONDS} seconds",
    "53100": "its disk is full",
    "42501": "its user lacks a right",
    "42P01": "a table is missing",
}


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (PoolTimeout, PoolClosed) as error:
        raise _away("no connection came about") from error
    except psycopg.Error as error:
        raise _meaning(error) from error


def _meaning(error: psycopg.Error) -> LedgerUnusable:
    """Say what an error means, without a value: messages of the database may repeat prompts."""
    state, text = error.sqlstate, str(error)
    lost = state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if lost and not _REFUSES.search(text):
        return _away("the connection failed")
    if state and _AWAY.fullmatch(state):
        return _away(f"{type(error).__name__}")
    what = _MEANINGS.get(state or "", f"{type(error).__name__} {state or 'when it was connected to'}")
    return LedgerUnusable(
        f"The ledger's database in SEEDANCE_DATABASE_URL cannot be used: {what}. Nothing is sent without it: the operator "
        "should see to the database, its user and its address."
    )


def _away(what: str) -> LedgerAway:
    return LedgerAway(
        f"The ledger's database does not answer at the moment ({what}). Nothing is sent without it: call again in a minute; "
        "the operator should see whether it runs."
    )
