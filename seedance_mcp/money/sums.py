"""What lists and sums of requests count, as pure functions; every implementation of the ledger uses them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from seedance_mcp.money.amounts import exact
from seedance_mcp.money.policy import reserved
from seedance_mcp.money.records import ModelSpending, Record, State, Totals, Wanted

_NOTHING = Decimal(0)


def kept(record: Record) -> bool | None:
    """Say whether a finished video is saved; `None` where there is no finished video."""
    return record.saved is not None if record.state == "completed" else None


def fits(record: Record, wanted: Wanted) -> bool:
    """Say whether a request is one of those that are asked for."""
    return (
        wanted.status in {None, record.status}
        and wanted.project in {None, record.project}
        and (wanted.since is None or record.created_at >= wanted.since)
        and (wanted.until is None or record.created_at < wanted.until)
        and (wanted.saved is None or kept(record) is wanted.saved)
    )


def totals_of(record: Record) -> Totals:
    """Give what one request adds to the totals."""
    estimated = exact(record.estimate or _NOTHING)
    return Totals(1, estimated, record.settled or _NOTHING, reserved(record), int(kept(record) is False))


def counts_as_video(state: State) -> bool:
    """Say whether a settled request of this state belongs into a comparison of estimates with charges."""
    return state != "failed"


def add_up(parts: Iterable[ModelSpending]) -> list[ModelSpending]:
    """Give one sum for each model, in the order of their names."""
    sums: dict[str, ModelSpending] = {}
    for part in parts:
        sums[part.model] = sums[part.model] + part if part.model in sums else part
    return [sums[model] for model in sorted(sums)]
