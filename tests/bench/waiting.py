"""Polls and lag of waiting: beside fixed polling, and beside the best that any schedule could do.

A lag is the time a finished video lies unseen. Times are drawn from made-up distributions, as no provider publishes its own,
and, if SEEDANCE_DATA_DIR names one, from the ledger of an operator: each video is waited for with those before it as history.
"""

from __future__ import annotations

import math
import os
import random
import sqlite3
import statistics
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from kit import Row

from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.polling.schedule import LONGEST_PAUSE_INTERVALS, Forecast

FLOOR_SECONDS, LONGEST_SECONDS = 5.0, 5.0 * LONGEST_PAUSE_INTERVALS
DRAWS, HISTORIES, HISTORY = 600, 20, 40
STEP_SECONDS = 1.0
Outcome = tuple[float, float]
Draw = Callable[[random.Random], float]
Progress = Callable[[float], int]


def log_normal(middle: float, spread: float) -> Draw:
    """Times around a middle."""
    return lambda source: middle * math.exp(source.gauss(0, spread))


USUAL = "2 min ±20 %"
DISTRIBUTIONS: dict[str, Draw] = {
    USUAL: log_normal(120, 0.2),
    "2 min ±50 %": log_normal(120, 0.5),
    "5 min ±20 %": log_normal(300, 0.2),
    "1 or 4 min": lambda source: log_normal(source.choice((60, 240)), 0.12)(source),
    "1.5 min and a queue": lambda source: 90 + source.expovariate(1 / 30),
}


def no_progress(share: float) -> int:
    """A provider that tells nothing."""
    return 0


def fair_progress(share: float) -> int:
    """A provider that tells the truth."""
    return int(share * 100)


def ours(took: float, past: list[float], progress: Progress) -> Outcome:
    """Polls and lag of our schedule for one video."""
    now, looks = 0.0, 0
    while now < took:
        now += Forecast.of(past, now, progress(now / took), FLOOR_SECONDS).pause_seconds()
        looks += 1
    return looks, now - took


def fixed(took: float, pause: float) -> Outcome:
    """Polls and lag of polling at a fixed pause."""
    looks = math.ceil(took / pause)
    return looks, looks * pause - took


def mean(outcomes: Iterator[Outcome]) -> Outcome:
    """Polls and lag per video."""
    looks, lags = zip(*outcomes, strict=True)
    return statistics.mean(looks), statistics.mean(lags)


def fixed_with(looks: float, draws: list[float]) -> float:
    """The lag of fixed polling at that pause which takes as many looks."""
    low, high = 0.1, 2000.0
    for _ in range(40):
        pause = math.sqrt(low * high)
        low, high = (pause, high) if mean(fixed(took, pause) for took in draws)[0] > looks else (low, pause)
    return mean(fixed(took, high) for took in draws)[1]


