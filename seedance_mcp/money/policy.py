"""The rules of money, as pure functions: a record and a report give the next record.

A final state stays final, unless a video is there after all; progress never falls, what is known is never forgotten, and
nothing that may have been charged counts as free. Every implementation of the ledger uses these functions and states no rule
of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from seedance_mcp.errors import ProviderUnreachable, SeedanceError
from seedance_mcp.money.amounts import exact
from seedance_mcp.money.records import (
    JUDGED_AFTER_SECONDS,
    SENDING_SECONDS,
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
RUNS_MOST_SECONDS = 7 * 86_400.0
"""After this long a task has surely ended, though nobody asked about it, and nothing of it moves the account any more."""
_NOTHING = Decimal(0)

T = TypeVar("T")


def reserve(request: NewRequest, principal: str, now: datetime) -> Record:
    """Give the record of a request that is about to be sent: its estimate is reserved."""
    return Record(
        request_id=request.request_id,
        principal=principal,
        fingerprint=request.fingerprint,
        state="reserved",
        created_at=now,
        awaited_at=now,
        model=request.body["model"],
        prompt=request.body["prompt"],
        duration=request.body.get("duration"),
        estimate=request.estimate,
        project=request.project,
        take=request.take,
    )


def adopt(request_id: str, task_id: str, principal: str, made_at: datetime) -> Record:
    """Give the record of a task that was made elsewhere: it costs this ledger nothing."""
    return Record(request_id, principal, None, "queued", made_at, task_id=task_id, settled=_NOTHING)


def as_of(record: Record, now: datetime) -> Record:
    """Give a record as it is to be seen at a time: a request that no process goes on with is overdue."""
    if record.state not in {"reserved", "sending"}:
        return record
    earliest, latest = awaited_between(now)
    return record._replace(overdue=not earliest <= (record.awaited_at or record.created_at) <= latest)


def awaited_between(now: datetime) -> tuple[datetime, datetime]:
    """Give the times between which a process must have said that it goes on with a request, or else it is overdue.

    A word from the future is as old as one from long ago: the clock was set back since.
    """
    span = timedelta(seconds=SENDING_SECONDS)
    return now - span, now + span


def is_duplicated_by(earlier: Record, since: datetime) -> bool:
    """Say whether the same request again is a duplicate of an `earlier` one.

    That is one made after `since` that did not come to nothing, or one that is under way or of unknown outcome, whatever its
    age: the clock may have jumped since it was made. It is never one whose task the provider forgot, since it can give no
    video any more.
    """
    if earlier.sending or is_of_unknown_outcome(earlier):
        return True
    if is_forgotten(earlier):
        return False
    return earlier.created_at > since and earlier.status not in CAME_TO_NOTHING


def mark_sending(record: Record, used: Decimal | None, now: datetime) -> Record:
    """Note that a request is sent now, and what the account has used in all right before that.

    A request that is noted as sent at this very time was noted by an earlier try of the same process, whose answer was lost.

    Raises:
        ProviderUnreachable: The request was released meanwhile, so it must not be sent any more.
    """
    if record.state == "sending" and record.sent_at == now:
        return record
    if record.state != "reserved":
        raise ProviderUnreachable("This request was held up too long and given up, and nothing was sent: call again.")
    return record._replace(state="sending", used_before=used, sent_at=now, awaited_at=now)


def keep_awaiting(record: Record, now: datetime) -> Record:
    """Note that the process of a request still goes on with it."""
    return record._replace(awaited_at=now, overdue=False) if record.state in {"reserved", "sending"} else record


def release(record: Record, now: datetime) -> Record:
    """Release what is reserved for a request that never left, since its process ended before."""
    return fail(record, ProviderUnreachable("This request was never sent, since its server ended before."), now)


def observe(record: Record, task: ProviderTask, now: datetime) -> Record:
    """Take in what the provider reports about the task of a request.

    Args:
        record: The request as it is known.
        task: The report.
        now: When it came; the end of a task that ended and for which the provider names no time.
    """
    if record.task_id is None and task.task_id is not None:
        record = _answered(record)._replace(task_id=task.task_id)
    if is_revived_by(record, task):
        record = _revived(record)
    ended_at = task.ended_at(record.created_at) or (now if task.status in FINAL else None)
    state = record.state if record.state in FINAL else task.status
    cost = task.cost if task.cost or state in FINAL else None  # a 0 before the end may be charged at the end
    settled, settled_by = _settlement(record, cost, state)
    return record._replace(
        state=state,
        overdue=False,
        task_id=_first(record.task_id, task.task_id),
        model=_first(record.model, task.model),
        progress=max(record.progress, task.progress),
        cost=_first(cost, record.cost),
        settled=settled,
        settled_by=settled_by,
        completed_at=_first(record.completed_at, ended_at),
        video_url=_first(task.video_url, record.video_url),
        error=_first(task.error, record.error),
    )


def _first(one: T | None, other: T | None) -> T | None:
    """Give the first of two facts that is known."""
    return other if one is None else one


def _answered(record: Record) -> Record:
    """Take back what was judged of a request for want of an answer: an answer that comes late proves more."""
    judged = record.evidence == "not charged"
    return record._replace(
        state="queued",
        settled=None if judged else record.settled,
        settled_by=None if judged else record.settled_by,
        evidence=None,
        completed_at=None,
        error=None,
        error_code=None,
    )


def is_revived_by(record: Record, task: ProviderTask) -> bool:
    """Say whether a report proves that a task which was reported to come to nothing made its video all the same."""
    return record.state in CAME_TO_NOTHING and task.status == "completed" and task.video_url is not None


def _revived(record: Record) -> Record:
    """Take back that a task came to nothing, and with it that it was free: no failure charges, and this was none."""
    was_free = not record.settled
    return record._replace(
        state="processing",
        cost=record.cost or None,
        settled=None if was_free else record.settled,
        settled_by=None if was_free else record.settled_by,
        completed_at=None,
        error=None,
        error_code=None,
    )


def _settlement(record: Record, cost: Decimal | None, state: State) -> tuple[Decimal | None, SettledBy | None]:
    """Give what a request counts for from now on: the provider's cost, what was settled before, or the estimate.

    An estimate stays reserved until the end. A failed task without a cost counts nothing: upstream charges only successes.
    """
    if record.adopted:
        return _NOTHING, record.settled_by
    if cost is not None:
        return exact(cost), "provider"
    if record.settled is not None or state not in {*FINAL, "unknown"}:
        return record.settled, record.settled_by
    if state == "unknown":
        return (None, None) if record.task_id is None else (exact(record.estimate or _NOTHING), "estimate")
    if state in CAME_TO_NOTHING:
        return _NOTHING, "estimate"
    return (None, None) if record.estimate is None else (exact(record.estimate), "estimate")


def fail(record: Record, error: SeedanceError, now: datetime) -> Record:
    """Take in that a request got no task.

    One that may have been charged is of unknown outcome, and its estimate stays reserved; else it failed and cost nothing.
    A request that was judged or answered meanwhile stays as it is.
    """
    if record.state not in {"reserved", "sending"}:
        return record
    failed = record._replace(overdue=False, error=error.message, error_code=error.code)
    if error.charged == "maybe":
        return failed._replace(state="unknown")
    return failed._replace(state="failed", settled=_NOTHING, settled_by="provider", completed_at=now)


def save(record: Record, saved: Saved) -> Record:
    """Note where the video of a request is kept."""
    return record._replace(saved=saved)


def is_of_unknown_outcome(record: Record) -> bool:
    """Say whether money is still reserved for a request though no answer is awaited."""
    return record.status == "unknown" and record.settled is None


def is_forgotten(record: Record) -> bool:
    """Say whether the provider does not know the task of a request any more; its estimate counts as spent."""
    return record.status == "unknown" and record.task_id is not None


def judge(record: Record, used: Decimal, others: Movements, now: datetime, *, only_one: bool) -> Verdict:
    """Say what the account's consumption proves about a request of unknown outcome.

    The verdict holds for an account that nothing but this ledger uses.

    Args:
        record: The request.
        used: What the account has used in all, in JimiCoin.
        others: What else may have moved it since the request was sent.
        now: When the account was asked.
        only_one: Whether this is the only request of unknown outcome.
    """
    if record.used_before is None or others.unanswered or others.failed:
        return Verdict("cannot tell")
    moved_in_all = used - record.used_before
    moved = None if others.unclear else moved_in_all - others.charged
    most = None if moved is None else moved + others.returnable
    age_seconds = (now - record.created_at).total_seconds()
    if age_seconds >= quiet_seconds(others) and not others.hidden and 0 in {moved_in_all, most}:
        return Verdict("not charged", _NOTHING, "balance")
    if only_one and moved is not None and moved > 0:
        return Verdict("charged", moved, "balance")
    return Verdict("cannot tell")


def quiet_seconds(others: Movements) -> float:
    """Give how old a request has to be before an account that did not move proves that it was not charged.

    A charge can come as late as the end of a task that nobody knows of, unless the provider was seen to charge earlier.
    """
    return JUDGED_AFTER_SECONDS if others.charges_before_end else RUNS_MOST_SECONDS


def is_settled_anew(before: Record, after: Record) -> bool:
    """Say whether a change of a request settled its money, for the first time or by a better source."""
    return after.settled_by is not None and (before.settled, before.settled_by) != (after.settled, after.settled_by)


def settled_anew(before: Record, after: Record) -> str | None:
    """Name the event that a request was settled by a report, or `None` where it was not."""
    return f"settled by {after.settled_by}" if is_settled_anew(before, after) else None


CHARGES = ("settled by provider", "settled by estimate")
"""Events at which a charge of a task may have moved the balance."""
BEFORE_END = ("reserved", "sending", "queued", "processing")
"""The events of a task that has not ended; a charge reported after no others came before its end."""
CHARGES_LOOKED_AT = 1000
"""In how many of the newest requests it is looked up when the provider charges a model, since it may change that."""


def settle(record: Record, verdict: Verdict) -> Record:
    """Replace a reservation by what a verdict says was charged; a request that was not charged may be made again.

    A request that has an outcome stays as it is, and one that is settled already changes only by the user's own verdict.
    """
    if record.adopted or record.status != "unknown" or (record.settled is not None and verdict.by != "person"):
        return record
    if verdict.amount is None:
        return record._replace(evidence=verdict.evidence)
    return record._replace(
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


def alike(finished: Sequence[Took], duration: int | None) -> list[float]:
    """Give the seconds that finished tasks took which are like a running one: of its duration, where there are any."""
    return [each.seconds for each in finished if each.duration == duration] or [each.seconds for each in finished]


def terms_of(price: Decimal | None, take: int | None) -> str:
    """Give what a confirmation is for beside the request itself: the price that was named, and the take where there is one."""
    return str(price) if take is None else f"{price} take {take}"


def token_fault(token: Token | None, fingerprint: str, terms: str, now: datetime) -> str | None:
    """Say why a token does not confirm a request on its terms, or `None` where it does."""
    if token is None:
        return "it is not one of ours"
    if token.used:
        return "it was used already"
    if token.expires_at < now:
        return "it has expired"
    if (token.fingerprint, token.terms) != (fingerprint, terms):
        return "it was given for another request, take or price"
    return None
