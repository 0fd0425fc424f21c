"""The rules of money, as pure functions: a record and a report give the next record.

A final state stays final, progress never falls, what is known is never forgotten, and nothing that may have been charged
counts as free. Every implementation of the ledger uses these functions and states no rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.amounts import exact
from seedance_mcp.money.records import (
    JUDGED_AFTER_SECONDS,
    SENDING_SECONDS,
    ModelSpending,
    Movements,
    NewRequest,
    Record,
    Saved,
    SettledBy,
    State,
    Token,
    Took,
    Verdict,
)
from seedance_mcp.task import FINAL, ProviderTask

CAME_TO_NOTHING: frozenset[State] = frozenset({"failed", "cancelled"})
"""Ends that left no video: the same request may go again."""
TOKEN_SECONDS = 600.0
"""How long a confirmation token is good."""
_NOTHING = Decimal(0)

T = TypeVar("T")


def reserve(request: NewRequest, principal: str, now: datetime) -> Record:
    """Give the record of a request that is about to be sent: its estimate is reserved."""
    return Record(
        request_id=request.request_id,
        principal=principal,
        fingerprint=request.fingerprint,
        state="sending",
        created_at=now,
        model=request.body["model"],
        prompt=request.body["prompt"],
        duration=request.body.get("duration"),
        estimate=request.estimate,
    )


def adopt(request_id: str, task_id: str, principal: str, made_at: datetime) -> Record:
    """Give the record of a task that was made elsewhere: it costs this ledger nothing."""
    return Record(request_id, principal, None, "queued", made_at, task_id=task_id, settled=_NOTHING)


def as_of(record: Record, now: datetime) -> Record:
    """Give a record as it is to be seen at a time: a request that has been sending for too long is overdue."""
    if record.state != "sending":
        return record
    return replace(record, overdue=record.created_at < overdue_before(now))


def overdue_before(now: datetime) -> datetime:
    """Give the time before which a request must have been made to be overdue, if it is still sending."""
    return now - timedelta(seconds=SENDING_SECONDS)


def is_duplicated_by(earlier: Record, since: datetime) -> bool:
    """Say whether the same request again is a duplicate of an `earlier` one: made after `since` and not come to nothing."""
    return earlier.created_at > since and earlier.state not in CAME_TO_NOTHING


def mark_sending(record: Record, used: Decimal | None) -> Record:
    """Note what the account has used in all, right before the request is sent."""
    return replace(record, used_before=used)


def observe(record: Record, task: ProviderTask, now: datetime) -> Record:
    """Take in what the provider reports about the task of a request.

    Args:
        record: The request as it is known.
        task: The report.
        now: When it came; the end of a task that ended and for which the provider names no time.
    """
    ended_at = task.ended_at(record.created_at) or (now if task.status in FINAL else None)
    settled, settled_by = _settlement(record, task)
    return replace(
        record,
        state=record.state if record.state in FINAL else task.status,
        overdue=False,
        task_id=_first(record.task_id, task.task_id),
        model=_first(record.model, task.model),
        progress=max(record.progress, task.progress),
        cost=_first(task.cost, record.cost),
        settled=settled,
        settled_by=settled_by,
        completed_at=_first(record.completed_at, ended_at),
        video_url=_first(task.video_url, record.video_url),
        error=_first(task.error, record.error),
    )


def _first(one: T | None, other: T | None) -> T | None:
    """Give the first of two facts that is known."""
    return other if one is None else one


def _settlement(record: Record, task: ProviderTask) -> tuple[Decimal | None, SettledBy | None]:
    """Give what a request counts for from now on: the provider's cost, what was settled before, or the estimate."""
    if record.adopted:
        return _NOTHING, record.settled_by
    if task.cost is not None:
        return exact(task.cost), "provider"
    if record.settled is not None:
        return record.settled, record.settled_by
    return (None, None) if record.estimate is None else (exact(record.estimate), "estimate")


