"""The work of a server beside its answers, where the operator asks for it: saving, measuring, reporting."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from seedance_mcp.server.spans import traces_are_taken
from seedance_mcp.tools.session import Shared

if TYPE_CHECKING:
    from seedance_mcp.server.notices import Notices

Job = Callable[[], Coroutine[Any, Any, None]]
"""Goes on until it is cancelled."""


@asynccontextmanager
async def at_work(shared: Shared) -> AsyncGenerator[None]:
    """Work in the background for as long as the block lasts; what only watches is added to the shared parts."""
    reporting = _reporting(shared)
    jobs = [*_following(shared), *_measuring(shared), *(each.run for each in reporting)]
    if not jobs:
        yield
        return
    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(job)
        try:
            yield
        finally:
            for each in reporting:
                await each.finish()
            group.cancel_scope.cancel()


def _following(shared: Shared) -> list[Job]:
    """Follow running tasks, and save what is finished; a notice needs that somebody polls, too."""
    saves = shared.settings.auto_save
    if not saves and not shared.settings.notify_url:
        return []
    from seedance_mcp.tools.auto_save import AutoSave  # noqa: PLC0415 - most servers save only when they are asked

    return [AutoSave(shared, saves=saves).run]


def _measuring(shared: Shared) -> list[Job]:
    if not traces_are_taken():
        return []
    from seedance_mcp.server.metrics import Metrics  # noqa: PLC0415 - most servers are not measured

    metrics = Metrics()
    shared.watchers.append(metrics)
    return [partial(metrics.count, shared)]


def _reporting(shared: Shared) -> list[Notices]:
    url, secret = shared.settings.notify_url, shared.settings.notify_secret
    if url is None or secret is None:
        return []
    from seedance_mcp.server.notices import Notices  # noqa: PLC0415 - an optional extra

    notices = Notices(url, secret, currency=shared.edition.currency, now=shared.now)
    shared.watchers.append(notices)
    return [notices]
