"""What each answer to a create proves about money, seen by an agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from conftest import OpenWorld, no_film

from seedance_mcp.sandbox.provider import Sandbox

pytestmark = pytest.mark.anyio
CREATE, QUERY = "/seedance/videos", "/v1/videos/"


@dataclass
class Answering(Sandbox):
    """A sandbox that gives one answer of its own to every call whose path holds `where`."""

    where: str = CREATE
    status: int = 200
    parts: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the response is made of."""
    count: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.where in request.url.path:
            self.count += 1
            return httpx.Response(self.status, **self.parts)
        return await super().__call__(request)


def answering(status: int, where: str = CREATE, **parts: Any) -> Answering:
    return Answering(no_film, where=where, status=status, parts=parts)


PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
UNLISTED = (406, 407, 408, 409, 410, 411, 412, 414, 415, 418, 421, 423, 424, 425, 426, 428, 431, 444, 460, 499)
FAILED = (500, 501, 502, 503, 504, 507, 511, 520, 524, 599)
BODIES: dict[str, dict[str, Any]] = {
    "page": {"text": PAGE.format("Error")},
    "envelope": {"json": {"code": 20002, "msg": "invalid parameters"}},
    "refusal": {"json": {"error": {"code": "not_allowed", "message": "no such method"}}},
    "nothing": {"content": b""},
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [*UNLISTED, *FAILED])
async def test_a_status_that_no_table_lists_proves_nothing_about_money(open_world: OpenWorld, status: int, body: str) -> None:
    sandbox = answering(status, **BODIES[body])
    async with open_world(sandbox=sandbox) as world:
        answer = await world.create()
        assert (answer.error["code"], answer.error["charged"]) == ("outcome_unknown", "maybe")
        assert answer.error["retryable"] is False
        assert f"HTTP {status}" in answer.text
        assert "lost" not in answer.text
        assert sandbox.count == 1


@pytest.mark.parametrize("status", [404, 405, 413, 451, 400, 403])
async def test_a_page_of_a_gateway_is_not_charged_and_not_to_be_repeated(open_world: OpenWorld, status: int) -> None:
    async with open_world(sandbox=answering(status, text=PAGE.format("Forbidden"))) as world:
        answer = await world.create()
    assert (answer.error["code"], answer.error["charged"]) == ("provider_error", "no")
    assert answer.error["retryable"] is False
    assert "do not repeat unchanged" in answer.text
    assert ("A gateway on the way" in answer.text) is (status in {400, 403})
    assert 'The provider\'s words: "no reason given".' in answer.text


async def test_a_refusal_in_plain_text_is_quoted(open_world: OpenWorld) -> None:
    async with open_world(sandbox=answering(400, text="the prompt is too blue")) as world:
        assert 'The provider\'s words: "the prompt is too blue".' in (await world.create()).text


@pytest.mark.parametrize("page", ["error code: 1020", "Access denied | example used Cloudflare to restrict access"])
async def test_a_text_of_a_gateway_is_told_from_a_wrong_key(open_world: OpenWorld, page: str) -> None:
    async with open_world(sandbox=answering(403, text=page)) as world:
        answer = await world.create()
    assert answer.error["code"] == "provider_error"
    assert "neither the key nor the request is at fault" in answer.text


@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize("location", ["https://new.example.com/api/open-api/v1/seedance/videos", "/v2/videos"])
async def test_a_moved_address_is_not_charged_and_named(open_world: OpenWorld, status: int, location: str) -> None:
    async with open_world(sandbox=answering(status, text="moved", headers={"Location": location})) as world:
        answer = await world.create()
    assert (answer.error["code"], answer.error["charged"]) == ("not_configured", "no")
    assert answer.error["retryable"] is False
    assert "SEEDANCE_BASE_URL" in answer.text
    assert ("https://new.example.com " if location.startswith("https") else "https://provider.invalid ") in answer.text


@pytest.mark.parametrize(
    ("status", "location"),
    [(302, "https://new.example.com/"), (303, "https://new.example.com/"), (308, None), (301, "https://[::1/"), (300, None)],
)
async def test_a_redirect_that_may_follow_a_payment_is_of_unknown_outcome(
    open_world: OpenWorld, status: int, location: str | None
) -> None:
    async with open_world(sandbox=answering(status, headers={"Location": location} if location else {})) as world:
        answer = await world.create()
    assert (answer.error["code"], answer.error["charged"]) == ("outcome_unknown", "maybe")
    assert ("https://new.example.com: is SEEDANCE_BASE_URL right?" in answer.text) is (status in {302, 303})


NO_MONEY = [
    {"msg": "余额不足"},
    {"error": {"code": "insufficient_quota", "message": "You exceeded it"}},
    {"error": {"type": "insufficient_quota"}},
    {"error": "余额不足", "data": None},
    {"detail": "账户欠费"},
]


