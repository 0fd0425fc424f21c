"""Answers what every client asks on opening from a snapshot, and needs only the standard library.

A stdio server is started by every window of every client, and most sessions never call it. So the real server is loaded
only when a message comes that the snapshot cannot answer; it then gets the earlier messages too (`server/stdio_handover`).
"""

from __future__ import annotations

import json
import os
import re

from seedance_mcp.instant.pipes import Lines, write

TYPE_CHECKING = False  # type checkers know the word; to load `typing` for it would take as long as to load the snapshot
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeGuard

SNAPSHOT = f"{os.path.dirname(__file__)}/opening.json"  # noqa: PTH120 - pathlib is slow to load, too
"""The answers of the real server; a test writes them and compares them."""
MODERN = "2026-07-28"
_PROTOCOLS = "io.modelcontextprotocol/"
_VERSION, _CLIENT, _CAPABILITIES = (f"{_PROTOCOLS}{name}" for name in ("protocolVersion", "clientInfo", "clientCapabilities"))
_ANSWERS = {"result", "error"}
"""Fields of an answer: only the real server knows what a message is that has them beside a method."""
_LISTEN, _READY = "subscriptions/listen", "notifications/initialized"
_MOST_NESTED = 100
"""No message with fewer brackets is too deep for any parser."""
_REFUSE_UNIONS = ("cursor", "gemini", "codex")
"""Parts of the client names whose hosts refuse `anyOf`, or strip the bounds inside."""


def folder_pattern(system: str = os.name) -> str:
    """Give the pattern of a path that is certainly right on a system, named as in `os.name`."""
    return (r"[A-Za-z]:[\\/]" if system == "nt" else "/") + r"[^\0-\x1f\x7f\ud800-\udfff:;$%{}\"'`]*"


_KEY = r"[A-Za-z0-9][!#-&(-_a-z|~]*"
_PORT = r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?"
_NAME = r"([a-z0-9]{1,30}(-[a-z0-9]{1,30})?\.){0,3}[a-z0-9]{1,30}"
_ADDRESS = rf"https://{_NAME}{_PORT}/?|http://(127\.0\.0\.1|localhost){_PORT}/?"
_AMOUNT, _POSITIVE, _FOLDER, _SWITCH, _NEVER = (
    r"[0-9]{1,9}(\.[0-9]{1,9})?",
    r"[1-9][0-9]{0,8}",
    folder_pattern(),
    "[01]",
    "(?!)",
)
_LIMITS = ("PER_VIDEO", "PER_DAY", "TOTAL", "ACCOUNT_PER_DAY", "ACCOUNT_TOTAL")
SURE = {
    **dict.fromkeys(("SEEDANCE_API_KEY", "JIMMYAI_API_KEY"), _KEY),
    **dict.fromkeys(("SEEDANCE_BASE_URL", "JIMMYAI_BASE_URL"), _ADDRESS),
    **dict.fromkeys([f"SEEDANCE_{name}" for name in ("SANDBOX", "ALLOW_UNPRICED", "STRICT")], _SWITCH),
    **dict.fromkeys([f"SEEDANCE_{name}" for name in ("DATA_DIR", "OUTPUT_DIR", "PRICES")], _FOLDER),
    **dict.fromkeys([f"SEEDANCE_MAX_COST_{name}" for name in _LIMITS], _AMOUNT),
    "SEEDANCE_CONFIRM_ABOVE": _AMOUNT,
    "SEEDANCE_DEDUPE_SECONDS": "[0-9]{1,7}",
    "SEEDANCE_POLL_FLOOR_SECONDS": "[1-9][0-9]{0,2}",
    "SEEDANCE_HTTP_REQUESTS_PER_MINUTE": _POSITIVE,
    **dict.fromkeys([f"SEEDANCE_HTTP_{name}" for name in ("TOKENS", "OAUTH_ISSUER", "OAUTH_AUDIENCE", "HOSTS")], _NEVER),
    **dict.fromkeys(("SEEDANCE_NOTIFY_URL", "SEEDANCE_NOTIFY_SECRET"), _NEVER),
    **dict.fromkeys([f"SEEDANCE_{name}" for name in ("PUBLIC_URL", "LINK_SECONDS", "VIDEO_STORE")], _NEVER),
    "SEEDANCE_DATABASE_URL": r"postgres(ql)?://[!-Z^-~]+",
    "SEEDANCE_MEDIA_ROOTS": f"{_FOLDER}({os.pathsep}{_FOLDER})*",
    "SEEDANCE_AUTO_SAVE": "0",
    "SEEDANCE_EDITION": "2026-07",
    "SEEDANCE_MODELS": _NEVER,
    "SEEDANCE_DOWNLOAD_PROXY": r"env|http://127\.0\.0\.1:[1-9][0-9]{0,3}",
    "SEEDANCE_SCHEMA_PROFILE": "auto|union|flat",
    "SEEDANCE_LOG_FORMAT": "text|json",
    "SEEDANCE_LOG_LEVEL": "DEBUG|INFO|WARNING|ERROR|CRITICAL",
    "SEEDANCE_INSTANT_START": "1",
}
"""Every variable of the settings → values that are certainly right; a full start checks any other value."""

