"""When frames are shown: how long after a moment, and how many a second."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TypeVar

_MPEG_PERIOD = Fraction(2**33, 90_000)
"""Seconds after which the clock of MPEG streams begins anew: a time a little before zero is written as one a day later."""
_Seconds = TypeVar("_Seconds", float, Fraction)


def seconds_since(start: _Seconds, moment: _Seconds) -> _Seconds:
    """Give the time from one moment of a file's clock to another, whichever way is the shorter."""
    passed = moment - start
    rounds = round(passed / _MPEG_PERIOD)
    return passed - rounds * type(passed)(_MPEG_PERIOD) if rounds else passed


def rate_of(times: list[int | None], tick_seconds: Fraction) -> Fraction | None:
    """Give the rate of frames without the pauses between some of them; `None` where a time is missing, or all are one.

    A header may count a pause, or the offset of a fragment, as the length of a frame: a mean over the whole file is then no
    rate that a frame has.

    Args:
        times: When each frame is shown, in ticks, in any order.
        tick_seconds: How long a tick lasts.
    """
    shown = sorted({each for each in times if each is not None})
    steps = sorted(after - before for before, after in pairwise(shown))
    if None in times or not steps:
        return None
    usual = steps[len(steps) // 2]
    near = [each for each in steps if 2 * usual <= 3 * each and 2 * each <= 3 * usual]
    return Fraction(len(near)) / (sum(near) * tick_seconds)
