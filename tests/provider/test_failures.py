"""Every row of the tables of what goes wrong at the provider, each typed here a second time and seen by an agent."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, get_args

import httpx
import pytest
from conftest import OpenWorld, no_film, png
from mcp_types import TextResourceContents

from seedance_mcp import errors
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.provider.failures import (
    ADVICE,
    ADVICE_FOR_FAILED_TASK,
    CODES,
    HTTP_STATUS,
    MAY_GO_AGAIN,
    PHRASES,
    RECORDED,
    Cause,
    cause_of,
)
from seedance_mcp.sandbox.provider import KEY, Sandbox

pytestmark = pytest.mark.anyio
CREATE, QUERY = "/seedance/videos", "/v1/videos/"


@dataclass
class Refusing(Sandbox):
    """A sandbox that gives one answer of its own to every call whose path holds `where`."""

    where: str = CREATE
    status: int = 200
    body: Any = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.where in request.url.path:
            return httpx.Response(self.status, json=self.body)
        return await super().__call__(request)


def refusing(body: Any = None, status: int = 200, where: str = CREATE) -> Refusing:
    return Refusing(no_film, where=where, status=status, body=body)


STATUSES = {
    400: ("invalid_request", "The provider refused the request: change what it names, then call again."),
    401: ("auth_failed", "The provider refused the key: the operator must set a valid SEEDANCE_API_KEY."),
    402: ("insufficient_balance", "for lack of money: see get_balance; the account needs a top-up."),
    403: ("auth_failed", "The provider refused the key: the operator must set a valid SEEDANCE_API_KEY."),
    404: ("provider_error", "the operator should check SEEDANCE_BASE_URL"),
    405: ("provider_error", "the operator should check SEEDANCE_BASE_URL"),
    413: ("provider_error", "takes no request of this size"),
    422: ("invalid_request", "The provider refused the request: change what it names, then call again."),
    429: ("rate_limited", "The provider takes no more requests just now: wait before the next call."),
    451: ("provider_error", "refuses it for legal reasons"),
}


@pytest.mark.parametrize("status", STATUSES)
async def test_each_http_status_of_a_refusal_has_its_error_code(open_world: OpenWorld, status: int) -> None:
    async with open_world(sandbox=refusing(status=status)) as world:
        answer = await world.create()
    code, advice = STATUSES[status]
    assert (answer.error["code"], answer.error["charged"]) == (code, "no")
    assert advice in answer.text
    assert answer.error["retryable"] is (status == 429)
    assert 'The provider\'s words: "no reason given".' in answer.text


WORDS = {
    "余额不足": ("insufficient_balance", "the account needs a top-up"),
    "额度已用完": ("insufficient_balance", "the account needs a top-up"),
    "Insufficient funds": ("insufficient_balance", "the account needs a top-up"),
    "key quota is used up": ("insufficient_balance", "the account needs a top-up"),
    "素材审核中": ("asset_not_ready", "An asset is still under review: call get_asset until it is ready"),
    "asset a is not active": ("asset_not_ready", "An asset is still under review"),
    "asset a is not yet active": ("asset_not_ready", "An asset is still under review"),
    "asset a is under review": ("asset_not_ready", "An asset is still under review"),
    "配置不存在": ("invalid_request", "change what it names"),
    "model is not configured": ("invalid_request", "change what it names"),
    "model not supported": ("invalid_request", "change what it names"),
    "Model not found": ("invalid_request", "change what it names"),
    "素材无效": ("asset_rejected", "bring the file with upload_asset"),
    "no such asset": ("asset_rejected", "bring the file with upload_asset"),
    "请求频繁": ("rate_limited", "wait before the next call"),
    "rate limit reached": ("rate_limited", "wait before the next call"),
    "Too many requests": ("rate_limited", "wait before the next call"),
}


@pytest.mark.parametrize("words", WORDS)
async def test_each_phrase_of_a_refusal_has_its_error_code(open_world: OpenWorld, words: str) -> None:
    async with open_world(sandbox=refusing({"code": -1, "msg": words})) as world:
        answer = await world.create()
    code, advice = WORDS[words]
    assert (answer.error["code"], answer.error["charged"]) == (code, "no")
    assert f"{advice}" in answer.text
    assert f'The provider\'s words: "{words}".' in answer.text


# typed by hand, one line for each alternative of each phrase
CAUSES = {
    "no_money": "余额不足; 账户欠费; insufficient funds; AccountOverdueError; 额度已用完; quota used up",
    "rate_limited": (
        "QuotaExceeded; concurrency reached; 并发已满; 请求频繁; 已限流; rate limit; rate_limit; ratelimit; too many calls; "
        "too frequent; RequestTooFast; 5 per minute; 5 per second"
    ),
    "asset_not_ready": "审核中; asset a is not active; the asset is not yet active; under review; 素材无效; an asset",
    "model_unavailable": (
        "配置不存在; 不支持的模型; model not configured; model is not configured; model not supported; model not found"
    ),
    "wrong_endpoint": "请改用别的接口; 请勿使用此接口; please use POST; use the endpoint",
    "media_too_long": "DURATION_TOO_LONG",
    "moderation_audio": "AudioSensitive; OutputAudioSensitiveContent; InputAudioSensitive",
    "moderation_output": "OutputVideoSensitiveContent; PROVIDER_MODERATION_ERROR",
    "moderation_face": "PrivacyInformation; 人脸; 肖像; 真人; real face; realperson; a face; faces",
    "moderation_brand": "TRADEMARK; PolicyViolation; copyright; 版权; 商标; 侵权",
    "moderation_input": (
        "sensitive; moderation; content policy; content-policy; safety; 敏感; 违规; 违禁; 审核未通过; 审核不通过"
    ),
    "busy": "系统繁忙; 请稍后; busy; overloaded; try again later",
    "storage_failed": "s3 upload failed; upload to s3 failed; upload to oss failed; upload to storage failed",
    "media_unreachable": "connection reset by peer; 下载失败; failed to download; failed to fetch",
    "upstream_timeout": "time out; timed out; timeout; timedout; 超时",
}
OPEN = {"busy", "storage_failed", "media_unreachable", "upstream_timeout"}
"""Causes that leave open whether money went."""


@pytest.mark.parametrize(("words", "cause"), [(words, cause) for cause, row in CAUSES.items() for words in row.split("; ")])
async def test_each_alternative_of_each_phrase_has_its_cause(open_world: OpenWorld, words: str, cause: str) -> None:
    async with open_world(sandbox=refusing({"code": -1, "msg": words})) as world:
        answer = await world.create()
    assert (answer.error["cause"], answer.error["charged"]) == (cause, "maybe" if cause in OPEN else "no")


def test_every_cause_but_the_unknown_one_has_a_phrase() -> None:
    assert {*CAUSES, "unknown"} == set(get_args(Cause))


@pytest.mark.parametrize("words", ["任务不存在", "Task does not exist", "task not exist", "task not found", "no such task"])
async def test_each_phrase_for_an_unknown_task_is_task_not_found(open_world: OpenWorld, words: str) -> None:
    async with open_world(sandbox=refusing({"code": -1, "msg": words}, where=QUERY)) as world:
        answer = await world.call("get_task", {"task_id": "vid_1"})
    assert answer.error["code"] == "task_not_found"
    assert answer.error["message"] == "The provider knows no task of this id: list_tasks shows the ids of yours."


CODED = {
    20001: ("auth_failed", "no"),
    "20001": ("auth_failed", "no"),
    20002: ("invalid_request", "no"),
    "20002": ("invalid_request", "no"),
    -1: ("provider_error", "maybe"),
    "20003": ("provider_error", "maybe"),
    None: ("provider_error", "maybe"),
}


@pytest.mark.parametrize("code", CODED)
async def test_each_envelope_code_has_its_error_code(open_world: OpenWorld, code: Any) -> None:
    async with open_world(sandbox=refusing({"code": code, "msg": "no"})) as world:
        answer = await world.create()
    assert (answer.error["code"], answer.error["charged"]) == CODED[code]
    if code == -1:
        assert answer.text.startswith("The provider reported an error of its own.")


@pytest.mark.parametrize("name", ["msg", "message", "error_message"])
async def test_the_message_of_a_refusal_is_found_by_each_field_name(open_world: OpenWorld, name: str) -> None:
    async with open_world(sandbox=refusing({"code": 20002, name: "too blue"})) as world:
        answer = await world.create()
    assert 'The provider\'s words: "too blue".' in answer.text


TOO_DEEP = {"error": {"data": {"msg": "deeper than anybody says why"}}}
# typed by hand: each shape in which the provider, upstream or a gateway says why
SHAPES: dict[str, dict[str, Any]] = {
    "too blue": {"error": {"message": "too blue"}},
    "TooBlue: too blue": {"error": {"code": "TooBlue", "message": "too blue"}},
    "blue_error: too blue": {"error": {"type": "blue_error", "message": "too blue"}},
    "detail blue": {"detail": "detail blue"},
    "first blue": {"detail": [{"loc": ["body"], "msg": "first blue"}, {"msg": "second"}]},
    "listed blue": {"error": ["listed blue"]},
    "blue by name": {"fail_reason": "blue by name"},
    "blue failure": {"failure_reason": "blue failure"},
    "result blue": {"result": {"error": "result blue"}},
    "result said": {"result": {"error": {"message": "result said"}}},
    "message blue": {"message": "message blue"},
    "plain blue": {"error": "plain blue"},
    "error_message blue": {"msg": "success", "error_message": "error_message blue"},
    "not the ok": {"msg": "ok", "error": {"message": "not the ok"}},
    "numbered blue": {"error": {"code": 500, "message": "numbered blue"}},
    "no reason given": {"error": "", "message": None, "reason": {}, "detail": [{}, "not the first"], "result": TOO_DEEP},
}


@pytest.mark.parametrize("words", SHAPES)
async def test_the_reason_is_found_in_every_shape(open_world: OpenWorld, words: str) -> None:
    async with open_world(sandbox=refusing({"code": 20002, **SHAPES[words]})) as world:
        assert f'The provider\'s words: "{words}".' in (await world.create()).text
    task = {"code": 0, "data": {"task_id": "vid_1", "status": "failed", **SHAPES[words]}}
    async with open_world(sandbox=refusing(task, where=QUERY)) as world:
        failed = await world.call("get_task", {"task_id": "vid_1"})
    assert f'The provider\'s words: "{words}".' in failed["error"]["message"]


async def test_a_phrase_refines_every_code(open_world: OpenWorld) -> None:
    for code in (20002, 20001, -1):
        async with open_world(sandbox=refusing({"code": code, "msg": "余额不足"})) as world:
            assert (await world.create()).error["code"] == "insufficient_balance"


TASKS = {
    "素材审核中": "Bring the file with upload_asset, wait until get_asset says ready, then ask the user",
    "asset is gone": "Bring the file with upload_asset, wait until get_asset says ready, then ask the user",
    "余额不足": "The account needs a top-up first: see get_balance.",
    "too many requests": "The provider had too many requests: the same request may go again in a while; ask the user",
    "[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK": "A brand or protected work was seen",
    "[SY_ERR:10] PROVIDER_MODERATION_ERROR": "The finished video was refused, partly by chance",
    "[SY_ERR:10] Read timed out": "It ran out of time, which passes: the same request may go again",
    "s3 upload failed": "The provider could not store the video, which passes",
    "connection reset by peer": "The provider could not fetch a reference: bring it with upload_asset",
    "video_reference total DURATION_TOO_LONG": "Shorten the reference videos or audios",
    "系统繁忙": "The provider was busy: the same request may go again; ask the user",
    "real face": "Real faces are refused: use other pictures, or upload_asset where the route reviews people; ask the user",
    "敏感": "Change the prompt or the references that it may mean, and ask the user",
    "AudioSensitive": "The sound was refused: leave out music, voices or reference audio, and ask the user",
    "配置不存在": "The key has no such model: choose another one with list_models, and ask the user",
    "please use POST": "The provider serves this model elsewhere: choose another one with list_models, and ask the user",
    "too blue": "The same request may fail again: change what the words name, and ask the user",
}


@pytest.mark.parametrize("name", ["error_message", "error_msg", "reason", "msg"])
@pytest.mark.parametrize("words", TASKS)
async def test_a_failed_task_comes_with_advice_for_its_words(open_world: OpenWorld, words: str, name: str) -> None:
    task = {"code": 0, "data": {"task_id": "vid_1", "status": "failed", name: words}}
    async with open_world(sandbox=refusing(task, where=QUERY)) as world:
        failed = await world.call("get_task", {"task_id": "vid_1"})
    assert f'The provider\'s words: "{words}".' in failed["error"]["message"]
    assert TASKS[words] in failed["error"]["message"]


# typed by hand from answers that were recorded: the family, and whether the same request may go again
FAMILIES = {
    "[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK": ("moderation_brand", False),
    "[SY_ERR:10] PROVIDER_MODERATION_ERROR": ("moderation_output", False),
    "[SY_ERR:10] Read timed out": ("upstream_timeout", True),
    "s3 upload failed": ("storage_failed", True),
    "connection reset by peer": ("media_unreachable", False),
    "video_reference total DURATION_TOO_LONG": ("media_too_long", False),
    "系统繁忙，请稍后重试": ("busy", True),
    "请求过于频繁": ("rate_limited", True),
    "InputTextSensitiveContentDetected": ("moderation_input", False),
    "InputImageSensitiveContentDetected.PrivacyInformation": ("moderation_face", False),
    "OutputVideoSensitiveContentDetected": ("moderation_output", False),
    "OutputAudioSensitiveContentDetected": ("moderation_audio", False),
    "model minimax-h3 请改用 POST /api/open-api/v1/minimax/videos，勿使用 /seedance/videos": ("wrong_endpoint", False),
    "too blue": ("unknown", False),
}


@pytest.mark.parametrize("words", FAMILIES)
async def test_a_failed_task_names_its_cause_wherever_it_is_seen(open_world: OpenWorld, words: str) -> None:
    cause, passes = FAMILIES[words]
    task = {"code": 0, "data": {"task_id": "vid_1", "status": "failed", "error_message": words}}
    async with open_world(sandbox=refusing(task, where=QUERY)) as world:
        failed = await world.call("get_task", {"task_id": "vid_1"})
        waited = await world.call("wait_for_video", {"task_id": "vid_1"})
        page = await world.client.read_resource("seedance://limits")
    assert failed["error"]["cause"] == waited["error"]["cause"] == cause
    assert (
        "the same request may go again" in failed["error"]["message"].replace("the same one", "the same request")
    ) is passes
    assert isinstance(page.contents[0], TextResourceContents)
    row = next(line for line in page.contents[0].text.splitlines() if line.startswith(f"| `{cause}` |"))
    assert ("| may pass |" in row) is passes


@pytest.mark.parametrize(
    ("status", "words", "cause"),
    [(200, "余额不足", "no_money"), (402, "pay", "no_money"), (429, "slow down", "rate_limited"), (400, "too blue", None)],
)
async def test_a_refused_request_keeps_its_cause(open_world: OpenWorld, status: int, words: str, cause: str | None) -> None:
    async with open_world(sandbox=refusing({"code": -1, "msg": words}, status)) as world:
        refused = await world.create()
        kept = await world.call("get_task", {"task_id": refused.error["request_id"]})
    assert refused.error.get("cause") == kept["error"]["cause"] == cause


def test_each_recorded_text_belongs_to_the_cause_that_the_page_names() -> None:
    assert {cause: {cause_of(each) for each in words} for cause, words in RECORDED.items()} == {
        cause: set() if cause == "unknown" else {cause} for cause in get_args(Cause)
    }
    assert all("may go again" in ADVICE_FOR_FAILED_TASK[cause] for cause in MAY_GO_AGAIN)


def test_every_error_and_every_cause_of_the_tables_has_advice() -> None:
    every = [*HTTP_STATUS.values(), *CODES.values(), *(meaning for _, meaning in PHRASES)]
    assert {*ADVICE, errors.ProviderRefused} == {meaning.error for meaning in every}
    assert all(meaning.advice for meaning in every if meaning.error is errors.ProviderRefused)
    assert list(ADVICE_FOR_FAILED_TASK) == list(get_args(Cause))
    assert {meaning.cause for meaning in every} == set(get_args(Cause))


# typed by hand: a failure in the wrong table would have a paid request sent again, or a free one never
NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "LocalProtocolError")
MAYBE_SENT = ("ReadTimeout", "WriteTimeout", "ReadError", "WriteError", "CloseError", "RemoteProtocolError")


@pytest.mark.parametrize(
    ("name", "charged"), [*((each, "no") for each in NOT_SENT), *((each, "maybe") for each in MAYBE_SENT)]
)
async def test_a_transport_failure_says_whether_money_may_have_gone(name: str, charged: str) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise getattr(httpx, name)("no", request=request)

    async with aclosing(ProviderClient("https://provider.invalid", KEY, transport=httpx.MockTransport(fail))) as client:
        with pytest.raises(errors.SeedanceError) as paid:
            await client.create_video({"model": "x", "prompt": "y"})
        with pytest.raises(errors.SeedanceError) as free:
            await client.get_user_balance()
    assert paid.value.charged == charged
    assert paid.value.code == ("provider_unreachable" if charged == "no" else "outcome_unknown")
    assert free.value.code == ("provider_unreachable" if charged == "no" else "provider_error")
    assert isinstance(paid.value.__cause__, httpx.TransportError)


FLAT: dict[str, tuple[str, dict[str, Any], str]] = {
    "task_id": (CREATE, {"task_id": "vid_1"}, "create_video"),
    "data": (CREATE, {"data": {"task_id": "vid_1"}}, "create_video"),
    "asset_id": ("/sp/assets/upload", {"asset_id": "a1"}, "upload_asset"),
    "items": ("/assets/audit", {"items": [{"asset_id": "a1"}]}, "upload_audited"),
    "balance": ("/user/balance", {"balance": 1}, "get_balance"),
    "total_quota": ("/key/balance", {"total_quota": 1}, "get_balance"),
    "url": ("/files/upload", {"url": "https://a.b/c.png"}, "upload_file"),
    "list": ("/model/catalog", {"list": [{"model_name": "seedance2.0-sp", "model_type": "video"}]}, "list_models"),
}


@pytest.mark.parametrize("field", FLAT)
async def test_a_body_without_an_envelope_is_a_success_by_each_known_field(
    open_world: OpenWorld, tmp_path: Any, field: str
) -> None:
    where, body, tool = FLAT[field]
    (tmp_path / "a.png").write_bytes(png(640, 480))
    url = {"source": "https://a.b/c.png", "wait_seconds": 0}
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "create_video": ("create_video", {"request": {"model": "seedance2.0-sp", "prompt": "a fox"}}),
        "upload_asset": ("upload_asset", {**url, "model": "seedance2.0-sp"}),
        "upload_audited": ("upload_asset", {**url, "model": "sd2_mx_720p"}),
        "upload_file": ("upload_asset", {"source": str(tmp_path / "a.png"), "model": "seedance2.0-std"}),
        "get_balance": ("get_balance", {}),
        "list_models": ("list_models", {"model": "seedance2.0-sp"}),
    }
    async with open_world(sandbox=refusing(body, where=where)) as world:
        answer = await world.call(*calls[tool])
        assert not answer.is_error, answer.text
        if field == "list":
            assert answer["prices_as_of"] is not None
