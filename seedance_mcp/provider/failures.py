"""Reads what went wrong at the provider: status, code and words of a refusal become one of our errors with advice.

Words decide before the HTTP status and the envelope's code, since gateways and the provider give one status to many things.
Words that leave open whether the request was carried out, such as "busy", never outweigh a status that says it was not. A
status that no table lists proves nothing about money.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, cast

from seedance_mcp.errors import (
    AssetNotReady,
    AssetRejected,
    AuthFailed,
    Charged,
    InsufficientBalance,
    InvalidRequest,
    NotConfigured,
    ProviderFailed,
    ProviderRefused,
    RateLimited,
    SeedanceError,
    TaskNotFound,
)
from seedance_mcp.untrusted import sanitize

Cause = Literal[
    "busy",
    "rate_limited",
    "upstream_timeout",
    "storage_failed",
    "media_unreachable",
    "media_too_long",
    "moderation_face",
    "moderation_brand",
    "moderation_input",
    "moderation_output",
    "moderation_audio",
    "no_money",
    "model_unavailable",
    "wrong_endpoint",
    "asset_not_ready",
    "unknown",
]
"""The families of failures."""

FIRST_REFUSAL = 400
"""The lowest HTTP status that is no success and no redirect."""


class Meaning(NamedTuple):
    """The meaning of an answer: which error it becomes, whether money went, and why."""

    error: type[SeedanceError]
    charged: Charged = "no"
    cause: Cause = "unknown"
    advice: str | None = None
    """What to do about it, where the error's usual advice is wrong."""


_NO_SUCH_ADDRESS = "The provider's server has nothing at this address: the operator should check SEEDANCE_BASE_URL."
HTTP_STATUS: dict[int, Meaning] = {
    400: Meaning(InvalidRequest),
    401: Meaning(AuthFailed),
    402: Meaning(InsufficientBalance, cause="no_money"),
    403: Meaning(AuthFailed),
    404: Meaning(ProviderRefused, advice=_NO_SUCH_ADDRESS),
    405: Meaning(ProviderRefused, advice=_NO_SUCH_ADDRESS),
    413: Meaning(ProviderRefused, advice="The provider's server takes no request of this size: shorten it."),
    422: Meaning(InvalidRequest),
    429: Meaning(RateLimited, cause="rate_limited"),
    451: Meaning(ProviderRefused, advice="The provider's server refuses it for legal reasons: ask the user what to do."),
}
"""The statuses that say that a request was not carried out; the provider documents none of them."""

MOVED = (301, 307, 308)
"""Redirects that ask for the same request at another address, so that this one did not carry it out."""

PAGES = (400, 403)
"""Statuses that a gateway gives with a page of its own, before the provider sees anything."""

_GATEWAY = Meaning(
    ProviderRefused,
    advice="A gateway on the way to the provider blocked the request with a page of its own, so neither the key nor the "
    "request is at fault: the operator should try another network or proxy, or ask the provider to let this one in.",
)
_PAGE = re.compile(r"^\s*<|error code: 1\d\d\d\b|\bcloudflare\b|\baccess denied\b", re.IGNORECASE)
"""How a page begins, or what stands in it; the provider's own answers are JSON."""
_PAGE_READ_CHARS = 2000

CODES: dict[str, Meaning] = {"20001": Meaning(AuthFailed), "20002": Meaning(InvalidRequest)}
"""What the envelope's `code` means, by the provider's page for developers; any other, such as -1, is a server error."""

_UNKNOWN = Meaning(ProviderFailed, "maybe")

_NO_MONEY = Meaning(InsufficientBalance, cause="no_money")
_TOO_MANY = Meaning(RateLimited, cause="rate_limited")
_NO_TASK = Meaning(TaskNotFound)
_UNDER_REVIEW = Meaning(AssetNotReady, cause="asset_not_ready")
_BAD_ASSET = Meaning(AssetRejected, cause="asset_not_ready")
_NO_MODEL = Meaning(InvalidRequest, cause="model_unavailable")
_BUSY = Meaning(
    ProviderFailed,
    "maybe",
    "busy",
    "The provider is busy and made no task. Do not send it again at once: after two minutes get_balance tells whether money "
    "went, or how to settle it; where none did, the same request may go again.",
)

