"""What whole errands cost an agent: how many calls, and how many characters of text a model is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenWorld, World
from mcp_types import TextContent
from reel import BLUE, GREEN, RED, Shot, clip, decode_here, wave_file

from seedance_mcp.media import long_jobs
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox

pytestmark = pytest.mark.anyio
TASK_CHARS = 1500
MOST_CHARS = {"list_models": 5000, "list_tasks": 6000, "get_task": TASK_CHARS + 400}
"""The most that a model is shown by one call; any other shows no more than a task, which `get_task` repeats as it was sent."""
PROMPT = "A woman in a red coat walks through the snow of an old town at dusk. The camera follows her from behind, slowly. "
FOX = {"model": "seedance2.0-sp", "prompt": PROMPT * 2, "duration": 5, "resolution": "720p"}
COLOURS = [RED, GREEN, BLUE]


@pytest.fixture(autouse=True)
def decoded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_jobs, "decode", decode_here)  # the same code as in the child, which starts later


@pytest.fixture
def films() -> Sandbox:
    async def drawn(order: Order, pictures: list[bytes]) -> bytes:
        return clip(Shot(COLOURS[order.seconds % 3], (640, 360)))

    return Sandbox(drawn)


@dataclass
class Agent:
    """One that calls tools and is shown the text of what they answer."""

    world: World
    shown: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Each call's tool, and the characters of its text blocks."""

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.world.client.call_tool(tool, arguments)
        texts = [block.text for block in result.content if isinstance(block, TextContent)]
        self.shown.append((tool, sum(map(len, texts))))
        assert self.shown[-1][1] < MOST_CHARS.get(tool, TASK_CHARS), texts
        assert not result.is_error, texts
        return result.structured_content or {}

    async def made(self, request: dict[str, Any] = FOX, **options: Any) -> str:
        """Make a video and wait for it, as `next` says."""
        task = await self.call("create_video", request=request, **options)
        done = await self.call(task["next"]["tool"], **task["next"]["arguments"])
        assert done["status"] == "completed"
        return done["task_id"]

    async def last_frame_of(self, task_id: str) -> str:
        return (await self.call("upload_asset", source=f"task:{task_id}#last", model=FOX["model"]))["reference"]

    @property
    def tools(self) -> list[str]:
        return [tool for tool, _ in self.shown]

    @property
    def chars(self) -> int:
        return sum(size for _, size in self.shown)


@pytest.mark.slow
async def test_from_a_text_to_a_saved_clip(open_world: OpenWorld, films: Sandbox) -> None:
    async with open_world(sandbox=films) as world:
        agent = Agent(world)
        await agent.call("list_models")
        saved = await agent.call("download_video", task_id=await agent.made())
    assert saved["bytes"]
    assert agent.tools == ["list_models", "create_video", "wait_for_video", "download_video"]
    assert agent.chars - len(str(world.settings.output_dir)) < 6000, agent.shown


@pytest.mark.slow
async def test_three_shots_continued_by_their_last_frames_and_joined_with_music(
    open_world: OpenWorld, films: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "song.wav").write_bytes(wave_file(3))
    async with open_world(sandbox=films) as world:
        agent = Agent(world)
        shots = [await agent.made(project="film")]
        for prompt in ("She opens the door of an inn.", "Inside, a fire is burning. She sits down."):
            frame = await agent.last_frame_of(shots[-1])
            shots.append(await agent.made({**FOX, "prompt": prompt, "first_image": frame}, project="film"))
        film = await agent.call("join_videos", tasks=shots, music=str(tmp_path / "song.wav"), project="film")
    assert (len(film["clips"]), world.creates) == (3, 3)
    assert len(agent.tools) == 9
    assert agent.chars < 5000, agent.shown


@pytest.mark.slow
async def test_one_of_four_takes_is_chosen_and_continued(open_world: OpenWorld, films: Sandbox) -> None:
    async with open_world(sandbox=films) as world:
        agent = Agent(world)
        takes = [(await agent.call("create_video", request=FOX, take=take))["task_id"] for take in range(1, 5)]
        for task_id in takes:
            await agent.call("wait_for_video", task_id=task_id)
        await agent.call("preview_video", task_ids=takes)
        frame = await agent.last_frame_of(takes[2])
        await agent.made({**FOX, "first_image": frame})
    assert len(agent.tools) == 12
    assert agent.chars < 8200, agent.shown


async def test_the_same_again_but_longer(open_world: OpenWorld, films: Sandbox) -> None:
    async with open_world(sandbox=films) as world:
        earlier = await Agent(world).made()
        agent = Agent(world)
        request = (await agent.call("get_task", task_id=earlier))["request"]
        await agent.made({**request, "duration": 8})
    assert len(agent.tools) == 3
    assert agent.chars < 2800, agent.shown
