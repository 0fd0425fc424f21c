"""The measurements of an operator: eight instruments of OpenTelemetry, and the attributes of the SDK's spans.

Names, units and labels stay; no label holds a principal, a prompt, a key or a URL. `HTTP.md` says when to wake somebody.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import anyio
from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import SpanKind, StatusCode

from seedance_mcp._version import __version__
from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.records import Record
from seedance_mcp.provider.client import Exchange
from seedance_mcp.task import RUNNING
from seedance_mcp.tools.expiring import find_expiring
from seedance_mcp.tools.newest import keep_newest
from seedance_mcp.tools.observer import LedgerCall, Observer, ToolCall
from seedance_mcp.tools.session import Shared
from seedance_mcp.tools.tasks import EXPIRES_SOON_SECONDS

NAME = "seedance-mcp"
BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
COUNTED_SECONDS = 60.0
"""How often the ledger is asked for what the two gauges show."""
REQUESTS_KEPT = 10_000
"""Of so many requests it is kept how they were counted last, so that none is counted twice and amounts can move."""
HTTP_FAILED = 400
_TASK = re.compile(r"(/videos)/[^/]+\Z")

Counted = tuple[str, str, Decimal]
"""Outcome, model and amount."""


class Metrics(Observer):
    """Counts and measures what it learns, and describes the spans that are open."""

    def __init__(self, meter: Meter | None = None, tracer: trace.Tracer | None = None) -> None:
        """Make the instruments; by default those of the process."""
        meter = meter or metrics.get_meter(NAME, __version__)
        self._tracer = tracer or trace.get_tracer(NAME, __version__)

        def seconds(name: str, description: str) -> metrics.Histogram:
            bounds = list(BOUNDS_SECONDS)
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=bounds)

        self._operations = seconds("mcp.server.operation.duration", "How long tool calls took.")
        self._provider = seconds("seedance.provider.duration", "How long requests to the provider took.")
        self._ledger = seconds("seedance.ledger.duration", "How long calls of the ledger took.")
        self._money = meter.create_up_down_counter("seedance.money", "{JimiCoin}", "Amounts by what became of them.")
        self._requests = meter.create_counter("seedance.requests", "{request}", "Requests for a video by what became of them.")
        self._waits = meter.create_up_down_counter("seedance.waits", "{call}", "Calls of wait_for_video that wait now.")
        self.unsettled: int | None = None
        """Requests of unknown outcome; `None` while the ledger cannot say."""
        self.expiring: int | None = None
        """Videos that are not saved and whose links expire within a day."""
        meter.create_observable_gauge("seedance.unsettled", [self._see_unsettled], "{request}", "Of unknown outcome.")
        meter.create_observable_gauge("seedance.links.expiring", [self._see_expiring], "{video}", "Not saved, a day left.")
        self._amounts = OrderedDict[str, Counted]()
        self._outcomes = OrderedDict[str, str]()

    def _see_unsettled(self, _: CallbackOptions) -> Iterable[Observation]:
        return [] if self.unsettled is None else [Observation(self.unsettled)]

    def _see_expiring(self, _: CallbackOptions) -> Iterable[Observation]:
        return [] if self.expiring is None else [Observation(self.expiring)]

    def tool_started(self, tool: str) -> None:
        """Count a wait that begins."""
        self._count_wait(tool, 1)

    def tool_called(self, call: ToolCall) -> None:
        """Measure a call, and say on its span how it ended."""
        self._count_wait(call.tool, -1)
        failed = {"error.type": call.error.code} if call.error else {}
        told = {"mcp.method.name": "tools/call", "gen_ai.tool.name": call.tool, "seedance.outcome": call.outcome, **failed}
        self._operations.record(call.seconds, told)
        more = {"seedance.outcome": call.outcome, "seedance.principal": call.principal}
        if call.error:
            more |= {"seedance.error.code": call.error.code, "seedance.charged": call.error.charged}
        trace.get_current_span().set_attributes(more)

    def _count_wait(self, tool: str, change: int) -> None:
        if tool == "wait_for_video":
            self._waits.add(change)

    def provider_called(self, exchange: Exchange) -> None:
        """Measure a request to the provider, and put it into the trace as a span of its own."""
        route = _TASK.sub(r"\1/{task_id}", exchange.path)
        told: dict[str, Any] = {"http.request.method": exchange.method, "url.template": route}
        failed = exchange.status is None or exchange.status >= HTTP_FAILED
        told |= {"http.response.status_code": exchange.status} if exchange.status is not None else {}
        told |= {"error.type": str(exchange.status or "no_answer")} if failed else {}
        self._provider.record(exchange.seconds, told)
        ended_ns = time.time_ns()
        began_ns = ended_ns - int(exchange.seconds * 1e9)
        span = self._tracer.start_span(f"{exchange.method} {route}", None, SpanKind.CLIENT, told, start_time=began_ns)
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end(ended_ns)

    def ledger_called(self, call: LedgerCall) -> None:
        """Measure a call of the ledger."""
        failed = {"error.type": call.error} if call.error else {}
        self._ledger.record(call.seconds, {"seedance.ledger.verb": call.verb, **failed})

    async def task_changed(self, task: Record) -> None:
        """Count what became of a request, and name it on the open span."""
        named = {"seedance.request_id": task.request_id, "seedance.model": _model(task), "seedance.status": task.status}
        trace.get_current_span().set_attributes(named)
        if self._outcomes.get(task.request_id) != (outcome := _outcome(task)):
            self._requests.add(1, {"seedance.model": _model(task), "seedance.outcome": outcome})
            keep_newest(self._outcomes, task.request_id, outcome, REQUESTS_KEPT)
        if task.status in RUNNING and task.settled is None:
            self._count(task, "reserved", task.estimate)

    def answer_lost(self, task: Record, error: SeedanceError) -> None:
        """Count an estimate whose fate is unknown."""
        self._count(task, "unknown", task.estimate)

    def money_settled(self, task: Record) -> None:
        """Count an amount that was charged, or an estimate that is free again."""
        if task.settled:
            self._count(task, "charged", task.settled)
        else:
            self._count(task, "released", task.estimate)

    def _count(self, task: Record, outcome: str, amount: Decimal | None) -> None:
        """Move a request's amount to where it belongs now."""
        counted = outcome, _model(task), amount or Decimal(0)
        if (before := self._amounts.get(task.request_id)) == counted:
            return
        if before:
            self._add(before, -1)
        self._add(counted, 1)
        keep_newest(self._amounts, task.request_id, counted, REQUESTS_KEPT)

    def _add(self, counted: Counted, times: int) -> None:
        outcome, model, amount = counted
        self._money.add(times * float(amount), {"seedance.model": model, "seedance.outcome": outcome})

    async def count(self, shared: Shared) -> None:
        """Ask the ledger now and then for what the gauges show, until it is cancelled."""
        while True:
            try:
                self.unsettled = len(await shared.ledger.unknown_outcomes())
                self.expiring = await _expiring(shared)
            except SeedanceError:
                self.unsettled = self.expiring = None
            await anyio.sleep(COUNTED_SECONDS)


async def _expiring(shared: Shared) -> int:
    """Count the videos of all principals that are not saved and whose links expire soon."""
    views = [shared.ledger.for_principal(name) for name in await shared.ledger.principals()]
    pages = [await find_expiring(each, shared.edition, lambda lives: lives - EXPIRES_SOON_SECONDS, 1) for each in views]
    return sum(page.total for page in pages)


def _model(task: Record) -> str:
    """Name the model of a request of ours, which the catalogue knows; a foreign task's could be anything."""
    return "other" if task.adopted or task.model is None else task.model


def _outcome(task: Record) -> str:
    if task.status in RUNNING:
        return "accepted"
    return "refused" if task.status == "failed" and task.task_id is None else task.status
