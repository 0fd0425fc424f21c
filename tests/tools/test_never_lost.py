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
        content = json.loads(answer.content)
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
    {"url": LINK},
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


@pytest.mark.parametrize(
    ("fields", "what_there_is"),
    [
        *[
            ({"result": result}, "")
            for result in (None, {}, [], "", 7, {"video_url": ""}, {"videos": {}}, [[]], {"url": None})
        ],
        ({"result": "ok"}, "no usable link"),
        ({"result": "ftp://cdn.invalid/fox.mp4"}, "no usable link"),
        ({"result": {"video_url": PLAIN}}, PLAIN),
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
        *[(word, "failed") for word in "timeout timed_out rejected moderated nsfw banned expired".split()],
        *[(word, "failed") for word in ("Timed Out", "Request Moderated", "content-moderated")],
        *[(word, "cancelled") for word in ("aborted", "cancelled")],
        *[(word, "completed") for word in "done finished complete SUCCESS 1".split()],
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
