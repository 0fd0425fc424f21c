"""The tool that reports money: the account's, the key's, and what this server spent."""

from __future__ import annotations

from decimal import Decimal

from seedance_mcp.money.gate import limits_for
from seedance_mcp.tools.arguments import NoArguments
from seedance_mcp.tools.changes import judge_unknown
from seedance_mcp.tools.results import AccountBalance, Balance, KeyBalance, Spending
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.tools.variables import ignored_variables
from seedance_mcp.tools.views import as_float

_UNSETTLED = (
    "Requests of unknown outcome keep their money reserved. An account that did not move proves that one was not charged: "
    "after 2 minutes where the provider was seen to charge its model while a video was made, else after 7 days, since the "
    "charge may come at the end. Tell the user: whoever runs this server can look it up in the provider's console at any "
    "time, and settle it with `seedance-mcp settle REQUEST_ID charged` or `not-charged`."
)


async def get_balance(session: Session, arguments: NoArguments, caller: Caller) -> Balance:
    """Ask for the account's and the key's money, and judge requests of unknown outcome by it."""
    asked_at = session.now()
    account, key = await session.client.get_user_balance(), await session.client.get_key_balance()
    unknown = await judge_unknown(session, account.used, asked_at)
    unclear = [record.request_id for record in unknown if record.principal == session.principal]
    spent = await session.ledger.spent()
    limits = limits_for(session.settings, spent.principal)
    day = limits.get("max_cost_per_day")
    return Balance(
        currency=session.edition.currency,
        account=AccountBalance(
            balance=as_float(account.balance),
            used=as_float(account.used),
            available=as_float(account.available),
        ),
        key=KeyBalance(
            name=key.name,
            total_quota=as_float(key.total),
            used_quota=as_float(key.used),
            available_quota=as_float(key.available),
            unlimited=key.unlimited,
        ),
        spent_here=Spending(today=float(spent.today), total=float(spent.total), reserved=float(spent.reserved)),
        limits={name: float(limit) for name, limit in limits.items()},
        left_today=None if day is None else float(max(Decimal(0), day - spent.today)),
        unclear=unclear,
        warnings=[*([_UNSETTLED] if unclear else []), *ignored_variables()],
    )
