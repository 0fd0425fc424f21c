"""Whatever happens in whatever order, no limit is passed by what is known, no paid request is judged unpaid, none is lost."""

from __future__ import annotations

import os
import tempfile
from decimal import Decimal
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
    limits=st.lists(st.tuples(st.sampled_from(LIMITS), st.sampled_from([Decimal(12), Decimal(20), Decimal(5)])), max_size=2, unique_by=lambda each: each[0]).map(tuple),
)
numbers, processes, principals = st.integers(0, 41), st.integers(0, PROCESSES - 1), st.sampled_from([0, 0, 1])
stops = st.sampled_from(["no", "no", "no", "pause", "pause", "die"])
says = st.sampled_from(
    ["told", "told", "told", "told", "lost", "lost", "lost", "dropped", "dropped", "unheard", "refused"]
    + ["busy", "busy_paid", "gateway", "gateway_paid"]
)
creates = st.builds(
    Step, st.just("call"), st.just("create"), processes, principals, numbers, says,
    st.sampled_from([False, False, False, True]), stops, st.integers(1, 24),
)
others = st.builds(
    Step, st.just("call"), st.sampled_from(["get", "balance", "balance", "list"]), processes, principals, numbers,
    stop=st.sampled_from(["no", "no", "pause", "die"]), at=st.integers(1, 10),
)
world = st.builds(
    Step, st.sampled_from(["end", "end", "release", "release", "advance", "advance", "advance", "jump", "kill", "silence", "price"]),
    process=processes, number=numbers, again=st.booleans(),
)
histories = st.lists(st.one_of(creates, others, world), min_size=4, max_size=30)


@pytest.mark.slow
@settings(max_examples=HISTORIES, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
@given(nature=natures, steps=histories)
def test_every_history_keeps_what_was_promised(engine: str, nature: Nature, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live(nature, steps, Path(folder), engine)
