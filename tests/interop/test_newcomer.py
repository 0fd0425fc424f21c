"""A newcomer with an empty home types the README's lines and ends with films and a client that has connected."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from workshop import CLOSED, ROOT, install, node, node_modules

CLAUDE_CODE = "@anthropic-ai/claude-code@2.1.330"
README = (ROOT / "README.md").read_text("utf-8")
STEP_SECONDS = 240


def printed(pattern: str) -> str:
    """A command as the README prints it."""
    found = re.search(pattern, README, re.MULTILINE)
    assert found, pattern
    return found[0]


def typed(command: str, folder: Path, home: Path, *path: Path, **settings: str) -> str:
    """Type one command in a folder; gives all that it printed."""
    found = ":".join([*map(str, path), "/usr/bin", "/bin"])
    environment = {"HOME": str(home), "PATH": found, **settings}
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    ended = subprocess.run(
        ["/bin/bash", "-c", command], cwd=folder, env=environment, timeout=STEP_SECONDS, text=True, check=False, **pipes
    )
    assert ended.returncode == 0, ended.stdout[-4000:]
    return ended.stdout


def test_a_newcomer_has_films_and_a_connected_client(tmp_path: Path) -> None:
    folder, home = tmp_path / "clone", tmp_path / "home"
    home.mkdir()
    claude = node_modules(CLAUDE_CODE) / ".bin"
    install("git", "clone", "-q", ROOT, folder)
    typed(printed(r"^python3 -m venv \.venv && .* demo$"), folder, home)
    assert len(list((folder / "seedance-videos").glob("*.mp4"))) == 3
    typed(f".venv/bin/{printed(r'^seedance-mcp install claude-code$')} --sandbox", folder, home)
    listed = typed("claude mcp list", folder, home, claude, node() / "bin", **CLOSED, DISABLE_AUTOUPDATER="1")
    assert re.search(r"^seedance: .*Connected$", listed, re.MULTILINE), listed
