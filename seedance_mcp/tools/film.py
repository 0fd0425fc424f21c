"""The tool that joins finished videos to one film, which is kept like any other video."""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import anyio.to_thread

from seedance_mcp.errors import DownloadRefused, FileRejected, LedgerUnusable, NotConfigured
from seedance_mcp.media import local_files, urls
from seedance_mcp.media.decoder import Unreadable, is_installed
from seedance_mcp.media.formats import NAMES
from seedance_mcp.media.long_jobs import make
from seedance_mcp.media.probe import DEMUXERS
from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.money.policy import spent
from seedance_mcp.money.records import Film, Record, Saved
from seedance_mcp.origin import advice
from seedance_mcp.polling.schedule import Meter
from seedance_mcp.storage.scratch_folder import scratch_folder
from seedance_mcp.storage.video_names import video_name
from seedance_mcp.storage.video_store import Stored
from seedance_mcp.tools import gallery
from seedance_mcp.tools.arguments import JoinVideos
from seedance_mcp.tools.downloads import blamed_on, finished_record, open_video, place_of
from seedance_mcp.tools.results import FilmClip, JoinedVideo
from seedance_mcp.tools.sent_files import located, not_readable
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.tools.sources import TASK

_COPIED_BYTES = 1 << 20
_FETCH_PERCENT = 40
"""The share of the work that it takes to bring the clips."""
_MUSIC_GAP_SECONDS = 0.5
"""Music that ends at least this long before the film comes with a note: the silence would be heard."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The job of the child."""

    clips: list[str]
    output: str
    crossfade_seconds: float
    music: str | None = None
    music_format: str = ""


@dataclass(slots=True)
class Portion:
    """The caller, for a part of the work: its progress is a part of the whole."""

    caller: Caller
    meter: Meter
    begin: float
    end: float
    reply: Reply | None = None
    address: str | None = None

    async def report(self, progress: float, message: str) -> None:
        """Report the whole's progress."""
        await self.caller.report(self.meter.rise(self.begin + (self.end - self.begin) * progress / 100), message)

    async def ask(self, question: str, token: str) -> Action:
        """Ask the user as the whole call does."""
        return await self.caller.ask(question, token)


async def join_videos(session: Session, arguments: JoinVideos, caller: Caller) -> JoinedVideo:
    """Join the videos of some tasks and films in order, and keep the film.

    Raises:
        NotConfigured: The optional libraries that decode video are not installed.
        DownloadFailed: A clip is not there, or cannot be fetched or joined, or the film cannot be saved.
        FileRejected: The music may not be read, or is no sound.
    """
    if not is_installed():
        raise NotConfigured(f"join_videos needs more than is installed: {advice('media', remote=bool(session.principal))}")
    meter = Meter()
    with scratch_folder() as folder:
        records = await _bring_clips(session, arguments.tasks, folder, caller, meter)
        clips = [str(folder / f"{arguments.tasks.index(task_id)}.mp4") for task_id in arguments.tasks]
        fade = arguments.crossfade_seconds if arguments.transition == "crossfade" else 0.0
        with ExitStack() as stack:
            plan, music_seconds = _Plan(clips, str(folder / "film.mp4"), fade), None
            if arguments.music:
                plan, music_seconds = await _with_music(session, plan, arguments.music, folder, stack, caller.address)
            joined = await _joined(plan, Portion(caller, meter, _FETCH_PERCENT, 100))
        parts = tuple(records[task_id].task_id or task_id for task_id in arguments.tasks)
        film = await _keep(session, arguments, parts, joined["seconds"], Path(plan.output))
    await gallery.renew(session)
    pieces = [(records[task], seconds) for task, seconds in zip(arguments.tasks, joined["clips"], strict=True)]
    return _result(session, film, pieces, _told_of_music(music_seconds, film.seconds))


async def _bring_clips(session: Session, tasks: list[str], folder: Path, caller: Caller, meter: Meter) -> dict[str, Record]:
    """Copy each clip into a folder, under its first place in the film; gives the records by task id."""
    records: dict[str, Record] = {}
    share = _FETCH_PERCENT / len(tasks)
    for number, task_id in enumerate(tasks):
        if task_id in records:
            continue
        with blamed_on(f"Clip {number + 1} ({task_id})"):
            records[task_id] = await finished_record(session, task_id)
            portion = Portion(caller, meter, number * share, (number + 1) * share)
            async with open_video(session, records[task_id], portion) as video:
                await anyio.to_thread.run_sync(_copy, video, folder / f"{number}.mp4")
    return records


