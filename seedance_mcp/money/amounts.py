"""Amounts as the ledger keeps them: whole billionths of a JimiCoin where they are summed, text where they are not."""

from __future__ import annotations

from decimal import Decimal

NANO = 10**9
"""Parts of a coin: sums of whole numbers stay exact."""


def to_nano(amount: Decimal) -> int:
    """Give an amount in billionths of a coin, rounded to the nearest one."""
    return int((amount * NANO).to_integral_value())


def from_nano(nano: int) -> Decimal:
    """Give the amount of so many billionths of a coin."""
    return (Decimal(nano) / NANO).normalize() + 0


def exact(amount: Decimal) -> Decimal:
    """Give an amount as it is read back after it was summed."""
    return from_nano(to_nano(amount))


def to_text(amount: Decimal | None) -> str | None:
    """Write an amount that is kept and never summed."""
    return None if amount is None else str(amount)


def from_text(text: str | None) -> Decimal | None:
    """Read an amount that was kept as text."""
    return None if text is None else Decimal(text)
