"""The table of client applications: where each keeps its MCP servers, the form of an entry, and how the key gets there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from seedance_mcp.cli.client_folders import THIS_SYSTEM, folders
from seedance_mcp.cli.invocation import own_words
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.origin import PACKAGE, program, requirement
from seedance_mcp.tools.variables import CALLER_TOKEN

SERVER = "seedance"
"""The server's name in every client."""

KEY = "SEEDANCE_API_KEY"
TOKEN = CALLER_TOKEN
"""The variable from which a client takes its token for a server over HTTP."""

ServerEntry = dict[str, Any]
"""A client's configuration of one server, in the client's own field names."""


@dataclass(frozen=True, slots=True)
class ClientApp:
    """A client application on this machine."""

    name: str
    title: str
    file: str
    """Path of its configuration; `{…}` is a folder of `client_folders`."""
    servers: str
    """The field that holds all servers."""
    key_fields: ServerEntry
    """Fields through which the key reaches the server without being in the file."""
    key_hint: str
    """The same as a description, for the user."""
    reload_hint: str
    """The user's next step: it makes the client read its configuration again."""
    nested: str = ""
    """The field in `servers` under which the client's next version keeps all servers; its file is known by that field."""
    not_nested: tuple[str, ...] = ()
    """Fields of an entry that this version no longer knows."""
    format: Literal["json", "toml", "yaml"] = "json"
    common_fields: ServerEntry = field(default_factory=ServerEntry)
    """Fields that every entry of this client has that starts a program."""
    input: ServerEntry | None = None
    """The client's own question for the key, where it has one."""
    environment: str = "env"
    """The field that holds the variables of the program."""
    program: str = "command"
    """The field that holds the program."""
    one_list: bool = False
    """Whether the program and its arguments are one list."""
    url_field: str = "url"
    """The field that holds the address of a server over HTTP; empty where the file takes none."""
    remote_fields: ServerEntry = field(default_factory=ServerEntry)
    """Fields that every entry of this client has that names an address."""
    token_fields: ServerEntry = field(default_factory=ServerEntry)
    """Fields through which the token for that address is sent without being in the file."""
    token_input: ServerEntry | None = None
    """The client's own question for the token, where it has one."""
    programs: tuple[str, ...] = ()
    """Commands by which the client is started, where it has any."""

    @property
    def fills_in(self) -> bool:
        """Whether the client fills in what its file refers to; where it does, the entry refers to the key in this way."""
        return self.environment in self.key_fields

    @property
    def inputs(self) -> list[ServerEntry]:
        """The questions of the client that an entry may refer to."""
        return [each for each in (self.input, self.token_input) if each]

    def path(self, platform: str = THIS_SYSTEM, environment: Mapping[str, str] = os.environ) -> Path:
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
        start: ServerEntry = {self.program: command} if self.one_list else {self.program: command[0], "args": command[1:]}
        name = self.environment
        access = {name: {"SEEDANCE_SANDBOX": "1"}} if sandbox else {name: {KEY: key}} if key else self.key_fields
        further = {name: {**access.get(name, {}), **variables}} if variables else {}
        return {**self.common_fields, **start, **access, **further}

    def remote_entry(self, url: str, *, token: str | None = None, signs_in: bool = False) -> ServerEntry:
        """Make the entry that names a server over HTTP.

        Args:
            url: The address of `/mcp`.
            token: The token itself, for a client that has no other way; by default the entry only refers to it.
            signs_in: Send no token: the client lets its user sign in by OAuth.
        """
        access = {} if signs_in else _bearer(token) if token else self.token_fields
        return {**self.remote_fields, self.url_field: url, **access}


def _bearer(token: str) -> ServerEntry:
    return {"headers": {"Authorization": f"Bearer {token}"}}


