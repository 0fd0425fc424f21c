"""An empty ledger file that was migrated once: each test begins with a copy, and no test waits for its fifteen migrations."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.sql_ledger import Engine, SqlLedger
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore
from seedance_mcp.settings import Settings


class Unsynchronised(SqliteStore):
    """A ledger file that nothing waits for until it is on the disk: tests end processes, and never the power."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._writer.db.execute("PRAGMA synchronous = OFF")


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / LEDGER_FILE
        SqliteStore(path).close()
        return path.read_bytes()


def _copy(path: Path) -> None:
    """Put the file there whole, unless there is one: it is closed before anybody can open it, for the sake of SQLite's locks."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / LEDGER_FILE
        copy.touch(0o600)
        copy.write_bytes(_migrated())
        os.link(copy, path)


def open_copied(settings: Settings, now: Callable[[], datetime]) -> Ledger:
    """Give the ledger that the settings ask for, as the server does; nothing is made before a verb is called."""
    path = settings.ledger_dir / LEDGER_FILE

    def opened() -> SqliteStore:
        if not path.exists():
            with suppress(OSError):  # the store says what is wrong with the folder
                _copy(path)
        return Unsynchronised(path)

    return SqlLedger(Engine(opened), now)
