"""Signed notices of videos that ended, judged by the library of the specification."""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
import pytest
from conftest import OpenWorld
from pydantic import SecretStr
from standardwebhooks import Webhook

from seedance_mcp.money.records import Record
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.server import notices as module
from seedance_mcp.server.notices import PAUSES_SECONDS, Notices

pytestmark = pytest.mark.anyio
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
URL = "http://hooks.internal/videos?token=nobody-may-read-it"


class Receiver:
    """Keeps what is posted to it, and answers as a test wants."""

    def __init__(self, *answers: int | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self._answers = list(answers)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(anyio.current_time())
        answer = self._answers.pop(0) if self._answers else 204
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, headers={"location": "http://elsewhere.internal/"})

    def notices(self) -> list[Notices]:
        return [Notices(SecretStr(URL), SecretStr(SECRET), currency="JimiCoin", transport=httpx.MockTransport(self))]

    def said(self) -> list[dict[str, Any]]:
        return [Webhook(SECRET).verify(each.content, dict(each.headers)) for each in self.requests]


def ended(name: str, **fields: Any) -> Record:
    known: dict[str, Any] = {"state": "completed", "task_id": f"vid_{name}", "model": "seedance2.0-sp", "prompt": "a fox"}
    return Record(name, "anna", "x", created_at=datetime(2026, 11, 23, tzinfo=UTC), **{**known, **fields})


async def test_a_finished_and_a_failed_video_are_reported_once_each_and_a_refused_request_is_not(
    open_world: OpenWorld,
) -> None:
    receiver = Receiver()
    (notices,) = receiver.notices()
    request = {"model": "seedance2.0-sp", "prompt": "a fox"}
    async with anyio.create_task_group() as group, open_world(observers=[notices]) as world:
        group.start_soon(notices.run)
        task = await world.call("create_video", {"request": request, "project": "spring"})
        await world.call("wait_for_video", {"task_id": task["task_id"]})
        world.sandbox.faults = [Fault("content_refused", "/seedance/videos")]
        failed = await world.create(prompt="a red fox")
        await world.call("wait_for_video", {"task_id": failed["task_id"]})
        await world.call("get_task", {"task_id": failed["task_id"]})
        world.sandbox.faults = [Fault("bad_parameters", "/seedance/videos")]
        await world.create(prompt="an owl")
        await notices.finish()
        done, gone = receiver.said()
        assert (done["type"], gone["type"]) == ("video.completed", "video.failed")
        assert done["data"]["request_id"] == task["request_id"]
        assert (done["data"]["cost"], done["data"]["currency"], done["data"]["project"]) == (0.25, "JimiCoin", "spring")
        assert gone["data"]["task_id"] == failed["task_id"]
        group.cancel_scope.cancel()
    assert receiver.requests[0].url == URL
    assert b"fox" not in b"".join(each.content for each in receiver.requests)
    assert b"http" not in b"".join(each.content for each in receiver.requests)


async def test_a_notice_that_is_not_taken_is_tried_again_later_under_the_same_id(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(500, httpx.ConnectError("no way to ?token="), 302)
    (notices,) = receiver.notices()
    async with anyio.create_task_group() as group:
        group.start_soon(notices.run)
        for _ in range(2):
            await notices.task_changed(ended("req_1"))
        await anyio.sleep(sum(PAUSES_SECONDS) + 10)
        group.cancel_scope.cancel()
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1
    pauses = [round(after - before) for before, after in zip(receiver.times, receiver.times[1:], strict=False)]
    assert pauses == list(PAUSES_SECONDS[:3])
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["HTTP 500", "ConnectError", "HTTP 302"]
    assert "token" not in caplog.text


async def test_a_notice_that_nobody_takes_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(*[500] * 9)
    (notices,) = receiver.notices()
    async with anyio.create_task_group() as group:
        group.start_soon(notices.run)
        await notices.task_changed(ended("req_1"))
        await anyio.sleep(sum(PAUSES_SECONDS) + 10)
        group.cancel_scope.cancel()
    assert len(receiver.requests) == len(PAUSES_SECONDS) + 1
    assert "is given up" in caplog.text


async def test_a_receiver_that_wants_no_more_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(410)
    (notices,) = receiver.notices()
    async with anyio.create_task_group() as group:
        group.start_soon(notices.run)
        for name in ("req_1", "req_2"):
            await notices.task_changed(ended(name))
            await notices.finish()
        group.cancel_scope.cancel()
    assert len(receiver.requests) == 1
    assert "wants no more" in caplog.text


async def test_a_queue_that_is_full_holds_no_call_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MOST", 1)
    monkeypatch.setattr(module, "ENDS_KEPT", 1)
    (notices,) = Receiver().notices()
    for name in ("req_1", "req_2"):
        await notices.task_changed(ended(name))
    monkeypatch.setattr(module, "WAITING_MOST", 2)
    async with anyio.create_task_group() as group:
        await notices.task_changed(ended("req_3"))
        group.start_soon(notices.run)
        await notices.finish()
        group.cancel_scope.cancel()
    assert "Request req_2: too many notices wait" in caplog.text


@pytest.mark.slow
async def test_a_receiver_that_never_answers_holds_no_wait_and_no_end_up(open_world: OpenWorld) -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    notices = Notices(SecretStr(URL), SecretStr(SECRET), currency="JimiCoin", transport=httpx.MockTransport(hang))
    async with open_world(observers=[notices]) as world, anyio.create_task_group() as group:
        group.start_soon(notices.run)
        task = await world.create()
        assert (await world.call("wait_for_video", {"task_id": task["task_id"]}))["status"] == "completed"
        await notices.finish()
        group.cancel_scope.cancel()


async def test_a_server_follows_its_tasks_and_reports_their_ends_though_nobody_asks(
    open_world: OpenWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with open_world(notify_url="http://127.0.0.1:9/hook", notify_secret=SECRET) as world:
        await world.create()
        await anyio.sleep(3600)
        assert not world.settings.output_dir.exists()
        listed = (await world.call("list_tasks"))["tasks"]
    assert [each["status"] for each in listed] == ["completed"]
    assert "was not taken: ConnectError" in caplog.text
