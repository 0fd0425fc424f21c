"""Runs PyAV and Pillow on a file in a process of their own, with limits of time and memory.

No hostile file can hold or end the server: what takes too long, takes too much or breaks the decoder ends the child. The
child gets the file as its standard input and nothing else of ours: no environment, no open file, no key.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, BinaryIO

from seedance_mcp.media.child_process import apart, passed_on

_ANSWER_MOST_BYTES = 1 << 20
_TOO_MUCH = "takes too much time or memory to read, or breaks the decoder"
_PROGRAM = "import sys; sys.path[:] = sys.argv[4:]; from seedance_mcp.media.worker import main; main(*sys.argv[1:4])"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one job may take in the child."""

    processor_seconds: int
    memory_bytes: int
    """Of address space; the libraries themselves take 120 MB."""
    wall_seconds: float
    """A child that waits rather than works is ended then, or one on a system without limits for processes."""


PROBE = Limits(2, 300 << 20, 20)
"""Processor time bounds the work; the time by the clock is only for a child that waits, and ample on a loaded machine."""
SHEET = Limits(20, 1500 << 20, 40)
MAKE = Limits(1800, 4 << 30, 1800)
"""For a job that makes a picture, a sound or a film: 20 seconds of 4K at 60 frames per second take 90 of processor time."""


class Unreadable(Exception):
    """The decoder refused the file, or reached a limit on it: the message says which, as the end of a sentence."""


def is_installed() -> bool:
    """Return whether the libraries of the extra `media` are there, without loading them."""
    return all(find_spec(name) for name in ("av", "PIL"))


def _ignore(_: float) -> None:
    """Report to nobody."""


class Stop:
    """Ends the child of one job, from another thread."""

    def __init__(self) -> None:
        """Begin without a child."""
        self._lock, self._child, self._is_wanted = threading.Lock(), list[subprocess.Popen[bytes]](), False

    def watch(self, child: subprocess.Popen[bytes]) -> None:
        """Take the child, and end it where that is wanted already."""
        with self._lock:
            self._child.append(child)
            if self._is_wanted:
                child.kill()

    def now(self) -> None:
        """End the child, or the one that comes."""
        with self._lock:
            self._is_wanted = True
            for child in self._child:
                child.kill()


def decode(
    job: str,
    argument: str,
    file: BinaryIO,
    limits: Limits,
    report: Callable[[float], object] = _ignore,
    stop: Stop | None = None,
) -> dict[str, Any]:
    """Have the child do a job of `worker` on a file, and give its answer.

    Args:
        job: The name of the job.
        argument: The argument that the job takes.
        file: What it works on.
        limits: The most that it may take.
        report: Gets the progress of a job that reports it, in percent.
        stop: Ends the job where that is wanted.

    Raises:
        Unreadable: The libraries cannot read the file, or not within the limits.
        OSError: No process can be started.
    """
    limit = f"{limits.processor_seconds},{limits.memory_bytes}"
    separate = apart()
    command = [sys.executable, "-I", "-c", _PROGRAM, job, argument, limit, *filter(os.path.isabs, sys.path)]
    with (
        _from_start(file) as descriptor,
        subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=descriptor,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=passed_on(os.environ),
            creationflags=separate.creationflags,
            start_new_session=separate.start_new_session,
        ) as child,
    ):
        if stop:
            stop.watch(child)
        return _answer(child, limits, report)


@contextmanager
def _from_start(file: BinaryIO) -> Generator[int]:
    """Give a file's descriptor at its start, and put it back afterwards: the file's own buffer counts on where it is."""
    file.flush()
    descriptor = file.fileno()
    before = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        yield descriptor
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)


def _answer(child: subprocess.Popen[bytes], limits: Limits, report: Callable[[float], object]) -> dict[str, Any]:
    begun, timer = time.monotonic(), threading.Timer(limits.wall_seconds, child.kill)
    timer.start()
    try:
        answer = _last_line(child, report)
    except ValueError as error:
        raise Unreadable(_TOO_MUCH) from error
    finally:
        timer.cancel()
        child.kill()
    is_late = time.monotonic() - begun > limits.wall_seconds  # so may be the timer
    if is_late or "failed" in answer:
        raise Unreadable(_TOO_MUCH if is_late else answer.get("reason") or f"cannot be decoded ({answer['failed']})")
    return answer


def _last_line(child: subprocess.Popen[bytes], report: Callable[[float], object]) -> dict[str, Any]:
    """Give the answer behind the lines of progress; raises `ValueError` where the child ended before it."""
    while True:
        line: dict[str, Any] = json.loads(child.stdout.readline(_ANSWER_MOST_BYTES) if child.stdout else b"")
        if "percent" not in line:
            return line
        report(line["percent"])
