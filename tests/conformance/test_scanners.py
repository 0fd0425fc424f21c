"""What independent scanners say of the server: nothing, or something that is answered here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from workshop import ROOT, closed_environment, sandboxed, serving, venv

from seedance_mcp.server.tool_table import TOOLS

MCPCHECK, MCP_SCANNER = "jbt-mcpcheck==0.1.1", "cisco-ai-mcp-scanner==4.8.7"

ANSWERED = {
    ("schemas.output_schema_missing", "tool:preview_video"): (
        "some clients show their model structured content in place of a picture, so this tool has none"
    ),
}
"""What mcpcheck finds (code and subject), and our answer."""

STANDING: dict[tuple[str, str], str] = {}
"""What mcp-scanner finds (tool and threat), and our answer."""


def scan(command: list[str], scratch: Path) -> Any:
    """Run a scanner that prints JSON."""
    environment = closed_environment(scratch)
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return json.loads(ran.stdout)


def test_mcpcheck_finds_nothing_unanswered(tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        checks = scan([str(venv(MCPCHECK) / "mcpcheck"), "--json", "--legacy-probes", address], tmp_path)["checks"]
    assert len(checks) == 8
    assert {check["status"] for check in checks} <= {"pass", "warn"}
    found = {(finding["code"], finding["subject"]) for check in checks for finding in check["failures"] + check["warnings"]}
    assert found == set(ANSWERED)


def test_mcp_scanner_finds_nothing_unanswered(tmp_path: Path) -> None:
    server = ["--stdio-command", sys.executable, "--stdio-arg=-m", "--stdio-arg=seedance_mcp"]
    settings = [f"--stdio-env={name}={value}" for name, value in closed_environment(tmp_path, **sandboxed(tmp_path)).items()]
    scanner = str(venv(MCP_SCANNER) / "mcp-scanner")
    tools = scan([scanner, "--analyzers", "yara,schema", "--raw", "stdio", *server, *settings], tmp_path)
    assert [tool["tool_name"] for tool in tools] == [tool.name for tool in TOOLS]
    assert {tool["status"] for tool in tools} == {"completed"}
    found: set[tuple[str, str]] = set()
    for tool in tools:
        assert set(tool["findings"]) == {"schema_analyzer", "yara_analyzer"}
        found |= {(tool["tool_name"], threat) for told in tool["findings"].values() for threat in told["threat_names"]}
        assert tool["is_safe"] is (tool["tool_name"] not in {name for name, _ in found})
    assert found == set(STANDING)
