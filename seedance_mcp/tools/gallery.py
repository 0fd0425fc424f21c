"""The gallery: one page beside the saved videos that shows what was made, what it cost and what is not saved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
import anyio.to_thread

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.errors import DownloadRefused, SeedanceError
from seedance_mcp.media import decoder
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.records import Record, Saved, Wanted
from seedance_mcp.settings import Settings
from seedance_mcp.storage.local_disk import LocalDisk
from seedance_mcp.storage.page_file import PageFolder
from seedance_mcp.storage.video_store import Stored
from seedance_mcp.tools.gallery_page import HEAD_BYTES, Entry, Facts, gallery_page, is_gallery, is_renewed, posters
from seedance_mcp.tools.session import Session

log = logging.getLogger(__name__)

NAME = "gallery.html"
SHOWN_MOST = 2000
"""How many of the newest requests and films stand on the page."""
POSTERS_AT_A_SAVE = 2
"""How many posters one saved video may draw: its own, and one that failed to be drawn before."""
_POSTER_MOST_BYTES = 16_000
_PAGE_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """A page that was written."""

    path: Path
    requests: int
    players: int
    unsaved: int
    without_poster: int
    """How many players have none."""
    can_draw: bool
    """Whether what draws posters is installed."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The page of one principal, and the rows and settings that it is made of."""

    ledger: Ledger
    principal: str
    settings: Settings
    edition: Edition

    async def write(
        self, now: datetime, *, renew: bool, posters_most: int, drawn: Callable[[int], object] = lambda _: None
    ) -> Written:
        """Write the page.

        Args:
            now: The time of writing.
            renew: Whether each video that is saved from now on renews it.
            posters_most: How many posters are drawn at most; those of an earlier page are kept.
            drawn: Gets the number of posters that are drawn so far.

        Raises:
            DownloadRefused: The folder cannot be written to, or a file that is not ours has the page's name.
        """
        newest = (await self.ledger.tasks(Wanted(), SHOWN_MOST)).records
        totals = await self.ledger.totals(Wanted())
        facts = Facts(totals, self.edition, now, renew, self.settings.sandbox)
        return await anyio.to_thread.run_sync(self._write, newest, facts, posters_most, drawn)

    def is_renewed(self) -> bool:
        """Return whether there is a page that each saved video renews; raises `OSError`."""
        if not self.settings.output_dir.is_dir():  # videos are kept elsewhere
            return False
        with PageFolder(self.settings.output_dir, self.principal) as folder:
            return is_renewed(folder.head(NAME, HEAD_BYTES) or b"")

    def _write(self, records: Sequence[Record], facts: Facts, posters_most: int, drawn: Callable[[int], object]) -> Written:
        try:
            with PageFolder(self.settings.output_dir, self.principal) as folder:
                before = folder.read(NAME, _PAGE_MOST_BYTES)
                if before is not None and not is_gallery(before):
                    raise DownloadRefused(f"{folder.path / NAME} is no gallery of this program: move it to another name.")
                entries = self._entries(records, folder, Posters(posters(before or b""), posters_most, drawn))
                path = folder.replace(NAME, gallery_page(entries, facts))
        except OSError as error:
            raise DownloadRefused(
                f"The gallery cannot be written ({error.strerror or error}): free or open SEEDANCE_OUTPUT_DIR, "
                f"or move {NAME} away."
            ) from error
        shown = [entry for entry in entries if entry.link]
        unsaved = sum(entry.status == "unsaved" for entry in entries)
        return Written(
            path, len(entries), len(shown), unsaved, sum(not entry.poster for entry in shown), decoder.is_installed()
        )

    def _entries(self, records: Sequence[Record], folder: PageFolder, drawing: Posters) -> list[Entry]:
        disk = LocalDisk(self.settings.output_dir)
        return [_entry(record, folder, disk, drawing) for record in records]


def _entry(record: Record, folder: PageFolder, disk: LocalDisk, drawing: Posters) -> Entry:
    link = folder.link_to(record.saved.uri, record.saved.size_bytes) if record.saved else None
    return Entry(record, link, drawing.of(record.saved, disk) if record.saved and link else "")


class Posters:
    """Gives posters: those that are known already, and so many new ones as are allowed."""

    def __init__(self, known: dict[str, str], most: int, drawn: Callable[[int], object]) -> None:
        """Take the known ones by the SHA-256 of their videos, and how many may be drawn."""
        self._known, self._most, self._drawn = known, most if decoder.is_installed() else 0, drawn
        self._tried = 0

    def of(self, saved: Saved, disk: LocalDisk) -> str:
        """Give the poster of a video in base64; empty where there is none."""
        if saved.sha256 not in self._known and self._tried < self._most:
            self._tried += 1
            self._known[saved.sha256] = _poster(saved, disk)
            self._drawn(self._tried)
        return self._known.get(saved.sha256, "")


def _poster(saved: Saved, disk: LocalDisk) -> str:
    """Draw a poster in another process; empty where the file is not a video that can be decoded."""
    file = disk.open(Stored(*saved))
    if file is None:
        return ""
    try:
        with file:
            return str(decoder.decode("poster", str(_POSTER_MOST_BYTES), file, decoder.SHEET)["jpeg"])
    except (decoder.Unreadable, OSError):
        return ""


async def renew(session: Session) -> None:
    """Write the page anew where its user asked for that; never raises, since a saved video matters more."""
    gallery = Gallery(session.ledger, session.principal, session.settings, session.edition)
    try:
        async with session.shared.saving.setdefault(f"gallery of {session.principal}", anyio.Lock()):
            if await anyio.to_thread.run_sync(gallery.is_renewed):
                await gallery.write(session.now(), renew=True, posters_most=POSTERS_AT_A_SAVE)
    except (OSError, SeedanceError) as error:
        log.warning("The gallery could not be renewed: %s", type(error).__name__)
