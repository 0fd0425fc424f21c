"""Judges requests of unknown outcome by how much the account has used since they were sent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from seedance_mcp.money import policy
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import Record


async def reconcile(ledger: Ledger, records: list[Record], used: Decimal, now: datetime) -> list[Record]:
    """Judge every request of unknown outcome, and release or settle what is certain.

    The judgement holds for an account that nothing but this ledger uses.

    Args:
        ledger: Where the verdicts are kept.
        records: All requests of unknown outcome, of every principal.
        used: What the account has used in all, in JimiCoin.
        now: When the account said so.

    Returns:
        The same requests as they are afterwards.
    """
    only_one = len(records) == 1
    return [await _judge(ledger, record, used, now, only_one=only_one) for record in records]


async def _judge(ledger: Ledger, record: Record, used: Decimal, now: datetime, *, only_one: bool) -> Record:
    others = await ledger.movements(record)
    return await ledger.settle(record, policy.judge(record, used, others, now, only_one=only_one))
