"""Changes to JSON that people wrote: comments, order, indentation, line ends and trailing commas stay as they are."""

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
_DEEPEST = 100
"""Levels; no configuration has as many."""
_KINDS: dict[type, str] = {list: "list", dict: "object"}
_LINE_END = re.compile(r"[ \t]*(\r?\n|$)")
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Member:
    """One entry of an object, or one item of an array, where it stands in the text."""

    name: str
    start: int
    node: _Node

    @property
    def end(self) -> int:
        return self.node.end


@dataclass(frozen=True, slots=True)
class _Node:
    """One value where it stands in the text; an array's items are named by their `id`."""

    start: int
    end: int
    value: Any
    members: tuple[_Member, ...] | None = None

    def find(self, name: str) -> _Member | None:
        """The entry that counts: the last of its name."""
        return next((member for member in reversed(self.members or ()) if member.name == name), None)


def put(text: str, path: tuple[str, ...], value: Any) -> str:
    """Set one entry, in place or else at the end; an array's item is the one with its `id`. Raises `InvalidRequest`."""
    root = _Reader(text).root()
    if root is None:
        gap = "" if not text or text[-1] in "\r\n" else _newline(text)
        return f"{text}{gap}{_rendered(_nested(path, value), text, '')}{_newline(text)}"
    node = root
    for depth, name in enumerate(path):
        kind = list if _is_item(path, depth, value) else dict
        if not isinstance(node.value, kind):
            raise InvalidRequest(f"{'.'.join(path[:depth]) or 'The whole'} is no {_KINDS[kind]}.", field="config")
        member = node.find(name)
        if member is None:
            return _inserted(text, node, name, _nested(path[depth + 1 :], value))
        node = member.node
    return text[: node.start] + _rendered(value, text, _line_indent(text, node.start)) + text[node.end :]


def remove(text: str, path: tuple[str, ...]) -> str:
    """Take one entry out with its comma and its line; the same text where it is not there."""
    node = _Reader(text).root()
    for name in path[:-1]:
        found = node.find(name) if node else None
        node = found.node if found else None
    member = node.find(path[-1]) if node else None
    return _without(text, member) if member else text


def prune(text: str, name: str) -> str:
    """Take a container at the top out where nothing at all is in it, not even a comment."""
    root = _Reader(text).root()
    member = root.find(name) if root else None
    if member is None or member.node.members is None or text[member.node.start + 1 : member.end - 1].strip():
        return text
    return _without(text, member)


def _nested(path: tuple[str, ...], value: Any) -> Any:
    """A value with the containers that it needs around it; one that has an `id` stands in an array."""
    wrapped = value
    for depth, name in reversed(list(enumerate(path))):
        wrapped = [wrapped] if _is_item(path, depth, value) else {name: wrapped}
    return wrapped


def _is_item(path: tuple[str, ...], depth: int, value: Any) -> bool:
    return depth == len(path) - 1 and _identity(value) == path[-1]


def _identity(value: Any) -> Any:
    return cast("dict[str, Any]", value).get("id") if isinstance(value, dict) else None


def _inserted(text: str, container: _Node, name: str, value: Any) -> str:
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
    after = next((token for token in _tokens(text, member.end) if token.kind != "blank"), None)
    end = after.end if after and after.text == "," else member.end
    before = [token for token in _tokens(text, 0) if token.end <= member.start and token.kind != "blank"][-1]
    alone = _own_indent(text, member.start) is not None and _LINE_END.match(text, end)
    start = len(text[: member.start].rstrip(" \t\r\n" if alone else " \t"))
    if not alone and end > member.end:
        end += len(text[end:]) - len(text[end:].lstrip(" \t"))
    if before.text == "," and end == member.end:  # it was the last: the comma before it goes too
        return text[: before.start] + text[before.end : start] + text[end:]
    return text[:start] + text[end:]


def _rendered(value: Any, text: str, indent: str) -> str:
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).split("\n")
    return (_newline(text) + indent).join(lines)


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else "  "


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_indent(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _own_indent(text: str, position: int) -> str | None:
    """What stands before an entry on its line; `None` where it is not the first there."""
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
    return InvalidRequest(f"It is no JSON at line {line}.", field="config")


class _Reader:
    """One pass over the tokens that matter."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [token for token in _tokens(text, 0) if token.kind != "blank"]
        self.at = self.depth = 0

    def root(self) -> _Node | None:
        if not self.tokens:
            return None
        node = self._node()
        if self.at < len(self.tokens):
            raise _broken(self.text, self.tokens[self.at].start)
        return node

    def _next(self, *marks: str) -> _Token:
        """The next token, which must be one of these marks, where any are given."""
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
        except ValueError:
            raise _broken(self.text, token.start) from None

    def _container(self, opener: _Token, closer: str) -> _Node:
        members: list[_Member] = []
        self.depth += 1
        if self.depth > _DEEPEST:
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
