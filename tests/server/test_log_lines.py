"""The log as a program reads it: one JSON object a line, with names that stay."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest
from conftest import OpenWorld
from opentelemetry.sdk.trace import TracerProvider

from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.server.log_lines import JsonLines

PROMPT = "a fox that no log may hold"


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(JsonLines().format(record)) for record in caplog.records]


@pytest.mark.anyio
async def test_each_line_in_json_names_request_task_and_money_and_no_prompt(
    open_world: OpenWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "seedance_mcp")
    async with open_world() as world:
        task = await world.create()
        await world.call("wait_for_video", {"task_id": task["task_id"]})
        world.sandbox.faults = [Fault("lost", "/seedance/videos")]
        await world.create(prompt="an owl")
    found = lines(caplog)
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in found)
    (settled,) = [line for line in found if "settled_by" in line]
    assert (settled["request_id"], settled["settled"], settled["level"]) == (task["request_id"], "0.25", "INFO")
    assert {line.get("status") for line in found if line.get("task_id") == task["task_id"]} >= {"queued", "completed"}
    assert {(line["tool"], line["code"]) for line in found if "tool" in line} == {("create_video", "outcome_unknown")}
    assert not any(animal in json.dumps(found) for animal in ("a fox", "an owl"))


def test_an_exception_is_a_name_and_a_place_and_a_line_inside_a_trace_names_it(caplog: pytest.LogCaptureFixture) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("call") as span:
        try:
            int(PROMPT)
        except ValueError:
            logging.getLogger("seedance_mcp").exception("It failed")
        (first,) = lines(caplog)
    logging.getLogger("seedance_mcp").error("It failed again", exc_info=(None, None, None))
    (_, second) = lines(caplog)
    assert (first["error"], "test_log_lines" in first["where"], PROMPT in json.dumps(first)) == ("ValueError", True, False)
    assert first["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert second.keys() == {"time", "level", "logger", "message"}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [{"SEEDANCE_BASE_URL": "nonsense"}, {"SEEDANCE_BASE_URLS": "x"}])
def test_a_refusal_and_a_setting_without_effect_are_lines_of_the_log(wrong: dict[str, str]) -> None:
    environment = {**os.environ, "SEEDANCE_LOG_FORMAT": "json", **wrong}
    command = [sys.executable, "-m", "seedance_mcp", "tasks"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    (line,) = map(json.loads, done.stderr.splitlines())
    assert set(wrong) & set(line["message"].replace(":", "").split())
