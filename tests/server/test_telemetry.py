"""Metrics and traces without a prompt, key or signed URL in any of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import OpenWorld, World
from mcp.shared.exceptions import MCPError
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from seedance_mcp.cli import telemetry
from seedance_mcp.money.records import Record
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.server import metrics as instruments
from seedance_mcp.server.metrics import Metrics
from seedance_mcp.server.spans import traces_are_taken, without_messages
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import OpenLedger, Shared

pytestmark = pytest.mark.anyio
PROMPT = "a fox that no collector may see"


def labelled(point: Any) -> dict[str, Any]:
    return dict(point.attributes)


class Measured:
    """Instruments whose values a test reads."""

    def __init__(self) -> None:
        self.reader, self.spans = InMemoryMetricReader(), InMemorySpanExporter()
        tracing = TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = tracing.get_tracer("test")
        self.observer = Metrics(MeterProvider([self.reader]).get_meter("test"), self.tracer)

    def read(self, name: str, *labels: str) -> dict[tuple[Any, ...], Any]:
        """Labels → value, or how often something was measured."""
        return {
            tuple(labelled(point).get(label) for label in labels): point.value if hasattr(point, "value") else point.count
            for point in self._points(name)
        }

    def _points(self, name: str) -> Iterator[Any]:
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                yield from (point for metric in scope.metrics if metric.name == name for point in metric.data.data_points)


@pytest.fixture
def measured() -> Measured:
    return Measured()


MONEY = ("seedance.money", "seedance.model", "seedance.outcome")
REQUESTS = ("seedance.requests", "seedance.model", "seedance.outcome")
SP = "seedance2.0-sp"


async def test_a_video_is_counted_once_with_its_money(open_world: OpenWorld, measured: Measured) -> None:
    async with open_world(observers=[measured.observer]) as world:
        with measured.tracer.start_as_current_span("call"):
            await measured_video(world)
    assert measured.read(*REQUESTS) == {(SP, "accepted"): 1, (SP, "completed"): 1}
    assert measured.read(*MONEY) == {(SP, "charged"): 0.25}
    assert measured.read("seedance.waits") == {(): 0}
    calls = measured.read("mcp.server.operation.duration", "gen_ai.tool.name", "seedance.outcome", "error.type")
    assert calls[("create_video", "answered", None)] == 1
    assert measured.read("seedance.ledger.duration", "seedance.ledger.verb", "error.type")[("reserve", None)] == 1
    asked = measured.read("seedance.provider.duration", "http.request.method", "url.template", "http.response.status_code")
    assert asked[("POST", "/api/open-api/v1/seedance/videos", 200)] == 1
    assert asked[("GET", "/api/open-api/v1/videos/{task_id}", 200)] >= 1


async def measured_video(world: World) -> None:
    task = await world.create(prompt=PROMPT)
    await world.call("wait_for_video", {"task_id": task["task_id"]})


async def test_lost_and_refused_requests_move_their_money_to_where_it_belongs(
    open_world: OpenWorld, measured: Measured
) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    async with open_world(observers=[measured.observer], clock=lambda: now) as world:
        world.sandbox.faults = [Fault("lost", "/seedance/videos"), Fault("bad_parameters", "/seedance/videos")]
        await world.create()
        ((place, amount),) = measured.read(*MONEY).items()
        assert (place, amount > 0) == ((SP, "unknown"), True)
        await world.create(prompt="an owl")
        now += timedelta(seconds=180)
        await world.call("get_balance")
    counted = measured.read(*REQUESTS)
    assert counted == {(SP, "unknown"): 1, (SP, "refused"): 1}
    assert measured.read(*MONEY)[(SP, "unknown")] == 0
    failed = measured.read("seedance.provider.duration", "error.type", "http.response.status_code")
    assert failed[("no_answer", None)] == 1
    errors = measured.read("mcp.server.operation.duration", "gen_ai.tool.name", "error.type")
    assert errors[("create_video", "outcome_unknown")] == errors[("create_video", "invalid_request")] == 1


def record(name: str, **fields: Any) -> Record:
    known: dict[str, Any] = {"principal": "", "fingerprint": "x", "state": "queued", "model": SP, "estimate": Decimal("0.5")}
    return Record(name, created_at=datetime(2026, 11, 23, tzinfo=UTC), **{**known, **fields})


async def test_a_reserved_estimate_is_charged_or_free_again_and_a_correction_moves_it(measured: Measured) -> None:
    for _ in range(2):
        await measured.observer.task_changed(record("req_1"))
    assert measured.read(*MONEY) == {(SP, "reserved"): 0.5}
    measured.observer.money_settled(record("req_1", settled=Decimal("0.5"), settled_by="estimate"))
    measured.observer.money_settled(record("req_1", settled=Decimal("0.25"), settled_by="provider"))
    await measured.observer.task_changed(record("req_2", state="failed", task_id="t"))
    measured.observer.money_settled(record("req_2", state="failed", settled=Decimal(0), settled_by="provider"))
    await measured.observer.task_changed(record("elsewhere", fingerprint=None, model="a stranger's", estimate=None))
    read = measured.read(*MONEY)
    assert (read[(SP, "reserved")], read[(SP, "charged")], read[(SP, "released")]) == (0, 0.25, 0.5)
    assert measured.read(*REQUESTS) == {(SP, "accepted"): 1, (SP, "failed"): 1, ("other", "accepted"): 1}


async def test_only_the_newest_requests_are_kept(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "REQUESTS_KEPT", 1)
    for name in ("req_1", "req_2", "req_1"):
        await measured.observer.task_changed(record(name))
    assert measured.read(*REQUESTS) == {(SP, "accepted"): 3}


async def test_the_gauges_show_what_is_open(open_world: OpenWorld, open_ledger: OpenLedger, measured: Measured) -> None:
    assert measured.read("seedance.unsettled") == measured.read("seedance.links.expiring") == {}
    now = datetime.now(UTC)
    async with open_world(observers=[measured.observer], clock=lambda: now) as world, anyio.create_task_group() as group:
        shared = Shared(world.settings, now=lambda: now, open_ledger=open_ledger)
        group.start_soon(measured.observer.count, shared)
        await world.call("wait_for_video", {"task_id": (await world.create())["task_id"]})
        world.sandbox.faults = [Fault("lost", "/seedance/videos")]
        await world.create(prompt="an owl")
        now += timedelta(days=2.5)
        await anyio.sleep(120)
        assert measured.read("seedance.unsettled") == measured.read("seedance.links.expiring") == {(): 1}
        await shared.aclose()
        group.cancel_scope.cancel()


@pytest.mark.sqlite_file
async def test_the_gauges_show_nothing_while_the_ledger_cannot_say(measured: Measured, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    async with anyio.create_task_group() as group:
        shared = Shared(Settings(data_dir=tmp_path / "data"))
        group.start_soon(measured.observer.count, shared)
        await anyio.sleep(1)
        assert measured.read("seedance.unsettled") == {}
        (tmp_path / "data").unlink()
        await anyio.sleep(120)
        assert measured.read("seedance.unsettled") == {(): 0}
        await shared.aclose()
        group.cancel_scope.cancel()


class Model(BaseModel):
    duration: int


def misread() -> None:
    Model.model_validate({"duration": PROMPT})


def refuse() -> None:
    raise MCPError(-32002, PROMPT)


def crash() -> None:
    raise RuntimeError(PROMPT)


@pytest.mark.parametrize(("fail", "seen"), [(misread, None), (refuse, ""), (crash, "")])
async def test_a_span_sees_no_message_of_an_error_that_the_client_gets_whole(
    fail: Callable[[], None], seen: str | None
) -> None:
    passed: list[str] = []
    context: Any = None

    async def answer(_: Any) -> Any:
        fail()

    async def span(ctx: Any, call_next: Any) -> Any:
        try:
            return await call_next(ctx)
        except Exception as error:
            passed.append(str(error))
            raise

    chain: Any = answer
    for step in reversed(without_messages([span])):
        chain = partial(step, call_next=chain)
    with pytest.raises(Exception, match=PROMPT):
        await chain(context)
    assert len(passed) == 1
    assert seen is None or passed == [seen]


async def test_an_answer_passes_the_spans_as_it_is() -> None:
    async def answer(_: Any) -> Any:
        return {"answer": 1}

    chain: Any = answer
    context: Any = None
    for step in reversed(without_messages([])):
        chain = partial(step, call_next=chain)
    assert await chain(context) == {"answer": 1}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {telemetry.ENDPOINT: "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
        {telemetry.ENDPOINT: "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
)
def test_nothing_is_set_up_where_no_collector_is_named(environment: dict[str, str]) -> None:
    with telemetry.exported(environment):
        assert not traces_are_taken()


def nothing_installed(name: str) -> None:
    """Find no package."""


def test_a_missing_extra_is_named_where_a_collector_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(telemetry, "find_spec", nothing_installed)
    with telemetry.exported({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}):
        assert not traces_are_taken()
    assert "a collector is named and nothing is sent to it: " in capsys.readouterr().err
