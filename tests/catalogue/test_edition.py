"""Another edition is one more file: tools, schemas, prompts, resources, money and sandbox follow it, and the old one stays."""

from __future__ import annotations

import sys
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenWorld, World
from jsonschema import Draft202012Validator
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from seedance_mcp.catalogue import editions
from seedance_mcp.catalogue.edition import Edition, edition_names, load_edition
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox

FILE = """
from dataclasses import replace

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.catalogue.facts import Choice, Fact, FrameSize, Model, Span

_OLD = load_edition("2026-07")
_STD = replace(
    _OLD.by_name["seedance2.0-std"].route,
    images=Fact(10, "dream"),
    duration=Fact(Span(4, 20, 6), "dream"),
    resolution=Fact(Choice(("720p", "8k"), "720p"), "dream"),
    sends_resolution=True,
)

EDITION = replace(
    _OLD,
    name="2026-10",
    currency="MoonCoin",
    sources={**_OLD.sources, "dream": "a dream, October 2026"},
    routes=tuple(_STD if route.name == "std" else route for route in _OLD.routes),
    models=(
        *(replace(model, route=_STD) if model.route.name == "std" else model for model in _OLD.models),
        Model("seedance2.0-moon", "Moon", _STD),
    ),
    url_lifetime_seconds=Fact(7 * 24 * 3600, "dream"),
    result_hosts=Fact(("https://*.moon.invalid",), "dream"),
    frames_per_second=Fact(12, "dream"),
    frame_sizes={ratio: {**sizes, "8k": FrameSize(7680, 4320)} for ratio, sizes in _OLD.frame_sizes.items()},
    notes=("Nothing about the moon is stated.",),
)
"""
MOON = {"model": "seedance2.0-moon", "prompt": "a fox on the moon"}
TEN = [f"https://example.com/{number}.png" for number in range(10)]


@pytest.fixture
def moon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Edition]:
    """An edition with one changed number, one new model, and everything else that an edition can change."""
    (tmp_path / "edition_2026_10.py").write_text(FILE, "utf-8")
    monkeypatch.setattr(editions, "__path__", [*editions.__path__, str(tmp_path)])
    yield load_edition("2026-10")
    load_edition.cache_clear()
    del sys.modules["seedance_mcp.catalogue.editions.edition_2026_10"]


async def create_schema(world: World) -> dict[str, Any]:
    return next(tool for tool in (await world.client.list_tools()).tools if tool.name == "create_video").input_schema


async def page(world: World, uri: str) -> str:
    (content,) = (await world.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


def test_an_edition_is_found_by_its_file(moon: Edition) -> None:
    assert edition_names() == ("2026-07", "2026-09", "2026-10")
    assert moon.name == "2026-10"
    assert load_edition("2026-10") is moon
    assert load_edition().name == "2026-07"
    assert load_edition().find("seedance2.0-moon") is None


def test_an_unknown_edition_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r'no edition "2031-01"; allowed: 2026-07, 2026-09'):
        load_edition("2031-01")


@pytest.mark.anyio
async def test_the_models_are_those_of_the_edition(open_world: OpenWorld, moon: Edition) -> None:
    async with open_world(edition=moon) as world:
        listed = await world.call("list_models")
        one = await world.call("list_models", {"model": "seedance2.0-moon"})
        large = await world.call("list_models", {"resolution": "8k"})
        refused = await world.call("list_models", {"resolution": "9k"})
        tools = {tool.name: tool for tool in (await world.client.list_tools()).tools}
    assert (listed["edition"], listed["currency"], len(listed["models"])) == ("2026-10", "MoonCoin", 24)
    (found,) = one["models"]
    assert found["duration"] == {"min": 4, "max": 20, "default": 6}
    assert found["images"] == {"max": 10, "schemes": ["https"], "source": "dream"}
    assert [model["model"] for model in large["models"]] == ["seedance2.0-std", "seedance2.0-moon"]
    assert refused.error["allowed"] == "one of 480p, 720p, 1080p, 2k, 4k, 8k"
    described = tools["list_models"].input_schema["properties"]["resolution"]["description"]
    assert described == "480p, 720p, 1080p, 2k, 4k or 8k."


@pytest.mark.anyio
@pytest.mark.parametrize("client_name", ["claude-code", "cursor"])
async def test_schema_server_and_sandbox_follow_the_edition_and_the_old_one_stays(
    open_world: OpenWorld, moon: Edition, client_name: str
) -> None:
    async with open_world(edition=moon, client_name=client_name) as world:
        schema: Any = Draft202012Validator(await create_schema(world))
        for fields, ok in [({}, True), ({"images": TEN}, True), ({"images": [*TEN, *TEN]}, False), ({"duration": 20}, True)]:
            request: Any = {**MOON, **fields}
            assert schema.is_valid(request if client_name == "cursor" else {"request": request}) is ok
            answer = await world.call("create_video", {"request": request, "dry_run": True})
            assert answer.is_error is not ok
        made = await world.call("create_video", {"request": {**MOON, "images": TEN, "resolution": "8k"}})
        assert made["currency"] == "MoonCoin"
    async with open_world(client_name=client_name) as world:
        assert (await world.call("create_video", {"request": MOON, "dry_run": True})).error["field"] == "model"
        answer = await world.call("create_video", {"request": {**MOON, "model": "seedance2.0-std", "images": TEN}})
        assert answer.error["allowed"] == "a list of 1 to 9, each an https:// URL"