_NO_ROOM = r"insufficient[ _-]*(\w+[ _-]+)?(capacity|resource|comput|gpu|memory|worker|node|server)"
"""A lack of machines at the provider, which is named almost as an account that lacks money is."""

PHRASES: tuple[tuple[str, Meaning], ...] = (
    (_NO_ROOM, _BUSY),
    (r"余额|欠费|insufficient(?![ _-]*(permission|privilege|scope|access|right))|AccountOverdue", _NO_MONEY),
    (r"QuotaExceeded|concurren|并发|频繁|限流|rate.?limit|too (many|frequent)|TooFast|per (minute|second)", _TOO_MANY),
    (r"额度|quota", _NO_MONEY),
    (r"任务不存在|task (does )?not (exist|found)|no such task", _NO_TASK),
    (r"审核中|asset\b.*\bnot (yet )?active|under review", _UNDER_REVIEW),
    (r"配置不存在|不支持的模型|model (is )?not (configured|supported|found)", _NO_MODEL),
    (r"请改用|勿使用|use (POST|the endpoint)", Meaning(InvalidRequest, cause="wrong_endpoint")),
    (r"DURATION_TOO_LONG", Meaning(InvalidRequest, cause="media_too_long")),
    (r"(Output|Input)?Audio\w*Sensitive", Meaning(InvalidRequest, cause="moderation_audio")),
    (r"Output\w*Sensitive|PROVIDER_MODERATION_ERROR\W*$", Meaning(InvalidRequest, cause="moderation_output")),
    (r"PrivacyInformation|人脸|肖像|真人|real.?(face|person)|\bfaces?\b", Meaning(InvalidRequest, cause="moderation_face")),
    (r"TRADEMARK|PolicyViolation|copyright|版权|商标|侵权", Meaning(InvalidRequest, cause="moderation_brand")),
    (r"素材|\basset", _BAD_ASSET),
    (
        r"(?<!case.)sensitive|moderat|content.?policy|safety|敏感|违规|违禁|审核(未|不)通过",
        Meaning(InvalidRequest, cause="moderation_input"),
    ),
    (r"繁忙|稍后|\bbusy\b|overload|try again later", _BUSY),
    (r"s3 upload failed|upload to (s3|oss|storage) failed", Meaning(ProviderFailed, "maybe", "storage_failed")),
    (r"connection reset by peer|下载失败|failed to (download|fetch)", Meaning(ProviderFailed, "maybe", "media_unreachable")),
    (r"timed? ?out|超时", Meaning(ProviderFailed, "maybe", "upstream_timeout")),
)
"""What the provider's words mean, be they of a refusal or of a failed task; the first row that is found decides."""

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
"""What to do about a refusal whose `Meaning` has no advice of its own."""

