"""The commands that serve: over stdio, over HTTP, and the keeper.

A client that starts the server waits for this module: it imports no parser, and no other command.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal

import anyio

from seedance_mcp.cli import telemetry
from seedance_mcp.cli.end_signals import end_signals, ended_like_an_interrupt, hang_ups
from seedance_mcp.cli.loading import without_garbage_collection
from seedance_mcp.cli.running import read_settings
from seedance_mcp.instant.opening import Opening
from seedance_mcp.instant.pipes import claim
from seedance_mcp.settings import Settings

if TYPE_CHECKING:
    from seedance_mcp.server.http import Place


def serve_stdio(opening: Opening | None = None, *, keep: bool = False) -> None:
    """Serve the client on standard input.

    Args:
        opening: The client's messages that were read, and partly answered, before the server was loaded.
        keep: Whether every finished video is saved without being asked.
    """
    claim()
    with without_garbage_collection():
        from seedance_mcp.server import handlers  # noqa: PLC0415 - other commands do not need the SDK

    settings = _prepared(keep=keep)
    with telemetry.exported(), ended_like_an_interrupt(end_signals()):
        anyio.run(handlers.serve_stdio, settings, opening or Opening({}))


def serve_http(transport: Literal["http", "sse"], place: Place, *, keep: bool = False) -> None:
    """Serve any number of clients over HTTP."""
    from seedance_mcp.server import http  # noqa: PLC0415 - stdio does not need it

    settings = _prepared(keep=keep)
    with telemetry.exported(), ended_like_an_interrupt(hang_ups()):  # uvicorn takes all the others itself
        anyio.run(http.serve_http, settings, transport, place)


def keep_videos() -> None:
    """Follow everybody's tasks and save what is finished, and serve nobody."""
    from seedance_mcp.server.background import keep  # noqa: PLC0415 - other commands do not need it

    settings = _prepared(keep=True)
    with telemetry.exported(), ended_like_an_interrupt(end_signals()):
        anyio.run(keep, settings)


def _prepared(*, keep: bool) -> Settings:
    """Read the settings of a server or keeper, and raise `ModuleNotFoundError` for an extra that they need."""
    settings = read_settings()
    if settings.sandbox:
        need_sandbox()
    if settings.notify_url:
        import_module("standardwebhooks")
    if settings.video_store:
        import_module("obstore")
    return settings.model_copy(update={"auto_save": True}) if keep else settings


def need_sandbox() -> None:
    """Raise `ModuleNotFoundError` for a missing extra before a protocol begins or a child process fails."""
    import_module("seedance_mcp.sandbox.serve")
