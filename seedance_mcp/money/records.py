"""The ledger's knowledge, as objects: requests, money, tokens, uploads, and answers to questions about them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from seedance_mcp.catalogue.facts import Kind, Review
from seedance_mcp.money.principals import Principal
from seedance_mcp.task import Status

SENDING_SECONDS = 180.0
"""A request whose process has not said for this long that it awaits the answer was interrupted."""
JUDGED_AFTER_SECONDS = 120.0
"""A balance that has not moved for this long after a request of unknown outcome says that nothing was charged, where the
provider is known to charge before a task ends."""

State = Literal["reserved", "sending", Status]
"""What the ledger keeps of a request: `reserved` until it is sent, `sending` until its answer is known, then its status."""
Evidence = Literal["charged", "not charged", "cannot tell"]
"""What the balance, or the user, says about a request of unknown outcome."""
SettledBy = Literal["provider", "estimate", "balance", "person"]
"""Whose word an amount rests on; `person` is a user at the command line."""


def new_request_id() -> str:
    """Make the name of a request in the ledger, too long to guess."""
    return f"req_{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request that is about to be sent."""

    body: dict[str, Any]
    """As it is sent."""
    fingerprint: str
    """The same for every request that would make the same video."""
    estimate: Decimal | None
    """What it would cost in JimiCoin, where that is known."""
    request_id: str = field(default_factory=new_request_id)
    """Its name here; chosen before the ledger is written, so that a second try finds the first one."""
    project: str | None = None
    """A label of the caller's, by which requests are listed and summed."""
    take: int | None = None
    """Which of several videos of the same request it is, where that was said."""


class Saved(NamedTuple):
    """Where a finished video is kept, and what its bytes were."""

    uri: str
    """What the video store calls it; on a disk its path."""
    size_bytes: int
    sha256: str


class Film(NamedTuple):
    """A film that was joined of finished videos: it cost what its parts cost, and nothing more."""

    film_id: str
    created_at: datetime
    seconds: float
    parts: tuple[str, ...]
    """The task ids, and ids of other films, in order; one may come twice."""
    saved: Saved
    project: str | None = None


class Upload(NamedTuple):
    """Where bytes were sent to, and the asset under which they are reviewed."""

    url: str
    asset_id: str | None
    at: datetime


class Media(NamedTuple):
    """The facts that were learnt of a reference when it was brought."""

    reference: str
    kind: Kind
    seconds: float | None = None
    """How long it plays."""
    size_px: tuple[int, int] | None = None
    """Width and height as they are shown."""
    review: Review | None = None
    """How it was reviewed, which decides what routes take it; `None` for the URL of an upload, which any route takes."""
    expires_at: datetime | None = None


class NamedAsset(NamedTuple):
    """A file or URL that a principal gave a name."""

    name: str
    kind: Literal["image", "video", "audio"]
    source: str
    """The URL; of a file its name, whose ending is that of its format."""
    sha256: str | None
    """Of the bytes that are kept; `None` for a URL."""
    size_bytes: int
    portrait: bool
    at: datetime


class AssetReference(NamedTuple):
    """The reference that was made of a named asset for a route."""

    name: str
    route: str
    reference: str
    asset_id: str | None
    ready: bool
    expires_at: datetime | None


class Token(NamedTuple):
    """A confirmation of the user: good for one take of one request at one price, once, for a time."""

    fingerprint: str
    """Of the request, after the principal."""
    terms: str
    """The price that was named, and the take."""
    expires_at: datetime
    used: bool


class Record(NamedTuple):
    """One request and everything that is known about it; amounts are JimiCoin, times are UTC."""

    request_id: str
    principal: str
    """Whose request it is."""
    fingerprint: str | None
    """`None` for a task that was made elsewhere."""
    state: State
    created_at: datetime
    task_id: str | None = None
    model: str | None = None
    prompt: str | None = None
    duration: int | None = None
    """Seconds of video, as asked for."""
    overdue: bool = False
    """It is not sent or not answered, and no process awaits it any more."""
    progress: int = 0
    """Percent, 0 to 100."""
    estimate: Decimal | None = None
    cost: Decimal | None = None
    """What the provider says it charged."""
    settled: Decimal | None = None
    """What the request counts for; `None` while its estimate is reserved."""
    settled_by: SettledBy | None = None
    used_before: Decimal | None = None
    """What the account had used in all, before the request was sent."""
    evidence: Evidence | None = None
    completed_at: datetime | None = None
    video_url: str | None = None
    saved: Saved | None = None
    error: str | None = None
    error_code: str | None = None
    """Ours; `None` where `error` holds the provider's own words."""
    sent_at: datetime | None = None
    awaited_at: datetime | None = None
    """When its process last said that it goes on with it."""
    project: str | None = None
    take: int | None = None
    parts: tuple[str, ...] = ()
    """Of a joined film: the task ids and film ids that it is made of, in order; it costs what they cost."""

    @property
    def key(self) -> str:
        """The id that the public knows it by: its task's, or its own while it has no task."""
        return self.task_id or self.request_id

    @property
    def adopted(self) -> bool:
        """Whether it was made elsewhere: none of our money."""
        return self.fingerprint is None

    @property
    def sending(self) -> bool:
        """Whether some process is about to send it or still awaits its answer."""
        return self.state in {"reserved", "sending"} and not self.overdue

    @property
    def status(self) -> Status:
        """Its status for the public: being sent counts as queued; interrupted, it failed before that and is unknown after."""
        if self.state == "reserved":
            return "failed" if self.overdue else "queued"
        if self.state == "sending":
            return "unknown" if self.overdue else "queued"
        return self.state

    @property
    def news(self) -> tuple[Any, ...]:
        """The facts whose change is reported to clients that follow the task; a URL that was signed again is none."""
        return self.task_id, self.status, self.progress, self.cost, self.evidence