def _copy(video: BinaryIO, path: Path) -> None:
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(video, file, _COPIED_BYTES)
    except OSError as error:
        raise DownloadRefused(
            f"There is no room for the clips ({error.strerror}): the operator should free the temporary folder (TMPDIR)."
        ) from error


async def _with_music(
    session: Session, plan: _Plan, source: str, folder: Path, stack: ExitStack, address: str | None
) -> tuple[_Plan, float | None]:
    """Add a local sound file to the plan; gives its length in seconds too, where its header has it."""
    _check_music(source)
    limits = session.edition.uploads.value
    limits = limits._replace(endings={"audio": limits.endings["audio"]})
    opening = local_files.open_media(*located(session, source, session.upload_roots), limits, any_format=True)
    try:
        music = await anyio.to_thread.run_sync(stack.enter_context, opening)
    except FileRejected as error:
        is_outside = isinstance(error, local_files.OutsideFolders)
        refused = not_readable(session, address or "") if session.principal and is_outside else FileRejected(error.message)
        refused.details["field"] = "music"
        raise refused from error
    name = NAMES[music.content.form.title]
    if music.kind != "audio" or name not in DEMUXERS:
        raise FileRejected(
            f"music was {music.content.form.title}; allowed: a sound file, such as MP3, M4A or WAV.", field="music"
        )
    await anyio.to_thread.run_sync(_copy, music.file, folder / "music")
    return replace(plan, music=str(folder / "music"), music_format=DEMUXERS[name]), music.content.seconds


def _check_music(source: str) -> None:
    """Refuse what other arguments take for a source; raises `FileRejected`."""
    if urls.is_url(source) or source.startswith((TASK, "@")):
        raise FileRejected(
            f"music was {urls.quoted(source)}; allowed: the path of a local sound file, such as MP3, M4A or WAV. Nothing was "
            "made.",
            field="music",
        )


async def _joined(plan: _Plan, portion: Portion) -> dict[str, Any]:
    async def report(percent: float) -> None:
        await portion.report(percent, "joining")

    try:
        with Path(plan.clips[0]).open("rb") as file:  # noqa: ASYNC230 - of the temporary folder
            return await make("join", json.dumps(asdict(plan)), file, report)
    except (Unreadable, OSError) as error:
        raise DownloadRefused(f"The clips cannot be joined: {error}.") from error


async def _keep(session: Session, arguments: JoinVideos, parts: tuple[str, ...], seconds: float, path: Path) -> Film:
    """Put a film into the video store, and write it down; a call that fails or is cancelled leaves nothing."""
    now, film_id = session.now(), f"film_{secrets.token_hex(8)}"
    name = video_name(arguments.filename, f"{now:%Y-%m-%d} film of {len(arguments.tasks)} {film_id}")
    stored = await anyio.to_thread.run_sync(partial(_stored, session, name, path))
    saved = Saved(*stored)
    film = Film(film_id, now, seconds, parts, saved, arguments.project)
    with anyio.CancelScope(shield=True), suppress(LedgerUnusable):  # the film is there, and that matters more than the ledger
        await session.ledger.keep_film(film)
    return film


def _stored(session: Session, name: str, path: Path) -> Stored:
    pending = session.video_store.new(name, session.principal)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_COPIED_BYTES):
                pending.write(chunk)
        return pending.commit()
    finally:
        pending.abort()


def _told_of_music(music_seconds: float | None, film_seconds: float) -> str:
    """Say that the music ends well before the film; empty where it does not, or nobody knows."""
    if music_seconds is None or film_seconds - music_seconds < _MUSIC_GAP_SECONDS:
        return ""
    return f"the music ends at {music_seconds:.3g} s of {film_seconds:.3g} s; a longer file fills the film"


def _result(session: Session, film: Film, clips: list[tuple[Record, float]], note: str) -> JoinedVideo:
    return JoinedVideo(
        **place_of(session, film.saved),
        note=note,
        task_id=film.film_id,
        seconds=round(film.seconds, 3),
        clips=[
            FilmClip(
                task_id=each.task_id or "",
                seconds=round(seconds, 3),
                cost=float(spent(each)),
                saved=each.saved is not None,
            )
            for each, seconds in clips
        ],
    )
