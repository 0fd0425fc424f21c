"""A newcomer with an empty home types the README's lines and ends with films, passing tests and a client that has connected."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from workshop import CLOSED, ENVIRONMENT, ROOT, install, node, node_modules, venv

CLAUDE_CODE = "@anthropic-ai/claude-code@2.1.330"
UV, PIPX = "uv==0.13.9", "pipx==1.18.4"
README = (ROOT / "README.md").read_text("utf-8")
STEP_SECONDS = 240
A_START = "tests/test_settings.py tests/test_untrusted.py"
"""The suite takes minutes, and the gate runs all of it."""
CERTIFICATES = {name: ENVIRONMENT[name] for name in ("SSL_CERT_FILE",) if name in ENVIRONMENT}
"""uv brings its own list of certificates, and learns of the machine's by this alone."""


class Way(NamedTuple):
    """One way through the README: its lines as patterns, and the program that the newcomer has beside the system's Python."""

    installer: str = ""
    """The package with that program, which lies in `~/.local/bin` as its own installer has it; empty for the system's Python."""
    demo: str = r"^python3 -m venv \.venv && .* demo$"
    tests: str = r"^python3 -m venv \.venv && .* --cov$"
    """Empty for an installer that runs no tests."""
    kept: str = ""
    """The line that leaves the command in `~/.local/bin`; empty where the demo's line has made it, in `.venv/bin`."""


WAYS = {
    "python": Way(),
    "uv": Way(UV, r"uv run --extra sandbox \S+ demo", r"uv run --extra test \S+ --cov", r'uv tool install "\S+"'),
    "pipx": Way(PIPX, r"(?<=/)seedance-mcp demo$", "", r'pipx install "\S+"'),
}


def printed(pattern: str) -> str:
    """A command as the README prints it."""
    found = re.search(pattern, README, re.MULTILINE)
    assert found, pattern
    return found[0]


def typed(command: str, folder: Path, home: Path, *path: Path, **settings: str) -> str:
    """Type one command in a folder; gives all that it printed."""
    found = ":".join([str(home / ".local/bin"), *map(str, path), "/usr/bin", "/bin"])
    environment = {"HOME": str(home), "PATH": found, **CERTIFICATES, **settings}
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    ended = subprocess.run(
        ["/bin/bash", "-c", command], cwd=folder, env=environment, timeout=STEP_SECONDS, text=True, check=False, **pipes
    )
    assert ended.returncode == 0, ended.stdout[-4000:]
    return ended.stdout


def empty_home(home: Path, installer: str) -> None:
    """Make a home with nothing but the installer."""
    programs = home / ".local" / "bin"
    programs.mkdir(parents=True)
    if installer:
        name = installer.partition("=")[0]
        (programs / name).symlink_to(venv(installer) / name)


@pytest.mark.parametrize("name", WAYS)
def test_a_newcomer_has_films_passing_tests_and_a_connected_client(name: str, tmp_path: Path) -> None:
    way, folder, home = WAYS[name], tmp_path / "clone", tmp_path / "home"
    empty_home(home, way.installer)
    claude = node_modules(CLAUDE_CODE) / ".bin"
    install("git", "clone", "-q", ROOT, folder)
    if way.kept:
        typed(printed(way.kept), folder, home)
    typed(printed(way.demo), folder, home)
    assert len(list((folder / "seedance-videos").glob("*.mp4"))) == 4
    if way.tests:
        started = typed(f"{printed(way.tests)} --cov-fail-under=0 {A_START}", folder, home)
        assert re.search(r"\b\d+ passed\b", started), started
    command = "" if way.kept else ".venv/bin/"
    typed(f"{command}{printed(r'^seedance-mcp install claude-code$')} --sandbox", folder, home)
    typed(f"{command}{printed(r'^seedance-mcp doctor$')}", folder, home)
    listed = typed("claude mcp list", folder, home, claude, node() / "bin", **CLOSED, DISABLE_AUTOUPDATER="1")
    assert re.search(r"^seedance: .*Connected$", listed, re.MULTILINE), listed
