"""Two servers on one PostgreSQL, and videos in a bucket: what a team is promised beyond one machine.

Database, provider, object store, servers and clients share this machine. The servers are installed as a team's operator does.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import psycopg
from kit import MODEL, NEWER, Row, binaries, memory_mb, provider, settings
from ledger import ROWS, create, median_ms
from many import Bench
from mcp import Client
from mcp.shared.subscriptions import ResourceUpdated
from postgres_server import running_postgres
from pydantic import SecretStr
from s3 import S3, s3
from served import held_port
from swarm import no_film
from transfer import SIZE_BYTES, forget_peak

from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.sandbox.serve import run_in_background
from seedance_mcp.settings import Settings
from seedance_mcp.tools.arguments import ListTasks, NoArguments, read_create_video
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.balance import get_balance
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.session import Shared
from seedance_mcp.tools.tasks import list_tasks

CHANGES, WAITS, TASKS = 50, 1000, 200
WORK_SECONDS, INTERVAL_SECONDS = 40.0, 5.0
SERVER = """
import array, asyncio, atexit, json, sys, time
told, lags = sys.argv.pop(1), array.array("d")  # which takes little of the memory that is measured too

class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        loop = super().new_event_loop()
        def beat(due):
            lags.extend((time.monotonic(), loop.time() - due))
            loop.call_at(loop.time() + 0.01, beat, loop.time() + 0.01)
        loop.call_soon(beat, loop.time())
        return loop

asyncio.set_event_loop_policy(Policy())
atexit.register(lambda: json.dump(list(zip(lags[::2], lags[1::2])), open(told, "w")))
from seedance_mcp.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""A server that measures by how much its event loop is late, a hundred times a second."""


class Provider(Sandbox):
    """Keeps when the last poll was answered."""

    answered_at = 0.0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as ever, and write the time down."""
        response = await super().__call__(request)
        self.answered_at = time.perf_counter()
        return response


@contextmanager
def replica(
    address: str, variables: Mapping[str, str] | None, **more: str
) -> Generator[tuple[str, subprocess.Popen[bytes], Path]]:
    """Run a server; gives its address, its process, and where it tells its lags when it ends."""
    with settings(address, **more) as environment, held_port() as port:
        told = Path(environment["SEEDANCE_DATA_DIR"]) / "lags"
        command = [
            str(binaries("[postgres,storage]") / "python"),
            "-c",
            SERVER,
            str(told),
            "serve",
            "--transport",
            "http",
            "--port",
            str(port),
        ]
        with subprocess.Popen(command, env={**environment, **(variables or {})}, stderr=subprocess.DEVNULL) as process:
            try:
                with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as http:
                    http.get(f"http://127.0.0.1:{port}/healthz")
                yield f"http://127.0.0.1:{port}", process, told
            finally:
                process.terminate()


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool."""
    return (await client.call_tool(tool, arguments)).structured_content or {}


async def heard(url: str) -> list[Row]:
    """Listen at one server to a task that is polled by the other."""
    sandbox, late_ms = Provider(no_film, queue_seconds=0, work_seconds=60, balance=1e6), list[float]()
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(run_in_background(sandbox))
        place = {"DATABASE_URL": url, "POLL_FLOOR_SECONDS": "0.2"}
        (one, *_), (other, *_) = [stack.enter_context(replica(address, None, **place)) for _ in range(2)]
        first, second = [await stack.enter_async_context(Client(f"{each}/mcp")) for each in (one, other)]
        task_id = (await call(second, "create_video", request={"model": MODEL, "prompt": "a fox"}))["task_id"]
        uri, progress = f"seedance://tasks/{task_id}", -1
        events = await stack.enter_async_context(first.listen(resource_subscriptions=[uri]))
        while len(late_ms) < CHANGES:
            await anyio.sleep(0.75)
            seen = (await call(second, "get_task", task_id=task_id))["progress"]
            if seen > progress:
                event = await anext(events)
                assert isinstance(event, ResourceUpdated)
                late_ms.append((time.perf_counter() - sandbox.answered_at) * 1000)
                progress = seen
    what = f"two servers, {CHANGES} changes that one saw: told at the other after the provider's answer"
    return [
        Row(f"{what}, median", statistics.median(late_ms), "ms", promised="100 ms"),
        Row(f"{what}, slowest", max(late_ms), "ms", promised="100 ms"),
    ]


FILL = """
INSERT INTO requests (request_id, task_id, scope, fingerprint, model, prompt, body, state, progress, estimate, reserved, settled,
    settled_by, created_at, completed_at, saved_path, saved_bytes, saved_sha256, kept)
    SELECT 'req_' || n, 'vid_old_' || n, '', 'old ' || n, 'seedance2.0-sp', 'a fox', '{{}}', 'completed', 100, '0.25', 250000000,
        250000000, 'provider', at, at + 90, CASE WHEN saved THEN '/videos/fox.mp4' END, CASE WHEN saved THEN 1 END,
        CASE WHEN saved THEN 'x' END, CASE WHEN saved THEN 1 ELSE 0 END
    FROM (SELECT n, {now} - 60.0 * ({rows} - n) AS at, n < {rows} - 3 * 1440 AS saved FROM generate_series(1, {rows}) AS n) AS made;
