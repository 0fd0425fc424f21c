"""Opens the provider's envelopes: the data of a success, or the error for a refusal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from seedance_mcp.provider.failures import FIRST_REFUSAL, FIRST_SERVER_ERROR, refusal_of

_SUCCESS = ("0", "20000")
"""The `code` of a success; pages and schemas write it as a number and as a text."""

_KNOWN = ("data", "task_id", "asset_id", "items", "url", "balance", "total_quota", "list")
"""A body without a `code` is a success when it has one of these fields."""

_FIRST_REDIRECT = 300
"""The lowest HTTP status that is not a success."""
_MOST_DIGITS = 40


class Unreadable(Exception):
    """The answer says neither yes nor no."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer, read whole."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None


def open_reply(reply: Reply, proof: str | None = None) -> dict[str, Any]:
    """Give the `data` of a successful answer.

    Args:
        reply: The answer.
        proof: A field of `data` that only a success has, such as `task_id`. Where it has a value, the answer counts as a
            success whatever `code` says.

    Raises:
        SeedanceError: The provider refused; see `failures.refusal_of`.
        Unreadable: A server error, a redirect, or a body that is not the provider's, such as a proxy's page.
    """
    content = _json_object(reply)
    is_refused = FIRST_REFUSAL <= reply.status < FIRST_SERVER_ERROR
    if is_refused or (content and not _succeeded(content) and not _proven(content, proof)):
        raise refusal_of(reply.status, content or {}, reply.retry_after_seconds)
    if not content or reply.status >= _FIRST_REDIRECT:
        raise Unreadable(f"HTTP {reply.status} with {len(reply.body)} bytes that are no answer of the provider")
    data = content.get("data", content)
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _json_object(reply: Reply) -> dict[str, Any] | None:
    if reply.status >= FIRST_SERVER_ERROR:
        return None
    try:
        content = json.loads(reply.body.decode("utf-8-sig", "replace"), parse_int=_whole)
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
        return any(name in content for name in _KNOWN)
    return str(code) in _SUCCESS and not isinstance(code, bool)
