"""The entries of this server in the clients' configurations, read back as the clients understand them."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from seedance_mcp.cli import jsonc_edit, yaml_edit
from seedance_mcp.cli.client_folders import folders
from seedance_mcp.cli.mcp_clients import CLIENTS, KEY, SERVER, TOKEN, ClientApp, ServerEntry
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.origin import PACKAGE
from seedance_mcp.untrusted import sanitize

_OURS = ("SEEDANCE", "JIMMYAI")
_PATH_MOST_CHARS = 4096
_REFERENCE = re.compile(r"\$?\{(?:env:)(\w+)\}|\$\{(\w+)(?::-([^{}]*))?\}|\$([A-Za-z_]\w*)")
"""A variable of the client's own environment: `${NAME}`, `${NAME:-default}`, `${env:NAME}`, `{env:NAME}`, `$NAME`."""
_QUESTION = re.compile(r"\$\{input:[^{}]*\}")
_BY_NAME = re.compile(rf"{PACKAGE}(\[\w+\])?([=@<>~!]\S*)?")
_NAMES = ("env_vars", "env_keys")
"""The fields in which clients name variables that they pass on."""
_URLS = ("url", "httpUrl", "serverUrl", "uri")
"""The fields in which clients name the address of a server."""
_LINE = re.compile(r"at line \d+")


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A client's configuration file as it is on this machine."""

    client: ClientApp
    entry: ServerEntry | None = None
    """Our entry; `None` if the file has none, or cannot be read."""
    fault: str = ""
    """Why the file or the entry cannot be read; it repeats nothing of the file."""

    @property
    def path(self) -> str:
        """The path of the file, safe to print."""
        return sanitize(self.client.path(), _PATH_MOST_CHARS)

    @property
    def program(self) -> str:
        """The program that the client starts; empty where the entry names none."""
        return _text(next(iter(self._words), ""))

    @property
    def fetches_by_name(self) -> bool:
        """Whether the package is fetched from an index by its name, which may be a stranger's."""
        words = [_text(each) for each in self._words[1:]]
        wanted = words[words.index("--from") + 1 :] if "--from" in words else words
        return Path(self.program).stem in {"uvx", "pipx", "uv"} and any(map(_BY_NAME.fullmatch, wanted[:1]))

    @property
    def is_remote(self) -> bool:
        """Whether the entry names a running server by its address instead of a program."""
        return bool(self.address)

    @property
    def address(self) -> str:
        """Scheme, host and port of the server that the entry names; empty for one that starts a program."""
        urls = [] if self.program else [(self.entry or {}).get(name) for name in _URLS]
        found = urlsplit(next((each for each in urls if isinstance(each, str)), ""))
        return sanitize(f"{found.scheme}://{found.netloc.rpartition('@')[2]}") if found.netloc else ""

    @property
    def token(self) -> str:
        """The way in which a token gets to the server that the entry names, as a description; empty where none is sent."""
        shown = json.dumps(self.entry)
        if _QUESTION.search(shown):
            return "the client asks for it"
        if TOKEN in shown:
            return f"from {TOKEN}"
        return "in the file" if '"Authorization"' in shown else ""

    @property
    def _words(self) -> list[Any]:
        """The program and its arguments."""
        program: Any = (self.entry or {}).get(self.client.program)
        further: Any = (self.entry or {}).get("args")
        given: list[Any] = cast("list[Any]", program) if isinstance(program, list) and self.client.one_list else [program]
        return [*given, *(cast("list[Any]", further) if isinstance(further, list) else [])]

    @property
    def asks_for_key(self) -> bool:
        """Whether the client asks its user for the key."""
        return _QUESTION.search(self._variables.get(KEY, "")) is not None

    @property
    def _variables(self) -> dict[str, str]:
        given: Any = (self.entry or {}).get(self.client.environment)
        return {name: _text(value) for name, value in cast("dict[str, Any]", given).items()} if isinstance(given, dict) else {}

    def variables(self, shell: Mapping[str, str]) -> dict[str, str]:
        """Give the entry's variables, those that it refers to filled in from this shell; never what the client asks for."""
        passed: Any = next((found for name in _NAMES if (found := (self.entry or {}).get(name))), None)
        names = cast("list[Any]", passed) if isinstance(passed, list) else []
        found = {name: shell[name] for name in names if isinstance(name, str) and name in shell}
        fill: Callable[[str], str] = (lambda text: _filled(text, shell)) if self.client.fills_in else str
        return found | {name: fill(text) for name, text in self._variables.items() if not _QUESTION.search(text)}


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int, float)) else ""


