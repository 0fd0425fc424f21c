"""The tools that bring finished videos home: to the disk, or as a few frames before an agent's eyes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from seedance_mcp.errors import DownloadFailed, DownloadRefused, LedgerUnusable, LinkExpired, NotConfigured, TaskNotFound
from seedance_mcp.money.records import Record, Saved
from seedance_mcp.polling.schedule import Meter
from seedance_mcp.storage import local_disk
from seedance_mcp.task import FINAL
from seedance_mcp.tools.arguments import DownloadVideo, GetTask
from seedance_mcp.tools.results import Preview, SavedVideo
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.tools.tasks import poll_task

if TYPE_CHECKING:
    from seedance_mcp.media.contact_sheet import Sheet
    from seedance_mcp.provider.result_download import Fetched

_TOLD_SECONDS = 1.0
"""How often a transfer tells how far it is."""
_SAVING: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()
"""Held, by request id, while a video is saved: who asks for the same one meanwhile gets the same file."""
_GONE = (
    "Links last about three days, and a fresh one was asked for. Do not create the video again to get it back, that would be "
    "paid again: ask the person first."
)


async def download_video(session: Session, arguments: DownloadVideo, caller: Caller) -> SavedVideo:
    """Save a finished video, or give the file that holds it already; raises `DownloadFailed`."""
    record = await _finished(session, arguments.task_id)
    name = local_disk.video_name(arguments.filename, f"{record.created_at:%Y-%m-%d} {record.model} {record.task_id}")
    async with _SAVING.setdefault(record.request_id, anyio.Lock()):
        record = await session.ledger.get(record.request_id)  # who held the lock may have saved it
        if record.saved and (kept := await _open_saved(record)):
            kept.close()
            elsewhere = arguments.filename and Path(record.saved.path).stem != name
            note = f"already saved as {record.saved.path}; filename ignored" if elsewhere else ""
            return _saved_video(record, record.saved, note)
        return await _save(session, record, name, caller)


async def _save(session: Session, record: Record, name: str, caller: Caller) -> SavedVideo:
    with local_disk.new_part(session.settings.output_dir, session.principal) as part:
        fetched = await _fetch(session, record, part.file, caller)
        path = await anyio.to_thread.run_sync(part.publish, name)
        saved = Saved(str(path), fetched.size_bytes, fetched.sha256)
        with suppress(LedgerUnusable):  # the video is there, and that matters more than the book
            await session.ledger.save(record.request_id, saved)
        return _saved_video(record, saved)


def _saved_video(record: Record, saved: Saved, note: str = "") -> SavedVideo:
    return SavedVideo(path=saved.path, bytes=saved.size_bytes, sha256=saved.sha256, task_id=record.task_id or "", note=note)


async def preview_video(session: Session, arguments: GetTask, caller: Caller) -> Preview:
    """Show three frames of a finished video; raises `NotConfigured` where what it takes is not installed."""
    make_sheet = _sheet_maker()
    record = await _finished(session, arguments.task_id)
    async with _open_video(session, record, caller) as file:
        sheet = await anyio.to_thread.run_sync(make_sheet, file)
    return Preview(
        task_id=record.task_id or "",
        width=sheet.width_px,
        height=sheet.height_px,
        frames=sheet.seconds,
        sheet=sheet.jpeg,
    )


def _sheet_maker() -> Callable[[BinaryIO], Sheet]:
    try:
        from seedance_mcp.media.contact_sheet import contact_sheet  # noqa: PLC0415 - an optional extra, and slow to import
    except ImportError:
        raise NotConfigured(
            "preview_video needs more than is installed: the operator should run pip install 'seedance-mcp[preview]'. "
            "download_video works without it."
        ) from None
    return contact_sheet


async def _finished(session: Session, task_id: str) -> Record:
    """The record of a finished video with a link; raises `DownloadFailed` for one that is not there."""
    record = await session.ledger.find(task_id)
    if record is None or record.status != "completed" or record.video_url is None:
        task = await poll_task(session, record, task_id)
        record = await session.ledger.get(task.request_id)
    if record.status in FINAL - {"completed"}:
        raise DownloadRefused(f"There is no video: the task is {record.status}.")
    if record.status != "completed" or record.video_url is None:
        raise DownloadFailed(f"There is no video yet: the task is {record.status}. Call wait_for_video first.")
    return record


async def _open_saved(record: Record) -> BinaryIO | None:
    """The file that a video was saved to, if it still holds the same bytes."""
    if record.saved is None:
        return None
    path = Path(record.saved.path)
    return await anyio.to_thread.run_sync(local_disk.open_saved, path, record.saved.size_bytes, record.saved.sha256)


@asynccontextmanager
async def _open_video(session: Session, record: Record, caller: Caller) -> AsyncGenerator[BinaryIO]:
    """The saved file, else a temporary one that is gone afterwards."""
    if kept := await _open_saved(record):
        with kept:
            yield kept
        return
    with local_disk.translated("the temporary folder (TMPDIR)"), tempfile.TemporaryFile() as file:
        await _fetch(session, record, file, caller)
        file.seek(0)
        yield file


async def _fetch(session: Session, record: Record, file: BinaryIO, caller: Caller) -> Fetched:
    """Fetch a video; a link that has lapsed is asked for anew, once."""
    tell = _teller(caller)
    try:
        return await session.fetcher.fetch(record.video_url or "", file, tell)
    except LinkExpired:
        record = await _renewed(session, record)
    file.seek(0)
    file.truncate()
    try:
        return await session.fetcher.fetch(record.video_url or "", file, tell)
    except LinkExpired as error:
        raise LinkExpired(f"{error.message} {_GONE}") from None


async def _renewed(session: Session, record: Record) -> Record:
    try:
        seen = await session.client.get_task(record.task_id or "")
    except TaskNotFound:
        raise LinkExpired(f"The link has lapsed, and the provider no longer knows the task. {_GONE}") from None
    return await session.ledger.observe(record.request_id, seen)


def _teller(caller: Caller) -> Callable[[int, int | None], Awaitable[None]]:
    """Tells how far a transfer is, now and then."""
    meter, told_at = Meter(), float("-inf")

    async def tell(size_bytes: int, wanted: int | None) -> None:
        nonlocal told_at
        if anyio.current_time() - told_at >= _TOLD_SECONDS:
            told_at = anyio.current_time()
            share = 100 * size_bytes / wanted if wanted else 0
            await caller.report(meter.rise(share), f"{size_bytes / 1e6:.1f} MB fetched")

    return tell