_NEARLY = ("SEED", "SEAD", "SEDA", "SEDE", "SIED", "JIMM")
"""How names begin that may be misspelt ones of ours."""


def prefers_flat(client_name: str | None, setting: str) -> bool:
    """Whether a client is shown the flat schemas; `setting` is `union`, `flat` or `auto`."""
    name = (client_name or "").lower()
    return setting == "flat" or (setting == "auto" and any(part in name for part in _REFUSE_UNIONS))


def serve_opening(environment: Mapping[str, str], source: int, sink: int) -> Opening:
    """Answer one client until its input ends or a message needs the real server.

    Args:
        environment: The variables that the settings are read from.
        source: The file descriptor that the client's messages are read from.
        sink: The file descriptor that answers are written to.

    Returns:
        The state to hand over to the real server.

    Raises:
        BrokenPipeError: The client no longer reads.
    """
    ours = {name.upper(): value for name, value in environment.items() if value}
    opening = Opening(load_snapshot(), ours.get("SEEDANCE_SCHEMA_PROFILE", "auto"))
    if not _is_sure(ours):
        return opening
    lines = Lines(source)
    for line in lines:
        answer = opening.answer(line)
        if answer is None:
            opening.replayed += [line, *lines.take()]
            return opening
        if answer:
            write(sink, json.dumps(answer, ensure_ascii=False, separators=(",", ":")))
    opening.ended = True
    return opening


def load_snapshot() -> dict[str, Any]:
    """Read the snapshot."""
    with open(SNAPSHOT, encoding="utf-8") as file:  # noqa: PTH123 - likewise
        return json.load(file)


def _is_sure(environment: Mapping[str, str]) -> bool:
    """Whether a full start would certainly find no fault in the environment."""
    if environment.get("SEEDANCE_SANDBOX") == "1":
        from importlib.util import find_spec  # noqa: PLC0415 - only the sandbox has optional parts

        if not find_spec("av"):
            return False
    known = environment.keys() & SURE.keys()
    return (
        not any(map(_is_nearly_ours, environment.keys() - known))
        and all(re.fullmatch(SURE[name], environment[name]) for name in known)
        and not any(map(_is_wide, environment.get("SEEDANCE_MEDIA_ROOTS", "").split(os.pathsep)))
    )


def _is_nearly_ours(name: str) -> bool:
    """Whether a full start might take a name for a misspelt one of ours, and say that."""
    return name.startswith(("SEEDANCE", "JIMMYAI_")) or (name.startswith(_NEARLY) and "_" in name)


def _is_wide(root: str) -> bool:
    """Whether a full start might refuse a media root, because the home folder is in it."""
    if not root.strip():
        return False
    home, folder = os.path.realpath(os.path.expanduser("~")), os.path.realpath(root.strip())  # noqa: PTH111 - likewise
    return folder == os.path.dirname(folder) or f"{home}{os.sep}".startswith(f"{folder}{os.sep}")  # noqa: PTH120 - likewise