_FROM_ENVIRONMENT = f"set {KEY} where the client is started; the file holds only its name"
_IN_THE_FILE = f"this client expands no variables in its file: let --key-from-env write {KEY} into it, mode 0600"
_GOOSE = {"name": SERVER, "description": "Seedance videos", "timeout": 300}
"""Fields that Goose wants in each entry; the time is in seconds, for one call."""
_INPUT, _TOKEN_INPUT = "seedance-api-key", "seedance-token"

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
        url_field="",
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
        remote_fields={"type": "http"},
        token_fields=_bearer(f"${{{TOKEN}}}"),
        programs=("claude",),
    ),
    ClientApp(
        name="cursor",
        title="Cursor",
        file="{home}/.cursor/mcp.json",
        servers="mcpServers",
        key_fields={"env": {KEY: f"${{env:{KEY}}}"}},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Turn it on under Settings, MCP.",
        token_fields=_bearer(f"${{env:{TOKEN}}}"),
        programs=("cursor", "cursor-agent"),
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
        remote_fields={"type": "http"},
        token_fields=_bearer(f"${{input:{_TOKEN_INPUT}}}"),
        token_input={"type": "promptString", "id": _TOKEN_INPUT, "description": "Token of the video server", "password": True},
        programs=("code",),
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
        token_fields={"bearer_token_env_var": TOKEN},
        programs=("codex",),
    ),
    ClientApp(
        name="gemini",
        title="Gemini CLI",
        file="{home}/.gemini/settings.json",
        servers="mcpServers",
        key_fields={"env": {KEY: f"${KEY}"}},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Start a new session in a folder that you trust (else no server starts); `gemini mcp list` shows it.",
        url_field="httpUrl",
        token_fields=_bearer(f"${TOKEN}"),
        programs=("gemini",),
    ),
    ClientApp(
        name="windsurf",
        title="Windsurf",
        file="{home}/.codeium/windsurf/mcp_config.json",
        servers="mcpServers",
        key_fields={"env": {KEY: f"${{env:{KEY}}}"}},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Press Refresh in Cascade's list of MCP servers.",
        url_field="serverUrl",
        token_fields=_bearer(f"${{env:{TOKEN}}}"),
        programs=("windsurf",),
    ),
    ClientApp(
        name="devin",
        title="Devin Desktop",
        file="{devin}/mcp_config.json",
        servers="mcpServers",
        key_fields={},
        key_hint=f"no variables are documented for this client's file: let --key-from-env write {KEY} into it, mode 0600",
        reload_hint="Open the MCP list of its agent panel, or start a new session of its command line.",
        programs=("devin",),
    ),
    ClientApp(
        name="zed",
        title="Zed",
        file="{zed}/settings.json",
        servers="context_servers",
        key_fields={},
        key_hint=_IN_THE_FILE,
        reload_hint="Zed starts it at once; the agent panel's settings show it.",
        programs=("zed", "zeditor"),
    ),
    ClientApp(
        name="lmstudio",
        title="LM Studio",
        file="{home}/.lmstudio/mcp.json",
        servers="mcpServers",
        key_fields={},
        key_hint=_IN_THE_FILE,
        reload_hint="Turn it on in the Program tab.",
        programs=("lms",),
    ),
    ClientApp(
        name="opencode",
        title="opencode",
        file="{xdg}/opencode/opencode.json",
        servers="mcp",
        nested="servers",
        not_nested=("enabled",),
        common_fields={"type": "local", "enabled": True},
        key_fields={"environment": {KEY: f"{{env:{KEY}}}"}},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Start a new session; `opencode mcp list` shows it.",
        environment="environment",
        one_list=True,
        remote_fields={"type": "remote", "enabled": True},
        token_fields=_bearer(f"{{env:{TOKEN}}}"),
        programs=("opencode",),
    ),
    ClientApp(
        name="cline",
        title="Cline",
        file="{cline}",
        servers="mcpServers",
        key_fields={},
        key_hint=_IN_THE_FILE,
        reload_hint="Cline starts it at once; its list of MCP servers shows it.",
        remote_fields={"type": "streamableHttp"},
        programs=("cline",),
    ),
    ClientApp(
        name="copilot",
        title="Copilot CLI",
        file="{copilot}/mcp-config.json",
        servers="mcpServers",
        common_fields={"type": "local", "tools": ["*"]},
        key_fields={"env": {KEY: f"${{{KEY}}}"}},
        key_hint=_FROM_ENVIRONMENT,
        reload_hint="Start a new session; `/mcp show` lists it.",
        remote_fields={"type": "http", "tools": ["*"]},
        token_fields=_bearer(f"${{{TOKEN}}}"),
        programs=("copilot",),
    ),
    ClientApp(
        name="goose",
        title="Goose",
        file="{goose}/config.yaml",
        servers="extensions",
        format="yaml",
        common_fields={"enabled": True, "type": "stdio", **_GOOSE},
        key_fields={"env_keys": [KEY]},
        key_hint=f"set {KEY} where Goose is started, or let `goose configure` keep it in the system's key store",
        reload_hint="Start a new session; `goose info -v` shows it.",
        environment="envs",
        program="cmd",
        url_field="uri",
        remote_fields={"enabled": True, "type": "streamable_http", **_GOOSE},
        token_fields={**_bearer(f"${{{TOKEN}}}"), "env_keys": [TOKEN]},
        programs=("goose",),
    ),
)
BY_NAME = {client.name: client for client in CLIENTS}


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
        uvx = Path(environment["UV"]).with_name(program("uvx")) if "UV" in environment else Path("uvx")
        return uvx_command(str(uvx), sandbox=sandbox)
    if sandbox:
        import_module("seedance_mcp.sandbox.serve")
    return own_words()


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
