"""Whatever happens in whatever order, no limit is passed by what is known, no paid request is judged unpaid, none is lost."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from histories import PROCESSES, Kind, Nature, Says, Step, Stop, live
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HISTORIES = int(os.environ.get("HISTORIES", "150"))
"""How many random histories are lived through on each engine."""
PART = 200
"""How many of them make one test, which has a deadline."""
RANDOM: dict[str, Any] = {"derandomize": False} if HISTORIES > PART else {}
"""Parts that are all made alike would be one part."""

LIMITS = ("max_cost_per_video", "max_cost_per_day", "max_cost_total", "max_cost_account_per_day", "max_cost_account_total")
natures = st.builds(
    Nature,
    priced=st.sampled_from([True, True, True, False]),
    at_create=st.sampled_from(["cost", "cost", "nothing", "zero"]),
    at_query=st.sampled_from(["cost", "nothing", "end"]),
    charged_at=st.sampled_from(["create", "create", "create", "end"]),
    factor=st.sampled_from([Decimal(1), Decimal(1), Decimal("0.5"), Decimal(4)]),
    settles=st.sampled_from([Decimal(0), Decimal(0), Decimal(-2), Decimal(3)]),
    refunds=st.sampled_from([True, True, False]),
    limits=st.dictionaries(st.sampled_from(LIMITS), st.sampled_from([Decimal(5), Decimal(12), Decimal(20)]), max_size=2).map(
        lambda limits: tuple(limits.items())
    ),
)
prompts, numbers, processes, principals = (
    st.integers(0, 1),
    st.integers(0, 41),
    st.integers(0, PROCESSES - 1),
    st.sampled_from([0, 0, 1]),
)
stops = st.sampled_from(["no", "no", "no", "pause", "pause", "die"])
lost_ones = st.sampled_from(["lost", "lost", "dropped", "busy", "busy_paid", "gateway", "gateway_paid"])
says = st.one_of(st.just("told"), lost_ones, st.sampled_from(["told", "unheard", "refused", "lost"]))
creates = st.builds(
    partial(Step, "call", "create"),
    processes,
    principals,
    prompts,
    says,
    st.sampled_from([False, False, False, True]),
    stops,
    st.integers(1, 24),
)
others = st.builds(
    partial(Step, "call"),
    st.sampled_from(["get", "balance", "balance", "balance", "list"]),
    processes,
    principals,
    numbers,
    stop=st.sampled_from(["no", "no", "no", "pause", "die"]),
    at=st.integers(1, 10),
)
events = st.sampled_from(["end", "end", "end", "release", "release", "jump", "jump", "kill", "silence", "price"])
world = st.builds(Step, events, process=processes, number=numbers, again=st.booleans())
times = st.builds(partial(Step, "advance"), number=st.sampled_from([0, 1, 2, 3, 3, 4, 4, 5, 6]))
histories = st.lists(st.one_of(creates, creates, others, world, times), min_size=4, max_size=30)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(max(1, HISTORIES // PART)))
@settings(
    **RANDOM,
    max_examples=min(HISTORIES, PART),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(nature=natures, steps=histories)
def test_every_history_keeps_what_was_promised(engine: str, part: int, nature: Nature, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live(nature, steps, Path(folder), engine)


def create(number: int = 0, says: Says = "told", *, process: int = 0, stop: Stop = "no", at: int = 0) -> Step:
    return Step("call", "create", process, number=number, says=says, stop=stop, at=at)


def call(kind: Kind, number: int = 0, process: int = 0) -> Step:
    return Step("call", kind, process, number=number)


def passes(number: int) -> Step:
    return Step("advance", number=number)


def jumps(number: int) -> Step:
    return Step("jump", number=number)


COMPLETES = Step("end", number=0, again=True)
SEEN = [create(1, process=2), passes(1), COMPLETES, call("get"), passes(1)]
"""A video whose charge was reported while it was made, where the provider does that."""
FAILS, RELEASE = Step("end", number=0, again=False), Step("release")
MARKING, POSTING, POSTED, ASKED = 7, 8, 9, 2
"""The steps of a create before it is marked as sent, before its POST and after it, and the one after the account answered."""
FOUND: dict[str, list[Step]] = {
    "a task begun before failed, and nobody saw it": [
        *(create(0), passes(1), create(1, "lost"), passes(1), FAILS, passes(3), call("balance"))
    ],
    "a task begun after failed, and nobody saw it": [
        *(create(1, "lost"), passes(1), create(0), passes(1), replace(FAILS, number=1), passes(3), call("balance"))
    ],
    "a failure was written down after the clock was set back": [
        *(create(0), passes(1), create(1, "lost"), jumps(3), FAILS, call("get"), passes(1), jumps(1), passes(3)),
        call("balance"),
    ],
    "another process judges before the lease is renewed": [
        *(create(0, stop="pause", at=POSTING), jumps(0), call("balance", process=1), create(0, process=1), RELEASE)
    ],
    "the same process sends again what it still awaits": [
        *(create(0, "lost", stop="pause", at=POSTING), jumps(4), create(0, "refused"), RELEASE)
    ],
    "another request was charged after the account was asked": [
        *(create(1, "lost"), passes(3), Step("call", "balance", stop="pause", at=ASKED), passes(1), create(0), passes(1)),
        *(Step("end", number=1, again=True), call("get", 1), RELEASE),
    ],
    "a request that was given up was sent after all": [
        *(create(0, stop="pause", at=MARKING), passes(4), call("balance", process=1), create(0, process=1), RELEASE)
    ],
    "a process died, and the clock was set back": [create(0, stop="die", at=POSTED), jumps(5)],
}
"""Histories that broke a promise once."""


@pytest.mark.parametrize("found", FOUND)
def test_what_was_found_once_stays_mended(engine: str, tmp_path: Path, found: str) -> None:
    live(Nature(), FOUND[found], tmp_path, engine)


def test_what_only_the_account_tells_counts_against_its_limit(engine: str, tmp_path: Path) -> None:
    nature = Nature(
        at_create="nothing", at_query="nothing", factor=Decimal(4), limits=(("max_cost_account_total", Decimal(20)),)
    )
    assert live(nature, [create(0), passes(1), create(1)], tmp_path, engine) == [None]


def test_a_request_of_a_process_that_died_is_judged_once_it_was_watched(engine: str, tmp_path: Path) -> None:
    watched = [passes(4), call("balance", process=1), passes(2), passes(1), call("balance", process=1)]
    for number, stopped in enumerate((POSTING, POSTED)):
        folder = tmp_path / str(number)
        steps = [*SEEN, create(0, stop="die", at=stopped), *watched]
        evidence = live(Nature(), steps, folder, engine)
        assert evidence == [None, ["not charged", "charged"][number]]


def test_a_quiet_account_proves_nothing_while_a_charge_may_come_at_the_end(engine: str, tmp_path: Path) -> None:
    quiet = [create(0, "lost"), passes(4), call("balance")]
    for number, (nature, steps, evidence) in enumerate(
        [
            (Nature(charged_at="end"), quiet, ["cannot tell"]),
            (Nature(charged_at="end"), [*SEEN, *quiet], [None, "cannot tell"]),
            (Nature(charged_at="end"), [*quiet, COMPLETES, call("balance")], ["charged"]),
            (Nature(), [*SEEN, create(0, "dropped"), passes(4), call("balance")], [None, "not charged"]),
            (Nature(at_create="nothing", at_query="end"), [*SEEN, create(0, "dropped"), *quiet[1:]], [None, "cannot tell"]),
            (Nature(), [create(0, "dropped"), *quiet[1:], *[passes(6)] * 7, call("balance")], ["not charged"]),
        ]
    ):
        assert live(nature, steps, tmp_path / str(number), engine) == evidence
