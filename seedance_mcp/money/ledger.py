"""The ledger's contract: what was asked for, paid and received, shared by every server process that uses one ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from seedance_mcp.errors import LedgerUnusable, SeedanceError
from seedance_mcp.money.announcements import Announcements
from seedance_mcp.money.audit import Action, Entry
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
)
from seedance_mcp.money.stores.store import Store
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask, Status


class Ledger(Protocol):
    """The ledger as one principal sees it.

    Every verb is atomic, is on disk when it returns, and applies the rules of `policy`. It is opened when it is first used.
    Every verb raises `LedgerUnusable` where the ledger cannot be read or written.
    """

    def for_principal(self, principal: str) -> Ledger:
        """Give the same ledger as another principal sees it."""
        ...

    async def aclose(self) -> None:
        """Close the ledger for every principal."""
        ...

    async def reserve(
        self, request: NewRequest, *, window_seconds: float | None, admit: Callable[[Spent], None], token: str | None = None
    ) -> Reservation:
        """Write a request down and reserve its estimate before it is sent, or find the one that it duplicates.

        Args:
            request: The request.
            window_seconds: How old a request may be to be found as the one that this duplicates; one of unknown outcome may
                have any age. `None` finds none.
            admit: Sees what is spent, in the same transaction, and refuses by raising; it does nothing else.
            token: A confirmation token, which is used up.

        Raises:
            ConfirmationRequired: The token was used meanwhile.
        """
        ...

    async def duplicated(self, fingerprint: str, window_seconds: float) -> Record | None:
        """Find the request that `reserve` would find instead of taking another of this fingerprint; nothing is written."""
        ...

    async def mark_sending(self, request_id: str, used: Decimal | None) -> Record:
        """Note that a request is sent now, and what the account has used in all, in JimiCoin: it judges a lost answer.

        Raises:
            ProviderUnreachable: The request was given up meanwhile and must not be sent.
        """
        ...

    async def keep_awaiting(self, request_id: str) -> None:
        """Note that this process still awaits the answer to a request: else it is taken for interrupted after a while."""
        ...

    async def release_unsent(self) -> None:
        """Release what is reserved for requests of every principal that never left, since their process ended before."""
        ...

    async def observe(self, request_id: str, task: ProviderTask) -> Record:
        """Take in what the provider reports about the task of a request: its making, its progress, its end."""
        ...

    async def fail(self, request_id: str, error: SeedanceError) -> Record:
        """Take in that a request got no task: it failed, or its outcome is unknown and its estimate stays reserved."""
        ...

    async def settle(self, record: Record, verdict: Verdict) -> Record:
        """Take in what became of a request of unknown outcome, whoever made it."""
        ...

    async def adopt(self, task_id: str, made_at: datetime | None) -> Record:
        """Take in a task that was made elsewhere, at no cost of ours; raises `TaskNotFound` for one of another principal."""
        ...

    async def save(self, request_id: str, saved: Saved) -> Record:
        """Note where a finished video is kept, and what its bytes are."""
        ...

    async def keep_film(self, film: Film) -> None:
        """Note where a joined film is kept, and of what it is made."""
        ...

    async def films(self, limit: int) -> list[Film]:
        """Give the newest joined films."""
        ...

    async def find(self, key: str) -> Record | None:
        """Find the request of a task id or request id, or a joined film as such a row."""
        ...

    async def get(self, key: str) -> Record:
        """Give the request of a task id or request id; raises `TaskNotFound` where there is none."""
        ...

    async def belongs_elsewhere(self, task_id: str) -> bool:
        """Say whether only other principals made a task."""
        ...

    async def sharing(self, record: Record) -> list[str]:
        """Give the request ids of this principal's other requests for the same task; nearly always none."""
        ...

    async def page(self, status: Status | None = None, limit: int | None = None) -> Page:
        """Give the newest requests of a status, at most `limit` of them, and how many there are in all."""
        ...

    async def tasks(self, wanted: Wanted, limit: int, after: str | None = None) -> Listed:
        """Give the newest requests and joined films that fit, at most `limit`.

        Args:
            wanted: The filter.
            limit: How many at most, from 1.
            after: The cursor of an earlier list, whose next requests are given.

        Raises:
            InvalidRequest: There is no request of that cursor.
        """
        ...

    async def totals(self, wanted: Wanted) -> Totals:
        """Add up all requests that fit."""
        ...

    async def request_body(self, request_id: str) -> dict[str, Any] | None:
        """Give the body of a request as it was sent; `None` for a task that was made elsewhere."""
        ...

    async def claim_poll(
        self, task_id: str, holder: str, seconds: float, pace_seconds: float, longest_seconds: float = 0.0
    ) -> PollClaim:
        """Take the poll of a task for a time, and a place in the rate of the polls of all processes.

        Args:
            task_id: The task; one that the ledger does not hold is given to everybody.
            holder: The name of this process, whose own earlier claim is no obstacle.
            seconds: How long no other process may poll the task, unless it is released before.
            pace_seconds: The time between two polls, of whichever tasks and processes.
            longest_seconds: For so long may a poll that was answered keep the others from the next one. What ends two minutes
                later still was written before a clock was set back, and keeps nobody.
        """
        ...

    async def release_poll(self, task_id: str, holder: str, seconds: float, *, answered: bool) -> None:
        """End the claim of a poll, after which no other process may poll the task for so many seconds."""
        ...

    async def claim_saving(self, request_id: str, holder: str, seconds: float, *, again: bool = False) -> bool:
        """Take the saving of a finished video for a time, or for longer where `holder` has it already.

        Args:
            request_id: Whose video it is.
            holder: The name of the call.
            seconds: How long no other call may save it, unless it is released before.
            again: Also where the video is saved: its bytes may be gone.

        Returns:
            `False` where the video is saved, or another holder has taken it.
        """
        ...

    async def release_saving(self, request_id: str, holder: str) -> None:
        """Let others save a video whose saving this holder claimed."""
        ...

    async def keys(self, part: str, limit: int) -> list[str]:
        """Give task ids, request ids where there is no task, and ids of films.

        The newest that contain `part` come first, upper and lower case being the same; then older ones that begin with it.
        """
        ...

    async def expiring(self, age_seconds: float, lifetime_seconds: float, limit: int, models: Models = EVERY_MODEL) -> Page:
        """Give finished videos that are not saved and ended between `lifetime_seconds` and `age_seconds` ago, oldest first."""
        ...

    async def similar_durations(self, record: Record) -> list[float]:
        """Give the seconds that the newest finished tasks of the same model took, of the same duration where there are any."""
        ...

    async def spent(self) -> Spent:
        """Add up what was spent and what is reserved."""
        ...

    async def used_before(self) -> Used:
        """Give what the account had used before the first requests of today and of all time, whoever made them."""
        ...

    async def spending_by_model(self) -> list[ModelSpending]:
        """Compare estimates with charges for settled requests, in the order of the models' names."""
        ...

    async def spending(self, by: SumBy, since: date) -> dict[str, Totals]:
        """Sum requests by project or model since a UTC day, in the order of the names; the empty name stands for none.

        Tasks that were made elsewhere do not count.
        """
        ...

    async def spending_by_day(self, since: date) -> dict[date, Totals]:
        """Sum all requests by the UTC day on which they were made, from one day on; a day without any may be left out."""
        ...

    async def unknown_outcomes(self) -> list[Record]:
        """Give every principal's requests whose money is still reserved though no answer is awaited, oldest first."""
        ...

    async def principals(self) -> list[str]:
        """Name everybody who made a request, in the order of their names; the user of this machine is the empty one."""
        ...

    async def movements(self, record: Record, asked_at: datetime) -> Movements:
        """Say what else may have moved the account's balance between an unsettled request and a time it was asked at."""
        ...

    async def judge(self, record: Record, used: Decimal, asked_at: datetime, *, only_one: bool) -> Record:
        """Judge a request of unknown outcome by what the account had used when it was asked, and settle what is certain.

        Judgement and settlement are one step: a request that changed since it was read stays as it is.
        """
        ...

    async def new_token(self, fingerprint: str, price: Decimal | None, take: int | None) -> str:
        """Make a token that confirms one take of one request at one price, once; only its digest is kept."""
        ...

    async def keep_answer(self, fingerprint: str, *, agreed: bool) -> None:
        """Keep how the user answered a form about a request: a no uses up every token for it, a yes replaces a no."""
        ...

    async def is_refused(self, fingerprint: str) -> bool:
        """Say whether the last form about a request was no yes."""
        ...

    async def token_fault(self, token: str, fingerprint: str, price: Decimal | None, take: int | None) -> str | None:
        """Say why a token does not confirm a take of a request at a price, or `None` where it does."""
        ...

    async def remember_media(self, media: Media) -> None:
        """Keep what was learnt of a reference; what was kept of it before is replaced."""
        ...

    async def media(self, reference: str) -> Media | None:
        """Give what was learnt of a reference, where this principal brought it."""
        ...

    async def remember_upload(self, digest: str, upload: Upload) -> None:
        """Keep where bytes were sent to, so that they need not be sent again; `digest` names the bytes and their purpose."""
        ...

    async def find_upload(self, digest: str, lifetime_seconds: float) -> Upload | None:
        """Say where the same bytes were sent to within a time."""
        ...

    async def keep_asset(self, asset: NamedAsset) -> None:
        """Keep a named asset; one of that name is replaced, with its references unless its bytes or URL are the same."""
        ...

    async def assets(self) -> list[tuple[NamedAsset, list[AssetReference]]]:
        """Give the named assets in the order of their names, each with its references in the order of the routes."""
        ...

    async def remove_asset(self, name: str) -> bool:
        """Forget a named asset and its references; `False` where there is none."""
        ...

    async def remember_reference(self, made: AssetReference) -> None:
        """Keep the reference that was made of a named asset for a route."""
        ...

    async def changes_since(self, at: datetime, until: datetime | None = None) -> list[Record]:
        """Give everybody's requests whose task, status, progress, cost or evidence changed since a time, newest first.

        Args:
            at: The time.
            until: Only requests that have not changed from this time on.
        """
        ...

    async def listen(self) -> Announcements | None:
        """Begin to listen for changes by any process; `None` where none is announced, and `changes_since` has to be asked."""
        ...

    async def registration(self) -> Principal | None:
        """Give the row that the operator made for this principal."""
        ...

    async def registered(self) -> list[Principal]:
        """Give the rows of all principals that the operator made, in the order of their names."""
        ...

    async def add_principal(self, principal: Principal) -> None:
        """Keep a new principal; raises `InvalidRequest` where there is one of that name."""
        ...

    async def change_principal(self, name: str, change: Callable[[Principal], Principal], action: Action) -> Principal:
        """Replace the row of a principal by the one that a function gives; the next reservation goes by the new one.

        Raises:
            InvalidRequest: There is no such row.
        """
        ...

    async def tokens_made(self) -> dict[str, datetime]:
        """Give when the newest token of each principal was made, as far as the audit says it."""
        ...

    async def enter(self, entry: Entry) -> None:
        """Add an entry to the audit; changes of money and of principals add theirs by themselves."""
        ...

    async def audit(self, since: datetime | None, principal: str | None, limit: int) -> list[Entry]:
        """Give the newest entries of the audit, the newest last: of one principal, or of all for `None`."""
        ...

    async def prune(self, before: datetime) -> int:
        """Forget prompts, bodies and links of every principal's settled requests that were made before a time.

        What they cost, their states and their ids stay, and so do all sums. Old events, uploads and expired tokens go too,
        unless a request of unknown outcome may still be judged by them. The audit stays: it says nothing of a prompt.

        Returns:
            Of how many requests something was forgotten.
        """
        ...

    async def health(self) -> Health:
        """Say what is damaged, and how many requests there are."""
        ...


