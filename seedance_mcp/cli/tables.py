"""Shows the ledger as tables for a terminal."""

from __future__ import annotations

from decimal import Decimal

from seedance_mcp.money.records import ModelSpending, Page, Spent
from seedance_mcp.server.resources import table
from seedance_mcp.untrusted import sanitize


def tasks_table(page: Page) -> str:
    """Show requests, one line each, and how many there are in all."""
    rows = [
        (
            f"{record.created_at:%Y-%m-%d %H:%M}",
            record.status,
            record.model or "",
            _coins(record.estimate),
            _coins(record.settled),
            record.task_id or record.request_id,
            _cell(record.prompt or ""),
        )
        for record in page.records
    ]
    made = table(("Made (UTC)", "Status", "Model", "Estimate", "Charged", "Task", "Prompt"), rows)
    return f"{made}\n{len(page.records)} of {page.total}"


def _coins(amount: Decimal | None) -> str:
    return "?" if amount is None else f"{amount:f}"


def _cell(text: str) -> str:
    """Make a prompt fit for a cell: it can break neither the table nor the terminal."""
    clean = sanitize(text).replace("|", "/")
    return clean if len(clean) <= _CELL_CHARS else f"{clean[:_CELL_CHARS]}…"


_CELL_CHARS = 40


def spending_text(spent: Spent, models: list[ModelSpending], limits: dict[str, Decimal], currency: str) -> str:
    """Show spending by model, its totals and the limits, by the name of their setting; amounts are in `currency`."""
    rows = [(each.model, str(each.requests), f"estimate {each.estimated:f}, charged {each.charged:f}") for each in models]
    reserved = f" ({spent.reserved:f} of this is reserved and not settled)" if spent.reserved else ""
    allowed = ", ".join(f"{name} {limit:f}" for name, limit in limits.items()) or "none"
    return (
        f"{table(('Model', 'Videos', 'Estimate and charge'), rows)}\n"
        f"Today {spent.today:f}, in total {spent.total:f} {currency}{reserved}. Limits: {allowed}."
    )
