"""A whole ledger copied, backed up, and emptied of what is old; and disks on which none may lie."""

from __future__ import annotations

import os
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath

import pytest

from seedance_mcp.errors import InvalidRequest, LedgerUnusable, OutcomeUnknown
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.records import Film, Media, NamedAsset, NewRequest, Saved, Upload
from seedance_mcp.money.stores import copies, file_system
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools.session import OpenLedger

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def fill(ledger: Ledger, at: datetime = NOON) -> None:
    """One request that was charged and one of unknown outcome, and what else a ledger keeps."""
    for name in ("charged", "lost"):
        request = NewRequest({"model": "m", "prompt": f"a {name} fox"}, name, Decimal("2.5"), f"req_{name}")
        await ledger.reserve(request, window_seconds=0, admit=lambda _: None)
        await ledger.mark_sending(request.request_id, Decimal(1))
    await ledger.observe("req_charged", ProviderTask("vid_1", "completed", cost=Decimal("2.4"), video_url="https://a.b/1"))
    await ledger.fail("req_lost", OutcomeUnknown("lost", charged="maybe"))
    await ledger.new_token("one", Decimal(1), None)
    await ledger.keep_answer("two", agreed=False)
    await ledger.remember_media(Media("asset://1", "image", None, (640, 480)))
    await ledger.remember_upload("digest", Upload("https://uploads.invalid/a", None, at))
    await ledger.keep_asset(NamedAsset("mia", "image", "https://a.b/mia.png", None, 3, portrait=False, at=at))
    await ledger.keep_film(Film("film_1", at, 5.0, ("vid_1",), Saved("/film.mp4", 1, "0")))


async def test_a_copy_holds_every_row_and_the_same_sums(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with aclosing(open_ledger(Settings(data_dir=tmp_path / "one"), lambda: NOON)) as ledger:
        await fill(ledger)
        spent, page = await ledger.spent(), await ledger.page()
    with (
        closing(SqliteStore(tmp_path / "one" / LEDGER_FILE)) as source,
        closing(SqliteStore(tmp_path / "two" / LEDGER_FILE)) as target,
    ):
        copied = copies.copy(source, target)
        assert copied.keys() == copies.TABLES.keys()
        assert (copied["requests"], copied["assets"], copied["films"]) == (2, 1, 1)
        tables = source.all("SELECT name FROM sqlite_master WHERE type = 'table'")
        assert {row["name"] for row in tables} == copies.TABLES.keys()
        with pytest.raises(InvalidRequest, match="2 requests already"):
            copies.copy(source, target)
    async with aclosing(open_ledger(Settings(data_dir=tmp_path / "two"), lambda: NOON)) as ledger:
        assert (await ledger.spent(), await ledger.page()) == (spent, page)


async def test_a_copy_whose_sums_differ_is_undone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with aclosing(open_ledger(Settings(data_dir=tmp_path / "one"), lambda: NOON)) as ledger:
        await fill(ledger)
    with (
        closing(SqliteStore(tmp_path / "one" / LEDGER_FILE)) as source,
        closing(SqliteStore(tmp_path / "two" / LEDGER_FILE)) as target,
    ):
        with target.transaction(None) as db:
            db.run("INSERT INTO totals (scope, day, spent, reserved) VALUES ('somebody', 1, 1, 1)")
        with pytest.raises(LedgerUnusable, match="table totals is not the same"):
            copies.copy(source, target)
        assert target.all("SELECT * FROM requests") == []


async def test_what_old_requests_said_is_forgotten_and_what_they_cost_is_kept(open_ledger: OpenLedger, tmp_path: Path) -> None:
    now = NOON
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: now)) as ledger:
        await fill(ledger)
        spent = (await ledger.spent()).total
        now += timedelta(days=100)
        assert await ledger.prune(NOON) == 0
        assert await ledger.prune(NOON + timedelta(days=10)) == 1
        assert await ledger.prune(NOON + timedelta(days=10)) == 0
        charged, lost = await ledger.get("req_charged"), await ledger.get("req_lost")
        assert (charged.prompt, charged.video_url, await ledger.request_body("req_charged")) == (None, None, None)
        assert (charged.state, charged.cost, lost.prompt) == ("completed", Decimal("2.4"), "a lost fox")
        assert await ledger.find_upload("digest", 10**9) is None
        assert (await ledger.spent()).total == spent


async def test_a_backup_is_whole_while_the_ledger_is_written(tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    async with aclosing(open_ledger(Settings(data_dir=tmp_path), lambda: NOON)) as ledger:
        await fill(ledger)
        with closing(SqliteStore(tmp_path / LEDGER_FILE)) as store:
            with store.transaction("") as db:
                db.run("DELETE FROM films")
                store.backup(copy)
            with pytest.raises(InvalidRequest, match="not overwritten"):
                store.backup(copy)
    assert [name for name in os.listdir(tmp_path) if name.startswith("copy")] == ["copy.sqlite3"]  # noqa: PTH208
    assert copy.stat().st_mode & 0o077 == 0
    with closing(SqliteStore(copy)) as kept:
        assert kept.faults() == []
        assert len(kept.all("SELECT * FROM requests")) == 2
        assert len(kept.all("SELECT * FROM films")) == 1


@pytest.mark.parametrize(("kind", "is_refused"), [("nfs4", True), ("fuse.sshfs", True), ("ext4", False), ("overlay", False)])
def test_a_ledger_on_a_network_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, *, is_refused: bool
) -> None:
    folder = tmp_path / "on the net"
    folder.mkdir()
    mounts = tmp_path / "mounts"
    point = str(folder).replace(" ", "\\040")
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nold {point} tmpfs rw 0 0\nserver:/a {point} {kind} rw 0 0\n", "utf-8")
    monkeypatch.setattr(file_system, "MOUNTS", mounts)
    if is_refused:
        with pytest.raises(LedgerUnusable, match=rf"network disk \({kind}\).*SEEDANCE_DATABASE_URL"):
            SqliteStore(folder / "data" / LEDGER_FILE)
        assert list(folder.iterdir()) == []
    else:
        SqliteStore(folder / LEDGER_FILE).close()


def test_where_no_mounts_are_told_a_disk_is_taken_for_one_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "nothing")
    assert file_system.network_kind(tmp_path) is None


MACOS = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//me@nas.local/films on /Volumes/my films (1) (smbfs, nodev, nosuid, mounted by me)
nas:/export on /Volumes/export (nfs)
nothing that can be read
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/Users/me/data", None),
        ("/Volumes/my films (1)/data", "smbfs"),
        ("/Volumes/export/data", "nfs"),
        ("/Volumes/exported", None),
    ],
)
def test_a_network_disk_of_macos_is_known_by_what_is_mounted(path: str, kind: str | None) -> None:
    assert file_system.kind_at(PurePosixPath(path), file_system.read_macos(MACOS)) == kind


@pytest.mark.parametrize(
    ("path", "is_share"),
    [
        (r"\\nas\films\data", True),
        (r"\\?\UNC\nas\films\data", True),
        (r"\\?\C:\data", False),
        (r"\\.\C:\data", False),
        (r"C:\data", False),
    ],
)
def test_a_share_of_windows_is_known_by_its_name(path: str, is_share: bool) -> None:  # noqa: FBT001 - a column
    assert (file_system.share_kind(path) == "a Windows share") is is_share


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_a_disk_of_this_machine_is_no_network_on_other_systems(tmp_path: Path, system: str) -> None:
    assert file_system.network_kind(tmp_path, system) is None
    assert file_system.network_kind(tmp_path, system, command=str(tmp_path / "mount")) is None
