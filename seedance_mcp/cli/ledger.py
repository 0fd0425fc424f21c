"""The commands that take care of the ledger itself: its schema, a move into a database, a backup, and what is too old."""

from __future__ import annotations

import argparse
from contextlib import ExitStack, aclosing, closing
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from seedance_mcp.errors import InvalidRequest
from seedance_mcp.money.ledger import open_database, open_ledger
from seedance_mcp.money.stores.copies import copy
from seedance_mcp.money.stores.sqlite import LEDGER_FILE, SqliteStore
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import utc_now
from seedance_mcp.tools.times import read_time

KEPT_DAYS = 8
"""Requests are kept whole for this long at least: a week in which a task may run, and one day more."""

COPIED = (
    "{requests} requests were copied with {events} events, {assets} assets and {films} films; every sum is the same.\n"
    "Servers without SEEDANCE_DATABASE_URL would still write to the file: move it away."
)


def run(settings: Settings, options: argparse.Namespace) -> None:
    """Run the action that was chosen."""
    actions = {"migrate": _migrate, "copy": _copy, "backup": _backup, "prune": _prune}
    actions[options.action](settings, options)


def _migrate(settings: Settings, _: argparse.Namespace) -> None:
    url = _url(settings)
    from seedance_mcp.money.stores.postgres import migrate  # noqa: PLC0415 - only where a database is set

    print("The schema had version {} and has version {}.".format(*migrate(url)))


def _copy(settings: Settings, _: argparse.Namespace) -> None:
    url = _url(settings)
    with ExitStack() as opened:
        file = opened.enter_context(closing(_file(settings)))
        print(COPIED.format_map(copy(file, opened.enter_context(closing(open_database(url))))))


def _backup(settings: Settings, options: argparse.Namespace) -> None:
    if settings.ledger_url:
        raise InvalidRequest("The ledger is in the database of SEEDANCE_DATABASE_URL: back it up with pg_dump.")
    target = Path(options.file).expanduser()
    with closing(_file(settings)) as store:
        store.backup(target)
    with closing(SqliteStore(target)) as copied:
        faults = copied.faults()
    print(f"{target}: {faults[0] if faults else 'whole'}")


def _prune(settings: Settings, options: argparse.Namespace) -> None:
    now = utc_now()
    before = read_time("--older-than", options.older_than, now)
    if now - before < timedelta(days=KEPT_DAYS):
        raise InvalidRequest(f"--older-than was {options.older_than}; allowed: {KEPT_DAYS}d or more.")
    print(f"{anyio.run(_pruned, settings, before)} requests were emptied; what they cost is kept.")


async def _pruned(settings: Settings, before: datetime) -> int:
    async with aclosing(open_ledger(settings, utc_now)) as ledger:
        return await ledger.prune(before)


def _file(settings: Settings) -> SqliteStore:
    path = settings.ledger_dir / LEDGER_FILE
    if not path.exists():
        raise InvalidRequest(f"There is no ledger at {path}.")
    return SqliteStore(path)


def _url(settings: Settings) -> str:
    if not settings.ledger_url:
        raise InvalidRequest(
            "SEEDANCE_DATABASE_URL is not set, or SEEDANCE_SANDBOX is: a ledger in a file needs none of this."
        )
    return settings.ledger_url
