"""The contract of an engine with the ledger: transactions and queries, synchronous, used from worker threads."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from importlib import resources
from typing import Any, Protocol


class Row(Protocol):
    """One row of a result, read by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any:
        """Give the value of a column."""
        ...

    def keys(self) -> Iterable[str]:
        """Name the columns."""
        ...


class Queries(Protocol):
    """Reads; statements mark their values by `?`, and every column that is read has a name."""

    def all(self, statement: str, *values: object) -> list[Row]:
        """Give every row of a result."""
        ...

    def one(self, statement: str, *values: object) -> Row | None:
        """Give the first row of a result, or `None` for an empty one."""
        ...


class Transaction(Queries, Protocol):
    """Reads and writes that come into force together or not at all; its reads see its own writes."""

    def run(self, statement: str, *values: object) -> int:
        """Write, and give the number of rows that were changed."""
        ...

    def notify(self, request_id: str) -> None:
        """Announce to the other processes, when the transaction is committed, that a request was changed."""
        ...


class Listener(Protocol):
    """A connection on which changes are announced that any process commits."""

    def fileno(self) -> int:
        """Give the socket, which can be read when something is announced or the connection is lost."""
        ...

    def take(self) -> None:
        """Take all that was announced; raises `LedgerAway` where the connection is lost."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Store(Queries, Protocol):
    """One opened engine.

    Every failure of the engine is a `LedgerUnusable`; after a `LedgerAway` the same may be tried again, and may have been done
    already. Its own reads see only what is committed and never wait for a writer.
    """

    @property
    def insertion_order(self) -> str:
        """Name the column of every table that grows with each row: the order of rows that were made at the same time."""
        ...

    def version(self) -> int | None:
        """Give a number that is another one once any process has committed a change; `None` where nothing counts them."""
        ...

    def transaction(self, principal: str | None) -> AbstractContextManager[Transaction]:
        """Begin a transaction that excludes every other one of the same principal until it is committed.

        One of no principal excludes those of all: it reads what others spent, or writes their rows. What is raised inside a
        transaction undoes it.
        """
        ...

    def listener(self) -> Listener | None:
        """Begin to listen for changes; `None` where the engine announces none, so that they have to be read."""
        ...

    def faults(self) -> list[str]:
        """Describe what is damaged, one entry for each fault; empty for a sound store."""
        ...

    def close(self) -> None:
        """Close the engine."""
        ...


def schema_scripts(engine: str) -> list[str]:
    """Give the scripts that make the schema of an engine, in the order of their numbers."""
    folder = resources.files("seedance_mcp.money.stores") / "schema" / engine
    return [script.read_text("utf-8") for script in sorted(folder.iterdir(), key=lambda script: script.name)]
