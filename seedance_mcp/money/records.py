"""Rows of the ledger as objects, and money as whole nano-coins on disk."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from seedance_mcp.task import Status

SENDING_SECONDS = 180.0
"""A request still marked as being sent after this long was interrupted: nobody knows what became of it."""
JUDGED_AFTER_SECONDS = 120.0
"""A balance that has not moved for this long after a lost answer says that nothing was charged."""

Evidence = Literal["charged", "not charged", "cannot tell"]
SettledBy = Literal["provider", "estimate", "balance", "person"]

NANO = 10**9
"""Parts of a coin that the file counts in: sums stay exact."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request about to be sent."""

    body: dict[str, Any]
    fingerprint: str
    estimate: Decimal | None


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a finished video is kept, and what its bytes were."""

    uri: str
    """What the video store calls it; on a disk its path."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Upload:
    """Where bytes went that were sent, and under which asset they are reviewed."""

    link: str
    asset_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """One request and all that is known of it."""

    request_id: str
    principal: str
    """Whose it is."""
    task_id: str | None
    model: str | None
    prompt: str | None
    status: Status
    sending: bool
    """Its answer is still awaited by some process."""
    progress: int
    estimate: Decimal | None
    cost: Decimal | None
    settled: Decimal | None
    settled_by: SettledBy | None
    adopted: bool
    """Made elsewhere: none of our money."""
    used_before: Decimal | None
    evidence: Evidence | None
    created_at: datetime
    completed_at: datetime | None
    video_url: str | None
    saved: Saved | None
    error: str | None
    error_code: str | None
    """Ours; `None` where `error` holds the provider's own words."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Money that went or may have gone; `held` is the part that is reserved and not settled."""

    today: Decimal
    total: Decimal
    held: Decimal


def new_request_id() -> str:
    """A name for one request, too long to guess."""
    return f"req_{secrets.token_hex(16)}"


def to_nano(amount: Decimal) -> int:
    """An amount as the file keeps it."""
    return int((amount * NANO).to_integral_value())


def from_nano(nano: int) -> Decimal:
    """An amount from the file."""
    return (Decimal(nano) / NANO).normalize() + 0


def to_text(amount: Decimal | None) -> str | None:
    """An amount that is only kept, never summed."""
    return None if amount is None else str(amount)


def from_text(text: str | None) -> Decimal | None:
    """The same, read back."""
    return None if text is None else Decimal(text)


def read_record(row: sqlite3.Row, now: datetime) -> Record:
    """One row of `requests`; one that has been sending for too long counts as unknown."""
    sending = row["state"] == "sending" and row["created_at"] >= now.timestamp() - SENDING_SECONDS
    names = ("request_id", "task_id", "model", "prompt", "progress", "settled_by", "evidence", "video_url")
    saved = (row["saved_path"], row["saved_bytes"], row["saved_sha256"])
    return Record(
        principal=row["scope"],
        **{name: row[name] for name in (*names, "error", "error_code")},
        saved=None if None in saved else Saved(*saved),
        status="queued" if sending else "unknown" if row["state"] == "sending" else row["state"],
        sending=sending,
        adopted=row["fingerprint"] is None,
        estimate=from_text(row["estimate"]),
        cost=from_text(row["cost"]),
        settled=None if row["settled"] is None else from_nano(row["settled"]),
        used_before=from_text(row["used_before"]),
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        completed_at=datetime.fromtimestamp(row["completed_at"], UTC) if row["completed_at"] else None,
    )


def next_day(now: datetime) -> datetime:
    """When the UTC day renews."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def having(status: Status | None, at: float) -> str:
    """The rows of a status; one that is being sent counts as queued, an interrupted one as unknown."""
    fresh = f"state = 'sending' AND created_at >= {at - SENDING_SECONDS!r}"
    stale = f"state = 'sending' AND created_at < {at - SENDING_SECONDS!r}"
    also = {"queued": f" OR ({fresh})", "unknown": f" OR ({stale})"}
    return "1" if status is None else f"(state = '{status}'{also.get(status, '')})"
