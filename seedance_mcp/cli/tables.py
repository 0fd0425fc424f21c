"""Shows the ledger as tables for a terminal."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from seedance_mcp.cli.screen import bar
from seedance_mcp.money.records import AssetReference, Film, ModelSpending, NamedAsset, Page, Spent, Totals
from seedance_mcp.server.markdown import table
from seedance_mcp.untrusted import sanitize


def tasks_table(page: Page) -> str:
    """Show requests, one line each, and how many there are in all."""
    shared = any(record.principal for record in page.records)
    rows = [
        (
            f"{record.created_at:%Y-%m-%d %H:%M}",
            *([_caller(record.principal)] if shared else []),
            record.status,
            record.model or "",
            _coins(record.estimate),
            _coins(record.settled),
            record.key,
            _cell(record.prompt or ""),
        )
        for record in page.records
    ]
    callers = ["Caller"] if shared else []
    made = table(("Made (UTC)", *callers, "Status", "Model", "Estimate", "Charged", "Task", "Prompt"), rows)
    return f"{made}\n{len(page.records)} of {page.total}"


def films_table(films: list[tuple[Film, Decimal]]) -> str:
    """Show joined films, one line each, with what their parts cost in JimiCoin."""
    rows = [
        (f"{film.created_at:%Y-%m-%d %H:%M}", f"{film.seconds:.2f}", str(len(film.parts)), f"{cost:f}", film.saved.uri)
        for film, cost in films
    ]
    return table(("Joined (UTC)", "Seconds", "Clips", "Their cost", "Film"), rows)


def _coins(amount: Decimal | None) -> str:
    return "?" if amount is None else f"{amount:f}"


def _cell(text: str) -> str:
    """Make a prompt fit for a cell: it can break neither the table nor the terminal."""
    clean = sanitize(text).replace("|", "/")
    return clean if len(clean) <= _CELL_CHARS else f"{clean[:_CELL_CHARS]}…"


_CELL_CHARS = 40


def models_spending_table(models: list[ModelSpending]) -> str:
    """Show spending by model."""
    rows = [(each.model, str(each.requests), f"estimate {each.estimated:f}, charged {each.charged:f}") for each in models]
    return table(("Model", "Videos", "Estimate and charge"), rows)


def callers_table(spent: dict[str, Spent]) -> str:
    """Show spending by caller."""
    rows = [(_caller(name), f"{each.today:f}", f"{each.total:f}", f"{each.reserved:f}") for name, each in spent.items()]
    return table(("Caller", "Today", "In total", "Of this reserved"), rows)


def sums_of(by: str, sums: dict[str, dict[str, Totals]]) -> dict[str, Totals]:
    """Bring the sums of callers together: by caller, or by the name within, in the order of the names."""
    if by == "principal":
        return {_caller(name): sum(each.values(), Totals()) for name, each in sums.items()}
    names = sorted({name for each in sums.values() for name in each})
    return {_cell(name) or "(none)": sum((each.get(name, Totals()) for each in sums.values()), Totals()) for name in names}


def sums_table(by: str, sums: dict[str, Totals]) -> str:
    """Show sums by caller, project or model, and their sum."""
    every = {**sums, "In all": sum(sums.values(), Totals())}
    rows = [
        (
            name,
            str(each.count),
            *(f"{amount:f}" for amount in (each.estimated, each.charged, each.reserved)),
            str(each.unsaved),
        )
        for name, each in every.items()
    ]
    head = "Caller" if by == "principal" else by.capitalize()
    return table((head, "Requests", "Estimated", "Charged", "Reserved", "Not saved"), rows)


def days_table(days: dict[date, Totals], bar_columns: int) -> str:
    """Show what each day cost, with what is reserved; bars of at most so many columns, or none."""
    spent = {day: each.charged + each.reserved for day, each in days.items()}
    most = float(max(spent.values()))
    rows = [
        (f"{day}", str(each.count), f"{spent[day]:f}", *([bar(float(spent[day]), most, bar_columns)] if bar_columns else []))
        for day, each in days.items()
    ]
    return table(("Day (UTC)", "Requests", "Spent", *([" "] if bar_columns else [])), rows)


def assets_table(assets: list[tuple[NamedAsset, list[AssetReference]]]) -> str:
    """Show named assets, and the routes that have a reference of them."""
    rows = [
        (f"@{asset.name}", asset.kind, f"{asset.size_bytes}", _cell(asset.source), " ".join(each.route for each in made))
        for asset, made in assets
    ]
    return table(("Name", "Kind", "Bytes", "Source", "Used with"), rows)


def _caller(name: str) -> str:
    return _cell(name) or "(this machine)"


def spending_totals(spent: list[Spent], limits: dict[str, Decimal], currency: str) -> str:
    """Show the totals of some callers and the limits, by the name of their setting; amounts are in `currency`."""
    today = sum((each.today for each in spent), Decimal(0))
    total = sum((each.total for each in spent), Decimal(0))
    reserved = sum((each.reserved for each in spent), Decimal(0))
    part = f" ({reserved:f} of this is reserved and not settled)" if reserved else ""
    allowed = ", ".join(f"{name} {limit:f}" for name, limit in limits.items()) or "none"
    each = " for each caller" if len(spent) > 1 else ""
    return f"Today {today:f}, in total {total:f} {currency}{part}. Limits{each}: {allowed}."
