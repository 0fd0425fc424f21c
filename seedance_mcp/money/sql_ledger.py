"""The ledger over a store: each verb is one function in a worker thread, so that no query stops the event loop."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from threading import Event, Lock
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from seedance_mcp.errors import LedgerAway, SeedanceError, TaskNotFound
from seedance_mcp.money import policy, sql_assets, sql_leases, sql_lists, sql_people
from seedance_mcp.money.announcements import Heard
from seedance_mcp.money.audit import Action, Entry
from seedance_mcp.money.batches import Batches
from seedance_mcp.money.known_records import KnownRecords
from seedance_mcp.money.principals import Principal
from seedance_mcp.money.records import (
    EVERY_MODEL,
    AssetReference,
    Film,
    Health,
    Listed,
    Media,
    Models,
    ModelSpending,
    Movements,
    NamedAsset,
    NewRequest,
    Page,
    PollClaim,
    Record,
    Reservation,
    Saved,
    Spent,
    SumBy,
    Totals,
    Upload,
    Used,
    Verdict,
    Wanted,
    new_request_id,
)
from seedance_mcp.money.sql_changes import Changing
from seedance_mcp.money.sql_queries import NO_SUCH_TASK, Reading
from seedance_mcp.money.stores.store import Store
from seedance_mcp.task import ProviderTask, Status

T = TypeVar("T")
EPOCH = date(1970, 1, 1)
AWAY_SECONDS, AWAY_PAUSE_SECONDS = 20.0, 0.2
"""How long a database that does not answer is tried again, and the pause between two tries."""


class Engine:
    """A store that is opened when it is first used, and its own share of worker threads.

    Reads and writes have a limiter each, so that reads go on while a writer waits for another process, and neither of them
    takes the threads of those who work with files. A database that is away for a moment is tried again in the same thread:
    every function that writes may be done twice, since it takes the names and times of its rows from outside.
    """

    def __init__(self, open_store: Callable[[], Store], *, readers: int = 1, writers: int = 1) -> None:
        """Take how to open the store, and how many threads may read and write at the same time."""
        self._open_store, self._opening, self._opened = open_store, Lock(), list[Store]()
        self._closing = Event()
        self._reading, self._writing = anyio.CapacityLimiter(readers), anyio.CapacityLimiter(writers)
        self._batches = Batches(self._reading) if readers == 1 else None
        self.known = KnownRecords()

    async def read(self, work: Callable[[Store], T]) -> T:
        """Run a function that reads."""
        return await anyio.to_thread.run_sync(lambda: self._patiently(work), limiter=self._reading)

    async def look_up(self, work: Callable[[Store], T]) -> T:
        """Run a function that reads a row or two; where there is one thread, all such functions that wait go together."""
        if self._batches is None:
            return await self.read(work)
        return await self._batches.run(lambda: self._patiently(work))

    async def write(self, work: Callable[[Store], T]) -> T:
        """Run a function that writes; once it has begun it ends, whoever gives up meanwhile."""
        return await anyio.to_thread.run_sync(lambda: self._patiently(work), limiter=self._writing)

    def _patiently(self, work: Callable[[Store], T]) -> T:
        last = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return work(self._store())
            except LedgerAway:
                if time.monotonic() >= last or self._closing.wait(AWAY_PAUSE_SECONDS):
                    raise

    def _store(self) -> Store:
        with self._opening:
            if not self._opened:
                self._opened.append(self._open_store())
            return self._opened[0]

    async def aclose(self) -> None:
        """Close the store, if it was opened; nobody waits for one that is away any more."""
        self._closing.set()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: [store.close() for store in self._opened], limiter=self._writing)


def _only_one(_: Reading) -> bool:
    return False


def _all(_: Reading) -> bool:
    return True


class SqlLedger:
    """The ledger as one principal sees it; `Ledger` says what its verbs promise."""

    def __init__(self, engine: Engine, now: Callable[[], datetime], principal: str = "") -> None:
        """Take the engine, which all principals share, and the clock."""
        self._engine, self._now, self._principal = engine, now, principal

    def for_principal(self, principal: str) -> SqlLedger:
        """Give the same ledger as another principal sees it."""
        return SqlLedger(self._engine, self._now, principal)

    async def aclose(self) -> None:
        """Close the ledger for every principal."""
        await self._engine.aclose()

    def _reading(self, store: Store) -> Reading:
        return Reading(store, store.insertion_order, self._principal, self._now())

    async def _read(self, work: Callable[[Reading], T]) -> T:
        return await self._engine.read(lambda store: work(self._reading(store)))

    async def _write(
        self, work: Callable[[Changing], T], principal: str | None = None, concerns_all: Callable[[Reading], bool] = _only_one
    ) -> T:
        """Run a function in a transaction of this principal, of the one whose row is written, or of all it concerns."""
        mine = self._principal if principal is None else principal

        def write(store: Store) -> T:
            alone = not concerns_all(Reading(store, store.insertion_order, mine, self._now()))
            with store.transaction(mine if alone else None) as db:
                return work(Changing(db, Reading(db, store.insertion_order, mine, self._now())))

        return await self._engine.write(write)

    # requests

    async def reserve(
        self, request: NewRequest, *, window_seconds: float | None, admit: Callable[[Spent], None], token: str | None = None
    ) -> Reservation:
        """Write a request down before it is sent, or find the one that it duplicates."""
        digest = _digest(token) if token else None
        return await self._write(lambda ledger: ledger.reserve(request, window_seconds, admit, digest), concerns_all=_all)

    async def duplicated(self, fingerprint: str, window_seconds: float) -> Record | None:
        """Find the request that another of the same fingerprint would duplicate."""
        return await self._read(lambda ledger: ledger.duplicated(fingerprint, window_seconds))

    async def mark_sending(self, request_id: str, used: Decimal | None) -> Record:
        """Note that a request is sent now, and what the account has used."""
        now = self._now()
        return await self._write(lambda ledger: ledger.mark_sending(request_id, used, now))

    async def keep_awaiting(self, request_id: str) -> None:
        """Note that this process still awaits the answer to a request."""
        await self._write(lambda ledger: ledger.keep_awaiting(request_id))

    async def release_unsent(self) -> None:
        """Release what is reserved for requests that never left."""
        if await self._read(lambda ledger: ledger.unsent()):
            await self._write(lambda ledger: ledger.release_unsent(), concerns_all=_all)

    async def observe(self, request_id: str, task: ProviderTask) -> Record:
        """Take in what the provider reports about a task."""

        def is_shared(ledger: Reading) -> bool:
            return any(each.principal != ledger.principal for each in ledger.requests_of(task.task_id or ""))

        return await self._write(lambda ledger: ledger.observe(request_id, task), concerns_all=is_shared)

    async def fail(self, request_id: str, error: SeedanceError) -> Record:
        """Take in that a request got no task."""
        return await self._write(lambda ledger: ledger.fail(request_id, error))

    async def settle(self, record: Record, verdict: Verdict) -> Record:
        """Take in what became of a request of unknown outcome."""
        return await self._write(lambda ledger: ledger.settle(record.request_id, verdict), record.principal)

    async def adopt(self, task_id: str, made_at: datetime | None) -> Record:
        """Take in a task that was made elsewhere."""
        request_id = new_request_id()
        return await self._write(lambda ledger: ledger.adopt(request_id, task_id, made_at), concerns_all=_all)

    async def save(self, request_id: str, saved: Saved) -> Record:
        """Note where a finished video is kept."""
        return await self._write(lambda ledger: ledger.save(request_id, saved))

    async def keep_film(self, film: Film) -> None:
        """Note where a joined film is kept."""
        await self._write(lambda ledger: ledger.keep_film(film))

    async def films(self, limit: int) -> list[Film]:
        """Give the newest joined films."""
        return await self._read(lambda ledger: ledger.films(limit))

    async def find(self, key: str) -> Record | None:
        """Find the request of a task id or request id."""
        return await self._engine.look_up(lambda store: self._engine.known.find(store, self._reading(store), key))

    async def get(self, key: str) -> Record:
        """Give the request of a task id or request id, which must be there."""
        found = await self.find(key)
        if found is None:
            raise TaskNotFound(NO_SUCH_TASK)
        return found

    async def belongs_elsewhere(self, task_id: str) -> bool:
        """Say whether a task was made by another principal."""
        owners = {record.principal for record in await self._read(lambda ledger: ledger.requests_of(task_id))}
        return bool(owners) and self._principal not in owners

    async def sharing(self, record: Record) -> list[str]:
        """Give the other requests for the same task."""
        found = await self._read(lambda ledger: ledger.requests_of(record.task_id or ""))
        return [
            each.request_id for each in found if each.principal == self._principal and each.request_id != record.request_id
        ]

    async def page(self, status: Status | None = None, limit: int | None = None) -> Page:
        """Give the newest requests of a status."""
        return await self._read(lambda ledger: ledger.page(status, limit))

    async def tasks(self, wanted: Wanted, limit: int, after: str | None = None) -> Listed:
        """Give the newest requests that fit."""
        return await self._read(lambda ledger: sql_lists.tasks(ledger, wanted, limit, after))

    async def totals(self, wanted: Wanted) -> Totals:
        """Add up all requests that fit."""
        return await self._read(lambda ledger: sql_lists.totals(ledger, wanted))

    async def request_body(self, request_id: str) -> dict[str, Any] | None:
        """Give the body of a request as it was sent."""
        return await self._read(lambda ledger: ledger.request_body(request_id))

    async def claim_poll(
        self, task_id: str, holder: str, seconds: float, pace_seconds: float, longest_seconds: float = 0.0
    ) -> PollClaim:
        """Take the poll of a task for a time; one that another process has is only read."""
        elsewhere = await self._read(lambda ledger: sql_leases.poll_elsewhere(ledger, task_id, holder, longest_seconds))
        return elsewhere or await self._write(
            lambda ledger: sql_leases.claim_poll(ledger, task_id, holder, seconds, pace_seconds, longest_seconds)
        )

    async def release_poll(self, task_id: str, holder: str, seconds: float, *, answered: bool) -> None:
        """End the claim of a poll."""
        await self._write(lambda ledger: sql_leases.release_poll(ledger, task_id, holder, seconds, answered=answered))

    async def claim_saving(self, request_id: str, holder: str, seconds: float, *, again: bool = False) -> bool:
        """Take the saving of a finished video for a time; one that another call has is only read."""
        if await self._read(lambda ledger: sql_leases.is_saved_elsewhere(ledger, request_id, holder)):
            return False
        return await self._write(lambda ledger: sql_leases.claim_saving(ledger, request_id, holder, seconds, again=again))

    async def release_saving(self, request_id: str, holder: str) -> None:
        """Let others save a video whose saving was claimed."""
        await self._write(lambda ledger: sql_leases.release_saving(ledger, request_id, holder))

    async def keys(self, part: str, limit: int) -> list[str]:
        """Give ids that contain or begin with some characters."""
        return await self._read(lambda ledger: ledger.keys(part, limit))

    async def expiring(self, age_seconds: float, lifetime_seconds: float, limit: int, models: Models = EVERY_MODEL) -> Page:
        """Give finished videos that are not saved and of an age between two."""
        return await self._read(lambda ledger: ledger.expiring(age_seconds, lifetime_seconds, limit, models))

    async def similar_durations(self, record: Record) -> list[float]:
        """Give the seconds that finished tasks like one took."""
        return await self._read(lambda ledger: ledger.similar_durations(record))

    # money

    async def spent(self) -> Spent:
        """Add up what was spent and what is reserved."""
        return await self._read(lambda ledger: ledger.spent())

    async def used_before(self) -> Used:
        """Give what the account had used before the first requests of today and of all time."""
        return await self._read(lambda ledger: ledger.used_before())

    async def spending_by_model(self) -> list[ModelSpending]:
        """Compare estimates with charges."""
        return await self._read(lambda ledger: ledger.spending_by_model())

    async def spending(self, by: SumBy, since: date) -> dict[str, Totals]:
        """Sum requests by project or model since a UTC day."""
        return await self._read(lambda ledger: sql_lists.spending(ledger, by, (since - EPOCH).days))

    async def spending_by_day(self, since: date) -> dict[date, Totals]:
        """Sum requests by day."""
        found = await self._read(lambda ledger: sql_lists.spending_by_day(ledger, (since - EPOCH).days))
        return {EPOCH + timedelta(days=day): totals for day, totals in found.items()}

    async def unknown_outcomes(self) -> list[Record]:
        """Give every principal's requests of unknown outcome."""
        return await self._read(lambda ledger: ledger.unknown_outcomes())

    async def principals(self) -> list[str]:
        """Name everybody who made a request."""
        return await self._read(lambda ledger: ledger.principals())

    async def movements(self, record: Record, asked_at: datetime) -> Movements:
        """Say what else may have moved the account's balance."""
        return await self._read(lambda ledger: ledger.movements(record, asked_at))

    async def judge(self, record: Record, used: Decimal, asked_at: datetime, *, only_one: bool) -> Record:
        """Judge a request of unknown outcome, and settle what is certain."""
        return await self._write(
            lambda ledger: ledger.judge(record, used, asked_at, only_one=only_one), record.principal, _all
        )

    # confirmation tokens, references, uploads

    async def new_token(self, fingerprint: str, price: Decimal | None, take: int | None) -> str:
        """Make a token for one take of one request at one price; only its digest is kept."""
        token = f"confirm_{secrets.token_hex(16)}"
        await self._write(lambda ledger: ledger.add_token(_digest(token), fingerprint, policy.terms_of(price, take)))
        return token

    async def keep_answer(self, fingerprint: str, *, agreed: bool) -> None:
        """Keep how the user answered a form about a request."""
        await self._write(lambda ledger: ledger.keep_answer(fingerprint, agreed=agreed))

    async def is_refused(self, fingerprint: str) -> bool:
        """Say whether the last form about a request was no yes."""
        return await self._read(lambda ledger: ledger.is_refused(fingerprint))

    async def token_fault(self, token: str, fingerprint: str, price: Decimal | None, take: int | None) -> str | None:
        """Say why a token does not confirm a take of a request at a price."""
        return await self._read(lambda ledger: ledger.token_fault(_digest(token), fingerprint, policy.terms_of(price, take)))

    async def remember_media(self, media: Media) -> None:
        """Keep what was learnt of a reference."""
        await self._write(lambda ledger: ledger.remember_media(media))

    async def media(self, reference: str) -> Media | None:
        """Give what was learnt of a reference."""
        return await self._read(lambda ledger: ledger.media(reference))

    async def remember_upload(self, digest: str, upload: Upload) -> None:
        """Keep where bytes were sent to."""
        await self._write(lambda ledger: ledger.remember_upload(digest, upload))

    async def find_upload(self, digest: str, lifetime_seconds: float) -> Upload | None:
        """Say where the same bytes were sent to within a time."""
        return await self._read(lambda ledger: ledger.find_upload(digest, lifetime_seconds))

    async def keep_asset(self, asset: NamedAsset) -> None:
        """Keep a named asset."""
        await self._write(lambda ledger: sql_assets.keep(ledger, asset))

    async def assets(self) -> list[tuple[NamedAsset, list[AssetReference]]]:
        """Give the named assets, each with its references."""
        return await self._read(sql_assets.assets)

    async def remove_asset(self, name: str) -> bool:
        """Forget a named asset."""
        return await self._write(lambda ledger: sql_assets.remove(ledger, name))

    async def remember_reference(self, made: AssetReference) -> None:
        """Keep a reference of a named asset."""
        await self._write(lambda ledger: sql_assets.remember_reference(ledger, made))

    # principals whom the operator knows, and the audit

    async def registration(self) -> Principal | None:
        """Give the row of this principal."""
        return await self._read(lambda ledger: sql_people.find(ledger.db, ledger.principal))

    async def registered(self) -> list[Principal]:
        """Give the rows of all principals."""
        return await self._read(lambda ledger: sql_people.every(ledger.db))

    async def add_principal(self, principal: Principal) -> None:
        """Keep a new principal."""
        await self._write(lambda ledger: sql_people.add(ledger.db, principal), concerns_all=_all)

    async def change_principal(self, name: str, change: Callable[[Principal], Principal], action: Action) -> Principal:
        """Replace the row of a principal."""
        return await self._write(
            lambda ledger: sql_people.change(ledger.db, name, change, action, ledger.read.now), concerns_all=_all
        )

    async def tokens_made(self) -> dict[str, datetime]:
        """Give when the newest token of each principal was made."""
        return await self._read(lambda ledger: sql_people.tokens_made(ledger.db))

    async def enter(self, entry: Entry) -> None:
        """Add an entry to the audit."""
        await self._write(lambda ledger: sql_people.enter(ledger.db, entry))

    async def audit(self, since: datetime | None, principal: str | None, limit: int) -> list[Entry]:
        """Give the newest entries of the audit."""
        return await self._read(lambda ledger: sql_people.entries(ledger.db, ledger.insertion_order, since, principal, limit))

    async def changes_since(self, at: datetime, until: datetime | None = None) -> list[Record]:
        """Give every principal's requests that changed since a time."""
        return await self._read(lambda ledger: ledger.changes_since(at, until))

    async def listen(self) -> Heard | None:
        """Begin to listen for changes by any process."""
        listener = await self._engine.read(lambda store: store.listener())
        return Heard(listener) if listener else None

    async def prune(self, before: datetime) -> int:
        """Forget what old requests said, and nothing of what they cost."""
        return await self._write(lambda ledger: ledger.prune(before), concerns_all=_all)

    async def health(self) -> Health:
        """Say how the ledger is."""
        faults = await self._engine.read(lambda store: store.faults())
        totals = [(await self.for_principal(name).page(limit=0)).total for name in await self.principals()]
        return Health(faults, sum(totals), len(await self.unknown_outcomes()))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
