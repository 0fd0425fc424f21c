"""Whatever happens in whatever order, no limit is passed by what is known, no paid request is judged unpaid, none is lost."""

from __future__ import annotations

import os
import tempfile
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from histories import PROCESSES, Nature, Step, live
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HISTORIES = int(os.environ.get("HISTORIES", "150"))
"""How many random histories are lived through on each engine."""

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
@settings(max_examples=HISTORIES, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
@given(nature=natures, steps=histories)
def test_every_history_keeps_what_was_promised(engine: str, nature: Nature, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live(nature, steps, Path(folder), engine)
