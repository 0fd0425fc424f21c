"""Keeps records as they were last read until somebody changes the ledger, which the engine tells in one cheap question."""

from __future__ import annotations

from collections import OrderedDict

from seedance_mcp.money.policy import as_of
from seedance_mcp.money.records import Record
from seedance_mcp.money.sql_queries import Reading
from seedance_mcp.money.stores.store import Store

RECORDS_KEPT = 256
"""How many records are kept, those that were asked for last."""


class KnownRecords:
    """The records of one opened store, read and kept by its one reading thread; a store that has several keeps none."""

    def __init__(self) -> None:
        """Know none."""
        self._version: int | None = None
        self._records: OrderedDict[tuple[str, str], Record] = OrderedDict()

    def find(self, store: Store, reading: Reading, key: str) -> Record | None:
        """Find the request of a task id or request id, or a film, as it is now, whoever changed it."""
        version = store.version()  # asked before the row is read, which can only be newer
        if version is None:
            return reading.find(key)
        if version != self._version:
            self._version, self._records = version, OrderedDict()
        return self._known(reading, key)

    def _known(self, reading: Reading, key: str) -> Record | None:
        place = reading.principal, key
        found = self._records.get(place)
        found = as_of(found, reading.now) if found else reading.find(key)
        if found:
            self._records[place] = found
            self._records.move_to_end(place)
        if len(self._records) > RECORDS_KEPT:
            self._records.popitem(last=False)
        return found
