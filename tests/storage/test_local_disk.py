"""The folder that videos go to: nothing leads out of it, nothing half-done stays in it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seedance_mcp.errors import DownloadRefused
from seedance_mcp.storage import dirfd
from seedance_mcp.storage.dirfd import Folder, open_folder
from seedance_mcp.storage.local_disk import NOTED_SECONDS, STALE_SECONDS, LocalDisk, Part
from seedance_mcp.storage.video_store import Stored


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def save(root: Path, principal: str = "", name: str = "fox") -> Path:
    part = LocalDisk(root).new(name, principal)
    part.write(b"film")
    return Path(part.commit().uri)


@pytest.mark.parametrize("holds", [True, False])
def test_a_part_becomes_a_file_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holds: bool) -> None:  # noqa: FBT001
    monkeypatch.setattr(dirfd, "HAS_DIR_FD", holds)  # some systems open no file relative to a folder
    assert save(tmp_path, "anna") == tmp_path / "anna" / "fox.mp4"
    assert save(tmp_path, "anna") == tmp_path / "anna" / "fox (2).mp4"
    part = LocalDisk(tmp_path).new("fox", "anna")
    part.write(b"film")
    part.abort()
    assert names(tmp_path / "anna") == ["fox (2).mp4", "fox.mp4"]
    assert (tmp_path / "anna" / "fox.mp4").read_bytes() == b"film"
    (tmp_path / "bert").symlink_to(tmp_path / "anna")
    with pytest.raises(DownloadRefused, match="SEEDANCE_OUTPUT_DIR"):
        save(tmp_path, "bert")


def test_each_principal_has_a_folder_whatever_the_name(tmp_path: Path) -> None:
    principals = ["anna", "Anna", "ANNA", "a/b", "a_b", "..", ".", "", "con", "ä", "x" * 300, "client:anna", "a\nb"]
    homes = [save(tmp_path, principal).parent for principal in principals]
    assert len({str(home).casefold() for home in homes}) == len(principals)
    assert {home.stat().st_mode & 0o777 for home in homes if home != tmp_path} == {0o700}
    assert homes[0] == tmp_path / "anna"
    assert homes[7] == tmp_path
    assert {home.parent for home in homes} == {tmp_path, tmp_path.parent}
    assert max(len(name) for name in names(tmp_path)) < 100


def test_a_folder_swapped_for_a_symlink_leads_nowhere(tmp_path: Path) -> None:
    outside, videos = tmp_path / "outside", tmp_path / "videos"
    outside.mkdir()
    save(videos, "anna")
    part = LocalDisk(videos).new("swapped", "anna")
    part.write(b"film")
    (videos / "anna").rename(videos / "moved")
    (videos / "anna").symlink_to(outside)
    part.commit()
    assert names(outside) == []
    assert names(videos / "moved") == ["fox.mp4", "swapped.mp4"]
    with pytest.raises(DownloadRefused):
        save(videos, "anna")


def test_parts_of_killed_processes_are_swept_and_others_left(tmp_path: Path) -> None:
    long_ago = time.time() - 2 * STALE_SECONDS
    for name in (".seedance-0a.part", ".seedance-0b.part", ".seedance.part", "old.mp4"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (long_ago, long_ago))
    (tmp_path / ".seedance-0b.part").touch()
    save(tmp_path)
    assert names(tmp_path) == [".seedance-0b.part", ".seedance.part", "fox.mp4", "old.mp4"]


def test_a_note_that_is_old_broken_or_of_a_changed_file_finds_nothing(tmp_path: Path) -> None:
    disk = LocalDisk(tmp_path)
    part = disk.new("fox", "", "req_1")
    part.write(b"film")
    stored = part.commit()
    (note,) = tmp_path.glob(".seedance-*.note")
    os.link(tmp_path / "fox.mp4", tmp_path / part.hidden_name)  # as one that was killed leaves it
    assert disk.found("", "req_1") == stored
    assert names(tmp_path) == [note.name, "fox.mp4"]
    (tmp_path / "fox.mp4").write_bytes(b"milf")
    assert disk.found("", "req_1") is None
    for broken in (b"", b"[1]", b'{"name": "fox.mp4"}'):
        note.write_bytes(broken)
        assert disk.found("", "req_1") is None
    os.utime(note, (0, time.time() - 2 * NOTED_SECONDS))
    save(tmp_path)
    assert names(tmp_path) == ["fox (2).mp4", "fox.mp4"]


@contextmanager
def at_most(size_bytes: int) -> Generator[None]:
    """No file may become larger: what a full disk does to a program that writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size_bytes", [1000, 100_000])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, size_bytes: int) -> None:
    with at_most(size_bytes - 1):
        part = LocalDisk(tmp_path).new("fox", "")

        def fill() -> None:
            part.write(bytes(size_bytes))
            part.commit()

        with pytest.raises(DownloadRefused, match="File too large"):
            fill()
        part.abort()
    assert names(tmp_path) == []


class WithoutLinks(Folder):
    """A folder on a file system that gives no file a second name."""

    def link(self, name: str, other: str) -> None:
        raise PermissionError(1, "Operation not permitted")


def test_a_file_system_without_hard_links_replaces_nothing_either(tmp_path: Path) -> None:
    (tmp_path / "fox.mp4").write_text("somebody else's", "utf-8")
    part = Part(WithoutLinks(tmp_path, None), "fox")
    part.write(b"film")
    assert part.commit().uri == str(tmp_path / "fox (2).mp4")
    assert names(tmp_path) == ["fox (2).mp4", "fox.mp4"]
    assert (tmp_path / "fox (2).mp4").read_bytes() == b"film"
    assert (tmp_path / "fox.mp4").read_text("utf-8") == "somebody else's"


def test_a_reserved_name_is_freed_when_the_rename_fails(tmp_path: Path) -> None:
    folder = WithoutLinks(tmp_path, None)
    part = Part(folder, "fox")
    folder.remove(part.hidden_name)
    with pytest.raises(DownloadRefused, match="No such file"):
        part.commit()
    assert names(tmp_path) == []


class Closed(WithoutLinks):
    """A folder on a system that renames no open file."""

    part: Part | None = None

    def __init__(self, path: Path) -> None:
        super().__init__(path, None)

    def rename(self, name: str, other: str) -> None:
        assert self.part
        assert vars(self.part)["_file"].closed
        super().rename(name, other)


def test_a_part_is_closed_before_it_gets_its_name(tmp_path: Path) -> None:
    folder = Closed(tmp_path)
    folder.part = Part(folder, "fox")
    assert folder.part.commit().uri == str(tmp_path / "fox.mp4")


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path: Path) -> None:
    unsynced, other = os.pipe()  # fsync takes neither this nor some network folders
    os.close(other)
    with Folder(tmp_path, unsynced) as folder:
        folder.sync()


def test_a_thousand_files_of_one_name_are_enough(tmp_path: Path) -> None:
    for number in range(1, 1000):
        (tmp_path / (f"fox ({number}).mp4" if number > 1 else "fox.mp4")).touch()
    with pytest.raises(DownloadRefused, match="1000 files have that name"):
        save(tmp_path)
    assert len(names(tmp_path)) == 999


def test_an_open_folder_follows_no_symlink_and_waits_for_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key", "utf-8")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    with open_folder(tmp_path) as folder:
        with pytest.raises(OSError, match="symbolic"):
            folder.open("link")
        os.close(folder.open("pipe"))
    assert LocalDisk(tmp_path).open(Stored(str(tmp_path / "pipe"), 0, "")) is None
    assert LocalDisk(tmp_path).open(Stored(str(tmp_path / "link"), 3, "")) is None
