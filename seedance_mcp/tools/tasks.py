"""What an agent calls: each tool a plain function from checked arguments to a result."""

from __future__ import annotations

import re
from contextlib import suppress

import anyio

from seedance_mcp.errors import (
    SeedanceError,
    TaskNotFound,
)
from seedance_mcp.money.records import Record
from seedance_mcp.polling.schedule import Meter, wait
from seedance_mcp.task import FINAL, RUNNING, ProviderTask
from seedance_mcp.tools import views
from seedance_mcp.tools.arguments import (
    GetTask,
    ListTasks,
    WaitForVideo,
)
from seedance_mcp.tools.changes import publish_change, reconcile_account
from seedance_mcp.tools.observer import Poll
from seedance_mcp.tools.results import Task, TaskList
from seedance_mcp.tools.session import Caller, Session

_ID = re.compile(r"[\w:-][\w.:-]{0,199}", re.ASCII)
"""What a task id looks like that did not come from the provider itself."""
EXPIRES_SOON_SECONDS = 24 * 3600
"""list_tasks names what is not saved when its link has less than this to live."""
POLLS_AT_ONCE = 4
"""Running tasks that list_tasks looks at side by side."""


async def get_task(session: Session, arguments: GetTask, caller: Caller) -> Task:
    """Look at one task; raises `TaskNotFound`."""
    return await poll_task(session, await session.ledger.find(arguments.task_id), arguments.task_id)


async def poll_task(session: Session, known: Record | None, task_id: str) -> Task:
    """Ask the provider about a task, unless the ledger knows that there is nothing to ask or it was asked just now."""
    if known and (known.task_id is None or known.status in FINAL - {"completed"}):
        return await session.view(known)
    if known is None and (session.principal or not _ID.fullmatch(task_id) or await session.ledger.belongs_elsewhere(task_id)):
        raise TaskNotFound("No such task here: give the task_id of create_video or list_tasks.")
    key = known.task_id if known and known.task_id else task_id
    async with session.polls.acquire(key, until_due=known is None) as due:
        known = await session.ledger.find(key)  # as the look of another caller left it
        return await session.view(known) if known and not due else await _look(session, known, key)


async def _look(session: Session, known: Record | None, task_id: str) -> Task:
    try:
        seen = await _ask_provider(session, task_id)
    except TaskNotFound:
        if known is None:
            raise
        why = "the embedded sandbox forgets when its process ends" if session.settings.sandbox else "yet, or any more"
        return await session.view(known, [f"The provider does not know this task ({why}): this is what the ledger holds."])
    before = after = known or await session.ledger.adopt(task_id, seen.created_at)
    with anyio.CancelScope(shield=True):  # no later look would find a change to tell
        after = await publish_change(session, before, await session.ledger.observe(before.request_id, seen))
    return await session.view(after, seen.warnings)


async def _ask_provider(session: Session, task_id: str) -> ProviderTask:
    began, status = anyio.current_time(), None
    try:
        seen = await session.client.get_task(task_id)
        status = seen.status
        return seen
    finally:
        session.observer.poll_done(Poll(task_id, session.principal, anyio.current_time() - began, status))


async def wait_for_video(session: Session, arguments: WaitForVideo, caller: Caller) -> Task:
    """Look until the task is final or the time is up; a wait that runs out is no error."""
    meter = Meter()

    async def tell(task: Task) -> None:
        await caller.report(meter.rise(task.progress), f"{task.status} {task.progress} %")

    def pause(task: Task) -> float:
        if task.task_id is None:  # its create is still under way: the ledger alone can tell
            return session.settings.min_poll_interval_seconds
        wanted = task.next.after_seconds if task.next else 0.0
        return session.polls.seconds_until_due(task.task_id, wanted, task.elapsed_seconds or 0.0)

    return await wait(
        lambda: get_task(session, arguments, caller),
        lambda task: task.status not in RUNNING,
        tell,
        pause,
        timeout_seconds=arguments.timeout_seconds,
        seen=await _seen_before(session, arguments.task_id),
    )


async def _seen_before(session: Session, task_id: str) -> Task | None:
    known = await session.ledger.find(task_id)
    return await session.view(known) if known else None


async def list_tasks(session: Session, arguments: ListTasks, caller: Caller) -> TaskList:
    """Give the newest tasks of the ledger; `refresh` looks at all that run and at the balance first."""
    if arguments.refresh:
        await _refresh(session)
    page = await session.ledger.page(arguments.status, arguments.limit)
    edition, lifetime_seconds = session.edition, session.edition.url_lifetime_seconds.value
    expiring = await session.ledger.expiring(lifetime_seconds - EXPIRES_SOON_SECONDS, lifetime_seconds, views.NAMED_MOST)
    shown = [await session.view(record) for record in page.records]
    return TaskList(tasks=shown, total=page.total, warnings=views.expiring(edition, expiring))


async def _refresh(session: Session) -> None:
    """Look at every running task, a few at a time; one that cannot be looked at stays as it was."""
    places = anyio.CapacityLimiter(POLLS_AT_ONCE)

    async def look_at(record: Record) -> None:
        async with places:
            with suppress(SeedanceError):
                await poll_task(session, record, record.request_id)

    async with anyio.create_task_group() as group:
        for record in [record for status in RUNNING for record in (await session.ledger.page(status)).records]:
            group.start_soon(look_at, record)
        group.start_soon(reconcile_account, session)
