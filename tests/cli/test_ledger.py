"""The commands that take care of the ledger itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from served import held_port

from seedance_mcp.cli import main
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder, with an empty ledger in it."""
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path))
    SqliteStore(tmp_path / LEDGER_FILE).close()
    return tmp_path


def test_a_backup_is_written_and_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = folder / "copy.sqlite3"
    assert main.main(["ledger", "backup", str(copy)]) == 0
    assert capsys.readouterr().out == f"{copy}: whole\n"
    assert main.main(["ledger", "backup", str(copy)]) == 2
    assert "not overwritten" in capsys.readouterr().err


def test_a_ledger_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path / "data"))
    assert main.main(["ledger", "backup", str(tmp_path / "copy")]) == 2
    assert f"There is no ledger at {tmp_path / 'data'}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_old_is_pruned_and_a_week_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["ledger", "prune", "--older-than", "90d"]) == 0
    assert capsys.readouterr().out == "0 requests were emptied; what they cost is kept.\n"
    assert main.main(["ledger", "prune", "--older-than", "7d"]) == 2
    assert "allowed: 8d or more" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["migrate", "copy"])
def test_without_a_database_there_is_nothing_to_migrate_or_to_copy_into(
    folder: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    assert main.main(["ledger", action]) == 2
    assert "SEEDANCE_DATABASE_URL is not set" in capsys.readouterr().err


@pytest.mark.parametrize("library", ["psycopg", "psycopg_pool"])
def test_a_library_that_a_database_needs_is_asked_for_by_its_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], library: str
) -> None:
    monkeypatch.delitem(sys.modules, "seedance_mcp.money.stores.postgres", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    assert main.main(["ledger", "migrate"]) == 2
    assert "SEEDANCE_DATABASE_URL is not set" in capsys.readouterr().err
    monkeypatch.setenv("SEEDANCE_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/ledger")
    assert main.main(["ledger", "migrate"]) == 2
    told = capsys.readouterr().err
    assert f"{library} is missing: " in told
    assert "postgres" in told
    assert "sandbox" not in told


@pytest.mark.parametrize(("command", "actions"), [("ledger", "migrate|copy|backup|prune"), ("principals", "add|list|limit")])
def test_a_command_without_its_action_names_them(command: str, actions: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([command])
    assert ended.value.code == 2
    assert f"the following arguments are required: {actions}" in capsys.readouterr().err


def test_a_database_that_does_not_answer_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with held_port() as port:
        monkeypatch.setenv("SEEDANCE_DATABASE_URL", f"postgresql://me:secret@127.0.0.1:{port}/ledger")
        for action in ("migrate", "copy"):
            assert main.main(["ledger", action]) == 2
            told = capsys.readouterr().err
            assert "does not answer" in told
            assert "secret" not in told
        assert main.main(["ledger", "backup", str(folder / "copy")]) == 2
        assert "pg_dump" in capsys.readouterr().err
