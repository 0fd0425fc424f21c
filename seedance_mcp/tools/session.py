"""The parts of a running server: those that one process shares, and one caller's view of them."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

import anyio

from seedance_mcp.catalogue.edition import Edition, load_edition, narrowed
from seedance_mcp.errors import NotConfigured
from seedance_mcp.money.audit import Refusals
from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.prices import PriceBook, load_prices
from seedance_mcp.money.principals import Principal
from seedance_mcp.money.records import Record
from seedance_mcp.polling.shared import Polls
from seedance_mcp.settings import Settings
from seedance_mcp.storage.video_names import folder_name
from seedance_mcp.storage.video_store import VideoStore
from seedance_mcp.task import RUNNING, ProviderTask
from seedance_mcp.tools.newest import keep_newest
from seedance_mcp.tools.observations import Observations
from seedance_mcp.tools.observed_ledger import observed
from seedance_mcp.tools.observer import LedgerCall, NoObserver, Observer
from seedance_mcp.tools.other_processes import Changes
from seedance_mcp.tools.price_list_file import PriceListFile
from seedance_mcp.tools.results import Task
from seedance_mcp.tools.views import Outlook, task_of

if TYPE_CHECKING:
    from seedance_mcp.provider.answers import PriceRow
    from seedance_mcp.provider.client import Exchange, ProviderClient
    from seedance_mcp.provider.result_download import Fetcher
    from seedance_mcp.tools.links import Links


class Caller(Protocol):
    """The client behind one call, as far as a tool needs it."""

    reply: Reply | None
    """The user's answer, where the client makes the call again with it."""
    address: str | None
    """How the client reached this server, as `https://host`; `None` where it runs on the same machine without HTTP."""

    async def report(self, progress: float, message: str) -> None:
        """Report progress in percent, 0 to 100, with a short message."""
        ...

    async def ask(self, question: str, token: str) -> Action:
        """Ask the user; `token` stands for a yes where the answer comes with a later call."""
        ...


Connect = Callable[[Settings], "ProviderClient"]
"""Gives the client of the provider that the settings name."""
SESSIONS_KEPT = 256
"""How many callers' sessions are kept; a session can always be made again, since the ledger holds all that lasts."""

VIEWS_KEPT = 8
"""How many views of tasks a session keeps beyond the calls that they were made for."""
BODIES_KEPT = 256
"""How many request bodies are kept in memory: a client that follows a task is sent the same one with each answer."""


def connect_to_provider(settings: Settings) -> ProviderClient:
    """Make the client of the provider that the settings name."""
    from seedance_mcp.provider.client import ProviderClient  # noqa: PLC0415 - HTTP and TLS take longest to load; not every session calls

    key = settings.api_key.get_secret_value() if settings.api_key else None
    return ProviderClient(settings.base_url, key)


Reach = Callable[[Settings], "Fetcher"]
"""Gives what downloads finished videos."""
OpenLedger = Callable[[Settings, Callable[[], datetime]], Ledger]
"""Gives the ledger that the settings ask for; the function gives the time."""


def reach_hosts(settings: Settings) -> Fetcher:
    """Make what downloads finished videos; it never gets the key."""
    from seedance_mcp.provider.result_download import Fetcher  # noqa: PLC0415 - likewise

    proxy = settings.download_proxy.get_secret_value() if settings.download_proxy else ""
    return Fetcher(settings.base_url, proxy=proxy)


Keep = Callable[[Settings], VideoStore]
"""Gives the store of finished videos."""


def keep_as_set(settings: Settings) -> VideoStore:
    """Keep finished videos in the operator's bucket, or in the output folder where none is named."""
    if settings.video_store:
        from seedance_mcp.storage.bucket import open_bucket  # noqa: PLC0415 - needs the storage extra

        return open_bucket(settings.video_store)
    from seedance_mcp.storage.local_disk import LocalDisk  # noqa: PLC0415 - most sessions save nothing

    return LocalDisk(settings.output_dir)


def utc_now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)


def offered_edition(settings: Settings) -> Edition:
    """Give the edition that the settings name, with the models that they offer.

    Raises:
        NotConfigured: There is no such edition, model or route; the message names the variable and those there are.
    """
    try:
        edition = load_edition(settings.edition)
    except ValueError as error:
        raise NotConfigured(f"SEEDANCE_EDITION: {error}") from error
    try:
        return narrowed(edition, settings.model_names) if settings.model_names else edition
    except ValueError as error:
        raise NotConfigured(f"SEEDANCE_MODELS: {error}") from error


