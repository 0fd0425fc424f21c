"""Messages that some clients send and the protocol does not allow are taken, or answered in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from deadline import running

from seedance_mcp.server.loose_messages import mended

CLIENT = "io.modelcontextprotocol/clientInfo"
DRY = {"dry_run": True, "request": {"model": "seedance2.0-md", "prompt": "a fox"}}


def message(method: str, params: Any) -> types.JSONRPCRequest:
    return types.JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params=params)


@pytest.mark.parametrize(
    ("method", "params", "mend"),
    [
        ("initialize", {"clientInfo": {"name": "x"}}, {"clientInfo": {"name": "x", "version": ""}}),
        ("initialize", {"clientInfo": {"name": "x", "version": None}}, {"clientInfo": {"name": "x", "version": ""}}),
        ("initialize", {"clientInfo": "x"}, {"clientInfo": "x"}),
        ("tools/call", {"arguments": '{"a": 1}'}, {"arguments": {"a": 1}}),
        ("tools/call", {"arguments": ""}, {"arguments": {}}),
        ("tools/call", {"arguments": "[1]"}, {"arguments": {"arguments": "[1]"}}),
        ("tools/call", {"arguments": '{"a"'}, {"arguments": {"arguments": '{"a"'}}),
        ("prompts/get", {"arguments": "x"}, {"arguments": "x"}),
        ("ping", {"_meta": {"progressToken": None, "a": 1}}, {"_meta": {"a": 1}}),
        ("ping", {"_meta": {"progressToken": 0}}, {"_meta": {"progressToken": 0}}),
        ("ping", {"_meta": None}, {"_meta": {}}),
        ("ping", {"_meta": 5}, {"_meta": 5}),
        ("ping", {"_meta": {CLIENT: {"name": "x"}}}, {"_meta": {CLIENT: {"name": "x", "version": ""}}}),
    ],
)
def test_what_is_loose_is_mended_and_nothing_else(method: str, params: Any, mend: Any) -> None:
    after = mended(message(method, params))
    assert isinstance(after, types.JSONRPCRequest)
    assert after.params == mend


def test_a_message_without_parameters_stays_as_it_is() -> None:
    for each in (message("ping", None), types.JSONRPCNotification(jsonrpc="2.0", method="notifications/x")):
        assert mended(each) is each


@pytest.mark.parametrize("instant", ["1", "0"])
@pytest.mark.slow
def test_a_server_takes_what_clients_send(tmp_path: Path, instant: str) -> None:
    info = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand"}}
    calls: list[dict[str, Any]] = [
        {"name": "create_video", "arguments": json.dumps(DRY)},
        {"name": "create_video", "arguments": DRY, "_meta": {"progressToken": None}},
        {"name": "get_task", "arguments": "vid_1"},
    ]
    lines = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": info},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        *({"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": each} for id_, each in enumerate(calls, 1)),
    ]
    environment = {**os.environ, "SEEDANCE_DATA_DIR": str(tmp_path / "data"), "SEEDANCE_INSTANT_START": instant}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with running("the answers", [sys.executable, "-m", "seedance_mcp"], env=environment, **pipes) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("".join(f"{json.dumps(line)}\n" for line in lines))
        process.stdin.flush()
        answers = {each["id"]: each for each in (json.loads(process.stdout.readline()) for _ in range(4))}
        process.communicate()
    assert answers[0]["result"]["serverInfo"]["name"] == "seedance-mcp"
    assert all(answers[id_]["result"]["structuredContent"]["dry_run"] for id_ in (1, 2))
    refused = answers[3]["result"]
    assert refused["isError"] is True
    assert "arguments" in refused["content"][0]["text"]
