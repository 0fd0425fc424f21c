"""Finds finished videos whose URLs expire, each by the lifetime that the edition states for its model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import Models, Page, Record


async def find_expiring(ledger: Ledger, edition: Edition, age_of: Callable[[int], float], limit: int) -> Page:
    """Give finished videos that are not saved and whose URLs still work, those that expire first at the head.

    Args:
        ledger: One principal's view.
        edition: The lifetimes of URLs.
        age_of: Gives for a lifetime in seconds how old a video must be at least, in seconds.
        limit: How many at most.
    """
    usual, own = edition.url_lifetime_seconds.value, edition.own_lifetimes
    groups = {lives: Models(names, others=False) for lives, names in own.items()}
    groups[usual] = Models(tuple(name for names in own.values() for name in names), others=True)
    pages = [await ledger.expiring(age_of(lives), lives, limit, models) for lives, models in groups.items()]
    records = sorted((each for page in pages for each in page.records), key=lambda each: _expires_at(edition, each))
    return Page(records[:limit], sum(page.total for page in pages))


def _expires_at(edition: Edition, record: Record) -> float:
    lives = timedelta(seconds=edition.url_lifetime_seconds_of(record.model))
    return ((record.completed_at or record.created_at) + lives).timestamp()
