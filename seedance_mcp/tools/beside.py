"""Runs a companion beside work that is awaited: it reports to a client, or to other processes, that the work goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def beside(companion: Callable[[], Coroutine[Any, Any, None]], work: Callable[[], Awaitable[T]]) -> T:
    """Await some work with a companion that ends with it; what the work raises comes out as it is, and in no group."""
    came: list[T | Exception] = []
    async with anyio.create_task_group() as group:
        group.start_soon(companion)
        try:
            came.append(await work())
        except Exception as failure:  # noqa: BLE001 - it leaves the group as what it is
            came.append(failure)
        group.cancel_scope.cancel()
    if isinstance(came[0], Exception):
        raise came[0]
    return came[0]
