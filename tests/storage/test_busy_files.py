"""Files on Windows: what another program has open is waited for, and neither link nor junction is followed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from windows import refusing

from seedance_mcp.storage import dirfd
from seedance_mcp.storage.busy_files import TURNS, in_turn
from seedance_mcp.storage.dirfd import is_link, open_folder
from seedance_mcp.storage.part_files import Turn


class Scanner:
    """A program that has a file open for so many turns."""

    def __init__(self, turns: int) -> None:
        self.turns, self.tried, self.paused_seconds = turns, 0, 0.0

    def change(self) -> None:
        self.tried += 1
        if self.tried <= self.turns:
            raise PermissionError(errno.EACCES, "The process cannot access the file")

    def pause(self, seconds: float) -> None:
        self.paused_seconds += seconds


def test_windows_waits_for_the_program_that_has_a_file_open() -> None:
    scanner = Scanner(3)
    in_turn(scanner.change, "nt", scanner.pause)
    assert (scanner.tried, round(scanner.paused_seconds, 6)) == (4, 0.06)


@pytest.mark.parametrize(("system", "tried"), [("nt", TURNS + 1), ("posix", 1)])
def test_a_file_that_stays_open_is_a_refusal(system: str, tried: int) -> None:
    scanner = Scanner(TURNS + 9)
    with pytest.raises(PermissionError):
        in_turn(scanner.change, system, scanner.pause)
    assert scanner.tried == tried
    assert scanner.paused_seconds < 1.001


@pytest.mark.parametrize(
    ("mode", "tag", "found"),
    [
        (stat.S_IFLNK, 0, True),
        (stat.S_IFDIR, 0xA0000003, True),
        (stat.S_IFREG, 0xA000000C, True),
        (stat.S_IFDIR, 0x9000601A, False),
        (stat.S_IFREG, 0, False),
    ],
    ids=["a link", "a junction", "a link of Windows", "a folder of a cloud", "a file"],
)
def test_links_and_junctions_are_told_from_files_and_folders(mode: int, tag: int, found: bool) -> None:  # noqa: FBT001 - a column
    assert is_link(mode, tag) is found


def test_a_system_without_open_folders_follows_no_link_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dirfd, "HAS_DIR_FD", False)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with open_folder(tmp_path) as folder:
        os.close(folder.open("secret"))
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            folder.open("link")
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            folder.open("link", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(FileNotFoundError):
            folder.open("nothing")
        with pytest.raises(NotADirectoryError):
            folder.below("secret")


def write_and_drop(turn: Turn, whole_bytes: int) -> None:
    """Write four bytes of a part, and drop it."""
    taken = turn.take()
    assert taken
    taken.begin("one", whole_bytes)
    taken.write(b"film")
    taken.drop()
    turn.leave()


def test_a_part_that_windows_removes_only_when_it_is_closed_is_there_for_those_who_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "unlink", refusing(os.unlink))
    part, waiting = Turn(tmp_path, "req_1"), Turn(tmp_path, "req_1")
    write_and_drop(part, whole_bytes=4)
    found = waiting.take()
    assert found
    assert (found.is_whole, b"".join(found.pieces())) == (True, b"film")
    found.drop()
    waiting.leave()
    assert list(tmp_path.iterdir()) == []


def test_windows_empties_a_part_that_is_of_no_use_and_removes_it_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "unlink", refusing(os.unlink))
    write_and_drop(Turn(tmp_path, "req_1"), whole_bytes=9)
    assert list(tmp_path.iterdir()) == []