def _filled(text: str, shell: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda found: shell.get(found[1] or found[2] or found[4]) or found[3] or "", text)


def without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """Give an environment without this server's variables: clients pass on none of them by themselves."""
    return {name: value for name, value in environment.items() if not name.upper().startswith(_OURS) or name == TOKEN}


def is_here(client: ClientApp) -> bool:
    """Say whether a client seems to be on this machine: its file, a folder of its own, or its program."""
    path = client.path()
    own = path.parent if path.parent != Path(folders()["home"]) else path
    return own.exists() or any(map(shutil.which, client.programs))


def client_files() -> list[ClientFile]:
    """Read the file of every client that has one."""
    return [_read(client) for client in CLIENTS if os.path.lexists(client.path())]


def _read(client: ClientApp) -> ClientFile:
    """Read one client's file; nothing that is wrong with it raises."""
    file = ClientFile(client)
    try:
        return replace(file, entry=_entry(client, _content(client.path())))
    except OSError as error:
        return replace(file, fault=f"It cannot be read ({error.strerror}).")
    except InvalidRequest as error:
        return replace(file, fault=error.message)


def _entry(client: ClientApp, text: str) -> ServerEntry | None:
    """Find our entry; raises `InvalidRequest` where the file has another form."""
    if client.format == "yaml":
        return yaml_edit.read(text, client.servers)
    whole: Any = _toml(text) if client.format == "toml" else _json(text)
    found = [_inside(whole, (*path, SERVER)) for path in _places_in(client, whole)]
    return next((each for each in found if each), None)


def _inside(whole: Any, path: tuple[str, ...]) -> ServerEntry:
    """Give the object at a place, empty where there is none; raises `InvalidRequest` for one on the way of another type."""
    value = _object(whole, "The whole file")
    for depth, name in enumerate(path, 1):
        value = _object(value.get(name, {}), ".".join(path[:depth]))
    return value


def _object(value: Any, title: str) -> ServerEntry:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{title} must be an object.")
    return cast("ServerEntry", value)


def places(client: ClientApp, text: str) -> list[tuple[str, ...]]:
    """Give where a JSON file may hold servers, as names from the top: first where this client looks for a new one.

    Raises:
        InvalidRequest: The text is no JSON.
    """
    return _places_in(client, _json(text) if client.nested else {})


def _places_in(client: ClientApp, whole: Any) -> list[tuple[str, ...]]:
    flat = (client.servers,)
    outer: Any = cast("dict[str, Any]", whole).get(client.servers) if client.nested and isinstance(whole, dict) else None
    inner: Any = cast("dict[str, Any]", outer).get(client.nested) if isinstance(outer, dict) else None
    # a server of the earlier version may have this very name: its fields are no objects
    is_nested = isinstance(inner, dict) and all(isinstance(each, dict) for each in cast("dict[str, Any]", inner).values())
    return [(*flat, client.nested), flat] if is_nested else [flat]


def _content(path: Path) -> str:
    if not path.is_file():
        raise InvalidRequest("It is no file.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest("It is not UTF-8 text.") from error


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where = _LINE.search(str(error))
        raise InvalidRequest(f"Invalid TOML{f' {where[0]}' if where else ''}.") from error


def _json(text: str) -> Any:
    """Read JSON, quickly where it is plain: a client may keep its whole history in the file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return jsonc_edit.read(text)
