"""The one hook for all that only watches a running server: subscriptions, log lines, metrics, an audit."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from seedance_mcp.errors import SeedanceError, place_of
from seedance_mcp.money.records import Record
from seedance_mcp.task import Status

if TYPE_CHECKING:
    from seedance_mcp.provider.client import Exchange

log = logging.getLogger(__name__)

UNKNOWN_TOOL = "unknown"
"""Stands for every unknown tool name, so that no client makes up names in a metric."""


class ToolCall(NamedTuple):
    """One tool call of a client, when it ended."""

    tool: str
    principal: str
    seconds: float
    outcome: Literal["answered", "asked", "failed", "cancelled"]
    """`asked`: the call ended with a question to the user, and the client makes it again with the answer."""
    error: SeedanceError | None = None
    """The reason of a failed call."""


class Poll(NamedTuple):
    """One question to the provider about a task, when it ended."""

    task_id: str
    principal: str
    seconds: float
    status: Status | None
    """`None`: no answer could be used."""


class LedgerCall(NamedTuple):
    """One question to the ledger, or one change, when it ended."""

    verb: str
    """Its name in `money.ledger`."""
    seconds: float
    error: str | None
    """The type of the exception that it raised; a refusal is one too."""


class Observer(Protocol):
    """Learns what happens in a running server; each method does nothing unless a class says otherwise.

    No method may block. `task_changed` is awaited, since a subscriber writes to a client.
    """

    def tool_started(self, tool: str) -> None:
        """Learn that a tool call begins; `tool_called` follows."""

    def tool_called(self, call: ToolCall) -> None:
        """Learn of one tool call."""

    def ledger_called(self, call: LedgerCall) -> None:
        """Learn of one call of the ledger."""

    def provider_called(self, exchange: Exchange) -> None:
        """Learn of one HTTP request to the provider's API."""

    def poll_done(self, poll: Poll) -> None:
        """Learn of one poll of a task."""

    async def task_changed(self, task: Record) -> None:
        """Learn of a task's new state: its id, status, progress, cost or evidence changed."""

    async def task_changed_elsewhere(self, task: Record) -> None:
        """Learn of a task's new state that another process of the ledger saw and reported to its own observers."""

    def answer_lost(self, task: Record, error: SeedanceError) -> None:
        """Learn of a paid request whose answer was lost."""

    def money_settled(self, task: Record) -> None:
        """Learn of money that was reserved and is now settled, or settled anew by a better source."""


class NoObserver(Observer):
    """Does nothing, whatever happens."""


class Observers(Observer):
    """Passes every event on to several observers; an exception of one is logged and goes no further."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        """Take the observers, in the order in which they learn of an event."""
        self._observers = tuple(observers)

    def tool_started(self, tool: str) -> None:
        """Pass it on."""
        self._pass_on(lambda each: each.tool_started(tool))

    def ledger_called(self, call: LedgerCall) -> None:
        """Pass it on."""
        self._pass_on(lambda each: each.ledger_called(call))

    def tool_called(self, call: ToolCall) -> None:
        """Pass it on."""
        self._pass_on(lambda each: each.tool_called(call))

    def provider_called(self, exchange: Exchange) -> None:
        """Pass it on."""
        self._pass_on(lambda each: each.provider_called(exchange))

    def poll_done(self, poll: Poll) -> None:
        """Pass it on."""
        self._pass_on(lambda each: each.poll_done(poll))

    async def task_changed(self, task: Record) -> None:
        """Pass it on."""
        await self._told(lambda each: each.task_changed(task))

    async def task_changed_elsewhere(self, task: Record) -> None:
        """Pass it on."""
        await self._told(lambda each: each.task_changed_elsewhere(task))

    async def _told(self, event: Callable[[Observer], Awaitable[None]]) -> None:
        for each in self._observers:
            try:
                await event(each)
            except Exception as error:  # noqa: BLE001 - an observer must not stop a paid request
                _log_fault(each, error)

    def answer_lost(self, task: Record, error: SeedanceError) -> None:
        """Pass it on."""
        self._pass_on(lambda each: each.answer_lost(task, error))

    def money_settled(self, task: Record) -> None:
        """Pass it on."""
        self._pass_on(lambda each: each.money_settled(task))

    def _pass_on(self, event: Callable[[Observer], None]) -> None:
        for each in self._observers:
            try:
                event(each)
            except Exception as error:  # noqa: BLE001 - likewise
                _log_fault(each, error)


def _log_fault(observer: Observer, error: Exception) -> None:
    log.error("%s in the observer %s:\n%s", type(error).__name__, type(observer).__name__, place_of(error))


def _fields(task: Record, **more: Any) -> dict[str, Any]:
    """Give what a log line in JSON says of a request, by names that stay."""
    known = {"request_id": task.request_id, "task_id": task.task_id, "model": task.model, "principal": task.principal}
    return {"fields": {**known, **more}}


class LogLines(Observer):
    """Writes log lines for the operator; none holds a prompt, a key or a signed URL."""

    def tool_called(self, call: ToolCall) -> None:
        """Log a failed call; as a warning where a recorded request was refused."""
        if call.error:
            request_id = call.error.details.get("request_id")
            level = logging.WARNING if request_id and call.error.charged == "no" else logging.INFO
            code, charged = call.error.code, call.error.charged
            known = {
                "tool": call.tool,
                "principal": call.principal,
                "request_id": request_id,
                "code": code,
                "charged": charged,
            }
            log.log(
                level,
                "%s (request %s): %s, charged: %s",
                *(call.tool, request_id, code, charged),
                extra={"fields": {**known, "seconds": call.seconds}},
            )

    def provider_called(self, exchange: Exchange) -> None:
        """Log the request and its HTTP status."""
        known = {"method": exchange.method, "path": exchange.path, "status": exchange.status, "seconds": exchange.seconds}
        log.debug("%s %s: HTTP %s after %.3f s", *known.values(), extra={"fields": known})

    async def task_changed(self, task: Record) -> None:
        """Log the new state."""
        told = (task.request_id, task.model, task.task_id, task.status, task.progress)
        known = _fields(task, status=task.status, progress=task.progress)
        log.info("Request %s on %s, task %s: %s, %s %%", *told, extra=known)

    def answer_lost(self, task: Record, error: SeedanceError) -> None:
        """Log the request that the operator may have to settle."""
        known = _fields(task, code=error.code, charged=error.charged)
        log.warning("Request %s on %s: %s, charged: %s", task.request_id, task.model, error.code, error.charged, extra=known)

    def money_settled(self, task: Record) -> None:
        """Log the amount and its source."""
        told, known = (task.settled, task.settled_by), _fields(task, settled=task.settled, settled_by=task.settled_by)
        log.info("Request %s on %s: %s settled by %s", task.request_id, task.model, *told, extra=known)
