"""The tool that looks at money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from seedance_mcp.tools.arguments import NoArguments
from seedance_mcp.tools.changes import judge_unknown
from seedance_mcp.tools.results import AccountBalance, Balance, KeyBalance, Spending
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.untrusted import read_amount, read_number, sanitize


async def get_balance(session: Session, arguments: NoArguments, caller: Caller) -> Balance:
    """Look at the account and the key, and judge requests whose answer was lost by what they say."""
    account, key = await session.client.get_user_balance(), await session.client.get_key_balance()
    unclear = await judge_unknown(session, read_amount(account.get("used_coin")))
    spent, day = session.ledger.spent(), session.settings.max_cost_per_day
    return Balance(
        currency=session.edition.currency,
        account=AccountBalance(
            balance=read_float(account, "balance"),
            used=read_float(account, "used_coin"),
            available=read_float(account, "available"),
        ),
        key=KeyBalance(
            name=sanitize(key["name"]) if key.get("name") else None,
            total_quota=read_float(key, "total_quota"),
            used_quota=read_float(key, "used_quota"),
            available_quota=read_float(key, "available_quota"),
            unlimited=bool(key.get("unlimited")),
        ),
        spent_here=Spending(today=float(spent.today), total=float(spent.total), reserved=float(spent.held)),
        limits={name: float(limit) for name, limit in session.settings.limits.items()},
        left_today=None if day is None else float(max(Decimal(0), day - spent.today)),
        unclear=[record.request_id for record in unclear if record.principal == session.principal],
    )


def read_float(data: dict[str, Any], name: str) -> float | None:
    """A figure of the provider's, or `None` where it told none."""
    amount = read_number(data.get(name))
    return None if amount is None else float(amount)
