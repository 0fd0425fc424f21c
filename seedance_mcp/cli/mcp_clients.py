"""The client table: where each keeps its MCP servers, what an entry looks like, and how the key gets there."""

from __future__ import annotations

import base64
import json
import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from seedance_mcp._version import __version__

SERVER = "seedance"
"""What the server is called in every client."""

KEY = "SEEDANCE_API_KEY"

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClientApp:
    """One row: a client that runs on this machine."""

    name: str
    title: str
    file: str
    """Its configuration; `{…}` is a folder of `folders`."""
    servers: str
    """The field that holds all servers."""
    key: Entry
    """What an entry says so that the key arrives without standing in the file."""
    key_told: str
    """The same for a person."""
    then: str
    """What makes the client read its configuration again."""
    format: Literal["json", "toml"] = "json"
    more: Entry = field(default_factory=Entry)
    """What every entry of this client has too."""
    input: Entry | None = None
    """How the client asks for the key."""

    def path(self, platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
        """Where its configuration is on one platform."""
        return Path(self.file.format(**folders(platform, environment)))

    def entry(
        self, command: list[str], *, sandbox: bool = False, key: str | None = None, given: Mapping[str, str] | None = None
    ) -> Entry:
        """What stands under the server's name; `given` are further variables, which are no secrets."""
        start = {**self.more, "command": command[0], "args": command[1:]}
        access = {"env": {"SEEDANCE_SANDBOX": "1"}} if sandbox else {"env": {KEY: key}} if key else self.key
        return {**start, **access, **({"env": {**access.get("env", {}), **given}} if given else {})}


_FROM_ENVIRONMENT = f"set {KEY} where the client is started; the file holds its name alone"
_INPUT = "seedance-api-key"

CLIENTS = (
    ClientApp(
        name="claude-desktop",
        title="Claude Desktop",
        file="{config}/Claude/claude_desktop_config.json",
        servers="mcpServers",
        key={},
        key_told=(
            "this client fills in no variables. Take the bundle instead (seedance-mcp bundle seedance.mcpb), which asks for "
            f"it, or let --key-from-env write {KEY} into the file, mode 0600"
        ),
        then="Quit Claude Desktop and start it again.",
    ),
    ClientApp(
        name="claude-code",
        title="Claude Code",
        file="{claude}/.claude.json",
        servers="mcpServers",
        more={"type": "stdio"},
        key={"env": {KEY: f"${{{KEY}:-}}"}},
        key_told=_FROM_ENVIRONMENT,
        then="Start a new session; `claude mcp list` shows it.",
    ),
    ClientApp(
        name="cursor",
        title="Cursor",
        file="{home}/.cursor/mcp.json",
        servers="mcpServers",
        key={"env": {KEY: f"${{env:{KEY}}}"}},
        key_told=_FROM_ENVIRONMENT,
        then="Turn it on under Settings, MCP.",
    ),
    ClientApp(
        name="vscode",
        title="VS Code",
        file="{config}/Code/User/mcp.json",
        servers="servers",
        more={"type": "stdio"},
        key={"env": {KEY: f"${{input:{_INPUT}}}"}},
        input={"type": "promptString", "id": _INPUT, "description": "Seedance API key", "password": True},
        key_told="VS Code asks for it at the first start and keeps it in the system's key store",
        then="Run the command `MCP: List Servers` and start it.",
    ),
    ClientApp(
        name="codex",
        title="Codex",
        file="{codex}/config.toml",
        servers="mcp_servers",
        format="toml",
        key={"env_vars": [KEY]},
        key_told=_FROM_ENVIRONMENT,
        then="Start a new session; `codex mcp list` shows it.",
    ),
    ClientApp(
        name="gemini",
        title="Gemini CLI",
        file="{home}/.gemini/settings.json",
        servers="mcpServers",
        key={"env": {KEY: f"${KEY}"}},
        key_told=_FROM_ENVIRONMENT,
        then="Start a new session; `gemini mcp list` shows it.",
    ),
)
BY_NAME = {client.name: client for client in CLIENTS}


def folders(platform: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The folders that the table names."""
    home = environment.get("USERPROFILE" if platform == "win32" else "HOME") or str(Path.home())
    config = {
        "darwin": f"{home}/Library/Application Support",
        "win32": environment.get("APPDATA") or f"{home}/AppData/Roaming",
    }
    return {
        "home": home,
        "config": config.get(platform) or environment.get("XDG_CONFIG_HOME") or f"{home}/.config",
        "claude": environment.get("CLAUDE_CONFIG_DIR") or home,
        "codex": environment.get("CODEX_HOME") or f"{home}/.codex",
    }


def own_command(*, sandbox: bool, prefix: str = sys.prefix, environment: Mapping[str, str] = os.environ) -> list[str]:
    """How this very installation is started, by absolute path: graphical clients know no PATH.

    Raises `ModuleNotFoundError` where it is to be the sandbox and that lacks its extra.
    """
    if "archive-v0" in Path(prefix).parts:  # uv's cache, where uvx runs from, is emptied now and then
        uvx = Path(environment["UV"]).with_name("uvx") if "UV" in environment else Path("uvx")
        return uvx_command(str(uvx), sandbox=sandbox, version=__version__)
    if sandbox:
        import_module("seedance_mcp.sandbox.serve")
    script = Path(sysconfig.get_path("scripts"), "seedance-mcp.exe" if os.name == "nt" else "seedance-mcp")
    return [str(script)] if script.exists() else [sys.executable, "-m", "seedance_mcp"]


def uvx_command(uvx: str = "uvx", *, sandbox: bool = False, version: str | None = None) -> list[str]:
    """How uvx starts the server; the sandbox needs an extra."""
    return [uvx, "seedance-mcp" + "[sandbox]" * sandbox + (f"=={version}" if version else "")]


def install_link(client: ClientApp, *, sandbox: bool = False) -> str:
    """A link that lets the client ask its person whether to add the server, started by uvx."""
    entry = client.entry(uvx_command(sandbox=sandbox), sandbox=sandbox)
    text = json.dumps(entry, separators=(",", ":"))
    if client.name == "cursor":
        config = base64.b64encode(text.encode()).decode()
        return "https://cursor.com/install-mcp?" + urlencode({"name": SERVER, "config": config})
    asked = {} if sandbox else {"inputs": json.dumps([client.input], separators=(",", ":"))}
    return "https://vscode.dev/redirect/mcp/install?" + urlencode({"name": SERVER, **asked, "config": text}, quote_via=quote)
