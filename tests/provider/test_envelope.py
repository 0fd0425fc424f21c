"""What an HTTP answer says: the data of a success, a refusal, or neither yes nor no."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from seedance_mcp.errors import InvalidRequest, NotConfigured, ProviderFailed, ProviderRefused, SeedanceError
from seedance_mcp.provider.envelope import Reply, Unreadable, open_reply

TASK = {"task_id": "vid_1"}
GOOD = {"code": 0, "data": TASK}
BUSY = "system busy, try again later"
ELSEWHERE = "https://new.example.com"

DATA: list[tuple[int, Any, str | None, Any]] = [
    (200, GOOD, None, TASK),
    (299, GOOD, None, TASK),
    (200, GOOD | {"code": "20000"}, None, TASK),
    (200, GOOD | {"code": "0", "message": BUSY}, None, TASK),
    (200, {"code": 0, "data": [TASK]}, None, TASK),
    (200, {"code": 0, "data": [TASK, TASK]}, None, {}),
    (200, {"code": 0, "data": ["vid_1"]}, None, {}),
    (200, {"code": 0, "data": "vid_1"}, None, {}),
    (200, {"code": 0, "data": None}, None, {}),
    (200, TASK, None, TASK),
    (200, {"balance": 1}, None, {"balance": 1}),
    (200, {"data": TASK}, None, TASK),
    (200, {"code": 0, "data": {}}, "task_id", {}),
    (200, {"code": 0, "data": [TASK]}, "task_id", TASK),
    (500, GOOD, "task_id", TASK),
    (200, GOOD | {"code": -1}, "task_id", TASK),
    (418, TASK, "task_id", TASK),
]
"""HTTP status, body, the field that proves a success, and the data."""


def reply(status: int, body: Any, **more: Any) -> Reply:
    return Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode(), **more)


def test_the_data_of_a_success_is_given() -> None:
    for status, body, proof, data in DATA:
        assert open_reply(reply(status, body), proof) == data, (status, body)
    assert open_reply(Reply(200, b"\xef\xbb\xbf" + json.dumps(GOOD).encode())) == TASK


REFUSED: list[tuple[int, Any, str | None, type[SeedanceError]]] = [
    (200, {"code": -1, "message": "no", "data": TASK}, None, ProviderFailed),
    (200, GOOD | {"code": False}, None, ProviderFailed),
    (200, TASK | {"error": "no"}, None, ProviderFailed),
    (200, {"msg": "odd"}, None, ProviderFailed),
    (200, {"code": 0, "message": BUSY}, "task_id", ProviderFailed),
    (500, {"code": 0, "data": {"task_id": ""}, "message": BUSY}, "task_id", ProviderFailed),
    (400, {"message": "no"}, None, InvalidRequest),
    (400, b"no", None, InvalidRequest),
    (403, b"<html>access denied</html>", None, ProviderRefused),
    (418, {"message": BUSY}, None, ProviderFailed),
]
"""HTTP status, body, the field that would prove a success, and the error."""


def test_a_refusal_is_an_error_of_the_provider() -> None:
    for status, body, proof, error in REFUSED:
        with pytest.raises(error) as raised:
            open_reply(reply(status, body, retry_after_seconds=7), proof)
        assert type(raised.value) is error, (status, body)
        if isinstance(body, dict) and (words := cast("dict[str, Any]", body).get("message")):
            assert f'The provider\'s words: "{words}"' in raised.value.message
        assert raised.value.details.get("retry_after_seconds", 7) == 7


UNREADABLE: list[tuple[int, Any, str, str | None]] = [
    (300, GOOD, 'HTTP 300; the provider\'s words: "no reason given"', None),
    (302, b"", "HTTP 302 with 0 bytes that are no answer of the provider", None),
    (399, {"message": BUSY}, f'HTTP 399; the provider\'s words: "{BUSY}"', "busy"),
    (418, {"message": "odd"}, 'HTTP 418; the provider\'s words: "odd"', None),
    (502, b"<html>", "HTTP 502 with 6 bytes that are no answer of the provider", None),
    (200, b"<html>", "HTTP 200 with 6 bytes that are no answer of the provider", None),
    (200, b"[1]", "HTTP 200 with 3 bytes that are no answer of the provider", None),
    (200, b"[" * 9999, "HTTP 200 with 9999 bytes that are no answer of the provider", None),
    (200, {}, "HTTP 200 with 2 bytes that are no answer of the provider", None),
]
"""HTTP status, body, what is said of them, and the family of the failure."""


def test_what_says_neither_yes_nor_no_is_named() -> None:
    for status, body, words, cause in UNREADABLE:
        with pytest.raises(Unreadable) as raised:
            open_reply(reply(status, body))
        assert (str(raised.value), raised.value.cause) == (words, cause)


def test_a_redirect_that_keeps_the_request_is_a_setting_to_change() -> None:
    for status in (301, 307, 308):
        with pytest.raises(NotConfigured, match=rf"moved to {ELSEWHERE} \(HTTP {status}\)"):
            open_reply(reply(status, GOOD, moved_to=ELSEWHERE))
        with pytest.raises(Unreadable, match=f"HTTP {status};"):
            open_reply(reply(status, GOOD))
    with pytest.raises(Unreadable, match=f"^HTTP 302, which leads to {ELSEWHERE}: is SEEDANCE_BASE_URL right.$"):
        open_reply(reply(302, GOOD, moved_to=ELSEWHERE))
    assert open_reply(reply(200, GOOD, moved_to=ELSEWHERE)) == TASK


def test_a_whole_number_of_any_length_is_read() -> None:
    for digits, kind in ((40, int), (41, float), (9999, float)):
        number = open_reply(Reply(200, b'{"code": 0, "data": {"balance": ' + b"7" * digits + b"}}"))["balance"]
        assert type(number) is kind
