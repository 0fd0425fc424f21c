"""Clients that listen (2026-07-28) are told when a task changes; each principal hears of their own alone."""

from __future__ import annotations

import mcp_types as types
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from seedance_mcp.money.records import Record
from seedance_mcp.server.client_session import Context, session_of

TASK = "seedance://tasks/"
"""What follows is a task id or a request id."""


class TaskSubscriptions:
    """Every open stream of one server, by principal."""

    def __init__(self) -> None:
        """Start with nobody listening."""
        self._lines: dict[str, tuple[InMemorySubscriptionBus, ListenHandler]] = {}

    async def listen(self, ctx: Context, params: types.SubscriptionsListenRequestParams) -> types.SubscriptionsListenResult:
        """Serve one stream; of all that can be listened to only tasks change, so nothing else is promised."""
        uris = [uri for uri in params.notifications.resource_subscriptions or () if uri.startswith(TASK)]
        kept = types.SubscriptionFilter(resource_subscriptions=uris)
        _, handler = self._line(session_of(ctx).principal)
        return await handler(ctx, params.model_copy(update={"notifications": kept}))

    async def publish(self, record: Record) -> None:
        """Tell its principal that a task changed, under both of its names."""
        bus, _ = self._line(record.principal)
        for key in (record.request_id, record.task_id):
            if key:
                await bus.publish(ResourceUpdated(uri=f"{TASK}{key}"))

    def _line(self, principal: str) -> tuple[InMemorySubscriptionBus, ListenHandler]:
        if principal not in self._lines:
            bus = InMemorySubscriptionBus()
            self._lines[principal] = bus, ListenHandler(bus)
        return self._lines[principal]
