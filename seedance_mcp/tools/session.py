"""What a running server holds, for every tool and resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.prices import PriceBook, load_prices
from seedance_mcp.money.records import Record
from seedance_mcp.polling.shared import Looks
from seedance_mcp.settings import Settings
from seedance_mcp.tools.results import Task
from seedance_mcp.tools.views import Outlook, task_of

if TYPE_CHECKING:
    from seedance_mcp.provider.client import ProviderClient
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
Publish = Callable[[Record], Awaitable[None]]
"""Tells its principal, where they listen, that a task changed."""


def connect_to_provider(settings: Settings) -> ProviderClient:
    """The client that the settings ask for."""
    from seedance_mcp.provider.client import ProviderClient  # noqa: PLC0415 - HTTP and TLS take longest to load; not every session calls

    key = settings.api_key.get_secret_value() if settings.api_key else None
    return ProviderClient(settings.base_url, key)


async def publish_to_nobody(record: Record) -> None:
    """What holds until a server opens its subscriptions."""


Reach = Callable[[Settings], "Fetcher"]


def reach_hosts(settings: Settings) -> Fetcher:
    """What fetches finished videos; it never learns the key."""
    from seedance_mcp.provider.result_download import Fetcher  # noqa: PLC0415 - likewise

    return Fetcher(settings.base_url)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass
class App:
    """One server's settings, and what they lead to, each opened at first use."""

    settings: Settings
    connect: Connect = connect_to_provider
    now: Callable[[], datetime] = utc_now
    reach: Reach = reach_hosts
    principal: str = ""
    """Whose requests and money these are; empty: the one person at this machine."""
    host: App | None = None
    """Whose provider, prices and open ledger file a guest shares."""
    publish: Publish = publish_to_nobody

    @cached_property
    def client(self) -> ProviderClient:
        """The provider."""
        return self.host.client if self.host else self.connect(self.settings)

    @cached_property
    def fetcher(self) -> Fetcher:
        """The hosts that keep finished videos."""
        return self.host.fetcher if self.host else self.reach(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        """The book of this data folder."""
        return self.host.ledger.seen_by(self.principal) if self.host else Ledger(self.settings.ledger_dir, self.now)

    @cached_property
    def prices(self) -> PriceBook:
        """The operator's, the provider's and our prices."""
        if self.host:
            return self.host.prices

        async def fetch() -> dict[str, Any]:
            return await self.client.list_prices()

        return PriceBook(load_prices(self.settings.prices) if self.settings.prices else {}, fetch)

    @cached_property
    def looks(self) -> Looks:
        """When each task was last asked for, so that nobody does it more often than the operator allows."""
        return self.host.looks if self.host else Looks(self.settings.floor_seconds)

    @cached_property
    def _guests(self) -> dict[str, App]:
        return {}

    def seen_by(self, principal: str) -> App:
        """The same server as one principal sees it: the provider and the prices are shared, the book is their own."""
        if principal not in self._guests:
            self._guests[principal] = replace(self, principal=principal, host=self)
        return self._guests[principal]

    @property
    def upload_roots(self) -> list[Path]:
        """The folders that upload_asset may read; for a guest only those that the operator named."""
        return [] if self.principal and self.settings.media_roots is None else self.settings.upload_roots

    def view(self, record: Record, warnings: list[str] | None = None) -> Task:
        """One ledger row as agents read it; a thousand who wait for it at once hold one view of it."""
        now = self.now()
        key = record, int(now.timestamp()), tuple(warnings or ())
        shown = self._shown.get(key)
        if shown is None:
            outlook = Outlook(self.ledger.finished_alike(record), self.settings.floor_seconds)
            shown = self._shown[key] = task_of(record, now, outlook, warnings, sandbox=self.settings.sandbox)
        return shown

    @cached_property
    def _shown(self) -> WeakValueDictionary[tuple[Record, int, tuple[str, ...]], Task]:
        return WeakValueDictionary()

    async def aclose(self) -> None:
        """Close what was opened."""
        if "client" in vars(self):
            await self.client.aclose()
        if "ledger" in vars(self):
            self.ledger.close()
