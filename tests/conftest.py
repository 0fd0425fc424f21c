"""A world in memory: the sandbox, the server and a real MCP client, with no port and no host but loopback."""

from __future__ import annotations

import gc
import json
import math
import os
import signal
import sys
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from deadline import HERE, LONGEST_SECONDS, alarm, in_time
from empty_ledger import open_copied
from hypothesis import settings as hypothesis_settings
from loopback import refuse_other_hosts
from mcp import Client
from mcp.client.session import ElicitationFnT
from mcp_types import ContentBlock, Implementation, TextContent
from memory_ledger import memory_ledgers
from s3 import S3, s3
from trio.abc import Instrument
from trio.lowlevel import Task
from trio.testing import MockClock, active_thread_count

from seedance_mcp.catalogue.edition import Edition, load_edition
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.provider.result_download import MOST_BYTES, Fetcher
from seedance_mcp.provider.result_hosts import Resolve
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.server.handlers import build_server, open_shared
from seedance_mcp.settings import Settings
from seedance_mcp.storage.video_store import VideoStore
from seedance_mcp.tools.observer import Observer
from seedance_mcp.tools.session import Keep, OpenLedger, Reach, Shared, keep_as_set, utc_now

if TYPE_CHECKING:
    from postgres_server import Databases

PROVIDER = "https://provider.invalid"

KEPT = ("PATH", "UPDATE", "COVERAGE_", "PYTEST_", "SYSTEMROOT")
"""Variables, or how they begin, that a test and what it starts may know of those of the machine."""

hypothesis_settings.register_profile("ci", derandomize=True, deadline=None)  # a busy machine breaks no test
hypothesis_settings.register_profile("here", deadline=None)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "here")


refuse_other_hosts()


# Compiled tests are kept for the next run, whatever it is started with: each worker would compile a hundred modules anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Where this library is installed, jsonschema compiles 38 grammars of addresses as it loads; no test checks an address by them.
cast("dict[str, Any]", sys.modules)["rfc3987_syntax"] = None

os.environ["PYTHONUTF8"] = "1"  # of the processes that run the tests: files are named in every script, whatever the locale


def _take_signals_as_from_a_terminal() -> None:
    """Who starts the tests may ignore or block signals, and every program started by a test would do so too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


_take_signals_as_from_a_terminal()


@pytest.fixture
def heard_hang_up() -> Generator[None]:
    """For one test a closed terminal is heard, which programs under `nohup` are not to hear."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    if pyfuncitem.funcargs.get("anyio_backend") == "asyncio" and iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = in_time(pyfuncitem.obj)


@pytest.fixture(autouse=True)
def an_end(request: pytest.FixtureRequest) -> Generator[None]:
    """End a test that nothing else ends; other programs get the time that they need."""
    folder = request.path.relative_to(HERE).parts[0]
    others = {"browser", "conformance", "ffprobe", "interop", "postgres"}
    with nullcontext() if folder in others else alarm(2 * LONGEST_SECONDS):
        yield


@pytest.fixture(autouse=True)
def a_bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if not name.startswith(KEPT)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEEDANCE_BASE_URL", "http://127.0.0.1:9")


