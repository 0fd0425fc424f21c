"""Two processes that are to save one video: it is transferred once, and once more where the first one is killed at it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import tiny_film
from deadline import running
from s3 import S3

from seedance_mcp.money.records import NewRequest, Wanted
from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import run_in_background
from seedance_mcp.settings import Settings
from seedance_mcp.tools.saving import CLAIM_SECONDS
from seedance_mcp.tools.session import Shared

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.processes]
DOWNLOADER = [sys.executable, str(Path(__file__).with_name("downloader.py"))]
KEEPER = [sys.executable, "-m", "seedance_mcp", "keep"]
AFTER_A_CLAIM = str(CLAIM_SECONDS + 1)
WAITS = "another process is downloading this video\n"
IN_THE_BACKGROUND: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Library(Sandbox):
    """Sends a video for the first time when `may_send` says so, and counts how often it was asked for."""

    transfers: int = 0
    may_send: Callable[[], object] = lambda: True

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/results/"):
            self.transfers += 1
            if self.transfers == 1:
                while not self.may_send():  # noqa: ASYNC110 - another thread makes it true
                    await anyio.sleep(0.02)
        return await super().__call__(request)


@pytest.fixture(params=["disk", "bucket", "bucket that is not listed"])
def place(request: pytest.FixtureRequest, ledger_place: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The variables that name ledger and video store to a process."""
    if request.param == "disk":
        return {**ledger_place, "SEEDANCE_OUTPUT_DIR": str(tmp_path / "videos")}
    endpoint: S3 = request.getfixturevalue("endpoint")
    endpoint.refuses_lists = 0 if request.param == "bucket" else 403
    return {**ledger_place, **endpoint.environment, "SEEDANCE_VIDEO_STORE": "s3://films/team"}


@pytest.fixture
def kept(place: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], list[str]]:
    """Name everything that the store holds, hidden files too."""

    def on_disk() -> list[str]:
        return sorted(path.name for path in (tmp_path / "videos").rglob("*") if path.is_file())

    def in_bucket() -> list[str]:
        return sorted(path.rpartition("/")[2] for path in request.getfixturevalue("endpoint").objects)

    return in_bucket if "SEEDANCE_VIDEO_STORE" in place else on_disk


@asynccontextmanager
async def finished(sandbox: Sandbox, place: dict[str, str]) -> AsyncGenerator[tuple[Shared, dict[str, str], str]]:
    """Make a video; gives what this process shares, the variables for others, and the task's id."""
    async with run_in_background(sandbox) as provider:
        environment = {**os.environ, **place, "SEEDANCE_BASE_URL": provider, "SEEDANCE_API_KEY": KEY}
        with pytest.MonkeyPatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            shared = Shared(Settings())
        async with aclosing(shared):
            body: dict[str, Any] = {"model": "seedance2.0-sp", "prompt": "a fox"}
            ledger = shared.session("anna").ledger
            made = await ledger.reserve(NewRequest(body, "x", None), window_seconds=None, admit=lambda _: None)
            await ledger.mark_sending(made.record.request_id, None)
            task = await shared.client.create_video(body)
            while task.status != "completed":
                task = await shared.client.get_task(task.task_id or "")
            await ledger.observe(made.record.request_id, task)
            yield shared, environment, task.task_id or ""


