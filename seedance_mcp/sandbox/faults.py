"""The faults that the sandbox has on request, each by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

HTML = "<!DOCTYPE html><html><head><title>504 Gateway Time-out</title></head><body>cloudflare</body></html>"

Envelope = Callable[[Any], Any]
"""Wraps the data of a successful answer."""

ENVELOPES: dict[str, Envelope] = {
    "code_0": lambda data: {"code": 0, "msg": "ok", "data": data},
    "code_text_0": lambda data: {"code": "0", "msg": "ok", "data": data},
    "code_20000": lambda data: {"code": 20000, "msg": "ok", "data": data},
    "code_text_20000": lambda data: {"code": "20000", "msg": "ok", "data": data},
    "no_code": lambda data: {"data": data},
    "flat": lambda data: data,
}
"""Every documented form of success."""


def _page(status: int, text: str) -> httpx.Response:
    return httpx.Response(status, text=text, headers={"Content-Type": "text/html"})


def refusal(code: Any, message: str, status: int = 200) -> httpx.Response:
    """Make a refusal in the provider's envelope; its HTTP status is 200 unless another one is given."""
    return httpx.Response(status, json={"code": code, "msg": message, "data": None})


ANSWERS: dict[str, Callable[[], httpx.Response]] = {
    "rate_limited": lambda: httpx.Response(429, text="slow down", headers={"Retry-After": "2"}),
    "rate_limited_date": lambda: httpx.Response(429, headers={"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}),
    "server_error": lambda: refusal(-1, "server error", 500),
    "unavailable": lambda: _page(503, "Service Unavailable"),
    "gateway_html": lambda: _page(504, HTML),
    "ok_html": lambda: _page(200, HTML),
    "garbage": lambda: httpx.Response(200, content=b"\x00\xffnot json"),
    "wrong_shape": lambda: httpx.Response(200, json=["unexpected"]),
    "empty": lambda: httpx.Response(200, content=b""),
    "too_large": lambda: httpx.Response(200, content=b'{"code":0,"data":{"pad":"' + b"x" * 10_000_001 + b'"}}'),
    "bad_encoding": lambda: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
    "redirect": lambda: httpx.Response(302, headers={"Location": "https://elsewhere.invalid/"}),
    "no_task_id": lambda: httpx.Response(200, json={"code": 0, "msg": "ok", "data": {}}),
    "busy": lambda: refusal(-1, "server error"),
    "busy_in_words": lambda: refusal(-1, "系统繁忙，请稍后重试"),
    "too_frequent": lambda: refusal(-1, "请求过于频繁"),
    "unauthorized": lambda: refusal(20001, "authentication failed"),
    "forbidden": lambda: refusal(20001, "authentication failed", 403),
    "no_balance": lambda: refusal(-1, "余额不足 insufficient balance"),
    "payment_required": lambda: httpx.Response(402, text="pay"),
    "bad_parameters": lambda: refusal(20002, "invalid parameters"),
    "unknown_model": lambda: refusal(-1, "配置不存在"),
    "unknown_task": lambda: refusal(-1, "任务不存在"),
    "not_found": lambda: _page(404, "not found"),
    "hostile_words": lambda: refusal(20002, "ignore\x1b[2J\nall\u202e " + "x" * 2000),
}
"""Answers that stand in place of the right one; the request has no effect."""

BROKEN_CONNECTIONS: dict[str, type[httpx.TransportError]] = {
    "lost": httpx.RemoteProtocolError,
    "hang": httpx.ReadTimeout,
    "unreachable": httpx.ConnectError,
}
"""Transport failures: `lost` and `hang` after the request had its effect, `unreachable` before."""

TASK_FAILURES = {
    "content_refused": "content policy: the prompt was refused",
    "brand_refused": "[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK",
    "output_refused": "[SY_ERR:10] PROVIDER_MODERATION_ERROR",
    "upstream_timeout": "[SY_ERR:10] Read timed out",
    "storage_failed": "s3 upload failed",
    "media_unreachable": "connection reset by peer",
    "media_too_long": "video_reference DURATION_TOO_LONG",
}
"""Faults of a create whose task fails, and the words of each: the first is ours, the others were recorded at the provider."""

ODD_CONTENTS = (
    "falling_progress",
    *TASK_FAILURES,
    "asset_rejected",
    "audit_refused",
    "expired_link",
    "relative_link",
    "strange_status",
)
"""Faults inside a right envelope."""

FAULTS = (*ENVELOPES, *ANSWERS, *BROKEN_CONNECTIONS, *ODD_CONTENTS)


@dataclass(slots=True)
class Fault:
    """A fault for the next calls to some paths; raises `ValueError` for a name that is none of `FAULTS`."""

    name: str
    path: str = "/"
    """Part of the paths that it is for."""
    times: int = 1
    """How many calls are still to have it."""

    def __post_init__(self) -> None:
        """Check the name."""
        if self.name not in FAULTS:
            raise ValueError(f"unknown fault {self.name}; known: {', '.join(FAULTS)}")


def read_fault(text: str) -> Fault:
    """Read a fault written as `name`, `name:path` or `name:path:times`; raises `ValueError` for anything else."""
    name, path, times = [*text.split(":"), "", ""][:3]
    if not (times or "1").isdecimal():
        raise ValueError(f"{text} is not NAME[:PATH[:TIMES]]")
    return Fault(name, path or "/", int(times or 1))


def success(data: Any, envelope: str) -> httpx.Response:
    """Make a successful answer in one of the documented forms (a key of `ENVELOPES`)."""
    content = json.dumps(ENVELOPES[envelope](data), ensure_ascii=False).encode()
    return httpx.Response(200, content=content, headers={"Content-Type": "application/json"})
