"""Real clients against the real server, started by them and over HTTP; each is run by its driver and judged by the line it prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pytest
from recording import Shown, judge_recording
from workshop import ENVIRONMENT, NEWEST, closed_environment, node, node_modules, sandboxed, serving, venv

from seedance_mcp.server.tool_table import TOOLS

DRIVERS = Path(__file__).parent / "drivers"
TABLE = ENVIRONMENT.get("SEEDANCE_INTEROP_TABLE")
SERVER = Path(sys.executable).with_name("seedance-mcp")
DRIVER_SECONDS = 120
ASKING = {"SEEDANCE_CONFIRM_ABOVE": "0.5"}  # in JimiCoin: one request of the journey is above it

Transport = Literal["stdio", "http", "sse"]
TRANSPORTS: tuple[Transport, ...] = ("stdio", "http", "sse")


@dataclass(frozen=True)
class Spec:
    """One client: what it is installed from, which driver plays it, and how it is to reach the server."""

    name: str
    driver: str
    package: str
    version: str
    mode: str = ""
    newest: str = ""
    """What bounds the newest version of this client, where a later one is another client."""
    over: tuple[Transport, ...] = ("stdio", "http")
    refusal: str = "duration was 99; allowed: a whole number from 1 to 15."
    shown: Shown | None = None
    """What a model behind it gets to see, where it is run with one."""

    @cached_property
    def home(self) -> Path:
        """The virtual environment, or the `node_modules`, that it is installed in."""
        if self.driver.endswith(".py"):
            return venv(f"{self.package}{self.newest}" if NEWEST else f"{self.package}=={self.version}").parent
        return node_modules(f"{self.package}@{'latest' if NEWEST else self.version}")

    @property
    def installed(self) -> str:
        """The version that is there."""
        if self.driver.endswith(".mjs"):
            return json.loads((self.home / self.package / "package.json").read_text())["version"]
        name = re.sub(r"[-.]+", "_", self.package.partition("[")[0])
        return next(self.home.glob(f"lib/python*/site-packages/{name}-*.dist-info")).stem.partition("-")[2]

    @property
    def title(self) -> str:
        """What the table calls it."""
        return f"{self.name} {self.installed}{self.mode and f', {self.mode}'}"


ALL = TRANSPORTS
PYTHON, TYPESCRIPT = "mcp", "@modelcontextprotocol/client"
INSPECTOR = "@modelcontextprotocol/inspector"

CLIENTS = (
    Spec("Python SDK", "sdk2.py", PYTHON, "2.3.0", "auto"),
    Spec("Python SDK", "sdk2.py", PYTHON, "2.3.0", "legacy", over=ALL),
    Spec("Python SDK", "sdk2.py", PYTHON, "2.3.0", "2026-07-28"),
    Spec("Python SDK", "sdk1.py", PYTHON, "1.30.0", newest="<2", over=ALL),
    Spec("TypeScript SDK", "typescript1.mjs", "@modelcontextprotocol/sdk", "1.32.2", over=ALL),
    Spec("TypeScript SDK", "typescript2.mjs", TYPESCRIPT, "2.4.0", "legacy"),
    Spec("TypeScript SDK", "typescript2.mjs", TYPESCRIPT, "2.4.0", "auto"),
    Spec("MCP Inspector CLI", "inspector.mjs", INSPECTOR, "2.12.0", "legacy"),
    Spec("MCP Inspector CLI", "inspector.mjs", INSPECTOR, "2.12.0", "modern"),
    Spec("mcporter", "mcporter.mjs", "mcporter", "0.12.3"),
    Spec("FastMCP", "fastmcp_client.py", "fastmcp", "4.1.2"),
    Spec("Pydantic AI", "pydantic_ai_client.py", "pydantic-ai-slim[mcp]", "2.68.0"),
    Spec("OpenAI Agents SDK", "openai_agents.py", "openai-agents", "0.24.0"),
    Spec("LangChain MCP adapters", "langchain_adapters.py", "langchain-mcp-adapters", "0.3.2"),
    Spec("LlamaIndex MCP tools", "llama_index_client.py", "llama-index-tools-mcp", "0.6.0"),
    Spec(
        "Codex",
        "codex.mjs",
        "@openai/codex",
        "0.169.0",
        shown=Shown("flat", bounds="stripped", picture=True, forms_over=("stdio",), about_chars=7_900),
    ),
    Spec(
        "Claude Code",
        "claude_code.mjs",
        "@anthropic-ai/claude-code",
        "2.1.330",
        shown=Shown("union", bounds="as numbers", picture=True, forms_over=("stdio", "http"), about_chars=14_600),
    ),
    Spec(
        "Gemini CLI",
        "gemini_cli.mjs",
        "@google/gemini-cli",
        "0.61.0",
        refusal="duration was 15; allowed: a whole number from 4 to 12.",
        shown=Shown("flat", bounds="as numbers", picture=True, forms_over=(), about_chars=11_600),
    ),
    Spec(
        "opencode",
        "opencode.mjs",
        "opencode-ai",
        "1.18.33",
        shown=Shown("union", bounds="as numbers", picture=True, forms_over=(), about_chars=14_500),
    ),
    Spec(
        "Copilot CLI",
        "copilot.mjs",
        "@github/copilot",
        "1.0.102",
        shown=Shown("union", bounds="in descriptions", picture=False, forms_over=("stdio", "http"), about_chars=16_400),
    ),
    Spec(
        "Cline CLI",
        "cline.mjs",
        "cline",
        "3.0.65",
        shown=Shown("union", bounds="as numbers", picture=False, forms_over=(), about_chars=14_500, letters=True),
    ),
)
RUNS = [(spec, transport) for transport in TRANSPORTS for spec in CLIENTS if transport in spec.over]


class Hall:
    """The servers that clients reach, each started once, and what was seen of every client."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._addresses: dict[str, str] = {}
        self.seen: dict[Spec, dict[Transport, bool]] = {}

    def token(self, spec: Spec) -> str:
        """Each client has its own, and so its own tasks."""
        return f"token-of-client-{CLIENTS.index(spec):02}"

    def address(self, transport: Literal["http", "sse"]) -> str:
        """Where the server of one transport is reached."""
        if transport not in self._addresses:
            tokens = ",".join(f"client{number}:{self.token(spec)}" for number, spec in enumerate(CLIENTS))
            served = serving(self._folder / transport, transport, SEEDANCE_HTTP_TOKENS=tokens, **ASKING)
            self._addresses[transport] = self._stack.enter_context(served)
        return self._addresses[transport]

    def table(self) -> str:
        """What was seen, as docs/clients.md shows it."""
        rows = [["client", *(f"over {name}" for name in TRANSPORTS)], ["---"] * (1 + len(TRANSPORTS))]
        words = {True: "yes", False: "NO", None: ""}
        rows += [[spec.title, *(words[found.get(name)] for name in TRANSPORTS)] for spec, found in self.seen.items()]
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)


