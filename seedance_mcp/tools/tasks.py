"""The tools that follow tasks: get one, wait for one, list them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime

import anyio

from seedance_mcp.errors import (
    RateLimited,
    SeedanceError,
    TaskNotFound,
)
from seedance_mcp.money.policy import CAME_TO_NOTHING
from seedance_mcp.money.records import Record, Wanted
from seedance_mcp.polling.schedule import Meter, Source, wait
from seedance_mcp.task import RUNNING, ProviderTask
from seedance_mcp.tools import brief, views
from seedance_mcp.tools.arguments import (
    GetTask,
    ListTasks,
    WaitForVideo,
)
from seedance_mcp.tools.changes import publish_change, reconcile_account, sharing_warnings, write_again
from seedance_mcp.tools.expiring import find_expiring
from seedance_mcp.tools.observer import Poll
from seedance_mcp.tools.other_processes import Replicas
from seedance_mcp.tools.results import Task, TaskList
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.tools.times import read_time

_ID = re.compile(r"[\w:-][\w.:-]{0,199}", re.ASCII)
"""The form of a task id that an agent brings from elsewhere."""
EXPIRES_SOON_SECONDS = 24 * 3600
"""list_tasks warns of a video that is not saved when its URL expires within this time."""
MISSING_MOST = 5
"""A task that so many polls in a row did not find is unknown..."""
FORGOTTEN_AFTER_SECONDS = 120.0
"""... if it is as old as this: the provider may know a new one late."""
REFRESH_SECONDS = 20.0
"""How long list_tasks polls at most; what was not polled by then is listed as it was."""
POLLS_AT_ONCE = 4
"""How many running tasks list_tasks polls at the same time."""


async def get_task(session: Session, arguments: GetTask, caller: Caller) -> Task:
    """Poll one task.

    Raises:
        TaskNotFound: Neither the ledger nor the provider knows a task of that id, or it belongs to another principal.
        SeedanceError: The provider cannot be asked, or refuses to answer.
    """
    return await with_request(session, await _poll_known(session, arguments.task_id))


async def _poll_known(session: Session, task_id: str) -> Task:
    answers = session.polls.answers(task_id)
    return await poll_task(session, await session.ledger.find(task_id), task_id, answers)


async def with_request(session: Session, task: Task) -> Task:
    """Add the request as it was sent, so that the same can be made again, or nearly the same."""
    return task.model_copy(update={"request": await session.shared.request_body(session.ledger, task.request_id)})


async def poll_task(session: Session, known: Record | None, task_id: str, answers: int | None = None) -> Task:
    """Ask the provider about a task, unless nothing can change any more or the task was polled just now.

    Args:
        session: The view of the caller.
        known: The task's row in the caller's ledger, where there is one.
        task_id: The id that the caller gave.
        answers: How many polls of it this process had seen answered before the row was read, where that is known.

    Raises:
        TaskNotFound: Neither the ledger nor the provider knows a task of that id, or it belongs to another principal.
        SeedanceError: The provider cannot be asked, or refuses to answer.
    """
    known = known or await write_again(session, task_id)
    if known and (known.task_id is None or not _may_change(session, known)):
        return await session.view(known)
    if known is None and (session.principal or not _ID.fullmatch(task_id) or await session.ledger.belongs_elsewhere(task_id)):
        raise TaskNotFound("There is no task of that id here; allowed: a task_id or request_id that list_tasks shows.")
    key = known.task_id if known and known.task_id else task_id
    others = Replicas(session.ledger, session.shared.process, key)
    async with session.polls.acquire(key, others, until_due=known is None) as due:
        if due or known is None or answers != session.polls.answers(key):
            known = await session.ledger.find(key)  # as the poll of another caller left it
        return await session.view(known, polled=True) if known and not due else await _poll(session, known, key)


def _may_change(session: Session, known: Record) -> bool:
    """Say whether a poll can bring anything.

    A failed task may have its video after all, as long as links live; a film is no task of the provider.
    """
    if known.parts:
        return False
    if known.status not in CAME_TO_NOTHING or known.completed_at is None:
        return True
    lives_seconds = session.edition.url_lifetime_seconds_of(known.model)
    return (session.now() - known.completed_at).total_seconds() < lives_seconds


async def _poll(session: Session, known: Record | None, task_id: str) -> Task:
    try:
        seen = await _ask_provider(session, task_id)
    except SeedanceError as error:
        if isinstance(error, RateLimited) and known:  # another caller would sleep for that long
            session.polls.postpone(task_id, error.details.get("retry_after_seconds", 0.0))
        if known and known.status in CAME_TO_NOTHING:
            return await session.view(known)
        if known is None or not isinstance(error, TaskNotFound):
            raise
        if _is_forgotten(session, known, task_id):
            gone = await session.ledger.observe(known.request_id, ProviderTask(known.task_id, "unknown"))
            return await session.view(await publish_change(session, known, gone), polled=True)
        told = "The provider does not know this task (yet, or any more): this is what the ledger holds."
        return await session.view(known, [told], polled=True)
    session.polls.count_missing(task_id, missing=False)
    before = after = known or await session.ledger.adopt(task_id, seen.created_at)
    with anyio.CancelScope(shield=True):  # no later poll would find this change
        after = await publish_change(session, before, await session.ledger.observe(before.request_id, seen))
    return await session.view(after, [*seen.warnings, *await sharing_warnings(session, after)], polled=True)


def _is_forgotten(session: Session, known: Record, task_id: str) -> bool:
    """Say whether a running task has been missing at the provider for long enough to be given up."""
    age_seconds = (session.now() - known.created_at).total_seconds()
    times = session.polls.count_missing(task_id, missing=True)
    return known.status in RUNNING and times >= MISSING_MOST and age_seconds >= FORGOTTEN_AFTER_SECONDS


async def _ask_provider(session: Session, task_id: str) -> ProviderTask:
    began, status = anyio.current_time(), None
    try:
        seen = await session.client.get_task(task_id)
        status = seen.status
        return seen
    finally:
        session.observer.poll_done(Poll(task_id, session.principal, anyio.current_time() - began, status))


async def wait_for_video(session: Session, arguments: WaitForVideo, caller: Caller) -> Task:
    """Poll until the task is final, the time is up or the server is to end; a running task is given then, and is no error.

    Raises:
        TaskNotFound: As `get_task` does, at the first poll.
        SeedanceError: The first poll failed, or a later one in a way that a repetition would not change.
    """
    followed = _Followed(session, arguments.task_id, caller)
    with session.shared.changes.awaited():
        return await wait(
            Source(followed.poll, followed.sleep, followed.reread),
            followed.is_over,
            followed.report,
            followed.pause_seconds,
            timeout_seconds=arguments.timeout_seconds,
            seen=await _as_known(session, arguments.task_id),
        )


class _Followed:
    """One task that one caller waits for; there may be very many of these."""

    __slots__ = ("_caller", "_meter", "_session", "_task_id")

    def __init__(self, session: Session, task_id: str, caller: Caller) -> None:
        self._session, self._task_id, self._caller, self._meter = session, task_id, caller, Meter()

    async def poll(self) -> Task:
        return await _poll_known(self._session, self._task_id)

    def is_over(self, task: Task) -> bool:
        return task.status not in RUNNING or self._session.shared.changes.is_ending

    async def reread(self) -> Task:
        return await self._session.view(await self._session.ledger.get(self._task_id), polled=True)

    async def sleep(self, task: Task, seconds: float) -> bool:
        return await self._session.shared.changes.sleep(task.request_id, seconds)

    async def report(self, task: Task) -> None:
        await self._caller.report(self._meter.rise(task.progress), f"{task.status} {task.progress} %")

    def pause_seconds(self, task: Task) -> float:
        if task.task_id is None:  # its create is still under way: only the ledger knows it
            return self._session.settings.min_poll_interval_seconds
        wanted = task.next.after_seconds if task.next else 0.0
        return self._session.polls.seconds_until_due(task.task_id, wanted, task.elapsed_seconds or 0.0)


def unsaved_warnings(session: Session, records: list[Record]) -> list[str]:
    """Say of which videos the saving failed, and why; no warning where none did."""
    faults = session.shared.save_faults
    failed = [record for record in records if record.request_id in faults and record.saved is None]
    return [f"{each.task_id} could not be saved by itself: {faults[each.request_id]}" for each in failed[:1]]


async def _as_known(session: Session, task_id: str) -> Task | None:
    known = await session.ledger.find(task_id)
    return await session.view(known) if known else None


async def list_tasks(session: Session, arguments: ListTasks, caller: Caller) -> TaskList:
    """Give the newest tasks that fit, and the sums of all; `refresh` polls all that run, and asks for the balance, first.

    Raises:
        InvalidRequest: A time or the cursor cannot be read.
    """
    wanted = _wanted(arguments, session.now())
    late = [] if not arguments.refresh or await _refresh(session) else [_NOT_ALL_POLLED]
    found = await session.ledger.tasks(wanted, arguments.limit, arguments.cursor)
    totals = await session.ledger.totals(wanted)
    edition = session.edition
    expiring = await find_expiring(session.ledger, edition, lambda lives: lives - EXPIRES_SOON_SECONDS, views.NAMED_MOST)
    is_brief = arguments.detail == "brief"
    return TaskList(
        tasks=[brief.task_row(record) if is_brief else await session.view(record) for record in found.records],
        total=totals.count + totals.films,
        totals=brief.totals_of(totals),
        next_cursor=found.next_cursor,
        warnings=[*late, *views.expiring(edition, expiring), *unsaved_warnings(session, found.records)],
    )


def _wanted(arguments: ListTasks, now: datetime) -> Wanted:
    return Wanted(
        arguments.status,
        arguments.project,
        read_time("since", arguments.since, now) if arguments.since else None,
        read_time("until", arguments.until, now, whole_day=True) if arguments.until else None,
        arguments.saved,
    )


_NOT_ALL_POLLED = f"Not every running task could be polled within {REFRESH_SECONDS:.0f} s: call again to poll the others."


async def _refresh(session: Session) -> bool:
    """Poll every running task, a few at a time, for a limited time; a task whose poll fails stays as it was.

    Returns:
        Whether all were polled in time.
    """
    with anyio.move_on_after(REFRESH_SECONDS) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(poll_some, session, await running_tasks(session), POLLS_AT_ONCE)
            group.start_soon(reconcile_account, session)
    return not scope.cancelled_caught


async def running_tasks(session: Session, most: int | None = None) -> list[Record]:
    """Give the tasks that run, the newest first; at most `most` of each status, so that the newest `most` are among them."""
    found = [record for status in RUNNING for record in (await session.ledger.page(status, most)).records]
    return sorted(found, key=lambda record: record.created_at, reverse=True)


async def poll_some(session: Session, records: list[Record], at_once: int) -> None:
    """Poll some tasks, a few at a time; a task whose poll fails stays as it was."""
    places = anyio.CapacityLimiter(at_once)

    async def poll(record: Record) -> None:
        async with places:
            with suppress(SeedanceError):
                await poll_task(session, record, record.request_id)

    async with anyio.create_task_group() as group:
        for record in records:
            group.start_soon(poll, record)
