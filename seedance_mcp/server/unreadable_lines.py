"""Answers lines and bodies that are no message: JSON-RPC errors with each id in them, so that no client waits for ever."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import chain

import mcp_types as types

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]')
_VALUE = re.compile(r'\s*:\s*(-?[0-9]{1,19}(?![0-9.eE])|"(?:[^"\\]|\\.){0,1000}")')
_NAME = re.compile(r"\s*:")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_CANNOT_BE_READ = "Parse error: what was sent cannot be read as JSON"
_IS_NO_MESSAGE = (
    "Invalid Request: what was sent is no JSON-RPC 2.0 message; allowed: one object in a line or body, no batch, no deeper "
    "than 100, its id text or a whole number"
)
_HALF_A_CHARACTER = "Invalid Request: the message holds half a character (a lone surrogate such as \\ud83d); send whole ones"


@dataclass
class _Object:
    """The part of one outermost object that is seen without reading it whole."""

    names: set[str] = field(default_factory=set[str])
    id: str | None = None
    """As it is written; `None` where there is none, or none that an answer may repeat."""

    def note(self, line: str, text: re.Match[str]) -> None:
        """Take in a text of the object: where it is a name, remember it, and the value that the id has."""
        if _NAME.match(line, text.end()):
            self.names.add(text[0][1:-1])
            if text[0] == '"id"' and (value := _VALUE.match(line, text.end())):
                self.id = _repeatable(value[1])

    @property
    def wants_answer(self) -> bool:
        """Whether it is neither a notification nor itself an answer."""
        return "id" in self.names if "method" in self.names else not self.names & {"result", "error"}


def message_of(line: str) -> types.JSONRPCMessage:
    """Read a message; raises `ValueError` for a line that is none."""
    message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    if isinstance(message, types.JSONRPCNotification) and '"id"' in line and "id" in json.loads(line):
        raise ValueError("a request whose id is none")
    return message


def refusals_of(line: str) -> Iterator[str]:
    """Give the errors to send for a line that is no message, in JSON: one for each request that it seems to hold."""
    if not line.strip():
        return
    code, message = _judged(line)
    objects = _objects(line)
    for each in chain([next(objects, _Object())], objects):
        if each.wants_answer:
            error = json.dumps({"code": code, "message": message})
            yield f'{{"jsonrpc":"2.0","id":{each.id or "null"},"error":{error}}}'


def _judged(line: str) -> tuple[int, str]:
    """Say what is wrong with a line."""
    try:
        json.loads(line)
    except RecursionError:
        return types.INVALID_REQUEST, _IS_NO_MESSAGE
    except ValueError:
        return types.PARSE_ERROR, _CANNOT_BE_READ
    return types.INVALID_REQUEST, _HALF_A_CHARACTER if _HALF.search(line) else _IS_NO_MESSAGE


def _objects(line: str) -> Generator[_Object]:
    """Find the outermost objects of a line: the line itself, or the members of a batch."""
    outermost = 2 if line.lstrip().startswith("[") else 1
    depth, seen = 0, None
    for token in _TOKEN.finditer(line):
        if token[0] in ("{", "["):
            depth += 1
            seen = _Object() if token[0] == "{" and depth == outermost else seen
        elif token[0] in ("}", "]"):
            depth -= 1
            if depth < outermost and seen:
                yield seen
                seen = None
        elif seen and depth == outermost:
            seen.note(line, token)
    if seen:  # the line ends too early
        yield seen


def _repeatable(written: str) -> str | None:
    try:
        return json.dumps(json.loads(written))
    except ValueError:  # an escape that is none
        return None