@pytest.fixture(scope="session")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Generator[Hall]:
    with ExitStack() as stack:
        made = Hall(tmp_path_factory.mktemp("hall"), stack)
        yield made
    if TABLE:
        Path(TABLE).write_text(made.table())


def play(spec: Spec, scratch: Path, target: dict[str, str]) -> dict[str, Any]:
    """Let a driver play its client and read the line it prints."""
    path = ["/usr/bin", "/bin"]
    if spec.driver.endswith(".mjs"):
        program, drivers = node() / "bin" / "node", spec.home.parent / "drivers"
        shutil.copytree(DRIVERS, drivers, dirs_exist_ok=True)  # Node looks for packages beside the script
        path = [str(spec.home / ".bin"), str(program.parent), *path]
    else:
        program, drivers = spec.home / "bin" / "python", DRIVERS
    settings = {"PATH": os.pathsep.join(path), "TERM": "dumb", "DO_NOT_TRACK": "1", "DISABLE_TELEMETRY": "1"}
    environment = closed_environment(scratch, **settings, **sandboxed(scratch), **ASKING, **target)
    command = [str(program), str(drivers / spec.driver), spec.mode]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=scratch, start_new_session=True, **pipes) as driver:
        try:
            told, errors = driver.communicate(timeout=DRIVER_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)  # a client that broke may have left its server or a provider behind
    assert driver.returncode == 0, f"{told}\n{errors}"[-8000:]
    return json.loads(told.splitlines()[-1])


SHOWN = [(spec, spec.shown) for spec in CLIENTS if spec.shown]


def test_the_documents_say_what_a_model_is_shown() -> None:
    told = (Path(__file__).parents[2] / "docs" / "clients.md").read_text("utf-8")
    rows = [f"| {' | '.join([f'{spec.name} {spec.version}', *shown.row()])} |\n" for spec, shown in SHOWN]
    assert "".join(rows) in told
    assert [spec.name for spec in CLIENTS if f"| {spec.name} {spec.version}" not in told] == []


def judge(spec: Spec, line: dict[str, Any], transport: Transport) -> None:
    """It lists every tool, calls, makes a video to a link that serves an MP4, and shows a refusal's words."""
    assert line["lists"] == len(TOOLS)
    assert line["calls"] is True
    assert line["video"] is True
    assert spec.refusal in line["error"]
    if spec.shown:
        judge_recording(spec.shown, line["shown"], transport)


@pytest.mark.parametrize(("spec", "transport"), RUNS, ids=[f"{spec.driver} {spec.mode} {over}" for spec, over in RUNS])
def test_a_client(spec: Spec, transport: Transport, hall: Hall, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.home  # noqa: B018 - what cannot be installed says nothing about a client
    target = {"INTEROP_SERVER": str(SERVER)}
    if transport != "stdio":
        target |= {"INTEROP_URL": hall.address(transport), "INTEROP_TOKEN": hall.token(spec)}
    seen = hall.seen.setdefault(spec, {})
    seen[transport] = False
    try:
        judge(spec, play(spec, tmp_path, target), transport)
        seen[transport] = True
    except Exception as error:
        if not NEWEST:
            raise
        pytest.xfail(f"BROKEN: {error}")
    finally:
        if NEWEST:
            with capsys.disabled():
                print(f"\n{spec.title} over {transport}: {'works' if seen[transport] else 'BROKEN'}")
