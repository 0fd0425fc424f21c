"""Keepers: processes that save every finished video, each video once, whoever of them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import tiny_film
from deadline import running

from seedance_mcp.money.records import NewRequest, Wanted
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import run_in_background
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import Shared

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
VIDEOS = 4


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def create_for(shared: Shared, principal: str, number: int) -> None:
    """Make one video as a server did that has ended since."""
    body: dict[str, Any] = {"model": "seedance2.0-sp", "prompt": f"a fox, {number}"}
    ledger = shared.session(principal).ledger
    kept = await ledger.reserve(NewRequest(body, f"x{number}", None), window_seconds=None, admit=lambda _: None)
    await ledger.mark_sending(kept.record.request_id, None)
    await ledger.observe(kept.record.request_id, await shared.client.create_video(body))


class Held(Sandbox):
    """Sends no video to the first one that asks."""

    asked = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/open-api/" not in request.url.path and not self.asked:
            self.asked = True
            await anyio.sleep_forever()
        return await super().__call__(request)


def saved_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "videos").rglob("*.mp4"))


async def saved_rows(shared: Shared) -> list[int]:
    """How many saved videos the ledger knows of each principal; a keeper writes that down after the file is there."""
    return [(await shared.session(name).ledger.totals(Wanted(saved=True))).count for name in ("anna", "bert")]


async def until(saved: list[int], shared: Shared) -> None:
    while await saved_rows(shared) != saved:  # noqa: ASYNC110 - another process makes it true
        await anyio.sleep(0.1)


@asynccontextmanager
async def place_of(sandbox: Sandbox, folder: Path) -> AsyncGenerator[tuple[Shared, dict[str, str]]]:
    """Give a ledger whose provider is a sandbox, and the variables that name both to a process."""
    async with run_in_background(sandbox) as provider:
        folders = {"SEEDANCE_DATA_DIR": str(folder / "data"), "SEEDANCE_OUTPUT_DIR": str(folder / "videos")}
        environment = {**os.environ, **folders, "SEEDANCE_BASE_URL": provider, "SEEDANCE_API_KEY": KEY}
        environment["SEEDANCE_LOG_LEVEL"] = "INFO"
        with pytest.MonkeyPatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            shared = Shared(Settings())
        async with aclosing(shared):
            yield shared, environment


async def test_a_keeper_that_is_killed_in_the_middle_of_a_save_is_soon_replaced(tmp_path: Path) -> None:
    sandbox = Held(tiny_film, queue_seconds=0.05, work_seconds=0.1)
    async with place_of(sandbox, tmp_path) as (shared, environment):
        await create_for(shared, "anna", 0)
        command = [sys.executable, "-m", "seedance_mcp", "keep"]
        options: dict[str, Any] = {"stderr": subprocess.DEVNULL, "env": environment}
        with running("a keeper", command, **options) as first:
            while not sandbox.asked:  # noqa: ASYNC110 - another thread makes it true
                await anyio.sleep(0.05)
            first.kill()
        with running("a keeper", command, **options) as other:
            await until([1, 0], shared)
            other.send_signal(signal.SIGTERM)
    assert len(saved_files(tmp_path)) == 1


async def test_two_keepers_save_everybodys_videos_once_and_one_that_is_killed_is_replaced(tmp_path: Path) -> None:
    sandbox = Sandbox(tiny_film, queue_seconds=0.05, work_seconds=0.1)
    async with place_of(sandbox, tmp_path) as (shared, environment):
        for number in range(VIDEOS):
            await create_for(shared, ("anna", "bert")[number % 2], number)
        command = [sys.executable, "-m", "seedance_mcp", "keep"]
        options: dict[str, Any] = {"stderr": subprocess.PIPE, "env": environment}
        with running("a keeper", command, **options) as first, running("a keeper", command, **options) as other:
            for each in (first, other):
                assert each.stderr
                assert each.stderr.readline() == "seedance-mcp: keeping finished videos\n"
            await until([2, 2], shared)
            first.kill()
            await create_for(shared, "anna", VIDEOS)
            await until([3, 2], shared)
            other.send_signal(signal.SIGTERM)
            _, errors = other.communicate()
        assert "Traceback" not in errors
        rows = await saved_rows(shared)
    assert rows == [3, 2]
    assert len(saved_files(tmp_path)) == VIDEOS + 1
