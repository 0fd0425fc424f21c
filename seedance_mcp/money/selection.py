"""Which requests a filter selects and what each adds to the sums, as pure functions like those of `policy`."""

from __future__ import annotations

from decimal import Decimal

from seedance_mcp.money import policy
from seedance_mcp.money.amounts import exact
from seedance_mcp.money.records import Record, Totals, Wanted


def fits(record: Record, wanted: Wanted) -> bool:
    """Say whether a request is one of those that are asked for."""
    return (
        wanted.status in {None, record.status}
        and wanted.project in {None, record.project}
        and (wanted.since is None or record.created_at >= wanted.since)
        and (wanted.until is None or record.created_at < wanted.until)
        and (wanted.saved is None or policy.kept(record) is wanted.saved)
    )


def totals_of(record: Record) -> Totals:
    """Give what one request adds to the totals."""
    estimated = exact(record.estimate or Decimal(0))
    return Totals(1, estimated, record.settled or Decimal(0), policy.reserved(record), int(policy.kept(record) is False))
