"""The facts that documents state about the provider's answers: one row each, with its source and what is expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from seedance_mcp.proof.recorder import Exchange

SOURCES = {
    "pages-07": "the provider's pages, July 2026",
    "pages-08": "the provider's pages, August 2026",
    "openapi-08": "the provider's OpenAPI file, 2026-08-10",
    "answers-06": "answers that a paying user recorded, 2026-06-19 and 2026-06-20",
    "tool-09": "the provider's own command-line tool, about September 2026",
    "routing-09": "the provider's guide to its endpoints, about September 2026",
}
"""Source key → what the source is, and its date."""
PRICE_MODES = {"per_task", "per_second", "per_million_tokens", "per_10k_char", "pay_as_you_go"}
STATUS_WORDS = {"queued", "pending", "submitted", "processing", "completed", "failed", "canceled", "cancelled"}
SUCCESS = {"0", "20000"}
FIRST_SECOND, LAST_SECOND = 1_577_836_800, 4_102_444_800
"""The Unix times of 2020 and 2100: what lies between is in seconds, not in milliseconds."""
_BEGIN_OF_SEEDANCE = ("seedance", "sd2")
_WHOLE = 100
_ALMOST = 1e-6


@dataclass(frozen=True, slots=True)
class Asked:
    """The facts that the expectations depend on."""

    base_url: str
    result_hosts: tuple[str, ...]
    """Origins that finished videos may come from."""
    picture_bytes: int
    """The size of the picture that is uploaded."""


Holds = Callable[[Exchange, Asked], bool | None]
"""Says whether an answer shows a fact, contradicts it, or (`None`) shows nothing about it."""


@dataclass(frozen=True, slots=True)
class Documented:
    """One documented fact."""

    name: str
    source: str
    """Key of `SOURCES`."""
    probe: str
    """The probe whose answers show it."""
    expected: str
    holds: Holds


def _answers(exchange: Exchange, _: Asked) -> bool | None:
    return exchange.status == 200 and exchange.answer is not None  # noqa: PLR2004 - the one status that is documented


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _code_is_number(exchange: Exchange, _: Asked) -> bool | None:
    return None if exchange.answer is None else type(exchange.code) is int and exchange.code == 20000  # noqa: PLR2004 - documented


def _succeeded(exchange: Exchange) -> bool:
    return str(exchange.code) in SUCCESS


def _of_data(check: Callable[[dict[str, Any], Asked], bool | None]) -> Holds:
    """Make an expectation about the data of a success; a refusal shows nothing about it."""
    return lambda exchange, asked: check(exchange.data, asked) if _succeeded(exchange) else None


def _rows(exchange: Exchange) -> list[dict[str, Any]] | None:
    listed = exchange.data.get("list")
    rows = cast("list[Any]", listed) if isinstance(listed, list) else []
    return [cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)] or None


def _of_rows(check: Callable[[dict[str, Any]], bool]) -> Holds:
    """Make an expectation about every row of the price list."""

    def holds(exchange: Exchange, _: Asked) -> bool | None:
        rows = _rows(exchange)
        return None if rows is None else all(map(check, rows))

    return holds


def _lists(exchange: Exchange, _: Asked) -> bool | None:
    return _rows(exchange) is not None if _succeeded(exchange) else None


def _has_fields(row: dict[str, Any]) -> bool:
    return {"model_name", "model_type", "price_mode", "unit_price"} <= row.keys()


def _video_type(row: dict[str, Any]) -> bool:
    is_seedance = str(row.get("model_name")).startswith(_BEGIN_OF_SEEDANCE)
    return not is_seedance or row.get("model_type") in {"video", "videos"}


def _adds_up(data: dict[str, Any], _: Asked) -> bool | None:
    figures = [data.get(name) for name in ("balance", "used_coin", "available")]
    if not all(map(_number, figures)):
        return None
    balance, used, available = cast("list[float]", figures)
    return abs(balance - used - available) <= _ALMOST * max(1.0, abs(balance))


def _of_code(code: str) -> Holds:
    return lambda exchange, _: None if exchange.answer is None else str(exchange.code) == code


def _of_words(*phrases: str) -> Holds:
    def holds(exchange: Exchange, _: Asked) -> bool | None:
        if exchange.answer is None:
            return None
        words = str(exchange.answer.get("msg"))
        return not _succeeded(exchange) and any(phrase in words for phrase in phrases)

    return holds


def _is_seconds(value: object) -> bool:
    return isinstance(value, int) and FIRST_SECOND < value < LAST_SECOND


def _is_link(value: object, asked: Asked) -> bool:
    return isinstance(value, str) and urlsplit(value).scheme in {"https", urlsplit(asked.base_url).scheme}


def _when_completed(check: Callable[[dict[str, Any], Asked], bool | None]) -> Holds:
    """Make an expectation about a task that is completed."""
    return lambda exchange, asked: check(exchange.data, asked) if exchange.data.get("status") == "completed" else None


def _result(data: dict[str, Any]) -> dict[str, Any]:
    found = data.get("result")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _known_host(data: dict[str, Any], asked: Asked) -> bool | None:
    link = _result(data).get("video_url")
    if not isinstance(link, str):
        return None
    host = urlsplit(link).netloc
    origins = [urlsplit(each).netloc for each in (*asked.result_hosts, asked.base_url)]
    return any(host == each or (each.startswith("*") and host.endswith(each[1:])) for each in origins)


FREE: tuple[Documented, ...] = (
    Documented("prices: envelope", "pages-08", "prices", "HTTP 200 with JSON, without a key", _answers),
    Documented("prices: code", "pages-08", "prices", "code is the number 20000", _code_is_number),
    Documented("prices: rows", "pages-08", "prices", "data.list holds rows", _lists),
    Documented(
        "prices: fields", "pages-08", "prices", "model_name, model_type, price_mode, unit_price", _of_rows(_has_fields)
    ),
    Documented("prices: types", "tool-09", "prices", "video or videos for Seedance", _of_rows(_video_type)),
    Documented(
        "prices: modes",
        "pages-08",
        "prices",
        f"one of {', '.join(sorted(PRICE_MODES))}",
        _of_rows(lambda row: row.get("price_mode") in PRICE_MODES),
    ),
    Documented("balance: envelope", "openapi-08", "balance", "HTTP 200 with JSON", _answers),
    Documented("balance: code", "openapi-08", "balance", "code is the number 20000", _code_is_number),
    Documented(
        "balance: fields",
        "pages-07",
        "balance",
        "balance, used_coin and available are numbers",
        _of_data(lambda data, _: all(_number(data.get(name)) for name in ("balance", "used_coin", "available"))),
    ),
    Documented("balance: sum", "pages-07", "balance", "available is balance less used_coin", _of_data(_adds_up)),
    Documented("key balance: code", "openapi-08", "key_balance", "code is the number 20000", _code_is_number),
    Documented(
        "key balance: fields",
        "pages-07",
        "key_balance",
        "total_quota, used_quota and available_quota are numbers, unlimited is true or false",
        _of_data(
            lambda data, _: (
                isinstance(data.get("unlimited"), bool)
                and all(_number(data.get(name)) for name in ("total_quota", "used_quota", "available_quota"))
            )
        ),
    ),
    Documented(
        "key balance: unlimited",
        "pages-07",
        "key_balance",
        "total_quota and available_quota are 0 for a key without a cap",
        _of_data(
            lambda data, _: (
                data.get("total_quota") == 0 == data.get("available_quota") if data.get("unlimited") is True else None
            )
        ),
    ),
    Documented("wrong key: envelope", "pages-08", "wrong_key", "HTTP 200 with JSON", _answers),
    Documented("wrong key: code", "pages-07", "wrong_key", "code 20001", _of_code("20001")),
    Documented("unknown task: envelope", "openapi-08", "unknown_task", "HTTP 200 with JSON", _answers),
    Documented("unknown task: words", "pages-08", "unknown_task", "refused with 任务不存在", _of_words("任务不存在")),
    Documented("upload: code", "openapi-08", "upload", "code is the number 20000", _code_is_number),
    Documented(
        "upload: url", "openapi-08", "upload", "url is https", _of_data(lambda data, asked: _is_link(data.get("url"), asked))
    ),
    Documented(
        "upload: size",
        "openapi-08",
        "upload",
        "size is that of the file in bytes",
        _of_data(lambda data, asked: data.get("size") == asked.picture_bytes),
    ),
    Documented(
        "upload: type",
        "openapi-08",
        "upload",
        "mime_type is image/png",
        _of_data(lambda data, _: data.get("mime_type") == "image/png"),
    ),
)
"""What is shown by questions that cost nothing."""

REFUSED: tuple[Documented, ...] = (
    Documented("create with an empty prompt", "pages-07", "no_prompt", "refused with code 20002", _of_code("20002")),
    Documented("create of 99 seconds", "pages-07", "too_long", "refused with code 20002", _of_code("20002")),
    Documented("create with images and frames", "pages-07", "images_and_frames", "refused with code 20002", _of_code("20002")),
    Documented(
        "create at the wrong endpoint",
        "routing-09",
        "wrong_endpoint",
        "refused with 请改用 and the right one",
        _of_words("请改用"),
    ),
    Documented(
        "create with an unknown model",
        "routing-09",
        "unknown_model",
        "refused with 不支持的模型参数 or 配置不存在",
        _of_words("不支持的模型", "配置不存在"),
    ),
)
"""What is shown by creates that the documents refuse at no charge: code 20002 is "check format, model, duration, field
combination", and the guard of the endpoints answers before a task is made."""

