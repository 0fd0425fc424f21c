"""Runs a job of the child that takes long: its progress is reported, and a call that is cancelled ends it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, BinaryIO

import anyio
import anyio.from_thread
import anyio.to_thread

from seedance_mcp.media.decoder import MAKE, Stop, Unreadable, decode

Report = Callable[[float], Coroutine[Any, Any, None]]
"""Takes the progress of a job, in percent."""


async def make(job: str, argument: str, file: BinaryIO, report: Report) -> dict[str, Any]:
    """Have the child do a job of `worker` that makes a file.

    Raises:
        Unreadable: The libraries cannot read the source, or not within the limits; or the job refuses it.
        OSError: No process can be started.
    """
    stop, failures = Stop(), list[Exception]()
    answer = dict[str, Any]()

    def tell(percent: float) -> None:
        anyio.from_thread.run(report, percent)

    def work() -> None:
        try:
            answer.update(decode(job, argument, file, MAKE, tell, stop))
        except (Unreadable, OSError) as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(_stop_when_cancelled, stop)
        await anyio.to_thread.run_sync(work)
        group.cancel_scope.cancel()
    for failure in failures:
        raise failure
    return answer


async def _stop_when_cancelled(stop: Stop) -> None:
    """End the child with the call: the thread that reads from it then ends, too."""
    try:
        await anyio.sleep_forever()
    finally:
        stop.now()