@pytest.mark.anyio
async def test_the_sandbox_renders_by_the_edition_and_its_urls_live_as_long(open_world: OpenWorld, moon: Edition) -> None:
    orders: list[Order] = []

    async def film(order: Order, pictures: list[bytes]) -> bytes:
        orders.append(order)
        return b"\0\0\0\x20ftypisom"

    async with open_world(edition=moon, sandbox=Sandbox(film, moon)) as world:
        made = await world.call("create_video", {"request": {**MOON, "resolution": "8k"}})
        done = await world.call("wait_for_video", {"task_id": made["task_id"]})
        await world.call("download_video", {"task_id": made["task_id"]})
    assert done["status"] == "completed"
    lives = datetime.fromisoformat(done["video_url_expires_at"]) - datetime.fromisoformat(done["completed_at"])
    assert lives.days == 7
    (order,) = orders
    assert (order.size, order.frames, order.seconds) == ((7680, 4320), 72, 6)


@pytest.mark.anyio
async def test_prompts_resources_and_the_player_follow_the_edition(open_world: OpenWorld, moon: Edition) -> None:
    async with open_world(edition=moon) as world:
        prompt = await world.client.get_prompt(
            "text_to_video", {"idea": "a fox", "model": "seedance2.0-moon", "duration": "20"}
        )
        models = await world.client.complete(
            ResourceTemplateReference(uri="seedance://models/{model}"), {"name": "model", "value": "moon"}
        )
        seconds = await world.client.complete(PromptReference(name="text_to_video"), {"name": "duration", "value": ""})
        limits, pricing = await page(world, "seedance://limits"), await page(world, "seedance://pricing")
        player = await page(world, "ui://seedance/task.html")
    content = prompt.messages[0].content
    assert isinstance(content, TextContent)
    assert "- duration: a whole number from 4 to 20\n" in content.text
    assert "about 7 days" in content.text
    assert models.completion.values == ["seedance2.0-moon"]
    assert seconds.completion.values == [str(each) for each in range(1, 21)]
    for text in ("(edition 2026-10)", "| std | images | up to 10 | dream |", "- dream: a dream, October 2026", "about 7 days"):
        assert text in limits
    assert "- Nothing about the moon is stated." in limits
    assert pricing.startswith("# Prices in MoonCoin")
    assert "https://*.moon.invalid" in player


@pytest.mark.anyio
async def test_limits_are_told_in_the_editions_currency(open_world: OpenWorld, moon: Edition) -> None:
    async with open_world(edition=moon, max_cost_per_video="0.1", confirm_above="0.05") as world:
        refused = await world.call("create_video", {"request": MOON})
    assert "0.3 MoonCoin" in refused.error["message"]
    async with open_world(edition=moon, confirm_above="0.05") as world:
        asked = await world.call("create_video", {"request": MOON})
    assert asked.error["code"] == "confirmation_required"
    assert "costs 0.3 MoonCoin" in asked.error["message"]


@pytest.mark.parametrize("name", edition_names())
def test_an_edition_names_only_sources_routes_and_models_that_it_has(name: str) -> None:
    edition = load_edition(name)
    assert edition.name == name
    assert edition.contract in edition.sources
    assert len(edition.by_name) == len(edition.models)
    for model in edition.models:
        assert model.route in edition.routes
        assert set(model.resolutions) <= set(edition.resolutions)
    for route in edition.routes:
        assert edition.models_of(route)
        assert {*route.video_models} <= {model.name for model in edition.models_of(route)}
        for fact in (*route.files, *route.facts.values()):
            conflicting = [(each.source, each.models) for each in fact.conflicting]
            assert {fact.source, *(source for source, _ in conflicting)} <= edition.sources.keys()
            assert all(model in edition.by_name for _, models in conflicting for model in models)
    for fact in (edition.uploads, edition.url_lifetime_seconds, edition.result_hosts, edition.frames_per_second):
        assert fact.source in edition.sources


@pytest.mark.parametrize("name", edition_names())
def test_every_ratio_of_an_edition_has_a_size_at_every_resolution_or_follows_the_picture(name: str) -> None:
    edition = load_edition(name)
    assert {ratio for ratio in edition.ratios if ratio.lower() != "adaptive"} <= edition.frame_sizes.keys()
    for sizes in edition.frame_sizes.values():
        assert set(edition.resolutions) <= sizes.keys()
        areas = [size.width_px * size.height_px for size in sizes.values()]
        assert areas == sorted(areas)