class Optimum:
    """The best schedule for a known distribution with pauses between floor and ceiling, by dynamic programming.

    From the last moment backwards: of all next looks the one is taken that costs least, a look counted as `price` seconds.
    """

    def __init__(self, draws: list[float]) -> None:
        """Take what videos took; keeps what share still runs at each step, and the sum of that."""
        ordered, last = sorted(draws), int((max(draws) + LONGEST_SECONDS) / STEP_SECONDS) + 2
        self._runs = [1 - bisect_right(ordered, step * STEP_SECONDS) / len(draws) for step in range(last)]
        self._sum = [0.0]
        for one, other in zip(self._runs, self._runs[1:], strict=False):
            self._sum.append(self._sum[-1] + STEP_SECONDS * (one + other) / 2)

    def _lag(self, step: int, later: int) -> float:
        """What a look at `later` after one at `step` leaves unseen in the mean."""
        end = self._sum[min(later, len(self._sum) - 1)]
        return (later - step) * STEP_SECONDS * self._runs[step] - (end - self._sum[step])

    def _at(self, price: float) -> Outcome:
        first, last = round(FLOOR_SECONDS / STEP_SECONDS), round(LONGEST_SECONDS / STEP_SECONDS)
        size = len(self._runs)
        cost, looks, lags = ([0.0] * (size + last + 1) for _ in range(3))
        for step in range(size - 1, -1, -1):
            if self._runs[step] > 0:
                later = min(range(step + first, step + last + 1), key=lambda at: self._lag(step, at) + cost[at])
                looks[step] = self._runs[step] + looks[later]
                lags[step] = self._lag(step, later) + lags[later]
                cost[step] = price * looks[step] + lags[step]
        return looks[0], lags[0]

    def lag_with(self, looks: float) -> float:
        """The least lag with as many looks, between the two nearest prices."""
        low, high = 1e-3, 200.0
        for _ in range(14):
            price = math.sqrt(low * high)
            low, high = (price, high) if self._at(price)[0] > looks else (low, price)
        (more, less_lag), (fewer, more_lag) = self._at(low), self._at(high)
        share = (looks - fewer) / (more - fewer) if more > fewer else 0.0
        return more_lag + min(1.0, max(0.0, share)) * (less_lag - more_lag)


def rows_of(name: str, draws: list[float], pasts: list[list[float]]) -> Iterator[Row]:
    """One distribution, without and with a progress that can be trusted."""
    for progress, known in ((no_progress, "history"), (fair_progress, "history and progress")):
        looks, lag = mean(ours(took, past, progress) for took, past in zip(draws, pasts, strict=True))
        what = f"wait, {name}, {known}: lag with {looks:.1f} looks"
        yield Row(what, lag, "s", "fixed, as many looks", fixed_with(looks, draws), "0.5")
        if progress is no_progress:
            yield Row(what, lag, "s", "optimum, as many looks", Optimum(draws).lag_with(looks), "1.3")


def beside_fixed(draws: list[float], pasts: list[list[float]]) -> Iterator[Row]:
    """What the usual pauses make of the same videos."""
    looks, lag = mean(ours(took, past, fair_progress) for took, past in zip(draws, pasts, strict=True))
    for pause in (5.0, 10.0):
        more, other = mean(fixed(took, pause) for took in draws)
        yield Row(f"wait, {USUAL}, history and progress", looks, "looks", f"every {pause:.0f} s", more)
        yield Row(f"wait, {USUAL}, history and progress", lag, "s of lag", f"every {pause:.0f} s", other)


def simulated() -> Iterator[Row]:
    """The made-up distributions, each with histories drawn from it."""
    source = random.Random(1)  # noqa: S311 - a repeatable draw, no secret
    for name, draw in DISTRIBUTIONS.items():
        draws = [draw(source) for _ in range(DRAWS)]
        histories = [[draw(source) for _ in range(HISTORY)] for _ in range(HISTORIES)]
        pasts = [histories[number % HISTORIES] for number in range(DRAWS)]
        yield from rows_of(name, draws, pasts)
        if name == USUAL:
            yield from beside_fixed(draws, pasts)


def recorded(folder: Path) -> Iterator[Row]:
    """The finished videos of a ledger, model by model, where there are enough."""
    finished: dict[str, list[float]] = {}
    with closing(sqlite3.connect(f"file:{folder / LEDGER_FILE}?mode=ro", uri=True)) as book:
        for model, took in book.execute(
            "SELECT model, completed_at - created_at FROM requests WHERE state = 'completed' ORDER BY created_at"
        ):
            finished.setdefault(model, []).append(took)
    for model, took in finished.items():
        if len(took) > HISTORY:
            yield from rows_of(f"{model} as recorded", took, [took[max(0, at - HISTORY) : at] for at in range(len(took))])


def rows() -> list[Row]:
    """Simulated, and recorded where there is a ledger."""
    folder = os.environ.get("SEEDANCE_DATA_DIR")
    return [*simulated(), *(recorded(Path(folder)) if folder else ())]
