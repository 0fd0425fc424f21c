"""Saves every finished video without being asked: by a wait that sees it finished, and in the background."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

import anyio

from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.money.records import Record
from seedance_mcp.tools import downloads
from seedance_mcp.tools.expiring import find_expiring
from seedance_mcp.tools.results import Task
from seedance_mcp.tools.saving import RE_READ_SECONDS, Taken
from seedance_mcp.tools.session import Session, Shared
from seedance_mcp.tools.tasks import poll_task, running_tasks, unsaved_warnings
from seedance_mcp.tools.views import GIVEN_UP_SECONDS

log = logging.getLogger(__name__)

IDLE_SECONDS = 30.0
"""How often the ledger is read for work while there is none: another process may have begun a video."""
AT_ONCE = 50
"""How many tasks of a principal are followed, and how many of its videos are saved in one turn, the newest or oldest first."""
AHEAD_SECONDS = 86_400.0
"""By so much the provider's clock may be ahead of ours."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 3600.0
"""How long a video that could not be saved is left, at first and at most; the pause doubles."""
PATIENCE_SECONDS = 60.0
"""How long a wait lets another process or call save the video that it saw finished."""


class Nobody:
    """The caller of what the server does by itself: nobody is informed or asked."""

    reply: Reply | None = None
    address: str | None = None

    async def report(self, progress: float, message: str) -> None:
        """Inform nobody."""

    async def ask(self, question: str, token: str) -> Action:
        """Ask nobody."""
        return "absent"


async def save(session: Session, record: Record) -> bool:
    """Save a finished video, unless another call or process is about to.

    Returns:
        Whether this call has saved it, or tried to.
    """
    faults, here = session.shared.save_faults, session.shared.saving.get(record.request_id)
    if here and here.locked():
        return False
    try:
        await downloads.save_unasked(session, record, Nobody())
        faults.pop(record.request_id, None)
    except Taken:
        return False
    except SeedanceError as error:
        faults[record.request_id] = error.message
        log.warning("Request %s: its video could not be saved (%s)", record.request_id, error.code)
    return True


async def saved(session: Session, task: Task) -> Task:
    """Save a video that a wait saw finished, or let the call or process end that is about to; a warning says why it failed."""
    record = await session.ledger.get(task.request_id)
    if record.status != "completed":
        return task
    with anyio.move_on_after(PATIENCE_SECONDS):
        while record.saved is None and record.request_id not in session.shared.save_faults:
            if not await save(session, record):
                await anyio.sleep(RE_READ_SECONDS)
            record = await session.ledger.get(record.request_id)
    return await session.view(record, [*task.warnings, *unsaved_warnings(session, [record])])


@dataclass
class AutoSave:
    """Follows the tasks of every principal in the background, and saves what is finished."""

    shared: Shared
    saves: bool = True
    """False: tasks are followed to their end, and nothing is saved."""
    polled_at: dict[str, float] = field(default_factory=dict[str, float])
    """By request id: when a running task is to be polled."""
    given_up: set[str] = field(default_factory=set[str])
    """Request ids of tasks that have run for too long to be polled again."""
    tried_again_at: dict[str, float] = field(default_factory=dict[str, float])
    """By request id: when a video that could not be saved is tried again."""
    pauses_seconds: dict[str, float] = field(default_factory=dict[str, float])

    async def run(self) -> None:
        """Go on until it is cancelled; what fails in one turn is tried in a later one."""
        while True:
            busy = False
            try:
                for principal in await self.shared.ledger.principals():
                    busy = await self._turn(self.shared.session(principal)) or busy
            except SeedanceError as error:
                log.warning("Finished videos are not saved now: %s", error.code)
            await anyio.sleep(self.shared.settings.min_poll_interval_seconds if busy else IDLE_SECONDS)

    async def _turn(self, session: Session) -> bool:
        """Poll what is due and save what is finished; say whether anything is left to do."""
        running = await running_tasks(session, AT_ONCE)
        for record in running:
            await self._poll(session, record)
        unsaved = await self._unsaved(session)
        for record in unsaved:
            if anyio.current_time() >= self.tried_again_at.get(record.request_id, 0.0):
                await self._save(session, record)
        return bool(running or unsaved)

    async def _unsaved(self, session: Session) -> list[Record]:
        if not self.saves:
            return []
        return (await find_expiring(session.ledger, session.edition, lambda _: -AHEAD_SECONDS, AT_ONCE)).records

    async def _poll(self, session: Session, record: Record) -> None:
        name, now = record.request_id, anyio.current_time()
        if record.task_id is None or name in self.given_up or now < self.polled_at.get(name, -math.inf):
            return
        task = await session.view(record)
        pause_seconds = task.next.after_seconds if task.next else 0.0
        if now < self.polled_at.setdefault(name, now + pause_seconds):
            return
        try:
            await poll_task(session, record, name)
        except SeedanceError as error:
            log.info("Request %s: its task could not be polled (%s)", name, error.code)
        self.polled_at[name] = anyio.current_time() + pause_seconds
        if (task.elapsed_seconds or 0) >= GIVEN_UP_SECONDS:  # once, since it may have ended while nobody asked
            self.given_up.add(name)

    async def _save(self, session: Session, record: Record) -> None:
        name = record.request_id
        self.polled_at.pop(name, None)
        if await save(session, record) and name in session.shared.save_faults:
            pause_seconds = self.pauses_seconds.get(name, FIRST_PAUSE_SECONDS)
            self.pauses_seconds[name] = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
            self.tried_again_at[name] = anyio.current_time() + pause_seconds
