"""Puts our entry into a YAML file, takes it out and reads it back; every other line stays as it was written.

Only the lines of the servers' block are read, and of them only ours, so this needs no YAML library. It writes fields with JSON
values, which are YAML too; it also reads how Goose writes the same entry when it changes its file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from typing import Any, NamedTuple

from seedance_mcp.cli.line_ends import like
from seedance_mcp.cli.mcp_clients import SERVER, ServerEntry
from seedance_mcp.errors import InvalidRequest

_FIELD = re.compile(r"""(['"]?)([\w.-]+)\1:(?:\s+(.*))?""")
_EMPTY = {"", "{}", "~", "null"}
_ITEM = "- "
_STEP = "  "


class _Block(NamedTuple):
    """The lines of the servers, the title's among them."""

    title: int
    end: int
    """The line after the last one."""
    indent: str
    """What stands before the name of each server."""


def put(text: str, name: str, entry: ServerEntry) -> str:
    """Put the entry at the end of the servers, or in the place of an earlier one.

    Raises:
        InvalidRequest: The servers do not stand one below the other.
    """
    lines = _lines(text)
    block = _block(lines, name)
    if block is None:
        return text + like(text, "".join(["\n" * (bool(text) - text.endswith("\n")), f"{name}:\n", *_written(_STEP, entry)]))
    first, last = _own(lines, block) or (block.end, block.end)
    lines[block.title] = _open(lines[block.title])
    new = [like(text, line) for line in _written(block.indent, entry)]
    lines[first - 1] += "" if lines[first - 1].endswith("\n") else like(text, "\n")
    return "".join([*lines[:first], *new, *lines[last:]])


def remove(text: str, name: str) -> str:
    """Take the entry out; servers that are none then are written as such.

    Raises:
        InvalidRequest: The servers do not stand one below the other.
    """
    lines = _lines(text)
    block = _block(lines, name)
    own = block and _own(lines, block)
    if not block or not own:
        return text
    first, last = own
    if (first, last) == (block.title + 1, block.end):
        lines[block.title] = lines[block.title].replace(":", ": {}", 1)
    return "".join([*lines[:first], *lines[last:]])


def read(text: str, name: str) -> ServerEntry | None:
    """Read the entry; `None` where there is none.

    Raises:
        InvalidRequest: The servers or the entry have a form that is not read.
    """
    lines = _lines(text)
    block = _block(lines, name)
    own = block and _own(lines, block)
    if not own:
        return None
    inner = [line.rstrip() for line in lines[own[0] + 1 : own[1]] if not _is_void(line)]
    return _mapping(inner)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _block(lines: list[str], name: str) -> _Block | None:
    """Find the servers.

    Raises:
        InvalidRequest: They do not stand one below the other.
    """
    titles = [number for number, line in enumerate(lines) if (found := _FIELD.match(line)) and found[2] == name]
    if not titles:
        return None
    title = titles[0]
    inner = list(takewhile(lambda line: _is_void(line) or line.startswith(" "), lines[title + 1 :]))
    while inner and _is_void(inner[-1]):
        inner.pop()
    end = title + 1 + len(inner)
    if _value(lines[title]) not in _EMPTY or "".join(lines[end : end + 1]).startswith(_ITEM):
        raise InvalidRequest(f"{name} must be a block, with each server on lines of its own.")
    indents = [_indent(line) for line in inner if not _is_void(line)]
    return _Block(title, end, indents[0] if indents else _STEP)


def _own(lines: list[str], block: _Block) -> tuple[int, int] | None:
    """Give the first line of our entry and the one after its last."""
    for number in range(block.title + 1, block.end):
        line = lines[number]
        found = _FIELD.match(line.removeprefix(block.indent)) if _indent(line) == block.indent else None
        if found and found[2] == SERVER:
            inner = takewhile(lambda each: len(_indent(each)) > len(block.indent), lines[number + 1 : block.end])
            return number, number + 1 + len(list(inner))
    return None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def _is_void(line: str) -> bool:
    """Say whether a line is empty or a comment."""
    return not line.strip() or line.lstrip().startswith("#")


def _value(line: str) -> str:
    """Give what stands behind the name, without a comment."""
    return re.sub(r"(^|\s)#.*", "", line.partition(":")[2]).strip()


def _open(title: str) -> str:
    """Take the sign for no servers from the title of their block."""
    value = _value(title)
    return title.replace(f" {value}", "", 1) if value else title


def _written(indent: str, entry: ServerEntry) -> Iterator[str]:
    yield f"{indent}{SERVER}:\n"
    for name, value in entry.items():
        yield f"{indent}{_STEP}{name}: {json.dumps(value, ensure_ascii=False)}\n"


def _mapping(lines: list[str]) -> dict[str, Any]:
    """Read fields, each with a scalar, a JSON value, a list of scalars, or fields of its own.

    Raises:
        InvalidRequest: A line is none of these.
    """
    fields: dict[str, Any] = {}
    while lines:
        indent, line = _indent(lines[0]), lines[0].strip()
        found = _FIELD.fullmatch(line)
        if not found:
            raise InvalidRequest(f"{SERVER} has a line that cannot be read.")
        inner = list(takewhile(partial(_is_inside, indent), lines[1:]))
        fields[found[2]] = _scalar(found[3]) if found[3] else _inner(inner)
        lines = lines[1 + len(inner) :]
    return fields


def _is_inside(indent: str, line: str) -> bool:
    """Say whether a line belongs to the field above it: it stands deeper, or is an item of its list."""
    return len(_indent(line)) > len(indent) or line.startswith(indent + _ITEM)


def _inner(lines: list[str]) -> Any:
    items = [line.strip() for line in lines]
    if items and all(each.startswith(_ITEM) for each in items):
        return [_scalar(each.removeprefix(_ITEM)) for each in items]
    return _mapping(lines)


def _scalar(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text[1:-1].replace("''", "'") if text.startswith("'") and text.endswith("'") else text
