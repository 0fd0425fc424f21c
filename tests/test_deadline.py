"""The tests' own deadlines: nothing is waited for without end, and what was waited for is said."""

from __future__ import annotations

import subprocess
import sys
import time

import anyio
import deadline
import pytest
from deadline import alarm, in_time, ran, running

WAITS = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "LONGEST_SECONDS", 0.2)


def test_a_wait_on_an_event_loop_is_named_by_its_line() -> None:
    async def waits() -> None:
        await anyio.Event().wait()

    with pytest.raises(pytest.fail.Exception, match=r"0\.2 s were not enough for test_deadline\.py:\d+: await anyio\.Event"):
        anyio.run(in_time(waits))


def test_a_wait_without_an_event_loop_is_named_by_its_line() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"test_deadline\.py:\d+: time\.sleep"), alarm(0.2):
        time.sleep(60)


@pytest.mark.slow
def test_a_program_that_does_not_end_is_killed_and_named() -> None:
    def read() -> None:
        with running("the silent one", WAITS, seconds=0.2, stdout=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == "a word"

    with pytest.raises(pytest.fail.Exception, match="the silent one"):
        read()
    with pytest.raises(subprocess.TimeoutExpired, match=r"time\.sleep"):
        ran(WAITS)
