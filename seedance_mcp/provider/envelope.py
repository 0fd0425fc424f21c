"""The provider's answers in our words: envelopes opened, status words and error codes translated by tables."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from seedance_mcp import errors
from seedance_mcp.tools.results import Status

_SUCCESS = ("0", "20000")
"""The documentation writes success as 0, "0", 20000 and "20000" (pages-07, site-08)."""

_KNOWN = ("data", "task_id", "asset_id", "items", "url", "balance", "total_quota", "list")
"""A body without an envelope counts as an answer when it holds one of these."""

_CODES: dict[str, type[errors.SeedanceError]] = {
    "20001": errors.AuthFailed,
    "20002": errors.InvalidRequest,
    "-1": errors.ProviderFailed,
}
_HTTP: dict[int, type[errors.SeedanceError]] = {
    400: errors.InvalidRequest,
    401: errors.AuthFailed,
    402: errors.InsufficientBalance,
    403: errors.AuthFailed,
    422: errors.InvalidRequest,
    429: errors.RateLimited,
}
_PHRASES: tuple[tuple[str, type[errors.SeedanceError]], ...] = (
    (r"余额|额度|insufficient|quota", errors.InsufficientBalance),
    (r"任务不存在|task (does )?not (exist|found)|no such task", errors.TaskNotFound),
    (r"审核中|not (yet )?active|under review", errors.AssetNotReady),
    (r"配置不存在|model (is )?not (configured|supported|found)", errors.InvalidRequest),
    (r"素材|\basset", errors.AssetRejected),
    (r"频繁|rate limit|too many requests", errors.RateLimited),
)
"""Errors that the provider gives no code for; it writes Chinese and English."""

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

_MILLISECONDS_FROM = 10**11
_LARGEST_TIME = Decimal(10**14)
_REDIRECTS, _REFUSALS, _FAULTS = 300, 400, 500
"""Where each class of HTTP status begins."""
_STRANGER_CHARS = 500
_UNFINISHED = Decimal(99)
_LARGEST = Decimal(10**9)
"""No count or sum of coins, and no time, is larger: what is, is nonsense."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


class Unreadable(Exception):
    """The answer says neither yes nor no."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer, read whole."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ProviderTask:
    """A task as the provider tells it, in our words."""

    task_id: str | None
    status: Status
    progress: int = 0
    model: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    video_url: str | None = None
    error: str | None = None
    cost: Decimal | None = None
    warnings: list[str] = field(default_factory=list[str])

    def ended_at(self, made_at: datetime) -> datetime | None:
        """When it ended by our clock, which made it at `made_at`, from how long it took by the provider's: they may differ."""
        if self.created_at and self.completed_at:
            return made_at + max(timedelta(), self.completed_at - self.created_at)
        return self.completed_at


def stranger(text: Any) -> str:
    """The provider's own words: no control characters, at most 500 characters."""
    clean = _CONTROL.sub(" ", str(text)).strip()
    return clean if len(clean) <= _STRANGER_CHARS else clean[: _STRANGER_CHARS - 1] + "…"


def open_reply(reply: Reply, proof: str | None = None) -> dict[str, Any]:
    """Give the data of a successful answer; data that holds `proof` is a success whatever code stands beside it.

    Raises the provider's refusal as one of our errors, and `Unreadable` for what is no answer at all: 5xx, redirects,
    pages of a proxy.
    """
    content = _json_object(reply)
    refused = _HTTP.get(reply.status, errors.ProviderFailed) if _REFUSALS <= reply.status < _FAULTS else None
    if refused or (content and not _succeeded(content) and not _proven(content, proof)):
        raise _refusal(refused, content or {}, reply.retry_after_seconds)
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


def _refusal(kind: Any, content: dict[str, Any], retry_after: float | None) -> errors.SeedanceError:
    message = stranger(content.get("msg") or content.get("message") or content.get("error_message") or "no reason given")
    code = str(content.get("code", ""))
    by_words = _meant(message)
    found = kind or _CODES.get(code, errors.ProviderFailed)
    if by_words and found in {errors.ProviderFailed, errors.InvalidRequest}:
        found = by_words
    error_type = cast("type[errors.SeedanceError]", found)
    said = "" if error_type is errors.TaskNotFound else f' The provider\'s words: "{message}".'
    words = f"{_ADVICE[error_type]}{said}"
    refusal = error_type(words, retry_after_seconds=retry_after)
    refusal.proven = kind is not None or found is not errors.ProviderFailed
    return refusal