_ASK = "ask the user before another video is paid"
_REPHRASE = f"Change the prompt or the references that it may mean, and {_ASK}."
ADVICE_FOR_FAILED_TASK: dict[Cause, str] = {
    "busy": f"The provider was busy: the same request may go again; {_ASK}.",
    "rate_limited": f"The provider had too many requests: the same request may go again in a while; {_ASK}.",
    "upstream_timeout": f"It ran out of time, which passes: the same request may go again; {_ASK}.",
    "storage_failed": f"The provider could not store the video, which passes: the same request may go again; {_ASK}.",
    "media_unreachable": f"The provider could not fetch a reference: bring it with upload_asset, and {_ASK}.",
    "media_too_long": f"Shorten the reference videos or audios, which count together, and {_ASK}.",
    "moderation_face": f"Real faces are refused: use other pictures, or upload_asset where the route reviews people; {_ASK}.",
    "moderation_brand": f"A brand or protected work was seen: leave it out of prompt and references, and {_ASK}.",
    "moderation_input": _REPHRASE,
    "moderation_output": f"The finished video was refused, partly by chance: soften the prompt, and {_ASK}.",
    "moderation_audio": f"The sound was refused: leave out music, voices or reference audio, and {_ASK}.",
    "no_money": "The account needs a top-up first: see get_balance.",
    "model_unavailable": f"The key has no such model: choose another one with list_models, and {_ASK}.",
    "wrong_endpoint": f"The provider serves this model elsewhere: choose another one with list_models, and {_ASK}.",
    "asset_not_ready": f"Bring the file with upload_asset, wait until get_asset says ready, then {_ASK}.",
    "unknown": f"The same request may fail again: change what the words name, and {_ASK}.",
}
"""What to do about a task that failed for a cause."""

MAY_GO_AGAIN: frozenset[Cause] = frozenset({"busy", "rate_limited", "upstream_timeout", "storage_failed"})
"""The causes that pass: the same request may go again, once the user agrees."""

RECORDED: dict[Cause, tuple[str, ...]] = {
    "busy": ("系统繁忙，请稍后重试", "ServerOverloaded"),
    "rate_limited": ("请求过于频繁", "QuotaExceeded", "RequestBurstTooFast"),
    "upstream_timeout": ("[SY_ERR:10] Read timed out",),
    "storage_failed": ("s3 upload failed",),
    "media_unreachable": ("connection reset by peer",),
    "media_too_long": ("video_reference … DURATION_TOO_LONG",),
    "moderation_face": ("InputImageSensitiveContentDetected.PrivacyInformation",),
    "moderation_brand": (
        "[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK",
        "InputVideoSensitiveContentDetected.PolicyViolation",
    ),
    "moderation_input": ("InputTextSensitiveContentDetected", "敏感"),
    "moderation_output": ("[SY_ERR:10] PROVIDER_MODERATION_ERROR", "OutputVideoSensitiveContentDetected"),
    "moderation_audio": ("OutputAudioSensitiveContentDetected",),
    "no_money": ("余额不足", "AccountOverdueError"),
    "model_unavailable": ("配置不存在", "不支持的模型参数"),
    "wrong_endpoint": ("请改用 POST …，勿使用 /seedance/videos",),
    "asset_not_ready": ("素材审核中",),
    "unknown": (),
}
"""Words of each cause as they were recorded at the provider or stand in its pages and upstream's; for people to recognise."""

_REASONS = ("error_message", "error_msg", "fail_reason", "failure_reason", "reason", "msg", "message", "detail", "error")
"""Where an answer or a failed task says why; the provider's pages and gateways disagree on the name."""
_INSIDE = (*_REASONS, "result", "data")
"""Where an object may lie that says why."""
_INSIDE_DEPTH = 3
_NO_WORDS = {"", "ok", "success", "true", "false", "none"}
"""Values of such fields that are no reason, in lower case."""
_NO_REASON = "no reason given"
WORDS = "The provider's words: "
"""Stands before the provider's words in a message of ours, where they are found again."""


def words_of(content: dict[str, Any]) -> str:
    """Give the reason that an answer names, in whatever field and shape, sanitized; "no reason given" for none."""
    error = content.get("error")
    inner = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    named = next(_reasons(content, _INSIDE_DEPTH), "")
    code = inner.get("code") or inner.get("type")
    parts = [code if isinstance(code, str) and code != named else "", named]
    return sanitize(": ".join(filter(None, parts)) or _NO_REASON)