def kept_price_lists(settings: Settings) -> PriceListFile:
    """Give the price lists that are kept of the provider; the embedded sandbox has another port each time."""
    return PriceListFile(settings.ledger_dir, "sandbox" if settings.sandbox else settings.base_url)


@dataclass
class Shared:
    """The parts that one process shares among all its callers; each is opened at first use."""

    settings: Settings
    connect: Connect = connect_to_provider
    now: Callable[[], datetime] = utc_now
    reach: Reach = reach_hosts
    keep: Keep = keep_as_set
    edition: Edition = field(default_factory=load_edition)
    """The catalogue; where it is left out, the settings choose it."""
    open_ledger: OpenLedger = open_ledger
    saving: WeakValueDictionary[str, anyio.Lock] = field(default_factory=WeakValueDictionary[str, anyio.Lock])
    """By request id: locked while a video is saved, so that calls for the same video share one file."""
    unwritten: dict[str, tuple[str, str, ProviderTask]] = field(default_factory=dict[str, tuple[str, str, "ProviderTask"]])
    """By task id: whose request was paid, which one it was, and its task, where the ledger could not be written."""
    awaiting: dict[str, Ledger] = field(default_factory=dict[str, Ledger])
    """By request id: the ledger of each request whose answer this process awaits."""
    watched: dict[str, tuple[datetime | None, float]] = field(default_factory=dict[str, "tuple[datetime | None, float]"])
    """By request id: when the process of a request last said that it awaits the answer, and how long this one has seen no
    newer word, as the time of the event loop at which that began."""
    save_faults: dict[str, str] = field(default_factory=dict[str, str])
    """By request id: why a video could not be saved without being asked."""
    refusals: Refusals = field(default_factory=Refusals)
    """The refusals of arguments and for a limit that were entered in the audit of late."""
    observer: Observer = field(default_factory=NoObserver)
    """Learns what happens; a server puts its subscriptions and log lines here."""
    watchers: list[Observer] = field(default_factory=list[Observer])
    """Observers that live as long as the process, such as its metrics: each server informs them too."""
    process: str = field(default_factory=lambda: f"process_{secrets.token_hex(8)}")
    """The name under which this process claims what one process does at a time."""
    calls_running: int = 0
    """How many tool calls are being worked on: a server that is asked to end lets them out."""
    _bodies: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict[str, dict[str, Any]])
    _sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict[str, "Session"])

    def __post_init__(self) -> None:
        """Choose the edition; raises `NotConfigured` where the settings name none that there is."""
        if self.edition is load_edition():
            self.edition = offered_edition(self.settings)

    @cached_property
    def client(self) -> ProviderClient:
        """The client of the provider."""
        client = self.connect(self.settings)
        client.on_exchange = self._pass_on
        return client

    def _pass_on(self, exchange: Exchange) -> None:
        self.observer.provider_called(exchange)  # whoever observes by then

    @cached_property
    def fetcher(self) -> Fetcher:
        """The client of the hosts that finished videos are downloaded from."""
        return self.reach(self.settings)

    @cached_property
    def video_store(self) -> VideoStore:
        """The store of finished videos."""
        return self.keep(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger as the user of this machine sees it, who has no name."""
        return observed(self.open_ledger(self.settings, self.now), self._pass_on_ledger_call)

    def _pass_on_ledger_call(self, call: LedgerCall) -> None:
        self.observer.ledger_called(call)  # likewise

    @cached_property
    def prices(self) -> PriceBook:
        """The operator's prices, then the provider's, then our own."""

        async def fetch() -> list[PriceRow]:
            return await self.client.list_prices()

        own = load_prices(self.settings.prices) if self.settings.prices else {}
        return PriceBook(own, fetch, kept_price_lists(self.settings).keep)

    @cached_property
    def observations(self) -> Observations:
        """The values that sources dispute and the provider accepted or refused."""
        return Observations(self.settings.ledger_dir)

    @cached_property
    def links(self) -> Links:
        """The URLs that the HTTP server hands out of itself."""
        from seedance_mcp.tools.links import Links  # noqa: PLC0415 - only the HTTP transports hand any out

        return Links(self.settings, self.now)

    @cached_property
    def changes(self) -> Changes:
        """The changes that other processes make."""
        return Changes(lambda: self.ledger, self.now, self._pass_on_change)

    async def _pass_on_change(self, task: Record) -> None:
        await self.observer.task_changed_elsewhere(task)  # likewise

    @cached_property
    def polls(self) -> Polls:
        """When each task was last polled, so that no task is polled more often than the operator allows."""
        return Polls(self.settings.min_poll_interval_seconds, lambda: self.now().timestamp())

    def session(self, principal: str = "") -> Session:
        """Give one principal's view of the server; only those used last are kept."""
        session = self._sessions.get(principal) or Session(self, principal)
        return keep_newest(self._sessions, principal, session, SESSIONS_KEPT)

    async def request_body(self, ledger: Ledger, request_id: str) -> dict[str, Any] | None:
        """Give the body of a request as it was sent, which never changes; `None` where it is not known.

        Args:
            ledger: The ledger of the principal whose request it is.
            request_id: The request, which that principal was found to have.
        """
        body = self._bodies.get(request_id) or await ledger.request_body(request_id)
        return None if body is None else keep_newest(self._bodies, request_id, body, BODIES_KEPT)

    async def aclose(self) -> None:
        """Close the parts that were opened."""
        if "ledger" in vars(self):
            await self.ledger.aclose()
        if "client" in vars(self):
            await self.client.aclose()


@dataclass(frozen=True)
class Session:
    """One caller's view of the running server: provider and prices are shared, the ledger's rows are the caller's own."""

    shared: Shared
    principal: str = ""
    """The name that requests and money belong to; empty for the user of this machine."""

    @property
    def settings(self) -> Settings:
        """The operator's settings."""
        return self.shared.settings

    @property
    def edition(self) -> Edition:
        """The catalogue: models, routes and all that is stated about them."""
        return self.shared.edition

    @property
    def client(self) -> ProviderClient:
        """The client of the provider."""
        return self.shared.client

    @property
    def fetcher(self) -> Fetcher:
        """The client of the hosts that finished videos are downloaded from."""
        return self.shared.fetcher

    @property
    def video_store(self) -> VideoStore:
        """The store of finished videos."""
        return self.shared.video_store

    @property
    def prices(self) -> PriceBook:
        """The operator's prices, then the provider's, then our own."""
        return self.shared.prices

    @property
    def polls(self) -> Polls:
        """When each task was last polled."""
        return self.shared.polls

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger as this principal sees it."""
        return self.shared.ledger.for_principal(self.principal)

    async def registration(self) -> Principal | None:
        """Give the row that the operator made for this principal; the user of this machine has none."""
        return await self.ledger.registration() if self.principal else None

    def now(self) -> datetime:
        """Give the time."""
        return self.shared.now()

    @property
    def observer(self) -> Observer:
        """The observer that learns what happens."""
        return self.shared.observer

    @property
    def upload_roots(self) -> list[Path]:
        """The folders that upload_asset may read; a named principal gets the folder of its name below those that are set."""
        if not self.principal:
            return self.settings.upload_roots
        own = folder_name(self.principal)
        return [root / own for root in self.settings.upload_roots if self.settings.media_roots is not None]

    async def view(self, record: Record, warnings: list[str] | None = None, *, polled: bool = False) -> Task:
        """Give one ledger row as agents read it; `polled` says that the provider was asked about it just now.

        A thousand calls that wait for one task share one view, which is made anew when the row or the second changes.
        """
        now = self.now()
        key = record, int(now.timestamp()), tuple(warnings or ()), polled
        async with self._viewing:  # one of the thousand asks the ledger
            shown = self._shown[key] = self._shown.get(key) or await self._new_view(record, now, warnings, polled=polled)
        self._last_shown.append(shown)
        return shown

    async def _new_view(self, record: Record, now: datetime, warnings: list[str] | None, *, polled: bool) -> Task:
        past = await self.ledger.similar_durations(record) if record.status in RUNNING else []
        age_seconds = self.polls.seconds_since_answer(record.task_id or "")
        made_with = None if self.settings.sandbox else self.edition.find(record.model)
        published = made_with and made_with.route.making_time
        outlook = Outlook(past, self.settings.min_poll_interval_seconds, age_seconds, polled, published)
        return task_of(self.edition, record, now, outlook, warnings, sandbox=self.settings.sandbox)

    @cached_property
    def _viewing(self) -> anyio.Lock:
        return anyio.Lock(fast_acquire=True)

    @cached_property
    def _last_shown(self) -> deque[Task]:
        """Keeps the newest views alive for a client that asks again within the second."""
        return deque(maxlen=VIEWS_KEPT)

    @cached_property
    def _shown(self) -> WeakValueDictionary[tuple[Record, int, tuple[str, ...], bool], Task]:
        return WeakValueDictionary()