@pytest.mark.parametrize("body", NO_MONEY)
@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 422, 429])
async def test_words_about_money_weigh_more_than_the_status(open_world: OpenWorld, status: int, body: Any) -> None:
    async with open_world(sandbox=answering(status, json=body)) as world:
        answer = await world.create()
    assert (answer.error["code"], answer.error["charged"]) == ("insufficient_balance", "no")
    assert answer.error["cause"] == "no_money"


CAUSES = {
    "AccountOverdueError": ("insufficient_balance", "no_money"),
    "QuotaExceeded": ("rate_limited", "rate_limited"),
    "并发额度已满": ("rate_limited", "rate_limited"),
    "RequestBurstTooFast": ("rate_limited", "rate_limited"),
    "request too frequent": ("rate_limited", "rate_limited"),
    "请求过于频繁，请稍后再试": ("rate_limited", "rate_limited"),
    "InputTextSensitiveContentDetected": ("invalid_request", "moderation_input"),
    "内容违规": ("invalid_request", "moderation_input"),
    "InputImageSensitiveContentDetected.PrivacyInformation": ("invalid_request", "moderation_face"),
    "InputTextSensitiveContentDetected.PolicyViolation": ("invalid_request", "moderation_brand"),
    "InputAudioSensitiveContentDetected": ("invalid_request", "moderation_audio"),
    "OutputVideoSensitiveContentDetected": ("invalid_request", "moderation_output"),
    "video_reference total DURATION_TOO_LONG": ("invalid_request", "media_too_long"),
    "model minimax-h3 请改用 POST /api/open-api/v1/minimax/videos，勿使用 /seedance/videos": (
        "invalid_request",
        "wrong_endpoint",
    ),
    "不支持的模型参数": ("invalid_request", "model_unavailable"),
    "素材审核中": ("asset_not_ready", "asset_not_ready"),
}


@pytest.mark.parametrize("words", CAUSES)
@pytest.mark.parametrize("status", [200, 403])
async def test_a_refusal_names_its_cause_whatever_its_status(open_world: OpenWorld, status: int, words: str) -> None:
    async with open_world(sandbox=answering(status, json={"code": -1, "msg": words})) as world:
        answer = await world.create()
    assert (answer.error["code"], answer.error.get("cause")) == CAUSES[words]
    assert answer.error["charged"] == "no"


async def test_a_key_without_permission_is_not_a_lack_of_money(open_world: OpenWorld) -> None:
    async with open_world(sandbox=answering(403, json={"msg": "insufficient permissions, login timed out"})) as world:
        assert (await world.create()).error["code"] == "auth_failed"


@pytest.mark.parametrize(
    ("status", "words", "code", "cause"),
    [
        (401, "API key is not active", "auth_failed", None),
        (200, "asset is not yet active", "asset_not_ready", "asset_not_ready"),
        (200, "model name is case-sensitive", "provider_error", None),
        (200, "insufficient GPU capacity, your request was queued", "provider_error", "busy"),
        (200, "insufficient resources", "provider_error", "busy"),
        (200, "insufficient funds", "insufficient_balance", "no_money"),
    ],
)
async def test_words_that_only_resemble_a_cause_are_not_it(
    open_world: OpenWorld, status: int, words: str, code: str, cause: str | None
) -> None:
    async with open_world(sandbox=answering(status, json={"code": -1, "msg": words})) as world:
        answer = await world.create()
    assert (answer.error["code"], answer.error.get("cause")) == (code, cause)
    assert answer.error["charged"] == ("maybe" if code == "provider_error" else "no")


BUSY = [
    (200, {"code": -1, "msg": "系统繁忙，请稍后重试"}),
    (200, {"code": 20000, "msg": "系统繁忙，请稍后重试", "data": None}),
    (200, {"code": 0, "msg": "系统繁忙，请稍后重试", "data": {"task_id": ""}}),
    (200, {"code": 20002, "msg": "请稍后再试"}),
    (503, {"error": {"code": "ServerOverloaded", "message": "no room"}}),
    (409, {"msg": "server is busy"}),
]


@pytest.mark.parametrize(("status", "body"), BUSY)
async def test_a_busy_provider_has_a_cause_of_its_own_and_nothing_was_lost(
    open_world: OpenWorld, status: int, body: Any
) -> None:
    async with open_world(sandbox=answering(status, json=body)) as world:
        answer = await world.create()
        (task,) = (await world.call("list_tasks"))["tasks"]
    assert (answer.error["code"], answer.error["charged"]) == ("provider_error", "maybe")
    assert answer.error["cause"] == "busy"
    assert answer.error["retryable"] is False
    assert "after two minutes get_balance tells" in answer.text
    for text in (answer.text, str(task)):
        assert "lost" not in text
        assert "in the making" not in text


async def test_words_of_a_busy_provider_do_not_make_a_proven_refusal_uncertain(open_world: OpenWorld) -> None:
    for status, code in ((429, "rate_limited"), (402, "insufficient_balance"), (401, "auth_failed"), (404, "provider_error")):
        async with open_world(sandbox=answering(status, json={"msg": "busy"})) as world:
            answer = await world.create()
        assert (answer.error["code"], answer.error["charged"]) == (code, "no")


