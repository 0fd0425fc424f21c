"""Opens the provider's envelopes: the data of a success, or the error for a refusal."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, cast

from seedance_mcp.provider.failures import (
    FIRST_REFUSAL,
    MOVED,
    Cause,
    cause_of,
    is_busy,
    is_listed,
    moved_to,
    refusal_of,
    words_of,
)

_SUCCESS = ("0", "20000")
"""The `code` of a success; pages and schemas write it as a number and as a text."""

_KNOWN = ("data", "task_id", "asset_id", "items", "url", "balance", "total_quota", "list")
"""A body without a `code` is a success when it has one of these fields."""

_FIRST_REDIRECT = 300
"""The lowest HTTP status that is not a success."""
_MOST_DIGITS = 40


class Unreadable(Exception):
    """The answer says neither yes nor no."""

    def __init__(self, what: str, cause: Cause = "unknown") -> None:
        """Take what came, and the family of failure that its words belong to."""
        super().__init__(what)
        self.cause = None if cause == "unknown" else cause


class Reply(NamedTuple):
    """One HTTP answer, read whole."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None
    moved_to: str | None = None
    """Where a redirect leads: scheme and host only."""


def open_reply(reply: Reply, proof: str | None = None) -> dict[str, Any]:
    """Give the `data` of a successful answer.

    Args:
        reply: The answer.
        proof: A field of `data` that only a success has, such as `task_id`. Where it has a value, the answer counts as a
            success whatever `code` and HTTP status say.

    Raises:
        SeedanceError: The provider refused; see `failures.refusal_of`.
        NotConfigured: The address moved, and the request was not carried out.
        Unreadable: A status that proves nothing, or a body that is not the provider's, such as a proxy's page.
    """
    content = _json_object(reply.body)
    if not (content and _proven(content, proof)):
        _raise_for_status(reply, content)
        _raise_for_words(reply, content, proof)
    data = (content or {}).get("data", content)
    if isinstance(data, list) and len(cast("list[Any]", data)) == 1:  # one thing was asked for
        data = cast("list[Any]", data)[0]
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _raise_for_status(reply: Reply, content: dict[str, Any] | None) -> None:
    """Raise for whatever status is no success."""
    if reply.status in MOVED and reply.moved_to:
        raise moved_to(reply.moved_to, reply.status)
    if reply.status < _FIRST_REDIRECT:
        return
    words = words_of(content) if content else ""
    if reply.status >= FIRST_REFUSAL and (is_listed(reply.status) or is_busy(words)):
        page = "" if content else reply.body.decode("utf-8", "replace")
        raise refusal_of(reply.status, content or {}, reply.retry_after_seconds, page=page)
    said = f'; the provider\'s words: "{words}"' if words else _no_answer(reply)
    elsewhere = f", which leads to {reply.moved_to}: is SEEDANCE_BASE_URL right?" if reply.moved_to else said
    raise Unreadable(f"HTTP {reply.status}{elsewhere}", cause_of(words))


def _raise_for_words(reply: Reply, content: dict[str, Any] | None, proof: str | None) -> None:
    """Raise for an answer with a good status that is none of the provider's, or that refuses."""
    if content and (not _succeeded(content) or (proof and is_busy(words_of(content)))):
        raise refusal_of(reply.status, content, reply.retry_after_seconds)
    if not content:
        raise Unreadable(f"HTTP {reply.status}{_no_answer(reply)}")


def _no_answer(reply: Reply) -> str:
    return f" with {len(reply.body)} bytes that are no answer of the provider"


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body.decode("utf-8-sig", "replace"), parse_int=_whole)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else None


def _whole(digits: str) -> int | float:
    """Read a whole number of any length: Python refuses to make an `int` of thousands of digits."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _proven(content: dict[str, Any], proof: str | None) -> bool:
    data = content.get("data", content)
    return proof is not None and isinstance(data, dict) and bool(cast("dict[str, Any]", data).get(proof))


def _succeeded(content: dict[str, Any]) -> bool:
    """Return whether the envelope says success; one without a code does when it has a field that we know."""
    code = content.get("code")
    if code is None:
        return any(name in content for name in _KNOWN) and not content.get("error")
    return str(code) in _SUCCESS
