"""Gives the saving of a video to one call at a time, over all processes of the ledger, for as long as that call lives."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio

from seedance_mcp.errors import DownloadFailed, LedgerUnusable, SeedanceError
from seedance_mcp.tools.beside import beside
from seedance_mcp.tools.session import Caller, Session

CLAIM_SECONDS = 15.0
"""How long one process has the saving of a video to itself without a word; so long does one that is killed hold others up."""
RE_READ_SECONDS = 0.5
"""How often a call that waits for another process asks whether that one has finished."""
DEADLINE_SECONDS = 900.0
"""How long a call waits for another process at most: as long as one transfer may take."""


class Taken(Exception):
    """Another call or process saves the video, or has saved it."""


@asynccontextmanager
async def claimed(session: Session, request_id: str, caller: Caller | None) -> AsyncGenerator[None]:
    """Have the saving of a video before all other processes.

    Args:
        session: Whose video it is.
        request_id: Its request.
        caller: Waits for another process that has it, and may save a video again; `None` does neither.

    Raises:
        Taken: There is no caller, and another call has it or the video is saved.
        DownloadFailed: Another process did not finish for long.
    """
    holder = f"save_{secrets.token_hex(8)}"
    await _take(session, request_id, holder, caller)
    try:
        async with beside(partial(_keep, session, request_id, holder)):
            yield
    finally:
        with anyio.CancelScope(shield=True), suppress(LedgerUnusable):  # else nobody could save it for a while
            await session.ledger.release_saving(request_id, holder)


async def _take(session: Session, request_id: str, holder: str, caller: Caller | None) -> None:
    patience = Patience(caller) if caller else None
    while not await _is_mine(session, request_id, holder, again=patience is not None):
        if patience is None:
            raise Taken
        await patience.pause()


async def _is_mine(session: Session, request_id: str, holder: str, *, again: bool) -> bool:
    """Claim the saving; a ledger that takes nothing keeps nobody from a video."""
    with suppress(LedgerUnusable):
        return await session.ledger.claim_saving(request_id, holder, CLAIM_SECONDS, again=again)
    return True


class Patience:
    """The turns of a call that waits for another process."""

    def __init__(self, caller: Caller) -> None:
        """Take the caller, who sees why it takes long."""
        self._caller, self._turns = caller, 0

    async def pause(self) -> None:
        """Pause for a turn; raises `DownloadFailed` after so many that the other process cannot be alive."""
        self._turns += 1
        if self._turns * RE_READ_SECONDS > DEADLINE_SECONDS:
            raise DownloadFailed("Another process is downloading this video, and has not finished for long. Call again later.")
        await self._caller.report(0, "another process is downloading this video")
        await anyio.sleep(RE_READ_SECONDS)


async def _keep(session: Session, request_id: str, holder: str) -> None:
    """Keep a claim for as long as this goes on."""
    while True:
        await anyio.sleep(CLAIM_SECONDS / 4)
        with suppress(SeedanceError):
            await session.ledger.claim_saving(request_id, holder, CLAIM_SECONDS, again=True)
