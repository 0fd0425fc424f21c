"""The operator changes a principal's row from several processes while others create in its name: nothing of it is lost."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import no_film

from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.principals import Limits, Principal, digest_of
from seedance_mcp.sandbox import serve
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import utc_now

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]
PRICE = Decimal("0.3")


@dataclass
class Team:
    """A ledger with one principal, the provider behind it, and processes that use both."""

    ledger: Ledger
    sandbox: Sandbox
    environment: dict[str, str]

    async def race(self, *commands: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Run commands at once, beside many creates; gives what the commands said and what the creates were told."""
        script = [sys.executable, str(Path(__file__).with_name("race.py")), "operators", *commands]
        lines = (await anyio.run_process(script, env=self.environment)).stdout.decode().splitlines()
        told = [json.loads(line) for line in lines]
        said = [each for each in told if "command" in each]
        assert [each["code"] for each in said] == [0] * len(commands)
        return said, [each for each in told if "command" not in each]

    async def made_at(self) -> list[float]:
        """When each video of the principal was let through."""
        return [each.created_at.timestamp() for each in (await self.ledger.for_principal("anna").page()).records]


@pytest.fixture
def place(ledger_place: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    prices = tmp_path / "prices.toml"
    prices.write_text(f'[[price]]\nname = "seedance2.0-md"\nper = "task"\nunit_price = {PRICE}\n', "utf-8")
    for name, value in ledger_place.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **ledger_place, "SEEDANCE_API_KEY": KEY, "SEEDANCE_PRICES": str(prices)}


@asynccontextmanager
async def team(place: dict[str, str]) -> AsyncGenerator[Team]:
    sandbox = Sandbox(no_film, balance=1000)
    async with aclosing(open_ledger(Settings(), utc_now)) as ledger, serve.run_in_background(sandbox) as address:
        await ledger.add_principal(Principal("anna", datetime.now(UTC), digest=digest_of("first")))
        yield Team(ledger, sandbox, {**place, "SEEDANCE_BASE_URL": address})


async def test_no_change_of_a_row_is_lost_and_no_limit_is_passed_once_it_is_set(place: dict[str, str]) -> None:
    limits = ["per-day 2.1", "confirm-above 50", "per-video 40"]
    async with team(place) as anna:
        said, answers = await anna.race(
            *(f"principals limit anna --{each}" for each in limits), *["principals rotate anna"] * 3
        )
        (row,) = await anna.ledger.registered()
        made, limited_at = await anna.made_at(), next(each["at"] for each in said if "per-day" in each["command"])
        entries = [each.action for each in await anna.ledger.audit(None, "anna", 1000)]
        tokens = {digest_of(each["said"]) for each in said if "rotate" in each["command"]}
        spent = (await anna.ledger.for_principal("anna").spent()).total
    assert row.limits == Limits(Decimal(40), Decimal("2.1"), None, Decimal(50))
    assert len(tokens) == 3
    assert {row.digest, row.digest_before} < tokens
    assert row.digest != row.digest_before
    assert spent <= max(Decimal("2.1"), PRICE * sum(at <= limited_at for at in made))
    assert len(anna.sandbox.tasks) == sum("task_id" in each for each in answers) == len(made)
    assert (entries.count("limited"), entries.count("rotated"), entries.count("sent")) == (3, 3, len(made))
    assert entries.count("refused") == sum(each.get("code") == "budget_exceeded" for each in answers) == 48 - len(made)


async def test_a_principal_spends_nothing_once_the_command_has_disabled_it(place: dict[str, str]) -> None:
    async with team(place) as anna:
        said, answers = await anna.race(*["principals disable anna"] * 2, "principals limit anna --total 40")
        (row,) = await anna.ledger.registered()
        disabled_at = min(each["at"] for each in said if "disable" in each["command"])
        assert row == replace(row, disabled=True, limits=Limits(total=Decimal(40)))
        assert all(at <= disabled_at for at in await anna.made_at())
        refused = [each for each in answers if "disabled this caller" in each.get("message", "")]
        assert len(refused) + len(anna.sandbox.tasks) == len(answers) == 48
        assert refused
        entries = [each.action for each in await anna.ledger.audit(None, "anna", 1000)]
        assert entries.count("disabled") == 1
