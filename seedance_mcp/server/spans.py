"""The SDK's spans of what clients ask for, without the messages of exceptions, which could hold a prompt or a signed URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from opentelemetry import trace
from pydantic import ValidationError

Middleware = ServerMiddleware[Any]


def traces_are_taken() -> bool:
    """Say whether the process was given something that takes traces, by us or by `opentelemetry-instrument`."""
    return type(trace.get_tracer_provider()).__module__.startswith("opentelemetry.sdk.")


class _Unsaid(MCPError):
    """Stands for an error until it has passed the SDK's span."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error.error.code if isinstance(error, MCPError) else INTERNAL_ERROR, "")
        self.meant = error


async def _hide(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    try:
        return await call_next(ctx)
    except ValidationError:  # the SDK leaves its message out
        raise
    except Exception as error:
        raise _Unsaid(error) from error


async def _show(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    try:
        return await call_next(ctx)
    except _Unsaid as unsaid:
        raise unsaid.meant from unsaid.meant.__cause__


def without_messages(spans: Sequence[Middleware]) -> list[Middleware]:
    """Put the SDK's spans between two steps: the inner one takes the message from an error, the outer one brings it back."""
    return [_show, *spans, _hide]
