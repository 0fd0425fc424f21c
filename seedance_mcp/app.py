"""What a running server holds, for every tool and resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from seedance_mcp.client import ProviderClient
from seedance_mcp.config import Settings
from seedance_mcp.ledger import Ledger
from seedance_mcp.pricing import PriceBook

Report = Callable[[float, str], Awaitable[None]]
"""Tells the waiting client a progress from 0 to 100 and a few words."""


@dataclass(slots=True)
class App:
    """One server's settings, provider, book and prices."""

    settings: Settings
    client: ProviderClient
    ledger: Ledger
    prices: PriceBook
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
