"""From process start to `tools/list` and to the first tool call: against an empty server on the same SDK and installed peers.

Run it with the interpreter that has seedance-mcp installed: `python tests/bench/start.py [RUNS] [--peers FOLDER]`. The peers
are installed once into the folder, by npm and pip; everything is started in turn, so that ratios hold on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

EMPTY = """
import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.stdio import stdio_server

async def tools(ctx, params):
    return types.ListToolsResult(tools=[types.Tool(name="nothing", input_schema={"type": "object"})])

async def main():
    server = Server("empty", on_list_tools=tools)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

anyio.run(main)
"""
OURS = str(Path(sys.executable).with_name("seedance-mcp"))
NODE_PEERS = {"fal-ai-mcp-server@2.1.4": "fal-mcp-server", "replicate-mcp@0.9.0": "mcp-server"}
PYTHON_PEERS = {"elevenlabs-mcp==0.12.2": "elevenlabs-mcp"}
INFO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
OPENING: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INFO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]
CALL = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "list_models", "arguments": {"route": "md"}}}
KEYS = dict.fromkeys(("FAL_KEY", "REPLICATE_API_TOKEN", "ELEVENLABS_API_KEY"), "none")
NOWHERE = "http://127.0.0.1:9"
ENVIRONMENT = {**os.environ, **KEYS, "SEEDANCE_BASE_URL": NOWHERE, "HTTPS_PROXY": NOWHERE}
Run = tuple[float, float]


def start(command: list[str], messages: list[dict[str, Any]], **more: str) -> Run:
    """Milliseconds to the answer of the last message, and the resident megabytes at that moment."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    begun = time.perf_counter()
    process = subprocess.Popen(command, env={**ENVIRONMENT, **more}, **pipes)
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("".join(f"{json.dumps(line)}\n" for line in messages))
        process.stdin.flush()
        while _id(process.stdout.readline()) != messages[-1]["id"]:
            pass
        took = (time.perf_counter() - begun) * 1000
        with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:  # noqa: PTH123 - a kernel file
            megabytes = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        process.kill()
    return took, megabytes


def _id(line: str) -> Any:
    """A message's id; some peers print other things, too."""
    assert line, "it ended"
    return json.loads(line).get("id") if line.startswith("{") else None


def install(folder: Path) -> dict[str, list[str]]:
    """The peers' commands, installed where they are not yet."""
    node, python = folder / "node", folder / "python"
    if not node.exists():
        npm = shutil.which("npm") or "npm"
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--prefix", node, *NODE_PEERS], check=True)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python], check=True)
        subprocess.run([python / "bin" / "pip", "install", "-q", *PYTHON_PEERS], check=True)
    commands = {name: [str(node / "node_modules" / ".bin" / program)] for name, program in NODE_PEERS.items()}
    return commands | {name: [str(python / "bin" / program)] for name, program in PYTHON_PEERS.items()}


def main(runs: int, peers: Path | None) -> None:
    """Print one table of medians, and the ratio of each to seedance-mcp within the same round."""
    empty = [sys.executable, "-c", EMPTY]
    cases: dict[str, tuple[list[str], list[dict[str, Any]], dict[str, str]]] = {
        "seedance-mcp": ([OURS], OPENING, {}),
        "empty server, mcp SDK": (empty, OPENING, {}),
        **{name: (command, OPENING, {}) for name, command in (install(peers) if peers else {}).items()},
        "first call, seedance-mcp": ([OURS], [*OPENING, CALL], {}),
        "first call, without instant start": ([OURS], [*OPENING, CALL], {"SEEDANCE_INSTANT_START": "0"}),
    }
    for command, messages, more in cases.values():
        start(command, messages, **more)  # caches warm
    rounds = [{name: start(command, said, **more) for name, (command, said, more) in cases.items()} for _ in range(runs)]
    print(f"{'':<34} {'ms':>7} {'MB':>7}   seedance-mcp takes (time, memory), median of {runs} rounds")
    for name in cases:
        ours = "first call, seedance-mcp" if name.startswith("first") else "seedance-mcp"
        took, megabytes = (statistics.median(each[name][part] for each in rounds) for part in (0, 1))
        ratios = [statistics.median(each[ours][part] / each[name][part] for each in rounds) for part in (0, 1)]
        print(f"{name:<34} {took:7.0f} {megabytes:7.1f}   {ratios[0]:.3f}  {ratios[1]:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=15)
    parser.add_argument("--peers", type=Path)
    given = parser.parse_args()
    main(given.runs, given.peers)
