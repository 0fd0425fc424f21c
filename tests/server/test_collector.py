"""A server that sends metrics and traces to a collector, each on a port of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from collector import Collector, collecting
from conftest import no_film
from deadline import LONGEST_SECONDS, running
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from served import held_port, patient_get

from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import run_in_background

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
PROMPT = "a fox that no collector may see"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def used(address: str) -> str:
    """Make one video and fail twice; gives the URL of the video."""
    async with (
        httpx2.AsyncClient(timeout=LONGEST_SECONDS) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
    ):
        meta: Any = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        request = {"request": {"model": "seedance2.0-sp", "prompt": PROMPT}}
        task = (await client.call_tool("create_video", request, meta=meta)).structured_content
        assert task
        done = (await client.call_tool("wait_for_video", {"task_id": task["task_id"]})).structured_content
        assert done
        await client.call_tool("create_video", {"request": {"model": PROMPT, "prompt": PROMPT}})
        with pytest.raises(MCPError):
            await client.read_resource(f"seedance://{PROMPT.replace(' ', '-')}")
        return done["video_url"]


def is_silent(text: bytes, video_url: str) -> bool:
    secrets = (PROMPT, PROMPT.replace(" ", "-"), KEY, video_url)
    return not any(secret.encode() in text for secret in secrets)


async def served_and_used(tmp_path: Path, collector: Collector, **more: str) -> str:
    """Run a server with a collector from its start to its end; gives what it wrote to standard error."""
    sandbox = Sandbox(no_film, queue_seconds=0.05, work_seconds=0.1)
    async with run_in_background(sandbox) as provider:
        environment = {
            **os.environ,
            "SEEDANCE_BASE_URL": provider,
            "SEEDANCE_API_KEY": KEY,
            "SEEDANCE_DATA_DIR": str(tmp_path / "data"),
            "SEEDANCE_LOG_FORMAT": "json",
            "SEEDANCE_LOG_LEVEL": "DEBUG",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_SERVICE_NAME": "videos",
            **more,
        }
        with held_port() as port:
            command = [sys.executable, "-m", "seedance_mcp", "serve", "--transport", "http", "--port", str(port)]
            with running("the server", command, stderr=subprocess.PIPE, env=environment) as process:
                assert process.stderr
                first = process.stderr.readline()
                assert json.loads(first)["message"] == f"http://127.0.0.1:{port}/mcp"
                assert patient_get(f"http://127.0.0.1:{port}/healthz").status_code == 200
                video_url = await used(f"http://127.0.0.1:{port}")
                process.send_signal(signal.SIGTERM)
                _, rest = process.communicate()
    assert is_silent(b"".join(body for _, body in collector.bodies), video_url)
    assert is_silent(rest.encode(), video_url)
    return first + rest


async def test_a_collector_gets_metrics_and_a_trace_and_every_line_of_the_log_is_json(tmp_path: Path) -> None:
    with collecting() as collector:
        log = [json.loads(line) for line in (await served_and_used(tmp_path, collector)).splitlines()]
    traced = {span.name: span for span in collector.spans() if span.trace_id.hex() == TRACE}
    create, post = traced["tools/call create_video"], traced["POST /api/open-api/v1/seedance/videos"]
    assert post.parent_span_id == create.span_id
    told = [{each.key: each.value.string_value for each in span.attributes} for span in collector.spans()]
    assert {"answered", "failed"} <= {each.get("seedance.outcome") for each in told}
    assert any(each.get("seedance.model") == "seedance2.0-sp" and "seedance.request_id" in each for each in told)
    assert collector.metrics().keys() == {
        *("mcp.server.operation.duration", "seedance.provider.duration", "seedance.ledger.duration", "seedance.money"),
        *("seedance.requests", "seedance.waits", "seedance.unsettled", "seedance.links.expiring"),
    }
    assert b"videos" in collector.bodies[0][1]
    assert {line.get("trace_id") for line in log} >= {TRACE}


@pytest.mark.parametrize("other", ["TRACES", "METRICS"])
async def test_one_signal_may_be_turned_off(tmp_path: Path, other: str) -> None:
    with collecting() as collector:
        await served_and_used(tmp_path, collector, **{f"OTEL_{other}_EXPORTER": "none"})
    assert {path for path, _ in collector.bodies} == {"/v1/metrics" if other == "TRACES" else "/v1/traces"}
