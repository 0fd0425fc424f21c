"""What a test waits for comes within a time, or the test fails and says what did not come."""

from __future__ import annotations

import signal
import subprocess
import threading
import traceback
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import pytest

HERE = Path(__file__).parent
LONGEST_SECONDS = 120.0
"""No machine is so busy that what is on its way takes longer: the slowest test takes 8 seconds on an idle one."""


def fail(what: str, seconds: float) -> None:
    """Fail the test for what did not come."""
    pytest.fail(f"{seconds:g} s were not enough for {what}", pytrace=False)


def place(stack: traceback.StackSummary) -> str:
    """The innermost line of a test."""
    ours = [frame for frame in stack if Path(frame.filename).is_relative_to(HERE) and frame.filename != __file__]
    return next((f"{Path(each.filename).name}:{each.lineno}: {each.line}" for each in reversed(ours)), "an unknown line")


def in_time(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Put a test on an event loop of real time inside the deadline."""

    @wraps(test)
    async def timed(**arguments: Any) -> None:
        line = "its end"
        with anyio.move_on_after(LONGEST_SECONDS) as scope:
            try:
                await test(**arguments)
            except anyio.get_cancelled_exc_class() as cancelled:
                line = place(traceback.extract_tb(cancelled.__traceback__))
                raise
        if scope.cancelled_caught:
            fail(line, LONGEST_SECONDS)

    return timed


@contextmanager
def alarm(seconds: float) -> Generator[None]:
    """End what holds the main thread for longer: no event loop sees to that."""

    def late(number: int, frame: FrameType | None) -> None:
        fail(place(traceback.extract_stack(frame)), seconds)

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def running(
    what: str, command: list[str], *, seconds: float = LONGEST_SECONDS, **options: Any
) -> Generator[subprocess.Popen[str]]:
    """Run a program until it ends; past the deadline it is killed, so nobody who reads from it or waits for it is held."""
    late = threading.Event()
    with subprocess.Popen(command, text=True, encoding="utf-8", **options) as process:
        timer = threading.Timer(seconds, lambda: (late.set(), process.kill()))
        timer.start()
        try:
            yield process
            process.wait()
        finally:
            timer.cancel()
            process.kill()
            if late.is_set():
                fail(what, seconds)


def ran(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and keep what it wrote; one that is late is named with its command."""
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=LONGEST_SECONDS, **options
    )
