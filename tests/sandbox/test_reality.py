"""The sandbox answers as the provider was recorded: shapes of answers, words of failures, and making times."""

from __future__ import annotations

import json
from typing import Any, cast

import httpx
import pytest
from conftest import PROVIDER, OpenWorld, no_film

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.provider.failures import cause_of
from seedance_mcp.sandbox.faults import TASK_FAILURES, Fault
from seedance_mcp.sandbox.provider import KEY, UPLOADS, Sandbox, making_seconds, price_list

pytestmark = pytest.mark.anyio

CREATED = """{"code":20000,"data":{"task_id":"videos_0a","status":"queued","model":"seedance2.0-fast-md",
"created_at":1781930448},"msg":"ok"}"""
COMPLETED = """{"code":20000,"data":{"task_id":"videos_0a","status":"completed","progress":100,"model":"seedance2.0-fast-md",
"created_at":1781930448,"completed_at":1781931290,"result":{"image_url":"",
"video_url":"https://opcbucket.oss-cn-beijing.aliyuncs.com/sora_banana/api/2026-06-20/task_0a.mp4"}},"msg":"ok"}"""
"""Answers that a paying user recorded on 2026-06-20, with other ids; cost came with the later documentation."""


def shape(value: Any) -> Any:
    """Give the names and types of an answer."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in cast("dict[str, Any]", value).items()}
    return type(value).__name__


async def answered(sandbox: Sandbox, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = httpx.Request(method, f"{PROVIDER}{path}", headers={"Authorization": f"Bearer {KEY}"}, json=body)
    return (await sandbox(request)).json()


async def test_answers_have_the_shape_of_recorded_ones() -> None:
    sandbox = Sandbox(no_film, queue_seconds=0, work_seconds=0)
    body = {"model": "seedance2.0-fast-md", "prompt": "a fox", "duration": 12, "ratio": "9:16"}
    created = await answered(sandbox, "POST", "/api/open-api/v1/seedance/videos", body)
    await sandbox.prepare(sandbox.tasks[created["data"]["task_id"]])
    done = await answered(sandbox, "GET", f"/api/open-api/v1/videos/{created['data']['task_id']}")
    for mine, recorded in ((created, CREATED), (done, COMPLETED)):
        assert mine["data"].pop("cost") > 0
        assert shape(mine) == shape(json.loads(recorded))
        assert mine["code"] == 20000
    assert done["data"]["result"]["image_url"] == ""


CAUSES = {
    "content_refused": "moderation_input",
    "brand_refused": "moderation_brand",
    "output_refused": "moderation_output",
    "upstream_timeout": "upstream_timeout",
    "storage_failed": "storage_failed",
    "media_unreachable": "media_unreachable",
    "media_too_long": "media_too_long",
}


@pytest.mark.parametrize("fault", TASK_FAILURES)
async def test_a_task_fails_with_the_words_that_were_recorded(open_world: OpenWorld, fault: str) -> None:
    async with open_world(sandbox=Sandbox(no_film, faults=[Fault(fault, "/seedance/videos")])) as world:
        made = await world.create()
        done = await world.call("wait_for_video", {"task_id": made["task_id"]})
    assert (done["status"], done["error"]["cause"]) == ("failed", CAUSES[fault])
    assert TASK_FAILURES[fault] in done["error"]["message"]
    assert done["cost"] == 0


@pytest.mark.parametrize(
    ("reference", "is_fetched"),
    [
        ("https://example.com/a.png", True),
        ("https://93.184.215.14/a.png", True),
        ("https://127.0.0.1/a.png", False),
        ("https://10.0.0.8/a.png", False),
        ("https://localhost/a.png", False),
        ("https://printer.local/a.png", False),
        ("https://drive.google.com/a", False),
        (f"{UPLOADS}0000/never-sent.png", False),
    ],
)
async def test_a_reference_that_cannot_be_fetched_fails_the_task(reference: str, is_fetched: bool) -> None:  # noqa: FBT001 - a row
    sandbox = Sandbox(no_film)
    body = {"model": "seedance2.0-mini", "prompt": "a fox", "images": [reference]}
    created = await answered(sandbox, "POST", "/api/open-api/v1/seedance/videos", body)
    failure = sandbox.tasks[created["data"]["task_id"]].failure
    assert (failure is None) is is_fetched
    assert cause_of(failure or "") == ("unknown" if is_fetched else "media_unreachable")


async def test_real_pace_takes_as_long_as_was_published() -> None:
    sandbox = Sandbox(no_film, real_pace=True)
    for model, low, high in (("seedance2.0-fast-md", 60, 12_000), ("seedance2.0-std", 20, 2000)):
        row = sandbox.edition.by_name[model]
        assert all(low < making_seconds(row) < high for _ in range(200))
        body = {"model": model, "prompt": "a fox", "duration": 5}
        created = await answered(sandbox, "POST", "/api/open-api/v1/seedance/videos", body)
        task = sandbox.tasks[created["data"]["task_id"]]
        assert low < task.ends_at - task.starts_at < high


@pytest.mark.parametrize("name", ["2026-07", "2026-09"])
def test_the_price_list_has_singular_and_plural_types_and_token_rows_where_the_edition_has_them(name: str) -> None:
    rows = price_list(load_edition(name))
    modes = {row["price_mode"] for row in rows}
    assert ("per_million_tokens" in modes) is (name == "2026-09")
    assert {row["model_type"] for row in rows} == ({"video", "videos"} if name == "2026-09" else {"video"})
