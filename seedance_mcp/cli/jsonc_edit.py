"""Edits JSON written by hand: comments, order, indentation, line ends and trailing commas stay as they are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from seedance_mcp.errors import InvalidRequest

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)
    |(?P<text>"(?:[^"\\\x00-\x1f]|\\.)*")
    |(?P<mark>[{}\[\],:])
    |(?P<word>[^\s{}\[\],:"/]+)""",
    re.DOTALL | re.VERBOSE,
)
_MAX_DEPTH = 100
"""Nested levels; no configuration has as many."""
_KINDS: dict[type, str] = {list: "a list", dict: "an object"}
_LINE_END = re.compile(r"[ \t]*(\r?\n|$)")
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Member:
    """One entry of an object or one item of an array, with its place in the text."""

    name: str
    start: int
    node: _Node

    @property
    def end(self) -> int:
        return self.node.end


@dataclass(frozen=True, slots=True)
class _Node:
    """One value with its place in the text; the items of an array are named by their `id`."""

    start: int
    end: int
    value: Any
    members: tuple[_Member, ...] | None = None

    def find(self, name: str) -> _Member | None:
        """Give the entry that counts: the last one of this name."""
        return next((member for member in reversed(self.members or ()) if member.name == name), None)


def read(text: str) -> Any:
    """Give the whole value; an empty object for a text that holds nothing but blanks and comments.

    Raises:
        InvalidRequest: The text is no JSON.
    """
    root = _Reader(text).root()
    return {} if root is None else root.value


def put(text: str, path: tuple[str, ...], value: Any) -> str:
    """Set one entry: in place where it exists, else at the end of its container.

    Args:
        text: The whole file; may be empty.
        path: Field names from the top to the entry. If `value` has an `id` equal to the last name, that name stands for the
            item of an array with this `id`.
        value: Anything that JSON can hold.

    Returns:
        The changed text; missing containers are added.

    Raises:
        InvalidRequest: The text is no JSON, or a container on the way has another type.
    """
    root = _Reader(text).root()
    if root is None:
        gap = "" if not text or text[-1] in "\r\n" else _newline(text)
        return f"{text}{gap}{_rendered(_nested(path, value), text, '')}{_newline(text)}"
    node = root
    for depth, name in enumerate(path):
        kind = list if _is_item(path, depth, value) else dict
        if not isinstance(node.value, kind):
            raise InvalidRequest(f"{'.'.join(path[:depth]) or 'The whole file'} must be {_KINDS[kind]}.", field="config")
        member = node.find(name)
        if member is None:
            return _inserted(text, node, name, _nested(path[depth + 1 :], value))
        node = member.node
    return text[: node.start] + _rendered(value, text, _line_indent(text, node.start)) + text[node.end :]


def remove(text: str, path: tuple[str, ...]) -> str:
    """Remove one entry with its comma and its line; give the text unchanged if there is no such entry.

    Raises:
        InvalidRequest: The text is no JSON.
    """
    node = _Reader(text).root()
    for name in path[:-1]:
        found = node.find(name) if node else None
        node = found.node if found else None
    member = node.find(path[-1]) if node else None
    return _without(text, member) if member else text


def prune(text: str, name: str) -> str:
    """Remove a top-level container if it is empty and holds no comment either.

    Raises:
        InvalidRequest: The text is no JSON.
    """
    root = _Reader(text).root()
    member = root.find(name) if root else None
    if member is None or member.node.members is None or text[member.node.start + 1 : member.end - 1].strip():
        return text
    return _without(text, member)


def _nested(path: tuple[str, ...], value: Any) -> Any:
    """Wrap a value in the containers of its path; a value with an `id` goes into an array."""
    wrapped = value
    for depth, name in reversed(list(enumerate(path))):
        wrapped = [wrapped] if _is_item(path, depth, value) else {name: wrapped}
    return wrapped


def _is_item(path: tuple[str, ...], depth: int, value: Any) -> bool:
    return depth == len(path) - 1 and _identity(value) == path[-1]


def _identity(value: Any) -> Any:
    return cast("dict[str, Any]", value).get("id") if isinstance(value, dict) else None


