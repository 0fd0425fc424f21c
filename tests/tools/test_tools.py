"""What an agent meets: every tool through a real client, on the sandbox."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenWorld, png
from corpus import Clip, film

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.server.tool_table import TOOLS

pytestmark = pytest.mark.anyio
PNG = png(640, 480)
MP3 = (b"\xff\xfb\x90\x00" + bytes(413)) * 192


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_video_is_made_with_one_post_and_rising_progress(open_world: OpenWorld, mode: str) -> None:
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        assert total == 100
        assert message
        seen.append(progress)

    async with open_world(mode=mode) as world:
        task = await world.create()
        assert task["status"] == "queued"
        assert task["next"] == {"tool": "wait_for_video", "arguments": {"task_id": task["task_id"]}, "after_seconds": 15.0}
        done = await world.call("wait_for_video", task["next"]["arguments"], progress_callback=on_progress)
    assert done["status"] == "completed"
    assert done["video_url"].startswith("https://provider.invalid/results/")
    assert done["cost"] == done["estimated_cost"] == 0.25
    assert done["next"] == {"tool": "download_video", "arguments": {"task_id": task["task_id"]}, "after_seconds": 0}
    assert seen == sorted(set(seen))
    assert len(seen) > 1
    assert seen[-1] == 100
    assert world.creates == 1


async def test_the_first_video_of_a_model_is_forecast_from_published_times_and_says_so(open_world: OpenWorld) -> None:
    async with open_world() as world:
        first = await world.create(model="seedance2.0-fast-md", duration=10)
        assert 400 < first["eta_seconds"] < 1100
        assert any("first guess from published times" in told and "June 2026" in told for told in first["warnings"])
        unknown = await world.create()
        assert (unknown["eta_seconds"], len(unknown["warnings"])) == (None, 0)
        done = await world.call("wait_for_video", {"task_id": first["task_id"], "timeout_seconds": 1800})
        assert not any("guess" in told for told in done["warnings"])
        second = await world.create(model="seedance2.0-fast-md", duration=10, prompt="another fox")
        assert second["eta_seconds"] < 400
        assert not any("guess" in told for told in second["warnings"])


@pytest.mark.parametrize(("client_name", "longer"), [("claude-code", {"timeout_seconds": 110}), ("claude-ai", {})])
async def test_next_suggests_a_wait_that_the_client_bears(
    open_world: OpenWorld, client_name: str, longer: dict[str, int]
) -> None:
    async with open_world(client_name=client_name) as world:
        task = await world.create()
        assert task["next"]["arguments"] == {"task_id": task["task_id"], **longer}


async def test_both_halves_of_a_result_say_the_same(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create()
    for name, value in task.content.items():
        assert value in (None, [], False, {}, 0) or f"{name}: " in task.text
    assert task["task_id"] in task.text


async def test_a_prompt_is_shown_by_its_first_200_characters(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create(prompt="x" * 500)
        again = await world.call("get_task", {"task_id": task["task_id"]})
        dry = await world.call("create_video", {"model": "seedance2.0-sp", "prompt": "x" * 500, "dry_run": True})
    assert len(task["prompt"]) == len(again["prompt"]) == 200
    assert dry["prompt"] is None
    assert dry.text.count("x" * 500) == json.dumps(dry.content).count("x" * 500) == 1


async def test_a_dry_run_checks_and_prices_and_sends_nothing(open_world: OpenWorld) -> None:
    async with open_world() as world:
        request = {"model": "seedance2.0-md", "prompt": "a fox", "resolution": "720p", "duration": 3}
        answer = await world.call("create_video", {"request": request, "dry_run": True})
        assert answer["dry_run"] is True
        assert answer["task_id"] is None
        assert answer["request_id"].startswith("req_")
        assert answer["would_send"] == {"model": "seedance2.0-md", "prompt": "a fox", "duration": 3}
        assert answer["estimated_cost"] == 0.3
        assert answer["next"] == {"tool": "create_video", "arguments": {"dry_run": False}, "after_seconds": 0}
        assert world.creates == 0
        made = await world.call("create_video", {"request": request, **answer["next"]["arguments"]})
        assert (made["status"], world.creates) == ("queued", 1)


async def test_a_dry_run_tells_of_the_request_it_would_repeat_and_names_the_call_that_pays(open_world: OpenWorld) -> None:
    request = {"model": "seedance2.0-md", "prompt": "a fox"}
    async with open_world() as world:
        made = await world.call("create_video", {"request": request})
        dry = await world.call("create_video", {"request": request, "dry_run": True})
        assert any(made["task_id"] in told and "s ago" in told and "(queued)" in told for told in dry["warnings"]), dry.text
        assert dry["next"]["arguments"] == {"dry_run": False, "allow_duplicate": True}
        meant = await world.call("create_video", {"request": request, "dry_run": True, "allow_duplicate": True})
        assert meant["next"] == dry["next"]
        other = await world.call("create_video", {"request": request, "dry_run": True, "take": 2})
        assert (other["next"]["arguments"], len(other["warnings"])) == ({"dry_run": False}, len(dry["warnings"]) - 1)
        paid = await world.call("create_video", {"request": request, **dry["next"]["arguments"]})
        assert (paid["deduplicated"], world.creates) == (False, 2)


async def test_a_dry_run_of_a_request_whose_money_is_not_settled_leads_to_the_balance(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("lost", "/seedance/videos")]
        lost = await world.create()
        assert lost.error["code"] == "outcome_unknown"
        dry = await world.call("create_video", {"request": {"model": "seedance2.0-sp", "prompt": "a fox"}, "dry_run": True})
        assert dry["next"]["tool"] == "get_balance"
        assert any(lost.error["request_id"] in told and "not settled" in told for told in dry["warnings"]), dry.text


async def test_a_request_that_a_later_page_would_refuse_is_sent_with_a_warning(open_world: OpenWorld) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"resolution": "480p"}, "SP economy no longer takes 480p"),
        ({"model": "seedance2.0-fast-md", "duration": 5}, "only 10 or 15 seconds"),
        ({"model": "seedance2.0-md", "duration": 2}, "4 to 15 seconds"),
        ({"first_image": "https://a.b/c.png", "reference_audios": ["https://a.b/c.mp3"]}, "frame mode does not support audio"),
        ({"model": "seedance2.0-fast-sp", "reference_videos": ["https://a.b/c.mp4"]}, "takes no reference videos"),
        ({"orientation": "portrait", "ratio": "16:9"}, "ratio wins"),
    ]
    async with open_world() as world:
        plain = await world.create()
        assert plain["warnings"] == []
        assert (await world.create(ratio="16:9"))["warnings"] == []
        for fields, words in cases:
            task = await world.create(**fields)
            assert any(words in warning for warning in task["warnings"]), task.text


@pytest.mark.parametrize(
    "arguments",
    [
        {"request": {"model": "seedance2.0-sp", "prompt": "a fox", "duration": 6, "images": ["https://a.b/c.png"]}},
        {"model": "seedance2.0-sp", "prompt": "a fox", "duration": 6, "images": ["https://a.b/c.png"]},
        {"request": '{"model": "seedance2.0-sp", "prompt": "a fox", "duration": "6", "images": "[\\"https://a.b/c.png\\"]"}'},
        {"model": "seedance2.0-sp", "prompt": "a fox", "duration": "6", "images": '["https://a.b/c.png"]', "request": None},
        {
            "request": {
                "model": "seedance2.0-sp",
                "prompt": "a fox",
                "duration": 6.0,
                "images": ["https://a.b/c.png"],
                "ratio": None,
            }
        },
    ],
)
@pytest.mark.parametrize("profile", ["union", "flat"])
async def test_what_clients_really_send_is_understood(open_world: OpenWorld, profile: str, arguments: dict[str, Any]) -> None:
    async with open_world(schema_profile=profile) as world:
        answer = await world.call("create_video", {**arguments, "dry_run": "true", "confirm_token": None})
    assert answer["would_send"] == {
        "model": "seedance2.0-sp",
        "prompt": "a fox",
        "duration": 6,
        "resolution": "720p",
        "images": ["https://a.b/c.png"],
    }


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"duration": 99}, "duration", "duration was 99; allowed: a whole number from 4 to 15."),
        ({"images": ["./cat.png"]}, "images", 'upload_asset with {"source": "./cat.png", "model": "seedance2.0-sp"'),
        ({"first_image": "file:///a.png"}, "first_image", '"kind": "image"'),
        ({"first_image": "http://a.b/c.png"}, "first_image", "use the https:// address, or bring the file itself"),
        ({"model": "sd2_mx_720p", "images": "HTTP://a.b/c.png"}, "images", "use the https:// address, or bring the file"),
        ({"model": "sd2_mx_720p", "images": ["https://a.b/c.png"]}, "images", '{"source": "https://a.b/c.png"'),
        ({"images": ["my://notes/a.png"]}, "images", "Only https:// URLs can be read"),
        ({"images": ["./a b://c.png"]}, "images", 'upload_asset with {"source": "./a b://c.png"'),
        ({"images": ["data:image/svg+xml,<a href='http://b'>"]}, "images", "Bring the file itself with upload_asset"),
        ({"reference_audios": ["https://a.b/c.mp3"]}, "reference_audios", "need images, reference_videos or frames"),
        ({"videos": ["https://a.b/c.mp4"]}, "videos", "Did you mean reference_videos"),
        ({"model": "seedance2-sp"}, "model", "Did you mean seedance2.0-sp"),
        ({"model": None}, "model", "model is missing"),
        ({"prompt": None}, "prompt", "prompt is missing"),
        ({"model": "sd2_mx_1080p", "resolution": "720p"}, "resolution", "the name sd2_mx_1080p fixes it at 1080p"),
        ({"model": "sd2_mx_1080p", "duration": 13}, "duration", "later pages allow up to 15"),
        ({"model": "sd2_mx_1080p", "reference_videos": ["asset://a"]}, "reference_videos", "sd2_mx_video_1080p"),
        ({"model": "seedance2.0-md", "reference_audios": ["https://a"]}, "reference_audios", "seedance2.0-std"),
        ({"model": "seedance2.0-std", "images": ["asset://a"]}, "images", "takes no assets"),
        ({"images": [7]}, "images", "images was 7"),
    ],
)
async def test_a_refusal_names_the_field_what_is_allowed_and_the_remedy(
    open_world: OpenWorld, fields: dict[str, Any], field: str, words: str
) -> None:
    async with open_world() as world:
        answer = await world.create(**fields)
        assert world.creates == 0
    assert answer.error["code"] == "invalid_request"
    assert answer.error["charged"] == "no"
    assert answer.error["retryable"] is False
    assert answer.error["field"] == field
    assert answer.error["allowed"]
    assert words in answer.text
    assert "Nothing was charged" in answer.text
    assert "pydantic" not in answer.text
    assert "input_value" not in answer.text


@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("create_video", {"request": 7}, "request"),
        ("create_video", {"request": "no json"}, "request"),
        ("create_video", {"request": {"model": "seedance2.0-sp", "prompt": "x"}, "prompt": "x"}, "prompt"),
        ("create_video", {"model": "seedance2.0-sp", "prompt": "x", "dry_run": "maybe"}, "dry_run"),
        ("create_video", {"model": "seedance2.0-sp", "prompt": "x", "confirm_token": 7}, "confirm_token"),
        ("create_video", {}, "model"),
        ("get_task", {}, "task_id"),
        ("get_task", {"task": "x"}, "task"),
        ("wait_for_video", {"task_id": "x", "timeout_seconds": 0}, "timeout_seconds"),
        ("get_balance", {"x": 1}, "x"),
        ("list_models", {"model": "x"}, "model"),
        ("list_models", {"route": "x"}, "route"),
        ("list_models", {"resolution": "8k"}, "resolution"),
        ("list_models", {"takes": ["smell"]}, "takes"),
        ("list_models", {"takes": "[1"}, "takes"),
        ("get_asset", {"reference": "https://a.b/c", "model": "seedance2.0-sp"}, "reference"),
        ("get_asset", {"reference": "asset://a", "model": "seedance2.0-md"}, "reference"),
        ("no_such_tool", {}, "name"),
    ],
)
async def test_wrong_arguments_are_refused_in_words(
    open_world: OpenWorld, tool: str, arguments: dict[str, Any], field: str
) -> None:
    async with open_world() as world:
        answer = await world.call(tool, arguments)
    assert answer.error["code"] == "invalid_request"
    assert answer.error["field"] == field
    assert answer.error["allowed"]


NAMES = ", ".join(load_edition().model_names)
SP = {"model": "seedance2.0-sp", "prompt": "x"}
HTTPS = "https://a.b/c.png"


@pytest.mark.parametrize(
    ("tool", "given", "words"),
    [
        ("upload_asset", {"source": HTTPS}, f"model is missing; allowed: one of {NAMES}."),
        ("upload_asset", {"source": HTTPS, "model": 5}, f"model was 5; allowed: one of {NAMES}."),
        ("upload_asset", {"source": "http://a.b/c.png", "model": "seedance2.0-sp"}, "use the https:// address, or download"),
        ("list_models", {"takes": ["smell"]}, "allowed: a list of at least 1, each one of images"),
        ("list_models", {"takes": "[1"}, '"[1", JSON that is incomplete or broken (a whole list looks like ["…", "…"])'),
        ("create_video", {"request": '{"model": "seedance2.0-sp", "pro'}, "JSON that is incomplete or broken; allowed: an"),
        ("create_video", {"request": "a fox"}, '"a fox"; allowed: an object, for example {"model": '),
        ("create_video", {**SP, "images": '["https://a.b/c'}, "JSON that is incomplete or broken"),
        ("create_video", {**SP, "images": [HTTPS] * 12}, "images holds 12 entries; allowed: a list of 1 to 9, each"),
        ("create_video", {**SP, "seconds": 5}, "seconds is no field here. Did you mean duration?"),
        ("create_video", {**SP, "aspect_ratio": "1:1"}, "aspect_ratio is no field here. Did you mean ratio?"),
        ("create_video", {**SP, "drry_run": True}, "drry_run is no field here. Did you mean dry_run?"),
        (
            "create_video",
            {"request": SP, "drry_run": True},
            "drry_run is no argument here. Did you mean dry_run? Allowed: request,",
        ),
        (
            "create_video",
            {"request": {**SP, "dry_run": True}},
            "dry_run is no field here. Put dry_run beside request, not into it.",
        ),
        (
            "create_video",
            {"request": SP, "aspect_ratio": "1:1"},
            "aspect_ratio is no argument here. Allowed: request, dry_run,",
        ),
        (
            "create_video",
            {"request": SP, "duration": 5},
            "duration beside request; allowed: every request field inside request",
        ),
    ],
)
async def test_a_refusal_says_how_it_is_done(open_world: OpenWorld, tool: str, given: dict[str, Any], words: str) -> None:
    async with open_world() as world:
        answer = await world.call(tool, given)
    assert words in answer.text
    assert "upload_asset with" not in answer.text


@pytest.mark.parametrize(
    ("fields", "once"),
    [
        ({"images": [HTTPS], "first_image": HTTPS, "last_image": HTTPS}, "images cannot be combined with first_image"),
        ({"reference_audios": ["https://a.b/c.mp3"]}, "reference_audios need images, reference_videos or frames"),
        ({"seconds": 5, "aspect_ratio": "1:1", "fps": 24, "sound": True}, "model, prompt, duration, resolution"),
        ({"model": "sd9"}, NAMES),
        ({"duration": 99}, "a whole number from 4 to 15"),
    ],
)
async def test_what_is_allowed_is_said_once(open_world: OpenWorld, fields: dict[str, Any], once: str) -> None:
    async with open_world() as world:
        answer = await world.create(**fields)
    assert answer.text.count(once) == 1
    assert answer.error["allowed"]


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        ({"first_image": "vid_1"}, 'upload_asset with {"source": "task:vid_1#last", "model": "seedance2.0-sp"}'),
        ({"images": ["film_1"]}, 'upload_asset with {"source": "task:film_1#last", "model": "seedance2.0-sp"}'),
        ({"last_image": "task:vid_1"}, 'upload_asset with {"source": "task:vid_1#first", "model": "seedance2.0-sp"}'),
        ({"last_image": "task:vid_1#2.5"}, 'upload_asset with {"source": "task:vid_1#2.5", "model": "seedance2.0-sp"}'),
        ({"reference_videos": ["vid_1#last"]}, 'download_video with {"task_id": "vid_1"}, call upload_asset with the path'),
        ({"images": HTTPS}, f'Put it into a list: ["{HTTPS}"].'),
    ],
)
async def test_a_task_in_a_media_field_leads_to_its_frame_or_its_file(
    open_world: OpenWorld, fields: dict[str, Any], call: str
) -> None:
    async with open_world() as world:
        refused = await world.create(**fields)
        assert world.creates == 0
    assert refused.error["field"] == next(iter(fields))
    assert call in refused.text


@pytest.mark.parametrize("model", ["seedance2.0-sp", "sd2_mx_720p", "seedance2.0-std"])
async def test_pictures_to_see_and_a_first_frame_together_are_refused_with_the_difference(
    open_world: OpenWorld, model: str
) -> None:
    media = HTTPS if model == "seedance2.0-std" else "asset://a"
    async with open_world() as world:
        both = await world.create(model=model, images=[media], first_image=media)
        assert world.creates == 0
    assert both.error["code"] == "invalid_request"
    assert "Keep one: first_image is how the video begins, images what is seen in it." in both.text
    assert len(both.text) < 1200


async def test_models_are_filtered_by_what_is_needed(open_world: OpenWorld) -> None:
    async with open_world() as world:

        async def names(**filters: Any) -> set[str]:
            return {row["model"] for row in (await world.call("list_models", filters))["models"]}

        assert await names() == set(load_edition().model_names)
        assert await names(route="md") == {"seedance2.0-md", "seedance2.0-fast-md"}
        assert await names(resolution="4k") == {"sd2_mx_4k", "sd2_mx_video_4k"}
        assert await names(takes=["reference_videos", "https"], route="mini") == {"seedance2.0-mini-video"}
        assert await names(takes='["asset", "frames", "reference_audios"]', resolution="480p") == {
            "seedance2.0-sp",
            "seedance2.0-fast-sp",
            "seedance2.0-of-sp",
            "seedance2.0-of-fast-sp",
        }
        assert await names(model="seedance2.0-std") == {"seedance2.0-std"}
        assert await names(model="seedance2.0-std", takes=["asset"]) == set()


async def test_one_model_comes_with_its_own_schema_price_and_doubts(open_world: OpenWorld) -> None:
    async with open_world() as world:
        listed = await world.call("list_models", {"model": "sd2_mx_fast_1080p"})
    (row,) = listed["models"]
    assert listed["edition"] == "2026-07"
    assert listed["currency"] == "JimiCoin"
    assert row["duration"] == {"min": 4, "max": 12, "default": 5}
    assert row["resolution"] == {"allowed": ["1080p"], "default": "1080p"}
    assert row["reference_videos"]["max"] == 0
    assert row["asset_review"] == "audit"
    assert row["billing"]["unit_price"] == 0.11
    assert row["request_schema"]["properties"]["model"] == {"type": "string", "enum": ["sd2_mx_fast_1080p"]}
    assert "reference_videos" not in row["request_schema"]["properties"]
    assert any("allow up to 15 seconds" in note for note in row["notes"])


async def test_the_list_of_all_models_fits_a_context(open_world: OpenWorld) -> None:
    async with open_world() as world:
        listed = await world.call("list_models")
        full = await world.call("list_models", {"detail": "full"})
        of_sp = await world.call("list_models", {"route": "sp", "resolution": "720p"})
    assert max(len(json.dumps(listed.content)), len(listed.text)) <= 5000
    assert len(json.dumps(full.content)) < 45_000
    assert all(row["request_schema"] is None for row in full["models"])
    assert [row["route"] for row in of_sp["routes"]] == ["sp"]


async def test_one_list_answers_what_is_cheapest_and_best_at_a_resolution(open_world: OpenWorld) -> None:
    async with open_world() as world:
        listed = await world.call("list_models")
        mini = await world.call("list_models", {"model": "seedance2.0-mini", "detail": "brief"})
    rows = {row["model"]: row for row in listed["models"]}
    assert rows["seedance2.0-sp"] == {
        "model": "seedance2.0-sp",
        "route": "sp",
        "price": {"480p": 0.02, "720p": 0.05, "1080p": 0.11},
        "videos": 3,
    }
    assert listed["cheapest"]["480p"] == "seedance2.0-of-sp 0.1 (and 2 more)"
    assert listed["cheapest"]["4k"] == "sd2_mx_4k 2 (and 1 more)"
    assert all(route["purpose"] for route in listed["routes"])
    assert any("our advice" in note for note in listed["notes"])
    assert {route["route"] for route in listed["routes"]} == set(load_edition().route_names)
    assert [row["model"] for row in mini["models"]] == ["seedance2.0-mini"]


async def test_a_disputed_resolution_is_called_cheapest_only_where_no_other_model_has_it_and_says_so(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        mini = await world.call("list_models", {"route": "mini"})
        every = await world.call("list_models")
    assert mini["cheapest"]["1080p"] == "seedance2.0-mini 0.55; 1080p is disputed"
    assert "1080p is disputed" in mini.text
    assert "disputed" not in mini["cheapest"]["720p"]
    assert "seedance2.0-mini " not in every["cheapest"]["1080p"]
    assert not any("disputed" in cheapest for cheapest in every["cheapest"].values())


async def test_without_prices_no_model_is_called_the_cheapest(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("unavailable", times=9)]
        listed = await world.call("list_models", {"resolution": "4k"})
    assert (listed["cheapest"], listed["prices_as_of"]) == ({}, None)
    assert [row["price"] for row in listed["models"]] == [{"4k": None}] * 2


async def test_without_a_key_everything_is_listed_and_paid_tools_say_what_is_missing(open_world: OpenWorld) -> None:
    async with open_world(key=None) as world:
        assert len((await world.client.list_tools()).tools) == len(TOOLS)
        assert (await world.call("list_models"))["models"]
        answers = [
            await world.create(),
            await world.call("get_task", {"task_id": "vid_1"}),
            await world.call("get_balance"),
            await world.call("upload_asset", {"source": "https://a.b/c.png", "model": "seedance2.0-sp"}),
        ]
        dry = await world.call("create_video", {"model": "seedance2.0-sp", "prompt": "x", "dry_run": True})
        assert (await world.call("list_tasks"))["total"] == 0, "nothing was on its way"
    assert dry["would_send"]
    assert "No key is set: the operator must set SEEDANCE_API_KEY" in dry.text
    assert dry["next"] is None
    for answer in answers:
        assert answer.error["code"] == "not_configured"
        assert "SEEDANCE_API_KEY" in answer.text
        assert answer.error["charged"] == "no"


@pytest.mark.slow
async def test_a_wait_that_runs_out_gives_the_running_task_and_the_next_call(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.work_seconds = 600
        task = await world.create()
        waited = await world.call("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 60})
        assert waited["status"] == "processing"
        assert 0 < waited["progress"] < 100
        assert waited["next"]["tool"] == "wait_for_video"
        looks = sum(path.endswith(task["task_id"]) for _, path in world.sandbox.requests)
        assert looks <= 60 / 5
        done = await world.call("wait_for_video", {**waited["next"]["arguments"], "timeout_seconds": 1800})
    assert done["status"] == "completed"


async def test_progress_never_falls(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.work_seconds = 600
        task = await world.create()
        high = await world.call("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 120})
        world.sandbox.faults = [Fault("falling_progress")]
        assert (await world.call("get_task", {"task_id": task["task_id"]}))["progress"] >= high["progress"] > 1


async def test_a_failed_task_is_a_normal_result_and_is_not_asked_for_again(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("content_refused", "/seedance/videos")]
        task = await world.create()
        done = await world.call("wait_for_video", {"task_id": task["task_id"]})
        assert done["status"] == "failed"
        assert done["error"]["message"] == (
            'The provider\'s words: "content policy: the prompt was refused". Nothing was charged. Change the prompt or '
            "the references that it may mean, and ask the user before another video is paid."
        )
        assert done["next"] is None
        world.sandbox.requests.clear()
        assert (await world.call("get_task", {"task_id": task["task_id"]}))["status"] == "failed"
        assert (await world.call("get_task", {"task_id": task["request_id"]}))["status"] == "failed"
        assert world.sandbox.requests == []


async def test_an_asset_that_is_not_active_fails_the_task_and_the_money_comes_back(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create(images=["asset://nobody"])
        done = await world.call("wait_for_video", {"task_id": task["task_id"]})
        assert "asset is not active" in done["error"]["message"]
        assert "Nothing was charged. Bring the file with upload_asset, wait until get_asset says ready" in done.text
        await world.call("get_task", {"task_id": "vid_unknown"})
        balance = await world.call("get_balance")
    assert balance["account"] == {"balance": 100.0, "used": 0.0, "available": 100.0}
    assert balance["key"]["unlimited"] is True


@pytest.mark.sqlite_file
async def test_a_ledger_that_cannot_be_written_refuses_before_anything_is_sent(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with open_world(data_dir=tmp_path / "file" / "data") as first:
        answer = await first.create()
        assert answer.error["code"] == "not_configured"
        assert "SEEDANCE_DATA_DIR" in answer.text
        assert first.creates == 0


async def test_a_task_of_another_data_folder_is_adopted(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as first:
        task = await first.create()
        async with open_world(data_dir=tmp_path / "other", sandbox=first.sandbox) as second:
            done = await second.call("wait_for_video", {"task_id": task["task_id"]})
            again = await second.call("get_task", {"task_id": task["task_id"]})
    assert done["status"] == "completed"
    assert done["model"] == "seedance2.0-sp"
    assert done["prompt"] is None
    assert done["request_id"] == again["request_id"] != task["request_id"]


async def test_tasks_survive_a_restart(open_world: OpenWorld) -> None:
    async with open_world() as first:
        task = await first.create()
    async with open_world(sandbox=first.sandbox) as second:
        done = await second.call("wait_for_video", {"task_id": task["task_id"]})
    assert done["status"] == "completed"
    assert done["request_id"] == task["request_id"]
    assert done["prompt"] == "a fox"


async def test_a_local_picture_becomes_a_link_where_the_route_takes_links(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "my cat.png").write_bytes(PNG)
    async with open_world() as world:
        source = {"source": str(tmp_path / "my cat.png"), "model": "seedance2.0-std"}
        asset = await world.call("upload_asset", source)
        assert asset["ready"] is True
        assert asset["kind"] == "image"
        assert asset["bytes"] == len(PNG)
        assert asset["use_in"] == ["images", "first_image", "last_image"]
        assert re.fullmatch(r"https://uploads.sandbox.invalid/\w+/my_cat.png", asset["reference"])
        assert asset["expires_at"]
        assert list(world.sandbox.uploads.values()) == [PNG]
        as_link = await world.call("upload_asset", {**source, "source": f"file://{tmp_path}/my%20cat.png"})
        assert as_link["reference"]
        assert (await world.create(model="seedance2.0-std", images=[asset["reference"]]))["task_id"]


@pytest.mark.slow
async def test_a_conversion_reports_its_progress(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "fox.flv").write_bytes(film(Clip("flv", "flv", frames=75, rate=25, sound_seconds=3, size_px=(320, 320))))
    seen: list[tuple[float, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, message))

    async with open_world() as world:
        source = {"source": str(tmp_path / "fox.flv"), "model": "seedance2.0-std"}
        asset = await world.call("upload_asset", source, progress_callback=on_progress)
    assert asset["changes"][0].startswith("converted from an FLV video")
    assert seen == sorted(seen)
    assert {message for _, message in seen} == {"converting"}


@pytest.mark.parametrize(("model", "portrait"), [("sd2_mx_720p", False), ("seedance2.0-sp", False), ("seedance2.0-sp", True)])
async def test_a_review_is_waited_for_until_it_is_active(
    open_world: OpenWorld,
    tmp_path: Path,
    model: str,
    portrait: bool,  # noqa: FBT001
) -> None:
    (tmp_path / "face.png").write_bytes(PNG)
    source = {"source": str(tmp_path / "face.png"), "model": model, "portrait": portrait, "name": "face"}
    async with open_world() as world:
        early = await world.call("upload_asset", {**source, "wait_seconds": 0})
        assert early["ready"] is False
        assert early["next"]["tool"] == "get_asset"
        asset = await world.call("upload_asset", source)
        assert asset["ready"] is True
        assert asset["reference"] == f"asset://{asset['asset_id']}"
        assert asset["next"] is None
        seen = await world.call("get_asset", early["next"]["arguments"])
        assert seen["status"] == "active"
        task = await world.create(model=model, images=[asset["reference"]])
        done = await world.call("wait_for_video", {"task_id": task["task_id"]})
        assert done["status"] == "completed"


async def test_a_review_that_takes_longer_than_the_wait_is_no_error(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.review_seconds = 1000
        asset = await world.call(
            "upload_asset", {"source": "https://a.b/voice.mp3", "model": "sd2_mx_720p", "wait_seconds": 20}
        )
        assert asset["status"] == "processing"
        assert asset["use_in"] == ["reference_audios"]
        assert asset["bytes"] is None
        assert (await world.call("get_asset", asset["next"]["arguments"]))["ready"] is False


async def test_a_refused_review_is_an_error_at_upload_and_a_result_at_get_asset(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("asset_rejected", "/audit", 2)]
        source = {"source": "https://a.b/cat.png", "model": "sd2_mx_720p"}
        answer = await world.call("upload_asset", source)
        assert answer.error["code"] == "asset_rejected"
        early = await world.call("upload_asset", {**source, "wait_seconds": 0})
        await world.call("upload_asset", {**source, "wait_seconds": 30})
        assert (await world.call("get_asset", early["next"]["arguments"]))["status"] == "failed"


async def test_a_file_that_the_audit_does_not_take_is_an_error_with_the_reason(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("audit_refused", "/audit")]
        answer = await world.call("upload_asset", {"source": "https://a.b/cat.png", "model": "sd2_mx_720p"})
    assert answer.error["code"] == "asset_rejected"
    assert "the file could not be read" in answer.text


async def test_a_review_that_cannot_be_looked_at_leaves_the_upload_standing(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("unavailable", "/detail", 99)]
        asset = await world.call("upload_asset", {"source": "https://a.b/cat.png", "model": "seedance2.0-sp"})
        assert asset["status"] == "processing"
        assert (await world.call("get_asset", asset["next"]["arguments"])).error["code"] == "provider_error"
        world.sandbox.faults = [Fault("unauthorized", "/detail")]
        answer = await world.call("upload_asset", {"source": "https://a.b/cat.png", "model": "seedance2.0-sp"})
        assert answer.error["code"] == "auth_failed"


async def test_an_unknown_asset_is_told_so(open_world: OpenWorld) -> None:
    async with open_world() as world:
        answer = await world.call("get_asset", {"reference": "asset://nobody", "model": "seedance2.0-sp"})
        full = await world.call("get_asset", {"reference": "asset://nobody", "model": "sd2_mx_720p"})
    assert answer.error["code"] == "asset_rejected"
    assert "no such asset" in answer.text
    assert full.error["code"] == "asset_rejected"
    assert "has no asset of this reference for sd2_mx_720p" in full.text
    for told in (answer, full):
        assert "get_asset" not in told.text
        assert "bring the file with upload_asset" in told.text
        assert told.error["retryable"] is False


async def test_an_unknown_task_leads_to_the_list(open_world: OpenWorld) -> None:
    async with open_world() as world:
        for task_id in ("vid_unknown", "req_unknown", "no such thing"):
            answer = await world.call("get_task", {"task_id": task_id})
            assert answer.error["code"] == "task_not_found"
            assert "list_tasks" in answer.text
            assert "任务不存在" not in answer.text
            assert "appear" not in answer.text


async def test_a_portrait_is_for_sp_alone(open_world: OpenWorld) -> None:
    async with open_world() as world:
        source = {"source": "https://a.b/face.png", "model": "seedance2.0-md", "portrait": True}
        answer = await world.call("upload_asset", source)
    assert answer.error["field"] == "portrait"
    assert "seedance2.0-of-sp" in answer.error["allowed"]
    assert world.sandbox.requests == []


@pytest.mark.parametrize(("model", "route"), [("seedance2.0-std", "std"), ("sd2_mx_720p", "full"), ("seedance2.0-sp", "sp")])
async def test_an_upload_says_for_which_models_its_reference_is_good_and_how_large_it_is(
    open_world: OpenWorld, tmp_path: Path, model: str, route: str
) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    async with open_world() as world:
        of_file = await world.call("upload_asset", {"source": str(tmp_path / "cat.png"), "model": model})
        of_url = await world.call("upload_asset", {"source": HTTPS, "model": model})
        seen = await world.call("get_asset", {"reference": of_file["reference"], "model": model})
    for asset in (of_file, of_url) if model == "seedance2.0-std" else (of_file, of_url, seen):
        size = "" if asset is of_url else " It is 640x480 px."
        assert asset["note"] == f"Good for every model of the route {route}.{size}"
        assert asset["note"] in asset.text


async def test_an_svg_is_sent_as_it_is_and_the_answer_says_that_nobody_looked_at_it(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><rect width="9" height="9"/></svg>'
    (tmp_path / "fox.svg").write_bytes(drawing)
    async with open_world() as world:
        asset = await world.call("upload_asset", {"source": str(tmp_path / "fox.svg"), "model": "sd2_mx_720p"})
        assert list(world.sandbox.uploads.values()) == [drawing]
    assert asset["note"] == (
        "Good for every model of the route full. An SVG goes as it is, not looked at as a picture; a PNG is surer."
    )


async def test_a_kind_that_the_file_is_not_is_refused(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_bytes(MP3)
    async with open_world() as world:
        source = {"source": str(tmp_path / "song.mp3"), "model": "seedance2.0-sp"}
        wrong = await world.call("upload_asset", {**source, "kind": "image"})
        right = await world.call("upload_asset", {**source, "kind": "audio"})
        unclear = await world.call("upload_asset", {**source, "source": "https://a.b/media"})
        named = await world.call("upload_asset", {**source, "source": "https://a.b/media", "kind": "video"})
    assert wrong.error["allowed"] == "audio"
    assert right["use_in"] == ["reference_audios"]
    assert unclear.error["field"] == "kind"
    assert named["use_in"] == ["reference_videos"]


async def test_estimates_say_so_when_no_price_is_published(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("unavailable", "catalog", 9)]
        answer = await world.call("create_video", {"model": "seedance2.0-sp", "prompt": "x", "dry_run": True})
        assert answer["estimated_cost"] is None
        assert "not published" in answer["warnings"][-1]
        listed = await world.call("list_models", {"model": "seedance2.0-sp"})
        assert listed["models"][0]["billing"]["unit_price"] is None
        assert listed["prices_as_of"] is None


async def test_the_operators_own_prices_win(open_world: OpenWorld, tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(
        '[[price]]\nname = "sd2_sp_720p"\nper = "second"\nunit_price = 0.0479\nsource = "contract"\nseen = 2026-09-30\n',
        "utf-8",
    )
    with own.open("a", encoding="utf-8") as file:
        file.write('[[price]]\nname = "seedance2.0-md"\nper = "task"\nunit_price = 0.003\n')
    async with open_world(prices=own) as world:
        task = await world.create()
        listed = await world.call("list_models")
    assert listed["cheapest"]["720p"] == "seedance2.0-md 0.003"
    assert task["estimated_cost"] == 0.2395
    assert task["cost"] == 0.25
    assert "contract" in task["estimate"]


async def test_a_first_reference_video_that_is_billed_on_top_is_mentioned(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create(model="seedance2.0-mini-video", reference_videos=["https://a.b/c.mp4"])
        other = await world.create(model="seedance2.0-sp", reference_videos=["https://a.b/c.mp4"])
    assert "first reference video's seconds come on top" in task["estimate"]
    assert "reference video" not in other["estimate"]


async def test_a_length_beyond_the_route_names_shots_and_their_join(open_world: OpenWorld) -> None:
    request = {"model": "sd2_mx_720p", "prompt": "a fox", "duration": 30}
    async with open_world() as world:
        long = await world.call("create_video", {"request": request})
        odd = await world.call("create_video", {"request": {**request, "duration": "long"}})
        short = await world.call("create_video", {"request": {**request, "duration": 1}})
    assert "task:<id>#last" in long.text
    assert "join_videos" in long.text
    assert len(long.text) < 1200
    assert "join_videos" not in odd.text + short.text