def fail(record: Record, error: SeedanceError, now: datetime) -> Record:
    """Take in that a request got no task.

    One that may have been charged is of unknown outcome, and its estimate stays reserved; else it failed and cost nothing.
    A request that was judged or answered meanwhile stays as it is.
    """
    if record.state != "sending":
        return record
    failed = replace(record, overdue=False, error=error.message, error_code=error.code)
    if error.charged == "maybe":
        return replace(failed, state="unknown")
    return replace(failed, state="failed", settled=_NOTHING, settled_by="provider", completed_at=now)


def save(record: Record, saved: Saved) -> Record:
    """Note where the video of a request is kept."""
    return replace(record, saved=saved)


def is_of_unknown_outcome(record: Record) -> bool:
    """Say whether money is still reserved for a request though no answer is awaited."""
    return record.status == "unknown" and record.settled is None


def judge(record: Record, used: Decimal, others: Movements, now: datetime, *, only_one: bool) -> Verdict:
    """Say what the account's consumption proves about a request of unknown outcome.

    The verdict holds for an account that nothing but this ledger uses.

    Args:
        record: The request.
        used: What the account has used in all, in JimiCoin.
        others: What else may have moved it since the request was sent.
        now: When the account said so.
        only_one: Whether this is the only request of unknown outcome.
    """
    if record.used_before is None or others.unanswered or others.failed:
        return Verdict("cannot tell")
    moved = used - record.used_before - others.charged
    if moved == 0 and (now - record.created_at).total_seconds() >= JUDGED_AFTER_SECONDS:
        return Verdict("not charged", _NOTHING, "balance")
    if only_one and record.estimate is not None and moved == record.estimate > 0:
        return Verdict("charged", moved, "balance")
    return Verdict("cannot tell")


def settle(record: Record, verdict: Verdict) -> Record:
    """Replace a reservation by what a verdict says was charged; a request that was not charged may be made again.

    A request that has an outcome stays as it is, and one that is settled already changes only by the user's own verdict.
    """
    if record.status != "unknown" or (record.settled is not None and verdict.by != "person"):
        return record
    if verdict.amount is None:
        return replace(record, evidence=verdict.evidence)
    return replace(
        record,
        state="unknown" if verdict.evidence == "charged" else "failed",
        overdue=False,
        settled=exact(verdict.amount),
        settled_by=verdict.by,
        evidence=verdict.evidence,
    )


def reserved(record: Record) -> Decimal:
    """Give what is reserved for a request whose charge is not known yet."""
    return exact(record.estimate or _NOTHING) if record.settled is None else _NOTHING


def spent(record: Record) -> Decimal:
    """Give what a request counts for against the limits: its charge, or what is reserved for it."""
    return reserved(record) if record.settled is None else record.settled


def counts_as_video(state: State) -> bool:
    """Say whether a settled request of this state belongs into a comparison of estimates with charges."""
    return state != "failed"


def add_up(parts: Iterable[ModelSpending]) -> list[ModelSpending]:
    """Give one sum for each model, in the order of their names."""
    sums: dict[str, ModelSpending] = {}
    for part in parts:
        sums[part.model] = sums[part.model] + part if part.model in sums else part
    return [sums[model] for model in sorted(sums)]


def alike(finished: Sequence[Took], duration: int | None) -> list[float]:
    """Give the seconds that finished tasks took which are like a running one: of its duration, where there are any."""
    return [each.seconds for each in finished if each.duration == duration] or [each.seconds for each in finished]


def token_fault(token: Token | None, fingerprint: str, price: Decimal | None, now: datetime) -> str | None:
    """Say why a token does not confirm a request at a price, or `None` where it does."""
    if token is None:
        return "it is not one of ours"
    if token.used:
        return "it was used already"
    if token.expires_at < now:
        return "it has expired"
    if (token.fingerprint, token.price) != (fingerprint, str(price)):
        return "it was given for another request or price"
    return None
