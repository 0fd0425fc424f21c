"""What a running server holds, for every tool and resource."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

import anyio

from seedance_mcp.catalogue.edition import Edition, load_edition
from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.prices import PriceBook, load_prices
from seedance_mcp.money.records import Record
from seedance_mcp.polling.shared import Polls
from seedance_mcp.settings import Settings
from seedance_mcp.storage.video_store import VideoStore
from seedance_mcp.task import RUNNING
from seedance_mcp.tools.observer import NoObserver, Observer
from seedance_mcp.tools.results import Task
from seedance_mcp.tools.views import Outlook, task_of

if TYPE_CHECKING:
    from seedance_mcp.provider.answers import PriceRow
    from seedance_mcp.provider.client import Exchange, ProviderClient
    from seedance_mcp.provider.result_download import Fetcher


class Caller(Protocol):
    """The client behind one call, as far as a tool speaks to it."""

    reply: Reply | None
    """What the person said when the call was first made, where the client repeats it with the answer."""

    async def report(self, progress: float, message: str) -> None:
        """Tell a progress from 0 to 100 and a few words."""
        ...

    async def ask(self, question: str, token: str) -> Action:
        """Put a question to the person."""
        ...


Connect = Callable[[Settings], "ProviderClient"]
SESSIONS_KEPT = 256
"""A session holds nothing that cannot be made anew, so callers that are seen once leave nothing behind."""


def connect_to_provider(settings: Settings) -> ProviderClient:
    """The client that the settings ask for."""
    from seedance_mcp.provider.client import ProviderClient  # noqa: PLC0415 - HTTP and TLS take longest to load; not every session calls

    key = settings.api_key.get_secret_value() if settings.api_key else None
    return ProviderClient(settings.base_url, key)


Reach = Callable[[Settings], "Fetcher"]
OpenLedger = Callable[[Settings, Callable[[], datetime]], Ledger]
"""Gives the ledger that the settings ask for; the function gives the time."""


def reach_hosts(settings: Settings) -> Fetcher:
    """What fetches finished videos; it never learns the key."""
    from seedance_mcp.provider.result_download import Fetcher  # noqa: PLC0415 - likewise

    return Fetcher(settings.base_url)


Keep = Callable[[Settings], VideoStore]


def keep_on_disk(settings: Settings) -> VideoStore:
    """Keep finished videos in the output folder."""
    from seedance_mcp.storage.local_disk import LocalDisk  # noqa: PLC0415 - most sessions save nothing

    return LocalDisk(settings.output_dir)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass
class Shared:
    """What one process shares among all its callers; each part is opened at first use."""

    settings: Settings
    connect: Connect = connect_to_provider
    now: Callable[[], datetime] = utc_now
    reach: Reach = reach_hosts
    keep: Keep = keep_on_disk
    edition: Edition = field(default_factory=load_edition)
    open_ledger: OpenLedger = open_ledger
    saving: WeakValueDictionary[str, anyio.Lock] = field(default_factory=WeakValueDictionary[str, anyio.Lock])
    """By request id: held while a video is saved, so that calls for the same one share a file."""
    observer: Observer = field(default_factory=NoObserver)
    """Learns what happens; a server puts its subscriptions and log lines here."""
    calls_running: int = 0
    """How many tool calls are being worked on: a server that is asked to end lets them out."""
    _sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict[str, "Session"])

    @cached_property
    def client(self) -> ProviderClient:
        """The provider."""
        client = self.connect(self.settings)
        client.on_exchange = self._pass_on
        return client

    def _pass_on(self, exchange: Exchange) -> None:
        self.observer.provider_called(exchange)  # whoever observes by then

    @cached_property
    def fetcher(self) -> Fetcher:
        """The hosts that keep finished videos."""
        return self.reach(self.settings)

    @cached_property
    def video_store(self) -> VideoStore:
        """Where finished videos are kept."""
        return self.keep(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of this data folder, as the one person at this machine sees it."""
        return self.open_ledger(self.settings, self.now)

    @cached_property
    def prices(self) -> PriceBook:
        """The operator's, the provider's and our prices."""

        async def fetch() -> list[PriceRow]:
            return await self.client.list_prices()

        return PriceBook(load_prices(self.settings.prices) if self.settings.prices else {}, fetch)

    @cached_property
    def polls(self) -> Polls:
        """When each task was last polled, so that nobody polls it more often than the operator allows."""
        return Polls(self.settings.min_poll_interval_seconds)

    def session(self, principal: str = "") -> Session:
        """Give the server as one principal sees it; only the sessions used last are kept."""
        session = self._sessions.setdefault(principal, Session(self, principal))
        self._sessions.move_to_end(principal)
        if len(self._sessions) > SESSIONS_KEPT:
            self._sessions.popitem(last=False)
        return session

    async def aclose(self) -> None:
        """Close what was opened."""
        if "ledger" in vars(self):
            await self.ledger.aclose()
        if "client" in vars(self):
            await self.client.aclose()


@dataclass(frozen=True)
class Session:
    """One caller's view of the running server: the provider and the prices are shared, the ledger's rows are their own."""

    shared: Shared
    principal: str = ""
    """Whose requests and money these are; empty: the one person at this machine."""

    @property
    def settings(self) -> Settings:
        """What the operator set."""
        return self.shared.settings

    @property
    def edition(self) -> Edition:
        """The catalogue: models, routes and all that is stated about them."""
        return self.shared.edition

    @property
    def client(self) -> ProviderClient:
        """The provider."""
        return self.shared.client

    @property
    def fetcher(self) -> Fetcher:
        """The hosts that keep finished videos."""
        return self.shared.fetcher

    @property
    def video_store(self) -> VideoStore:
        """Where finished videos are kept."""
        return self.shared.video_store

    @property
    def prices(self) -> PriceBook:
        """The operator's, the provider's and our prices."""
        return self.shared.prices

    @property
    def polls(self) -> Polls:
        """When each task was last polled."""
        return self.shared.polls

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger as this principal sees it."""
        return self.shared.ledger.for_principal(self.principal)

    def now(self) -> datetime:
        """Give the time."""
        return self.shared.now()

    @property
    def observer(self) -> Observer:
        """What learns of all that happens."""
        return self.shared.observer

    @property
    def upload_roots(self) -> list[Path]:
        """The folders that upload_asset may read; for a named principal only those that the operator named."""
        return [] if self.principal and self.settings.media_roots is None else self.settings.upload_roots

    async def view(self, record: Record, warnings: list[str] | None = None) -> Task:
        """Give one ledger row as agents read it; a thousand calls that wait for it at once hold one view of it."""
        now = self.now()
        key = record, int(now.timestamp()), tuple(warnings or ())
        async with self._viewing:  # one of the thousand asks the ledger
            shown = self._shown.get(key)
            if shown is None:
                past = await self.ledger.similar_durations(record) if record.status in RUNNING else []
                outlook, sandbox = Outlook(past, self.settings.min_poll_interval_seconds), self.settings.sandbox
                shown = self._shown[key] = task_of(self.edition, record, now, outlook, warnings, sandbox=sandbox)
        return shown

    @cached_property
    def _viewing(self) -> anyio.Lock:
        return anyio.Lock()

    @cached_property
    def _shown(self) -> WeakValueDictionary[tuple[Record, int, tuple[str, ...]], Task]:
        return WeakValueDictionary()
