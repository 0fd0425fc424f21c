"""A paid video is never lost: however its end is written, wherever its link stands, and whatever is said later."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest
from conftest import OpenWorld, no_film

from seedance_mcp.provider.result_links import PLACES
from seedance_mcp.provider.status_words import STATUS_WORDS
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import Sandbox

pytestmark = pytest.mark.anyio
LINK = "https://cdn.invalid/fox.mp4"
PLAIN = "http://cdn.invalid/fox.mp4?a=1"

Data = dict[str, Any]


@dataclass
class Rewritten(Sandbox):
    """A sandbox whose reports on tasks are changed by a test."""

    change: Callable[[Data], Data] = lambda data: data

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = await super().__call__(request)
        if request.method != "GET" or "/v1/videos/" not in request.url.path:
            return answer
        content: Data = json.loads(answer.content) if answer.content[:1] == b"{" else {}
        if content.get("data") is None:
            return answer
        return httpx.Response(200, json={**content, "data": self.change(content["data"])})


def saying(**fields: Any) -> Callable[[Data], Data]:
    """Change fields of every report; `None` for the result that the sandbox gives takes it away."""
    return lambda data: {**{name: value for name, value in data.items() if name != "result"}, **fields}


# typed by hand: what was seen, or what services of this kind answer
PLACED: list[Data] = [
    {"result": {"image_url": "", "video_url": LINK}},
    {"video_url": LINK},
    {"video_url": LINK, "result": None},
    {"video_url": LINK, "result": {}},
    {"video_url": LINK, "result": []},
    {"content": {"video_url": LINK}},
    {"result": {"url": LINK}},
    {"result": {"video_urls": [LINK]}},
    {"result": {"videos": [{"url": LINK}]}},
    {"result": {"videos": [{"video_url": LINK}]}},
    {"result": {"videos": [LINK]}},
    {"result": {"video": {"url": LINK}}},
    {"result": [{"video_url": LINK}]},
    {"result": [{"url": LINK}]},
    {"result": [LINK]},
    {"result": LINK},
    {"video_urls": [LINK]},
    {"videos": [{"url": LINK}]},
    {"videos": [{"video_url": LINK}]},
    {"result": {}, "data": {"video_url": LINK}},
    {"output": {"video_url": LINK}},
    {"output": [LINK]},
    {"output": LINK},
    {"url": LINK},
    {"output": "video/mp4", "url": LINK},
    {"output": ["fox.mp4"], "url": LINK},
    {"output": "a fox, as asked", "url": LINK},
    {"output": "fox", "result": {"url": LINK}},
    {"result": {"video_url": PLAIN, "url": LINK}},
]


@pytest.mark.parametrize("fields", PLACED, ids=str)
async def test_the_link_is_found_wherever_it_stands(open_world: OpenWorld, fields: Data) -> None:
    async with open_world(sandbox=Rewritten(no_film, change=saying(status="completed", **fields))) as world:
        task = await world.create()
        done = await world.call("wait_for_video", {"task_id": task["task_id"]})
    assert (done["status"], done["video_url"], done["warnings"]) == ("completed", LINK, [])
    assert done["next"]["tool"] == "download_video"


def test_every_place_and_every_word_has_a_witness() -> None:
    assert all(place.witness for place in PLACES)
    assert all(row.witness for row in STATUS_WORDS)
    words = [word for row in STATUS_WORDS for word in row.words.split()]
    assert len(words) == len(set(words))


NO_LINKS: list[Any] = [None, {}, [], "", 7, {"video_url": ""}, {"videos": {}}, [[]], {"url": None}]


@pytest.mark.parametrize(
    ("fields", "what_there_is"),
    [
        *[({"result": result}, "") for result in NO_LINKS],
        ({"result": "ok"}, "no usable link"),
        ({"result": "ftp://cdn.invalid/fox.mp4"}, "no usable link"),
        ({"result": {"video_url": PLAIN}}, PLAIN),
        ({"output": "javascript:alert(1)"}, "no usable link"),
        ({"output": 7}, ""),
        ({"result": {}, "video_url": PLAIN}, PLAIN),
    ],
    ids=str,
)
async def test_a_finished_video_without_a_usable_link_says_so_and_leads_in_no_circle(
    open_world: OpenWorld, fields: Data, what_there_is: str
) -> None:
    now = datetime.now(UTC)
    sandbox = Rewritten(no_film, change=saying(status="completed", **fields))
    async with open_world(sandbox=sandbox, clock=lambda: now) as world:
        task_id = (await world.create())["task_id"]
        done = await world.call("wait_for_video", {"task_id": task_id})
        assert (done["status"], done["video_url"]) == ("completed", None)
        assert "gave no usable link" in done["warnings"][-1]
        assert what_there_is in " ".join(done["warnings"])
        pauses = [done["next"]["after_seconds"]]
        for minutes in (1, 30, 60 * 24):
            await anyio.sleep(60)
            now += timedelta(minutes=minutes)
            answer = await world.call("download_video", {"task_id": task_id})
            assert answer.error["retryable"] is True
            assert "Call get_task" in answer.text
            assert what_there_is in answer.text
            pauses.append(answer.error["retry_after_seconds"])
            await anyio.sleep(60)
            again = await world.call("get_task", {"task_id": task_id})
            assert again["next"]["tool"] == "get_task"
        assert pauses == sorted(set(pauses))
        now += timedelta(days=3)
        await anyio.sleep(60)
        given_up = await world.call("download_video", {"task_id": task_id})
        assert given_up.error["retryable"] is False
        assert task_id in given_up.text
        assert (await world.call("get_task", {"task_id": task_id}))["next"] is None
        sandbox.change = saying(status="completed", result={"video_url": LINK})
        await anyio.sleep(60)
        late = await world.call("get_task", {"task_id": task_id})
    assert (late["video_url"], late["next"]["tool"]) == (LINK, "download_video")


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        *[(word, "failed") for word in ["timeout", "timed_out", "rejected", "moderated", "nsfw", "banned", "expired"]],
        *[(word, "failed") for word in ("Timed Out", "Request Moderated", "content-moderated")],
        *[(word, "cancelled") for word in ("aborted", "cancelled")],
        *[(word, "completed") for word in ["done", "finished", "complete", "SUCCESS", "1"]],
        *[(word, "processing") for word in ("melting", "prompt_enhancing")],
    ],
)
async def test_every_word_for_an_end_ends_the_task(open_world: OpenWorld, word: str, ours: str) -> None:
    async with open_world(sandbox=Rewritten(no_film, change=saying(status=word, error_message="why"))) as world:
        task = await world.create()
        seen = await world.call("get_task", {"task_id": task["task_id"]})
    assert seen["status"] == ours
    assert ("melting" in " ".join(seen["warnings"])) is (word == "melting")


async def test_an_unknown_word_with_a_link_is_completed_and_told(open_world: OpenWorld) -> None:
    async with open_world(sandbox=Rewritten(no_film, change=saying(status="Cooked", result={"video_url": LINK}))) as world:
        seen = await world.call("get_task", {"task_id": (await world.create())["task_id"]})
        assert (seen["status"], seen["video_url"], seen["progress"]) == ("completed", LINK, 100)
        assert "cooked" in seen["warnings"][0]
    for change in (saying(status=None, result={"video_url": LINK}), saying(status=None)):
        async with open_world(sandbox=Rewritten(no_film, change=change)) as world:
            task = await world.call("create_video", {"request": REQUEST, "allow_duplicate": True})
            seen = await world.call("get_task", {"task_id": task["task_id"]})
        assert seen["status"] == ("completed" if seen["video_url"] else "queued")
        assert seen["warnings"] == []


REQUEST = {"model": "seedance2.0-sp", "prompt": "a fox"}


@pytest.mark.parametrize("tool", ["get_task", "wait_for_video", "download_video"])
async def test_a_task_that_was_called_failed_and_completed_later_gives_its_video(open_world: OpenWorld, tool: str) -> None:
    failing = saying(status="failed", error_message="s3 upload failed", cost=None)
    async with open_world(sandbox=(sandbox := Rewritten(no_film, change=failing))) as world:
        task_id = (await world.create())["task_id"]
        failed = await world.call("wait_for_video", {"task_id": task_id})
        assert (failed["status"], failed["error"]["code"]) == ("failed", "failed")
        sandbox.change = saying(status="completed")
        await anyio.sleep(60)
        assert (await world.call("get_task", {"task_id": task_id}))["status"] == "failed"  # nothing proves the contrary
        sandbox.change = saying(status="completed", result={"video_url": LINK}, cost=None)
        await anyio.sleep(60)
        await world.call(tool, {"task_id": task_id})
        done = (await world.call("list_tasks", {"detail": "full"}))["tasks"][0]
        again = await world.create()
    assert (done["status"], done["video_url"], done["error"], done["progress"]) == ("completed", LINK, None, 100)
    assert done["next"]["tool"] == "download_video"
    assert (again["task_id"], again["deduplicated"]) == (task_id, True)


async def test_a_failed_task_stays_failed_where_the_provider_says_nothing_new(open_world: OpenWorld) -> None:
    now = datetime.now(UTC)
    failing = saying(status="failed", error_message="no")
    async with open_world(sandbox=(sandbox := Rewritten(no_film, change=failing)), clock=lambda: now) as world:
        task_id = (await world.create())["task_id"]
        await world.call("get_task", {"task_id": task_id})
        for fault in ("unknown_task", "unauthorized", "gateway_html"):
            sandbox.faults = [Fault(fault, "/videos/", 9)]
            await anyio.sleep(60)
            seen = await world.call("get_task", {"task_id": task_id})
            assert (seen["status"], seen["warnings"]) == ("failed", [])
        polls = len(sandbox.requests)
        now += timedelta(days=4)
        await anyio.sleep(60)
        assert (await world.call("get_task", {"task_id": task_id}))["status"] == "failed"
        assert len(sandbox.requests) == polls  # by now its link would have expired


async def test_after_a_day_asleep_the_provider_is_asked_before_a_task_is_given_up(open_world: OpenWorld) -> None:
    now = datetime.now(UTC)
    async with open_world(sandbox=(sandbox := Rewritten(no_film, work_seconds=1e9)), clock=lambda: now) as world:
        task_id = (await world.create())["task_id"]
        await world.call("get_task", {"task_id": task_id})
        now += timedelta(hours=26)  # the clock of a machine that sleeps stands still, and the wall's does not
        (listed,) = (await world.call("list_tasks", {"detail": "full"}))["tasks"]
        assert (listed["status"], listed["warnings"], listed["next"]["tool"]) == ("queued", [], "get_task")
        polls = len(sandbox.requests)
        seen = await world.call("get_task", {"task_id": task_id})
        assert len(sandbox.requests) == polls + 1
        assert "not worth waiting for" in seen["warnings"][0]
        next(iter(sandbox.tasks.values())).ends_at = 0
        next(iter(sandbox.tasks.values())).starts_at = -1
        now += timedelta(hours=1)
        assert (await world.call("wait_for_video", {"task_id": task_id}))["status"] == "completed"


@pytest.mark.parametrize(("times", "age_seconds"), [(4, 400), (9, 119)])
async def test_a_running_task_that_is_missing_at_first_or_now_and_then_still_blocks_its_duplicate(
    open_world: OpenWorld, times: int, age_seconds: int
) -> None:
    now = datetime.now(UTC)
    async with open_world(sandbox=Sandbox(no_film, work_seconds=1e9), clock=lambda: now) as world:
        task_id = (await world.create())["task_id"]
        now += timedelta(seconds=age_seconds)
        for _ in range(2):
            missing = world.sandbox.tasks.pop(task_id)
            for _ in range(times):
                await anyio.sleep(60)
                seen = await world.call("get_task", {"task_id": task_id})
                assert seen["status"] in {"queued", "processing"}
                assert "does not know this task (yet, or any more)" in seen["warnings"][0]
            world.sandbox.tasks[task_id] = missing
            await anyio.sleep(60)
            assert (await world.call("get_task", {"task_id": task_id}))["warnings"] == []
            world.sandbox.tasks.pop(task_id)
            again = await world.create()
            assert (again["deduplicated"], again["task_id"]) == (True, task_id)
            world.sandbox.tasks[task_id] = missing
        assert world.creates == 1


async def test_a_task_that_the_provider_forgot_is_unknown_ends_the_waits_and_blocks_no_duplicate(
    open_world: OpenWorld,
) -> None:
    now = datetime.now(UTC)
    async with open_world(clock=lambda: now) as world:
        task_id = (await world.create())["task_id"]
        forgotten = world.sandbox.tasks.pop(task_id)
        await world.call("wait_for_video", {"task_id": task_id})  # 45 s each
        now += timedelta(seconds=120)
        seen = await world.call("wait_for_video", {"task_id": task_id})
        assert (seen["status"], seen["next"]) == ("unknown", None)
        assert "does not know this task any more" in seen["warnings"][0]
        balance = await world.call("get_balance")
        assert "warnings" not in balance.content or not balance["warnings"]
        refused = await world.call("download_video", {"task_id": task_id})
        assert (refused.error["code"], refused.error["retryable"]) == ("download_failed", False)
        again = await world.create()
        assert (again["deduplicated"], again["task_id"] == task_id) == (False, False)
        world.sandbox.tasks[task_id] = forgotten
        await anyio.sleep(60)
        assert (await world.call("get_task", {"task_id": task_id}))["status"] == "completed"
