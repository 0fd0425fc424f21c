"""The provider's answers in our words: envelopes opened, status words and error codes translated by tables."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from seedance_mcp import errors
from seedance_mcp.provider.failures import HTTP_STATUS, refusal_of
from seedance_mcp.task import ProviderTask, Status
from seedance_mcp.untrusted import CONTROL, read_amount, read_time, sanitize

_SUCCESS = ("0", "20000")
"""The documentation writes success as 0, "0", 20000 and "20000" (pages-07, site-08)."""

_KNOWN = ("data", "task_id", "asset_id", "items", "url", "balance", "total_quota", "list")
"""A body without an envelope counts as an answer when it holds one of these."""


STATUS: dict[str, Status] = {
    **dict.fromkeys(("queued", "pending", "submitted", "created", "0"), "queued"),
    **dict.fromkeys(
        ("processing", "in_progress", "running", "prompt_enhancing", "prompt_enhancement_checking", "image_downloading"),
        "processing",
    ),
    **dict.fromkeys(("completed", "success", "succeed", "succeeded", "1"), "completed"),
    **dict.fromkeys(("failed", "error", "failure", "fail", "expired", "2"), "failed"),
    **dict.fromkeys(("canceled", "cancelled"), "cancelled"),
}
"""Every status word of the documentation, the provider's tool and its web client."""

_REDIRECTS, _REFUSALS, _FAULTS = 300, 400, 500
"""Where each class of HTTP status begins."""
_UNFINISHED = Decimal(99)


class Unreadable(Exception):
    """The answer says neither yes nor no."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer, read whole."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None


def open_reply(reply: Reply, proof: str | None = None) -> dict[str, Any]:
    """Give the data of a successful answer; data that holds `proof` is a success whatever code stands beside it.

    Raises the provider's refusal as one of our errors, and `Unreadable` for what is no answer at all: 5xx, redirects,
    pages of a proxy.
    """
    content = _json_object(reply)
    refused = HTTP_STATUS.get(reply.status, errors.ProviderFailed) if _REFUSALS <= reply.status < _FAULTS else None
    if refused or (content and not _succeeded(content) and not _proven(content, proof)):
        raise refusal_of(refused, content or {}, reply.retry_after_seconds)
    if not content or reply.status >= _REDIRECTS:
        raise Unreadable(f"HTTP {reply.status} with {len(reply.body)} bytes that are no answer")
    data = content.get("data", content)
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _json_object(reply: Reply) -> dict[str, Any] | None:
    if reply.status >= _FAULTS:
        return None
    try:
        content = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else None


def _proven(content: dict[str, Any], proof: str | None) -> bool:
    data = content.get("data", content)
    return proof is not None and isinstance(data, dict) and bool(cast("dict[str, Any]", data).get(proof))


def _succeeded(content: dict[str, Any]) -> bool:
    """Whether the envelope says success; one without a code counts when it has a body we know."""
    code = content.get("code")
    if code is None:
        return any(name in content for name in _KNOWN)
    return str(code) in _SUCCESS and not isinstance(code, bool)


def read_task(data: dict[str, Any], base_url: str) -> ProviderTask:
    """Read a create or query answer; a field that makes no sense becomes absent and is named in the warnings."""
    warnings: list[str] = []
    word = str(data.get("status", "queued")).strip().lower()
    status = STATUS.get(word)
    if status is None:
        warnings.append(f'The provider gave a status we do not know ("{sanitize(word)}"): read as processing.')
    result = data.get("result")
    link = cast("dict[str, Any]", result).get("video_url") if isinstance(result, dict) else data.get("video_url")
    return ProviderTask(
        task_id=_text(data.get("task_id")),
        status=status or "processing",
        progress=100 if status == "completed" else _percent(data.get("progress")),
        model=_text(data.get("model")),
        created_at=read_time(data.get("created_at")),
        completed_at=read_time(data.get("completed_at")),
        video_url=_link(link, base_url, warnings),
        error=_reason(data) if status in {"failed", "cancelled"} else None,
        cost=read_amount(data.get("cost")),
        warnings=warnings,
    )


def _text(value: Any) -> str | None:
    return sanitize(value) if isinstance(value, str | int) and str(value) else None


def _reason(data: dict[str, Any]) -> str:
    named = next((data[name] for name in ("error_message", "error_msg", "reason", "msg") if data.get(name)), None)
    return sanitize(named or "no reason given")


def _percent(value: Any) -> int:
    amount = read_amount(value)
    return int(min(amount, _UNFINISHED)) if amount else 0


def _link(value: Any, base_url: str, warnings: list[str]) -> str | None:
    """An absolute link; older servers gave a path below their own host."""
    if not isinstance(value, str) or not value:
        return None
    plain = urlsplit(base_url).scheme == "http"
    with suppress(ValueError):
        link = urljoin(base_url + "/", value)
        if urlsplit(link).scheme in {"https", "http" if plain else "https"} and not CONTROL.search(link):
            return link
    warnings.append("The provider gave a link that is not https and was left out.")
    return None
