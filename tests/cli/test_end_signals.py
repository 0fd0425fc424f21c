"""The signals that end a server, on each system: what was paid is written down first."""

from __future__ import annotations

import signal

import pytest

from seedance_mcp.cli.end_signals import end_signals, ended_like_an_interrupt


def test_each_system_has_its_signals_as_far_as_python_knows_them() -> None:
    assert end_signals("posix") == [signal.SIGTERM, signal.SIGHUP]
    assert [each.name for each in end_signals("nt")][:1] == ["SIGTERM"]


@pytest.mark.usefixtures("heard_hang_up")
def test_a_closed_terminal_interrupts_and_the_handler_from_before_comes_back() -> None:
    with ended_like_an_interrupt([signal.SIGHUP]), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


def test_each_request_to_end_interrupts() -> None:
    with ended_like_an_interrupt([signal.SIGTERM]):
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("heard_hang_up")
def test_a_terminal_that_is_closed_says_so_twice_and_interrupts_once() -> None:
    with ended_like_an_interrupt([signal.SIGHUP]):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


@pytest.mark.usefixtures("heard_hang_up")
def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ended_like_an_interrupt([signal.SIGHUP]):
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
