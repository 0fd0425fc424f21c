"""The packages as their owners' validators see them, and the registry's entry by the schema that the registry published."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from deadline import ran
from workshop import closed_environment, install, node, node_modules, venv

TOP = Path(__file__).parent.parent.parent
CLAUDE, GEMINI = "@anthropic-ai/claude-code@2.1.330", "@google/gemini-cli@0.61.0"
UV = "uv==0.13.9"
SKILLSAW = next(each for each in re.findall(r'"(skillsaw==[\d.]+)"', (TOP / "pyproject.toml").read_text("utf-8")))
"""It brings every schema of `server.json` that the registry published, and its rules for names and versions."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    subprocess.run([sys.executable, str(TOP / "packages" / "make.py"), str(folder)], check=True, timeout=60)
    return folder


def said(scratch: Path, package: str, program: str, *arguments: str, answer: str = "") -> str:
    """What a client's own command prints when it accepts; its uv fetches nothing."""
    home = node_modules(package)
    path = f"{home / '.bin'}:{node() / 'bin'}:{venv(UV)}:/usr/bin:/bin"
    environment = {**closed_environment(scratch, UV_NO_SYNC="1", DISABLE_AUTOUPDATER="1"), "PATH": path}
    command = [str(home / ".bin" / program), *arguments]
    done = ran(command, env=environment, cwd=scratch, input=answer)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("folder", ["claude", "claude/seedance"], ids=["marketplace", "plugin"])
def test_claude_code_accepts_the_plugin_and_its_marketplace(packages: Path, tmp_path: Path, folder: str) -> None:
    assert "Validation passed" in said(tmp_path, CLAUDE, "claude", "plugin", "validate", str(packages / folder))


def test_gemini_cli_accepts_the_extension(packages: Path, tmp_path: Path) -> None:
    told = said(tmp_path, GEMINI, "gemini", "extensions", "validate", str(packages / "gemini"))
    assert "successfully validated" in told


def test_claude_code_installs_the_plugin_from_its_marketplace_and_connects(packages: Path, tmp_path: Path) -> None:
    install(venv(UV) / "uv", "sync", "--directory", packages / "claude" / "seedance" / "server")
    for words in (["marketplace", "add", str(packages / "claude")], ["install", "seedance@seedance-mcp"]):
        said(tmp_path, CLAUDE, "claude", "plugin", *words)
    told = said(tmp_path, CLAUDE, "claude", "mcp", "list")
    assert re.search(r"^plugin:seedance:seedance: .* Connected$", told, re.MULTILINE), told


def test_gemini_cli_installs_the_extension_and_connects(packages: Path, tmp_path: Path) -> None:
    install(venv(UV) / "uv", "sync", "--directory", packages / "gemini" / "server")
    options = ("--consent", "--skip-settings")  # it asks for the key in a terminal alone
    said(tmp_path, GEMINI, "gemini", "extensions", "install", str(packages / "gemini"), *options, answer="y\n")
    assert re.search(r"seedance \(from seedance\): .* Connected", said(tmp_path, GEMINI, "gemini", "mcp", "list"))


def linted(scratch: Path, entry: str) -> subprocess.CompletedProcess[str]:
    """Look at a folder that holds an entry of the registry and nothing else."""
    folder = scratch / "entry"
    folder.mkdir(exist_ok=True)
    (folder / "server.json").write_text(entry, "utf-8")
    return ran([str(venv(SKILLSAW) / "skillsaw"), "lint", str(folder)], env=closed_environment(scratch))


def test_the_registrys_entry_passes_its_published_schema(tmp_path: Path) -> None:
    entry = (TOP / "server.json").read_text("utf-8")
    whole, broken = linted(tmp_path, entry), linted(tmp_path, entry.replace('"filepath"', '"path"'))
    assert "Repo type: mcp-registry" in whole.stdout
    assert (whole.returncode, broken.returncode) == (0, 1), whole.stdout + broken.stdout
    assert "server.json" in broken.stdout
