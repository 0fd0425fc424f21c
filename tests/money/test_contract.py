"""Every implementation of the ledger says the same after the same events, and SQLite's totals are those of its rows."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from memory_ledger import memory_ledgers

from seedance_mcp.errors import (
    BudgetExceeded,
    OutcomeUnknown,
    ProviderFailed,
    ProviderUnreachable,
    SeedanceError,
    TaskNotFound,
)
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.records import (
    EVERY_MODEL,
    Film,
    Media,
    Models,
    NewRequest,
    Record,
    Saved,
    Spent,
    Totals,
    Upload,
    Verdict,
    Wanted,
)
from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask, Status
from seedance_mcp.tools.session import OpenLedger

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRINCIPALS = ("", "alice")
LIMIT = Decimal(20)

Step = Callable[[Ledger, "Play"], Awaitable[Any]]


class Play:
    """What happens to one ledger: a clock, and the requests made so far."""

    def __init__(self) -> None:
        self.now = NOON
        self.requests: list[tuple[str, NewRequest]] = []
        self.films = 0

    def a_request(self, number: int) -> tuple[str, str]:
        principal, request = self.requests[number % len(self.requests)]
        return principal, request.request_id


def admit(spent: Spent) -> None:
    if spent.total > LIMIT:
        raise BudgetExceeded("too much")


def passes(seconds: float) -> Step:
    async def step(ledger: Ledger, play: Play) -> None:
        play.now += timedelta(seconds=seconds)

    return step


def reserves(principal: str, fingerprint: str, estimate: Decimal | None) -> Step:
    async def step(ledger: Ledger, play: Play) -> Any:
        body = {"model": f"m{fingerprint}", "prompt": "a fox", "duration": len(play.requests) % 3}
        number = len(play.requests)
        project = {"x": "film", "y": "ad"}.get(fingerprint)
        request = NewRequest(body, fingerprint, estimate, f"req_{number}", project=project, take=number or None)
        play.requests.append((principal, request))
        return await ledger.for_principal(principal).reserve(request, window_seconds=100, admit=admit)

    return step


def changes(number: int, act: Callable[[Ledger, str], Awaitable[Record]]) -> Step:
    """Change a request that was admitted; a request that was refused or is a duplicate is not there."""

    async def step(ledger: Ledger, play: Play) -> Any:
        if play.requests:
            principal, request_id = play.a_request(number)
            mine = ledger.for_principal(principal)
            return await act(mine, request_id) if await mine.find(request_id) else None
        return None

    return step


def observes(number: int, task: ProviderTask) -> Step:
    def act(ledger: Ledger, request_id: str) -> Awaitable[Record]:
        task_id = f"vid_{int(request_id.removeprefix('req_')) // 2}"  # every two requests share a task
        return ledger.observe(request_id, replace(task, task_id=task_id))

    return changes(number, act)


def fails(number: int, error: SeedanceError) -> Step:
    return changes(number, lambda ledger, request_id: ledger.fail(request_id, error))


def is_sent(number: int, used: Decimal | None) -> Step:
    return changes(number, lambda ledger, request_id: ledger.mark_sending(request_id, used))


def is_awaited(number: int) -> Step:
    async def act(ledger: Ledger, request_id: str) -> Record:
        await ledger.keep_awaiting(request_id)
        return await ledger.get(request_id)

    return changes(number, act)


async def releases(ledger: Ledger, play: Play) -> None:
    await ledger.release_unsent()


def is_saved(number: int) -> Step:
    return changes(number, lambda ledger, request_id: ledger.save(request_id, Saved("/a.mp4", 1, "0")))


def is_settled(number: int, verdict: Verdict) -> Step:
    async def act(ledger: Ledger, request_id: str) -> Record:
        return await ledger.settle(await ledger.get(request_id), verdict)

    return changes(number, act)


def is_judged(number: int, used: Decimal, seconds: int) -> Step:
    async def act(ledger: Ledger, request_id: str) -> Record:
        record = await ledger.get(request_id)
        return await ledger.judge(record, used, NOON + timedelta(seconds=seconds), only_one=True)

    return changes(number, act)


def adopts(principal: str, number: int) -> Step:
    async def step(ledger: Ledger, play: Play) -> Any:
        task_id = f"vid_elsewhere_{number}"
        try:
            return (await ledger.for_principal(principal).adopt(task_id, None))._replace(request_id="")  # made by chance
        except TaskNotFound:
            return None

    return step


def joins(principal: str, parts: list[str], project: str | None) -> Step:
    """Join tasks and earlier films; some of them are not there, or are another principal's."""

    async def step(ledger: Ledger, play: Play) -> None:
        film_id = f"film_{play.films:02}"
        play.films += 1
        earlier = tuple(part for part in parts if part < film_id or part.startswith("vid"))
        film = Film(film_id, play.now, 6.5, (*earlier, "vid_0"), Saved("/film.mp4", 9, "1"), project)
        await ledger.for_principal(principal).keep_film(film)

    return step


