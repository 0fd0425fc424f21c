"""The figures that the documents tell are those of the code: each phrase below is made of the constants that it speaks of."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.cli import main, principals
from seedance_mcp.media import decoder
from seedance_mcp.money import audit, policy, prices, records, sql_ledger
from seedance_mcp.money.stores import postgres
from seedance_mcp.polling import schedule, shared
from seedance_mcp.provider import result_download
from seedance_mcp.server import http_connections, http_principals, metrics, notices, oauth, parked_calls
from seedance_mcp.storage import part_files, upload_files
from seedance_mcp.tools import auto_save, cast, gallery, links, other_processes, saving, sent_files, tasks

TOP = Path(__file__).parent.parent
MINUTE, HOUR, DAY, MIB, GIB = 60, 3600, 86_400, 1 << 20, 1 << 30
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
POLL_SECONDS = 5
"""The minimum poll interval at the provider."""


def spelt(number: float) -> str:
    return NUMBERS[int(number)]


def retries(first: float, second: float, third: float, fourth: float, last: float) -> str:
    minutes = f"{third / MINUTE:.0f} and {fourth / MINUTE:.0f} minutes"
    return f"again after {first:.0f} seconds, {second:.0f} seconds, {minutes} and {last / HOUR:.0f} hours"


def editions(older: str, newer: str) -> str:
    (models, routes), (more, most) = ((len(each.models), len(each.routes)) for each in map(load_edition, (older, newer)))
    return f"{older} ({models} models on {routes} routes), and 6,000 in {newer} ({more} on {most})"


BLIND, LONGEST = schedule.BLIND_PAUSE_INTERVALS, schedule.LONGEST_PAUSE_INTERVALS
FIGURES: list[tuple[str, Callable[[], str]]] = [
    ("README.md", lambda: f"Every limit of {len(load_edition().models)} models"),
    ("docs/cast.md", lambda: f"at most {cast.NAMES_MOST}, and {cast.BYTES_MOST // GIB} GB"),
    (
        "docs/film.md",
        lambda: f"{BLIND} times that ({BLIND * POLL_SECONDS} s), else at most {LONGEST} times ({LONGEST * POLL_SECONDS} s)",
    ),
    ("docs/film.md", lambda: f"at most {shared.TASKS_AT_MIN_INTERVAL} times in one minimum poll interval"),
    ("docs/film.md", lambda: f"{spelt(part_files.PARTS_MOST)} parts at most"),
    (
        "docs/film.md",
        lambda: f"{result_download.MOST_BYTES // 10**6} MB and {saving.DEADLINE_SECONDS / MINUTE:.0f} minutes are the most",
    ),
    ("docs/film.md", lambda: f"the newest {gallery.SHOWN_MOST:,} requests and films"),
    ("docs/film.md", lambda: {DAY: "less than a day to live"}[tasks.EXPIRES_SOON_SECONDS]),
    ("docs/models.md", lambda: editions("2026-07", "2026-09")),
    ("docs/money.md", lambda: f"{spelt(records.JUDGED_AFTER_SECONDS / MINUTE).title()} quiet minutes"),
    ("docs/money.md", lambda: f"proves it after {policy.RUNS_MOST_SECONDS / DAY:.0f} days"),
    ("docs/money.md", lambda: f"good once and for {spelt(policy.TOKEN_SECONDS / MINUTE)} minutes"),
    ("docs/money.md", lambda: f"never waited for longer than {spelt(prices.PATIENCE_SECONDS)} seconds"),
    ("docs/money.md", lambda: {HOUR: "an hour's cache"}[int(prices.LIVE_SECONDS)]),
    ("docs/money.md", lambda: f"each of the last {main.DAYS} days"),
    ("HTTP.md", lambda: f"a comment every {parked_calls.SILENT_SECONDS:.0f} seconds"),
    ("HTTP.md", lambda: f"not come whole after {http_connections.REQUEST_SECONDS:.0f} seconds"),
    ("HTTP.md", lambda: f"{http_connections.EARLY_MOST_BYTES // MIB} MB may come before"),
    ("HTTP.md", lambda: f"at most {http_connections.CONNECTIONS_MOST:,}; the soft limit"),
    ("HTTP.md", lambda: f"for {http_connections.GRACE_SECONDS:.0f} seconds at most"),
    ("HTTP.md", lambda: {HOUR: "known ones hold for an hour"}[int(oauth.KEPT_SECONDS)]),
    ("HTTP.md", lambda: f"tokens every {spelt(http_principals.FRESH_SECONDS)} seconds"),
    (
        "HTTP.md",
        lambda: f"within {spelt(links.UPLOAD_SECONDS / MINUTE)} minutes, at most {sent_files.UPLOAD_MOST_BYTES // MIB} MB",
    ),
    ("HTTP.md", lambda: f"may have {upload_files.KEPT_MOST_BYTES // GIB} GiB there"),
    ("HTTP.md", lambda: {HOUR: "as often as needed for an hour"}[int(upload_files.KEPT_SECONDS)]),
    ("HTTP.md", lambda: f"older than {principals.OLD_TOKEN.days} days"),
    (
        "HTTP.md",
        lambda: {
            HOUR: f"once an hour with the number of those that it left out in the hour before, and at most {audit.KINDS_MOST}"
        }[int(audit.WINDOW_SECONDS)],
    ),
    ("HTTP.md", lambda: f"A call waits {sql_ledger.AWAY_SECONDS:.0f} seconds for it"),
    ("HTTP.md", lambda: f"given up after {postgres.SILENT_SECONDS:.0f} seconds"),
    (
        "HTTP.md",
        lambda: f"they are read every {other_processes.READ_SECONDS:.0f} to {other_processes.SLOW_READ_SECONDS:.0f} seconds",
    ),
    ("HTTP.md", lambda: f"killed while it polled is replaced after {other_processes.POLL_SECONDS:.0f} seconds"),
    ("HTTP.md", lambda: {15: "a lease of fifteen seconds"}[int(saving.CLAIM_SECONDS)]),
    ("HTTP.md", lambda: {30: "within half a minute"}[int(auto_save.IDLE_SECONDS)]),
    (
        "HTTP.md",
        lambda: {(MINUTE, HOUR): "tried again after a minute, then ever less often, at least once an hour"}[
            int(auto_save.FIRST_PAUSE_SECONDS), int(auto_save.LONGEST_PAUSE_SECONDS)
        ],
    ),
    (
        "HTTP.md",
        lambda: retries(*notices.PAUSES_SECONDS),
    ),
    ("HTTP.md", lambda: f"At most {notices.WAITING_MOST:,} notices wait"),
    (
        "CHANGELOG.md",
        lambda: (
            f"at most {decoder.PROBE.processor_seconds} seconds of processor, {decoder.PROBE.wall_seconds} seconds in all and {decoder.PROBE.memory_bytes // MIB} MB"
        ),
    ),
]


@pytest.mark.parametrize(("page", "phrase"), FIGURES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_page_tells_the_figure_of_the_code(page: str, phrase: Callable[[], str]) -> None:
    assert phrase() in " ".join((TOP / page).read_text("utf-8").split())


def test_the_table_of_metrics_has_a_row_for_each_instrument() -> None:
    made = re.findall(r'(?:seconds|create_\w+)\("([a-z.]+)"', Path(metrics.__file__).read_text("utf-8"))
    section = (TOP / "HTTP.md").read_text("utf-8").partition("**Metrics and traces**")[2]
    assert set(re.findall(r"^\| `([a-z.]+)`", section, re.MULTILINE)) == set(made)
