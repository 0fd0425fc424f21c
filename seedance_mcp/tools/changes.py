"""Reports changes of tasks and money to the observer, and judges requests of unknown outcome by the account."""

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
    """Report to the observer how a ledger row changed; gives `after`.

    A new status, progress, cost, task id or evidence is a change; a URL that was signed again is none.
    """
    if _state(before) != _state(after):
        with anyio.CancelScope(shield=True):  # no later poll would find this change
            await session.observer.task_changed(after)
    if after.settled is not None and (before.settled, before.settled_by) != (after.settled, after.settled_by):
        session.observer.money_settled(after)
    return after


def _state(record: Record) -> tuple[Any, ...]:
    return record.task_id, record.status, record.progress, record.cost, record.evidence


async def judge_unknown(session: Session, used: Decimal | None) -> list[Record]:
    """Judge every request of unknown outcome by what the account has used.

    Args:
        session: The view of any principal; requests of all principals are judged, since they share the account.
        used: What the account has used in all, in JimiCoin; `None` where the provider does not say.

    Returns:
        The requests whose outcome is still unknown.
    """
    unknown = await session.ledger.unknown_outcomes()
    judged = unknown if used is None else await reconcile(session.ledger, unknown, used, session.now())
    for before, after in zip(unknown, judged, strict=True):
        await publish_change(session, before, after)
    return [record for record in judged if is_of_unknown_outcome(record)]


async def reconcile_account(session: Session) -> None:
    """Ask for the account's balance where there is a request of unknown outcome to judge."""
    if await session.ledger.unknown_outcomes():
        await judge_unknown(session, await used_now(session.client))


async def used_now(client: ProviderClient) -> Decimal | None:
    """Ask what the account has used in all, in JimiCoin; `None` where no answer comes within `PATIENCE_SECONDS`."""
    with anyio.move_on_after(PATIENCE_SECONDS), suppress(SeedanceError):
        return (await client.get_user_balance()).used
    return None
