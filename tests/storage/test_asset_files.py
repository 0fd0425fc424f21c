"""The bytes of named assets: what nobody needs goes, and what another process is about to need stays."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

from seedance_mcp.storage.asset_files import STALE_SECONDS, AssetFiles
from seedance_mcp.storage.whole_file import written


def test_a_file_that_another_process_writes_or_has_just_written_stays(tmp_path: Path) -> None:
    files = AssetFiles(tmp_path, "anna")
    kept, dropped, unnamed = (files.path(name, ".png") for name in ("aa", "bb", "cc"))
    for path in (kept, dropped, unnamed):
        files.keep(io.BytesIO(b"picture"), path)
    with written(files.path("dd", ".png")) as file:
        file.write(b"pic")
        files.sweep([kept], [dropped])
        file.write(b"ture")
    assert sorted(path.name for path in files.folder.iterdir()) == ["aa.png", "cc.png", "dd.png"]
    assert files.path("dd", ".png").read_bytes() == b"picture"


def test_a_file_that_was_read_is_kept_whole_and_stands_at_its_start_again(tmp_path: Path) -> None:
    files, file = AssetFiles(tmp_path, "anna"), io.BytesIO(b"picture")
    file.read(3)
    files.keep(file, files.path("aa", ".png"))
    assert files.path("aa", ".png").read_bytes() == file.read() == b"picture"


def test_what_a_killed_process_left_goes_after_a_day(tmp_path: Path) -> None:
    files = AssetFiles(tmp_path, "")
    files.keep(io.BytesIO(b"picture"), files.path("aa", ".png"))
    (files.folder / ".ab.part").write_bytes(b"pic")
    for path in files.folder.iterdir():
        os.utime(path, (0, time.time() - STALE_SECONDS - 60))
    files.sweep([files.path("aa", ".png")], [])
    assert [path.name for path in files.folder.iterdir()] == ["aa.png"]


def test_bytes_of_two_names_stay_until_both_are_dropped(tmp_path: Path) -> None:
    files = AssetFiles(tmp_path, "")
    path = files.path("aa", ".png")
    files.keep(io.BytesIO(b"picture"), path)
    files.sweep([path], [path])
    assert path.exists()
    files.sweep([], [path])
    assert not path.exists()