def _reasons(found: Any, depth: int) -> Iterator[str]:
    """Give every reason in a value, the outer ones first; objects and lists are searched to a depth."""
    if isinstance(found, dict) and depth:
        content = cast("dict[str, Any]", found)
        for name in _REASONS:
            if not isinstance(content.get(name), dict | list):
                yield from _reasons(content.get(name), depth)
        for name in _INSIDE:
            if isinstance(content.get(name), dict | list):
                yield from _reasons(content[name], depth - 1)
    elif isinstance(found, list) and depth:
        for each in cast("list[Any]", found)[:1]:
            yield from _reasons(each, depth)
    elif not isinstance(found, dict | list) and str(found).strip().lower() not in _NO_WORDS:
        yield str(found)


def is_listed(status: int) -> bool:
    """Say whether a refusal's HTTP status proves anything about money."""
    return status < FIRST_REFUSAL or status in HTTP_STATUS


def is_busy(words: str) -> bool:
    """Say whether these are the words of a provider that is busy."""
    return _by_words(words) is _BUSY


def refusal_of(status: int, content: dict[str, Any], retry_after_seconds: float | None, *, page: str = "") -> SeedanceError:
    """Make the error for a refusal.

    Args:
        status: The HTTP status.
        content: The envelope, or an empty one where the body is none.
        retry_after_seconds: How long the provider asks to wait; `None` where it does not say.
        page: The body, where it is no envelope.

    Returns:
        The error, with the provider's words marked as such. Its `proven` is false where neither status, code nor words say
        whether the request was carried out before the error.
    """
    is_page = _PAGE.search(page[:_PAGE_READ_CHARS]) is not None
    words = words_of(content or {"msg": "" if is_page else page})
    meaning = _GATEWAY if is_page and status in PAGES else _meaning(status, content.get("code"), words)
    advice = meaning.advice or ADVICE[meaning.error]
    quoted = "" if meaning.error is TaskNotFound else f' {WORDS}"{words}".'
    cause = None if meaning.cause == "unknown" else meaning.cause
    refusal = meaning.error(f"{advice}{quoted}", retry_after_seconds=retry_after_seconds, cause=cause)
    refusal.proven = meaning.charged == "no"
    return refusal


def moved_to(origin: str, status: int) -> NotConfigured:
    """Make the error for an address that asks for the same request at another one, which we do not follow with the key."""
    return NotConfigured(
        f"The provider's address has moved to {sanitize(origin)} (HTTP {status}), and the request was not carried out there: "
        "the operator should set SEEDANCE_BASE_URL to the new address, if it is the provider's."
    )


def _meaning(status: int, code: Any, words: str) -> Meaning:
    """Weigh status, code and words: what proves that nothing was carried out wins over what leaves it open."""
    stated, told = HTTP_STATUS.get(status) or CODES.get(str(code)) or _UNKNOWN, _by_words(words)
    if told is None or (told.charged == "maybe" and stated.error not in {InvalidRequest, ProviderFailed}):
        return stated
    return told


def _by_words(words: str) -> Meaning | None:
    return next((meaning for phrase, meaning in PHRASES if re.search(phrase, words, re.IGNORECASE)), None)


def cause_of(words: str) -> Cause:
    """Give the family of a failure that the provider explains with these words."""
    meaning = _by_words(words)
    return meaning.cause if meaning else "unknown"


def cause_of_refusal(code: str, message: str) -> Cause | None:
    """Give the family of a refusal of the provider's from the error made for the caller; `None` for an error of our own.

    Args:
        code: The error's code.
        message: The error's message, which quotes the provider's words.
    """
    _, _, words = message.partition(WORDS)
    cause = cause_of(words)
    return _CAUSE_OF_CODE.get(code) if cause == "unknown" else cause


_CAUSE_OF_CODE: dict[str, Cause] = {InsufficientBalance.code: "no_money", RateLimited.code: "rate_limited"}
"""The family of an error whose words name none: its HTTP status did."""


def advice_for_failed_task(words: str) -> str:
    """Say what to do about a task that failed with these words of the provider's."""
    return ADVICE_FOR_FAILED_TASK[cause_of(words)]
