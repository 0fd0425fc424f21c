"""`seedance-mcp bundle` packs this installation into an MCPB file, which Claude Desktop installs with a double click."""

from __future__ import annotations

import json
import zipfile
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from seedance_mcp._version import __version__
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.origin import PACKAGE, requirements
from seedance_mcp.server.tool_table import TOOLS

_FILE_TIME = (2026, 1, 1, 0, 0, 0)
"""The time stamp of every file inside: the same content gives the same bundle."""

_QUESTIONS: dict[str, dict[str, Any]] = {
    "api_key": {
        "type": "string",
        "title": "API key",
        "description": "The provider's key. Not needed for the sandbox.",
        "sensitive": True,
        "required": False,
    },
    "sandbox": {
        "type": "boolean",
        "title": "Sandbox",
        "description": "Try everything without a key: nothing is real, nothing is charged.",
        "required": False,
        "default": False,
    },
    "max_cost_per_day": {
        "type": "number",
        "title": "Limit per day",
        "description": "Hard limit for one UTC day, in JimiCoin. A request without a known price is refused while it is set.",
        "required": True,
        "default": 20,
        "min": 0,
    },
    "output_dir": {
        "type": "directory",
        "title": "Folder for videos",
        "description": "The only folder that videos are saved to.",
        "required": False,
        "default": "~/seedance-videos",
    },
}
"""The questions that Claude Desktop asks the user, by the setting's name.

A limit and a folder have a default here, because Claude Desktop passes its own placeholder on for a question without an
answer, and the server does not start with one in their place.
"""


def manifest() -> dict[str, Any]:
    """Give the bundle's manifest, version 0.4 of the MCPB format."""
    about = metadata.metadata(PACKAGE)
    environment = {f"SEEDANCE_{name.upper()}": f"${{user_config.{name}}}" for name in _QUESTIONS}
    start = {
        "command": "uv",
        "args": ["run", "--directory", "${__dirname}", "python", "-m", "seedance_mcp"],
        "env": environment,
    }
    return {
        "manifest_version": "0.4",
        "name": PACKAGE,
        "display_name": "Seedance video",
        "version": __version__,
        "description": about["Summary"],
        "author": {"name": "The seedance-mcp authors"},
        "repository": {"type": "git", "url": "https://github.com/seedance-mcp/seedance-mcp"},
        "license": about["License-Expression"],
        "keywords": about["Keywords"].split(","),
        "server": {"type": "uv", "entry_point": "seedance_mcp/__main__.py", "mcp_config": start},
        "tools": [{"name": tool.name, "description": tool.description} for tool in TOOLS],
        "prompts_generated": True,
        "user_config": _QUESTIONS,
        "compatibility": {"platforms": ["darwin", "win32", "linux"], "runtimes": {"python": about["Requires-Python"]}},
    }


def build(output: str) -> Path:
    """Write the bundle: the manifest, the package, and a project file from which uv installs its dependencies.

    Returns:
        The absolute path of the file.

    Raises:
        InvalidRequest: The file cannot be written.
    """
    path = Path(output).absolute()
    files = {"manifest.json": json.dumps(manifest(), indent=2).encode(), **server_files()}
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, content in files.items():
                bundle.writestr(_member(name), content)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written ({error}).") from error
    return path


def server_files() -> dict[str, bytes]:
    """Give the package, and a project file from which uv installs its dependencies, by their paths."""
    sources = _sources(resources.files("seedance_mcp"), "seedance_mcp")
    return {"pyproject.toml": _project().encode(), **{name: source.read_bytes() for name, source in sources}}


def _member(name: str) -> zipfile.ZipInfo:
    """Describe one file of the archive without anything that differs from one run to the next."""
    member = zipfile.ZipInfo(name, _FILE_TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member


def _sources(folder: Traversable, name: str) -> list[tuple[str, Traversable]]:
    """List every file of the package with its path in the bundle."""
    found: list[tuple[str, Traversable]] = []
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        inner = f"{name}/{each.name}"
        if each.is_dir():
            found += _sources(each, inner) if each.name != "__pycache__" else []
        else:
            found.append((inner, each))
    return found


def _project() -> str:
    """Give the project file from which uv makes an environment: the package's dependencies and those of its sandbox."""
    about, wanted = metadata.metadata(PACKAGE), requirements(None, "sandbox")
    return (
        f'[project]\nname = "seedance-mcp-bundle"\nversion = "{__version__}"\nrequires-python = "{about["Requires-Python"]}"\n'
        f"dependencies = {json.dumps(wanted, indent=4)}\n"
    )