INSERT INTO totals (scope, day, spent, reserved)
    SELECT scope, CAST(floor(created_at / 86400) AS BIGINT), sum(settled), 0 FROM requests WHERE task_id LIKE 'vid_old_%' GROUP BY 1, 2
    ON CONFLICT (scope, day) DO UPDATE SET spent = totals.spent + excluded.spent;
INSERT INTO counts (scope, state, requests) VALUES ('', 'completed', {rows})
    ON CONFLICT (scope, state) DO UPDATE SET requests = counts.requests + excluded.requests;
INSERT INTO days (scope, day, project, model, state, kept, adopted, requests, estimated, charged, reserved)
    SELECT scope, CAST(floor(created_at / 86400) AS BIGINT), '', model, state, kept, 0, count(*), sum(reserved), sum(settled), 0
    FROM requests WHERE task_id LIKE 'vid_old_%' GROUP BY 1, 2, 4, 5, 6
    ON CONFLICT (scope, day, project, model, state, kept, adopted) DO UPDATE SET requests = days.requests + excluded.requests,
        estimated = days.estimated + excluded.estimated, charged = days.charged + excluded.charged;
ANALYZE;
"""


async def million(url: str) -> list[Row]:
    """Measure tools on a ledger in a database, empty and full; the provider is in this process and answers at once."""
    sandbox, numbers = Sandbox(no_film, balance=1e9), iter(range(10**6))

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient("https://provider.invalid", KEY, transport=httpx.MockTransport(sandbox))

    with tempfile.TemporaryDirectory() as folder:
        told: dict[str, Any] = {
            "base_url": "https://provider.invalid",
            "data_dir": Path(folder),
            "database_url": SecretStr(url),
        }
        async with aclosing(Shared(Settings(**told), connect)) as shared:
            view, nobody = shared.session(), Nobody()

            async def one_create() -> object:
                given = {"model": "seedance2.0-sp", "prompt": f"fox {next(numbers)}"}
                return await create_video(view, read_create_video(shared.edition, given), nobody)

            acts: list[tuple[str, Callable[[], Awaitable[object]]]] = [
                ("`list_tasks`", lambda: list_tasks(view, ListTasks(), nobody)),
                ("`create_video`", one_create),
                ("the ledger's part of it", lambda: create(shared.ledger)),
                ("`get_balance`", lambda: get_balance(view, NoArguments(), nobody)),
            ]
            bare = [await median_ms(act, 50) for _, act in acts]
            with psycopg.connect(url, autocommit=True) as db:
                db.execute(FILL.format(now=time.time(), rows=ROWS).encode())
            filled = [await median_ms(act) for _, act in acts]
    return [
        Row(f"PostgreSQL, {ROWS:,} requests: {what}, median", ms, "ms", "empty ledger", before, "50 ms")
        for (what, _), ms, before in zip(acts, filled, bare, strict=True)
    ]


async def waits(url: str) -> list[Row]:
    """Let a thousand calls wait over two servers, half of them at each."""
    sandbox = Sandbox(no_film, queue_seconds=0, work_seconds=WORK_SECONDS, balance=1e6)
    async with run_in_background(sandbox) as address:
        place = {"DATABASE_URL": url, "POLL_FLOOR_SECONDS": str(INTERVAL_SECONDS)}
        told: list[Path] = []
        held, statuses = list[float](), list[str]()
        with ExitStack() as stack:
            servers = [stack.enter_context(replica(address, None, **place)) for _ in range(2)]
            clients = [Waiter(servers[number % 2][0], number) for number in range(WAITS)]
            ids = [await clients[number % 2].created(f"fox {number}") for number in range(TASKS)]
            began = time.monotonic()
            async with anyio.create_task_group() as group:
                for number, client in enumerate(clients):
                    group.start_soon(client.wait_for, ids[number // 2 % TASKS], statuses)
            ended = time.monotonic()
            held = [memory_mb(process.pid, "VmHWM") for _, process, _ in servers]
            for _, process, _ in servers:
                process.send_signal(signal.SIGINT)  # one that is terminated writes nothing down
                process.wait()
            told = [lags for *_, lags in servers]
            lags_ms = [
                sorted(1000 * lag for at, lag in json.loads(each.read_text("ascii")) if began + 2 < at < ended)
                for each in told
            ]
    many = f"{WAITS:,} waits on {TASKS} tasks over two servers"
    return [
        Row(f"{many}: told of the end", statuses.count("completed"), "waits", promised=f"{WAITS:,}"),
        Row(
            f"{many}: lag of the event loop, 99 of 100",
            max(each[len(each) * 99 // 100] for each in lags_ms),
            "ms",
            promised="10 ms",
        ),
        Row(f"{many}: lag of the event loop, median", max(map(statistics.median, lags_ms)), "ms"),
        Row(f"{many}: memory of each at most", max(held), "MB", promised="110 MB"),
    ]


class Waiter(Bench):
    """One client of a server that asks for no token."""

    def __init__(self, address: str, number: int) -> None:
        """Take where the server is."""
        super().__init__(address, number, NEWER)
        del self._http.headers["Authorization"]

    async def created(self, prompt: str) -> str:
        """Make a video."""
        given = {"name": "create_video", "arguments": {"request": {"model": MODEL, "prompt": prompt}}}
        return (await self.ask("tools/call", given, "create_video"))["structuredContent"]["task_id"]

    async def wait_for(self, task_id: str, statuses: list[str]) -> None:
        """Wait for a video to its end."""
        given = {"name": "wait_for_video", "arguments": {"task_id": task_id, "timeout_seconds": 110}}
        answer = await self.ask("tools/call", given, "wait_for_video")
        statuses.append(answer.get("structuredContent", {}).get("status", "nothing"))


async def stored(endpoint: S3) -> list[Row]:
    """Save two videos of 100 MB in a bucket, and see how far the server's memory rises the second time, and the first."""
    found: list[Row] = []
    store = {"VIDEO_STORE": "s3://films"}
    with provider(SIZE_BYTES) as address, replica(address, endpoint.environment, **store) as (server, process, _):
        async with Client(f"{server}/mcp", read_timeout_seconds=120) as client:
            for turn in ("first", "second"):
                task_id = (await call(client, "create_video", request={"model": MODEL, "prompt": turn}))["task_id"]
                await call(client, "wait_for_video", task_id=task_id)
                forget_peak(process.pid)
                before = memory_mb(process.pid)
                saved = await call(client, "download_video", task_id=task_id)
                assert saved.get("bytes") == SIZE_BYTES, saved
                more = memory_mb(process.pid, "VmHWM") - before
                found.append(
                    Row(f"100 MB into a bucket, the {turn} time: memory more at most", more, "MB", "before", before, "40 MB")
                )
                endpoint.objects.clear()
    return found


def rows() -> list[Row]:
    """Measure all of it."""
    with running_postgres() as databases, s3() as endpoint:
        return [
            *anyio.run(stored, endpoint),
            *anyio.run(heard, databases.new()),
            *anyio.run(waits, databases.new()),
            *anyio.run(million, databases.new()),
        ]
