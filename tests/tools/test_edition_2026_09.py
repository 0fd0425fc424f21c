"""The edition 2026-09 from the highest door: its lines are made, saved and settled, and its doubts are told."""

from __future__ import annotations

import io
import json
import re
from contextlib import aclosing
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from conftest import OpenWorld, World
from mcp_types import TextResourceContents

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.errors import NotConfigured
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.sandbox.film import render
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.tools.arguments import allowing
from seedance_mcp.tools.gallery import Gallery
from seedance_mcp.tools.session import offered_edition, utc_now

pytestmark = pytest.mark.anyio
EDITION = load_edition("2026-09")
GZ = {"model": "seedance2.0-gz", "prompt": "a fox"}
FRAMES = ["https://example.com/first.png", "https://example.com/last.png"]


class Films:
    """Draws nothing but the shortest film, and keeps what was ordered."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def __call__(self, order: Order, pictures: list[bytes]) -> bytes:
        self.orders.append(order)
        return small(sound=order.sound)


@cache
def small(*, sound: bool) -> bytes:
    order = Order("m", "a fox", 1, 2, "480p", "1:1", {"1:1": EDITION.frame_sizes["1:1"]["480p"]}, sound)
    return render(order, [])


def streams(path: str) -> set[str]:
    opened: Any = av.open(io.BytesIO(Path(path).read_bytes()))
    with opened as film:
        return {stream.type for stream in film.streams}


async def made_and_saved(world: World, request: dict[str, Any]) -> tuple[Any, Any]:
    made = await world.call("create_video", {"request": request})
    done = await world.call("wait_for_video", {"task_id": made["task_id"]})
    assert done["status"] == "completed"
    return done, await world.call("download_video", {"task_id": made["task_id"]})


async def test_a_gz_video_without_sound_is_made_saved_and_settled(open_world: OpenWorld) -> None:
    films = Films()
    async with open_world(edition=EDITION, sandbox=Sandbox(films, EDITION)) as world:
        done, saved = await made_and_saved(world, {**GZ, "generate_audio": False})
        sent = (await world.call("get_task", {"task_id": done["task_id"]}))["request"]
        again = await world.call("create_video", {"request": {**GZ, "generate_audio": False}})
    assert sent == {"model": "seedance2.0-gz", "prompt": "a fox", "duration": 5, "resolution": "720p", "generate_audio": False}
    assert [order.sound for order in films.orders] == [False]
    assert streams(saved["path"]) == {"video"}
    assert done["cost"] is not None
    assert again["deduplicated"]
    async with open_world(edition=EDITION, sandbox=Sandbox(films, EDITION)) as world:
        _, saved = await made_and_saved(world, {**GZ, "prompt": "a loud fox"})
    assert streams(saved["path"]) == {"video", "audio"}


async def test_a_video_of_30_seconds_with_seedance_25_goes_to_its_own_endpoint(open_world: OpenWorld) -> None:
    films = Films()
    async with open_world(edition=EDITION, sandbox=Sandbox(films, EDITION)) as world:
        done, saved = await made_and_saved(world, {"model": "seedance-2.5", "prompt": "a fox", "duration": 30})
        posts = [path for method, path in world.sandbox.requests if method == "POST"]
    assert posts == ["/api/open-api/v1/seedance25/videos"]
    (order,) = films.orders
    assert (order.seconds, order.ratio, order.resolution) == (30, "9:16", "480p")
    assert done["cost"] == pytest.approx(30 * 0.02)
    assert saved["bytes"]


async def test_a_933_video_from_frames_is_made_and_saved(open_world: OpenWorld) -> None:
    films = Films()
    request = {"model": "seedance2.0-933", "prompt": "a fox", "reference_mode": "frame", "images": FRAMES}
    async with open_world(edition=EDITION, sandbox=Sandbox(films, EDITION)) as world:
        done, saved = await made_and_saved(world, request)
        sent = (await world.call("get_task", {"task_id": done["task_id"]}))["request"]
    assert sent == {**request, "duration": 4, "resolution": "480p"}
    assert streams(saved["path"]) == {"video"}
    assert done["cost"] == pytest.approx(4 * 0.02)


async def test_an_option_at_its_default_makes_no_other_request(open_world: OpenWorld) -> None:
    request = {"model": "seedance2.0-933", "prompt": "a fox"}
    usual = {"face_processing": True, "reference_mode": "image", "generate_audio": False}
    async with open_world(edition=EDITION, sandbox=Sandbox(Films(), EDITION)) as world:
        made = await world.call("create_video", {"request": request})
        again = [await world.call("create_video", {"request": {**request, name: value}}) for name, value in usual.items()]
        again.append(await world.call("create_video", {"request": {**usual, **request}}))
        assert [each["task_id"] for each in again] == [made["task_id"]] * 4
        other = await world.call("create_video", {"request": {**request, "generate_audio": True}})
        assert other["deduplicated"] is False
        assert world.creates == 2


async def test_an_endpoint_of_another_family_names_the_right_one() -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    url, wrong = "https://provider.invalid/api/open-api/v1/seedance/videos", {"model": "seedance-2.5", "prompt": "a fox"}
    answer = await Sandbox(Films(), EDITION)(httpx.Request("POST", url, json=wrong, headers=headers))
    assert "请改用 POST /api/open-api/v1/seedance25/videos，勿使用 /seedance/videos" in answer.json()["msg"]


async def test_the_page_of_limits_tells_the_fields_of_a_route_and_how_long_its_links_live(open_world: OpenWorld) -> None:
    async with open_world(edition=EDITION) as world:
        (page,) = (await world.client.read_resource("seedance://limits")).contents
    assert isinstance(page, TextResourceContents)
    for row in ("| generate_audio | true or false, default true |", "| video URL | about 24 hours |"):
        assert row in page.text
    assert re.search(r"\| reference_mode \| [^|]*frame[^|]*, default ", page.text)


def test_an_edition_without_a_model_allows_nothing_for_it() -> None:
    assert allowing(EDITION, {"model": "gone", "duration": 15}, "duration") == ""


ALIASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"model": "seedance2.0-gz-480p"}, {"model": "seedance2.0-gz", "resolution": "480p"}),
    ({"model": "seedance2.0-933-1080p", "resolution": "720p"}, {"model": "seedance2.0-933", "resolution": "720p"}),
    ({"model": "seedance2.0-mini-720p-video"}, {"model": "seedance2.0-mini-video", "resolution": "720p"}),
    ({"model": "seedance25"}, {"model": "seedance-2.5"}),
    ({"model": "seedance2.0-720p"}, {"model": "seedance-2.0-720p"}),
    ({"model": "seedance2.0-gz", "aspect_ratio": "9:16", "ratio": "16:9"}, {"ratio": "9:16"}),
    ({"model": "seedance2.0-gz", "reference_images": FRAMES}, {"images": FRAMES}),
    ({"model": "seedance2.0-933", "videos": FRAMES[:1], "audios": FRAMES[:1]}, {"reference_videos": FRAMES[:1]}),
    ({"model": "seedance2.0-gz", "first_image": "assetId://a1"}, {"first_image": "asset://a1"}),
    ({"model": "seedance2.0-gz", "generate_audio": "false"}, {"generate_audio": False}),
]


@pytest.mark.parametrize(("given", "sent"), ALIASES)
async def test_another_name_is_taken_and_the_canonical_one_is_sent(
    open_world: OpenWorld, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    async with open_world(edition=EDITION) as world:
        dry = await world.call("create_video", {"request": {"prompt": "a fox", **given}, "dry_run": True})
        both = {**GZ, "images": FRAMES, "reference_images": FRAMES}
        refused = await world.call("create_video", {"request": both, "dry_run": True})
    assert dry["would_send"].items() >= sent.items()
    assert not {"aspect_ratio", "reference_images", "videos", "audios"} & dry["would_send"].keys()
    assert refused.error["field"] == "reference_images"


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"model": "sd2_mx_720p", "duration": 14}, "The edition 2026-09 allows 4 to 15: set SEEDANCE_EDITION=2026-09."),
        ({"model": "seedance2.0-gz"}, "The edition 2026-09 has it: set SEEDANCE_EDITION=2026-09."),
        ({"model": "seedance-2.5"}, "The edition 2026-09 has it: set SEEDANCE_EDITION=2026-09."),
        ({"model": "seedance2.0-md", "images": FRAMES, "reference_audios": FRAMES[:1]}, "allows a list of 1 to 1"),
    ],
)
async def test_a_refusal_names_the_newer_edition_that_allows_it(
    open_world: OpenWorld, request_: dict[str, Any], told: str
) -> None:
    async with open_world() as world:
        refused = await world.call("create_video", {"request": {"prompt": "a fox", **request_}})
        narrow = await world.call("create_video", {"request": {"model": "sd2_mx_720p", "prompt": "a fox", "duration": 31}})
    assert told in refused.text
    assert len(refused.text) < 1200
    assert "2026-09" not in narrow.error["message"]


DISPUTED: list[tuple[dict[str, Any], str]] = [
    ({"model": "sd2_mx_720p", "duration": 14}, "the contract allows 4 to 12"),
    ({"model": "seedance2.0-sp", "resolution": "480p"}, "Nobody disputes 720p or 1080p."),
    ({"model": "seedance2.0-md", "duration": 2}, "Nobody disputes 4 to 15."),
    ({"model": "seedance2.0-md", "images": FRAMES, "reference_audios": FRAMES[:1]}, "the route's own page takes no audio"),
    ({"model": "seedance2.5-md", "images": [f"https://example.com/{n}" for n in range(10)]}, "Nobody disputes up to 9."),
    ({"model": "seedance-2.5", "resolution": "1080p"}, "Nobody disputes 480p or 720p."),
]


@pytest.mark.parametrize(("fields", "told"), DISPUTED)
async def test_a_disputed_value_is_sent_with_a_dated_warning_or_refused_strictly(
    open_world: OpenWorld, fields: dict[str, Any], told: str
) -> None:
    request = {"prompt": "a fox", **fields}
    async with open_world(edition=EDITION) as world:
        dry = await world.call("create_video", {"request": request, "dry_run": True})
    warnings = [each for each in dry["warnings"] if told in each]
    assert warnings
    assert all(re.search(r"\b202\d\b.*; the edition 2026-09 allows it", each) for each in warnings)
    async with open_world(edition=EDITION, strict=True) as world:
        refused = await world.call("create_video", {"request": request})
        taken = await world.call("create_video", {"request": GZ})
        assert world.creates == 1
    assert told in refused.text
    assert refused.error["charged"] == "no"
    assert taken["task_id"]


async def test_a_resolution_that_only_the_larger_models_of_a_route_have_is_refused_with_those_of_the_model(
    open_world: OpenWorld,
) -> None:
    async with open_world(edition=EDITION) as world:
        refused = await world.call("create_video", {"request": {**GZ, "model": "seedance2.0-gz-mini", "resolution": "1080p"}})
        assert world.creates == 0
    assert (refused.error["field"], refused.error["allowed"]) == ("resolution", "one of 480p, 720p")


async def test_what_both_sources_refuse_is_refused(open_world: OpenWorld) -> None:
    async with open_world(edition=EDITION) as world:
        answer = await world.call("create_video", {"request": {"model": "sd2_mx_720p", "prompt": "a fox", "duration": 16}})
    assert answer.error["allowed"] == "a whole number from 4 to 15"


async def test_a_model_that_is_only_documented_is_used_after_a_yes(open_world: OpenWorld) -> None:
    request = {"model": "sd2.5-720p", "prompt": "a fox"}
    async with open_world(edition=EDITION) as world:
        dry = await world.call("create_video", {"request": request, "dry_run": True})
        asked = await world.call("create_video", {"request": request})
        assert world.creates == 0
        token = {"confirm_token": asked.error["confirm_token"]}
        made = await world.call("create_video", {"request": request, **token})
        old = await world.call("create_video", {"request": {"model": "seedance2.0-mini-sp", "prompt": "x"}, "dry_run": True})
    assert asked.error["code"] == "confirmation_required"
    assert "The model may not exist: only a page of its own names it" in asked.text
    assert any("asked to confirm" in each for each in dry["warnings"])
    assert made["task_id"]
    assert any("it may be retired (the provider's later documentation, August 2026)" in each for each in old["warnings"])


async def test_the_video_url_of_each_line_lives_as_long_as_its_page_says(open_world: OpenWorld) -> None:
    films = Films()
    async with open_world(edition=EDITION, sandbox=Sandbox(films, EDITION)) as world:
        gz, _ = await made_and_saved(world, GZ)
        sp, _ = await made_and_saved(world, {"model": "seedance2.0-sp", "prompt": "a fox"})
    assert gz["completed_at"][:8] == sp["completed_at"][:8]
    assert gz["video_url_expires_at"] < sp["video_url_expires_at"]


async def test_warnings_and_the_gallery_go_by_the_lifetime_of_the_row(open_world: OpenWorld) -> None:
    ago = timedelta(0)
    async with open_world(edition=EDITION, clock=lambda: utc_now() + ago) as world:
        made = {
            model: (await world.call("create_video", {"request": {"model": model, "prompt": "a fox"}}))["task_id"]
            for model in ("seedance2.0-gz", "seedance2.0-sp")
        }
        for task_id in made.values():
            await world.call("wait_for_video", {"task_id": task_id})
        gz, sp = made.values()
        ago = timedelta(minutes=1)
        first = " ".join((await world.call("list_tasks"))["warnings"])
        async with aclosing(open_ledger(world.settings, utc_now)) as ledger:
            page = await Gallery(ledger, "", world.settings, EDITION).write(utc_now(), renew=False, posters_most=0)
        ago = timedelta(hours=49)
        later = " ".join((await world.call("list_tasks"))["warnings"])
        ago = timedelta(hours=73)
        last = (await world.call("list_tasks"))["warnings"]
    assert gz in first
    assert sp not in first
    assert sp in later
    assert gz not in later
    assert last == []
    text = page.path.read_text("utf-8")
    assert len(set(re.findall(r"Link until.{0,40}?(\d{4}-\d\d-\d\d)", text, re.DOTALL))) == 2


async def test_a_list_of_many_routes_is_short_and_one_of_few_has_their_limits(open_world: OpenWorld) -> None:
    async with open_world(edition=EDITION) as world:
        every = await world.call("list_models")
        routes = {name: await world.call("list_models", {"route": name}) for name in EDITION.route_names}
    assert max(len(json.dumps(every.content)), len(every.text)) < 6000
    assert max(len(json.dumps(each.content)) for each in routes.values()) <= 2000
    assert [row["model"] for row in every["models"]] == list(EDITION.model_names)
    assert "without price_per or seconds: second, 4-15." in every["notes"][0]
    for short in every["routes"]:
        (whole,) = routes[short["route"]]["routes"]
        assert {"price_per": "second", "seconds": "4-15", **short} == {name: whole[name] for name in SAID if name in whole}
        assert whole["links"]


SAID = ("route", "purpose", "price_per", "seconds", "review")
"""What a list of many routes says of each."""


async def test_only_the_models_that_the_operator_names_are_offered(open_world: OpenWorld) -> None:
    narrow = offered_edition(Settings(edition="2026-09", models="std, seedance2.0-gz-720p, seedance2.0-mini"))
    async with open_world(edition=narrow) as world:
        listed = await world.call("list_models")
        refused = await world.call("create_video", {"request": {"model": "seedance2.0-sp", "prompt": "a fox"}})
        videos = {"model": "seedance2.0-mini", "prompt": "a fox", "reference_videos": FRAMES[:1]}
        without = await world.call("create_video", {"request": videos})
        made = await world.call("create_video", {"request": GZ})
        tools = {tool.name: tool for tool in (await world.client.list_tools()).tools}
    assert [model["model"] for model in listed["models"]] == ["seedance2.0-mini", "seedance2.0-std", "seedance2.0-gz"]
    assert "The operator does not offer it (SEEDANCE_MODELS)." in refused.text
    assert without.error["field"] == "reference_videos"
    assert made["task_id"]
    assert "sd2_mx" not in str(tools["create_video"].input_schema)
    assert tools["list_models"].input_schema["properties"]["route"]["description"] == "mini, std or gz."


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(edition="2031-01"), 'SEEDANCE_EDITION: there is no edition "2031-01"; allowed: 2026-07, 2026-09'),
        (Settings(models="sora"), 'SEEDANCE_MODELS: the edition 2026-07 has no model or route "sora"; allowed: full, sp, '),
    ],
)
def test_an_edition_or_model_that_there_is_not_is_refused_at_the_start(settings: Settings, told: str) -> None:
    with pytest.raises(NotConfigured) as caught:
        offered_edition(settings)
    assert told in caught.value.message


TOKENS_OF_5_S = 108_900
"""At 720p, 16:9: 121 frames of 1280 x 720 pixels / 1024."""


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
async def test_tokens_are_reserved_at_their_bound_and_settled_by_the_providers_cost(
    open_world: OpenWorld, factor: float
) -> None:
    bound = TOKENS_OF_5_S * 7 / 1_000_000
    sandbox = Sandbox(Films(), EDITION, token_factor=factor)
    async with open_world(edition=EDITION, sandbox=sandbox, max_cost_per_day="2") as world:
        dry = await world.call("create_video", {"request": GZ, "dry_run": True})
        made = await world.call("create_video", {"request": GZ})
        reserved = await world.call("get_balance")
        done = await world.call("wait_for_video", {"task_id": made["task_id"]})
        settled = await world.call("get_balance")
        listed = await world.call("list_models")
    assert dry["estimated_cost"] == made["estimated_cost"] == pytest.approx(bound)
    assert f"7 per million tokens x {TOKENS_OF_5_S} tokens" in dry["estimate"]
    assert made["cost"] is None
    assert reserved["spent_here"]["reserved"] == pytest.approx(bound)
    assert done["cost"] == pytest.approx(bound * factor)
    assert settled["spent_here"] == {"today": done["cost"], "total": done["cost"], "reserved": 0}
    assert settled["left_today"] == pytest.approx(2 - bound * factor)
    assert settled["account"]["used"] == pytest.approx(bound * factor)
    assert listed["cheapest"]["480p"].startswith("seedance")


BOUNDS: list[tuple[dict[str, Any], float]] = [
    ({"model": "seedance2.0-gz", "resolution": "1080p"}, (5 * 24 + 1) * 1920 * 1080),
    ({"model": "seedance2.0-gz", "ratio": "21:9"}, (5 * 24 + 1) * 1470 * 630),
    ({"model": "seedance2.0-gz", "ratio": "adaptive", "images": FRAMES[:1]}, (5 * 24 + 1) * 1112 * 834),
    ({"model": "seedance2.0-gz", "reference_videos": FRAMES[:1]}, ((5 + 15) * 24 + 1) * 1280 * 720),
    ({"model": "seedance2.5-gz", "duration": -1, "ratio": "16:9"}, (30 * 24 + 1) * 1280 * 720),
]


@pytest.mark.parametrize(("fields", "pixels"), BOUNDS)
async def test_the_bound_of_tokens_takes_the_longest_and_the_largest(
    open_world: OpenWorld, fields: dict[str, Any], pixels: float
) -> None:
    async with open_world(edition=EDITION) as world:
        dry = await world.call("create_video", {"request": {"prompt": "a fox", **fields}, "dry_run": True})
        (page,) = (await world.client.read_resource("seedance://pricing")).contents
    assert dry["estimated_cost"] == pytest.approx(pixels / 1024 * 7 / 1_000_000, rel=1e-4)
    assert "The routes gz, 2.5-gz are billed per million tokens" in str(page)
    assert "- seedance2.0-gz, 8 s at 720p: at most " in str(page)
