"""Reads the ledger's tables: one SQL text for every engine, which narrows down and leaves the rules to `policy`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from seedance_mcp.money import policy, sql_people, sums
from seedance_mcp.money.amounts import from_nano, from_text
from seedance_mcp.money.records import (
    EVERY_MODEL,
    Film,
    Media,
    Models,
    ModelSpending,
    Movements,
    Page,
    Record,
    Spent,
    Took,
    Upload,
    Used,
)
from seedance_mcp.money.sql_films import Films
from seedance_mcp.money.sql_movements import Surroundings
from seedance_mcp.money.sql_rows import DAY_SECONDS, day_of, read_media, read_record, read_token, read_upload
from seedance_mcp.money.stores.store import Queries, Row
from seedance_mcp.task import Status

ALIKE_MOST = 40
"""How many finished videos a forecast is made from."""
CHANGES_MOST = 1000
"""How many changed requests are given at once."""
NEWEST_KEYS = 1000
"""How many of the newest requests are searched for any part of an id."""
EVERY = 2**62
"""A limit that is none."""
NO_SUCH_TASK = "No such task here: give the task_id of create_video or list_tasks."
_LAST_CHARACTER = "\U0010ffff"


class Condition(NamedTuple):
    """A part of a WHERE clause and its values."""

    text: str
    values: tuple[Any, ...]

    def __and__(self, other: Condition) -> Condition:
        return Condition(f"{self.text} AND {other.text}", (*self.values, *other.values))


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of one state, where `made` is set only those awaited within a span of time, or outside it."""

    state: str | None
    made: str = ""
    span: tuple[float, ...] = ()

    def where(self, principal: str) -> Condition:
        """Ask for its rows that are a principal's."""
        conditions = [
            "scope = ?",
            *(["state = ?"] if self.state else []),
            *([f"coalesce(awaited_at, created_at) {self.made}"] if self.made else []),
        ]
        values = (principal, *((self.state,) if self.state else ()), *self.span)
        return Condition(" AND ".join(conditions), values)


