"""What one process shares, and what one caller sees."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import OpenWorld
from pydantic import ValidationError

from seedance_mcp.settings import Settings
from seedance_mcp.tools import session
from seedance_mcp.tools.session import SESSIONS_KEPT, Shared

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_only_the_sessions_used_last_are_kept(tmp_path: Path) -> None:
    shared = Shared(Settings(data_dir=tmp_path))
    first = shared.session("first")
    assert shared.session("first") is first
    for number in range(SESSIONS_KEPT):
        shared.session(f"caller {number}")
    assert shared.session("first") is not first


@pytest.mark.anyio
async def test_calls_that_see_the_same_row_share_one_view_of_it(tmp_path: Path) -> None:
    async with aclosing(Shared(Settings(data_dir=tmp_path), now=lambda: NOON)) as shared:
        ours = shared.session()
        record = await ours.ledger.adopt("vid_1", None)
        view = await ours.view(record)
        assert await ours.view(record) is view


@pytest.mark.anyio
async def test_only_the_request_bodies_used_last_are_kept(open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "BODIES_KEPT", 1)
    async with open_world() as world:
        tasks = [await world.create(prompt=prompt) for prompt in ("a fox", "a hen")]
        for task in tasks * 2:
            shown = await world.call("get_task", {"task_id": task["task_id"]})
            assert shown["request"]["prompt"] == task["prompt"]


def test_a_folder_that_is_no_path_is_refused() -> None:
    with pytest.raises(ValidationError, match="data_dir"):
        Settings.model_validate({"data_dir": 5})
