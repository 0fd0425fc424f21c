"""The bare command in a terminal leads on, and every command that is printed can be typed as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from deadline import ran

from seedance_mcp.cli import main
from seedance_mcp.cli.invocation import as_typed, own_words
from seedance_mcp.cli.mcp_clients import BY_NAME


@pytest.fixture
def terminal() -> Generator[int]:
    """One end of a terminal, for standard input."""
    leader, follower = os.openpty()
    yield follower
    os.close(leader)
    os.close(follower)


@pytest.fixture
def at_a_terminal(terminal: int) -> Generator[None]:
    """This process reads from a terminal."""
    kept = os.dup(0)
    os.dup2(terminal, 0)
    yield
    os.dup2(kept, 0)
    os.close(kept)


@pytest.fixture(autouse=True)
def no_client_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    assert main.main([]) == 0
    return capsys.readouterr().out


def commands(text: str) -> list[str]:
    """The commands that a text shows, each from the program's path on."""
    start = shlex.join(own_words())
    return [line[line.index(start) :].partition("   ")[0] for line in text.splitlines() if start in line]


@pytest.mark.usefixtures("at_a_terminal")
def test_the_bare_command_in_a_terminal_says_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys)
    assert all(len(line.replace(shlex.join(own_words()), "seedance-mcp")) <= 80 for line in told.splitlines())
    found = commands(told)
    assert [words.split()[-1] for words in found] == ["install", "demo", "doctor", "http"]
    for words in found:
        program, *rest = shlex.split(words)
        assert os.access(program, os.X_OK)
        main.parser().parse_args(rest[2:] if rest[:1] == ["-m"] else rest)


@pytest.mark.usefixtures("at_a_terminal")
def test_clients_that_are_here_are_proposed_until_they_are_connected(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    BY_NAME["cursor"].path().parent.mkdir(parents=True)
    (tmp_path / "claude").touch(0o755)
    assert "install claude-code   (here too: cursor)" in shown(capsys)
    for name in ("claude-code", "cursor"):
        assert main.main(["install", name, "--command", "/bin/sh"]) == 0
    capsys.readouterr()
    told = shown(capsys)
    assert "Connected: Claude Code, Cursor." in told
    assert "List the clients that it knows" in told


@pytest.mark.slow
def test_a_terminal_is_not_served_and_a_pipe_is(terminal: int) -> None:
    command = [sys.executable, "-m", "seedance_mcp"]
    done = ran(command, stdin=terminal)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Connect" in done.stdout or "List the clients" in done.stdout
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a pipe", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}
    served = ran(command, input=json.dumps(opening) + "\n")
    assert served.stdout.startswith('{"jsonrpc"')


def test_every_command_of_the_program_can_be_typed_as_it_is_told() -> None:
    _, _, listed = main.parser().format_help().partition("commands:")
    told = [f"run seedance-mcp {command} now" for command in re.findall(r"^ {4}(\w+) ", listed, re.MULTILINE)]
    assert told[:2] == ["run seedance-mcp serve now", "run seedance-mcp keep now"]
    assert "run seedance-mcp serve now" in told
    assert [text for text in told if as_typed(text) == text] == []


def test_a_command_is_shown_by_its_name_where_that_starts_this_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "run seedance-mcp doctor; this seedance-mcp supports /opt/seedance-mcp doctor"
    own = shlex.join(own_words())
    assert as_typed(text) == f"run {own} doctor; this seedance-mcp supports /opt/seedance-mcp doctor"
    (tmp_path / "seedance-mcp").touch(0o755)
    assert as_typed(text).startswith(f"run {own} doctor")
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    (tmp_path / "seedance-mcp").symlink_to(own_words()[0])
    assert as_typed(text) == text
    monkeypatch.setattr("sysconfig.get_path", {"scripts": str(tmp_path / "none")}.get)
    assert as_typed(text).startswith(f"run {shlex.join([sys.executable, '-m', 'seedance_mcp'])} doctor")