PAID: tuple[Documented, ...] = (
    Documented("create: code", "answers-06", "create", "code is the number 20000", _code_is_number),
    Documented("create: status", "openapi-08", "create", "queued", _of_data(lambda data, _: data.get("status") == "queued")),
    Documented(
        "create: time",
        "answers-06",
        "create",
        "created_at in Unix seconds",
        _of_data(lambda data, _: _is_seconds(data.get("created_at"))),
    ),
    Documented(
        "create: cost",
        "openapi-08",
        "create",
        "cost is a number, unless tokens settle it later",
        _of_data(lambda data, _: _number(data["cost"]) if "cost" in data else None),
    ),
    Documented("task: code", "answers-06", "task", "code is the number 20000", _code_is_number),
    Documented(
        "task: status words",
        "pages-08",
        "task",
        f"one of {', '.join(sorted(STATUS_WORDS))}",
        _of_data(lambda data, _: data.get("status") in STATUS_WORDS),
    ),
    Documented(
        "task: progress",
        "pages-08",
        "task",
        "a whole number from 0 to 100",
        _of_data(lambda data, _: type(data.get("progress")) is int and 0 <= data["progress"] <= _WHOLE),
    ),
    Documented(
        "completed: progress", "pages-08", "task", "100", _when_completed(lambda data, _: data.get("progress") == _WHOLE)
    ),
    Documented(
        "completed: time",
        "answers-06",
        "task",
        "completed_at in Unix seconds, not before created_at",
        _when_completed(
            lambda data, _: _is_seconds(data.get("completed_at")) and data["completed_at"] >= (data.get("created_at") or 0)
        ),
    ),
    Documented(
        "completed: link",
        "openapi-08",
        "task",
        "result.video_url is https",
        _when_completed(lambda data, asked: _is_link(_result(data).get("video_url"), asked)),
    ),
    Documented(
        "completed: image link",
        "answers-06",
        "task",
        "result.image_url is there and empty",
        _when_completed(lambda data, _: _result(data).get("image_url") == ""),
    ),
    Documented("completed: host", "answers-06", "task", "a known host of results", _when_completed(_known_host)),
    Documented(
        "completed: cost", "openapi-08", "task", "cost is a number", _when_completed(lambda data, _: _number(data.get("cost")))
    ),
)
"""What is shown by one video that is paid."""

EVERY: Sequence[Documented] = (*FREE, *REFUSED, *PAID)
