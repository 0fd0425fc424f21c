"""Text, numbers and times from strangers, made safe to store and to show."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Characters that steer a terminal or hide text, and halves of characters that no JSON message can carry."""

_MOST_CHARS = 500
_MILLISECONDS_FROM = 10**11
_LARGEST_TIME = Decimal(10**14)
_LARGEST = Decimal(10**9)
"""No count or sum of coins is larger: a larger number is nonsense."""


def sanitize(text: Any) -> str:
    """Give a stranger's words without control characters, at most 500 characters long."""
    clean = CONTROL.sub(" ", str(text)).strip()
    return clean if len(clean) <= _MOST_CHARS else clean[: _MOST_CHARS - 1] + "…"


def read_amount(value: Any) -> Decimal | None:
    """Read a finite number from 0 to 10⁹; `None` for anything else."""
    amount = read_number(value)
    return amount if amount is not None and amount >= 0 else None


def read_number(value: Any, largest: Decimal = _LARGEST) -> Decimal | None:
    """Read a finite number whose size is at most `largest`; `None` for anything else."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) <= largest else None


def read_time(value: Any) -> datetime | None:
    """Read Unix seconds or milliseconds, which the provider's examples mix; `None` for zero and nonsense."""
    amount = read_number(value, _LARGEST_TIME)
    if not amount or amount < 0:
        return None
    seconds = float(amount) / (1000 if amount >= _MILLISECONDS_FROM else 1)
    return datetime.fromtimestamp(seconds, UTC) if seconds < _MILLISECONDS_FROM else None
