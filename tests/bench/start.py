"""From process start to `tools/list` and to the first tool call, beside an empty server on the same SDK and installed peers."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from functools import cache
from typing import Any, Literal, NamedTuple

from kit import ENVIRONMENT, INFO, Row, empty, memory_mb, ours, provider
from workshop import node, node_modules, venv

from seedance_mcp.sandbox.provider import KEY

ROUNDS = 15
NODE_PEERS = {"fal-ai-mcp-server@2.1.4": "fal-mcp-server", "replicate-mcp@0.9.0": "mcp-server"}
PYTHON_PEERS = {"elevenlabs-mcp==0.12.2": "elevenlabs-mcp"}
KEYS = dict.fromkeys(("FAL_KEY", "REPLICATE_API_TOKEN", "ELEVENLABS_API_KEY"), "none")
OPENING: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INFO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]
CALL = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "list_models", "arguments": {"route": "md"}}}
CALL_EMPTY = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "nothing", "arguments": {"seconds": 0}}}
FIRST, FIRST_PLAIN, FIRST_EMPTY = "first call", "first call on the plain server", "first call of the empty server"


class Started(NamedTuple):
    """What a server had taken when it gave the answer to the last message."""

    milliseconds: float
    megabytes: float
    answer: dict[str, Any]


def start(command: list[str], messages: list[dict[str, Any]], **more: str) -> Started:
    """Start a server and talk to it."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    begun = time.perf_counter()
    with subprocess.Popen(command, env={**ENVIRONMENT, **KEYS, **more}, **pipes) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("".join(f"{json.dumps(line)}\n" for line in messages))
        process.stdin.flush()
        answer: dict[str, Any] = {}
        while answer.get("id") != messages[-1]["id"]:
            answer = _read(process.stdout.readline())
        took, megabytes = (time.perf_counter() - begun) * 1000, memory_mb(process.pid)
        process.kill()
    return Started(took, megabytes, answer["result"])


def _read(line: str) -> dict[str, Any]:
    """One message; some peers print other things, too."""
    assert line, "it ended"
    return json.loads(line) if line.startswith("{") else {}


@cache
def peers() -> dict[str, list[str]]:
    """The peers' commands, each installed once."""
    modules, interpreter = node_modules(*NODE_PEERS), str(node() / "bin" / "node")
    found = {name: [interpreter, str((modules / ".bin" / program).resolve())] for name, program in NODE_PEERS.items()}
    return found | {name: [str(venv(name) / program)] for name, program in PYTHON_PEERS.items()}


def rows() -> list[Row]:
    """Start everything in turn, so that ratios hold on a busy machine."""
    with provider() as address:
        return beside_each_other({"SEEDANCE_BASE_URL": address, "SEEDANCE_API_KEY": KEY})


def beside_each_other(reachable: dict[str, str]) -> list[Row]:
    """Start everything once in each round; only the calls need a provider."""
    cases: dict[str, tuple[list[str], list[dict[str, Any]], dict[str, str]]] = {
        "ours": (ours(), OPENING, {}),
        "empty server, same SDK": (empty(), OPENING, {}),
        **{name: (command, OPENING, {}) for name, command in peers().items()},
        FIRST: (ours(), [*OPENING, CALL], reachable),
        FIRST_PLAIN: (ours(), [*OPENING, CALL], {**reachable, "SEEDANCE_INSTANT_START": "0"}),
        FIRST_EMPTY: (empty(), [*OPENING, CALL_EMPTY], {}),
    }
    for command, said, more in cases.values():
        start(command, said, **more)  # caches warm
    rounds = [{name: start(command, said, **more) for name, (command, said, more) in cases.items()} for _ in range(ROUNDS)]

    def row(what: str, unit: Literal["ms", "MB"], mine: str, name: str, promised: str = "") -> Row:
        def figure(run: Started) -> float:
            return run.milliseconds if unit == "ms" else run.megabytes

        one, other = (statistics.median(figure(each[of]) for each in rounds) for of in (mine, name))
        ratio = statistics.median(figure(each[mine]) / figure(each[name]) for each in rounds)
        return Row(what, one, unit, name, other, promised, ratio)

    promises = {"empty server, same SDK": "0.1"} | dict.fromkeys(NODE_PEERS, "0.25")
    beside = [name for name in cases if name not in ("ours", FIRST, FIRST_PLAIN, FIRST_EMPTY)]
    return [
        *(row("start to `tools/list`", "ms", "ours", name, promises.get(name, "")) for name in beside),
        row("memory before the first call", "MB", "ours", beside[0], "0.25"),
        row("first call, from process start", "ms", FIRST, FIRST_PLAIN, "1"),
        row("first call, from process start", "ms", FIRST, FIRST_EMPTY, "1.15"),
    ]
