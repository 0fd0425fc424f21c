"""What went wrong at the provider: status, code and words of a refusal become one of our errors with advice.

The HTTP status decides first, then the envelope's code. Where they say no more than "invalid request" or "an error of the
provider's own", the words decide. What no table knows is an error of the provider's own.
"""

from __future__ import annotations

import re
from typing import Any

from seedance_mcp.errors import (
    AssetNotReady,
    AssetRejected,
    AuthFailed,
    InsufficientBalance,
    InvalidRequest,
    ProviderFailed,
    RateLimited,
    SeedanceError,
    TaskNotFound,
)
from seedance_mcp.untrusted import sanitize

FIRST_REFUSAL, FIRST_SERVER_ERROR = 400, 500
"""An HTTP status from the first to below the second is a refusal, whatever the body says."""

HTTP_STATUS: dict[int, type[SeedanceError]] = {
    400: InvalidRequest,
    401: AuthFailed,
    402: InsufficientBalance,
    403: AuthFailed,
    422: InvalidRequest,
    429: RateLimited,
}
"""What a refusal's HTTP status means; the provider documents none of them."""

CODES: dict[str, type[SeedanceError]] = {
    "20001": AuthFailed,
    "20002": InvalidRequest,
}
"""What the envelope's `code` means, by the provider's page for developers; any other, such as -1, is a server error."""

PHRASES: tuple[tuple[str, type[SeedanceError]], ...] = (
    (r"余额", InsufficientBalance),
    (r"额度", InsufficientBalance),
    (r"insufficient", InsufficientBalance),
    (r"quota", InsufficientBalance),
    (r"任务不存在", TaskNotFound),
    (r"task (does )?not (exist|found)", TaskNotFound),
    (r"no such task", TaskNotFound),
    (r"审核中", AssetNotReady),
    (r"not (yet )?active", AssetNotReady),
    (r"under review", AssetNotReady),
    (r"配置不存在", InvalidRequest),
    (r"model (is )?not (configured|supported|found)", InvalidRequest),
    (r"素材", AssetRejected),
    (r"\basset", AssetRejected),
    (r"频繁", RateLimited),
    (r"rate limit", RateLimited),
    (r"too many requests", RateLimited),
)
"""What the provider's words mean, for errors that have no code of their own; the first row that is found decides."""

ADVICE: dict[type[SeedanceError], str] = {
    AuthFailed: "The provider refused the key: the operator must set a valid SEEDANCE_API_KEY.",
    InvalidRequest: "The provider refused the request: change what it names, then call again.",
    InsufficientBalance: "The provider refused for lack of money: see get_balance; the account needs a top-up.",
    TaskNotFound: "The provider knows no task of this id: list_tasks shows the ids of yours.",
    AssetNotReady: "An asset is still under review: call get_asset until it is ready, then call again.",
    AssetRejected: "The provider refused an asset or knows none of that name: bring the file with upload_asset.",
    RateLimited: "The provider takes no more requests just now: wait before the next call.",
    ProviderFailed: "The provider reported an error of its own.",
}
"""What to do about a refusal; has every error that the tables above name."""

_BRING_AGAIN = (
    "Bring the file with upload_asset, wait until get_asset says ready, then ask the user before another video is paid."
)
ADVICE_FOR_FAILED_TASK: dict[type[SeedanceError], str] = {
    AssetNotReady: _BRING_AGAIN,
    AssetRejected: _BRING_AGAIN,
    InsufficientBalance: "The account needs a top-up first: see get_balance.",
}
"""What to do about a task that failed with words of that meaning."""

_ADVICE_ELSE = "The same request may fail again: change what the words name, and ask the user before another video is paid."
_NO_REASON = "no reason given"


def refusal_of(status: int, content: dict[str, Any], retry_after_seconds: float | None) -> SeedanceError:
    """Make the error for a refusal.

    Args:
        status: The HTTP status.
        content: The envelope, or an empty one where the body is none.
        retry_after_seconds: How long the provider asks to wait, where it says so.

    Returns:
        The error, with the provider's words marked as such. Its `proven` is false where neither status, code nor words say
        whether the request was carried out before the error.
    """
    message = sanitize(content.get("msg") or content.get("message") or content.get("error_message") or _NO_REASON)
    named = _by_status(status) or CODES.get(str(content.get("code", "")), ProviderFailed)
    kind = (_by_words(message) or named) if named in {ProviderFailed, InvalidRequest} else named
    words = "" if kind is TaskNotFound else f' The provider\'s words: "{message}".'
    refusal = kind(f"{ADVICE[kind]}{words}", retry_after_seconds=retry_after_seconds)
    refusal.proven = _by_status(status) is not None or kind is not ProviderFailed
    return refusal


def _by_status(status: int) -> type[SeedanceError] | None:
    """Give what a refusal's status means; `None` where the envelope decides."""
    return HTTP_STATUS.get(status, ProviderFailed) if FIRST_REFUSAL <= status < FIRST_SERVER_ERROR else None


def _by_words(words: str) -> type[SeedanceError] | None:
    return next((error for phrase, error in PHRASES if re.search(phrase, words, re.IGNORECASE)), None)


def advice_for_failed_task(words: str) -> str:
    """Say what to do about a task that failed with these words of the provider's."""
    meant = _by_words(words)
    return ADVICE_FOR_FAILED_TASK.get(meant, _ADVICE_ELSE) if meant else _ADVICE_ELSE
