"""What clients see before they call anything: tools, schemas, resources, completion."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import anyio
import pytest
from conftest import OpenWorld, World
from jsonschema import Draft202012Validator
from mcp.shared.exceptions import MCPError
from mcp_types import ResourceTemplateReference, TextResourceContents

from seedance_mcp._version import __version__
from seedance_mcp.catalogue.edition import edition_names, load_edition, narrowed
from seedance_mcp.catalogue.facts import RULES
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.film import render
from seedance_mcp.sandbox.order import Order, order_of
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.server.handlers import INSTRUCTIONS

pytestmark = pytest.mark.anyio
PROFILES = ("union", "flat")


async def listed(open_world: OpenWorld, **options: Any) -> list[dict[str, Any]]:
    async with open_world(**options) as world:
        tools = (await world.client.list_tools()).tools
    return [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in tools]


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield (node := cast("dict[str, Any]", schema))
        schema = list(node.values())
    if isinstance(schema, list):
        for value in cast("list[Any]", schema):
            yield from nodes(value)


SIZES = [
    ("2026-07", "union", 15_000, 29_000),
    ("2026-07", "flat", 8_500, 22_000),
    ("2026-09", "union", 23_000, 36_000),
    ("2026-09", "flat", 11_000, 24_000),
]


@pytest.mark.parametrize(("edition", "profile", "read_kb", "all_kb"), SIZES)
async def test_the_list_stays_small(open_world: OpenWorld, edition: str, profile: str, read_kb: int, all_kb: int) -> None:
    tools = await listed(open_world, schema_profile=profile, edition=load_edition(edition))
    read = [{name: tool[name] for name in ("name", "title", "description", "inputSchema")} for tool in tools]
    assert size(read) < read_kb
    assert size(tools) < all_kb


@pytest.mark.parametrize("profile", PROFILES)
async def test_two_routes_that_the_operator_offers_are_smaller_still(open_world: OpenWorld, profile: str) -> None:
    offered = narrowed(load_edition("2026-09"), ("gz", "2.5"))
    (create,) = [each for each in await listed(open_world, schema_profile=profile, edition=offered) if each["name"][0] == "c"]
    assert size(create["inputSchema"]) < 4_500


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_schema_says_in_words_which_models_a_route_has_and_every_rule_between_fields(
    open_world: OpenWorld, profile: str
) -> None:
    (create,) = [tool for tool in await listed(open_world, schema_profile=profile) if tool["name"] == "create_video"]
    words = json.dumps(create["inputSchema"], ensure_ascii=False)
    assert "Routes per second: full (sd2_mx_*), sp (sp fast-sp of-sp of-fast-sp), mini (mini mini-video)" in words
    assert "per task: mini-sp, md (md fast-md), fast-i2v, std. Names without * begin with seedance2.0-." in words
    assert all(RULES[rule] in words for route in load_edition().routes for rule in route.rules)
    assert f"{RULES['no_audio_with_frames']} (std)" in words
    assert "Image 1, Video 1, Audio 1" in words


async def test_the_page_of_limits_names_the_models_of_each_route_and_every_rule(open_world: OpenWorld) -> None:
    async with open_world() as world:
        (page,) = (await world.client.read_resource("seedance://limits")).contents
    assert isinstance(page, TextResourceContents)
    assert "| md | `seedance2.0-md`, `seedance2.0-fast-md` | task |" in page.text
    assert all(f"`{name}`" in page.text for name in load_edition().model_names)
    assert all(RULES[rule] in page.text for route in load_edition().routes for rule in route.rules)


BOUNDS = ("minimum", "maximum", "maxLength", "minItems", "maxItems")


@pytest.mark.parametrize("edition", edition_names())
async def test_the_short_form_says_every_bound_in_words_too(open_world: OpenWorld, edition: str) -> None:
    for tool in await listed(open_world, schema_profile="flat", edition=load_edition(edition)):
        for name, field in tool["inputSchema"]["properties"].items():
            bounds = {field[key] for key in BOUNDS if key in field} - ({1} if "items" in field else set())
            told = {float(number) for number in re.findall(r"(?:(?<!\d)-)?\d+(?:\.\d+)?", field.get("description", ""))}
            assert bounds <= told, (tool["name"], name)


@pytest.mark.parametrize("edition", edition_names())
@pytest.mark.parametrize("profile", PROFILES)
async def test_every_input_schema_is_portable(open_world: OpenWorld, profile: str, edition: str) -> None:
    for tool in await listed(open_world, schema_profile=profile, edition=load_edition(edition)):
        schema = tool["inputSchema"]
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        assert not {"anyOf", "oneOf", "allOf", "not", "if", "enum"} & set(schema)
        assert re.fullmatch(r"[a-z_]{1,40}", tool["name"])
        assert len(tool["description"]) < 600
        for node in nodes(schema):
            assert not {"$ref", "$defs", "const", "title", "format", "prefixItems"} & set(node)
            assert {"type": "null"} not in node.get("anyOf", [])
            assert node.get("type") != "array" or "items" in node
            assert isinstance(node.get("type", ""), str) or "properties" in node
            if isinstance(node.get("enum"), list):
                assert all(isinstance(value, str) for value in node["enum"])
            for field in node.get("properties", {}).values():
                assert "type" in field or "enum" in field
        if profile == "flat":
            assert "anyOf" not in json.dumps(schema)


async def test_every_tool_states_title_icon_hints_and_an_output_of_type_object(open_world: OpenWorld) -> None:
    tools = await listed(open_world)
    first = ["list_models", "create_video", "get_task", "wait_for_video", "upload_asset"]
    assert [tool["name"] for tool in tools][:5] == first
    for tool in tools:
        assert ("outputSchema" in tool) is (tool["name"] != "preview_video")  # clients that see one hide the picture
        if "outputSchema" in tool:
            assert tool["outputSchema"]["type"] == "object"
            Draft202012Validator.check_schema(tool["outputSchema"])
        assert len(tool["icons"]) == 1
        hints = tool["annotations"]
        assert {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint", "title"} <= set(hints)
        assert hints["destructiveHint"] is False
        assert re.search(r"Free|COSTS MONEY", tool["description"])
        following = {each["name"] for each in tools} - {tool["name"]}
        assert any(name in tool["description"] for name in following), "it says what to call next"
    create = next(tool for tool in tools if tool["name"] == "create_video")["annotations"]
    assert (create["readOnlyHint"], create["idempotentHint"], create["openWorldHint"]) == (False, False, True)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(("name", "flat"), [("cursor-vscode", True), ("gemini-cli-mcp-client", True), ("claude-code", False)])
async def test_the_clients_name_chooses_the_profile(open_world: OpenWorld, mode: str, name: str, flat: bool) -> None:  # noqa: FBT001
    tools = await listed(open_world, mode=mode, client_name=name)
    schema = next(tool for tool in tools if tool["name"] == "create_video")["inputSchema"]
    assert ("request" not in schema["properties"]) is flat


@pytest.mark.slow
async def test_every_result_and_error_fits_its_output_schema(open_world: OpenWorld) -> None:
    film = render(order_of(load_edition(), {"model": "seedance2.0-sp", "prompt": "a fox"}), [])

    async def drawn(order: Order, pictures: list[bytes]) -> bytes:
        return film

    async with open_world(sandbox=Sandbox(drawn)) as world:
        schemas = {tool.name: tool.output_schema for tool in (await world.client.list_tools()).tools}
        task = await world.create()
        asset = await world.call("upload_asset", {"source": "https://a.b/c.png", "model": "sd2_mx_720p"})
        calls: list[tuple[str, dict[str, Any]]] = [
            ("list_models", {"model": "seedance2.0-md"}),
            ("create_video", {"model": "seedance2.0-md", "prompt": "an owl"}),
            ("get_task", {"task_id": task["task_id"]}),
            ("wait_for_video", {"task_id": task["task_id"]}),
            ("download_video", {"task_id": task["task_id"]}),
            ("preview_video", {"task_id": task["task_id"]}),
            ("join_videos", {"tasks": [task["task_id"]] * 2}),
            ("list_tasks", {}),
            ("upload_asset", {"source": "https://a.b/c.png", "model": "sd2_mx_720p"}),
            ("get_asset", {"reference": asset["reference"], "model": "sd2_mx_720p"}),
            ("list_assets", {}),
            ("get_balance", {}),
        ]
        assert {name for name, _ in calls} == set(schemas)
        for name, arguments in calls:
            for given, is_error in ((arguments, False), ({"nonsense": 1}, True)):
                answer = await world.call(name, given)
                assert answer.is_error is is_error, answer.text
                validator: Any = Draft202012Validator(schemas[name] or {})
                validator.validate(answer.content)
        assert [name for name, schema in schemas.items() if schema is None] == ["preview_video"]


async def test_the_instructions_carry_the_workflow(open_world: OpenWorld) -> None:
    async with open_world() as world:
        assert world.client.instructions == INSTRUCTIONS
        assert world.client.server_info
        assert world.client.server_info.version == __version__
    assert len(INSTRUCTIONS) < 1500
    for tool in ("list_models", "upload_asset", "dry_run", "create_video", "wait_for_video", "download_video"):
        assert tool in INSTRUCTIONS


async def read(world: World, uri: str) -> tuple[str, str | None]:
    (content,) = (await world.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text, content.mime_type


async def test_resources_describe_prices_limits_and_models(open_world: OpenWorld) -> None:
    async with open_world() as world:
        uris = [str(each.uri) for each in (await world.client.list_resources()).resources]
        assert uris == ["seedance://pricing", "seedance://limits", "seedance://models"]
        pricing, kind = await read(world, "seedance://pricing")
        limits, _ = await read(world, "seedance://limits")
        models, models_kind = await read(world, "seedance://models")
        one, _ = await read(world, "seedance://models/seedance2.0-md")
    assert (kind, models_kind) == ("text/markdown", "application/json")
    assert "sd2_mx_4k | 0.4 | the provider's price list" in pricing
    assert "8 x 0.05 = 0.40" in pricing
    for route in load_edition().routes:
        assert f"| {route.name} | duration |" in limits
    for text in load_edition().sources.values():
        assert text in limits
    assert "the provider's later pages allow up to 15 seconds (site-08)" in limits
    assert len(json.loads(models)["models"]) == 23
    assert json.loads(one)["request_schema"]["properties"]["duration"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 15,
        "default": 5,
    }


async def test_prices_that_are_not_published_are_called_so(open_world: OpenWorld) -> None:
    async with open_world() as world:
        world.sandbox.faults = [Fault("hang", "catalog", 99)]
        text, _ = await read(world, "seedance://pricing")
    assert "not published" in text
    assert "has not answered" in text
    assert "8 x unit price" in text
    assert "0.05" not in text


@pytest.mark.parametrize("uri", ["seedance://nothing", "seedance://models/none", "seedance://models/"])
async def test_an_unknown_resource_is_told_with_the_known_ones(open_world: OpenWorld, uri: str) -> None:
    async with open_world() as world:
        with pytest.raises(MCPError) as caught:
            await world.client.read_resource(uri)
    assert caught.value.error.code == -32602
    assert "seedance" in caught.value.error.message


async def test_model_names_are_completed(open_world: OpenWorld) -> None:
    async with open_world() as world:
        templates = (await world.client.list_resource_templates()).resource_templates
        model, task = (ResourceTemplateReference(type="ref/resource", uri=each.uri_template) for each in templates)
        found = await world.client.complete(model, {"name": "model", "value": "-MD"})
        other = await world.client.complete(model, {"name": "colour", "value": ""})
        made = [(await world.create(prompt=f"fox {number}"))["task_id"] for number in range(3)]
        tasks = await world.client.complete(task, {"name": "task_id", "value": made[0][:8]})
    assert found.completion.values == ["seedance2.0-md", "seedance2.0-fast-md"]
    assert other.completion.values == []
    assert made[0] in tasks.completion.values


async def test_one_task_is_a_resource_and_stays_one_when_the_provider_is_away(open_world: OpenWorld) -> None:
    async with open_world() as world:
        task = await world.create()
        text, kind = await read(world, f"seedance://tasks/{task['task_id']}")
        world.sandbox.faults = [Fault("unavailable", "/videos/", 99)]
        await anyio.sleep(6)
        away, _ = await read(world, f"seedance://tasks/{task['task_id']}")
        with pytest.raises(MCPError):
            await world.client.read_resource("seedance://tasks/vid_unknown")
    assert kind == "application/json"
    assert json.loads(text)["task_id"] == json.loads(away)["task_id"] == task["task_id"]


async def test_a_bug_of_ours_is_told_without_a_traceback(open_world: OpenWorld, caplog: pytest.LogCaptureFixture) -> None:
    async with open_world() as world:
        task = await world.create()
        world.sandbox.faults = cast("Any", None)
        answer = await world.call("get_task", {"task_id": task["task_id"]})
        create = await world.create(prompt="another fox")
    assert answer.error["code"] == "provider_error"
    assert create.error["code"] == "outcome_unknown"
    assert create.error["charged"] == "maybe"
    assert "TypeError in a tool call" in caplog.text
    assert "TypeError while a request was under way" in caplog.text
    assert "a fox" not in caplog.text
