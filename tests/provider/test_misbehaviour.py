"""The provider misbehaves in every way there is a name for: right code, right `charged`, one POST, alive afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import OpenWorld, World, png

from seedance_mcp import errors
from seedance_mcp.provider.client import AFTER_SENDING, BEFORE_SENDING, ProviderClient
from seedance_mcp.provider.envelope import Reply, open_reply
from seedance_mcp.sandbox.faults import ANSWERS, BROKEN_CONNECTIONS, ENVELOPES, ODD_CONTENTS, Fault
from seedance_mcp.sandbox.provider import KEY

pytestmark = pytest.mark.anyio
CREATE = "/seedance/videos"

ON_CREATE: dict[str, tuple[str, str]] = {
    "rate_limited": ("rate_limited", "no"),
    "rate_limited_date": ("rate_limited", "no"),
    "server_error": ("outcome_unknown", "maybe"),
    "unavailable": ("outcome_unknown", "maybe"),
    "gateway_html": ("outcome_unknown", "maybe"),
    "ok_html": ("outcome_unknown", "maybe"),
    "garbage": ("outcome_unknown", "maybe"),
    "wrong_shape": ("outcome_unknown", "maybe"),
    "empty": ("outcome_unknown", "maybe"),
    "too_large": ("outcome_unknown", "maybe"),
    "bad_encoding": ("outcome_unknown", "maybe"),
    "redirect": ("outcome_unknown", "maybe"),
    "no_task_id": ("outcome_unknown", "maybe"),
    "busy": ("provider_error", "maybe"),
    "busy_in_words": ("provider_error", "maybe"),
    "too_frequent": ("rate_limited", "no"),
    "unauthorized": ("auth_failed", "no"),
    "forbidden": ("auth_failed", "no"),
    "no_balance": ("insufficient_balance", "no"),
    "payment_required": ("insufficient_balance", "no"),
    "bad_parameters": ("invalid_request", "no"),
    "unknown_model": ("invalid_request", "no"),
    "unknown_task": ("task_not_found", "no"),
    "not_found": ("provider_error", "no"),
    "hostile_words": ("invalid_request", "no"),
    "lost": ("outcome_unknown", "maybe"),
    "hang": ("outcome_unknown", "maybe"),
    "unreachable": ("provider_unreachable", "no"),
}
ON_LOOK = {
    name: {"outcome_unknown": "provider_error", "invalid_request": "provider_error"}.get(code, code)
    for name, (code, _) in ON_CREATE.items()
    if name != "no_task_id"
}
KNOWN_STAYS = ("unknown_task", "not_found")
"""Said of a task that the ledger holds, these end nothing."""
PASSING = ("server_error", "unavailable", "gateway_html", "ok_html", "garbage", "empty", "lost", "hang", "unreachable")


async def is_alive(world: World) -> None:
    world.sandbox.faults.clear()
    assert (await world.create(prompt="another fox"))["status"] == "queued"


def test_every_fault_of_the_sandbox_is_tried() -> None:
    assert set(ON_CREATE) == {*ANSWERS, *BROKEN_CONNECTIONS}


@pytest.mark.parametrize("fault", ON_CREATE)
async def test_a_faulty_answer_to_a_create_has_its_error_and_no_duplicate_is_sent(open_world: OpenWorld, fault: str) -> None:
    code, charged = ON_CREATE[fault]
    async with open_world() as world:
        world.sandbox.faults = [Fault(fault, CREATE, 99)]
        answer = await world.create()
        assert world.creates == 1
        assert (answer.error["code"], answer.error["charged"]) == (code, charged)
        assert answer.error["request_id"].startswith("req_")
        assert "Traceback" not in answer.text
        record = await world.call("get_task", {"task_id": answer.error["request_id"]})
        assert record["status"] == ("unknown" if charged == "maybe" else "failed")
        if charged == "maybe":
            assert "Do not send it again" in answer.text
            assert answer.error["retryable"] is False
        await is_alive(world)


@pytest.mark.parametrize("spelling", ENVELOPES)
async def test_every_spelling_of_success_is_success(open_world: OpenWorld, tmp_path: Path, spelling: str) -> None:
    (tmp_path / "a.png").write_bytes(png(640, 480))
    async with open_world() as world:
        world.sandbox.faults = [Fault(spelling)]
        task = await world.create()
        done = await world.call("wait_for_video", {"task_id": task["task_id"]})
        asset = await world.call("upload_asset", {"source": str(tmp_path / "a.png"), "model": "seedance2.0-sp"})
    assert done["status"] == "completed"
    assert asset["ready"]


@pytest.mark.parametrize("fault", KNOWN_STAYS)
async def test_a_task_that_the_provider_does_not_know_yet_is_what_the_ledger_holds(open_world: OpenWorld, fault: str) -> None:
    async with open_world() as world:
        task = await world.create()
        world.sandbox.faults = [Fault(fault, "/videos/")]
        seen = await world.call("get_task", {"task_id": task["task_id"]})
        assert seen["status"] == "queued"
        assert "does not know this task" in seen["warnings"][0]
        assert (await world.call("get_task", {"task_id": "vid_of_nobody"})).error["code"] == "task_not_found"


@pytest.mark.parametrize("fault", [fault for fault in ON_LOOK if fault not in KNOWN_STAYS])
async def test_a_poll_that_keeps_failing_has_its_error(open_world: OpenWorld, fault: str) -> None:
    async with open_world() as world:
        task = await world.create()
        world.sandbox.faults = [Fault(fault, "/videos/", 99)]
        answer = await world.call("get_task", {"task_id": task["task_id"]})
        assert answer.error["code"] == ON_LOOK[fault]
        assert answer.error["charged"] == "no"
        await is_alive(world)


@pytest.mark.parametrize("fault", [*PASSING, "rate_limited", "rate_limited_date"])
async def test_a_poll_that_fails_once_is_retried(open_world: OpenWorld, fault: str) -> None:
    async with open_world() as world:
        task = await world.create()
        world.sandbox.faults = [Fault(fault, "/videos/")]
        assert (await world.call("get_task", {"task_id": task["task_id"]}))["task_id"] == task["task_id"]


@pytest.mark.parametrize("fault", ON_LOOK)
@pytest.mark.slow
async def test_a_failing_poll_ends_a_wait_only_when_it_is_final(open_world: OpenWorld, fault: str) -> None:
    async with open_world() as world:
        world.sandbox.work_seconds = 600
        task = await world.create()
        world.sandbox.faults = [Fault("code_0", "/videos/"), Fault(fault, "/videos/", 5)]
        answer = await world.call("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 1800})
    final = {"auth_failed", "insufficient_balance"}
    assert answer.is_error is (ON_LOOK[fault] in final)


@pytest.mark.parametrize("fault", ON_LOOK)
async def test_an_upload_that_fails_has_its_error_and_is_not_retried(
    open_world: OpenWorld, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "a.png").write_bytes(png(640, 480))
    async with open_world() as world:
        world.sandbox.faults = [Fault(fault, "/files/upload", 99)]
        answer = await world.call("upload_asset", {"source": str(tmp_path / "a.png"), "model": "seedance2.0-sp"})
        assert answer.error["code"] in {ON_LOOK[fault], ON_CREATE[fault][0], "provider_error"}
        assert answer.error["charged"] == "no"
        assert sum(path.endswith("/files/upload") for _, path in world.sandbox.requests) == 1


async def test_an_upload_without_a_usable_url_is_a_provider_error(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(640, 480))
    async with open_world() as world:
        world.sandbox.faults = [Fault("no_task_id", "/files/upload", 99)]
        answer = await world.call("upload_asset", {"source": str(tmp_path / "a.png"), "model": "seedance2.0-sp"})
    assert answer.error["code"] == "provider_error"


@pytest.mark.parametrize("model", ["seedance2.0-sp", "sd2_mx_720p"])
async def test_a_review_without_an_asset_is_a_provider_error(open_world: OpenWorld, model: str) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("no_task_id", "/assets/", 99)]
        answer = await world.call("upload_asset", {"source": "https://a.b/c.png", "model": model})
    assert answer.error["code"] == "provider_error"


async def test_the_providers_words_are_sanitized_and_marked(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("hostile_words", CREATE)]
        answer = await world.create()
    assert "The provider's words: \"ignore [2J all " in answer.text
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text
    assert len(answer.error["message"]) < 700


async def test_a_rate_limit_says_its_retry_after_seconds(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("rate_limited", CREATE)]
        answer = await world.create()
    assert answer.error["retry_after_seconds"] == 2
    assert answer.error["retryable"] is True


@pytest.mark.parametrize("content", ODD_CONTENTS)
async def test_odd_contents_are_survived(open_world: OpenWorld, content: str) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault(content, "/videos/", 1)]
        task = await world.create()
        done = await world.call("wait_for_video", {"task_id": task["task_id"]})
        assert done["status"] == "completed"


async def test_a_relative_link_is_made_absolute(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create()
        world.sandbox.faults = [Fault("relative_link", "/videos/", 99)]
        done = await world.call("wait_for_video", {"task_id": task["task_id"]})
    assert done["video_url"].startswith(f"https://provider.invalid/results/{task['task_id']}.mp4?signature=")


async def test_an_unknown_status_is_processing_with_a_warning(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create()
        world.sandbox.faults = [Fault("strange_status", "/videos/")]
        seen = await world.call("get_task", {"task_id": task["task_id"]})
    assert seen["status"] == "processing"
    assert "melting" in seen["warnings"][0]


async def test_an_expired_link_answers_403(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create()
        done = await world.call("wait_for_video", {"task_id": task["task_id"]})
        world.sandbox.faults = [Fault("expired_link", "/results/")]
        assert (await world.sandbox(httpx.Request("GET", done["video_url"]))).status_code == 403
        assert (await world.sandbox(httpx.Request("GET", done["video_url"]))).content == b"no film"


@pytest.mark.parametrize("task_id", ["../user/balance", "", ".", "..", "a/b", "a?b", "x" * 300, "a b", "é"])
async def test_a_malformed_task_id_is_never_put_into_a_url(open_world: OpenWorld, task_id: str) -> None:
    async with open_world() as world:
        answer = await world.call("get_task", {"task_id": task_id})
        assert answer.error["code"] == "task_not_found"
        assert world.sandbox.requests == []


@pytest.mark.slow
async def test_a_request_of_ten_megabytes_is_refused_before_it_is_sent(open_world: OpenWorld) -> None:
    async with open_world() as world:
        answer = await world.create(prompt="x" * 10_000_001)
        assert answer.error["code"] == "invalid_request"
        assert answer.error["allowed"] == "at most 10000000 bytes"
        assert world.creates == 0


def test_the_transport_table_names_every_failure_once() -> None:
    def leaves(kind: type[Any]) -> set[type[Any]]:
        below = kind.__subclasses__()
        return {leaf for each in below for leaf in leaves(each)} if below else {kind}

    listed = [*BEFORE_SENDING, *AFTER_SENDING]
    assert len(listed) == len(set(listed))
    assert {kind for kind in leaves(httpx.TransportError) if kind.__module__.startswith("httpx")} == set(listed)


@pytest.mark.parametrize("kind", [*BEFORE_SENDING, *AFTER_SENDING])
async def test_every_transport_failure_of_a_create_says_whether_it_was_charged(kind: type[httpx.TransportError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise kind("no", request=request)

    async with aclosing(ProviderClient("https://provider.invalid", KEY, transport=httpx.MockTransport(fail))) as client:
        with pytest.raises(errors.SeedanceError) as caught:
            await client.create_video({"model": "x", "prompt": "y"})
        with pytest.raises(errors.SeedanceError):
            await client.get_user_balance()
    assert caught.value.charged == ("no" if kind in BEFORE_SENDING else "maybe")


@pytest.mark.parametrize("body", [b'{"code":true,"data":{}}', b'{"code":1}', b'{"code":20001}'])
def test_an_envelope_that_does_not_say_success_is_none(body: bytes) -> None:
    with pytest.raises(errors.SeedanceError):
        open_reply(Reply(200, body))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_response_without_end_is_cut_off_at_the_size_limit() -> None:
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(1)
            yield b"x" * 1_000_000

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    async with aclosing(ProviderClient("https://provider.invalid", KEY, transport=httpx.MockTransport(answer))) as client:
        with pytest.raises(errors.ProviderFailed):
            await client.get_user_balance()
    assert len(sent) == 11


ABSURD_ZONES = ("+9999999", "-9999999999", "+99999999999999999999", "-0000", "+2400")
ABSURD_DATES = [f"Mon, 01 Jan 2024 00:00:00 {zone}" for zone in ABSURD_ZONES]


@pytest.mark.parametrize("header", ["soon", "-3", "²", "9" * 400, "Mon, 01 Jan 2024 00:00:00", *ABSURD_DATES])
async def test_a_malformed_retry_after_is_ignored(header: str) -> None:
    tries: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        tries.append(1)
        if len(tries) == 1:
            return httpx.Response(429, headers=[(b"Retry-After", header.encode("latin-1"))])
        return httpx.Response(200, json={"code": 0, "data": {"balance": 1}})

    async with aclosing(ProviderClient("https://provider.invalid", KEY, transport=httpx.MockTransport(answer))) as client:
        assert (await client.get_user_balance()).balance == 1
