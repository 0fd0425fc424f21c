"""Reports changed tasks to clients that listen (2026-07-28), and to each principal only their own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from seedance_mcp.money.records import Record
from seedance_mcp.server.client_session import Context, session_of
from seedance_mcp.server.uris import TASK
from seedance_mcp.tools.observer import Observer

STATES_KEPT = 1024
"""Of how many tasks of a principal the last reported state is kept."""


@dataclass
class _Listeners:
    """The open streams of one principal."""

    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    count: int = 0
    told: deque[tuple[str, Any]] = field(default_factory=lambda: deque[tuple[str, Any]](maxlen=STATES_KEPT))
    """What was reported of which request, the newest last; the ledger reports changes of this process too."""

    def __post_init__(self) -> None:
        self.serve = ListenHandler(self.bus)

    def is_news(self, task: Record) -> bool:
        """Say whether a state of a task was not reported yet, and keep it."""
        before = next((told for request_id, told in reversed(self.told) if request_id == task.request_id), None)
        self.told.append((task.request_id, task.news))
        return before != task.news


class TaskSubscriptions(Observer):
    """Every open stream of one server, by principal; nothing is kept of a principal without a stream."""

    def __init__(self) -> None:
        """Start with nobody listening."""
        self._listeners: dict[str, _Listeners] = {}

    def __len__(self) -> int:
        """Give how many principals listen."""
        return len(self._listeners)

    async def listen(self, ctx: Context, params: types.SubscriptionsListenRequestParams) -> types.SubscriptionsListenResult:
        """Serve one stream until it ends; nothing but tasks ever changes, so nothing else is promised."""
        uris = [uri for uri in params.notifications.resource_subscriptions or () if uri.startswith(TASK)]
        kept = types.SubscriptionFilter(resource_subscriptions=uris)
        principal = session_of(ctx).principal
        listeners = self._listeners.setdefault(principal, _Listeners())
        listeners.count += 1
        try:
            with ctx.lifespan_context.changes.followed():
                return await listeners.serve(ctx, params.model_copy(update={"notifications": kept}))
        finally:
            listeners.count -= 1
            if not listeners.count:
                del self._listeners[principal]

    async def task_changed_elsewhere(self, task: Record) -> None:
        """Report it as well."""
        await self.task_changed(task)

    async def task_changed(self, task: Record) -> None:
        """Report to its principal that a task changed, under both of its names."""
        listeners = self._listeners.get(task.principal)
        if listeners and listeners.is_news(task):
            for key in filter(None, (task.request_id, task.task_id)):
                await listeners.bus.publish(ResourceUpdated(uri=f"{TASK}{key}"))
