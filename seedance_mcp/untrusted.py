"""Makes foreign text, numbers and times safe to store and to show."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

_UNSAFE_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0000, 0x001F, "control characters of ASCII: line breaks, escapes of a terminal"),
    (0x007F, 0x009F, "delete, and the control characters of Latin-1"),
    (0x00AD, 0x00AD, "a hyphen that is not shown"),
    (0x034F, 0x034F, "a joiner that is not shown"),
    (0x061C, 0x061C, "a mark of direction"),
    (0x115F, 0x1160, "fillers of Hangul, which show nothing"),
    (0x17B4, 0x17B5, "vowels of Khmer that are not shown"),
    (0x180B, 0x180F, "variation selectors and a separator of Mongolian, none of which is shown"),
    (0x200B, 0x200F, "blanks without width, and marks of direction"),
    (0x2028, 0x202E, "line and paragraph breaks, and overrides of direction"),
    (0x2060, 0x206F, "joiners and operators without width, isolates of direction, and formats that are out of use"),
    (0x3164, 0x3164, "a filler of Hangul"),
    (0xD800, 0xDFFF, "halves of characters, which no JSON message can carry"),
    (0xFE00, 0xFE0F, "variation selectors: a row of them can carry any text unseen"),
    (0xFEFF, 0xFEFF, "a mark of byte order, a blank without width elsewhere"),
    (0xFFA0, 0xFFA0, "a filler of Hangul"),
    (0xFFF0, 0xFFFF, "marks of annotations, and what is no character"),
    (0x1BCA0, 0x1BCA3, "formats of shorthand"),
    (0x1D173, 0x1D17A, "formats of musical notes"),
    (0xE0000, 0xE0FFF, "tags, which repeat ASCII unseen, and more variation selectors"),
)
"""First and last code point of what steers a terminal, hides text or breaks a message, and what it is.

It holds all that Unicode calls "default ignorable", the code points that are shown by nothing.
"""

UNSAFE = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last, _ in _UNSAFE_RANGES)}]+")
"""Finds every run of unsafe characters."""

TEXT_MOST_CHARS = 500
ID_MOST_CHARS = 255
NAME_MOST_CHARS = 100
LINK_MOST_CHARS = 4096
"""Signed links of the known stores have less than half as many."""
_ID = re.compile(rf"[!-~]{{1,{ID_MOST_CHARS}}}")
_NAME = re.compile(rf"[\w.:/@+-]{{1,{NAME_MOST_CHARS}}}", re.ASCII)
_NOT_OF_A_LINK = re.compile(r'[^!-~]|["<>\\^`{|}]')
"""What stands escaped in a link, or it could hold sentences."""
_MILLISECONDS_FROM = 10**11
"""A larger time is in milliseconds: as seconds it would lie after the year 5000."""
_LARGEST_TIME = Decimal(10**14)
_LARGEST = Decimal(10**9)
"""No count and no sum of coins is larger: a larger number makes no sense."""


def sanitize(text: Any, most_chars: int = TEXT_MOST_CHARS) -> str:
    """Give foreign text with a blank for each run of unsafe characters, cut at a length.

    It can stand between double quotation marks: its own become single ones, so that nobody closes the quotation but us.
    """
    clean = UNSAFE.sub(" ", str(text)).replace('"', "'").strip()
    return clean if len(clean) <= most_chars else clean[: most_chars - 1] + "…"


def read_id(value: Any) -> str | None:
    """Read an identifier: visible ASCII, at most 255 characters long; `None` for anything else, such as a sentence or a 0."""
    text = str(value).strip() if isinstance(value, str | int) and value and value is not True else ""
    return text if _ID.fullmatch(text) else None


def read_name(value: Any) -> str | None:
    """Read the name of a model or a key; one that is no single plain word is marked as the provider's words."""
    if not isinstance(value, str | int) or not (text := sanitize(value, NAME_MOST_CHARS)):
        return None
    return text if _NAME.fullmatch(text) else f'the provider\'s words: "{text}"'


def read_link(value: Any, base_url: str | None = None) -> str | None:
    """Read a link as it stands in a message: blanks and foreign letters escaped, at most 4096 characters long.

    Args:
        value: What the provider wrote.
        base_url: What a path without a host lies below; without it only an absolute link is one.

    Returns:
        The link, whatever its scheme; `None` where it holds unsafe characters, names no plain host, or is too long.
    """
    if not isinstance(value, str) or not value or len(value) > LINK_MOST_CHARS or UNSAFE.search(value):
        return None
    try:
        link = urljoin(f"{base_url}/", value) if base_url else value
        host = urlsplit(link).netloc
    except ValueError:
        return None
    escaped = _NOT_OF_A_LINK.sub(lambda found: quote(found[0]), link)
    return escaped if _ID.fullmatch(host) and len(escaped) <= LINK_MOST_CHARS else None


def read_amount(value: Any) -> Decimal | None:
    """Read a finite number from 0 to 10⁹; `None` for anything else."""
    amount = read_number(value)
    return amount if amount is not None and amount >= 0 else None


def read_number(value: Any, largest: Decimal = _LARGEST) -> Decimal | None:
    """Read a finite number from `-largest` to `largest`; `None` for anything else.

    The sums of a provider that counts in binary end in noise such as 1.8800000000000001: 15 digits of a float are kept.
    """
    try:
        amount = Decimal(f"{value:.15g}" if isinstance(value, float) else str(value))
    except (InvalidOperation, ValueError):  # the latter: a whole number of thousands of digits
        return None
    return amount if amount.is_finite() and -largest <= amount <= largest else None  # `abs` would round, which can overflow


def read_time(value: Any) -> datetime | None:
    """Read Unix seconds or milliseconds, which the provider's examples mix; `None` for zero and what makes no sense."""
    amount = read_number(value, _LARGEST_TIME)
    if not amount or amount < 0:
        return None
    seconds = float(amount) / (1000 if amount >= _MILLISECONDS_FROM else 1)
    return datetime.fromtimestamp(seconds, UTC) if seconds < _MILLISECONDS_FROM else None
