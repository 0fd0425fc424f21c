"""The provider's words, one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from seedance_mcp.provider.answers import read_task
from seedance_mcp.untrusted import read_amount, read_time, sanitize

# typed by hand from the documentation's table of status spellings
WORDS = {
    "queued": "queued pending submitted created 0",
    "processing": "processing in_progress running prompt_enhancing prompt_enhancement_checking image_downloading",
    "completed": "completed success succeed succeeded 1 COMPLETED",
    "failed": "failed error failure fail expired 2",
    "cancelled": "canceled cancelled",
}
BASE = "https://api.example.com"


@pytest.mark.parametrize(("word", "ours"), [(word, ours) for ours, words in WORDS.items() for word in words.split()])
def test_every_documented_status_word_is_known(word: str, ours: str) -> None:
    task = read_task({"task_id": "t", "status": word, "progress": 40, "error_msg": "why"}, BASE)
    assert task.status == ours
    assert task.warnings == []
    assert (task.error == "why") is (ours in {"failed", "cancelled"})


def test_a_status_may_be_a_number() -> None:
    assert read_task({"status": 1}, BASE).status == "completed"


def test_a_failed_task_without_a_reason_says_so() -> None:
    assert read_task({"status": "failed"}, BASE).error == "no reason given"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1710000000, 1710000000),
        ("1710000000", 1710000000),
        (1710000000123, 1710000000.123),
        *((value, None) for value in (0, None, "soon", -5, 1e30, "")),
    ],
)
def test_times_are_unix_seconds_or_milliseconds(value: Any, seconds: float | None) -> None:
    assert read_time(value) == (None if seconds is None else datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (0.25, "0.25"),
        ("1.5", "1.5"),
        (3, "3"),
        (-1, None),
        ("NaN", None),
        ("Infinity", None),
        (None, None),
        (True, None),
        ({}, None),
    ],
)
def test_amounts_are_finite_and_not_negative(value: Any, amount: str | None) -> None:
    assert read_amount(value) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("base", "value", "link"),
    [
        (BASE, "https://cdn.example.com/a.mp4?sig=1", "https://cdn.example.com/a.mp4?sig=1"),
        (BASE, "videos/a.mp4", f"{BASE}/videos/a.mp4"),
        (BASE, "/videos/a.mp4", f"{BASE}/videos/a.mp4"),
        (BASE, "http://cdn.example.com/a.mp4", None),
        (BASE, "javascript:alert(1)", None),
        (BASE, "file:///etc/passwd", None),
        (BASE, "https://cdn.example.com/a\x1b.mp4", None),
        (BASE, 7, None),
        (BASE, "", None),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/a.mp4", "http://127.0.0.1:1/a.mp4"),
    ],
)
def test_links_are_https_and_absolute_or_left_out(base: str, value: Any, link: str | None) -> None:
    task = read_task({"status": "completed", "result": {"video_url": value}}, base)
    assert task.video_url == link
    assert bool(task.warnings) is (link is None and isinstance(value, str) and bool(value))


def test_the_oldest_answers_have_the_link_at_the_root() -> None:
    assert read_task({"status": "completed", "video_url": "https://a.b/c.mp4", "result": None}, BASE).video_url


@pytest.mark.parametrize(("value", "percent"), [(40, 40), ("40", 40), (100, 99), (-1, 0), (None, 0), ("x", 0), (250, 99)])
def test_progress_stays_below_100_until_it_is_done(value: Any, percent: int) -> None:
    assert read_task({"status": "processing", "progress": value}, BASE).progress == percent


def test_words_of_strangers_are_cut_and_cleaned() -> None:
    assert sanitize("a\x00\x1b[31mb\u202ec\n d") == "a [31mb c  d"
    assert len(sanitize("x" * 9999)) == 500
    assert sanitize(["x"]) == "['x']"
