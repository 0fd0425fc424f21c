"""The work of a server beside its answers, where the operator asks for it: saving, measuring."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio

from seedance_mcp.server.spans import traces_are_taken
from seedance_mcp.tools.session import Shared

Job = Callable[[], Coroutine[Any, Any, None]]
"""Goes on until it is cancelled."""


@asynccontextmanager
async def at_work(shared: Shared) -> AsyncGenerator[None]:
    """Work in the background for as long as the block lasts; what only watches is added to the shared parts."""
    jobs = [*_saving(shared), *_measuring(shared)]
    if not jobs:
        yield
        return
    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(job)
        yield
        group.cancel_scope.cancel()


def _saving(shared: Shared) -> list[Job]:
    if not shared.settings.auto_save:
        return []
    from seedance_mcp.tools.auto_save import AutoSave  # noqa: PLC0415 - most servers save only when they are asked

    return [AutoSave(shared).run]


def _measuring(shared: Shared) -> list[Job]:
    if not traces_are_taken():
        return []
    from seedance_mcp.server.metrics import Metrics  # noqa: PLC0415 - most servers are not measured

    metrics = Metrics()
    shared.watchers.append(metrics)
    return [partial(metrics.count, shared)]
