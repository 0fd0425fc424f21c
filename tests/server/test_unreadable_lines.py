"""A line that is no message is answered with the id that it holds, by the instant start and by the server behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deadline import running
from unreadable import DEEP, HALF, LINES, call, request

INFO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}


def opening(client: str = "by hand") -> list[str]:
    greeting = {
        "jsonrpc": "2.0",
        "id": "hello",
        "method": "initialize",
        "params": {**INFO, "clientInfo": {"name": "x", "version": "1"}},
    }
    return [json.dumps(greeting).replace('"x"', f'"{client}"'), '{"jsonrpc":"2.0","method":"notifications/initialized"}']


def said(tmp_path: Path, lines: list[str], count: int, **variables: str) -> list[dict[str, Any]]:
    """So many messages; there are no more."""
    environment = {**os.environ, "SEEDANCE_DATA_DIR": str(tmp_path / "data"), **variables}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with running("the answers", [sys.executable, "-m", "seedance_mcp"], env=environment, **pipes) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n".join([*lines, ""]))
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(count)]
        rest, errors = process.communicate()
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in errors
    return answers


@pytest.mark.parametrize("instant", ["1", "0"])
@pytest.mark.slow
def test_every_line_is_answered_with_the_ids_that_it_holds(tmp_path: Path, instant: str) -> None:
    wanted = [each for _, ids in LINES for each in ids]
    lines = [*opening(), *(line for line, _ in LINES), request('"last"')]
    answers = said(tmp_path, lines, len(wanted) + 2, SEEDANCE_INSTANT_START=instant)
    assert [answer["id"] for answer in answers if "result" in answer] == ["hello", "last"]
    refused = [answer for answer in answers if "error" in answer]
    assert [answer["id"] for answer in refused] == wanted
    assert all(answer["error"]["code"] in {-32600, -32700} and answer["error"]["message"] for answer in refused)


@pytest.mark.slow
def test_a_mark_of_byte_order_before_the_opening_changes_nothing(tmp_path: Path) -> None:
    first, second = opening()
    answers = said(tmp_path, [f"\ufeff{first}", second, call("1", '"a fox"')], 2)
    assert [(answer["id"], "result" in answer) for answer in answers] == [("hello", True), (1, True)]


@pytest.mark.slow
def test_an_opening_that_the_server_behind_could_not_read_is_not_answered_by_the_snapshot(tmp_path: Path) -> None:
    for client in (HALF, '", "deep": ' + DEEP + ', "x": "'):
        answers = said(tmp_path, [*opening(client), *opening(), call("1", '"a fox"')], 3)
        told = [(answer["id"], "result" in answer) for answer in answers]
        assert told == [("hello", False), ("hello", True), (1, True)]
