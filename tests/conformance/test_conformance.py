"""The official conformance suite against the server as it is run: whatever applies to it passes, the rest is listed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from served import held_port, patient_get
from workshop import ROOT, closed_environment, node, node_modules, serving

SUITE = "@modelcontextprotocol/conformance"
SUITE_VERSION = "0.2.0-alpha.12"
OLDER, NEWER = VERSIONS = ("2025-11-25", "2026-07-28")
TASKS, TASKS_FIXTURE = "the Tasks extension", "the Tasks extension on the suite's tools"
FIXTURE = Path(__file__).with_name("fixtures.py")


@dataclass(frozen=True)
class Unmet:
    """The checks of one scenario that cannot pass here, and the reason; all its other checks must pass."""

    scenario: str
    checks: tuple[str, ...]
    reason: str
    at: tuple[str, ...] = VERSIONS


UNMET = (
    # tools, resources and prompts that the suite's own demonstration server has
    Unmet("tools-call-image", ("tools-call-image",), "calls the fixture tool test_image_content"),
    Unmet("tools-call-audio", ("tools-call-audio",), "calls the fixture tool test_audio_content"),
    Unmet("tools-call-embedded-resource", ("tools-call-embedded-resource",), "calls the fixture tool test_embedded_resource"),
    Unmet("tools-call-mixed-content", ("tools-call-mixed-content",), "calls the fixture tool test_multiple_content_types"),
    Unmet("tools-call-with-progress", ("tools-call-with-progress",), "calls the fixture tool test_tool_with_progress"),
    Unmet("tools-call-with-logging", ("tools-call-with-logging",), "calls the fixture tool test_tool_with_logging", (OLDER,)),
    Unmet("tools-call-sampling", ("tools-call-sampling",), "calls the fixture tool test_sampling", (OLDER,)),
    Unmet("tools-call-elicitation", ("tools-call-elicitation",), "calls the fixture tool test_elicitation", (OLDER,)),
    Unmet(
        "elicitation-sep1034-defaults",
        ("elicitation-sep1034-general",),
        "calls the fixture tool test_elicitation_sep1034_defaults",
        (OLDER,),
    ),
    Unmet(
        "elicitation-sep1330-enums",
        ("elicitation-sep1330-general",),
        "calls the fixture tool test_elicitation_sep1330_enums",
        (OLDER,),
    ),
    Unmet("json-schema-2020-12", ("json-schema-2020-12-tool-found",), "looks for the fixture tool json_schema_2020_12_tool"),
    Unmet("resources-read-text", ("resources-read-text",), "reads the fixture test://static-text"),
    Unmet("resources-read-binary", ("resources-read-binary",), "reads the fixture test://static-binary"),
    Unmet("resources-templates-read", ("resources-templates-read",), "reads the fixture test://template/{id}/data"),
    Unmet("prompts-get-simple", ("prompts-get-simple",), "gets the fixture prompt test_simple_prompt"),
    Unmet("prompts-get-with-args", ("prompts-get-with-args",), "gets the fixture prompt test_prompt_with_arguments"),
    Unmet(
        "prompts-get-embedded-resource",
        ("prompts-get-embedded-resource",),
        "gets the fixture prompt test_prompt_with_embedded_resource",
    ),
    Unmet("prompts-get-with-image", ("prompts-get-with-image",), "gets the fixture prompt test_prompt_with_image"),
    Unmet(
        "server-stateless",
        ("sep-2575-missing-capability-http-400", "sep-2575-server-rejects-undeclared-capability"),
        "calls the fixture tool test_missing_capability",
        (NEWER,),
    ),
    Unmet(
        "http-custom-header-server-validation",
        (
            "sep-2243-server-decode-base64",
            "sep-2243-server-no-xmcp-tool",
            "sep-2243-server-reject-invalid-param-chars",
            "sep-2243-server-reject-param-mismatch",
            "sep-2243-server-validate-param-match",
        ),
        "needs a tool with x-mcp-header arguments, the fixture test_x_mcp_header",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-basic-elicitation",
        ("sep-2322-elicitation-incomplete",),
        "calls the fixture tool test_input_required_result_elicitation",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-basic-sampling",
        ("sep-2322-sampling-incomplete",),
        "calls the fixture tool test_input_required_result_sampling",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-basic-list-roots",
        ("sep-2322-list-roots-incomplete",),
        "calls the fixture tool test_input_required_result_list_roots",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-request-state",
        ("sep-2322-request-state-incomplete",),
        "calls the fixture tool test_input_required_result_request_state",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-multiple-input-requests",
        ("sep-2322-multiple-inputs-incomplete",),
        "calls the fixture tool test_input_required_result_multiple_inputs",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-multi-round",
        ("sep-2322-multi-round-r1",),
        "calls the fixture tool test_input_required_result_multi_round",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-missing-input-response",
        ("sep-2322-missing-response-rerequests",),
        "calls the fixture tool test_input_required_result_elicitation",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-non-tool-request",
        ("sep-2322-non-tool-incomplete",),
        "gets the fixture prompt test_input_required_result_prompt",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-result-type",
        ("sep-2322-result-type-included",),
        "calls the fixture tool test_input_required_result_elicitation",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-tampered-state",
        ("sep-2322-reject-tampered-state",),
        "calls the fixture tool test_input_required_result_tampered_state",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-capability-check",
        ("sep-2322-respect-client-capabilities",),
        "calls the fixture tool test_input_required_result_capabilities",
        (NEWER,),
    ),
    Unmet(
        "input-required-result-validate-input",
        ("sep-2322-error-on-protocol-error",),
        "calls the fixture tool test_input_required_result_elicitation",
        (NEWER,),
    ),
    Unmet(
        "server-sse-polling",
        ("incoming-sse-event", "server-sse-polling-session", "server-sse-priming-event", "server-sse-retry-field"),
        "calls the fixture tool test_reconnection; streams without sessions are not resumed",
        (OLDER,),
    ),
    # what the protocol leaves to the server, and the server does not declare
    Unmet("logging-set-level", ("logging-set-level",), "the server declares no logging", (OLDER,)),
    Unmet("resources-subscribe", ("resources-subscribe",), "the server declares no subscriptions at this version", (OLDER,)),
    Unmet(
        "resources-unsubscribe", ("resources-unsubscribe",), "the server declares no subscriptions at this version", (OLDER,)
    ),
    Unmet(
        "server-session-lifecycle",
        ("server-session-lifecycle-skipped",),
        "the suite skips it: the server keeps no sessions",
        (OLDER,),
    ),
    Unmet(
        "server-sse-multiple-streams",
        ("server-sse-multiple-streams-session",),
        "the suite skips it: the server keeps no sessions",
        (OLDER,),
    ),
    # the Tasks extension: the scenarios call tools of the suite's own
    Unmet(
        "tasks-lifecycle",
        (
            "sep-2663-cancel-ack-empty-result",
            "sep-2663-result-type-task-on-create",
            "sep-2663-tasks-get-status-completed",
            "sep-2663-tasks-get-status-working",
            "sep-2663-tool-error-uses-completed-status",
            "tasks-cancel-terminal-idempotent-ack",
        ),
        "calls the fixture tools slow_compute and failing_job",
        (TASKS,),
    ),
    Unmet(
        "tasks-lifecycle",
        ("sep-2663-tasks-get-status-failed",),
        "calls the fixture tool protocol_error_job; a video that failed is a result, never an error of the protocol",
        (TASKS, TASKS_FIXTURE),
    ),
    Unmet(
        "tasks-capability-negotiation",
        ("tasks-per-request-meta-opt-in",),
        "calls the fixture tool slow_compute",
        (TASKS,),
    ),
    Unmet(
        "tasks-wire-fields",
        ("tasks-no-early-ttl-expiry", "tasks-no-related-task-meta-on-inlined-result", "tasks-wire-field-renames"),
        "calls the fixture tool slow_compute",
        (TASKS,),
    ),
    Unmet(
        "tasks-request-state-removal",
        ("tasks-request-state-removal-setup",),
        "calls the fixture tool slow_compute",
        (TASKS,),
    ),
    Unmet(
        "tasks-request-headers",
        (
            "sep-2663-routing-headers-accepted-on-tasks-get",
            "sep-2663-server-rejects-mismatched-mcp-name-on-tasks-get",
            "tasks-headers-tolerate-mcp-method-on-tools-call",
        ),
        "calls the fixture tools greet and slow_compute",
        (TASKS,),
    ),
    Unmet(
        "tasks-dispatch-and-envelope",
        ("sep-2663-durable-create-strong-consistency", "tasks-server-directed-creation-no-hint"),
        "calls the fixture tool slow_compute",
        (TASKS,),
    ),
    Unmet(
        "tasks-mrtr-input",
        ("sep-2663-tasks-get-status-input-required", "tasks-mrtr-partial-fulfillment", "tasks-mrtr-tasks-update-resumes"),
        "calls the fixture tools confirm_delete and multi_input; a person is asked before a video, never in the midst of one",
        (TASKS, TASKS_FIXTURE),
    ),
    Unmet(
        "tasks-mrtr-composition",
        ("sep-2663-mrtr-synchronous-before-task-creation",),
        "calls the fixture tool test_tool_with_task",
        (TASKS, TASKS_FIXTURE),
    ),
    Unmet(
        "tasks-required-task-error",
        ("sep-2663-server-returns-missing-capability-when-required",),
        "wants a tool that demands handles; every tool here answers clients without them too",
        (TASKS, TASKS_FIXTURE),
    ),
    Unmet(
        "tasks-status-notifications",
        ("tasks-status-notifications",),
        "the suite skips it until it is rewritten",
        (TASKS, TASKS_FIXTURE),
    ),
)


def unmet(checks: list[dict[str, Any]]) -> set[str]:
    """The checks of a scenario that failed or warned; all of them where nothing was checked."""
    bad = {check["id"] for check in checks if check["status"] in {"FAILURE", "WARNING"}}
    return bad or (set() if any(check["status"] == "SUCCESS" for check in checks) else {check["id"] for check in checks})


def suite(scratch: Path, *options: str) -> str:
    """Run one command of the suite; gives what it printed."""
    program, script = node() / "bin" / "node", node_modules(f"{SUITE}@{SUITE_VERSION}") / SUITE / "dist" / "index.js"
    ran = subprocess.run(
        [str(program), str(script), *options],
        env=closed_environment(scratch),
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,  # it fails by what is listed, too
    )
    return ran.stdout + ran.stderr


def compare(target: str, scenarios: list[str], results: Path) -> None:
    """What the suite found of these scenarios is what is listed, no more and no less."""
    said: dict[str, Any] = {}
    for path in results.glob("*/checks.json"):
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT[\w-]+$", "", path.parent.name)
        said[scenario] = json.loads(path.read_text())
    found = {scenario: unmet(checks) for scenario, checks in said.items()}
    assert sorted(found) == sorted(scenarios)
    print(f"{target}: {sum(not checks for checks in found.values())} of {len(found)} scenarios pass")
    listed: dict[str, set[str]] = {scenario: set() for scenario in found}
    for row in UNMET:
        if target in row.at:
            listed.setdefault(row.scenario, set()).update(row.checks)
    wrong = {scenario: said.get(scenario) for scenario in listed if found.get(scenario) != listed[scenario]}
    assert not wrong, json.dumps(wrong, indent=1)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_official_suite_finds_what_is_listed_and_nothing_else(version: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    with serving(tmp_path) as address:
        options = ["--url", address, "--suite", "all", "--spec-version", version, "-o", str(results)]
        printed = suite(tmp_path, "server", *options)
    compare(version, re.findall(r"=== Running scenario: (\S+) ===", printed), results)


@contextmanager
def fixtures(scratch: Path) -> Generator[str]:
    """Run the suite's tools behind our handles; gives the address."""
    with (
        held_port() as port,
        subprocess.Popen([sys.executable, str(FIXTURE), str(port)], env=closed_environment(scratch), cwd=ROOT) as process,
    ):
        try:
            assert patient_get(f"http://127.0.0.1:{port}/").status_code == 404
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


@pytest.mark.parametrize(("target", "served"), [(TASKS, serving), (TASKS_FIXTURE, fixtures)])
def test_the_tasks_scenarios_find_what_is_listed_and_nothing_else(target: str, served: Any, tmp_path: Path) -> None:
    scenarios = re.findall(r"^\s+- (tasks-\S+) \[extension\]$", suite(tmp_path, "list"), re.MULTILINE)
    assert len(scenarios) == 10
    with served(tmp_path) as address:
        for scenario in scenarios:
            suite(tmp_path, "server", "--url", address, "--scenario", scenario, "-o", str(tmp_path / "results"))
    compare(target, scenarios, tmp_path / "results")
