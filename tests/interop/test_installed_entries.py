"""What `install` writes is what the client itself lists: each is asked by its own command, without a login."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from deadline import ran
from workshop import closed_environment, node, node_modules

SERVER = Path(sys.executable).with_name("seedance-mcp")


class Lister(NamedTuple):
    """A client's own command that lists its servers, and what it prints of ours."""

    package: str
    command: str
    shown: str
    variables: tuple[tuple[str, str], ...] = ()


LISTERS = {
    "claude-code": Lister("@anthropic-ai/claude-code@2.1.330", "claude mcp list", r"^seedance: .* Connected$"),
    "codex": Lister("@openai/codex@0.169.0", "codex mcp list", r"^seedance +\S*/seedance-mcp .* enabled "),
    "gemini": Lister(
        "@google/gemini-cli@0.61.0",
        "gemini mcp list",
        r"seedance: .* Connected",
        (("GEMINI_CLI_TRUST_WORKSPACE", "true"),),
    ),
    "opencode": Lister("opencode-ai@1.18.33", "opencode mcp list", r"seedance .*connected"),
    "copilot": Lister("@github/copilot@1.0.102", "copilot mcp list", r"^ +seedance \(local\)$"),
    "cline": Lister("cline@3.0.65", "cline config mcp", r"^ +seedance \[stdio\]$"),
}


def printed(environment: dict[str, str], folder: Path, *command: str) -> str:
    """What a command prints, colours apart."""
    done = ran([*command], env=environment, cwd=folder, stdin=subprocess.DEVNULL)
    told = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert done.returncode == 0, told
    return told


@pytest.mark.parametrize("name", LISTERS)
def test_a_client_lists_what_install_wrote_and_not_what_undo_took_back(name: str, tmp_path: Path) -> None:
    lister = LISTERS[name]
    path = f"{node_modules(lister.package) / '.bin'}:{node() / 'bin'}:/usr/bin:/bin"
    quiet = {"TERM": "dumb", "DISABLE_AUTOUPDATER": "1", "CLINE_NO_AUTO_UPDATE": "1"}
    environment = {**closed_environment(tmp_path, **quiet, **dict(lister.variables)), "PATH": path}
    printed(environment, tmp_path, str(SERVER), "install", name, "--sandbox")
    told = printed(environment, tmp_path, *lister.command.split())
    assert re.search(lister.shown, told, re.MULTILINE), told
    printed(environment, tmp_path, str(SERVER), "install", name, "--undo")
    assert "seedance-mcp" not in printed(environment, tmp_path, *lister.command.split())
