"""Make the packages that clients install by themselves: a Claude Code plugin with its marketplace, and a Gemini CLI extension.

    python packages/make.py [FOLDER]

Each holds this version of the server, which uv starts, the page for agents, and asks for the key by the client's own means.
"""

from __future__ import annotations

import json
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from seedance_mcp._version import __version__
from seedance_mcp.cli import bundle
from seedance_mcp.cli.mcp_clients import KEY, SERVER
from seedance_mcp.origin import PACKAGE

SKILL = Path(__file__).parent / "seedance-video" / "SKILL.md"
LIMIT = "SEEDANCE_MAX_COST_PER_DAY"
LIMIT_DEFAULT = "20"
"""JimiCoin; as in the bundle, so that no package starts without a limit."""
ENVIRONMENT = {KEY: f"${{{KEY}:-}}", LIMIT: f"${{{LIMIT}:-{LIMIT_DEFAULT}}}"}
"""The same in both clients: each fills in its own variables, and these defaults where it has none."""
OWNER = {"name": "The seedance-mcp authors"}


def main(folder: Path) -> None:
    """Write both packages into an empty folder."""
    about = metadata.metadata(PACKAGE)["Summary"]
    shutil.rmtree(folder, ignore_errors=True)
    claude(folder / "claude", about)
    gemini(folder / "gemini", about)
    print(f"{folder / 'claude'}: claude plugin marketplace add {folder / 'claude'}")
    print(f"{folder / 'gemini'}: gemini extensions install {folder / 'gemini'}")


def claude(folder: Path, about: str) -> None:
    """Write the marketplace with its one plugin: the server and the skill."""
    plugin = folder / SERVER
    entry = {"name": SERVER, "source": f"./{SERVER}", "description": about, "version": __version__, "category": "video"}
    market = {"name": PACKAGE, "owner": OWNER, "metadata": {"description": about}, "plugins": [entry]}
    write(folder / ".claude-plugin" / "marketplace.json", market)
    named = {"name": SERVER, "version": __version__, "description": about, "author": OWNER, "license": "MIT"}
    write(plugin / ".claude-plugin" / "plugin.json", {**named, "keywords": ["video", "seedance", "mcp"]})
    write(plugin / ".mcp.json", {"mcpServers": {SERVER: start("${CLAUDE_PLUGIN_ROOT}")}})
    write(plugin / "skills" / "seedance-video" / "SKILL.md", SKILL.read_text("utf-8"))
    serve(plugin)


def gemini(folder: Path, about: str) -> None:
    """Write the extension: the server, the page for agents, and the questions that the client asks at the installation."""
    asked = [
        {"name": "API key", "description": "The provider's key.", "envVar": KEY, "sensitive": True},
        {
            "name": "Limit per day",
            "description": f"In JimiCoin, such as {LIMIT_DEFAULT}.",
            "envVar": LIMIT,
            "sensitive": False,
        },
    ]
    server = start("${extensionPath}")
    extension = {"name": SERVER, "version": __version__, "description": about, "contextFileName": "GEMINI.md"}
    write(folder / "gemini-extension.json", {**extension, "mcpServers": {SERVER: server}, "settings": asked})
    write(folder / "GEMINI.md", SKILL.read_text("utf-8").partition("---\n\n")[2])
    serve(folder)


def start(root: str) -> dict[str, Any]:
    """Give the entry that starts the server of a package with uv."""
    return {
        "command": "uv",
        "args": ["run", "--directory", f"{root}/server", "python", "-m", "seedance_mcp"],
        "env": ENVIRONMENT,
    }


def serve(folder: Path) -> None:
    """Write the server with the project file from which uv makes its environment."""
    for name, content in bundle.server_files().items():
        path = folder / "server" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write(path: Path, content: dict[str, Any] | str) -> None:
    """Write a text, or an object as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist/packages").absolute())
