"""Rows of the ledger's tables read as objects and written from them; totals and counts are written here and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from seedance_mcp.money import policy, sums
from seedance_mcp.money.amounts import from_nano, from_text, to_nano, to_text
from seedance_mcp.money.records import Film, Media, NewRequest, Record, Saved, Token, Upload
from seedance_mcp.money.stores.store import Row, Transaction

DAY_SECONDS = 86_400
NO_VIDEO = -1
"""`kept` in sums of requests that have no finished video."""

_PLAIN = (
    *("request_id", "task_id", "model", "prompt", "duration", "state", "progress", "settled_by", "evidence", "video_url"),
    *("error", "error_code", "project", "take"),
)
"""Columns that hold the field of the same name as it is."""


def read_record(row: Row, now: datetime) -> Record:
    """Read a row of `requests`, as it is to be seen at a time."""
    saved = (row["saved_path"], row["saved_bytes"], row["saved_sha256"])
    record = Record(
        principal=row["scope"],
        fingerprint=row["fingerprint"],
        **{name: row[name] for name in _PLAIN},
        saved=None if None in saved else Saved(*saved),
        estimate=from_text(row["estimate"]),
        cost=from_text(row["cost"]),
        settled=None if row["settled"] is None else from_nano(row["settled"]),
        used_before=from_text(row["used_before"]),
        created_at=_moment(row["created_at"]),
        sent_at=_moment(row["sent_at"]) if row["sent_at"] else None,
        awaited_at=_moment(row["awaited_at"]) if row["awaited_at"] else None,
        completed_at=_moment(row["completed_at"]) if row["completed_at"] else None,
    )
    return policy.as_of(record, now)


def read_token(row: Row) -> Token:
    """Read a row of `tokens`."""
    return Token(row["fingerprint"], row["price"], _moment(row["expires_at"]), used=row["used_at"] is not None)


def read_media(reference: str, row: Row) -> Media:
    """Read a row of `media`."""
    size_px = (row["width_px"], row["height_px"]) if row["width_px"] else None
    expires_at = _moment(row["expires_at"]) if row["expires_at"] else None
    return Media(reference, row["kind"], row["seconds"], size_px, row["review"], expires_at)


def read_upload(row: Row) -> Upload:
    """Read a row of `uploads`."""
    return Upload(row["link"], row["asset_id"], _moment(row["at"]))


def read_film(row: Row) -> Film:
    """Read a row of `films`."""
    saved = Saved(row["saved_path"], row["saved_bytes"], row["saved_sha256"])
    parts = tuple(json.loads(row["parts"]))
    return Film(row["film_id"], _moment(row["created_at"]), row["seconds"], parts, saved, row["project"])


def insert_film(db: Transaction, film: Film, principal: str) -> None:
    """Write a row of `films`."""
    saved = {"saved_path": film.saved.uri, "saved_bytes": film.saved.size_bytes, "saved_sha256": film.saved.sha256}
    made = {"created_at": film.created_at.timestamp(), "seconds": film.seconds, "project": film.project}
    columns = {"film_id": film.film_id, "scope": principal, "parts": json.dumps(film.parts), **made, **saved}
    _insert(db, "films", columns, " ON CONFLICT (film_id) DO NOTHING")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def insert_record(db: Transaction, record: Record, request: NewRequest | None = None) -> None:
    """Write a new row of `requests`; `request` is what is about to be sent, for a request of ours."""
    estimate = to_nano(record.estimate or Decimal(0))
    ours = {"body": json.dumps(request.body)} if request else {}
    first = {"scope": record.principal, "fingerprint": record.fingerprint, "prompt": record.prompt, "reserved": estimate}
    labels = {"project": record.project, "take": record.take}
    more = {"duration": record.duration, "created_at": record.created_at.timestamp(), **labels, **ours}
    _insert(db, "requests", {"request_id": record.request_id, **first, **more, **_columns(record)})
    _add_to_totals(db, record, to_nano(policy.spent(record)), to_nano(policy.reserved(record)))
    _add_to_counts(db, record, 1)
    _add_to_day(db, record, 1)
    if request:
        insert_event(db, record.request_id, record.state, record.created_at.timestamp())


FOLLOWED = {"task_id", "state", "progress", "cost", "evidence"}
"""Columns whose change is of interest to whoever follows a task."""


def update_record(db: Transaction, before: Record, after: Record, at: float) -> None:
    """Write what changed in a row of `requests`, and what follows from that for totals and counts.

    Args:
        db: The transaction.
        before: The row as it is.
        after: The row as it shall be.
        at: The time, in seconds since 1970.
    """
    known, new = _columns(before), _columns(after)
    changed = {name: value for name, value in new.items() if value != known[name]}
    if not changed:
        return
    if FOLLOWED & changed.keys():
        changed["changed_at"] = at
    assignments = ", ".join(f"{name} = ?" for name in changed)
    db.run(f"UPDATE requests SET {assignments} WHERE request_id = ?", *changed.values(), after.request_id)
    spent = to_nano(policy.spent(after)) - to_nano(policy.spent(before))
    _add_to_totals(db, after, spent, to_nano(policy.reserved(after)) - to_nano(policy.reserved(before)))
    if before.state != after.state:
        _add_to_counts(db, before, -1)
        _add_to_counts(db, after, 1)
    if _day_of(before) != _day_of(after):
        _add_to_day(db, before, -1)
        _add_to_day(db, after, 1)
    db.notify(after.request_id)


def _columns(record: Record) -> dict[str, Any]:
    """Give every column of `requests` that may change."""
    saved, kept = record.saved, sums.kept(record)
    return {
        "task_id": record.task_id,
        "model": record.model,
        "state": record.state,
        "progress": record.progress,
        "estimate": to_text(record.estimate),
        "cost": to_text(record.cost),
        "settled": None if record.settled is None else to_nano(record.settled),
        "settled_by": record.settled_by,
        "used_before": to_text(record.used_before),
        "evidence": record.evidence,
        "sent_at": record.sent_at.timestamp() if record.sent_at else None,
        "awaited_at": record.awaited_at.timestamp() if record.awaited_at else None,
        "completed_at": record.completed_at.timestamp() if record.completed_at else None,
        "video_url": record.video_url,
        "saved_path": saved.uri if saved else None,
        "saved_bytes": saved.size_bytes if saved else None,
        "saved_sha256": saved.sha256 if saved else None,
        "kept": None if kept is None else int(kept),
        "error": record.error,
        "error_code": record.error_code,
    }


def insert_event(db: Transaction, request_id: str, what: str, at: float) -> None:
    """Write down what happened to a request, and when (seconds since 1970)."""
    _insert(db, "events", {"request_id": request_id, "state": what, "at": at})


def day_of(at: float) -> int:
    """Give the UTC day of a time in seconds since 1970, counted from then."""
    return int(at // DAY_SECONDS)


def _add_to_totals(db: Transaction, record: Record, spent_nano: int, reserved_nano: int) -> None:
    if spent_nano or reserved_nano:
        db.run(
            "INSERT INTO totals (scope, day, spent, reserved) VALUES (?, ?, ?, ?) ON CONFLICT (scope, day) DO UPDATE SET"
            " spent = totals.spent + excluded.spent, reserved = totals.reserved + excluded.reserved",
            *(record.principal, day_of(record.created_at.timestamp()), spent_nano, reserved_nano),
        )


def _add_to_counts(db: Transaction, record: Record, requests: int) -> None:
    db.run(
        "INSERT INTO counts (scope, state, requests) VALUES (?, ?, ?)"
        " ON CONFLICT (scope, state) DO UPDATE SET requests = counts.requests + excluded.requests",
        *(record.principal, record.state, requests),
    )


def _day_of(record: Record) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Give the row of `days` that a request counts in, and what it adds to it."""
    kept, totals = sums.kept(record), sums.totals_of(record)
    day = day_of(record.created_at.timestamp())
    key = (
        record.principal,
        day,
        record.project or "",
        record.model or "",
        record.state,
        NO_VIDEO if kept is None else int(kept),
    )
    return (*key, int(record.adopted)), (totals.count, *map(to_nano, (totals.estimated, totals.charged, totals.reserved)))


def _add_to_day(db: Transaction, record: Record, sign: int) -> None:
    key, added = _day_of(record)
    db.run(
        "INSERT INTO days (scope, day, project, model, state, kept, adopted, requests, estimated, charged, reserved)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (scope, day, project, model, state, kept, adopted)"
        " DO UPDATE SET requests = days.requests + excluded.requests, estimated = days.estimated + excluded.estimated,"
        " charged = days.charged + excluded.charged, reserved = days.reserved + excluded.reserved",
        *(*key, *(sign * each for each in added)),
    )


def _insert(db: Transaction, table: str, columns: Mapping[str, Any], otherwise: str = "") -> None:
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    db.run(f"INSERT INTO {table} ({names}) VALUES ({marks}){otherwise}", *columns.values())
