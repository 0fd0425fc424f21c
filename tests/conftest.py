"""A world in memory: the sandbox, the server and a real MCP client, with no port and no host but loopback."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings as hypothesis_settings
from mcp import Client
from mcp.client.session import ElicitationFnT
from mcp_types import ContentBlock, Implementation, TextContent
from trio.testing import MockClock

from seedance_mcp.catalogue.edition import Edition, load_edition
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.provider.result_download import MOST_BYTES, Fetcher, Resolve
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.server.handlers import build_server, open_shared
from seedance_mcp.settings import Settings
from seedance_mcp.storage.video_store import VideoStore
from seedance_mcp.tools.session import Keep, keep_on_disk, utc_now

PROVIDER = "https://provider.invalid"
LOOPBACK = {"127.0.0.1", b"127.0.0.1", b"localhost", "::1", "localhost", "0.0.0.0", "", None}  # noqa: S104 - compared, not bound

hypothesis_settings.register_profile("ci", derandomize=True, deadline=None)  # a busy machine breaks no test
hypothesis_settings.register_profile("here", deadline=None)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "here")


def _refuse_the_world(event: str, arguments: tuple[Any, ...]) -> None:
    """Let no socket leave this machine."""
    if event == "socket.getaddrinfo" and arguments[0] not in LOOPBACK:
        raise RuntimeError(f"tests look up no host: {arguments[0]}")
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in LOOPBACK:
        raise RuntimeError(f"tests reach no host: {arguments[1]}")


sys.addaudithook(_refuse_the_world)


@pytest.fixture(autouse=True)
def a_clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("SEEDANCE_", "JIMMYAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEEDANCE_BASE_URL", "http://127.0.0.1:9")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Trio with a clock that jumps whenever everybody sleeps."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


async def public_address(host: str, port: int) -> list[str]:
    return ["93.184.215.14"]


async def no_film(order: Order, pictures: list[bytes]) -> bytes:
    return b"no film"


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
        assert result.structured_content is not None
        return Answer(result.structured_content, block.text, bool(result.is_error), more)

    async def create(self, **fields: Any) -> Answer:
        return await self.call("create_video", {"request": {"model": "seedance2.0-sp", "prompt": "a fox", **fields}})

    @property
    def creates(self) -> int:
        return sum(line == ("POST", "/api/open-api/v1/seedance/videos") for line in self.sandbox.requests)


OpenWorld = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def open_world(tmp_path: Path) -> OpenWorld:
    """Open a world; keywords are settings, `key` the client's key, `client_name` and `mode` the MCP client's, `resolve`,
    `most_bytes` and `keep` what downloads go by, `edition` the catalogue of server and sandbox.
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
        keep: Keep = fields.pop("keep", keep_on_disk)
        settings = Settings(**{**usual, **fields})
        videos = keep(settings)

        def connect(_: Settings) -> ProviderClient:
            return ProviderClient(PROVIDER, key, transport=httpx.MockTransport(provider))

        def reach(_: Settings) -> Fetcher:
            return Fetcher(PROVIDER, resolve, lambda: httpx.MockTransport(provider), most_bytes)

        server = build_server(
            settings, lambda: open_shared(settings, connect, clock or utc_now, reach, lambda _: videos, edition)
        )
        info = Implementation(name=client_name, version="1")
        async with Client(server, mode=mode, client_info=info, elicitation_callback=answer) as client:
            yield World(provider, client, settings, videos)

    return opened
