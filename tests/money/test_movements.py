"""What else may have moved the account's balance beside a request whose answer was lost: one row for each reason."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from seedance_mcp.errors import OutcomeUnknown, ProviderFailed
from seedance_mcp.money import policy
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.policy import RUNS_MOST_SECONDS
from seedance_mcp.money.records import SENDING_SECONDS, Movements, NewRequest, Verdict
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask, Status
from seedance_mcp.tools.session import OpenLedger

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRICE = Decimal("2.5")
WEEK = f"pass {RUNS_MOST_SECONDS}"


class Story:
    """Tells a ledger what happened, one line after the other: a verb or a status, whose request, and its cost."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.now = ledger, NOON
        self.asked_at: datetime | None = None

    async def tell(self, line: str) -> None:
        verb, name, *more = line.split()
        if verb == "pass":
            self.now += timedelta(seconds=float(name))
        elif verb == "ask":
            self.asked_at = self.now = self.now + timedelta(seconds=1)
        else:
            await self._happens(self.ledger.for_principal("" if name == "one" else "bob"), verb, name, *more)

    async def _happens(self, theirs: Ledger, verb: str, name: str, more: str | None = None) -> None:
        request_id = f"req_{name}"
        if verb == "reserve":
            request = NewRequest({"model": "m", "prompt": name}, name, None if more else PRICE, request_id)
            await theirs.reserve(request, window_seconds=None, admit=lambda _: None)
        elif verb == "send":
            await theirs.mark_sending(request_id, Decimal(10))
        elif verb == "lose":
            await theirs.fail(request_id, OutcomeUnknown("lost", charged="maybe"))
        elif verb == "refuse":
            await theirs.fail(request_id, ProviderFailed("no"))
        elif verb == "charge":
            await theirs.settle(await theirs.get(request_id), Verdict("charged", PRICE, "person"))
        else:
            task = ProviderTask(f"vid_{name}", cast("Status", verb), cost=Decimal(more) if more else None)
            await theirs.observe(request_id, task)


@pytest.fixture
async def story(open_ledger: OpenLedger, tmp_path: Path) -> AsyncGenerator[Story]:
    told: list[Story] = []
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: told[0].now if told else NOON)) as ledger:
        told.append(Story(ledger))
        yield told[0]


ONE = "reserve one, send one, lose one"
"""The request that is judged."""
EARLIER, SINCE = "reserve two, send two", f"{ONE}, reserve two, send two"
"""Another principal's request, sent before it or since."""
ROWS: dict[str, str] = {
    ONE: "",
    # it is not answered, or changed under way
    "reserve one, reserve two, send one, lose one": "unanswered",
    "reserve one, send one, reserve two, lose one": "",
    SINCE: "unanswered",
    f"{SINCE}, pass {SENDING_SECONDS + 1}": "",
    f"{EARLIER}, {ONE}, refuse two": "",
    f"{EARLIER}, {ONE}, lose two": "unanswered hidden",
    f"{EARLIER}, refuse two, {ONE}": "",
    f"{EARLIER}, {WEEK}, {ONE}": "unanswered hidden",
    f"{EARLIER}, {WEEK}, pass 1, {ONE}": "hidden",
    f"{ONE}, ask two, reserve two": "unanswered",
    f"{ONE}, ask two": "",
    f"{ONE}, ask two, pass -60": "unanswered",
    # it was sent before
    f"{EARLIER}, queued two, {ONE}": "unclear hidden",
    f"{EARLIER}, processing two, {ONE}": "unclear hidden",
    f"{EARLIER}, processing two 2.5, {ONE}": "hidden charges_before_end",
    f"{EARLIER}, queued two, {ONE}, failed two": "failed unclear",
    f"{EARLIER}, queued two, {ONE}, cancelled two": "failed unclear",
    f"{EARLIER}, queued two, {ONE}, completed two 2.5": "unclear",
    f"{EARLIER}, queued two, {ONE}, completed two": "unclear",
    f"{EARLIER}, completed two 2.5, {ONE}": "",
    f"{EARLIER}, lose two, {ONE}": "hidden",
    f"{EARLIER}, lose two, charge two, {ONE}": "hidden",
    f"{EARLIER}, lose two, charge two, {WEEK}, {ONE}": "hidden",
    f"{EARLIER}, lose two, charge two, {WEEK}, pass 1, {ONE}": "",
    # it was sent since
    f"{SINCE}, queued two": "unclear",
    f"{SINCE}, queued two 2.5": "charged returnable charges_before_end",
    f"{SINCE}, processing two": "unclear",
    f"{SINCE}, processing two 2.5": "charged returnable charges_before_end",
    f"{SINCE}, unknown two 2.5": "charged returnable",
    f"{SINCE}, failed two 2.5": "charged returnable",
    f"{SINCE}, cancelled two 2.5": "charged returnable",
    f"{SINCE}, failed two": "unclear",
    f"{SINCE}, completed two 2.5": "charged",
    f"{SINCE}, completed two": "charged unclear",
    f"{ONE}, reserve two unpriced, send two, completed two": "unclear",
    f"{SINCE}, refuse two, charge two": "",
    f"{SINCE}, lose two, charge two": "charged returnable",
    f"{SINCE}, lose two": "",
}
"""What happened, and what of it is said to have moved the balance: amounts are the price of one video."""


@pytest.mark.parametrize(("most", "is_seen"), [(1, False), (2, True)])
async def test_only_the_newest_requests_say_when_a_model_is_charged(
    story: Story, monkeypatch: pytest.MonkeyPatch, most: int, *, is_seen: bool
) -> None:
    monkeypatch.setattr(policy, "CHARGES_LOOKED_AT", most)
    for line in f"{EARLIER}, processing two 2.5, {ONE}".split(", "):
        await story.tell(line)
    told = await story.ledger.movements(await story.ledger.get("req_one"), story.now)
    assert told.charges_before_end is is_seen


@pytest.mark.parametrize("row", ROWS)
async def test_each_movement_of_the_balance_is_told(story: Story, row: str) -> None:
    for line in row.split(", "):
        await story.tell(line)
    if story.asked_at is None:
        await story.tell("pass 1")
    told = await story.ledger.movements(await story.ledger.get("req_one"), story.asked_at or story.now)
    said = set(ROWS[row].split())
    assert told == Movements(
        unanswered="unanswered" in said,
        failed="failed" in said,
        unclear="unclear" in said,
        charged=PRICE if "charged" in said else Decimal(0),
        returnable=PRICE if "returnable" in said else Decimal(0),
        hidden="hidden" in said,
        charges_before_end="charges_before_end" in said,
    )