principals, numbers = st.sampled_from(PRINCIPALS), st.integers(0, 9)
amounts = st.none() | st.decimals(0, 9, places=9)
tasks = st.builds(
    ProviderTask,
    task_id=st.none(),
    status=st.sampled_from(get_args(Status)),
    progress=st.integers(0, 100),
    cost=amounts,
    video_url=st.sampled_from([None, "https://a.b/1"]),
)
verdicts = st.builds(
    Verdict,
    evidence=st.sampled_from(["charged", "not charged", "cannot tell"]),
    amount=amounts,
    by=st.sampled_from(["balance", "person"]),
)
errors = st.sampled_from([OutcomeUnknown("lost", charged="maybe"), ProviderFailed("no")])
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(passes, st.sampled_from([0.0, 0.5, 60, 200, 90_000])),
    st.builds(reserves, principals, st.sampled_from("xyz"), amounts),
    st.builds(observes, numbers, tasks),
    st.builds(fails, numbers, errors),
    st.builds(is_sent, numbers, amounts),
    st.builds(is_settled, numbers, verdicts),
    st.builds(is_saved, numbers),
    st.builds(is_awaited, numbers),
    st.just(releases),
    st.builds(is_judged, numbers, st.decimals(0, 9, places=9), st.sampled_from([0, 60, 300])),
    st.builds(adopts, principals, numbers),
    st.builds(
        joins,
        principals,
        st.lists(st.sampled_from(["vid_0", "vid_1", "film_00", "film_01"]), min_size=2, max_size=4),
        st.sampled_from([None, "film"]),
    ),
)


def seen(record: Record) -> Record:
    """A record as every ledger has it: the id of an adopted one is made by chance."""
    return record._replace(request_id=record.request_id if record.fingerprint else "")


TIMES = (None, NOON, NOON + timedelta(seconds=100), NOON + timedelta(days=1), NOON + timedelta(days=2, seconds=1))
FILTERS = [
    *(Wanted(status, project) for status in (None, *get_args(Status)) for project in (None, "film")),
    *(Wanted(saved=saved, project=project) for saved in (True, False) for project in (None, "ad")),
    *(Wanted(since=since, until=until) for since in TIMES for until in TIMES),
    Wanted("completed", saved=False),
    Wanted("failed", saved=False),
    Wanted("queued", "film", NOON, NOON + timedelta(days=3)),
    Wanted(project="nothing"),
]


async def walked(ledger: Ledger, wanted: Wanted) -> list[Record]:
    """All that fits, two at a time."""
    listed = await ledger.tasks(wanted, 2)
    found = listed.records
    while listed.next_cursor:
        listed = await ledger.tasks(wanted, 2, listed.next_cursor)
        found = [*found, *listed.records]
    totals = await ledger.totals(wanted)
    assert len(found) == totals.count + totals.films
    return found


async def told(ledger: Ledger) -> list[Any]:
    """Everything that a ledger says."""
    found: list[Any] = [[seen(record) for record in await ledger.unknown_outcomes()]]
    found += [[*map(seen, await ledger.changes_since(NOON, until))] for until in (None, NOON + timedelta(seconds=30))]
    for principal in PRINCIPALS:
        mine = ledger.for_principal(principal)
        for status in (None, *get_args(Status)):
            page = await mine.page(status, 3)
            found += [page.total, [seen(record) for record in page.records]]
        for record in (await mine.page()).records:
            key = record.task_id or record.request_id
            found += [seen(await mine.get(key)), await mine.similar_durations(record), await mine.belongs_elsewhere(key)]
            found.append(await mine.sharing(record))
            found.append(await mine.movements(record, NOON + timedelta(seconds=60)) if record.settled is None else None)
        for models in (EVERY_MODEL, Models(("m", "n"), others=False), Models(("m",), others=True)):
            expiring = await mine.expiring(100, 90_000, 3, models)
            found += [expiring.total, [seen(record) for record in expiring.records]]
        found += [await mine.spent(), await mine.spending_by_model(), (await mine.health()).requests]
        for wanted in FILTERS:
            found += [await mine.totals(wanted), [seen(record) for record in await walked(mine, wanted)]]
        found += [await mine.spending_by_day(NOON.date()), await mine.spending_by_day(NOON.date() + timedelta(days=1))]
        for by in ("project", "model"):
            found += [
                list((await mine.spending(by, since)).items()) for since in (NOON.date(), NOON.date() + timedelta(days=1))
            ]
        for record in (await mine.page()).records:
            found += [await mine.request_body(record.request_id), await mine.claim_saving(record.request_id, "one", 60)]
            found += [await mine.claim_saving(record.request_id, holder, 60) for holder in ("one", "other")]
            await mine.release_saving(record.request_id, "other")
            found.append(await mine.claim_saving(record.request_id, "other", 60))
            await mine.release_saving(record.request_id, "one")
            found.append(await mine.claim_saving(record.request_id, "other", 60))
            key = record.task_id or record.request_id
            for holder in ("one", "other", "one"):
                found.append(await mine.claim_poll(key, holder, 15, 0.1))
            await mine.release_poll(key, "other", 3, answered=True)
            await mine.release_poll(key, "one", 5, answered=True)
            found += [await mine.claim_poll(key, holder, 15, 0.1) for holder in ("other", "one")]
            await mine.release_poll(key, "one", 0, answered=False)
            found.append(await mine.claim_poll(key, "other", 15, 0.1))
        found += [await mine.keys("vid_", 5), await mine.keys("film", 5), await mine.find("film_00")]
    return found


