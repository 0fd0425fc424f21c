"""Limits hold against all that is known: charges, what the account used, unknown prices, all principals together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import PROVIDER, OpenWorld, no_film

from seedance_mcp.errors import BudgetExceeded
from seedance_mcp.money.gate import Drift, check_limits, drift_of
from seedance_mcp.money.prices import Estimate
from seedance_mcp.money.principals import Limits, Principal
from seedance_mcp.money.records import Spent, Used
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.tools.arguments import CreateOptions, CreateVideo, read_request
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.create import REFRESH_MOST, create_video
from seedance_mcp.tools.session import OpenLedger, Shared

pytestmark = pytest.mark.anyio
CREATE, QUERY, BALANCE = "/seedance/videos", "/v1/videos/", "/user/balance"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Charging(Sandbox):
    """A provider whose creates and queries tell costs of its own, and whose account uses `takes` for each create."""

    at_create: Any = None
    at_query: Any = None
    status: str = "processing"
    takes: float = 0.0
    balance_told: bool = True
    made: int = 0
    taken: float = field(default=0.0)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith(CREATE):
            self.made += 1
            self.taken += self.takes
            task: dict[str, Any] = {"task_id": f"vid_{self.made}", "status": "queued", "cost": self.at_create}
            return httpx.Response(200, json={"code": 0, "data": task})
        if QUERY in path:
            task = {"task_id": path.rpartition("/")[2], "status": self.status, "cost": self.at_query}
            return httpx.Response(200, json={"code": 0, "data": task})
        if path.endswith(BALANCE):
            told = {"balance": 1000, "used_coin": self.taken} if self.balance_told else {}
            return httpx.Response(200, json={"code": 0, "data": told})
        return await super().__call__(request)


def priced(tmp_path: Path, unit_price: str = "5") -> Path:
    file = tmp_path / "prices.toml"
    file.write_text(f'[[price]]\nname = "seedance2.0-md"\nper = "task"\nunit_price = {unit_price}\n', "utf-8")
    return file


async def fill(open_world: OpenWorld, sandbox: Charging, **settings: Any) -> int:
    """Create twenty videos one after another; gives how many were sent."""
    async with open_world(sandbox=sandbox, poll_floor_seconds=0.001, clock=lambda: NOON, **settings) as world:
        for number in range(20):
            answer = await world.create(model="seedance2.0-md", prompt=f"fox {number}")
            if answer.is_error:
                assert answer.error["code"] == "budget_exceeded"
                dry = {"request": {"model": "seedance2.0-md", "prompt": "x"}, "dry_run": True}
                assert "It would be refused" in (await world.call("create_video", dry)).text
    return sandbox.made


@pytest.mark.parametrize("limit", ["max_cost_per_day", "max_cost_total", "max_cost_account_per_day", "max_cost_account_total"])
@pytest.mark.parametrize(("amount", "sent"), [("12", 3), ("15", 3), ("0", 0), ("4", 1)])
async def test_what_is_spent_closes_the_door_to_requests_of_unknown_price(
    open_world: OpenWorld, limit: str, amount: str, sent: int
) -> None:
    sandbox = Charging(no_film, at_create=5, faults=[Fault("unavailable", "catalog", 9999)])
    assert await fill(open_world, sandbox, allow_unpriced=True, **{limit: amount}) == sent


async def test_a_cost_that_only_the_query_tells_counts_before_the_next_create(open_world: OpenWorld, tmp_path: Path) -> None:
    sandbox = Charging(no_film, at_query=50)
    assert await fill(open_world, sandbox, max_cost_per_day="100", prices=priced(tmp_path)) == 2


@pytest.mark.parametrize("limit", ["max_cost_per_day", "max_cost_total", "max_cost_account_per_day", "max_cost_account_total"])
@pytest.mark.slow
async def test_what_the_account_used_beyond_the_estimates_counts(open_world: OpenWorld, tmp_path: Path, limit: str) -> None:
    sandbox = Charging(no_film, takes=50)
    assert await fill(open_world, sandbox, prices=priced(tmp_path), **{limit: "100"}) == 2


@pytest.mark.slow
async def test_an_account_that_tells_nothing_leaves_the_estimates(open_world: OpenWorld, tmp_path: Path) -> None:
    sandbox = Charging(no_film, takes=50, balance_told=False)
    assert await fill(open_world, sandbox, prices=priced(tmp_path), max_cost_per_day="100") == 20


@pytest.mark.parametrize("status", ["queued", "processing"])
@pytest.mark.slow
async def test_a_cost_of_nothing_before_the_end_frees_no_reservation(
    open_world: OpenWorld, tmp_path: Path, status: str
) -> None:
    sandbox = Charging(no_film, at_create=0, at_query=0, status=status)
    assert await fill(open_world, sandbox, prices=priced(tmp_path), max_cost_per_day="10") == 2


async def test_a_failed_video_without_a_cost_counts_nothing(open_world: OpenWorld, tmp_path: Path) -> None:
    sandbox = Charging(no_film, status="failed")
    assert await fill(open_world, sandbox, prices=priced(tmp_path), max_cost_per_day="10") == 20


async def test_a_failed_video_that_the_account_paid_counts(open_world: OpenWorld, tmp_path: Path) -> None:
    sandbox = Charging(no_film, status="failed", takes=5)
    assert await fill(open_world, sandbox, prices=priced(tmp_path), max_cost_per_day="10") == 2


@dataclass
class Busy(Charging):
    """A provider that works at every second task, tells no cost, and remembers the queries."""

    queries: list[int] = field(default_factory=list[int])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if QUERY in request.url.path:
            number = int(request.url.path.rpartition("_")[2])
            self.queries.append(number)
            self.status = ("processing", "queued")[number % 2]
        return await super().__call__(request)


async def test_the_newest_tasks_of_unknown_cost_are_polled_before_the_next_create(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    sandbox = Busy(no_film)
    fields: dict[str, Any] = {"poll_floor_seconds": 0.001, "max_cost_total": 1000, "prices": priced(tmp_path)}
    async with open_world(sandbox=sandbox, **fields) as world:
        for number in range(2 * REFRESH_MOST):
            await world.create(model="seedance2.0-md", prompt=f"fox {number}")
            await anyio.sleep(60)
        sandbox.queries.clear()
        await world.create(model="seedance2.0-md", prompt="another fox")
    assert sorted(sandbox.queries) == list(range(REFRESH_MOST + 1, 2 * REFRESH_MOST + 1))


async def test_a_task_whose_cost_is_known_is_not_polled_before_the_next_create(open_world: OpenWorld, tmp_path: Path) -> None:
    sandbox = Busy(no_film, at_create=5)
    fields: dict[str, Any] = {"poll_floor_seconds": 0.001, "max_cost_total": 1000, "prices": priced(tmp_path)}
    async with open_world(sandbox=sandbox, **fields) as world:
        for number in range(2):
            await world.create(model="seedance2.0-md", prompt=f"fox {number}")
            await anyio.sleep(60)
    assert sandbox.made == 2
    assert sandbox.queries == []


@pytest.mark.parametrize("limit", ["max_cost_account_per_day", "max_cost_account_total"])
async def test_a_limit_of_the_account_holds_over_all_principals(tmp_path: Path, open_ledger: OpenLedger, limit: str) -> None:
    sandbox = Charging(no_film)
    connect: Callable[[Settings], ProviderClient] = lambda _: ProviderClient(  # noqa: E731 - one line
        PROVIDER, KEY, transport=httpx.MockTransport(sandbox)
    )
    settings: dict[str, Any] = {"base_url": PROVIDER, "data_dir": tmp_path, "prices": priced(tmp_path), limit: "12"}
    shared = Shared(Settings(max_cost_per_day=Decimal(5), **settings), connect, open_ledger=open_ledger)
    request = read_request(shared.edition, {"model": "seedance2.0-md", "prompt": "x"})
    told: list[str] = []
    for number in range(10):
        try:
            await create_video(shared.session(f"user {number}"), CreateVideo(request, CreateOptions()), Nobody())
        except BudgetExceeded as refusal:
            told.append(refusal.message)
    assert sandbox.made == 2
    assert not shared.awaiting, "no answer is awaited any more"
    assert all("for the whole account" in message for message in told)
    await shared.aclose()


def test_a_part_of_a_price_counts_too() -> None:
    settings = Settings(max_cost_per_day=Decimal(10), allow_unpriced=True)
    nothing = Spent(Decimal(0), Decimal(0), Decimal(0), Decimal(0), Decimal(0))
    for amount, refused in (("9", False), ("10", True), ("11", True), (None, False)):
        estimate = Estimate(Decimal(amount) if amount else None, "", at_least=amount is not None, currency="JimiCoin")
        words = f"at least {amount} JimiCoin" if refused else None
        with pytest.raises(BudgetExceeded, match=words) if words else nullcontext():
            check_limits(settings, estimate, nothing, NOON)


SPENT = Spent(Decimal(1), Decimal(2), Decimal(0), Decimal(3), Decimal(4), Principal("anna", NOON))
DRIFT = Drift(today=Decimal(10), total=Decimal(20))
LIMITS: dict[str, tuple[str, int, int]] = {
    "max_cost_per_video": ("per_video", 0, 0),
    "max_cost_per_day": ("per_day", 1, 11),
    "max_cost_total": ("total", 2, 22),
    "max_cost_account_per_day": ("", 3, 13),
    "max_cost_account_total": ("", 4, 24),
}
"""The setting, the limit of a principal's row that is like it, and what is gone of it: as the ledger knows, and with the drift."""


