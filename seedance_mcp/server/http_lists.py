"""Answers `tools/list` over HTTP from memory: the SDK makes the first answer to each wording, and its bytes serve later ones.

The list depends on nothing but the words of the request (the client's name is among them), and making it takes the SDK longer
than anything else that a client asks for often: it is written, read and written again.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seedance_mcp.server.http_bodies import ASKED_MOST_BYTES, beginning, body_of, replay
from seedance_mcp.tools.newest import keep_newest

ANSWER_MOST_BYTES = 1 << 17
"""A longer answer is not kept."""
ANSWERS_KEPT = 32
"""How many answers are kept, the last used ones: a client may write its request in as many ways as it likes."""
_METHOD = b'"tools/list"'
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")
_Wording = tuple[tuple[tuple[bytes, bytes], ...], str]


class _Question(NamedTuple):
    """One request for the list: what decides about the answer, and the id that the answer repeats."""

    wording: _Wording
    id: bytes


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer without its id and its length."""

    headers: list[tuple[bytes, bytes]]
    before: bytes
    after: bytes

    def messages(self, id_: bytes) -> tuple[Message, Message]:
        """Give the answer to a request of this id."""
        body = b"".join((self.before, id_, self.after))
        headers = [*self.headers, (b"content-length", str(len(body)).encode())]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        return start, {"type": "http.response.body", "body": body}


class KeptLists:
    """Middleware that keeps what an application answers to `tools/list`."""

    def __init__(self, app: ASGIApp, path: str | None) -> None:
        """Take the application, whose list never changes, and its path that takes messages; `None`: pass everything on."""
        self._app, self._path = app, path
        self._kept: OrderedDict[_Wording, _Kept] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from memory, or pass the request on."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path:
            return await self._app(scope, receive, send)
        read = await beginning(receive)
        question = _question(scope, read)
        if question is None:
            return await self._app(scope, replay(read, receive), send)
        if question.wording not in self._kept:
            return await self._ask(question, scope, replay(read, receive), send)
        self._kept.move_to_end(question.wording)
        for message in self._kept[question.wording].messages(question.id):
            await send(message)
        return None

    async def _ask(self, question: _Question, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and keep its answer where it is a list."""
        sent = list[Message]()

        async def note(message: Message) -> None:
            sent.append({**message, "headers": [*message.get("headers", ())]})  # the door adds some for one caller's page
            await send(message)

        await self._app(scope, receive, note)
        if kept := _kept(question.id, sent):
            keep_newest(self._kept, question.wording, kept, ANSWERS_KEPT)


def _question(scope: Scope, read: list[Message]) -> _Question | None:
    """Read a request for the list; `None` for any other, and for one whose id would be written in more than one way."""
    body = body_of(read)
    if _METHOD not in body or len(body) > ASKED_MOST_BYTES:
        return None
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):  # the application refuses it
        return None
    id_ = _written_id(asked)
    if id_ is None:
        return None
    told = sorted(each for each in scope["headers"] if each[0].startswith(b"mcp-") or each[0] in {b"accept", b"content-type"})
    return _Question((tuple(told), _words(asked)), id_)


def _written_id(asked: Any) -> bytes | None:
    if not isinstance(asked, dict):
        return None
    fields = cast("dict[str, Any]", asked)
    found = fields.get("id")
    is_plain = type(found) is int or (isinstance(found, str) and set(found) <= _PLAIN)
    return json.dumps(found).encode() if is_plain and fields.get("method") == "tools/list" else None


def _words(asked: dict[str, Any]) -> str:
    """Give all of a request that can change its answer: neither its id nor its progress token does."""
    params = asked.get("params")
    meta: Any = cast("dict[str, Any]", params).get("_meta") if isinstance(params, dict) else None
    if isinstance(meta, dict) and isinstance(cast("dict[str, Any]", meta).get("progressToken"), int | str):
        kept = {name: value for name, value in cast("dict[str, Any]", meta).items() if name != "progressToken"}
        asked = {**asked, "params": {**cast("dict[str, Any]", params), "_meta": {**kept, "progressToken": 0}}}
    return json.dumps({**asked, "id": 0}, sort_keys=True)


def _kept(id_: bytes, sent: list[Message]) -> _Kept | None:
    """Take an answer apart; `None` where it is no list, or longer than is kept."""
    body = body_of(sent)
    before, mark, after = body.partition(b'"id":' + id_)
    is_list = sent[0].get("status") == 200 and mark and b'"tools":[' in after  # noqa: PLR2004 - as every server says it
    if not is_list or len(body) > ANSWER_MOST_BYTES:
        return None
    headers = [each for each in sent[0]["headers"] if each[0].lower() != b"content-length"]
    return _Kept(headers, before + b'"id":', after)
