"""Our own small files: private, whole or not there, and an earlier one is replaced or stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedance_mcp.storage.whole_file import written


def test_a_file_has_its_name_when_it_is_whole_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "one.json"
    with written(path) as file:
        file.write(b"1\n")
        assert not path.exists()
    assert path.read_bytes() == b"1\n"
    assert (path.stat().st_mode | path.parent.stat().st_mode) & 0o077 == 0
    with written(path) as file:
        file.write(b"2")
    assert path.read_bytes() == b"2"


def test_a_write_that_fails_keeps_the_earlier_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(b"1")
    with pytest.raises(ValueError, match="closed"), written(path) as file:
        file.close()
    with pytest.raises(FileExistsError), written(path, replaces=False) as file:
        file.write(b"3")
    assert [each.name for each in tmp_path.iterdir()] == ["one.json"]
    assert path.read_bytes() == b"1"
