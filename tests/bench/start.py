"""Time and memory from process start to `tools/list`, against an empty server on the same SDK, in turn.

Run it with the interpreter that has seedance-mcp installed: `python tests/bench/start.py [RUNS]`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
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
COMMANDS = {"seedance-mcp": [sys.executable, "-m", "seedance_mcp"], "empty server": [sys.executable, "-c", EMPTY]}
INFO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
OPENING: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INFO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]
ENVIRONMENT = {**os.environ, "SEEDANCE_BASE_URL": "http://127.0.0.1:9"}


def start(command: list[str]) -> tuple[float, float]:
    """Seconds to the answer of `tools/list`, and the resident megabytes at that moment."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("".join(f"{json.dumps(line)}\n" for line in OPENING))
        process.stdin.flush()
        while json.loads(process.stdout.readline()).get("id") != 2:
            pass
        seconds = time.perf_counter() - begun
        with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:  # noqa: PTH123 - a kernel file
            megabytes = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        process.stdin.close()
    return seconds, megabytes


def main(runs: int) -> None:
    """Print one table of medians and the ratio of each pair of runs."""
    for command in COMMANDS.values():
        start(command)  # caches warm
    found = [{name: start(command) for name, command in COMMANDS.items()} for _ in range(runs)]
    for name in COMMANDS:
        seconds, megabytes = (statistics.median(run[name][part] for run in found) for part in (0, 1))
        print(f"{name:<14} {seconds * 1000:7.0f} ms {megabytes:7.1f} MB")
    ratios = [run["seedance-mcp"][0] / run["empty server"][0] for run in found]
    print(f"ratio of time  {statistics.median(ratios):7.2f}   (from {min(ratios):.2f} to {max(ratios):.2f} over {runs} pairs)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
