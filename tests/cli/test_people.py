"""The commands for the people who use a server over HTTP, on both engines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal

import anyio
import pytest

from seedance_mcp.cli import main
from seedance_mcp.errors import OutcomeUnknown
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.money.principals import digest_of
from seedance_mcp.money.records import NewRequest
from seedance_mcp.settings import load_settings

Command = Callable[..., tuple[str, str]]
ISSUER = "https://issuer.invalid alice"


@pytest.fixture
def command(ledger_place: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one command; gives what it printed and what it said on standard error."""
    for name, value in ledger_place.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, code: int = 0) -> tuple[str, str]:
        assert main.main(words) == code
        return capsys.readouterr()

    return run


def spend() -> None:
    """Anna sends one request, whose answer is lost."""

    async def lose() -> None:
        async with aclosing(open_ledger(load_settings(), lambda: datetime.now(UTC))) as ledger:
            anna, request = (
                ledger.for_principal("anna"),
                NewRequest({"model": "m", "prompt": "a fox"}, "f", Decimal("2.5"), "req_1"),
            )
            await anna.reserve(request, window_seconds=0, admit=lambda _: None)
            await anna.mark_sending("req_1", None)
            await anna.fail("req_1", OutcomeUnknown("lost", charged="maybe"))

    anyio.run(lose)


def test_a_principal_is_added_limited_rotated_disabled_and_all_of_it_is_in_the_audit(engine: str, command: Command) -> None:
    assert "There are no principals" in command("principals", "list")[0]
    first = command("principals", "add", "anna", "--per-day", "20")[0].strip()
    assert re.fullmatch(r"seedance_[\w-]{43}", first)
    assert "its issuer" in command("principals", "add", ISSUER)[0]
    assert command("principals", "limit", "anna", "--total", "100", "--confirm-above", "5")[0] == (
        "anna: per video none, per day 20, total 100, confirm above 5\n"
    )
    assert "per day none, total 100" in command("principals", "limit", "anna", "--per-day", "none")[0]
    second = command("principals", "rotate", "anna")[0].strip()
    assert second != first
    spend()
    listed = command("principals", "list")[0]
    assert "| anna | 2.5/- | 2.5/100 | - | 5 | 2 |  |" in listed
    assert f"| {ISSUER} | 0/- | 0/- | - | - | OAuth |  |" in listed
    assert "only the last token" in command("principals", "rotate", "anna", "--drop-old")[0]
    assert command("principals", "disable", "anna")[0] == "anna is disabled\n"
    assert "| 1 | disabled |" in command("principals", "list")[0]
    assert command("principals", "enable", "anna")[0] == "anna is enabled\n"
    assert "settled by hand" in command("settle", "req_1", "charged")[0]
    assert "| anna | 2.5 | 2.5 | 0 |" in command("spending", "--by", "principal")[0]
    assert "anna" in command("tasks")[0]
    told = command("audit", "--json", "--principal", "anna")[0]
    assert [json.loads(line)["action"] for line in told.splitlines()] == [
        *("added", "limited", "limited", "rotated", "sent", "lost", "rotated", "disabled", "enabled", "settled")
    ]
    assert {"actor": "operator", "amount": "2.5", "detail": "charged"}.items() <= json.loads(told.splitlines()[-1]).items()
    table = command("audit", "--since", "1d", "--limit", "2")[0]
    assert table.count("\n") == 4
    assert "| anna | operator | settled | 2.5 |" in table
    for secret in (first, second, digest_of(first), digest_of(second), "a fox"):
        assert secret not in told + table + listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("limit", "bert", "--total", "5"), "bert is no principal here"),
        (("rotate", "bert"), "principals list names them"),
        (("limit", "anna", "--total", "much"), "--total was 'much'; allowed: a number from 0"),
        (("limit", "anna", "--per-day", "nan"), "allowed: a number from 0"),
        (("add", "bert", "--confirm-above", "-1"), "--confirm-above was '-1'; allowed"),
        (("limit", "anna"), "No limit was named"),
        (("add", "anna"), "anna is there already"),
        (("add", " bert"), "without blanks at its ends"),
        (("rotate", ISSUER), "is an OAuth subject"),
    ],
)
def test_what_cannot_be_done_is_said(command: Command, words: tuple[str, ...], said: str) -> None:
    command("principals", "add", "anna")
    command("principals", "add", ISSUER)
    out, told = command("principals", *words, code=2)
    assert (out, said in told) == ("", True), told


def test_the_operators_own_limits_are_named_beside_the_list(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_MAX_COST_PER_DAY", "7")
    monkeypatch.setenv("SEEDANCE_CONFIRM_ABOVE", "3")
    command("principals", "add", "a|nna")
    listed = command("principals", "list")[0]
    assert "the stricter one holds: max_cost_per_day 7, confirm_above 3." in listed
    assert "| a/nna |" in listed
