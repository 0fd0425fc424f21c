"""The embedded sandbox forgets no task: not at a restart, and not in a second window."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.sandbox.kept_tasks import KeptTask, TaskFolder
from seedance_mcp.sandbox.serve import make_sandbox
from seedance_mcp.server.handlers import build_server
from seedance_mcp.settings import Settings

REQUEST = {"model": "seedance2.0-fast-i2v", "prompt": "a fox", "duration": 1}
TASK = KeptTask("vid_0123456789abcdef", {"model": "m"}, 0.5, 1, 2.0, 3.0, None)


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_second_window_and_a_restart_know_every_task(tmp_path: Path) -> None:
    settings = Settings(sandbox=True, data_dir=tmp_path / "data", output_dir=tmp_path / "videos")
    async with Client(build_server(settings)) as first, Client(build_server(settings)) as second:
        made = await called(first, "create_video", request=REQUEST)
        for window in (second, first):
            waited = await called(window, "wait_for_video", task_id=made["task_id"])
            assert waited["status"] == "completed"
        saved = await called(first, "download_video", task_id=made["task_id"])
    await anyio.Path(saved["path"]).unlink()
    async with Client(build_server(settings)) as restarted:
        again = await called(restarted, "download_video", task_id=made["task_id"])
        balance = await called(restarted, "get_balance")
    assert (again["path"], again["sha256"]) == (saved["path"], saved["sha256"])
    assert balance["account"]["used"] == pytest.approx(made["cost"])
    for path in (tmp_path / "data").glob("*/*"):
        assert path.stat().st_mode & 0o077 == 0


async def called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Give the structured content of a tool's result."""
    return (await client.call_tool(tool, arguments)).structured_content or {}


def test_a_task_folder_reads_what_it_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = TaskFolder(tmp_path / "tasks")
    folder.keep(TASK)
    assert (folder.find(TASK.task_id), folder.find_film(TASK.task_id), folder.spent()) == (TASK, None, 0.5)
    folder.keep_film(TASK.task_id, b"film")
    assert folder.find_film(TASK.task_id) == b"film"
    (tmp_path / "outside.json").write_text("{}", "utf-8")
    for name in ("../outside", "", "vid_nobody", "vid_" + "0" * 16):
        assert folder.find(name) is None
    for content in ("no json", "{}", "[]"):
        (tmp_path / "tasks" / f"{TASK.task_id}.json").write_text(content, "utf-8")
        assert folder.find(TASK.task_id) is None
    os.utime(tmp_path / "tasks" / f"{TASK.task_id}.json", (0, 0))
    again = TaskFolder(tmp_path / "tasks")
    assert [path.suffix for path in (tmp_path / "tasks").iterdir()] == [".mp4"]
    (tmp_path / "tasks" / f"{TASK.task_id}.mp4").unlink()
    (tmp_path / "tasks").rmdir()
    again.keep(TASK)  # the folder is gone: the task is in memory only
    assert again.find(TASK.task_id) is None


def test_a_folder_that_cannot_be_made_leaves_the_tasks_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert make_sandbox(load_edition(), folder=tmp_path / "file" / "tasks").kept is None
