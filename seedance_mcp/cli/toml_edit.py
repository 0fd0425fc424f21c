"""Puts our entry into a TOML file and takes it out; everything else stays as it was written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from typing import Any, cast

from seedance_mcp.cli.line_ends import like
from seedance_mcp.cli.mcp_clients import SERVER, ServerEntry
from seedance_mcp.errors import InvalidRequest


def put(text: str, name: str, entry: ServerEntry) -> str:
    """Append the entry as a table; if that makes the TOML invalid, change the servers' table in place.

    Raises:
        InvalidRequest: The file is no TOML, or has something else under that name.
    """
    import tomlkit  # noqa: PLC0415 - only one client needs it

    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    appended = text + like(text, gap + tomlkit.dumps({name: {SERVER: entry}}))
    try:
        tomllib.loads(appended)
    except tomllib.TOMLDecodeError:
        return _edited(text, name, lambda servers: _put_table(servers, entry))
    return appended


def remove(text: str, name: str) -> str:
    """Take the entry out; comments that others wrote below it stay.

    Raises:
        InvalidRequest: The file is no TOML, or has something else under that name.
    """
    if SERVER not in text:
        return text
    left = _without_lines(text, name)
    return left if _lacks_only_entry(text, left, name) else _edited(text, name, lambda servers: servers.pop(SERVER, None))


def _without_lines(text: str, name: str) -> str:
    """Cut out the lines from the entry's header to its last field; the library would take the comments below along."""
    ours, lines = re.compile(rf"\s*\[\s*{name}\s*\.\s*{SERVER}\s*[].]"), text.splitlines(keepends=True)
    first = next((at for at, line in enumerate(lines) if ours.match(line)), len(lines))
    end = first
    while end < len(lines) and (ours.match(lines[end]) or not lines[end].lstrip().startswith("[")):
        end += 1
    told = next((at for at in range(end, first, -1) if lines[at - 1].lstrip()[:1] not in {"", "#"}), first)
    return "".join(lines[:first]) + "".join(lines[told:end]).lstrip("\r\n") + "".join(lines[end:])


def _lacks_only_entry(text: str, left: str, name: str) -> bool:
    """Say whether a text is a file without our entry, and nothing else is different."""
    try:
        before, after = tomllib.loads(text), tomllib.loads(left)
    except tomllib.TOMLDecodeError:
        return False
    if not isinstance(before.get(name), dict):
        return False
    before[name].pop(SERVER, None)
    return before == {name: {}, **after}


def _put_table(servers: Any, entry: ServerEntry) -> None:
    """Change an earlier entry in place, which keeps the comments around it."""
    table = servers.setdefault(SERVER, {})
    for name in [each for each in table if each not in entry]:
        del table[name]
    table.update(entry)


def _edited(text: str, name: str, edit: Callable[[Any], object]) -> str:
    import tomlkit  # noqa: PLC0415 - only one client needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 - likewise

    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise InvalidRequest(f"Invalid TOML: {error}.") from error
    servers: Any = cast("dict[str, Any]", document).get(name, {})
    if not isinstance(servers, dict):
        raise InvalidRequest(f"{name} must be a table.")
    edit(servers)
    return like(text, tomlkit.dumps(document))
