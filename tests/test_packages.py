"""The packages that clients install by themselves are made by one recipe, hold this server, and name only what exists."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from deadline import ran

from seedance_mcp import __version__
from seedance_mcp.server.tool_table import TOOLS
from seedance_mcp.settings import Settings

TOP = Path(__file__).parent.parent
SKILL = TOP / "packages" / "seedance-video" / "SKILL.md"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    done = ran([sys.executable, str(TOP / "packages" / "make.py"), str(folder)])
    assert done.returncode == 0, done.stderr
    return folder


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def checked(server: dict[str, Any], root: Path, placeholder: str) -> None:
    """The entry starts the server that is in the package, and passes on only settings that exist."""
    assert server["command"] == "uv"
    folder = Path(server["args"][2].replace(placeholder, str(root)))
    assert server["args"][3:] == ["python", "-m", "seedance_mcp"]
    assert (folder / "seedance_mcp" / "__main__.py").read_bytes() == (TOP / "seedance_mcp" / "__main__.py").read_bytes()
    assert "mcp<3,>=2" in (folder / "pyproject.toml").read_text("utf-8")
    assert set(server["env"]) <= {f"SEEDANCE_{name.upper()}" for name in Settings.model_fields}
    assert not any(value.startswith("sk") for value in server["env"].values())


@pytest.mark.slow
def test_the_claude_plugin_is_in_its_marketplace_with_server_and_skill(packages: Path) -> None:
    market = read(packages / "claude" / ".claude-plugin" / "marketplace.json")
    (entry,) = market["plugins"]
    plugin = packages / "claude" / entry["source"]
    named = read(plugin / ".claude-plugin" / "plugin.json")
    assert (named["name"], named["version"], entry["version"]) == (entry["name"], __version__, __version__)
    checked(read(plugin / ".mcp.json")["mcpServers"]["seedance"], plugin, "${CLAUDE_PLUGIN_ROOT}")
    assert (plugin / "skills" / "seedance-video" / "SKILL.md").read_bytes() == SKILL.read_bytes()


@pytest.mark.slow
def test_the_gemini_extension_asks_for_the_key_and_holds_the_page(packages: Path) -> None:
    extension = read(packages / "gemini" / "gemini-extension.json")
    server = extension["mcpServers"]["seedance"]
    checked(server, packages / "gemini", "${extensionPath}")
    assert {each["envVar"] for each in extension["settings"]} == set(server["env"])
    assert [each["envVar"] for each in extension["settings"] if each["sensitive"]] == ["SEEDANCE_API_KEY"]
    assert (packages / "gemini" / extension["contextFileName"]).read_text("utf-8").startswith("# Making Seedance videos")


def test_the_skill_names_tools_and_arguments_that_exist() -> None:
    text = SKILL.read_text("utf-8")
    assert text.startswith("---\nname: seedance-video\ndescription: ")
    schemas = "".join(path.read_text("utf-8") for path in (TOP / "tests" / "server" / "snapshots").rglob("*.json"))
    words = {re.split(r"[: ]", word)[0] for word in re.findall(r"`([a-z_]+(?:: \w+)?)`", text)}
    assert {tool.name for tool in TOOLS} & words >= {"create_video", "upload_asset", "join_videos", "wait_for_video"}
    assert {word for word in words if f'"{word}"' not in schemas} <= {"cause", "confirmation_required"}