def _inserted(text: str, container: _Node, name: str, value: Any) -> str:
    """Add an entry behind the last one, on the same line if the container is on one line."""
    inner = [token for token in _tokens(text, container.start + 1) if token.end < container.end]
    solid = [token for token in inner if token.kind != "blank"]
    written = [token for token in inner if token.kind != "blank" or token.text.strip()]
    outer = _line_indent(text, container.start)
    last = container.members[-1] if container.members else None
    key = "" if isinstance(container.value, list) else f"{json.dumps(name)}: "
    if last and "\n" not in text[container.start : container.end]:
        member, lead = f"{key}{json.dumps(value, ensure_ascii=False)}", " "
    else:
        indent = _own_indent(text, last.start) if last else None
        indent = outer + _unit(text) if indent is None else indent
        member, lead = f"{key}{_rendered(value, text, indent)}", _newline(text) + indent
    trailing = last is not None and solid[-1].text == ","
    comma = "," if last and not trailing else ""
    after = written[-1].end if written else container.start + 1
    tail = text[after:] if last else _newline(text) + outer + text[container.end - 1 :]
    before = solid[-1].end if solid else after
    return text[:before] + comma + text[before:after] + lead + member + "," * trailing + tail


def _without(text: str, member: _Member) -> str:
    """Cut out an entry, one of the commas beside it, and its line if nothing else is on it."""
    after = next((token for token in _tokens(text, member.end) if token.kind != "blank"), None)
    end = after.end if after and after.text == "," else member.end
    before = [token for token in _tokens(text, 0) if token.end <= member.start and token.kind != "blank"][-1]
    own_line = _own_indent(text, member.start) is not None and _LINE_END.match(text, end)
    start = len(text[: member.start].rstrip(" \t\r\n" if own_line else " \t"))
    if not own_line and end > member.end:
        end += len(text[end:]) - len(text[end:].lstrip(" \t"))
    if before.text == "," and end == member.end:  # it was the last: the comma before it goes too
        return text[: before.start] + text[before.end : start] + text[end:]
    return text[:start] + text[end:]


def _rendered(value: Any, text: str, indent: str) -> str:
    """Write a value over several lines in the style of the text; `indent` is that of its first line."""
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).split("\n")
    return (_newline(text) + indent).join(lines)


def _unit(text: str) -> str:
    """Give the white space by which the text indents one level."""
    found = _INDENT.search(text)
    return found[1] if found else "  "


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_indent(text: str, position: int) -> str:
    """Give the white space at the start of the line of a position."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _own_indent(text: str, position: int) -> str | None:
    """Give the white space before an entry; `None` if something else precedes it on its line."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line if not line.strip(" \t") and len(line) < position else None


def _tokens(text: str, position: int) -> list[_Token]:
    found: list[_Token] = []
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _broken(text, position)
        found.append(_Token(match.lastgroup or "", match[0], position, match.end()))
        position = match.end()
    return found


def _broken(text: str, position: int) -> InvalidRequest:
    line = text.count("\n", 0, position) + 1
    return InvalidRequest(f"Invalid JSON at line {line}.", field="config")


class _Reader:
    """Reads the text into nodes, in one pass over the tokens that are not white space or comments."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [token for token in _tokens(text, 0) if token.kind != "blank"]
        self.at = self.depth = 0

    def root(self) -> _Node | None:
        """Give the whole value, `None` for a text without one."""
        if not self.tokens:
            return None
        node = self._node()
        if self.at < len(self.tokens):
            raise _broken(self.text, self.tokens[self.at].start)
        return node

    def _next(self, *marks: str) -> _Token:
        """Take the next token; it must be one of `marks` if any are given."""
        if self.at == len(self.tokens):
            raise _broken(self.text, len(self.text))
        token = self.tokens[self.at]
        if marks and token.text not in marks:
            raise _broken(self.text, token.start)
        self.at += 1
        return token

    def _node(self) -> _Node:
        token = self._next()
        if token.text == "{":
            return self._container(token, "}")
        if token.text == "[":
            return self._container(token, "]")
        return _Node(token.start, token.end, self._scalar(token))

    def _scalar(self, token: _Token) -> Any:
        try:
            return json.loads(token.text)
        except ValueError as error:
            raise _broken(self.text, token.start) from error

    def _container(self, opener: _Token, closer: str) -> _Node:
        members: list[_Member] = []
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _broken(self.text, opener.start)
        while self.at == len(self.tokens) or self.tokens[self.at].text != closer:
            members.append(self._entry() if closer == "}" else self._item())
            if self._next(",", closer).text == closer:
                self.at -= 1
        self.depth -= 1
        end = self._next(closer).end
        listed = [member.node.value for member in members]
        value = listed if closer == "]" else {member.name: member.node.value for member in members}
        return _Node(opener.start, end, value, tuple(members))

    def _entry(self) -> _Member:
        key = self._next()
        name = self._scalar(key)
        if not isinstance(name, str):
            raise _broken(self.text, key.start)
        self._next(":")
        return _Member(name, key.start, self._node())

    def _item(self) -> _Member:
        node = self._node()
        return _Member(str(_identity(node.value)), node.start, node)
