"""The table of client applications: where each keeps its MCP servers, the form of an entry, and how the key gets there."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from seedance_mcp.errors import InvalidRequest
from seedance_mcp.origin import PACKAGE, requirement

SERVER = "seedance"
"""The server's name in every client."""

KEY = "SEEDANCE_API_KEY"

ServerEntry = dict[str, Any]
"""A client's configuration of one server, in the client's own field names."""


@dataclass(frozen=True, slots=True)
class ClientApp:
    """A client application on this machine."""

    name: str
    title: str
    file: str
    """Path of its configuration; `{…}` is a folder of `folders`."""
    servers: str
    """The field that holds all servers."""
    key_fields: ServerEntry
    """Fields through which the key reaches the server without being in the file."""
    key_hint: str
    """The same in words, for the user."""
    reload_hint: str
    """The user's next step: it makes the client read its configuration again."""
    format: Literal["json", "toml"] = "json"
    common_fields: ServerEntry = field(default_factory=ServerEntry)
    """Fields that every entry of this client has."""
    input: ServerEntry | None = None
    """The client's own question for the key, where it has one."""

    @property
    def fills_in(self) -> bool:
        """Whether the client fills in what its file refers to; where it does, the entry refers to the key so."""
        return "env" in self.key_fields

    def path(self, platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
        """Give the path of its configuration on a platform, named as in `sys.platform`."""
        return Path(self.file.format(**folders(platform, environment)))

    def entry(
        self, command: list[str], *, sandbox: bool = False, key: str | None = None, variables: Mapping[str, str] | None = None
    ) -> ServerEntry:
        """Make the entry that is written under the server's name.

        Args:
            command: The program that the client starts, and its arguments.
            sandbox: Use the sandbox, which needs no key.
            key: The key itself, for a client that has no other way; by default the entry only refers to it.
            variables: Further environment variables; none of them is secret.
        """
        start = {**self.common_fields, "command": command[0], "args": command[1:]}
        access = {"env": {"SEEDANCE_SANDBOX": "1"}} if sandbox else {"env": {KEY: key}} if key else self.key_fields
        return {**start, **access, **({"env": {**access.get("env", {}), **variables}} if variables else {})}


_FROM_ENVIRONMENT = f"set {KEY} where the client is started; the file holds only its name"
_INPUT = "seedance-api-key"

CLIENTS = (
    ClientApp(
        name="claude-desktop",
        title="Claude Desktop",
        file="{config}/Claude/claude_desktop_config.json",
        servers="mcpServers",
        key_fields={},
        key_hint=(
            "this client expands no variables in its file. Use the bundle instead (seedance-mcp bundle seedance.mcpb), which "
            f"asks for the key, or let --key-from-env write {KEY} into the file, mode 0600"
        ),
        reload_hint="Quit Claude Desktop and start it again.",
    ),
    ClientApp(
        name="claude-code",
        title="Claude Code",
        file="{claude}/.claude.json",
        servers="mcpServers",
        common_fields={"type": "stdio"},
        key_fields={"env": {KEY: f"${{{KEY}:-}}"}},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Start a new session; `claude mcp list` shows it.",
    ),
    ClientApp(
        name="cursor",
        title="Cursor",
        file="{home}/.cursor/mcp.json",
        servers="mcpServers",
        key_fields={"env": {KEY: f"${{env:{KEY}}}"}},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Turn it on under Settings, MCP.",
    ),
    ClientApp(
        name="vscode",
        title="VS Code",
        file="{config}/Code/User/mcp.json",
        servers="servers",
        common_fields={"type": "stdio"},
        key_fields={"env": {KEY: f"${{input:{_INPUT}}}"}},
        input={"type": "promptString", "id": _INPUT, "description": "Seedance API key", "password": True},
        key_hint="VS Code asks for it at the first start and keeps it in the system's key store",
        reload_hint="Run the command `MCP: List Servers` and start it.",
    ),
    ClientApp(
        name="codex",
        title="Codex",
        file="{codex}/config.toml",
        servers="mcp_servers",
        format="toml",
        key_fields={"env_vars": [KEY]},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Start a new session; `codex mcp list` shows it.",
    ),
    ClientApp(
        name="gemini",
        title="Gemini CLI",
        file="{home}/.gemini/settings.json",
        servers="mcpServers",
        key_fields={"env": {KEY: f"${KEY}"}},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Start a new session; `gemini mcp list` shows it.",
    ),
)
BY_NAME = {client.name: client for client in CLIENTS}


def folders(platform: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Give the folders that the table names, by the name in `{…}`."""
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
    """Give the command of this very installation, by absolute path: graphical clients have no PATH.

    Args:
        sandbox: The command is for the sandbox, whose extra must be installed.
        prefix: The environment that this process runs in.
        environment: Its variables; uv names itself in `UV`.

    Raises:
        InvalidRequest: uvx runs it, and nobody knows from where it came.
        ModuleNotFoundError: The sandbox's extra is missing.
    """
    if "archive-v0" in Path(prefix).parts:  # uvx runs from uv's cache, which uv empties from time to time
        uvx = Path(environment["UV"]).with_name("uvx") if "UV" in environment else Path("uvx")
        return uvx_command(str(uvx), sandbox=sandbox)
    if sandbox:
        import_module("seedance_mcp.sandbox.serve")
    script = Path(sysconfig.get_path("scripts"), "seedance-mcp.exe" if os.name == "nt" else "seedance-mcp")
    return [str(script)] if script.exists() else [sys.executable, "-m", "seedance_mcp"]


def uvx_command(uvx: str = "uvx", *, sandbox: bool = False) -> list[str]:
    """Give the command with which uvx starts the server from where this installation came; the sandbox needs an extra.

    Raises:
        InvalidRequest: The origin is not known: uvx would fetch whatever has the package's name on the index.
    """
    wanted = requirement("sandbox" if sandbox else "")
    if wanted is None:
        raise InvalidRequest(
            f"uvx would fetch {PACKAGE} by its name, which is not published yet, and this installation does not say where it "
            "came from. Install it from its folder, or give the whole command with --command. Nothing was changed."
        )
    return [uvx, "--from", wanted, PACKAGE]
