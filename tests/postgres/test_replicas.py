"""Two servers on one database: one polls, both know; one that is killed is replaced."""

from __future__ import annotations

import os
import select
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from conftest import no_film
from deadline import LONGEST_SECONDS
from mcp import Client
from mcp.shared.subscriptions import ResourceUpdated
from pydantic import SecretStr
from served import held_port, served

from seedance_mcp.errors import LedgerAway
from seedance_mcp.money.ledger import open_database
from seedance_mcp.money.stores.store import Listener
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import run_in_background

if TYPE_CHECKING:
    from postgres_server import Databases

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Counting(Sandbox):
    """Counts the polls of tasks."""

    @property
    def polls(self) -> int:
        return sum(method == "GET" and "/videos/" in path for method, path in self.requests)


@contextmanager
def replica(folder: Path, url: str, provider: str, interval_seconds: float) -> Generator[tuple[str, Any]]:
    environment = {
        **os.environ,
        "SEEDANCE_DATA_DIR": str(folder),
        "SEEDANCE_DATABASE_URL": url,
        "SEEDANCE_BASE_URL": provider,
        "SEEDANCE_API_KEY": KEY,
        "SEEDANCE_POLL_FLOOR_SECONDS": str(interval_seconds),
    }
    with held_port() as port, served(port, environment) as (address, process):
        yield address, process


async def called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments)).structured_content or {}


CREATE: dict[str, Any] = {"request": {"model": "seedance2.0-sp", "prompt": "a fox"}}


async def test_a_client_of_one_server_hears_what_the_other_saw_and_each_interval_has_one_poll(
    databases: Databases, tmp_path: Path
) -> None:
    sandbox, url = Counting(no_film, queue_seconds=0, work_seconds=3), databases.new()
    async with run_in_background(sandbox) as provider:
        with replica(tmp_path / "a", url, provider, 2) as (one, _), replica(tmp_path / "b", url, provider, 2) as (other, _):
            async with Client(one) as first, Client(other) as second:
                task_id = (await called(second, "create_video", **CREATE))["task_id"]
                waited: list[dict[str, Any]] = []

                async def wait(client: Client) -> None:
                    waited.append(await called(client, "wait_for_video", task_id=task_id, timeout_seconds=60))

                began, uri = anyio.current_time(), f"seedance://tasks/{task_id}"
                async with first.listen(resource_subscriptions=[uri]) as heard, anyio.create_task_group() as group:
                    group.start_soon(wait, first)
                    group.start_soon(wait, second)
                    event = await anext(heard)
                    assert isinstance(event, ResourceUpdated)
                    assert event.uri == uri
                took = anyio.current_time() - began
                assert [task["status"] for task in waited] == ["completed", "completed"]
                assert sandbox.polls <= took / 2 + 2


async def test_a_server_that_is_killed_in_the_middle_of_a_wait_is_replaced_by_the_other(
    databases: Databases, tmp_path: Path
) -> None:
    sandbox, url = Counting(no_film, queue_seconds=0, work_seconds=3), databases.new()
    async with run_in_background(sandbox) as provider:
        with replica(tmp_path / "b", url, provider, 1) as (other, _):
            async with Client(other) as second:
                task_id = (await called(second, "create_video", **CREATE))["task_id"]
                with replica(tmp_path / "a", url, provider, 1) as (one, process):
                    waits = anyio.Event()

                    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                        waits.set()

                    async def wait(client: Client) -> None:
                        arguments = {"task_id": task_id, "timeout_seconds": 60}
                        with suppress(Exception):  # its server is gone
                            await client.call_tool("wait_for_video", arguments, progress_callback=on_progress)

                    try:
                        async with Client(one) as first, anyio.create_task_group() as group:
                            group.start_soon(wait, first)
                            await waits.wait()
                            process.kill()
                    except* (OSError, httpx2.HTTPError):  # likewise
                        waits.set()
                done = await called(second, "wait_for_video", task_id=task_id, timeout_seconds=60)
                assert done["status"] == "completed"


def hear_on(listener: Listener) -> None:
    while select.select([listener], [], [], LONGEST_SECONDS)[0]:
        listener.take()


def test_a_listener_hears_and_knows_when_its_connection_is_lost(databases: Databases) -> None:
    url = databases.new()
    store = open_database(SecretStr(url).get_secret_value())
    listener = store.listener()
    assert listener
    with store.transaction("") as db:
        db.notify("req_1")
    listener.take()
    with databases.connected(url) as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    with pytest.raises(LedgerAway):
        hear_on(listener)
    listener.close()
    store.close()
