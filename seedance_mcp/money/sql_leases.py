"""Leases in the ledger's tables: what one process does at a time, until it says so no longer."""

from __future__ import annotations

from seedance_mcp.money.records import PollClaim
from seedance_mcp.money.sql_changes import Changing
from seedance_mcp.money.sql_queries import Reading

FAR_SECONDS = 120.0
"""What ends so much later than the longest lease, or a place so far off, was written before somebody set the clock back."""


def _is_free(name: str) -> str:
    """Ask whether nobody else has a lease; its values are the holder, the time, and the time by which none of today ends."""
    return f"({name}_until IS NULL OR {name}_by = ? OR {name}_until <= ? OR {name}_until >= ?)"


def poll_elsewhere(ledger: Reading, task_id: str, holder: str, longest_seconds: float) -> PollClaim | None:
    """Say which other process polls a task or has just done it; `None` where none does."""
    row = ledger.db.one(
        f"SELECT poll_until, polled_at FROM requests WHERE task_id = ? AND NOT {_is_free('poll')}",
        *(task_id, holder, ledger.at, ledger.at + FAR_SECONDS + longest_seconds),
    )
    if row is None:
        return None
    polled_at = row["polled_at"]
    return PollClaim(
        is_mine=False,
        again_seconds=row["poll_until"] - ledger.at,
        answered_seconds_ago=None if polled_at is None else max(0.0, ledger.at - polled_at),
    )


def claim_poll(
    ledger: Changing, task_id: str, holder: str, seconds: float, pace_seconds: float, longest_seconds: float
) -> PollClaim:
    """Take the poll of a task, and a place in the rate of all polls, unless another process polls it."""
    at, far_at = ledger.read.at, ledger.read.at + FAR_SECONDS + longest_seconds
    claimed = ledger.db.run(
        f"UPDATE requests SET poll_by = ?, poll_until = ? WHERE task_id = ? AND {_is_free('poll')}",
        *(holder, at + seconds, task_id, holder, at, far_at),
    )
    elsewhere = None if claimed else poll_elsewhere(ledger.read, task_id, holder, longest_seconds)
    return elsewhere or PollClaim(is_mine=True, place_seconds=_place_seconds(ledger, holder, seconds, pace_seconds, far_at))


def _place_seconds(ledger: Changing, holder: str, seconds: float, pace_seconds: float, far_at: float) -> float:
    """Take the next place, and give how far off it is; a process that polls alone keeps the rate by itself."""
    at = ledger.read.at
    row = ledger.db.all(
        "INSERT INTO pace (name, next_at, taken_by, others_at) VALUES ('polls', ?, ?, 0) ON CONFLICT (name) DO UPDATE SET"
        " next_at = CASE WHEN pace.next_at > ? AND pace.next_at < ? THEN pace.next_at + ? ELSE excluded.next_at END,"
        " others_at = CASE WHEN pace.taken_by = excluded.taken_by THEN pace.others_at ELSE ? END,"
        " taken_by = excluded.taken_by RETURNING next_at, others_at",
        *(at + pace_seconds, holder, at, far_at, pace_seconds, at),
    )[0]
    is_alone = row["others_at"] < at - seconds
    return 0.0 if is_alone else max(0.0, row["next_at"] - pace_seconds - at)


def release_poll(ledger: Changing, task_id: str, holder: str, seconds: float, *, answered: bool) -> None:
    """Let nobody poll a task for a time, since it was polled just now."""
    at = ledger.read.at
    ledger.db.run(
        "UPDATE requests SET poll_until = ?, polled_at = CASE WHEN ? = 1 THEN ? ELSE polled_at END"
        " WHERE task_id = ? AND poll_by = ?",
        *(at + seconds, int(answered), at, task_id, holder),
    )


def is_saved_elsewhere(ledger: Reading, request_id: str, holder: str) -> bool:
    """Say whether another call has taken the saving of a video."""
    row = ledger.db.one(
        f"SELECT 1 AS taken FROM requests WHERE request_id = ? AND NOT {_is_free('saving')}",
        *(request_id, holder, ledger.at, ledger.at + FAR_SECONDS),
    )
    return row is not None


def claim_saving(ledger: Changing, request_id: str, holder: str, seconds: float, *, again: bool) -> bool:
    """Take the saving of a finished video, or keep it for longer, unless it is saved or another call has taken it."""
    at = ledger.read.at
    claimed = ledger.db.run(
        "UPDATE requests SET saving_by = ?, saving_until = ? WHERE request_id = ? AND (kept = 0 OR (kept = 1 AND ? = 1))"
        f" AND {_is_free('saving')}",
        *(holder, at + seconds, request_id, int(again), holder, at, at + FAR_SECONDS),
    )
    return claimed == 1


def release_saving(ledger: Changing, request_id: str, holder: str) -> None:
    """Let others save a video, if this call still has its saving."""
    ledger.db.run("UPDATE requests SET saving_until = NULL WHERE request_id = ? AND saving_by = ?", request_id, holder)