async def outcome(ledger: Ledger, play: Play, step: Step) -> Any:
    try:
        return await step(ledger, play)
    except (BudgetExceeded, ProviderUnreachable):
        return "refused"


async def compare(folder: Path, events: list[Step]) -> None:
    plays = [Play(), Play()]
    openers: list[OpenLedger] = [open_ledger, memory_ledgers()]
    settings = Settings(data_dir=folder)
    first, second = (open_(settings, lambda play=play: play.now) for open_, play in zip(openers, plays, strict=True))
    async with aclosing(first), aclosing(second):
        for step in events:
            assert await outcome(first, plays[0], step) == await outcome(second, plays[1], step)
        assert await told(first) == await told(second)


@pytest.mark.slow
@given(st.lists(steps, max_size=12))
@hypothesis_settings(max_examples=60)
def test_both_ledgers_say_the_same_and_totals_are_those_of_the_rows(events: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(compare, Path(folder), events)
        db = sqlite3.connect(Path(folder, LEDGER_FILE))
        for kept, counted in DERIVED:
            assert sorted(db.execute(kept)) == sorted(db.execute(counted))
        db.close()


DERIVED = [
    (
        "SELECT scope, day, spent, reserved FROM totals WHERE spent OR reserved",
        """SELECT * FROM (
            SELECT scope, CAST(created_at / 86400 AS INTEGER), sum(coalesce(settled, reserved)) AS spent,
                sum(iif(settled IS NULL, reserved, 0)) AS kept
            FROM requests GROUP BY 1, 2
        ) WHERE spent OR kept""",
    ),
    ("SELECT scope, state, requests FROM counts WHERE requests", "SELECT scope, state, count(*) FROM requests GROUP BY 1, 2"),
]
"""What is kept beside the rows, and the same counted from them."""


@pytest.fixture
async def ledger(open_ledger: OpenLedger, tmp_path: Path) -> Any:
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as opened:
        yield opened


async def test_uploads_and_lengths_are_remembered_and_replaced(ledger: Ledger) -> None:
    link = "https://uploads.invalid/a"
    for at, asset_id in ((NOON - timedelta(hours=2), None), (NOON - timedelta(hours=1), "asset_1")):
        await ledger.remember_upload("digest", Upload(link, asset_id, at))
    assert await ledger.find_upload("digest", 7200) == Upload(link, "asset_1", NOON - timedelta(hours=1))
    assert await ledger.find_upload("digest", 3600) is None
    assert await ledger.for_principal("alice").find_upload("digest", 7200) is None
    whole = Media(link, "image", None, (640, 480), "library", NOON)
    for learnt in (Media(link, "video", 2.0), whole):
        await ledger.remember_media(learnt)
        assert await ledger.media(link) == learnt
    assert await ledger.for_principal("alice").media(link) is None
    await ledger.for_principal("alice").remember_media(Media(link, "video", 9.0))
    assert await ledger.media(link) == whole
    assert await ledger.media("https://uploads.invalid/b") is None


async def test_a_task_of_another_principal_is_not_adopted(ledger: Ledger) -> None:
    alice, bob = ledger.for_principal("alice"), ledger.for_principal("bob")
    adopted = await alice.adopt("vid_1", NOON)
    assert await alice.adopt("vid_1", None) == adopted
    assert await bob.belongs_elsewhere("vid_1")
    assert not await alice.belongs_elsewhere("vid_1")
    await bob.adopt("vid_2", NOON)
    assert await ledger.principals() == ["alice", "bob"]
    assert (await ledger.health()).requests == 2
    with pytest.raises(TaskNotFound):
        await bob.adopt("vid_1", None)


async def test_ids_are_completed_from_any_part_newest_first(ledger: Ledger) -> None:
    for number in range(12):
        request = NewRequest({"model": "m", "prompt": "a fox"}, str(number), None, f"req_{number}")
        await ledger.reserve(request, window_seconds=0, admit=admit)
        if number != 7:
            await ledger.observe(f"req_{number}", ProviderTask(f"Vid_{number}", "queued"))
    assert await ledger.keys("", 3) == ["Vid_11", "Vid_10", "Vid_9"]
    assert await ledger.keys("id_1", 9) == ["Vid_11", "Vid_10", "Vid_1"]
    assert await ledger.keys("req", 9) == ["req_7"]
    assert await ledger.keys("elsewhere", 9) == []


async def test_a_film_is_listed_with_what_its_parts_cost_each_once(ledger: Ledger) -> None:
    for number, cost in enumerate(("2.5", "4")):
        request = NewRequest({"model": "m", "prompt": "a fox"}, str(number), Decimal(9), f"req_{number}", project="fox")
        await ledger.reserve(request, window_seconds=0, admit=admit)
        await ledger.observe(f"req_{number}", ProviderTask(f"vid_{number}", "completed", cost=Decimal(cost)))
    saved = Saved("/film.mp4", 9, "00")
    await ledger.keep_film(Film("film_1", NOON, 9.6, ("vid_0", "vid_0"), saved, "fox"))
    await ledger.keep_film(Film("film_2", NOON, 19.6, ("film_1", "vid_1", "vid_0", "vid_gone"), saved))
    listed = await ledger.tasks(Wanted(), 9)
    assert [record.request_id for record in listed.records] == ["film_2", "film_1", "req_1", "req_0"]
    newest = listed.records[0]
    assert (newest.status, newest.cost, newest.saved, newest.duration) == ("completed", Decimal("6.5"), saved, 20)
    assert newest.progress == 100
    assert newest.parts == ("film_1", "vid_1", "vid_0", "vid_gone")
    assert await ledger.find("film_2") == newest
    assert (await ledger.get("film_1")).cost == Decimal("2.5")
    assert await ledger.for_principal("alice").find("film_2") is None
    assert [record.request_id for record in (await ledger.tasks(Wanted(project="fox"), 1)).records] == ["film_1"]
    assert (await ledger.totals(Wanted())).films == 2
    for wanted in (Wanted(saved=False), Wanted("failed"), Wanted(until=NOON)):
        assert (await ledger.totals(wanted)).films == 0
        assert not any(record.parts for record in (await ledger.tasks(wanted, 9)).records)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


FITTING: list[tuple[Wanted, str]] = [
    (Wanted(), "dcba"),
    (Wanted("completed"), "ba"),
    (Wanted("failed"), "c"),
    (Wanted("queued"), "d"),
    (Wanted("cancelled"), ""),
    (Wanted(project="film"), "ba"),
    (Wanted("queued", "film"), ""),
    (Wanted(since=after(100)), "dcb"),
    (Wanted(until=after(100)), "a"),
    (Wanted(until=after(101)), "ba"),
    (Wanted(since=after(100), until=after(200)), "b"),
    (Wanted(saved=True), "a"),
    (Wanted(saved=False), "b"),
    (Wanted("failed", saved=False), ""),
    (Wanted("queued", "ad", after(0), after(400)), "d"),
]
"""What is asked for, and which of four requests are given, the newest first."""
SUMS = {
    "a": Totals(1, Decimal(3), Decimal(2), Decimal(0), 0),
    "b": Totals(1, Decimal(3), Decimal(3), Decimal(0), 1),
    "c": Totals(1, Decimal(3), Decimal(0), Decimal(0), 0),
    "d": Totals(1, Decimal(3), Decimal(0), Decimal(3), 0),
}
"""What each adds to the totals: its estimate, its charge, what is reserved, and whether it is finished and not saved."""


async def test_each_filter_gives_what_fits_it_and_the_sum_of_that(open_ledger: OpenLedger, tmp_path: Path) -> None:
    now = [NOON]
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: now[0])) as ledger:
        made: list[tuple[str, str | None, Status, int | None]] = [
            ("a", "film", "completed", 2),
            ("b", "film", "completed", None),
            ("c", None, "failed", None),
            ("d", "ad", "queued", None),
        ]
        for name, project, status, cost in made:
            request = NewRequest({"model": "m", "prompt": "a fox"}, name, Decimal(3), name, project=project)
            await ledger.reserve(request, window_seconds=0, admit=admit)
            await ledger.observe(name, ProviderTask(f"vid_{name}", status, cost=None if cost is None else Decimal(cost)))
            now[0] += timedelta(seconds=100)
        await ledger.save("a", Saved("/a.mp4", 1, "0"))
        for wanted, names in FITTING:
            assert [record.request_id for record in (await ledger.tasks(wanted, 9)).records] == [*names]
            assert await ledger.totals(wanted) == sum((SUMS[name] for name in names), Totals())
