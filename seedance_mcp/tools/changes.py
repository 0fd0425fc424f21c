"""What follows a change: subscribers hear of it, and requests of unknown outcome are judged by the account."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio

from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.policy import is_of_unknown_outcome
from seedance_mcp.money.prices import PATIENCE_SECONDS
from seedance_mcp.money.reconcile import reconcile
from seedance_mcp.money.records import Record
from seedance_mcp.tools.session import Session

if TYPE_CHECKING:
    from seedance_mcp.provider.client import ProviderClient


async def publish_change(session: Session, before: Record, after: Record) -> Record:
    """The row as it is now; whoever listens is told if that is another state (a link that was signed anew is none)."""
    if _state(before) != _state(after):
        with anyio.CancelScope(shield=True):  # no later look would find a change to tell
            await session.observer.task_changed(after)
    if after.settled is not None and (before.settled, before.settled_by) != (after.settled, after.settled_by):
        session.observer.money_settled(after)
    return after


def _state(record: Record) -> tuple[Any, ...]:
    return record.task_id, record.status, record.progress, record.cost, record.evidence


async def judge_unknown(session: Session, used: Decimal | None) -> list[Record]:
    """Judge lost answers by what the account has used, as far as that is told; gives those that stay unclear."""
    lost = await session.ledger.unknown_outcomes()
    judged = lost if used is None else await reconcile(session.ledger, lost, used, session.now())
    for before, after in zip(lost, judged, strict=True):
        await publish_change(session, before, after)
    return [record for record in judged if is_of_unknown_outcome(record)]


async def reconcile_account(session: Session) -> None:
    """Look at the balance where an answer was lost."""
    if await session.ledger.unknown_outcomes():
        await judge_unknown(session, await used_now(session.client))


async def used_now(client: ProviderClient) -> Decimal | None:
    """The account's consumption, or `None` where it is not told within two seconds."""
    with anyio.move_on_after(PATIENCE_SECONDS), suppress(SeedanceError):
        return (await client.get_user_balance()).used
    return None
