"""Runs companions beside work that is awaited: one reports, to a client or to other processes, that the work goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio


@asynccontextmanager
async def beside(*companions: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """Run companions until the block ends; what the block raises comes out as it is, and in no group."""
    failed: Exception | None = None
    async with anyio.create_task_group() as group:
        for companion in companions:
            group.start_soon(companion)
        try:
            yield
        except Exception as failure:  # noqa: BLE001 - it leaves the group as what it is
            failed = failure
        group.cancel_scope.cancel()
    if failed:
        raise failed