def _meant(words: str) -> type[errors.SeedanceError] | None:
    """What the provider means, as far as its words tell."""
    return next((error for phrase, error in _PHRASES if re.search(phrase, words, re.IGNORECASE)), None)


def mend(words: str) -> str:
    """What to do about a task that failed with these words of the provider's."""
    meant = _meant(words)
    return _MENDS.get(meant, _MEND_ELSE) if meant else _MEND_ELSE


_BRING = "Bring the file with upload_asset, wait until get_asset says ready, then ask the person before another video is paid."
_MENDS: dict[type[errors.SeedanceError], str] = {
    errors.AssetNotReady: _BRING,
    errors.AssetRejected: _BRING,
    errors.InsufficientBalance: "The account needs a top-up first: see get_balance.",
}
_MEND_ELSE = "The same request may fail again: change what the words name, and ask the person before another video is paid."

_ADVICE: dict[type[errors.SeedanceError], str] = {
    errors.AuthFailed: "The provider refused the key: the operator must set a valid SEEDANCE_API_KEY.",
    errors.InvalidRequest: "The provider refused the request: change what it names, then call again.",
    errors.InsufficientBalance: "The provider refused for lack of money: see get_balance; the account needs a top-up.",
    errors.TaskNotFound: "The provider knows no task of this id: list_tasks shows the ids of yours.",
    errors.AssetNotReady: "An asset is still under review: look with get_asset until it is ready, then call again.",
    errors.AssetRejected: "The provider refused an asset or knows none of that name: bring the file with upload_asset.",
    errors.RateLimited: "The provider asks for patience: wait before the next call.",
    errors.ProviderFailed: "The provider reported an error of its own.",
}
"""What to do about each refusal; has every class that the tables above name."""


def read_task(data: dict[str, Any], base_url: str) -> ProviderTask:
    """Read a create or query answer; a field that makes no sense becomes absent and is named in the warnings."""
    warnings: list[str] = []
    word = str(data.get("status", "queued")).strip().lower()
    status = STATUS.get(word)
    if status is None:
        warnings.append(f'The provider gave a status we do not know ("{stranger(word)}"): read as processing.')
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
    return stranger(value) if isinstance(value, str | int) and str(value) else None


def _reason(data: dict[str, Any]) -> str:
    named = next((data[name] for name in ("error_message", "error_msg", "reason", "msg") if data.get(name)), None)
    return stranger(named or "no reason given")


def _percent(value: Any) -> int:
    amount = read_amount(value)
    return int(min(amount, _UNFINISHED)) if amount else 0


def read_amount(value: Any) -> Decimal | None:
    """A number from 0 that makes sense, or `None`."""
    amount = read_number(value)
    return amount if amount is not None and amount >= 0 else None


def read_number(value: Any, largest: Decimal = _LARGEST) -> Decimal | None:
    """A finite number that makes sense, or `None`."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) <= largest else None


def read_time(value: Any) -> datetime | None:
    """Unix seconds (or milliseconds) as the examples have them; zero and nonsense are absent."""
    amount = read_number(value, _LARGEST_TIME)
    if not amount or amount < 0:
        return None
    seconds = float(amount) / (1000 if amount >= _MILLISECONDS_FROM else 1)
    return datetime.fromtimestamp(seconds, UTC) if seconds < _MILLISECONDS_FROM else None


def _link(value: Any, base_url: str, warnings: list[str]) -> str | None:
    """An absolute link; older servers gave a path below their own host."""
    if not isinstance(value, str) or not value:
        return None
    plain = urlsplit(base_url).scheme == "http"
    with suppress(ValueError):
        link = urljoin(base_url + "/", value)
        if urlsplit(link).scheme in {"https", "http" if plain else "https"} and not _CONTROL.search(link):
            return link
    warnings.append("The provider gave a link that is not https and was left out.")
    return None