def open_ledger(settings: Settings, now: Callable[[], datetime]) -> Ledger:
    """Give the ledger that the settings ask for, as the one user of this machine sees it.

    Nothing is read or made before a verb is called.
    """
    from seedance_mcp.money.sql_ledger import Engine, SqlLedger  # noqa: PLC0415 - many sessions never use it

    if url := settings.ledger_url:
        return SqlLedger(Engine(partial(open_database, url), readers=READERS, writers=WRITERS), now)
    from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore  # noqa: PLC0415 - likewise

    return SqlLedger(Engine(partial(SqliteStore, settings.ledger_dir / LEDGER_FILE)), now)


READERS, WRITERS = 4, 4
"""How many connections to a database one process reads with, and how many it writes with."""


def open_database(url: str) -> Store:
    """Open the PostgreSQL database of a ledger; raises `LedgerUnusable` where it, or the extra, is not there."""
    try:
        from seedance_mcp.money.stores.postgres import PostgresStore  # noqa: PLC0415 - only where a database is set
    except ModuleNotFoundError as error:
        raise LedgerUnusable(
            f"SEEDANCE_DATABASE_URL is set and {error.name} is missing: nothing is sent. The operator should install "
            "seedance-mcp[postgres], or unset it for a ledger in a file."
        ) from error
    return PostgresStore(url, READERS + WRITERS)
