"""The signals by which each system asks a server to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager


def end_signals(system: str = os.name) -> list[signal.Signals]:
    """Give the signals that end a server besides the interrupt, as far as this Python knows them.

    Windows has no others than a console's: a program there ends a server by closing its standard input, or all at once.

    Args:
        system: The system, as in `os.name`.
    """
    return _known("SIGTERM", "SIGBREAK") if system == "nt" else _known("SIGTERM", "SIGHUP")


def hang_ups() -> list[signal.Signals]:
    """Give the signal of a closed terminal; Windows has none."""
    return _known("SIGHUP")


def _known(*names: str) -> list[signal.Signals]:
    return [signal.Signals[name] for name in names if name in signal.Signals.__members__]


@contextmanager
def ended_like_an_interrupt(numbers: Sequence[signal.Signals]) -> Generator[None]:
    """Let signals end the server as an interrupt does: what was paid is written down first.

    A signal that this process was started to ignore, as `nohup` does, stays ignored.
    """
    with ExitStack() as stack:
        for number in numbers:
            stack.enter_context(_handled(number))
        yield


@contextmanager
def _handled(number: signal.Signals) -> Generator[None]:
    before = signal.getsignal(number)
    if before != signal.SIG_IGN:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


def _interrupt(number: int, _: object) -> None:
    if number in hang_ups():  # system and shell both send it; a second interrupt would wait for nothing
        signal.signal(number, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)
