"""Sends metrics and traces to the collector that the standard variables of OpenTelemetry name."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING
from uuid import uuid4

from seedance_mcp._version import __version__
from seedance_mcp.origin import install_command
from seedance_mcp.server.log_lines import announce

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
LAST_EXPORT_MS = 5000
"""How long the end of the process waits for a collector that does not answer."""


@contextmanager
def exported(environment: Mapping[str, str] = os.environ) -> Generator[None]:
    """Export what is measured inside the block, as OTLP over HTTP, where a collector is named."""
    traces, metrics = (_is_named(environment, each) for each in ("TRACES", "METRICS"))
    if not traces and not metrics:
        yield
        return
    if not find_spec("opentelemetry.exporter.otlp.proto.http"):
        announce(f"a collector is named and nothing is sent to it: {install_command('otel')}", logging.WARNING)
        yield
        return
    resource = _resource(environment)
    tracing, metering = _tracing(resource, exporting=traces), _metering(resource, exporting=metrics)
    before = signal.signal(signal.SIGTERM, _end)  # uvicorn sends it again when it is done, and by default it ends all at once
    try:
        yield
    finally:
        tracing.shutdown()
        metering.shutdown(LAST_EXPORT_MS)
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _: object) -> None:
    """End the process with the exit code that shells give for a signal."""
    raise SystemExit(128 + number)


def _is_named(environment: Mapping[str, str], what: str) -> bool:
    """Say whether the environment names a collector for `TRACES` or `METRICS`."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get(f"OTEL_{what}_EXPORTER") == "none":
        return False
    return bool(environment.get(ENDPOINT) or environment.get(f"OTEL_EXPORTER_OTLP_{what}_ENDPOINT"))


def _resource(environment: Mapping[str, str]) -> Resource:
    """Describe this process; what the operator says in `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` wins."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - only where a collector is named

    ours = Resource({"service.name": "seedance-mcp", "service.version": __version__, "service.instance.id": str(uuid4())})
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


def _tracing(resource: Resource, *, exporting: bool) -> TracerProvider:
    from opentelemetry import trace  # noqa: PLC0415 - likewise
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise

    provider = TracerProvider(resource=resource)
    if exporting:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def _metering(resource: Resource, *, exporting: bool) -> MeterProvider:
    from opentelemetry import metrics  # noqa: PLC0415 - likewise
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415 - likewise

    readers = [PeriodicExportingMetricReader(OTLPMetricExporter())] if exporting else []
    provider = MeterProvider(readers, resource)
    metrics.set_meter_provider(provider)
    return provider
