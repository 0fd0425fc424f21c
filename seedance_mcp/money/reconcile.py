"""Judges requests of unknown outcome by how much the account has used since they were sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import Record


async def reconcile(
    ledger: Ledger, records: list[Record], used: Decimal, asked_at: datetime, may_be_judged: Callable[[Record], bool]
) -> list[Record]:
    """Judge requests of unknown outcome, and release or settle what is certain.

    The judgement holds for an account that nothing but this ledger uses.

    Args:
        ledger: Where the verdicts are kept.
        records: All requests of unknown outcome, of every principal.
        used: What the account has used in all, in JimiCoin.
        asked_at: When the account was asked: what happened since then it may not have counted.
        may_be_judged: Whether a request is one to judge; another one may still be answered.

    Returns:
        The same requests as they are afterwards.
    """
    only_one = len(records) == 1
    judged = list(records)
    for place, record in enumerate(records):
        if may_be_judged(record):
            judged[place] = await ledger.judge(record, used, asked_at, only_one=only_one)
    return judged
