"""What the provider did with a disputed value is kept, and shown in place of the sources that disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import OpenWorld, World, no_film
from mcp_types import TextResourceContents

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.tools.observations import FILE, Observations, Observed

pytestmark = pytest.mark.anyio
EDITION = load_edition("2026-09")
FULL = {"model": "sd2_mx_720p", "prompt": "a fox", "duration": 14}
QUARREL = "the contract allows 4 to 12"


async def dry(world: World, **fields: Any) -> str:
    found = await world.call("create_video", {"request": {**FULL, **fields}, "dry_run": True})
    return " ".join(found["warnings"])


async def notes(world: World, model: str = "sd2_mx_720p") -> str:
    return " ".join((await world.call("list_models", {"model": model}))["models"][0]["notes"])


async def page(world: World) -> str:
    (content,) = (await world.client.read_resource("seedance://limits")).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def test_a_disputed_value_that_was_accepted_is_observed_with_its_day(open_world: OpenWorld) -> None:
    async with open_world(edition=EDITION) as world:
        assert QUARREL in await dry(world)
        assert QUARREL in await notes(world)
        first = await world.call("create_video", {"request": FULL})
        day = first["created_at"][:10]
        told, noted = await dry(world, prompt="another"), await notes(world)
        assert QUARREL in await dry(world, duration=15)
        assert QUARREL in await notes(world, "sd2_mx_1080p")
        again = await world.call("create_video", {"request": {**FULL, "prompt": "another"}})
        limits = await page(world)
    assert QUARREL in " ".join(first["warnings"])
    assert f"- `sd2_mx_720p`: duration 14: observed {day}, the provider accepted it with this account." in limits
    for text in (told, noted, " ".join(again["warnings"])):
        assert QUARREL not in text
        assert f"duration 14: observed {day}, the provider accepted it with this account." in text
    assert len((world.settings.ledger_dir / FILE).read_text("utf-8").splitlines()) == 1


async def test_a_disputed_value_that_was_refused_is_observed_where_nothing_else_was_disputed(open_world: OpenWorld) -> None:
    sandbox = Sandbox(no_film, EDITION, faults=[Fault("bad_parameters", "/seedance/videos", 2)])
    async with open_world(edition=EDITION, sandbox=sandbox) as world:
        assert (await world.call("create_video", {"request": FULL})).is_error
        assert "duration 14: observed" in (told := await dry(world))
        assert "the provider refused it" in told
        two = {"model": "seedance2.0-md", "prompt": "a fox", "duration": 2, "images": ["https://example.com/a.png"]}
        two["reference_audios"] = ["https://example.com/a.mp3"]
        assert (await world.call("create_video", {"request": two})).is_error
        assert "observed" not in await notes(world, "seedance2.0-md")
        assert (await world.call("create_video", {"request": {**FULL, "prompt": "later"}}))["status"] == "queued"
        assert "the provider accepted it" in await dry(world)


@pytest.mark.parametrize("fault", ["unknown_model", "no_balance", "lost"])
async def test_a_refusal_for_another_reason_shows_nothing(open_world: OpenWorld, fault: str) -> None:
    sandbox = Sandbox(no_film, EDITION, faults=[Fault(fault, "/seedance/videos")])
    async with open_world(edition=EDITION, sandbox=sandbox) as world:
        assert (await world.call("create_video", {"request": FULL})).is_error
        assert not (world.settings.ledger_dir / FILE).exists()


def test_observations_survive_what_cannot_be_read(tmp_path: Path) -> None:
    kept, seen = Observations(tmp_path), Observed("m", "duration", 14, accepted=True, on="2026-11-27")
    (tmp_path / FILE).write_text('nonsense\n[1]\n{"model": 1}\n', "utf-8")
    kept.note([seen])
    kept.note([seen])
    assert [*kept.read().values()] == [seen]
    (tmp_path / FILE).write_bytes(b"\xff")
    assert kept.read() == {}
    Observations(tmp_path / FILE).note([seen])
