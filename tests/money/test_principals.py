"""Principals with limits of their own, and the audit: the same on every implementation of the ledger."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import PROVIDER, no_film

from seedance_mcp.errors import BudgetExceeded, InvalidRequest, LedgerUnusable, ProviderFailed, SeedanceError
from seedance_mcp.money.audit import Action, Entry
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.principals import Limits, Principal, digest_of, enabled, rotated, without_old_token
from seedance_mcp.money.records import NewRequest, Saved
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools.arguments import CreateOptions, CreateVideo, NoArguments, read_request
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.balance import get_balance
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.results import Task
from seedance_mcp.tools.session import OpenLedger, Shared

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANNA = Principal("anna", NOON, digest=digest_of("one"))
MODEL = "seedance2.0-md"


class Silent(Sandbox):
    """A provider whose tasks run and tell no cost."""

    made = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            self.made += 1
        if request.method == "POST" or "/v1/videos/" in path:
            task_id = f"vid_{self.made}" if request.method == "POST" else path.rpartition("/")[2]
            return httpx.Response(200, json={"code": 0, "data": {"task_id": task_id, "status": "processing"}})
        return await super().__call__(request)


@asynccontextmanager
async def running(tmp_path: Path, open_ledger: OpenLedger, **fields: Any) -> AsyncGenerator[Shared]:
    """What one process shares, on a provider where each video costs five."""
    prices = tmp_path / "prices.toml"
    prices.write_text(f'[[price]]\nname = "{MODEL}"\nper = "task"\nunit_price = 5\n', "utf-8")
    sandbox = Silent(no_film)

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(sandbox))

    settings = Settings(base_url=PROVIDER, data_dir=tmp_path / "data", prices=prices, **fields)
    async with aclosing(Shared(settings, connect, lambda: NOON, open_ledger=open_ledger)) as shared:
        yield shared


async def create(shared: Shared, principal: str, prompt: str = "a fox", **options: Any) -> Task:
    request = read_request(shared.edition, {"model": MODEL, "prompt": prompt})
    return await create_video(shared.session(principal), CreateVideo(request, CreateOptions(**options)), Nobody())


async def limit(ledger: Ledger, name: str, limits: Limits) -> None:
    await ledger.change_principal(name, lambda row: replace(row, limits=limits), "limited")


async def actions(ledger: Ledger, principal: str | None = None) -> list[Action]:
    return [entry.action for entry in await ledger.audit(None, principal, 100)]


async def test_a_row_is_kept_changed_and_entered(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
        assert (await ledger.registered(), await ledger.for_principal("anna").registration()) == ([], None)
        await ledger.add_principal(ANNA)
        with pytest.raises(InvalidRequest, match="there already"):
            await ledger.add_principal(replace(ANNA, digest=digest_of("another")))
        two = await ledger.change_principal("anna", partial(rotated, digest=digest_of("two")), "rotated")
        assert [two.has_token(digest_of(token)) for token in ("one", "two", "three")] == [True, True, False]
        assert two == await ledger.change_principal("anna", partial(rotated, digest=digest_of("two")), "rotated")
        dropped = await ledger.change_principal("anna", without_old_token, "rotated")
        assert [dropped.has_token(digest_of(token)) for token in ("one", "two")] == [False, True]
        await limit(ledger, "anna", Limits(per_day=Decimal("2.5"), confirm_above=Decimal(0)))
        await ledger.change_principal("anna", partial(enabled, is_enabled=False), "disabled")
        kept = await ledger.for_principal("anna").registration()
        assert kept == (await ledger.registered())[0]
        assert kept is not None
        assert (kept.disabled, kept.limits) == (True, Limits(per_day=Decimal("2.5"), confirm_above=Decimal(0)))
        assert "digest" not in repr(kept)
        with pytest.raises(InvalidRequest, match="no principal here"):
            await limit(ledger, "bert", Limits())
        assert await actions(ledger) == ["added", "rotated", "rotated", "limited", "disabled"]
        limited = (await ledger.audit(None, "anna", 2))[0]
        assert (limited.actor, limited.detail) == ("operator", "per video none, per day 2.5, total none, confirm above 0")


async def test_the_audit_knows_when_the_newest_token_was_made(open_ledger: OpenLedger, tmp_path: Path) -> None:
    at = [datetime(2026, 11, 1, tzinfo=UTC)]
    async with aclosing(open_ledger(Settings(data_dir=tmp_path / "data"), lambda: at[0])) as ledger:
        for name in ("anna", "bert"):
            await ledger.add_principal(Principal(name, at[0], digest=digest_of(name)))
        at[0] += timedelta(days=1)
        await ledger.change_principal("anna", lambda row: rotated(row, digest_of("new")), "rotated")
        at[0] += timedelta(days=1)
        await limit(ledger, "anna", Limits(per_day=Decimal(2)))
        assert {name: each.day for name, each in (await ledger.tokens_made()).items()} == {"anna": 2, "bert": 1}


async def test_what_is_written_again_after_a_lost_answer_is_there_once(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
        entry = Entry(NOON, "anna", "caller", "refused", code="budget_exceeded", amount=Decimal(5))
        for _ in range(2):
            await ledger.add_principal(ANNA)
            await ledger.enter(entry)
        assert await actions(ledger) == ["added", "refused"]
        assert await ledger.audit(NOON + timedelta(seconds=1), None, 9) == []
        assert await ledger.audit(NOON, "anna", 1) == [entry]


@pytest.mark.parametrize("kind", ["per_video", "per_day", "total"])
async def test_the_stricter_of_both_limits_holds(open_ledger: OpenLedger, tmp_path: Path, kind: str) -> None:
    general: dict[str, Any] = {f"max_cost_{kind}": Decimal(6)}
    async with running(tmp_path, open_ledger, **general) as shared:
        for name, own in (("strict", 4), ("exact", 5), ("loose", 60)):
            await shared.ledger.add_principal(Principal(name, NOON, Limits(**{kind: Decimal(own)})))
        with pytest.raises(BudgetExceeded, match=r"limit of 4 .* for this caller"):
            await create(shared, "strict")
        await create(shared, "exact")
        await create(shared, "loose")
        if kind != "per_video":
            with pytest.raises(BudgetExceeded, match="limit of 6"):
                await create(shared, "loose", "another fox")
        for name, least in (("strict", 4.0), ("loose", 6.0), ("nobody", 6.0)):
            balance = await get_balance(shared.session(name), NoArguments(), Nobody())
            assert balance.limits == {f"max_cost_{kind}": least}


async def test_a_limit_that_is_changed_holds_for_the_next_create(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with running(tmp_path, open_ledger) as shared:
        await shared.ledger.add_principal(ANNA)
        await create(shared, "anna")
        await limit(shared.ledger, "anna", Limits(per_day=Decimal(9)))
        dry = await create(shared, "anna", "two", dry_run=True)
        assert any("It would be refused" in warning for warning in dry.warnings)
        with pytest.raises(BudgetExceeded, match="limit of 9 per day for this caller"):
            await create(shared, "anna", "two")
        balance = await get_balance(shared.session("anna"), NoArguments(), Nobody())
        assert (balance.limits, balance.left_today) == ({"max_cost_per_day": 9.0}, 4.0)
        await limit(shared.ledger, "anna", Limits())
        await create(shared, "anna", "two")
        await create(shared, "bert", "three")


async def test_a_disabled_principal_spends_nothing(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with running(tmp_path, open_ledger) as shared:
        await shared.ledger.add_principal(replace(ANNA, disabled=True))
        with pytest.raises(BudgetExceeded, match="disabled"):
            await create(shared, "anna")
        assert await actions(shared.ledger, "anna") == ["added", "refused"]


async def test_the_user_is_asked_above_the_lower_price(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with running(tmp_path, open_ledger, confirm_above=Decimal(50)) as shared:
        await shared.ledger.add_principal(replace(ANNA, limits=Limits(confirm_above=Decimal(4))))
        dry = await create(shared, "anna", dry_run=True)
        assert any("asked to confirm" in warning for warning in dry.warnings)
        with pytest.raises(SeedanceError) as asked:
            await create(shared, "anna")
        await create(shared, "anna", confirm_token=asked.value.details["confirm_token"])
        await create(shared, "bert")
        assert await actions(shared.ledger, "anna") == ["added", "asked", "confirmed", "sent"]
        assert await actions(shared.ledger, "bert") == ["sent"]


@pytest.mark.slow
async def test_a_limit_of_the_account_holds_for_all_principals_that_race(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with running(tmp_path, open_ledger, max_cost_account_total=Decimal(25)) as shared:
        refused: list[str] = []

        async def one(name: str) -> None:
            try:
                await create(shared, name)
            except BudgetExceeded:
                refused.append(name)

        async with anyio.create_task_group() as group:
            for number in range(16):
                group.start_soon(one, f"caller {number}")
        assert len(refused) == 11
        assert (await shared.ledger.spent()).account_total == 25
        assert sorted(await actions(shared.ledger)) == ["refused"] * 11 + ["sent"] * 5


async def test_every_change_of_money_is_entered_without_a_word_of_the_prompt(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as every:
        ledger = every.for_principal("anna")
        for name in ("good", "bad"):
            request = NewRequest({"model": MODEL, "prompt": "a secret fox"}, name, Decimal(5), f"req_{name}")
            await ledger.reserve(request, window_seconds=0, admit=lambda _: None)
            await ledger.mark_sending(request.request_id, None)
        await ledger.fail("req_bad", ProviderFailed("no"))
        link = "https://hosts.invalid/film?signature=secret"
        for _ in range(2):
            await ledger.observe("req_good", ProviderTask("vid_1", "completed", cost=Decimal("4.5"), video_url=link))
        await ledger.save("req_good", Saved("/films/a.mp4", 1, "0"))
        found = await every.audit(None, None, 9)
        assert [(entry.action, entry.request_id, entry.amount, entry.code) for entry in found] == [
            ("sent", "req_good", 5, None),
            ("sent", "req_bad", 5, None),
            ("failed", "req_bad", 5, "provider_error"),
            ("settled", "req_bad", 0, None),
            ("settled", "req_good", Decimal("4.5"), None),
            ("saved", "req_good", 5, None),
        ]
        assert "secret" not in repr(found)
        await every.prune(NOON + timedelta(days=100))
        assert await every.audit(None, None, 9) == found


class Forgetful:
    """A ledger that takes no entry."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._ledger, verb)

    def for_principal(self, principal: str) -> Any:
        return Forgetful(self._ledger.for_principal(principal))

    async def enter(self, entry: Entry) -> None:
        raise LedgerUnusable("full")


async def test_a_refusal_that_cannot_be_entered_is_a_refusal_all_the_same(open_ledger: OpenLedger, tmp_path: Path) -> None:
    def forgetful(settings: Settings, now: Any) -> Any:
        return Forgetful(open_ledger(settings, now))

    async with running(tmp_path, forgetful, max_cost_total=Decimal(1)) as shared:
        with pytest.raises(BudgetExceeded):
            await create(shared, "anna")


@pytest.mark.sqlite_file
@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET principal = 'bert'"])
async def test_an_entry_is_never_changed(open_ledger: OpenLedger, tmp_path: Path, statement: str) -> None:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
        await ledger.add_principal(ANNA)
        store = SqliteStore(tmp_path / LEDGER_FILE)
        with pytest.raises(LedgerUnusable, match="only added to"), store.transaction(None) as db:
            db.run(statement)
        store.close()