class Opening:
    """The first messages of one client: answers them, and keeps those that the real server must get as well."""

    def __init__(self, snapshot: dict[str, Any], setting: str = "auto") -> None:
        """Take the snapshot, and the operator's choice of schema profile."""
        self.replayed: list[bytes] = []
        """Lines for the real server, in their order."""
        self.answered: list[Any] = []
        """Ids of requests among them that are answered already."""
        self.ended = False
        self._snapshot, self._setting = snapshot, setting
        self._handshakes = [version for version in snapshot.get("answers", ()) if version != MODERN]
        self._version, self._client, self._ready = "", "", False

    def answer(self, line: bytes) -> dict[str, Any] | None:
        """Answer one message.

        Returns:
            The JSON-RPC answer; `{}` where none is required; `None` where only the real server can answer.
        """
        message = _parsed(line)
        method, params = message.get("method"), message.get("params", {})
        if (
            message.get("jsonrpc") != "2.0"
            or not isinstance(method, str)
            or not _is_object(params)
            or _ANSWERS & message.keys()
        ):
            return None
        if "id" not in message:
            return self._begin(line) if method == _READY and _is_told(params.get("_meta", {})) else None
        first = not self._version
        answer = self._from_snapshot(method, params) if self._belongs(method, params) else None
        if answer is None:
            return None
        if first or method == _LISTEN:  # the rest leaves no trace in a server
            self.replayed.append(line)
            self.answered.append(message["id"])
        return _acknowledged(message, answer) if method == _LISTEN else {"jsonrpc": "2.0", "id": message["id"], **answer}

    def _begin(self, line: bytes) -> dict[str, Any] | None:
        """Take the end of a handshake."""
        if self._version in {"", MODERN}:
            return None
        self.replayed.append(line)
        self._ready = True
        return {}

    def _belongs(self, method: str, params: dict[str, Any]) -> bool:
        """Whether a request fits the protocol version that the first one chose, or makes the choice."""
        envelope = params.get("_meta", {})
        if not _is_told(envelope):
            return False
        if method == "initialize":
            version, client, rest = params.get("protocolVersion"), params.get("clientInfo"), params.get("capabilities")
            fits = not self._version and version in self._handshakes and client is not None
        elif _VERSION in envelope:
            version, client, rest = envelope[_VERSION], envelope.get(_CLIENT), envelope.get(_CAPABILITIES)
            fits = version == MODERN and self._version in {"", MODERN}
        else:
            return self._ready
        if not fits or not _is_able(rest) or not _is_named(client):
            return False
        self._version, self._client = version, client["name"] if client else ""
        return True

    def _from_snapshot(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Give the snapshot's answer, or `None` where it has none."""
        if method == _LISTEN:
            return self._honoured(params.get("notifications"))
        if method != "initialize" and params.keys() - {"_meta"}:
            return None
        found = self._snapshot["answers"][self._version].get(method)
        if _is_object(found):
            found = found["flat" if prefers_flat(self._client, self._setting) else "union"]
        return None if found is None else self._snapshot["bodies"][found]

    def _honoured(self, wanted: Any) -> dict[str, Any] | None:
        """Give the part of a subscription that is honoured; only the real server serves one to single resources."""
        known = self._snapshot["listen"]
        if self._version != MODERN or not _is_object(wanted) or not all(wanted.get(name) is True for name in wanted):
            return None
        return {name: True for name in known if name in wanted}


def _acknowledged(message: dict[str, Any], honoured: dict[str, Any]) -> dict[str, Any]:
    params = {"_meta": {"io.modelcontextprotocol/subscriptionId": message["id"]}, "notifications": honoured}
    return {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params}


def _is_named(client: Any) -> bool:
    """Whether the real server would certainly read who a client is; it takes no text for icons."""
    return client is None or (
        _is_object(client)
        and {"name", "version"} <= client.keys()
        and "icons" not in client
        and all(isinstance(each, str) for each in client.values())
    )


def _is_able(client: Any) -> bool:
    """Whether the real server would certainly read what a client can: objects of objects, and one flag."""
    return _is_object(client) and all(_holds_objects(name, able) for name, able in client.items())


def _holds_objects(name: str, able: Any) -> bool:
    return _is_object(able) and all(
        isinstance(each, bool) if (name, part) == ("roots", "listChanged") else _is_object(each) and name != "tasks"
        for part, each in able.items()
    )


def _is_told(meta: Any) -> bool:
    """Whether the real server would certainly read the description that a message carries of itself."""
    if not _is_object(meta):
        return False
    token, others = meta.get("progressToken"), meta.keys() - {_VERSION, _CLIENT, _CAPABILITIES}
    return (token is None or _is_id(token)) and not any(name.startswith(_PROTOCOLS) for name in others)


def _parsed(line: bytes) -> dict[str, Any]:
    """Read one message; an empty one, which no snapshot answers, stands for one that the real server may not read."""
    if line.count(b"[") + line.count(b"{") > _MOST_NESTED:
        return {}
    try:
        text = line.decode("utf-8-sig")
        message = json.loads(text)
        if "\\u" in text:
            json.dumps(message, ensure_ascii=False).encode()  # fails for half a character
    except ValueError:
        return {}
    return message if _is_object(message) and _is_id(message.get("id", 0)) else {}


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
