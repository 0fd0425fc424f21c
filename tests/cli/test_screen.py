"""Tables in a terminal are laid out for its width; in a pipe they stay Markdown."""

from __future__ import annotations

import io
import os
import sys
import termios
import unicodedata
from collections.abc import Callable, Generator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from seedance_mcp.cli import main
from seedance_mcp.cli.screen import fitted
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.money.records import NewRequest
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask

Printed = Callable[..., list[str]]


@pytest.fixture
def terminal() -> Generator[tuple[int, int]]:
    leader, follower = os.openpty()
    termios.tcsetwinsize(follower, (40, 80))
    yield leader, follower
    os.close(leader)
    os.close(follower)


END = b"<end>\n"


@pytest.fixture
def printed(terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """Run a command with its output to a terminal; gives the lines."""

    def run(*words: str, encoding: str = "utf-8") -> list[str]:
        with os.fdopen(os.dup(terminal[1]), "w", encoding=encoding) as stream, monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            assert main.main(words) == 0
        os.write(terminal[1], END)
        seen = b""
        while not seen.endswith(END):  # a terminal passes on what was written in its own time
            seen += os.read(terminal[0], 100_000).replace(b"\r\n", b"\n")
        return seen.removesuffix(END).decode().splitlines()

    return run


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cheap video of the day before yesterday and a dear one of today; what is asked for is in Chinese and long."""
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path / "data"))

    async def filled(ago: timedelta, cost: str) -> None:
        async with aclosing(open_ledger(Settings(), lambda: datetime.now(UTC) - ago)) as ledger:
            request = NewRequest({"model": "seedance2.0-sp", "prompt": "一只狐狸在雪地里" * 9}, cost, Decimal(cost))
            await ledger.reserve(request, window_seconds=0, admit=lambda _: None)
            await ledger.observe(request.request_id, ProviderTask(f"vid_{cost}", "completed", cost=Decimal(cost)))

    anyio.run(filled, timedelta(days=2), "2.5")
    anyio.run(filled, timedelta(0), "10")


def width(line: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(letter) in {"W", "F"}) for letter in line)


@pytest.mark.usefixtures("ledger")
def test_tasks_fit_into_80_columns_and_no_id_is_cut(printed: Printed) -> None:
    head, more, rule, *rows = printed("tasks")
    assert head.split() == ["Made", "(UTC)", "Status", "Model", "Estimate", "Charged", "Task"]
    assert more == "    Prompt"
    assert set(rule) == {"─"}
    assert rows[0].split()[2:] == ["completed", "seedance2.0-sp", "10", "10", "vid_10"]
    assert rows[1].startswith("    一只狐狸")
    assert rows[1].endswith("…")
    assert rows[2].endswith("2.5      2.5  vid_2.5")
    assert max(map(width, [head, rule, *rows])) <= 80


@pytest.mark.usefixtures("ledger")
def test_spending_has_a_bar_for_each_day(printed: Printed) -> None:
    lines = printed("spending")
    days = [line.split() for line in lines[2:16]]
    assert [day[1:3] for day in days[-3:]] == [["1", "2.5"], ["0", "0"], ["1", "10"]]
    assert [len("".join(day[3:])) for day in days[-3:]] == [10, 0, 40]
    assert days[-1][0] == f"{datetime.now(UTC):%Y-%m-%d}"
    assert lines[-1].startswith("Today 10, in total 12.5 JimiCoin.")
    assert max(map(width, lines[:-1])) <= 80


@pytest.mark.usefixtures("ledger")
def test_rows_that_are_too_wide_go_on_in_an_indented_line(printed: Printed, terminal: tuple[int, int]) -> None:
    termios.tcsetwinsize(terminal[1], (40, 42))
    lines = printed("tasks")
    assert "".join("+" if line.startswith("    ") else "-" for line in lines) == "-+++-" + "-+++" * 2 + "-"
    assert max(map(width, lines)) <= 42
    termios.tcsetwinsize(terminal[1], (0, 0))
    assert max(map(width, printed("tasks"))) == 80


@pytest.mark.usefixtures("ledger")
def test_a_terminal_without_our_signs_gets_plain_ones(printed: Printed) -> None:
    assert any("#" * 40 in line for line in printed("spending", encoding="ascii"))


@pytest.mark.usefixtures("ledger")
def test_in_a_pipe_tables_stay_markdown_and_have_no_bars(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["spending"]) == 0
    told = capsys.readouterr().out
    assert f"| {datetime.now(UTC):%Y-%m-%d} | 1 | 10 |\n" in told
    assert "█" not in told


class Nul(io.TextIOWrapper):
    """The file of Windows that takes everything, and passes there for a terminal."""

    def isatty(self) -> bool:
        return True


def test_what_passes_for_a_terminal_and_has_no_width_gets_the_usual_one() -> None:
    with Path(os.devnull).open("wb") as file, Nul(file, encoding="cp1252") as stream:
        laid_out = fitted("| Task | Cost |\n| --- | --- |\n| a | 2.5 |", stream)
    assert laid_out.splitlines() == ["Task  Cost", "-" * 10, "a      2.5"]
