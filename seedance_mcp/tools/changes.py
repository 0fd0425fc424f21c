"""Reports changes of tasks and money to the observer, and judges requests of unknown outcome by the account."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal

import anyio

from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.policy import is_of_unknown_outcome, is_settled_anew
from seedance_mcp.money.prices import PATIENCE_SECONDS
from seedance_mcp.money.reconcile import reconcile
from seedance_mcp.money.records import Record
from seedance_mcp.tools.session import Session


async def publish_change(session: Session, before: Record, after: Record) -> Record:
    """Report to the observer how a ledger row changed; gives `after`.

    A new status, progress, cost, task id or evidence is a change; a URL that was signed again is none.
    """
    if before.news != after.news:
        with anyio.CancelScope(shield=True):  # no later poll would find this change
            await session.observer.task_changed(after)
    if is_settled_anew(before, after):
        session.observer.money_settled(after)
    return after


async def write_again(session: Session, task_id: str) -> Record | None:
    """Write down a task of this principal that was paid and could not be written down; `None` where there is none."""
    principal, request_id, task = session.shared.unwritten.get(task_id, (None, "", None))
    if task is None or principal != session.principal:
        return None
    record = await session.ledger.observe(request_id, task)
    del session.shared.unwritten[task_id]
    return record


async def sharing_warnings(session: Session, record: Record) -> list[str]:
    """Give a warning where the provider gave one task to several requests; none for none."""
    others = await session.ledger.sharing(record)
    told = "The provider gave this task id to other requests as well ({}): tell the user, each may have been charged."
    return [told.format(", ".join(others))] if others else []


async def judge_unknown(session: Session, used: Decimal | None, asked_at: datetime) -> list[Record]:
    """Judge every request of unknown outcome by what the account has used.

    Args:
        session: The view of any principal; requests of all principals are judged, since they share the account.
        used: What the account has used in all, in JimiCoin; `None` where the provider does not say.
        asked_at: When the account was asked.

    Returns:
        The requests whose outcome is still unknown.
    """
    unknown = await _unknown(session)
    is_over = {record.request_id: _is_surely_interrupted(session, record) for record in unknown}
    judged = unknown
    if used is not None:
        judged = await reconcile(session.ledger, unknown, used, asked_at, lambda record: is_over[record.request_id])
    for before, after in zip(unknown, judged, strict=True):
        await publish_change(session, before, after)
    return [record for record in judged if is_of_unknown_outcome(record)]


async def _unknown(session: Session) -> list[Record]:
    """Give the requests of unknown outcome, after this process said what it awaits and released what never left."""
    await keep_awaiting(session)
    await session.ledger.release_unsent()
    return await session.ledger.unknown_outcomes()


WATCHED_SECONDS = 30.0
"""A process that awaits an answer says so twice within this time, whatever the wall clock does."""


def _is_surely_interrupted(session: Session, record: Record) -> bool:
    """Say whether nobody awaits the answer any more: a request that only seems old after the clock jumped is watched first."""
    if record.state != "sending":
        return True
    watched, now = session.shared.watched, anyio.current_time()
    awaited_at, since = watched.get(record.request_id, (None, now))
    if awaited_at != record.awaited_at or record.request_id not in watched:
        watched[record.request_id] = record.awaited_at, now
        return False
    return now - since >= WATCHED_SECONDS


async def keep_awaiting(session: Session) -> None:
    """Say that this process still awaits its answers, whatever the clock did meanwhile: no age says that."""
    for request_id, ledger in list(session.shared.awaiting.items()):
        await ledger.keep_awaiting(request_id)


async def reconcile_account(session: Session) -> None:
    """Ask for the account's balance where there is a request of unknown outcome to judge."""
    if await _unknown(session):
        asked_at = session.now()
        await judge_unknown(session, await used_now(session), asked_at)


async def used_now(session: Session) -> Decimal | None:
    """Ask what the account has used in all, in JimiCoin; `None` where no answer comes within `PATIENCE_SECONDS`."""
    with anyio.move_on_after(PATIENCE_SECONDS), suppress(SeedanceError):
        return (await session.client.get_user_balance()).used
    return None
