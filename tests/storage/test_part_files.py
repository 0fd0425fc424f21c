"""Parts of videos: private, bounded, and of one call at a time, whatever becomes of the process that has them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from deadline import running

from seedance_mcp.errors import DownloadRefused
from seedance_mcp.storage.file_lock import lock
from seedance_mcp.storage.part_files import PARTS_MOST, PartFile, Turn, sweep


def claimed(folder: Path, name: str = "req_1") -> PartFile:
    part = Turn(folder, name).take()
    assert part
    return part


def is_taken(folder: Path) -> bool:
    turn = Turn(folder, "req_1")
    is_free = turn.take()
    turn.leave()
    return not is_free


def left(folder: Path, name: str, data: bytes = b"film") -> Path:
    """Leave a part as a broken transfer does; gives its file."""
    before = set(folder.glob("*"))
    part = claimed(folder, name)
    part.begin('"one"', 100)
    part.write(data)
    part.close()
    (path,) = set(folder.glob("*")) - before
    return path


def test_a_part_is_private_and_keeps_what_is_known_of_the_transfer(tmp_path: Path) -> None:
    path = left(tmp_path / "a" / "parts", "req_1")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    part = claimed(path.parent)
    assert (part.size_bytes, part.mark, part.announced_bytes, b"".join(part.pieces())) == (4, '"one"', 100, b"film")
    part.write(b"s")
    assert b"".join(part.pieces()) == b"films"
    part.begin('"two"', None)
    assert (part.size_bytes, part.mark, part.announced_bytes, list(part.pieces())) == (0, '"two"', None, [])
    part.close()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("mark", ["", "e" * 1024])
def test_what_cannot_be_continued_is_not_kept(tmp_path: Path, mark: str) -> None:
    part = claimed(tmp_path)
    part.begin(mark, None)
    part.write(b"film")
    assert (part.mark, b"".join(part.pieces())) == ("", b"film")
    part.close()
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_of_no_use_is_removed(tmp_path: Path) -> None:
    left(tmp_path, "req_1")
    part = claimed(tmp_path)
    part.drop()
    part.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 2000])
def test_a_file_that_is_no_part_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    left(tmp_path, "req_1").write_bytes(content)
    part = claimed(tmp_path)
    assert (part.size_bytes, part.mark, part.announced_bytes) == (0, "", None)
    part.close()


def test_one_opening_has_a_part_and_others_have_theirs(tmp_path: Path) -> None:
    first = claimed(tmp_path)
    assert is_taken(tmp_path)
    claimed(tmp_path, "req_2").close()
    first.close()
    claimed(tmp_path).close()


def brought(folder: Path, announced_bytes: int) -> tuple[Turn, PartFile]:
    """A part that one call has brought, and the turn of another that waits for it."""
    part, turn = claimed(folder), Turn(folder, "req_1")
    assert turn.take() is None
    part.begin('"one"', announced_bytes)
    part.write(b"film")
    part.drop()
    return turn, part


def test_a_part_that_is_whole_and_removed_is_there_for_those_who_waited(tmp_path: Path) -> None:
    turn, part = brought(tmp_path, 4)
    part.close()
    assert list(tmp_path.iterdir()) == []
    found = turn.take()
    assert found
    assert (found.is_whole, b"".join(found.pieces())) == (True, b"film")
    later = left(tmp_path, "req_1")
    found.drop()
    turn.leave()
    assert list(tmp_path.iterdir()) == [later]


def test_a_part_that_is_not_whole_and_removed_is_brought_anew_by_those_who_waited(tmp_path: Path) -> None:
    turn, part = brought(tmp_path, 5)
    part.close()
    found = turn.take()
    assert found
    assert (found.size_bytes, is_taken(tmp_path)) == (0, True)
    turn.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_wait_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    turn, part = brought(tmp_path, 5)
    part.close()
    turn.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_the_system_does_not_remove_is_emptied(tmp_path: Path) -> None:
    path = left(tmp_path, "req_1")
    file = path.open("r+b")
    part = PartFile(Path(f"/dev/fd/{file.fileno()}"), file)
    part.drop()
    part.close()
    assert path.read_bytes() == b""


HOLD = """
import pathlib, sys
from seedance_mcp.storage.part_files import Turn
part = Turn(pathlib.Path(sys.argv[1]), "req_1").take()
part.begin("e", 9)
part.write(b"film")
print("there", flush=True)
input()
"""


@pytest.mark.slow
def test_a_process_that_is_killed_holds_nobody_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with running("another process", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == "there\n"
        assert is_taken(tmp_path)
        process.kill()
        process.wait()
    part = claimed(tmp_path)
    assert (part.mark, part.size_bytes) == ("e", 4)
    part.close()


def test_parts_that_are_old_or_too_many_are_removed_unless_somebody_has_them(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere", 60)
    paths = [left(tmp_path, f"req_{number}") for number in range(PARTS_MOST + 2)]
    now = time.time()
    for age, path in enumerate(paths):
        os.utime(path, (now - age, now - age))
    had = claimed(tmp_path, f"req_{PARTS_MOST + 1}")
    sweep(tmp_path, 60)
    assert set(tmp_path.iterdir()) == {*paths[:PARTS_MOST], paths[-1]}
    had.drop()
    had.close()
    os.utime(paths[2], (now - 100, now - 100))
    sweep(tmp_path, 60)
    assert set(tmp_path.iterdir()) == set(paths[:PARTS_MOST]) - {paths[2]}


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadRefused, match="SEEDANCE_DATA_DIR"):
        Turn(tmp_path / "file", "req_1")


def test_a_file_that_was_removed_or_replaced_meanwhile_is_not_locked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for _ in range(2):
        path.touch()
        with path.open("r+b") as file:
            path.unlink()
            assert not lock(file, path)
            path.touch()
            assert not lock(file, path)


class Windows:
    """The part of Windows's `msvcrt` that locks, made of what this system has."""

    LK_NBLCK = 2

    def locking(self, descriptor: int, mode: int, size_bytes: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_windows_locks_a_byte_behind_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msvcrt", Windows())
    path = tmp_path / "a"
    path.write_bytes(b"film")
    with path.open("r+b") as one, path.open("r+b") as other:
        one.seek(2)
        assert lock(one, path, "nt")
        assert not lock(other, path, "nt")
        assert (one.tell(), other.tell(), path.stat().st_size) == (2, 0, 4)
