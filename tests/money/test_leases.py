"""What one process does at a time: claimed in the ledger, kept from the others, and free again when the process is gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import NewRequest, PollClaim
from seedance_mcp.money.sql_leases import FAR_SECONDS
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools.session import OpenLedger

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    """A clock that the test sets."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@asynccontextmanager
async def with_task(open_ledger: OpenLedger, folder: Path, clock: Clock) -> AsyncGenerator[Ledger]:
    """Open a ledger with one task, which runs."""
    async with aclosing(open_ledger(Settings(data_dir=folder), clock)) as ledger:
        request = NewRequest({"model": "m", "prompt": "a fox"}, "a fox", Decimal(2), request_id="req_1")
        await ledger.reserve(request, window_seconds=None, admit=lambda _: None)
        await ledger.observe("req_1", ProviderTask("vid_1", "processing"))
        yield ledger


async def test_one_process_polls_a_task_and_the_others_learn_when(open_ledger: OpenLedger, tmp_path: Path) -> None:
    clock = Clock()
    async with with_task(open_ledger, tmp_path, clock) as ledger:
        assert (await ledger.claim_poll("vid_1", "one", 15, 0.1)).is_mine
        assert (await ledger.claim_poll("vid_1", "one", 15, 0.1)).is_mine
        other = await ledger.claim_poll("vid_1", "other", 15, 0.1)
        assert (other.is_mine, other.again_seconds, other.answered_seconds_ago) == (False, 15, None)
        await ledger.release_poll("vid_1", "other", 0, answered=True)
        await ledger.release_poll("vid_1", "one", 5, answered=True)
        clock.go_on(2)
        other = await ledger.claim_poll("vid_1", "other", 15, 0.1)
        assert (other.is_mine, other.again_seconds, other.answered_seconds_ago) == (False, 3, 2)
        clock.go_on(3)
        assert (await ledger.claim_poll("vid_1", "other", 15, 0.1)).is_mine


async def test_a_poll_of_a_process_that_is_gone_is_taken_over_whatever_the_clock_did(
    open_ledger: OpenLedger, tmp_path: Path
) -> None:
    clock = Clock()
    async with with_task(open_ledger, tmp_path, clock) as ledger:
        assert (await ledger.claim_poll("vid_1", "one", 15, 0.1)).is_mine
        clock.go_on(15)
        assert (await ledger.claim_poll("vid_1", "other", 15, 0.1)).is_mine
        clock.go_on(-7200)
        assert (await ledger.claim_poll("vid_1", "one", 15, 0.1)).is_mine


async def test_a_long_interval_is_shared_and_a_clock_that_was_set_back_keeps_nobody_for_longer(
    open_ledger: OpenLedger, tmp_path: Path
) -> None:
    clock, interval_seconds = Clock(), 600.0
    async with with_task(open_ledger, tmp_path, clock) as ledger:

        async def claim(holder: str) -> PollClaim:
            return await ledger.claim_poll("vid_1", holder, 15, interval_seconds / 50, interval_seconds)

        assert (await claim("one")).is_mine
        await ledger.release_poll("vid_1", "one", interval_seconds, answered=True)
        clock.go_on(5)
        other = await claim("other")
        assert (other.is_mine, other.again_seconds, other.answered_seconds_ago) == (False, 595, 5)
        clock.go_on(-30)  # the clock of another machine is behind
        assert not (await claim("other")).is_mine
        clock.go_on(-120)
        assert (await claim("other")).is_mine
        assert (await claim("other")).place_seconds < interval_seconds


async def test_a_poll_that_its_process_claims_again_is_kept_for_longer(open_ledger: OpenLedger, tmp_path: Path) -> None:
    clock = Clock()
    async with with_task(open_ledger, tmp_path, clock) as ledger:
        for _ in range(2):
            assert (await ledger.claim_poll("vid_1", "one", 15, 0.1)).is_mine
            clock.go_on(10)
        assert not (await ledger.claim_poll("vid_1", "other", 15, 0.1)).is_mine


async def test_of_processes_that_claim_a_poll_at_once_one_gets_it(open_ledger: OpenLedger, tmp_path: Path) -> None:
    clock = Clock()
    async with with_task(open_ledger, tmp_path, clock) as ledger:
        for number in range(5):
            told: list[PollClaim] = []

            async def claim(holder: str, told: list[PollClaim] = told) -> None:
                told.append(await ledger.claim_poll("vid_1", holder, 15, 0.1))

            async with anyio.create_task_group() as group:
                for process in range(8):
                    group.start_soon(claim, f"{number} {process}")
            assert sorted(claimed.is_mine for claimed in told) == [False] * 7 + [True]
            assert {claimed.again_seconds for claimed in told if not claimed.is_mine} == {15}
            clock.go_on(15)


async def test_a_lease_that_ends_too_far_off_is_taken_over_and_kept(open_ledger: OpenLedger, tmp_path: Path) -> None:
    clock = Clock()
    async with with_task(open_ledger, tmp_path, clock) as ledger:
        assert (await ledger.claim_poll("vid_1", "one", 15, 0.1)).is_mine
        clock.go_on(15 - FAR_SECONDS)
        assert (await ledger.claim_poll("vid_1", "other", 15, 0.1)).is_mine
        assert not (await ledger.claim_poll("vid_1", "one", 15, 0.1)).is_mine


async def test_a_task_that_the_ledger_does_not_hold_is_polled_by_everybody(open_ledger: OpenLedger, tmp_path: Path) -> None:
    async with with_task(open_ledger, tmp_path, Clock()) as ledger:
        claims = [await ledger.claim_poll("vid_elsewhere", name, 15, 0.1) for name in ("one", "other")]
        assert [claim.is_mine for claim in claims] == [True, True]


async def test_processes_that_poll_share_one_rate_and_one_alone_keeps_its_own(open_ledger: OpenLedger, tmp_path: Path) -> None:
    clock = Clock()
    async with with_task(open_ledger, tmp_path, clock) as ledger:

        async def place(holder: str) -> float:
            return (await ledger.claim_poll("vid_elsewhere", holder, 15, 0.5)).place_seconds

        assert [await place("one"), await place("one")] == [0, 0]
        assert [await place(name) for name in ("other", "one", "other")] == pytest.approx([1, 1.5, 2])
        clock.go_on(60)
        assert [await place("other"), await place("other")] == [0, 0]
        clock.go_on(-7200)
        assert await place("one") == 0


async def test_a_saving_is_kept_as_long_as_its_holder_says_so(open_ledger: OpenLedger, tmp_path: Path) -> None:
    clock = Clock()
    async with with_task(open_ledger, tmp_path, clock) as ledger:
        assert not await ledger.claim_saving("req_1", "one", 10)
        await ledger.observe("req_1", ProviderTask("vid_1", "completed", progress=100, video_url="https://example.com/v.mp4"))
        assert await ledger.claim_saving("req_1", "one", 10)
        clock.go_on(8)
        assert await ledger.claim_saving("req_1", "one", 10)
        clock.go_on(8)
        assert not await ledger.claim_saving("req_1", "other", 10)
        await ledger.release_saving("req_1", "other")
        assert not await ledger.claim_saving("req_1", "other", 10)
        clock.go_on(2)
        assert await ledger.claim_saving("req_1", "other", 10)
        await ledger.release_saving("req_1", "one")
        assert not await ledger.claim_saving("req_1", "one", 10)
        await ledger.release_saving("req_1", "other")
        assert await ledger.claim_saving("req_1", "one", 10)
