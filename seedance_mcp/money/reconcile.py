"""Judges requests of unknown outcome by how the account's consumption moved."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import JUDGED_AFTER_SECONDS, Record


def reconcile(ledger: Ledger, lost: list[Record], used: Decimal, now: datetime) -> list[Record]:
    """Judge all `lost` answers by how the account's consumption moved; gives those that stay unclear.

    What is certain is settled and its reservation released. The judgement holds for an account that nobody else uses.
    """
    judged = [_judge(ledger, record, used, now, alone=len(lost) == 1) for record in lost]
    return [record for record in judged if record.settled is None]


def _judge(ledger: Ledger, record: Record, used: Decimal, now: datetime, *, alone: bool) -> Record:
    if record.used_before is None or ledger.disturbed(record):
        return ledger.doubt(record)
    moved = used - record.used_before - ledger.charged_since(record)
    if moved == 0 and (now - record.created_at).total_seconds() >= JUDGED_AFTER_SECONDS:
        return ledger.settle(record, Decimal(0), "balance", "not charged")
    if alone and record.estimate is not None and moved == record.estimate > 0:
        return ledger.settle(record, moved, "balance", "charged")
    return ledger.doubt(record)
