"""What went wrong at the provider: status codes, error codes and words translated into our errors, and what to do next."""

from __future__ import annotations

import re
from typing import Any, cast

from seedance_mcp import errors
from seedance_mcp.untrusted import sanitize

_CODES: dict[str, type[errors.SeedanceError]] = {
    "20001": errors.AuthFailed,
    "20002": errors.InvalidRequest,
    "-1": errors.ProviderFailed,
}
HTTP_STATUS: dict[int, type[errors.SeedanceError]] = {
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
_BRING = "Bring the file with upload_asset, wait until get_asset says ready, then ask the person before another video is paid."
_MENDS: dict[type[errors.SeedanceError], str] = {
    errors.AssetNotReady: _BRING,
    errors.AssetRejected: _BRING,
    errors.InsufficientBalance: "The account needs a top-up first: see get_balance.",
}
_MEND_ELSE = "The same request may fail again: change what the words name, and ask the person before another video is paid."


def refusal_of(kind: Any, content: dict[str, Any], retry_after: float | None) -> errors.SeedanceError:
    """Give the error for a refusal: `kind` where the HTTP status decides it, else by the envelope's code and words."""
    message = sanitize(content.get("msg") or content.get("message") or content.get("error_message") or "no reason given")
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
