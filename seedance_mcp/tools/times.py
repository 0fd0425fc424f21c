"""Reads the times that agents name: a day, a time, or so long ago; an agent often does not know what day it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from seedance_mcp.errors import InvalidRequest

ALLOWED = "a day (2026-07-01), a time (2026-07-01T12:00:00Z), today, or so long ago (7d, 12h)"
_AGO = re.compile(r"([0-9]{1,5})([dh])")
_DAY_CHARS = 10


def read_time(field: str, text: str, now: datetime, *, whole_day: bool = False) -> datetime:
    """Read a time of day in UTC; `whole_day` gives the end of a named day, which belongs to the span then.

    Raises:
        InvalidRequest: The text names no time.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        unit = timedelta(days=1) if ago[2] == "d" else timedelta(hours=1)
        return max(now - int(ago[1]) * unit, datetime(1971, 1, 1, tzinfo=UTC))
    named = f"{now:%Y-%m-%d}" if text.strip() == "today" else text.strip()
    try:
        found = datetime.fromisoformat(named)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        return found + timedelta(days=1) if whole_day and len(named) == _DAY_CHARS else found
    except (ValueError, OverflowError) as error:
        shown = text[:40]
        raise InvalidRequest(f'{field} was "{shown}"; allowed: {ALLOWED}.', field=field, allowed=ALLOWED) from error
