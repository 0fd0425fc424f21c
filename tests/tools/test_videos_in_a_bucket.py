"""Finished videos in the operator's bucket, as an agent and its user see them."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from conftest import OpenWorld, World
from mcp_types import ResourceLink, TextResourceContents
from s3 import S3

from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox

FILM = b"\x00\x00\x00\x14ftypisom" + bytes(8) + b"\x00\x00\x00\x10mdat" + bytes(8) + b"\x00\x00\x00\x10moov" + bytes(8)


async def film(order: Order, pictures: list[bytes]) -> bytes:
    return FILM


pytestmark = pytest.mark.anyio


async def saved(world: World) -> tuple[str, dict[str, Any], list[Any]]:
    task_id = (await world.create())["task_id"]
    await world.call("wait_for_video", {"task_id": task_id})
    answer = await world.call("download_video", {"task_id": task_id, "filename": "the fox"})
    assert not answer.is_error, answer.text
    return task_id, answer.content, answer.more


async def test_a_video_goes_into_the_bucket_and_comes_with_a_url_of_its_bytes(open_world: OpenWorld, endpoint: S3) -> None:
    async with open_world(sandbox=Sandbox(film), video_store="s3://films", link_seconds=600) as world:
        task_id, facts, (link,) = await saved(world)
        assert (facts["path"], facts["bytes"], facts["sha256"]) == (None, len(FILM), hashlib.sha256(FILM).hexdigest())
        assert facts["expires_at"].endswith("Z")
        assert isinstance(link, ResourceLink)
        assert (str(link.uri), link.name) == (facts["url"], "the fox.mp4")
        assert parse_qs(urlsplit(str(facts["url"])).query)["X-Amz-Expires"] == ["600"]
        async with httpx.AsyncClient(trust_env=False, timeout=None) as http:  # noqa: S113 - the clock of the tests jumps
            assert (await http.get(facts["url"])).content == FILM
        assert list(endpoint.objects.values()) == [FILM]
        task = await world.call("get_task", {"task_id": task_id})
        assert task["saved_path"].startswith("s3://films/")


async def test_a_second_download_fetches_nothing_and_lends_a_fresh_url(open_world: OpenWorld, endpoint: S3) -> None:
    sandbox = Sandbox(film)
    async with open_world(sandbox=sandbox, video_store="s3://films/team") as world:
        task_id, first, _ = await saved(world)
        asked = len(sandbox.requests)
        again = await world.call("download_video", {"task_id": task_id})
        assert (again["sha256"], len(endpoint.objects)) == (first["sha256"], 1)
        assert len(sandbox.requests) == asked


async def test_a_store_that_is_away_loses_nothing_and_says_so(open_world: OpenWorld, endpoint: S3) -> None:
    async with open_world(sandbox=Sandbox(film), video_store="s3://films") as world:
        task_id = (await world.create())["task_id"]
        await world.call("wait_for_video", {"task_id": task_id})
        endpoint.refuses = 403
        refused = await world.call("download_video", {"task_id": task_id})
        assert refused.is_error
        assert refused.error["code"] == "download_failed"
        assert "SEEDANCE_VIDEO_STORE" in refused.text
        endpoint.refuses = 0
        kept = await world.call("download_video", {"task_id": task_id})
        assert kept["bytes"] == len(FILM)


async def test_the_card_may_load_from_the_buckets_host(open_world: OpenWorld, endpoint: S3) -> None:
    async with open_world(sandbox=Sandbox(film), video_store="s3://films") as world:
        await saved(world)
        (page,) = (await world.client.read_resource("ui://seedance/task.html")).contents
        assert isinstance(page, TextResourceContents)
        assert endpoint.address in page.text