@contextmanager
def nothing_is_written(place: dict[str, str], request: pytest.FixtureRequest) -> Generator[bool]:
    """Hold the lock of the ledger that every writer wants."""
    if url := place.get("SEEDANCE_DATABASE_URL"):
        with request.getfixturevalue("databases").connected(url) as db, db.transaction():
            db.execute("LOCK TABLE requests IN EXCLUSIVE MODE")
            yield True
    else:
        db = sqlite3.connect(Path(place["SEEDANCE_DATA_DIR"]) / LEDGER_FILE, check_same_thread=False)
        db.execute("BEGIN IMMEDIATE")
        yield True
        db.close()


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Give the last line of a downloader."""
    assert process.stdout
    return json.loads(process.stdout.readlines()[-1])


@pytest.mark.parametrize("first", ["keeper", "call"])
async def test_a_saver_that_is_killed_between_the_file_and_the_ledger_leaves_one_file(
    place: dict[str, str], kept: Callable[[], list[str]], request: pytest.FixtureRequest, first: str
) -> None:
    sandbox, lock = Library(tiny_film, queue_seconds=0, work_seconds=0), ExitStack()
    async with finished(sandbox, place) as (shared, environment, task_id):
        sandbox.may_send = lambda: lock.enter_context(nothing_is_written(place, request))
        command = KEEPER if first == "keeper" else [*DOWNLOADER, task_id, "the first"]
        with lock, running("the first saver", command, env=environment, **IN_THE_BACKGROUND) as process:
            while not any(name.endswith(".mp4") for name in kept()):  # noqa: ASYNC110 - another process makes it true
                await anyio.sleep(0.02)
            process.kill()
        assert (await shared.session("anna").ledger.totals(Wanted(saved=True))).count == 0
        command = [*DOWNLOADER, task_id, "another", AFTER_A_CLAIM]
        options: dict[str, Any] = {"env": environment, "stdout": subprocess.PIPE}
        with running("the second saver", command, **options) as process:
            saved = await anyio.to_thread.run_sync(answer, process)
        (name,) = kept()
        assert name == ("the first.mp4" if first == "call" else f"{shared.now():%Y-%m-%d} seedance2.0-sp {task_id}.mp4")
        assert (await shared.session("anna").ledger.totals(Wanted(saved=True))).count == 1
        assert sandbox.transfers == 1
        assert saved["bytes"] == 2104


@asynccontextmanager
async def two_calls(
    place: dict[str, str], tmp_path: Path
) -> AsyncGenerator[tuple[Library, list[bool], subprocess.Popen[str], subprocess.Popen[str]]]:
    """Ask two processes for one video.

    Gives the provider, a list that lets it send once it holds anything, the process whose transfer is under way, and the other,
    which waits for that.
    """
    sandbox, is_released = Library(tiny_film, queue_seconds=0, work_seconds=0), list[bool]()
    sandbox.may_send = is_released.copy
    piped: dict[str, Any] = {"stdout": subprocess.PIPE}
    async with finished(sandbox, place) as (_, environment, task_id):
        elsewhere, command = elsewhere_of(environment, tmp_path), [*DOWNLOADER, task_id, ""]
        with running("the first call", command, env=environment, **piped) as one:
            while not sandbox.transfers:  # noqa: ASYNC110 - another thread makes it true
                await anyio.sleep(0.02)
            with running("the second call", command, env=elsewhere, **piped) as other:
                assert other.stdout
                assert await anyio.to_thread.run_sync(other.stdout.readline) == WAITS
                yield sandbox, is_released, one, other


async def test_two_processes_that_are_asked_at_once_transfer_a_video_once(
    place: dict[str, str], kept: Callable[[], list[str]], tmp_path: Path
) -> None:
    async with two_calls(place, tmp_path) as (sandbox, is_released, one, other):
        is_released.append(True)
        answers = [await anyio.to_thread.run_sync(answer, process) for process in (one, other)]
    assert len(kept()) == 1
    assert sandbox.transfers == 1
    assert [[each[name] for name in ("bytes", "sha256", "path")] for each in answers] == [
        [answers[0][name] for name in ("bytes", "sha256", "path")]
    ] * 2


@pytest.mark.parametrize("place", ["bucket"], indirect=True)
async def test_a_process_that_is_killed_in_a_transfer_is_replaced_when_its_claim_ends(
    place: dict[str, str], kept: Callable[[], list[str]], tmp_path: Path
) -> None:
    async with two_calls(place, tmp_path) as (sandbox, is_released, one, other):
        one.kill()
        saved = await anyio.to_thread.run_sync(answer, other)
        is_released.append(True)
    assert saved["bytes"] == 2104
    assert len(kept()) == 1
    assert sandbox.transfers == 2


def elsewhere_of(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The variables of a process of another machine, where the ledger is in a database."""
    if "SEEDANCE_DATABASE_URL" in environment:
        return {**environment, "SEEDANCE_DATA_DIR": str(tmp_path / "other data")}
    return environment
