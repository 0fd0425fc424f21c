"""The tools that bring finished videos home: into the video store, or as a few frames for an agent to see."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import PurePath
from typing import Any, BinaryIO

import anyio
import anyio.to_thread

from seedance_mcp.errors import (
    DownloadFailed,
    DownloadRefused,
    InvalidRequest,
    LedgerUnusable,
    LinkExpired,
    NotConfigured,
    TaskNotFound,
)
from seedance_mcp.media import decoder
from seedance_mcp.money.records import Record, Saved
from seedance_mcp.origin import advice
from seedance_mcp.polling.schedule import Meter
from seedance_mcp.storage.local_disk import temporary_video
from seedance_mcp.storage.part_files import PartFile, Turn, sweep
from seedance_mcp.storage.video_names import video_name
from seedance_mcp.storage.video_store import Pending, Stored
from seedance_mcp.tools import gallery
from seedance_mcp.tools.arguments import DownloadVideo, PreviewVideo
from seedance_mcp.tools.links import lent
from seedance_mcp.tools.results import Preview, SavedVideo, Shown, Task
from seedance_mcp.tools.saving import Patience, claimed
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.tools.tasks import poll_task
from seedance_mcp.tools.views import iso

_REPORT_SECONDS = 1.0
"""A transfer reports its progress at most this often."""
_PAID_AGAIN = (
    "A new link was asked for. Do not create the video again to get it back, that would be paid again: ask the user first."
)


async def download_video(session: Session, arguments: DownloadVideo, caller: Caller) -> SavedVideo:
    """Save a finished video, or give the saved one where it still has the same bytes.

    Calls for the same video at the same time share one fetch and one file, whichever processes of the ledger they come to.

    Raises:
        DownloadFailed: There is no video yet, or it cannot be fetched or saved.
        TaskNotFound: There is no such task.
    """
    return await _downloaded(session, await finished_record(session, arguments.task_id), arguments.filename, caller)


async def save_unasked(session: Session, record: Record, caller: Caller) -> None:
    """Save the video of a finished task.

    Raises:
        Taken: Another call or process saves it, or has saved it.
        DownloadFailed: It cannot be fetched or saved.
    """
    found = await finished_record(session, record.request_id)
    await _downloaded(session, found, None, caller, is_asked=False)


async def _downloaded(
    session: Session, record: Record, filename: str | None, caller: Caller, *, is_asked: bool = True
) -> SavedVideo:
    name = video_name(filename, f"{record.created_at:%Y-%m-%d} {record.model} {record.task_id}")
    wanted = name if filename else None
    if found := await _saved_before(session, record, wanted):
        return found
    if record.parts:
        raise _without_file(record)
    async with _claimed(session, record, caller, claimed(session, record.request_id, caller if is_asked else None)) as part:
        if found := await _saved_before(session, record, wanted):  # another call may have saved it meanwhile
            part.drop()
            return found
        if left := await anyio.to_thread.run_sync(session.video_store.found, session.principal, record.request_id):
            return await _noted(session, record, left, wanted)  # its process was killed before the ledger knew
        stored = await _kept(session, record, name, part, caller)
        part.drop()
        return await _noted(session, record, stored, None)


async def _saved_before(session: Session, record: Record, wanted: str | None) -> SavedVideo | None:
    """Give the video that is saved already, if its bytes are still there."""
    saved = (await session.ledger.get(record.request_id)).saved
    if saved is None or not await _is_held(session, saved):
        return None
    return _saved_video(session, record, saved, wanted)


async def _is_held(session: Session, saved: Saved) -> bool:
    """Say whether the bytes of a saved video are still there."""
    return await anyio.to_thread.run_sync(session.video_store.holds, Stored(*saved))


@asynccontextmanager
async def _claimed(
    session: Session, record: Record, caller: Caller, over_all: AbstractAsyncContextManager[None] | None = None
) -> AsyncGenerator[PartFile]:
    """Have the fetching of a video to itself; waits for another call or process that has it, as long as that one lives.

    Args:
        session: Whose video it is.
        record: Its request.
        caller: The call.
        over_all: A claim over the processes of all machines; those of one machine have a lock.
    """
    folder = session.settings.ledger_dir / "downloads"
    await anyio.to_thread.run_sync(sweep, folder, session.edition.url_lifetime_seconds.value)
    turn = await anyio.to_thread.run_sync(Turn, folder, record.request_id)
    try:
        async with session.shared.saving.setdefault(record.request_id, anyio.Lock()), over_all or nullcontext():
            yield await _taken(turn, caller)
    finally:
        turn.leave()


async def _taken(turn: Turn, caller: Caller) -> PartFile:
    patience = Patience(caller)
    while (part := await anyio.to_thread.run_sync(turn.take)) is None:
        await patience.pause()
    return part


async def _noted(session: Session, record: Record, stored: Stored, wanted: str | None) -> SavedVideo:
    """Note in the ledger where a video is kept."""
    saved = Saved(*stored)
    with anyio.CancelScope(shield=True), suppress(LedgerUnusable):  # the video is there, and that matters more than the ledger
        await session.ledger.save(record.request_id, saved)
        await anyio.to_thread.run_sync(session.video_store.noted, session.principal, record.request_id)
    await gallery.renew(session)
    return _saved_video(session, record, saved, wanted)


async def _kept(session: Session, record: Record, name: str, part: PartFile, caller: Caller) -> Stored:
    """Fetch a video into the store; a call that fails or is cancelled leaves nothing there, and its part for the next call."""
    pending = await anyio.to_thread.run_sync(session.video_store.new, name, session.principal, record.request_id)
    try:
        await _fetch(session, record, part, caller)
        return await anyio.to_thread.run_sync(_committed, part, pending)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(pending.abort)


def _committed(part: PartFile, pending: Pending) -> Stored:
    _copy(part, pending.write)
    return pending.commit()


def _copy(part: PartFile, write: Callable[[bytes], object]) -> None:
    for piece in part.pieces():
        write(piece)


def _saved_video(session: Session, record: Record, saved: Saved, wanted: str | None) -> SavedVideo:
    """Make the result; says so where a file name was wanted and the video has another one."""
    is_elsewhere = wanted and PurePath(saved.uri).stem != wanted
    note = f"already saved as {saved.uri}; filename ignored" if is_elsewhere else ""
    return SavedVideo(**place_of(session, saved), task_id=record.task_id or "", note=note)


def place_of(session: Session, saved: Saved) -> dict[str, Any]:
    """Give the fields of a `SavedVideo` that say what is kept and where: a file of the disk, or a URL that the store lends."""
    kept = {"bytes": saved.size_bytes, "sha256": saved.sha256}
    if path := session.video_store.path(saved.uri):
        return {**kept, "path": saved.uri, "location": path.as_uri()}
    link = lent(session.video_store, saved.uri, session.settings.link_seconds, session.now())
    if link is None:
        return {**kept, "path": saved.uri}
    return {**kept, "path": None, "url": link.url, "location": link.url, "expires_at": iso(link.expires_at)}


async def preview_video(session: Session, arguments: PreviewVideo, caller: Caller) -> Preview:
    """Show three frames of each of up to four finished videos, a row for each.

    Raises:
        InvalidRequest: No task is named.
        NotConfigured: The optional libraries that decode video are not installed.
        DownloadFailed: There is no video yet, or it cannot be fetched or shown.
    """
    named = [*([arguments.task_id] if arguments.task_id else []), *(arguments.task_ids or [])]
    task_ids = [*dict.fromkeys(named)][:4]
    if not task_ids:
        raise InvalidRequest("task_id is missing; allowed: task_id, or up to four task_ids.", field="task_id")
    if not decoder.is_installed():
        raise NotConfigured(
            f"preview_video needs more than is installed: {advice('preview', remote=bool(session.principal))} "
            "download_video works without it."
        )
    shown: list[Shown] = []
    sheets: list[bytes] = []
    for task_id in task_ids:
        with blamed_on(task_id) if len(task_ids) > 1 else nullcontext():
            record = await finished_record(session, task_id)
        if any(record.task_id == each.task_id for each in shown):  # it was named by its request too
            continue
        async with open_video(session, record, caller) as file:
            sheet = await anyio.to_thread.run_sync(_sheet, file)
        shown.append(Shown(record.task_id or "", sheet["width_px"], sheet["height_px"], sheet["seconds"]))
        sheets.append(base64.b64decode(sheet["jpeg"]))
    return Preview(shown=shown, sheet=await anyio.to_thread.run_sync(_stacked, sheets))


@contextmanager
def blamed_on(name: str) -> Generator[None]:
    """Name the one of several videos that is not there or cannot be fetched."""
    try:
        yield
    except (DownloadFailed, TaskNotFound) as error:
        raise type(error)(f"{name}: {error.message}") from error


def _stacked(sheets: list[bytes]) -> bytes:
    """Put contact sheets below each other; they were made here, so another process draws them and can fail only by chance."""
    if len(sheets) == 1:
        return sheets[0]
    with temporary_video() as file:
        file.write(b"".join(sheets))
        return base64.b64decode(_decoded("stack", ",".join(str(len(each)) for each in sheets), file)["jpeg"])


def _sheet(file: BinaryIO) -> dict[str, Any]:
    """Draw a contact sheet in another process; raises `DownloadRefused` where the video cannot be decoded."""
    return _decoded("sheet", "mp4", file)


def _decoded(job: str, argument: str, file: BinaryIO) -> dict[str, Any]:
    try:
        return decoder.decode(job, argument, file, decoder.SHEET)
    except (decoder.Unreadable, OSError) as error:
        raise DownloadRefused(
            f"The video cannot be shown ({error}): keep it with download_video, which needs no frames of it."
        ) from error


async def finished_record(session: Session, task_id: str) -> Record:
    """Give the record of a film, or of a finished video that is saved or has a link; raises `DownloadFailed` where none is."""
    record, task = await session.ledger.find(task_id), None
    if record and record.parts:
        return record
    if record is None or record.status != "completed" or record.video_url is None or session.settings.sandbox:
        if record and record.saved and await _is_held(session, record.saved):
            return record  # no provider need know of it any more
        task = await poll_task(session, record, task_id)
        record = await session.ledger.get(task.request_id)
    if record.status in {"failed", "cancelled", "unknown"}:
        raise DownloadRefused(f"There is no video: the task is {record.status}. get_task says why.")
    if record.status != "completed":
        raise DownloadFailed(f"There is no video yet: the task is {record.status}. Call wait_for_video first.")
    if task and record.video_url is None:
        raise _without_link(task)
    return record


def _without_file(film: Record) -> DownloadRefused:
    """Make the error that the file of a joined film is gone, which nobody else has."""
    call = json.dumps({"tasks": list(film.parts)})
    return DownloadRefused(f"The file of this film is not there any more. join_videos with {call} makes it again, for free.")


def _without_link(task: Task) -> DownloadFailed:
    """Make the error that a finished video came without a usable link; it says when to ask again, and what there is."""
    told = " ".join(task.warnings) if task.saved_path is None else "What was saved of it is not there any more."
    if task.next is None:
        return DownloadRefused(f"{told} No link is to be expected any more: show the provider the task_id, {task.task_id}.")
    seconds = task.next.after_seconds
    return DownloadFailed(f"{told} Call get_task in {seconds:.0f} s: it asks for the link again.", retry_after_seconds=seconds)


async def _open_saved(session: Session, saved: Saved) -> BinaryIO | None:
    """Open a saved video; `None` where the store has not the same bytes any more."""
    return await anyio.to_thread.run_sync(session.video_store.open, Stored(*saved))


@asynccontextmanager
async def open_video(session: Session, record: Record, caller: Caller) -> AsyncGenerator[BinaryIO]:
    """Open the video of a finished task or film: the saved one, else a copy that is fetched and gone afterwards.

    Calls for the same video at the same time share one fetch, in this process and others.

    Raises:
        DownloadFailed: It cannot be fetched, or is a film whose file is gone.
    """
    if record.saved and (file := await _open_saved(session, record.saved)):
        with file:
            yield file
        return
    if record.parts:
        raise _without_file(record)
    with temporary_video() as file:
        await _bring(session, record, file, caller)
        file.seek(0)
        yield file


async def _bring(session: Session, record: Record, file: BinaryIO, caller: Caller) -> None:
    """Fetch a video into a file; nothing else is kept but the part of a transfer that was cut off."""
    async with _claimed(session, record, caller) as part:
        saved = (await session.ledger.get(record.request_id)).saved
        if saved and (kept := await _open_saved(session, saved)):  # another call saved it meanwhile
            with kept:
                await anyio.to_thread.run_sync(lambda: shutil.copyfileobj(kept, file))
        else:
            await _fetch(session, record, part, caller)
            await anyio.to_thread.run_sync(_copy, part, file.write)
        part.drop()


async def _fetch(session: Session, record: Record, part: PartFile, caller: Caller) -> None:
    """Fetch what is missing of a video; where its link has expired, a new one is asked for, once."""
    report = _reporter(caller)
    try:
        await session.fetcher.fetch(record.video_url or "", part.write, report, part)
    except LinkExpired:  # nothing was written
        record = await _renewed(session, record)
    else:
        return
    try:
        await session.fetcher.fetch(record.video_url or "", part.write, report, part)
    except LinkExpired as error:
        raise LinkExpired(f"{error.message} {_PAID_AGAIN}") from error


async def _renewed(session: Session, record: Record) -> Record:
    """Ask for a new link; raises `LinkExpired` where the provider no longer knows the task."""
    try:
        seen = await session.client.get_task(record.task_id or "")
    except TaskNotFound as error:
        raise LinkExpired(f"The video's link has expired, and the provider no longer knows the task. {_PAID_AGAIN}") from error
    return await session.ledger.observe(record.request_id, seen)


def _reporter(caller: Caller) -> Callable[[int, int | None], Awaitable[None]]:
    """Make a function that reports a transfer's progress to the caller, now and then."""
    meter, reported_at = Meter(), float("-inf")

    async def report(size_bytes: int, announced_bytes: int | None) -> None:
        nonlocal reported_at
        if anyio.current_time() - reported_at >= _REPORT_SECONDS:
            reported_at = anyio.current_time()
            percent = 100 * size_bytes / announced_bytes if announced_bytes else 0
            await caller.report(meter.rise(percent), f"{size_bytes / 1e6:.1f} MB fetched")

    return report
