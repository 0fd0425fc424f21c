"""Writes the gallery of each caller, beside the caller's videos."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from seedance_mcp.cli.invocation import as_typed
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.origin import install_command
from seedance_mcp.settings import Settings
from seedance_mcp.tools.gallery import SHOWN_MOST, Gallery, Written
from seedance_mcp.tools.session import offered_edition


async def write(settings: Settings, views: Mapping[str, Ledger], *, renew: bool) -> None:
    """Write and name one page for each view of the ledger, or an empty one where nothing was made yet.

    Raises:
        DownloadRefused: A page cannot be written.
    """
    for name, ledger in views.items():
        gallery = Gallery(ledger, name, settings, offered_edition(settings))
        written = await gallery.write(datetime.now(UTC), renew=renew, posters_most=SHOWN_MOST, drawn=_show)
        print(_report(written))
    if renew:
        print(as_typed("Each video that is saved renews it. seedance-mcp gallery without --keep-updated ends that."))


def _show(posters: int) -> None:
    """Say how far the posters are, where a user sees it."""
    if sys.stderr.isatty():
        print(f"\r{posters} posters drawn", end="\n" if posters % 50 == 0 else "", file=sys.stderr, flush=True)


def _report(written: Written) -> str:
    counts = [f"{written.requests} requests, {written.players} videos to play, {written.unsaved} finished and not saved"]
    if written.without_poster:
        counts.append(f"{written.without_poster} without a poster")
    advice = "" if written.can_draw else f"; {install_command('media')} draws posters"
    return f"{written.path}\n{', '.join(counts)}{advice}"
