"""The player in the chat, as far as Python sees it: who is shown it, and what it may load. tests/browser watches it run."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import httpx
import pytest
from conftest import PROVIDER, OpenWorld, World, no_film
from mcp_types import TextResourceContents

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.sandbox.provider import Sandbox

pytestmark = pytest.mark.anyio
URI = "ui://seedance/task.html"
SANDBOX = "http://127.0.0.1:9"


class Elsewhere(Sandbox):
    """A provider that keeps its results at another address."""

    address = ""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = await super().__call__(request)
        if "/videos/" not in request.url.path:
            return answer
        return httpx.Response(200, text=answer.text.replace(f"{PROVIDER}/results", f"{self.address}/results"))


async def page(world: World) -> TextResourceContents:
    (content,) = (await world.client.read_resource(URI)).contents
    assert isinstance(content, TextResourceContents)
    return content


async def hosts(world: World) -> list[str]:
    """Where the page may load from, as hosts are told; its own policy says the same."""
    content = await page(world)
    assert content.meta
    csp: dict[str, Any] = content.meta["ui"]["csp"]
    assert csp["connectDomains"] == []
    assert set(csp) == {"connectDomains", "resourceDomains"}
    media = re.search(r"media-src (.*?);", content.text)
    assert media
    assert (media[1].split() if media[1] != "'none'" else []) == csp["resourceDomains"]
    return csp["resourceDomains"]


async def finish(world: World, prompt: str = "a fox") -> None:
    made = await world.create(prompt=prompt)
    done = await world.call("wait_for_video", {"task_id": made["task_id"]})
    assert done["video_url"].startswith("https://")


BUCKET = "https://opcbucket.oss-cn-beijing.aliyuncs.com"  # where the first result that was ever published lies


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_three_tools_show_the_player_and_hosts_keep_it_from_spending_money(open_world: OpenWorld, mode: str) -> None:
    async with open_world(mode=mode) as world:
        shown = {tool.name: tool.meta["ui"] for tool in (await world.client.list_tools()).tools if tool.meta}
    assert shown == {
        "create_video": {"resourceUri": URI, "visibility": ["model"]},
        "get_task": {"resourceUri": URI},
        "wait_for_video": {"resourceUri": URI},
    }


async def test_the_extension_is_declared(open_world: OpenWorld) -> None:
    async with open_world() as world:
        extensions = world.client.server_capabilities.extensions
    assert extensions is not None
    assert extensions["io.modelcontextprotocol/ui"] == {}


async def test_who_shows_no_pages_sees_what_was_there_before(open_world: OpenWorld) -> None:
    async with open_world() as world:
        listed = [str(each.uri) for each in (await world.client.list_resources()).resources]
        result = await world.client.call_tool("create_video", {"model": "seedance2.0-sp", "prompt": "a fox"})
    assert URI not in listed
    assert [block.type for block in result.content] == ["text"]
    assert "ui" not in (result.meta or {})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_page_is_served_whole_and_to_its_caller_alone(open_world: OpenWorld, mode: str) -> None:
    async with open_world(mode=mode) as world:
        read = await world.client.read_resource(URI)
        content = await page(world)
    assert content.mime_type == "text/html;profile=mcp-app"
    assert content.text.startswith("<!doctype html>")
    assert content.meta
    assert content.meta["ui"]["prefersBorder"] is True
    assert (read.ttl_ms, read.cache_scope) == (0, "private")


async def test_the_page_needs_nothing_from_outside(open_world: OpenWorld) -> None:
    async with open_world() as world:
        text = (await page(world)).text
    body = re.sub(r'content="default-src[^"]*"', "", text)
    assert "://" not in body
    assert not re.search(r"<(link|img|iframe|object|embed)\b|@import|url\(|\ssrc=|\shref=|\son\w+=|\sstyle=", body)
    assert not re.search(
        r"\b(eval|fetch|XMLHttpRequest|WebSocket|import)\s*\(|innerHTML|outerHTML|insertAdjacent|document\.write", body
    )
    assert set(re.findall(r'name: "(\w+)", arguments', body)) == {"get_task", "list_tasks", "download_video"}


async def test_the_pages_own_policy_lets_in_one_script_one_style_and_videos(open_world: OpenWorld) -> None:
    async with open_world() as world:
        text = (await page(world)).text
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert found
    policy = dict(rule.strip().split(" ", 1) for rule in found[1].split(";"))
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert policy.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert policy.pop("media-src") == " ".join([PROVIDER, *load_edition().result_hosts.value])
    assert policy == dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")


@pytest.mark.parametrize(
    ("base_url", "allowed"),
    [
        ("https://api.viraltok.ai", ["https://api.viraltok.ai", "https://*.viraltok.ai", BUCKET]),
        ("https://gateway.invalid:8443/path", ["https://gateway.invalid:8443", "https://*.viraltok.ai", BUCKET]),
        (SANDBOX, [SANDBOX]),
        ("http://[::1]:9", []),
    ],
)
async def test_videos_come_from_the_provider_alone(open_world: OpenWorld, base_url: str, allowed: list[str]) -> None:
    async with open_world(base_url=base_url) as world:
        assert await hosts(world) == allowed


async def test_an_accounts_own_storage_is_learned_from_its_results(open_world: OpenWorld) -> None:
    sandbox = Elsewhere(no_film)
    async with open_world(sandbox=sandbox) as world:
        for sandbox.address in ("https://films.invalid", "https://Films.invalid", "https://films.invalid:444"):
            await finish(world, sandbox.address)
        assert await hosts(world) == [
            PROVIDER,
            *load_edition().result_hosts.value,
            "https://films.invalid:444",
            "https://films.invalid",
        ]


@pytest.mark.parametrize(
    "address",
    [
        "https://*",
        "https://*.com",
        "https://a;script-src *",
        "https://a\u00a0*",
        "https://me:secret@films.invalid",
        "https://[::1]",
    ],
)
async def test_a_link_cannot_widen_the_policy(open_world: OpenWorld, address: str) -> None:
    sandbox = Elsewhere(no_film)
    sandbox.address = address
    async with open_world(sandbox=sandbox) as world:
        await world.call("wait_for_video", {"task_id": (await world.create())["task_id"]})
        assert await hosts(world) == [PROVIDER, *load_edition().result_hosts.value]
