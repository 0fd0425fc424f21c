"""The numbers among the options of the command line, each within its bounds: types of `argparse`."""

from __future__ import annotations

from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation

MOST = 10**9
"""No amount of JimiCoin, and no count of rows, is larger."""
PORT_MOST = 65_535


def amount(text: str) -> Decimal:
    """Read an amount of JimiCoin; raises `ArgumentTypeError`."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("nan")
    if found.is_finite() and 0 <= found <= MOST:
        return found
    raise _refused(text, f"a number from 0 to {MOST}, in JimiCoin")


def count(text: str) -> int:
    """Read how many rows are wanted; raises `ArgumentTypeError`."""
    return _whole(text, MOST)


def port(text: str) -> int:
    """Read the number of a port, where 0 stands for a free one; raises `ArgumentTypeError`."""
    return _whole(text, PORT_MOST)


def _whole(text: str, most: int) -> int:
    try:
        found = int(text)
    except ValueError:
        found = -1
    if 0 <= found <= most:
        return found
    raise _refused(text, f"a whole number from 0 to {most}")


def _refused(text: str, allowed: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"was {text[:40]!a}; allowed: {allowed}")