def test_each_limit_counts_what_is_spent_and_what_the_account_used_beyond() -> None:
    for name, (own, *gone) in LIMITS.items():
        everybodys: dict[str, Any] = {name: Decimal(30)}
        general, usual = Settings(**everybodys), Settings()
        row = Principal("anna", NOON, Limits(**({own: Decimal(30)} if own else {})))
        for settings, spent in ((general, SPENT), *([(usual, SPENT._replace(principal=row))] if own else [])):
            for drift, used in zip((None, DRIFT), gone, strict=True):
                left = Decimal(30 - used)
                check_limits(settings, Estimate(left, "", currency="JimiCoin"), spent, NOON, drift)
                with pytest.raises(BudgetExceeded, match=f"{used} is spent or reserved, {left} is left"):
                    check_limits(settings, Estimate(left + 1, "", currency="JimiCoin"), spent, NOON, drift)
                with pytest.raises(BudgetExceeded, match="whole price of this request is not known"):
                    check_limits(settings, Estimate(None, "", currency="JimiCoin"), spent, NOON, drift)
        check_limits(usual, Estimate(None, "", currency="JimiCoin"), SPENT, NOON, DRIFT)


def test_drift_is_what_the_account_used_beyond_the_ledger() -> None:
    spent = Spent(Decimal(0), Decimal(0), Decimal(0), Decimal(3), Decimal(8))
    assert drift_of(Decimal(20), Used(Decimal(10), Decimal(2)), spent) == Drift(Decimal(7), Decimal(10))
    assert drift_of(Decimal(12), Used(Decimal(10), Decimal(9)), spent) == Drift(Decimal(0), Decimal(0))
    assert drift_of(Decimal(12), Used(None, None), spent) == Drift()