@pytest.mark.parametrize("status", [200, 202, 400, 409, 500])
async def test_an_answer_with_a_task_id_is_a_task_whatever_its_status(open_world: OpenWorld, status: int) -> None:
    body = {"code": -1, "msg": "系统繁忙，请稍后重试", "data": {"task_id": "vid_1"}}
    async with open_world(sandbox=answering(status, json=body)) as world:
        assert (await world.create())["task_id"] == "vid_1"


@pytest.mark.parametrize(
    "body", [{"code": 20002, "msg": "请稍后再试"}, {"code": 20002, "msg": "invalid"}, {"code": -1, "msg": "配置不存在"}]
)
async def test_a_poll_is_never_an_invalid_request_of_the_agent(open_world: OpenWorld, body: Any) -> None:
    async with open_world(sandbox=answering(200, QUERY, json=body)) as world:
        task = await world.create()
        answer = await world.call("get_task", {"task_id": task["task_id"]})
        waited = await world.call("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 20})
    assert answer.error["code"] == "provider_error"
    assert answer.error["retryable"] is True
    assert "change what it names" not in answer.text
    assert f'The provider\'s words: "{body["msg"]}".' in answer.text
    assert waited["status"] == "queued"


@pytest.mark.parametrize(
    "data",
    [
        {"taskId": "vid_1"},
        {"id": "vid_1"},
        [{"task_id": "vid_1"}],
        {"task_id": None, "id": "vid_1"},
        {"task": {"id": "vid_1"}},
    ],
)
async def test_a_task_id_in_another_spelling_is_no_lost_video(open_world: OpenWorld, data: Any) -> None:
    async with open_world(sandbox=answering(200, json={"code": 0, "msg": "ok", "data": data})) as world:
        assert (await world.create())["task_id"] == "vid_1"


@pytest.mark.parametrize(
    "data",
    [{"task_id": "v" * 10_000}, {"task_id": 0}, {"task_id": True}, {"task_id": ["vid_1"]}, {"id": ""}, "vid_1", [], ["vid_1"]],
)
async def test_a_success_without_a_usable_task_id_is_of_unknown_outcome(open_world: OpenWorld, data: Any) -> None:
    async with open_world(sandbox=answering(200, json={"code": 0, "data": data})) as world:
        answer = await world.create()
        assert (await world.create())["deduplicated"] is True
    assert (answer.error["code"], answer.error["charged"]) == ("outcome_unknown", "maybe")


@pytest.mark.parametrize("status", [200, 400])
async def test_an_id_of_a_refusal_is_no_task(open_world: OpenWorld, status: int) -> None:
    body = {"code": 20002, "msg": "invalid parameters", "data": {"id": "err_1"}}
    async with open_world(sandbox=answering(status, json=body)) as world:
        assert (await world.create()).error["code"] == "invalid_request"


@pytest.mark.parametrize("cost", ["1e1000000", "-1e1000000", "1e-1000000", "NaN", "Infinity", "9" * 5000, {"a": 1}, [1], True])
async def test_an_absurd_cost_loses_no_task(open_world: OpenWorld, cost: Any) -> None:
    data = {"task_id": "vid_1", "status": "queued", "cost": cost, "progress": cost, "created_at": cost}
    async with open_world(sandbox=answering(200, json={"code": 0, "data": data})) as world:
        assert (await world.create())["task_id"] == "vid_1"
        assert not (await world.call("list_tasks")).is_error


@pytest.mark.parametrize("unit_price", ["1e1000000", "-1e999999999", "1e-1000000", "9" * 5000])
async def test_an_absurd_price_stops_no_tool(open_world: OpenWorld, unit_price: str) -> None:
    listed = {"list": [{"model_name": "seedance2.0-sp-720p", "price_mode": "per_second", "unit_price": unit_price}]}
    async with open_world(sandbox=answering(200, "/model/catalog", json={"code": 0, "data": listed})) as world:
        assert (await world.create())["status"] == "queued"
        assert not (await world.call("list_models", {"model": "seedance2.0-sp"})).is_error


@pytest.mark.parametrize("prices", [[5, 0.05], [0.05, 5], [0.05, None, 5], [0], ["0.00"]])
async def test_a_price_that_is_listed_twice_or_as_nothing_takes_no_request_past_a_limit(
    open_world: OpenWorld, prices: list[Any]
) -> None:
    rows = [{"model_name": "sd2_sp_720p", "price_mode": "per_second", "unit_price": price} for price in prices]
    sandbox = answering(200, "/model/catalog", json={"code": 0, "data": {"list": rows}})
    async with open_world(sandbox=sandbox, max_cost_per_video=1) as world:
        assert (await world.create()).error["code"] == "budget_exceeded"
        assert world.creates == 0


async def test_a_length_that_no_number_can_hold_is_too_large(open_world: OpenWorld) -> None:
    sandbox = answering(200, "/user/balance", content=b"{}", headers={"Content-Length": "9" * 5000})
    async with open_world(sandbox=sandbox) as world:
        assert (await world.call("get_balance")).error["code"] == "provider_error"
