"""Copies a whole ledger from one store into another, and compares their sums before the copy comes into force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seedance_mcp.errors import InvalidRequest, LedgerUnusable
from seedance_mcp.money.stores.store import Queries, Row, Store, Transaction

TABLES: dict[str, tuple[str, ...]] = {
    "requests": ("reserved", "settled"),
    "events": (),
    "totals": ("spent", "reserved"),
    "counts": ("requests",),
    "days": ("requests", "estimated", "charged", "reserved"),
    "tokens": (),
    "refusals": (),
    "media": (),
    "uploads": (),
    "assets": ("bytes",),
    "asset_references": ("ready",),
    "films": ("saved_bytes",),
    "principals": ("disabled",),
    "audit": (),
    "pace": (),
}
"""Every table, and its columns whose sums must come out the same."""
AT_ONCE = 1000
"""How many rows are read at a time."""


def copy(source: Store, target: Store) -> dict[str, int]:
    """Copy every row in the order in which the rows were written; gives how many there are of each table.

    Both stores take no other writes meanwhile.

    Args:
        source: A ledger in a file: each of its tables knows the order of its rows.
        target: An empty ledger.

    Raises:
        InvalidRequest: The target is not empty.
        LedgerUnusable: A sum comes out differently; nothing is kept of the copy then.
    """
    with source.transaction(None) as read, target.transaction(None) as written:
        if held := _counted(written, "requests", ())["rows"]:
            raise InvalidRequest(f"The database holds {held} requests already; only an empty one can take a copy.")
        for table in TABLES:
            for row in _rows(read, table, source.insertion_order):
                _write(written, table, row, source.insertion_order)
        return {table: _compared(read, written, table, columns) for table, columns in TABLES.items()}


def _rows(db: Queries, table: str, order: str) -> Iterator[Row]:
    place = 0
    while rows := db.all(f"SELECT *, {order} AS place FROM {table} WHERE {order} > ? ORDER BY {order} LIMIT {AT_ONCE}", place):
        place = rows[-1]["place"]
        yield from rows


def _write(db: Transaction, table: str, row: Row, order: str) -> None:
    names = [name for name in row.keys() if name not in {"place", order}]  # noqa: SIM118 - a row is no dictionary
    marks = ", ".join("?" * len(names))
    db.run(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", *(row[name] for name in names))


def _compared(read: Queries, written: Queries, table: str, columns: tuple[str, ...]) -> int:
    before, after = _counted(read, table, columns), _counted(written, table, columns)
    if before != after:
        raise LedgerUnusable(
            f"The copy of the table {table} is not the same ({before}, then {after}): nothing was kept of it."
        )
    return before["rows"]


def _counted(db: Queries, table: str, columns: tuple[str, ...]) -> dict[str, Any]:
    """Count the rows of a table and add up its columns, which hold whole numbers."""
    sums = "".join(f", coalesce(sum({name}), 0) AS {name}" for name in columns)
    (row,) = db.all(f"SELECT count(*) AS rows{sums} FROM {table}")
    return {name: int(row[name]) for name in ("rows", *columns)}
