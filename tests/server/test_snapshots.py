"""What an agent sees, a file for each tool: a change of the code shows there what changes for agents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenWorld
from derived import check, check_only
from pydantic import BaseModel

FOLDER = Path(__file__).parent / "snapshots"

pytestmark = pytest.mark.anyio


def shown(listed: BaseModel) -> dict[str, Any]:
    return listed.model_dump(by_alias=True, mode="json", exclude_none=True)


def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


async def tools(open_world: OpenWorld, profile: str) -> dict[str, str]:
    async with open_world(schema_profile=profile) as world:
        return {tool.name: pretty(shown(tool)) for tool in (await world.client.list_tools()).tools}


async def test_each_tool_looks_to_an_agent_as_its_snapshot_does(open_world: OpenWorld) -> None:
    union, flat = await tools(open_world, "union"), await tools(open_world, "flat")
    made = {f"{name}.json": text for name, text in union.items() if flat[name] == text}
    for profile, found in (("union", union), ("flat", flat)):
        made |= {f"{name}.{profile}.json": text for name, text in found.items() if union[name] != flat[name]}
    for name, text in made.items():
        check(FOLDER / "tools" / name, text)
    check_only(FOLDER / "tools", set(made))


async def test_instructions_prompts_and_resources_look_as_their_snapshots_do(open_world: OpenWorld) -> None:
    async with open_world() as world:
        client = world.client
        assert client.instructions
        made = {
            "instructions.txt": client.instructions + "\n",
            "prompts.json": pretty([shown(each) for each in (await client.list_prompts()).prompts]),
            "resources.json": pretty([shown(each) for each in (await client.list_resources()).resources]),
            "resource_templates.json": pretty(
                [shown(each) for each in (await client.list_resource_templates()).resource_templates]
            ),
        }
    for name, text in made.items():
        check(FOLDER / name, text)
    check_only(FOLDER, {*made, "tools"})


async def test_the_tools_that_every_video_needs_come_first(open_world: OpenWorld) -> None:
    async with open_world() as world:
        names = [tool.name for tool in (await world.client.list_tools()).tools]
    assert names[:5] == ["list_models", "create_video", "get_task", "wait_for_video", "upload_asset"]