async def test_an_unsettled_request_blocks_its_duplicate_at_any_age(open_world: OpenWorld) -> None:
    now = NOON
    async with open_world(clock=lambda: now) as world:
        world.sandbox.faults = [Fault("lost", CREATE), Fault("no_task_id", BALANCE, 999)]
        lost = await world.create()
        for later in (601, 86_400, 30 * 86_400):
            now = NOON + timedelta(seconds=later)
            again = await world.create()
            assert again["request_id"] == lost.error["request_id"]
            assert again["status"] == "unknown"
            assert "its money is not settled" in " ".join(again["warnings"])
            assert "allow_duplicate: true" in again["warnings"][-2] + again["warnings"][-1]
        assert world.creates == 1
        request = {"model": "seedance2.0-sp", "prompt": "a fox"}
        assert (await world.call("create_video", {"request": request, "allow_duplicate": True}))["task_id"]
        assert world.creates == 2


async def test_after_two_quiet_minutes_a_busy_answer_may_go_again_by_itself(open_world: OpenWorld) -> None:
    now = NOON
    async with open_world(clock=lambda: now) as world:
        made = await world.create(prompt="seen: it is charged before it is ready")
        now += timedelta(seconds=300)
        assert (await world.call("wait_for_video", {"task_id": made["task_id"]}))["status"] == "completed"
        world.sandbox.faults = [Fault("busy", CREATE)]
        assert (await world.create()).error["charged"] == "maybe"
        now += timedelta(seconds=100)
        assert (await world.create())["deduplicated"] is True
        now += timedelta(seconds=20)
        assert (await world.create())["task_id"]
        assert world.creates == 3


@pytest.mark.parametrize(("gone", "left"), [(8, 2), (12, 0)])
def test_a_refusal_says_what_is_left_and_never_less_than_nothing(gone: int, left: int) -> None:
    spent = Spent(Decimal(gone), Decimal(gone), Decimal(0), Decimal(gone), Decimal(gone))
    with pytest.raises(BudgetExceeded, match=f"{gone} is spent or reserved, {left} is left") as refusal:
        check_limits(Settings(max_cost_per_day=Decimal(10)), Estimate(Decimal(5), "", currency="JimiCoin"), spent, NOON)
    assert refusal.value.details["allowed"] == f"at most {left} JimiCoin"
    assert "The day renews at 2026-11-24T00:00:00Z" in refusal.value.message