@pytest.fixture(scope="session", autouse=True)
def each_schema_checked_once() -> Generator[None]:
    """Each client checks the schemas of the tools that it calls; each test has a client, and the schemas are the same."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - only where tests run, not where they are handed out

    check, sound = Draft202012Validator.check_schema, set[str]()

    def check_once(schema: dict[str, Any], **options: Any) -> None:
        if (text := json.dumps(schema)) not in sound:
            check(schema, **options)
            sound.add(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft202012Validator, "check_schema", staticmethod(check_once))
        yield


class JumpsWhenIdle(Instrument):
    """Lets a clock jump when everybody sleeps; a task that waits for a worker thread does not sleep, though trio thinks so."""

    def __init__(self, clock: MockClock) -> None:
        self._clock = clock

    def after_task_step(self, task: Task) -> None:
        threshold = math.inf if active_thread_count() else 0
        if threshold != self._clock.autojump_threshold:
            self._clock.autojump_threshold = threshold


def png(width_px: int, height_px: int) -> bytes:
    """Write a black picture, whole."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)

    header = width_px.to_bytes(4) + height_px.to_bytes(4) + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(bytes((1 + (width_px + 7) // 8) * height_px))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Trio with a clock that jumps whenever everybody sleeps."""
    clock = MockClock(autojump_threshold=0)
    return "trio", {"clock": clock, "instruments": [JumpsWhenIdle(clock)]}


ENGINES: dict[str, Callable[[], OpenLedger]] = {"sqlite": lambda: open_copied, "memory": memory_ledgers}
"""How each implementation of the ledger is opened: `memory` is a second one, which shows that the contract is the contract."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=["postgres"], help="run what can run on any ledger on this one, and nothing else")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite_file: it looks into the ledger's file, or breaks it")
    config.addinivalue_line("markers", "processes: several processes share the ledger, which none in memory allows")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let tests of money run on every implementation, unless they look into the file."""
    if "engine" in metafunc.fixturenames:
        in_file = metafunc.definition.get_closest_marker("sqlite_file")
        every = metafunc.definition.path.parent.name == "money" and not in_file
        asked = [] if in_file else [metafunc.config.getoption("--store")]
        alone = metafunc.definition.get_closest_marker("processes") is not None
        metafunc.parametrize("engine", [*filter(None, asked)] or (list(ENGINES) if every and not alone else ["sqlite"]))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Spare the garbage collector what lives to the end: it would look through thousands of tests again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


FAST_ROWS = 2
"""Of a table of rows, this many are run by the fast loop; the gate runs all."""


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what knows no store where one was asked for, and mark the later rows of each table as slow.

    Most rows of one table take the same way.
    """
    if config.getoption("--store"):
        items[:] = [item for item in items if "[postgres" in item.name or "-postgres" in item.name]
    rows = Counter[str]()
    for item in items:
        test = item.nodeid.partition("[")[0]
        rows[test] += 1
        if rows[test] > FAST_ROWS:
            item.add_marker("slow")


@pytest.fixture
def engine() -> str:
    """Name an implementation of the ledger."""
    return "sqlite"


@pytest.fixture(scope="session")
def databases() -> Generator[Databases]:
    """A PostgreSQL of the tests' own."""
    from postgres_server import running_postgres  # noqa: PLC0415 - installs it

    with running_postgres() as server:
        yield server


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Generator[S3]:
    """An object store on loopback, which the environment leads to."""
    with s3() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield endpoint


@pytest.fixture
def open_ledger(engine: str, request: pytest.FixtureRequest) -> OpenLedger:
    """Open ledgers of one test: two of one folder are the same one."""
    return request.getfixturevalue("databases").ledgers() if engine == "postgres" else ENGINES[engine]()


@pytest.fixture
def ledger_place(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variables that name a ledger of this test to other processes."""
    place = {"SEEDANCE_DATA_DIR": str(tmp_path / "data")}
    if engine == "postgres":
        place["SEEDANCE_DATABASE_URL"] = request.getfixturevalue("databases").new()
    return place


async def public_address(host: str, port: int) -> list[str]:
    return ["93.184.215.14"]


async def no_film(order: Order, pictures: list[bytes]) -> bytes:
    return b"no film"


async def tiny_film(order: Order, pictures: list[bytes]) -> bytes:
    """Give an MP4 of 2,104 bytes that is whole, and shows nothing."""
    boxes = ((b"ftyp", b"isom" + bytes(12)), (b"mdat", bytes(2000)), (b"moov", bytes(64)))
    return b"".join((8 + len(content)).to_bytes(4) + name + content for name, content in boxes)


@dataclass(frozen=True)
class Answer:
    """One tool result, both halves."""

    content: dict[str, Any]
    text: str
    is_error: bool
    more: list[ContentBlock]

    @property
    def error(self) -> dict[str, Any]:
        assert self.is_error, self.text
        return self.content["error"]

    def __getitem__(self, name: str) -> Any:
        assert not self.is_error, self.text
        return self.content[name]


@dataclass
class World:
    """What a test holds: a sandbox, a connected client, and shortcuts."""

    sandbox: Sandbox
    client: Client
    settings: Settings
    videos: VideoStore

    async def call(self, tool: str, arguments: dict[str, Any] | None = None, **options: Any) -> Answer:
        result = await self.client.call_tool(tool, arguments or {}, **options)
        block, *more = result.content
        assert isinstance(block, TextContent)
        return Answer(result.structured_content or {}, block.text, bool(result.is_error), more)

    async def create(self, **fields: Any) -> Answer:
        return await self.call("create_video", {"request": {"model": "seedance2.0-sp", "prompt": "a fox", **fields}})

    @property
    def creates(self) -> int:
        paths = {f"/api/open-api/v1{path}" for path in self.sandbox.edition.paths}
        return sum(method == "POST" and path in paths for method, path in self.sandbox.requests)


OpenWorld = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def open_world(tmp_path: Path, open_ledger: OpenLedger) -> OpenWorld:
    """Open a world; keywords are settings, `key` the client's key, `client_name` and `mode` the MCP client's, `resolve`,
    `most_bytes` and `keep` what downloads go by, `reach` all of that in one, `edition` the catalogue of server and sandbox,
    `observers` what learns of what happens.
    """

    @asynccontextmanager
    async def opened(
        *,
        key: str | None = KEY,
        client_name: str = "test",
        mode: str = "auto",
        sandbox: Sandbox | None = None,
        clock: Callable[[], datetime] | None = None,
        answer: ElicitationFnT | None = None,
        **fields: Any,
    ) -> AsyncGenerator[World]:
        edition: Edition = fields.pop("edition", None) or load_edition()
        provider = sandbox or Sandbox(no_film, edition)
        usual: dict[str, Any] = {"base_url": PROVIDER, "data_dir": tmp_path / "data", "media_roots": [tmp_path]}
        usual["output_dir"] = tmp_path / "videos"
        resolve: Resolve = fields.pop("resolve", public_address)
        most_bytes: int = fields.pop("most_bytes", MOST_BYTES)
        keep: Keep = fields.pop("keep", keep_as_set)
        observers: Sequence[Observer] = fields.pop("observers", ())

        def connect(_: Settings) -> ProviderClient:
            return ProviderClient(PROVIDER, key, transport=httpx.MockTransport(provider))

        def in_memory(_: Settings) -> Fetcher:
            return Fetcher(PROVIDER, resolve, lambda: httpx.MockTransport(provider), most_bytes)

        reach: Reach = fields.pop("reach", in_memory)
        settings = Settings(**{**usual, **fields})
        videos = keep(settings)

        def shared() -> Shared:
            parts: dict[str, Any] = {"open_ledger": open_ledger, "edition": edition}
            return Shared(settings, connect, clock or utc_now, reach, lambda _: videos, **parts)

        server = build_server(settings, lambda: open_shared(shared()), observers)
        info = Implementation(name=client_name, version="1")
        async with Client(server, mode=mode, client_info=info, elicitation_callback=answer) as client:
            yield World(provider, client, settings, videos)

    return opened
