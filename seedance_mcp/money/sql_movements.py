"""Reads from the ledger's tables what else may have moved the account's balance beside one request.

What came first is read from the order in which rows were written: the wall clock may have been set back meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from seedance_mcp.money import policy
from seedance_mcp.money.amounts import from_nano
from seedance_mcp.money.records import Movements, Record
from seedance_mcp.money.stores.store import Queries

_OTHERS = "FROM requests WHERE request_id <> ? AND fingerprint IS NOT NULL"
_OF_STATES = "scope IN (SELECT scope FROM counts WHERE requests > 0) AND state IN"  # the index is by scope and state


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One request of unknown outcome, and the places of its row and events among all."""

    db: Queries
    order: str
    """The column that orders rows as they were written."""
    now: datetime
    record: Record

    def movements(self, asked_at: datetime) -> Movements:
        """Say what else may have moved the balance between the request and the time that the account was asked at."""
        row = self._place("requests", "")
        reserved, sent = self._place("events", " AND state = 'reserved'"), self._place("events", " AND state = 'sending'")
        return Movements(
            unanswered=self.now < asked_at
            or self._was_under_way(row, reserved)
            or self._is_awaited()
            or self._happened(f"{self.order} > ? AND {self.order} <= ?", reserved, sent)
            or self._happened("at >= ?", asked_at.timestamp()),
            failed=self._happened_to_earlier(row, reserved, "IN ('failed', 'cancelled')"),
            unclear=self._is_unclear(row, reserved),
            charged=self._sum(f"{self.order} > ?", row),
            returnable=self._sum(
                f"{self.order} > ? AND (state IN ('queued', 'processing', 'unknown')"
                " OR (state IN ('failed', 'cancelled') AND task_id IS NOT NULL))",
                row,
            ),
            hidden=self._may_be_given_back(row),
            charges_before_end=self._charges_before_end(),
        )

    def _place(self, table: str, more: str) -> int:
        row = self.db.one(f"SELECT min({self.order}) AS place FROM {table} WHERE request_id = ?{more}", self.record.request_id)
        return (row["place"] if row else None) or 0

    def _is_there(self, conditions: str, *values: object) -> bool:
        return (
            self.db.one(f"SELECT 1 AS there {_OTHERS} AND {conditions} LIMIT 1", self.record.request_id, *values) is not None
        )

    def _happened(self, conditions: str, *values: object) -> bool:
        statement = f"SELECT 1 AS there FROM events WHERE {conditions} AND request_id <> ? LIMIT 1"
        return self.db.one(statement, *values, self.record.request_id) is not None

    def _happened_to_earlier(self, row: int, reserved: int, states: str, *values: object) -> bool:
        """Say whether an event came to a request that was made before, and has a task, since this one was made."""
        statement = (
            f"SELECT 1 AS there FROM events JOIN requests ON requests.request_id = events.request_id WHERE"
            f" events.{self.order} > ? AND requests.{self.order} < ? AND task_id IS NOT NULL AND events.state {states} LIMIT 1"
        )
        return self.db.one(statement, reserved, row, *values) is not None

    def _was_under_way(self, row: int, reserved: int) -> bool:
        """Say whether one that was made before may have been charged after this one was sent."""
        return self._is_there(
            f"{self.order} < ? AND created_at >= ? AND NOT (task_id IS NULL AND settled IS NOT NULL AND settled = 0)"
            " AND NOT EXISTS (SELECT 1 FROM events WHERE events.request_id = requests.request_id"
            f" AND events.state NOT IN ('reserved', 'sending') AND events.{self.order} < ?)",
            *(row, self._runs_since(), reserved),
        )

    def _runs_since(self) -> float:
        return (self.record.created_at - timedelta(seconds=policy.RUNS_MOST_SECONDS)).timestamp()

    def _is_awaited(self) -> bool:
        span = (at.timestamp() for at in policy.awaited_between(self.now))
        return self._is_there(
            "state = 'sending' AND settled IS NULL AND coalesce(awaited_at, created_at) BETWEEN ? AND ?", *span
        )

    def _may_be_given_back(self, row: int) -> bool:
        """Say whether what was charged for a request that was made before may be given back without our knowledge."""
        return (
            self._is_there(f"{_OF_STATES} ('queued', 'processing') AND {self.order} < ?", row)
            or self._is_there(f"state IN ('unknown', 'sending') AND settled IS NULL AND {self.order} < ?", row)
            or self._is_there(
                f"{_OF_STATES} ('unknown') AND settled > 0 AND {self.order} < ? AND created_at >= ?", row, self._runs_since()
            )
        )

    def _is_unclear(self, row: int, reserved: int) -> bool:
        """Say whether it is not known by how much the others moved the balance since."""
        return (
            self._is_there("state IN ('queued', 'processing') AND settled IS NULL")
            or self._is_there(
                f"{self.order} > ? AND ((state = 'completed' AND settled IS NULL) OR settled_by = 'estimate')", row
            )
            or self._happened_to_earlier(row, reserved, "IN (?, ?)", *policy.CHARGES)
        )

    def _charges_before_end(self) -> bool:
        """Say whether the newest charge that the provider reported for this model came while the task was still running."""
        newest = self.db.one(
            f"SELECT request_id FROM requests WHERE {self.order} > (SELECT max({self.order}) FROM requests) - ? AND model = ?"
            f" AND settled_by = 'provider' AND settled > 0 AND task_id IS NOT NULL ORDER BY {self.order} DESC LIMIT 1",
            *(policy.CHARGES_LOOKED_AT, self.record.model),
        )
        if newest is None:
            return False
        early = self.db.one(
            "SELECT 1 AS there FROM events AS told WHERE request_id = ? AND state = 'settled by provider' AND NOT EXISTS"
            f" (SELECT 1 FROM events AS earlier WHERE earlier.request_id = told.request_id AND earlier.{self.order} <"
            f" told.{self.order} AND earlier.state NOT IN (?, ?, ?, ?)) LIMIT 1",
            *(newest["request_id"], *policy.BEFORE_END),
        )
        return early is not None

    def _sum(self, conditions: str, *values: object) -> Decimal:
        (sums,) = self.db.all(f"SELECT coalesce(sum(settled), 0) AS charged FROM requests WHERE {conditions}", *values)
        return from_nano(sums["charged"])
