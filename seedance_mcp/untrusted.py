"""Makes foreign text, numbers and times safe to store and to show."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

_UNSAFE_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0000, 0x001F, "control characters of ASCII: line breaks, escapes of a terminal"),
    (0x007F, 0x009F, "delete, and the control characters of Latin-1"),
    (0x200B, 0x200F, "blanks without width, and marks of direction"),
    (0x2028, 0x202E, "line and paragraph breaks, and overrides of direction"),
    (0x2066, 0x2069, "isolates of direction"),
    (0xD800, 0xDFFF, "halves of characters, which no JSON message can carry"),
)
"""First and last code point of what steers a terminal, hides text or breaks a message, and what it is."""

UNSAFE = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last, _ in _UNSAFE_RANGES)}]+")
"""Finds every run of unsafe characters."""

TEXT_MOST_CHARS = 500
_MILLISECONDS_FROM = 10**11
"""A larger time is in milliseconds: as seconds it would lie after the year 5000."""
_LARGEST_TIME = Decimal(10**14)
_LARGEST = Decimal(10**9)
"""No count and no sum of coins is larger: a larger number makes no sense."""


def sanitize(text: Any) -> str:
    """Give foreign text with a blank for each run of unsafe characters, at most 500 characters long."""
    clean = UNSAFE.sub(" ", str(text)).strip()
    return clean if len(clean) <= TEXT_MOST_CHARS else clean[: TEXT_MOST_CHARS - 1] + "…"


def read_amount(value: Any) -> Decimal | None:
    """Read a finite number from 0 to 10⁹; `None` for anything else."""
    amount = read_number(value)
    return amount if amount is not None and amount >= 0 else None


def read_number(value: Any, largest: Decimal = _LARGEST) -> Decimal | None:
    """Read a finite number from `-largest` to `largest`; `None` for anything else."""
    try:
        amount = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return amount if amount.is_finite() and -largest <= amount <= largest else None  # abs() of 1e1000000 would raise


def read_time(value: Any) -> datetime | None:
    """Read Unix seconds or milliseconds, which the provider's examples mix; `None` for zero and what makes no sense."""
    amount = read_number(value, _LARGEST_TIME)
    if not amount or amount < 0:
        return None
    seconds = float(amount) / (1000 if amount >= _MILLISECONDS_FROM else 1)
    return datetime.fromtimestamp(seconds, UTC) if seconds < _MILLISECONDS_FROM else None
