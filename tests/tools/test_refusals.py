"""The audit knows of calls that were refused before they had a price, and of questions that are answered later."""

from __future__ import annotations

from contextlib import aclosing
from decimal import Decimal
from typing import Any

import anyio
import pytest
from conftest import OpenWorld, World
from mcp_types import ElicitRequestParams, ElicitResult

from seedance_mcp.money import audit
from seedance_mcp.money.audit import Entry
from seedance_mcp.tools.session import OpenLedger, utc_now

pytestmark = pytest.mark.anyio
SECRET = "a secret fox"  # noqa: S105 - a prompt


async def entries(world: World, open_ledger: OpenLedger) -> list[Entry]:
    async with aclosing(open_ledger(world.settings, utc_now)) as ledger:
        found = await ledger.audit(None, None, 1000)
    assert SECRET not in repr(found)
    assert "https" not in repr(found)
    return found


async def kinds(world: World, open_ledger: OpenLedger) -> list[tuple[str, str | None, str | None, str | None]]:
    return [(each.action, each.code, each.model, each.detail) for each in await entries(world, open_ledger)]


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, str, str | None, str | None]]] = {
    "a duration": ({"duration": 99}, ("refused", "invalid_request", "seedance2.0-sp", "duration")),
    "an unknown field": ({SECRET: 1}, ("refused", "invalid_request", "seedance2.0-sp", None)),
    "an unknown model": ({"model": SECRET}, ("refused", "invalid_request", None, "model")),
    "a URL": ({"images": ["https://x.invalid/a.gif?secret"] * 99}, ("refused", "invalid_request", "seedance2.0-sp", "images")),
    "a share page": (
        {"images": ["https://drive.google.com/file/d/secret/view"]},
        ("refused", "invalid_request", "seedance2.0-sp", "images"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_before_the_price_is_entered_without_a_word_of_the_callers(
    open_world: OpenWorld, open_ledger: OpenLedger, name: str
) -> None:
    fields, expected = REFUSED[name]
    async with open_world() as world:
        answer = await world.create(**{"prompt": SECRET, **fields})
        assert answer.error["charged"] == "no"
        assert await kinds(world, open_ledger) == [expected]


async def test_what_the_operator_refuses_is_entered_and_a_dry_run_is_not(
    open_world: OpenWorld, open_ledger: OpenLedger
) -> None:
    disputed = {"model": "seedance2.0-sp", "prompt": SECRET, "duration": 4}
    async with open_world(strict=True, key=None) as world:
        for dry_run in (True, False):
            await world.call("create_video", {**disputed, "dry_run": dry_run})
            await world.call("create_video", {"model": "seedance2.0-sp", "prompt": SECRET, "dry_run": dry_run})
            await world.call("create_video", {**disputed, "duration": 99, "dry_run": dry_run})
            await world.call("create_video", {"request": SECRET, "dry_run": dry_run})
        await world.call("wait_for_video", {"task_id": 5})
        found = await kinds(world, open_ledger)
    assert ("refused", "not_configured", "seedance2.0-sp", None) in found
    assert ("refused", "invalid_request", None, "request") in found
    assert len(found) == len(set(found)) == 3


async def test_a_flood_of_refusals_is_one_entry_an_hour_of_each_kind(
    open_world: OpenWorld, open_ledger: OpenLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "KINDS_MOST", 2)
    async with open_world() as world:
        for seconds in (1, 3600, 1):
            for _ in range(20):
                await world.create(duration=99)
                await world.create(resolution="99p")
                await world.create(ratio="99:1")
            await anyio.sleep(seconds)
        found = [each for *_, each in await kinds(world, open_ledger)]
    assert found == [
        "duration",
        "resolution",
        "duration, 39 more like it in the hour before",
        "resolution, 39 more like it in the hour before",
    ]


async def test_an_agent_that_runs_into_a_limit_again_and_again_is_one_entry_an_hour(
    open_world: OpenWorld, open_ledger: OpenLedger
) -> None:
    async with open_world(max_cost_per_video="0.1") as world:
        for _ in range(2):
            for _ in range(20):
                refused = await world.create(prompt=SECRET)
                assert refused.error["code"] == "budget_exceeded"
            await world.create(model="seedance2.0-mini", prompt=SECRET, duration=15)
            await anyio.sleep(3600)
        found = await entries(world, open_ledger)
    assert [(each.code, each.model, each.detail) for each in found] == [
        ("budget_exceeded", "seedance2.0-sp", None),
        ("budget_exceeded", "seedance2.0-mini", None),
        ("budget_exceeded", "seedance2.0-sp", "19 more like it in the hour before"),
        ("budget_exceeded", "seedance2.0-mini", None),
    ]
    assert {each.amount for each in found} > {Decimal("0.25")}


@pytest.mark.parametrize(("mode", "expected"), [("auto", ["asked"]), ("legacy", [])])
@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_a_form_and_its_answer_are_entered_in_both_eras(
    open_world: OpenWorld, open_ledger: OpenLedger, mode: str, expected: list[str], action: Any
) -> None:
    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action=action, content={"confirm": True} if action == "accept" else None)

    async with open_world(mode=mode, answer=answer, confirm_above="0.2") as world:
        await world.create(prompt=SECRET)
        found = await entries(world, open_ledger)
    answered = ["confirmed", "sent"] if action == "accept" else ["declined"]
    assert [each.action for each in found if each.action != "settled"] == [*expected, *answered]
    assert {each.amount for each in found} == {Decimal("0.25")}
