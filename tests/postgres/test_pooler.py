"""A ledger behind PgBouncer in transaction mode: nothing of ours outlives a transaction."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import pytest
from postgres_server import ORDINARY
from served import held_port
from test_postgres import make, posts, through, world
from workshop import unavailable

if TYPE_CHECKING:
    from postgres_server import Databases

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SERVERS, VIDEOS, CONNECTIONS = 3, 10, 3
"""Each server may open 8 connections, and the pooler shares fewer than one of them would take."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def pooled(databases: Databases) -> Generator[tuple[str, str]]:
    """Give the address of a ledger, and the same through the pooler."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        unavailable("no pgbouncer: apt-get install pgbouncer")
    url = databases.new()
    with held_port() as port:
        lines = (
            f"[databases]\n* = host=127.0.0.1 port={urlsplit(url).port} user=postgres\n[pgbouncer]\nlisten_addr=127.0.0.1",
            f"listen_port={port}\nunix_socket_dir=\nauth_type=any\npool_mode=transaction\ndefault_pool_size={CONNECTIONS}\n",
        )
        options: dict[str, Any] = {"user": ORDINARY if os.geteuid() == 0 else None, "stderr": subprocess.DEVNULL}
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as settings:
            settings.write("\n".join(lines))
            settings.flush()
            Path(settings.name).chmod(0o644)  # an ordinary user reads it
            with subprocess.Popen([str(program), settings.name], **options) as pooler:
                yield url, through(port, url)
                pooler.terminate()


async def test_servers_behind_a_pooler_in_transaction_mode_share_a_ledger(pooled: tuple[str, str], tmp_path: Path) -> None:
    url, pooled_url = pooled

    async def serve(number: int) -> None:
        async with world(pooled_url, tmp_path / f"{number}") as (shared, sandbox):
            for video in range(VIDEOS):
                await make(shared, f"fox {number} {video}")
                assert (await make(shared, f"fox {number} {video}")).deduplicated
            assert posts(sandbox) == VIDEOS

    async with anyio.create_task_group() as group:
        for number in range(SERVERS):
            group.start_soon(serve, number)
    async with world(url, tmp_path) as (shared, _):
        assert (await shared.ledger.page()).total == SERVERS * VIDEOS
