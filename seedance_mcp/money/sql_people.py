"""Reads and writes the table of the principals whom the operator knows, and adds to the audit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from seedance_mcp.errors import InvalidRequest
from seedance_mcp.money.amounts import from_text, to_text
from seedance_mcp.money.audit import Action, Entry
from seedance_mcp.money.principals import Limits, Principal
from seedance_mcp.money.stores.store import Queries, Row, Transaction

_LIMITS = ("max_per_video", "max_per_day", "max_total", "confirm_above")
"""The columns of limits, in the order of the fields of `Limits`."""


def find(db: Queries, name: str) -> Principal | None:
    """Give the row of a principal."""
    row = db.one("SELECT * FROM principals WHERE name = ?", name)
    return _principal(row) if row else None


def every(db: Queries) -> list[Principal]:
    """Give every row, in the order of the names."""
    return [_principal(row) for row in db.all("SELECT * FROM principals ORDER BY name")]


def add(db: Transaction, principal: Principal) -> None:
    """Write a new row, unless an earlier try wrote it; raises `InvalidRequest` where there is another of that name."""
    known = find(db, principal.name)
    if known is not None and (known.digest, known.at) != (principal.digest, principal.at):
        raise InvalidRequest(f"{principal.name} is there already: seedance-mcp principals rotate makes a new token.")
    if known is None:
        _write(db, principal)
        enter(db, _entry(principal, "added", principal.at))


def change(db: Transaction, name: str, change: Callable[[Principal], Principal], action: Action, now: datetime) -> Principal:
    """Change a row and write down that it was changed; raises `InvalidRequest` where there is none."""
    before = find(db, name)
    if before is None:
        raise InvalidRequest(f"{name} is no principal here; seedance-mcp principals list names them, add adds one.")
    after = change(before)
    if after != before:
        db.run("DELETE FROM principals WHERE name = ?", name)
        _write(db, after)
        enter(db, _entry(after, action, now))
    return after


def _entry(principal: Principal, action: Action, at: datetime) -> Entry:
    detail = str(principal.limits) if action in {"added", "limited"} else None
    return Entry(at, principal.name, "operator", action, detail=detail)


def _write(db: Transaction, principal: Principal) -> None:
    limits = principal.limits
    amounts = (limits.per_video, limits.per_day, limits.total, limits.confirm_above)
    db.run(
        f"INSERT INTO principals (name, digest, digest_before, disabled, at, {', '.join(_LIMITS)})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(principal.name, principal.digest, principal.digest_before, int(principal.disabled), principal.at.timestamp()),
        *map(to_text, amounts),
    )


def _principal(row: Row) -> Principal:
    limits = Limits(*(from_text(row[name]) for name in _LIMITS))
    at, is_disabled = datetime.fromtimestamp(row["at"], UTC), bool(row["disabled"])
    return Principal(row["name"], at, limits, is_disabled, row["digest"], row["digest_before"])


# the audit


def tokens_made(db: Queries) -> dict[str, datetime]:
    """Give when each principal was added or last got another token."""
    rows = db.all("SELECT principal, max(at) AS at FROM audit WHERE action IN ('added', 'rotated') GROUP BY principal")
    return {row["principal"]: datetime.fromtimestamp(row["at"], UTC) for row in rows}


def enter(db: Transaction, entry: Entry) -> None:
    """Add an entry, unless an earlier try did."""
    db.run(
        "INSERT INTO audit (entry_id, at, principal, actor, action, code, request_id, model, amount, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entry_id) DO NOTHING",
        *(entry.entry_id, entry.at.timestamp(), entry.principal, entry.actor, entry.action, entry.code),
        *(entry.request_id, entry.model, to_text(entry.amount), entry.detail),
    )


def entries(db: Queries, order: str, since: datetime | None, principal: str | None, limit: int) -> list[Entry]:
    """Give the newest entries, the newest last.

    Args:
        db: Where to read.
        order: The column of the order in which rows were written.
        since: Only entries from this time on.
        principal: Only those of one principal.
        limit: How many at most.
    """
    mine = " AND principal = ?" if principal is not None else ""
    rows = db.all(
        f"SELECT * FROM audit WHERE at >= ?{mine} ORDER BY at DESC, {order} DESC LIMIT ?",
        since.timestamp() if since else 0.0,
        *([principal] if principal is not None else []),
        limit,
    )
    return [_read(row) for row in reversed(rows)]


def _read(row: Row) -> Entry:
    at, amount = datetime.fromtimestamp(row["at"], UTC), from_text(row["amount"])
    told = {name: row[name] for name in ("code", "request_id", "model", "detail", "entry_id")}
    return Entry(at, row["principal"], row["actor"], row["action"], amount=amount, **told)
