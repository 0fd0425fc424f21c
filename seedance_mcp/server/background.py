"""The work of a server beside its answers, where the operator asks for it: saving, measuring, reporting."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import SecretStr

from seedance_mcp.server.log_lines import announce
from seedance_mcp.server.spans import traces_are_taken
from seedance_mcp.settings import Settings
from seedance_mcp.tools.beside import beside
from seedance_mcp.tools.observer import LogLines, Observers
from seedance_mcp.tools.session import Shared

if TYPE_CHECKING:
    from seedance_mcp.server.notices import Notices

Job = Callable[[], Coroutine[Any, Any, None]]
"""Goes on until it is cancelled."""


@asynccontextmanager
async def at_work(shared: Shared) -> AsyncGenerator[None]:
    """Work in the background for as long as the block lasts; what only watches is added to the shared parts."""
    reporting = _reporting(shared)
    jobs = [shared.changes.run, *_following(shared), *_measuring(shared), *(each.run for each in reporting)]
    shared.watchers.append(shared.changes)
    async with beside(*jobs):
        try:
            yield
        finally:
            for each in reporting:
                await each.finish()


async def keep(settings: Settings) -> None:
    """Work in the background until it is cancelled, and serve nobody; any number of keepers and servers share a ledger."""
    async with AsyncExitStack() as stack:
        shared = await opened(Shared(settings), stack)
        shared.observer = Observers((LogLines(), *shared.watchers))
        announce("keeping finished videos")
        await anyio.sleep_forever()


async def opened(shared: Shared, stack: AsyncExitStack) -> Shared:
    """Open what a process shares until the stack ends, with its background work, and the sandbox where that is asked for."""
    if shared.settings.sandbox:
        shared = await _with_sandbox(shared, stack)
    stack.push_async_callback(shared.aclose)
    await stack.enter_async_context(at_work(shared))
    return shared


async def _with_sandbox(shared: Shared, stack: AsyncExitStack) -> Shared:
    """Start the embedded sandbox provider, and point the settings to it."""
    from seedance_mcp.sandbox import serve  # noqa: PLC0415 - an optional extra, and slow to import

    kept = shared.settings.ledger_dir / "sandbox-tasks"
    address = await stack.enter_async_context(serve.run_in_background(serve.make_sandbox(shared.edition, folder=kept)))
    settings = shared.settings.model_copy(update={"base_url": address, "api_key": SecretStr(serve.KEY)})
    return replace(shared, settings=settings)


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
