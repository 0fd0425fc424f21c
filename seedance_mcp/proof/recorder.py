"""Records what was asked and answered, and writes it as a cassette from which every secret is removed."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from seedance_mcp.provider.client import Heard
from seedance_mcp.untrusted import sanitize

REMOVED = "[removed]"
_PRIVATE = {"name", "nickname", "username", "user_id", "email", "phone"}
"""Fields that may name a human or a key."""
_URL = re.compile(r"\b(https?://)([^\s/?#\"'<>@]*@)?([^\s/?#\"'<>]+)([^\s?#\"'<>]*)\S*")
_KEY = re.compile(r"\bsk[_-]\w+")
_ENDING = re.compile(r"\.\w{2,4}\Z")
_LONGEST_PAGE_CHARS = 500
"""So much is kept of an answer that is no JSON."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question of a probe, and its answer as it came: it may hold secrets."""

    probe: str
    method: str
    path: str
    sent: Any
    """The JSON that was sent; `None` for none, or for a file."""
    status: int
    answer: dict[str, Any] | None
    """`None`: no JSON object."""
    page: str
    """The beginning of an answer that is no JSON object."""

    @property
    def code(self) -> Any:
        """The envelope's code."""
        return (self.answer or {}).get("code")

    @property
    def data(self) -> dict[str, Any]:
        """The data of the envelope; empty where there is none."""
        found = (self.answer or {}).get("data")
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    @property
    def description(self) -> str:
        """The shape of the answer, without its values."""
        if self.answer is None:
            return f"HTTP {self.status} with no JSON object"
        names = ", ".join(sanitize(name, 40) for name in [*self.data][:12]) or "nothing"
        return f"HTTP {self.status}, code {sanitize(json.dumps(self.code), 20)}, data: {names}"


_DEEPEST = 40
"""An answer that nests deeper is none of the provider's; the newest Pythons read thousands of levels without a fault."""


class Recorder:
    """Takes note of each answer under the name of the probe that runs."""

    def __init__(self, secrets: set[str]) -> None:
        """Record nothing yet; texts that hold one of the secrets lose it in the cassette."""
        self._secrets = {each for each in secrets if each}
        self._probe, self._path, self._method = "", "", ""
        self.exchanges: list[Exchange] = []

    def hear(self, heard: Heard) -> None:
        """Take note of one answer, if it is one to the probe that asks now."""
        if self._probe and self._path in heard.path and self._method in heard.method:
            sent, answer = _json(heard.sent or b"null"), _json(heard.body)
            content = cast("dict[str, Any]", answer) if isinstance(answer, dict) else None
            page = "" if content else sanitize(heard.body[: 4 * _LONGEST_PAGE_CHARS].decode("utf-8", "replace"))
            self.exchanges.append(Exchange(self._probe, heard.method, heard.path, sent, heard.status, content, page))

    @contextmanager
    def listening(self, probe: str, path: str = "", method: str = "") -> Generator[None]:
        """Record what a probe is answered, while this lasts; `path` is a part of the paths, and empty texts stand for all."""
        self._probe, self._path, self._method = probe, path, method
        try:
            yield
        finally:
            self._probe = ""

    def of(self, probe: str) -> list[Exchange]:
        """Give the exchanges of one probe, in order."""
        return [each for each in self.exchanges if each.probe == probe]

    def cassette(self) -> list[dict[str, Any]]:
        """Give the exchanges without a key, a signed URL or a name, for the sandbox to replay."""
        return [self._cleaned(each) for each in self.exchanges]

    def _cleaned(self, exchange: Exchange) -> dict[str, Any]:
        return {
            "probe": exchange.probe,
            "method": exchange.method,
            "path": self.without_secrets(exchange.path),
            "sent": self._value(exchange.sent),
            "status": exchange.status,
            "answer": self._value(exchange.answer),
            "page": self.without_secrets(exchange.page)[:_LONGEST_PAGE_CHARS],
        }

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value).items()
            return {
                self.without_secrets(name): REMOVED if name in _PRIVATE and isinstance(each, str) else self._value(each)
                for name, each in fields
            }
        if isinstance(value, list):
            return [self._value(each) for each in cast("list[Any]", value)]
        return self.without_secrets(value) if isinstance(value, str) else value

    def without_secrets(self, text: str) -> str:
        """Give a text without a key and with the host only of each URL."""
        for secret in self._secrets:
            text = text.replace(secret, REMOVED)
        return _URL.sub(_host_only, _KEY.sub(REMOVED, text))


def _host_only(url: re.Match[str]) -> str:
    """Keep of a URL the scheme, the host, and the ending of the file: the rest may be signed."""
    scheme, _, host, path = url.groups()
    ending = _ENDING.search(path)
    return f"{scheme}{host}/{REMOVED}{ending[0] if ending else ''}"


def _json(content: bytes) -> Any:
    """Read JSON; `None` for what is none, or nests deeper than any answer does."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return None if _is_deep(found) else found


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*cast("dict[str, Any]", value).values()]
    return cast("list[Any]", value) if isinstance(value, list) else []