@dataclass(frozen=True, slots=True)
class Reading:
    """The ledger as one principal sees it at one time."""

    db: Queries
    insertion_order: str
    """The column that orders rows that were made at the same time."""
    principal: str
    now: datetime

    @property
    def at(self) -> float:
        """Give the time in seconds since 1970, as the tables keep it."""
        return self.now.timestamp()

    def record(self, row: Row) -> Record:
        """Read a row of `requests`."""
        return read_record(row, self.now)

    def find(self, key: str) -> Record | None:
        """Find the request of a task id or request id, or a film.

        The plus keeps SQLite from reading every request in the order of time until it comes to the task.
        """
        row = self.db.one(
            "SELECT * FROM requests WHERE request_id = ? AND scope = ?"
            " UNION ALL SELECT * FROM (SELECT * FROM requests WHERE task_id = ? AND scope = ? ORDER BY +created_at DESC)"
            " AS of_task",
            *(key, self.principal, key, self.principal),
        )
        return self.record(row) if row else self.joined.find(key)

    @property
    def joined(self) -> Films:
        """Give the films."""
        return Films(self.db, self.insertion_order, self.principal)

    def find_anybodys(self, column: str, value: str) -> Record | None:
        """Find the request of any principal by its `request_id` or `task_id`."""
        row = self.db.one(f"SELECT * FROM requests WHERE {column} = ?", value)
        return self.record(row) if row else None

    def changes_since(self, at: datetime, until: datetime | None) -> list[Record]:
        """Give the requests that changed since a time, and not from another one on, whoever made them, newest first."""
        rows = self.db.all(
            "SELECT * FROM requests WHERE changed_at >= ? AND changed_at < ?"
            f" ORDER BY changed_at DESC, {self.insertion_order} DESC LIMIT ?",
            *(at.timestamp(), until.timestamp() if until else math.inf, CHANGES_MOST),
        )
        return [self.record(row) for row in rows]

    def requests_of(self, task_id: str) -> list[Record]:
        """Give the requests of a task, whoever made them: nearly always one."""
        rows = self.db.all(f"SELECT * FROM requests WHERE task_id = ? ORDER BY created_at, {self.insertion_order}", task_id)
        return [self.record(row) for row in rows]

    def same_requests(self, fingerprint: str, since: datetime) -> list[Record]:
        """Give the requests of a fingerprint that were made after `since` or may be unsettled, newest first."""
        rows = self.db.all(
            f"SELECT * FROM requests WHERE scope = ? AND fingerprint = ? AND (created_at > ? OR (settled IS NULL"
            f" AND state IN ('reserved', 'sending', 'unknown'))) ORDER BY created_at DESC, {self.insertion_order} DESC",
            *(self.principal, fingerprint, since.timestamp()),
        )
        return [self.record(row) for row in rows]

    def page(self, status: Status | None, limit: int | None) -> Page:
        """Give the newest requests of a status, and how many there are."""
        slices = self.slices(status)
        newest = self.newest([each.where(self.principal) for each in slices], EVERY if limit is None else limit)
        return Page(newest, sum(map(self._count, slices)))

    def newest(self, conditions: Sequence[Condition], limit: int) -> list[Record]:
        """Give the newest requests for which one of some conditions holds; each is asked by an index of its own."""
        selects = [
            f"SELECT * FROM (SELECT *, {self.insertion_order} AS place FROM requests WHERE {each.text}"
            f" ORDER BY created_at DESC, {self.insertion_order} DESC LIMIT ?) AS slice_{number}"
            for number, each in enumerate(conditions)
        ]
        values = [value for each in conditions for value in (*each.values, limit)]
        rows = self.db.all(" UNION ALL ".join(selects) + " ORDER BY created_at DESC, place DESC LIMIT ?", *values, limit)
        return [self.record(row) for row in rows]

    def slices(self, status: Status | None) -> list[Slice]:
        """Give the rows of a status as ranges of an index each."""
        span = self._awaited_between()
        also = {
            "queued": [Slice("sending", "BETWEEN ? AND ?", span), Slice("reserved", "BETWEEN ? AND ?", span)],
            "unknown": [Slice("sending", "NOT BETWEEN ? AND ?", span)],
            "failed": [Slice("reserved", "NOT BETWEEN ? AND ?", span)],
        }
        return [Slice(status), *also.get(status or "", [])]

    def _awaited_between(self) -> tuple[float, ...]:
        return tuple(at.timestamp() for at in policy.awaited_between(self.now))

    def _count(self, rows: Slice) -> int:
        """Count rows: those of a state are counted already."""
        where, values = rows.where(self.principal)
        counted = "count(*) AS requests FROM requests" if rows.made else "coalesce(sum(requests), 0) AS requests FROM counts"
        (row,) = self.db.all(f"SELECT {counted} WHERE {where}", *values)
        return int(row["requests"])

    def request_body(self, request_id: str) -> dict[str, Any] | None:
        """Give the body of a request as it was sent; `None` where it was made elsewhere."""
        row = self.db.one("SELECT body FROM requests WHERE request_id = ? AND scope = ?", request_id, self.principal)
        return json.loads(row["body"]) if row and row["body"] else None

    def keys(self, part: str, limit: int) -> list[str]:
        """Give ids of which something is known: the newest that contain it, then every other one that begins with it."""
        newest = self._names(
            f"SELECT coalesce(task_id, request_id) AS name FROM requests WHERE scope = ?"
            f" ORDER BY created_at DESC, {self.insertion_order} DESC LIMIT ?",
            *(self.principal, NEWEST_KEYS),
        )
        films = [film.film_id for film in self.joined.newest("1 = 1", (), NEWEST_KEYS)]
        fitting = [name for name in (*newest, *films) if part.lower() in name.lower()]
        if part and len(fitting) < limit:
            span = (self.principal, part, part + _LAST_CHARACTER, limit)
            fitting += self._names(
                "SELECT task_id AS name FROM requests WHERE scope = ? AND task_id >= ? AND task_id < ?"
                " ORDER BY task_id LIMIT ?",
                *span,
            )
            fitting += self._names(
                "SELECT request_id AS name FROM requests WHERE scope = ? AND task_id IS NULL AND request_id >= ?"
                " AND request_id < ? ORDER BY request_id LIMIT ?",
                *span,
            )
        return list(dict.fromkeys(fitting))[:limit]

    def _names(self, statement: str, *values: object) -> list[str]:
        return [row["name"] for row in self.db.all(statement, *values)]

    def expiring(self, age_seconds: float, lifetime_seconds: float, limit: int, models: Models = EVERY_MODEL) -> Page:
        """Give finished videos that are not saved and of an age between two, oldest first."""
        where = "scope = ? AND state = 'completed' AND saved_path IS NULL AND completed_at BETWEEN ? AND ?"
        values = (self.principal, self.at - lifetime_seconds, self.at - age_seconds, *models.names)
        if models.names:
            named = f"IN ({', '.join('?' * len(models.names))})"
            where += f" AND (model IS NULL OR model NOT {named})" if models.others else f" AND model {named}"
        order = f"completed_at, {self.insertion_order}"
        rows = self.db.all(f"SELECT * FROM requests WHERE {where} ORDER BY {order} LIMIT ?", *values, limit)
        (count,) = self.db.all(f"SELECT count(*) AS requests FROM requests WHERE {where}", *values)
        return Page([self.record(row) for row in rows], count["requests"])

    def spent(self) -> Spent:
        """Add up what was spent and what is reserved, by this principal and by all of them."""
        today, total, reserved = self._sums("scope = ?", self.principal)
        row = sql_people.find(self.db, self.principal)
        return Spent(today, total, reserved, *self._sums("scope >= ''")[:2], principal=row)

    def _sums(self, where: str, *values: object) -> tuple[Decimal, Decimal, Decimal]:
        (row,) = self.db.all(
            "SELECT coalesce(sum(CASE WHEN day = ? THEN spent ELSE 0 END), 0) AS today, coalesce(sum(spent), 0) AS total,"
            f" coalesce(sum(reserved), 0) AS reserved FROM totals WHERE {where}",
            *(day_of(self.at), *values),
        )
        return from_nano(row["today"]), from_nano(row["total"]), from_nano(row["reserved"])

    def used_before(self) -> Used:
        """Give what the account had used before the first requests of today and of all time, whoever made them."""
        return Used(self._first_used(day_of(self.at) * DAY_SECONDS), self._first_used(0))

    def _first_used(self, since: float) -> Decimal | None:
        row = self.db.one(
            "SELECT used_before FROM requests WHERE created_at >= ? AND used_before IS NOT NULL ORDER BY created_at LIMIT 1",
            since,
        )
        return from_text(row["used_before"]) if row else None

    def spending_by_model(self) -> list[ModelSpending]:
        """Compare estimates with charges, model by model."""
        rows = self.db.all(
            "SELECT model, state, count(*) AS requests, sum(reserved) AS estimated, sum(settled) AS charged FROM requests"
            " WHERE scope = ? AND settled IS NOT NULL AND fingerprint IS NOT NULL GROUP BY model, state",
            self.principal,
        )
        return sums.add_up(
            ModelSpending(row["model"], row["requests"], from_nano(row["estimated"]), from_nano(row["charged"]))
            for row in rows
            if sums.counts_as_video(row["state"])
        )

    def duplicated(self, fingerprint: str, window_seconds: float) -> Record | None:
        """Find the request that another of the same fingerprint would duplicate now."""
        since = self.now - timedelta(seconds=window_seconds)
        return next((each for each in self.same_requests(fingerprint, since) if policy.is_duplicated_by(each, since)), None)

    def similar_durations(self, record: Record) -> list[float]:
        """Give the seconds that the newest finished tasks like one took."""
        rows = self.db.all(
            f"SELECT completed_at - created_at AS seconds, duration FROM requests WHERE scope = ? AND model = ?"
            f" AND state IN ('completed', 'failed') AND task_id IS NOT NULL AND completed_at IS NOT NULL"
            f" ORDER BY created_at DESC, {self.insertion_order} DESC LIMIT ?",
            *(record.principal, record.model, ALIKE_MOST),
        )
        return policy.alike([Took(row["seconds"], row["duration"]) for row in rows], record.duration)

    def films(self, limit: int) -> list[Film]:
        """Give the newest joined films."""
        return self.joined.newest("1 = 1", (), limit)

    def unknown_outcomes(self) -> list[Record]:
        """Give every principal's requests of unknown outcome."""
        rows = self.db.all(
            f"SELECT * FROM requests WHERE settled IS NULL AND state IN ('unknown', 'sending')"
            f" ORDER BY created_at, {self.insertion_order}"
        )
        return [record for record in map(self.record, rows) if policy.is_of_unknown_outcome(record)]

    def principals(self) -> list[str]:
        """Name everybody who made a request."""
        return self._names("SELECT DISTINCT scope AS name FROM counts ORDER BY scope")

    def unsent(self) -> list[Record]:
        """Give every principal's requests that were to be sent by a process that ended before."""
        rows = self.db.all(
            "SELECT * FROM requests WHERE state = 'reserved' AND settled IS NULL"
            " AND coalesce(awaited_at, created_at) NOT BETWEEN ? AND ?",
            *self._awaited_between(),
        )
        return [self.record(row) for row in rows]

    def movements(self, record: Record, asked_at: datetime) -> Movements:
        """Say what else may have moved the balance between a request and the time that the account was asked at."""
        return Surroundings(self.db, self.insertion_order, self.now, record).movements(asked_at)

    def token_fault(self, digest: str, fingerprint: str, terms: str) -> str | None:
        """Say why a token does not confirm a request on certain terms."""
        row = self.db.one("SELECT * FROM tokens WHERE digest = ?", digest)
        return policy.token_fault(read_token(row) if row else None, self.principal + fingerprint, terms, self.now)

    def is_refused(self, fingerprint: str) -> bool:
        """Say whether the last form about a request was no yes."""
        return self.db.one("SELECT 1 AS there FROM refusals WHERE fingerprint = ?", self.principal + fingerprint) is not None

    def media(self, reference: str) -> Media | None:
        """Give what was learnt of a reference, where this principal brought it."""
        row = self.db.one("SELECT * FROM media WHERE reference = ?", self.principal + reference)
        return read_media(reference, row) if row else None

    def find_upload(self, digest: str, lifetime_seconds: float) -> Upload | None:
        """Say where the same bytes were sent to within a time."""
        row = self.db.one(
            "SELECT * FROM uploads WHERE scope = ? AND digest = ? AND at > ?",
            *(self.principal, digest, self.at - lifetime_seconds),
        )
        return read_upload(row) if row else None