class Reservation(NamedTuple):
    """The answer to a request for a place in the ledger."""

    record: Record
    is_new: bool
    """Whether the request is to be sent; else `record` is the earlier one that it duplicates."""


class Models(NamedTuple):
    """Some models by name, or all but these."""

    names: tuple[str, ...]
    others: bool


EVERY_MODEL = Models((), others=True)


class Page(NamedTuple):
    """Some requests of many."""

    records: list[Record]
    total: int
    """How many there are in all."""


class Wanted(NamedTuple):
    """A filter of requests; `None` asks for any."""

    status: Status | None = None
    project: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Requests that were made before this time."""
    saved: bool | None = None
    """Finished videos that are saved, or finished videos that are not."""


class Listed(NamedTuple):
    """Some of the requests that were asked for, newest first, and the request after which the next ones come."""

    records: list[Record]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over requests; amounts are JimiCoin."""

    count: int = 0
    estimated: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    """What is estimated for those whose charge is not known."""
    unsaved: int = 0
    """Finished videos that are not saved."""
    films: int = 0
    """Joined films, which are no requests and cost nothing."""

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.count + other.count,
            self.estimated + other.estimated,
            self.charged + other.charged,
            self.reserved + other.reserved,
            self.unsaved + other.unsaved,
            self.films + other.films,
        )


SumBy = Literal["project", "model"]
"""What requests are summed by."""


class Spent(NamedTuple):
    """Money that went or may have gone, in JimiCoin."""

    today: Decimal
    """Of requests that were made since midnight UTC."""
    total: Decimal
    reserved: Decimal
    """The part of `total` that is not settled yet."""
    account_today: Decimal
    """Of every principal, like `account_total`."""
    account_total: Decimal
    principal: Principal | None = None
    """The row of whoever spends it, where the operator made one: its limits hold too."""


class Used(NamedTuple):
    """The consumption of the account in all, in JimiCoin, when the first request was sent; `None` where it was not known."""

    before_today: Decimal | None
    """Before the first one since midnight UTC."""
    before_all: Decimal | None


@dataclass(frozen=True, slots=True)
class ModelSpending:
    """The estimates of the settled requests of one model, and their charges."""

    model: str
    requests: int
    estimated: Decimal
    charged: Decimal

    def __add__(self, other: ModelSpending) -> ModelSpending:
        return ModelSpending(
            self.model, self.requests + other.requests, self.estimated + other.estimated, self.charged + other.charged
        )


class Took(NamedTuple):
    """How long a finished task took."""

    seconds: float
    duration: int | None
    """Seconds of its video, where they are known."""


class Movements(NamedTuple):
    """All else that may have moved the account's balance since shortly before a request was sent, of every principal."""

    unanswered: bool
    """Another request had no answer yet when this one was sent or the account was asked, or changed since that."""
    failed: bool
    """A task that was begun before failed or was cancelled since, so its charge may have been given back."""
    unclear: bool
    """A task runs, or ended at an estimate, of which it is not known what it was charged since."""
    charged: Decimal
    """What the requests made since then are known to have cost."""
    returnable: Decimal
    """The part of `charged` that may have been given back: of tasks that run, failed, or are of unknown outcome."""
    hidden: bool
    """A task that was begun before may have failed unseen, so that an account that did not move proves nothing."""
    charges_before_end: bool
    """The newest charge that the provider reported for this model came while the task was still running."""


class Verdict(NamedTuple):
    """The end of the money of a request of unknown outcome, and whose word it rests on."""

    evidence: Evidence
    amount: Decimal | None = None
    """What was charged; `None` where that is not known."""
    by: SettledBy | None = None


class PollClaim(NamedTuple):
    """Whether this process may poll a task now, or another one polls it or has just done that."""

    is_mine: bool
    place_seconds: float = 0.0
    """How far off its place is in the rate of all polls."""
    again_seconds: float = 0.0
    """How long another process has the poll to itself, if it is not ours."""
    answered_seconds_ago: float | None = None
    """When a poll was last answered, if it is not ours; `None` where none was."""


class Health(NamedTuple):
    """How a ledger is."""

    faults: list[str]
    """What is damaged; empty for a sound ledger."""
    requests: int
    unknown_outcomes: int


def next_day(now: datetime) -> datetime:
    """Give the next midnight in UTC, when a daily limit renews."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
