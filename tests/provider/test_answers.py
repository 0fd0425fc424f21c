"""What the endpoints answer, field by field and word by word."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from seedance_mcp.errors import AssetRejected
from seedance_mcp.provider.answers import (
    AssetReview,
    NoAsset,
    PriceRow,
    read_account,
    read_audit,
    read_key_quota,
    read_portrait,
    read_prices,
    read_review,
    read_task,
    read_upload,
)
from seedance_mcp.untrusted import read_amount, read_number, read_time, sanitize

# typed by hand from the documentation's table of status spellings
WORDS = {
    "queued": "queued pending submitted created 0",
    "processing": "processing in_progress running prompt_enhancing prompt_enhancement_checking image_downloading",
    "completed": "completed success succeed succeeded 1 COMPLETED",
    "failed": "failed error failure fail expired 2",
    "cancelled": "canceled cancelled",
}
BASE = "https://api.example.com"


def named(value: Any) -> str:
    """A row's name, where a value can have millions of letters."""
    return repr(value)[:40] if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize(("word", "ours"), [(word, ours) for ours, words in WORDS.items() for word in words.split()])
def test_every_documented_status_word_is_known(word: str, ours: str) -> None:
    task = read_task({"task_id": "t", "status": word, "progress": 40, "error_msg": "why"}, BASE)
    assert task.status == ours
    assert task.warnings == []
    assert (task.error == "why") is (ours in {"failed", "cancelled"})


def test_a_status_may_be_a_number() -> None:
    assert read_task({"status": 1}, BASE).status == "completed"


LINK = {"video_url": "https://a.b/c.mp4"}


@pytest.mark.parametrize(
    ("data", "status", "why"),
    [
        ({}, "queued", None),
        (LINK, "completed", None),
        ({"status": "melting"}, "processing", '("melting"): read as processing.'),
        ({**LINK, "status": "melting"}, "completed", '("melting"): read as completed, since it comes with a link.'),
    ],
)
def test_no_status_and_an_unknown_one_are_read_by_whether_there_is_a_link(
    data: dict[str, Any], status: str, why: str | None
) -> None:
    task = read_task({"progress": 40, **data}, BASE)
    assert (task.status, task.progress) == (status, 100 if status == "completed" else 40)
    assert task.warnings == ([] if why is None else [f"The provider gave a status we do not know {why}"])


def test_an_audit_is_its_first_asset_and_a_refused_file_is_named() -> None:
    one, two = {"asset_id": "a1", "status": "active"}, {"asset_id": "a2"}
    assert read_audit({"items": [one, two], "failed_items": []}) == AssetReview("a1", "active", "asset://a1")
    for items in (None, [], ["a1"], "a1", {"0": one}):
        with pytest.raises(NoAsset):
            read_audit({"items": items})
    with pytest.raises(AssetRejected, match="too blue"):
        read_audit({"items": [one], "failed_items": ["too blue"]})


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
        (1.8800000000000001, "1.88"),
        (0.1 + 0.2, "0.3"),
        (123456.789012345, "123456.789012345"),
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
        (BASE, "https://cdn.example.com/a b/\u6f22.mp4", "https://cdn.example.com/a%20b/%E6%BC%A2.mp4"),
        (BASE, 'https://a.b/"><i>\\^`{|}', "https://a.b/%22%3E%3Ci%3E%5C%5E%60%7B%7C%7D"),
        (BASE, "https://a.b/%E6%BC%A2.mp4?x=%2F&y=a+b~", "https://a.b/%E6%BC%A2.mp4?x=%2F&y=a+b~"),
        (BASE, f"https://a.b/{'x' * 4084}", f"https://a.b/{'x' * 4084}"),
        (BASE, f"https://a.b/{'x' * 4085}", None),
        (BASE, f"https://a.b/{' ' * 2000}", None),
        (BASE, f"https://a.b/{'x' * 5_000_000}", None),
        (BASE, "https://call now/a.mp4", None),
        (BASE, "https://\u6f22.com/a.mp4", None),
        (BASE, "https://[x/a.mp4", None),
        (BASE, 7, None),
        (BASE, "", None),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/a.mp4", "http://127.0.0.1:1/a.mp4"),
    ],
    ids=named,
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


def test_foreign_text_is_sanitized() -> None:
    assert sanitize("a\x00\x1b[31mb\u202ec\n d") == "a [31mb c  d"
    assert len(sanitize("x" * 9999)) == 500
    assert sanitize(["x"]) == "['x']"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("-3.5", "-3.5"),
        (10**9, "1000000000"),
        (10**9 + 1, None),
        (-(10**9) - 1, None),
        ("1e400", None),
        ("1e1000000", None),
        ("-1e999999999999999999", None),
        ("sNaN", None),
        (int("9" * 4000) * 10**2000, None),
    ],
    ids=named,
)
def test_numbers_are_finite_and_not_absurd(value: Any, number: str | None) -> None:
    assert read_number(value) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("value", "seconds"), [(10**11 - 1, 99_999_999_999), (10**11, 10**8), (10**14, None), (10**13, 10**10)]
)
def test_a_time_is_in_milliseconds_from_the_year_5138_on(value: int, seconds: int | None) -> None:
    assert read_time(value) == (None if seconds is None else datetime.fromtimestamp(seconds, UTC))


# typed by hand from the pages of the audit, the library and the whitelist
STAGES = {
    "active": "active ACTIVE Active",
    "failed": "failed FAILED Rejected expired EXPIRED deleted",
    "processing": "none NONE uploading pending Processing submitted melting",
}


@pytest.mark.parametrize(("word", "stage"), [(word, stage) for stage, words in STAGES.items() for word in words.split()])
def test_every_documented_review_status_is_known(word: str, stage: str) -> None:
    assert read_review({"asset_id": "a1", "status": word}).stage == stage


def test_a_review_has_the_asset_that_was_asked_for_and_a_reference() -> None:
    assert read_review({}, "a1") == AssetReview("a1", "processing", "asset://a1")
    assert read_portrait({"asset_id": "a1", "status": "active", "asset_ref": "asset://b"}).reference == "asset://b"
    for reference in (7, "", "asset://b\x1b", "asset://b " + "c" * 300_000, "asset://" + "c" * 300_000):
        assert read_portrait({"asset_id": "a1", "asset_ref": reference}).reference == "asset://a1"


@pytest.mark.parametrize("asset_id", [None, "", 7, ["a"], "a b", "a\nb", "a" * 300_000, "\u6f22", "a\u2060b"], ids=named)
def test_a_review_without_an_asset_id_names_no_asset(asset_id: Any) -> None:
    with pytest.raises(NoAsset):
        read_review({"asset_id": asset_id})


@pytest.mark.parametrize("url", [None, "", 7, "https://a.b/\x1b", "/a/b", "https://a.b/" + "c" * 5_000_000], ids=named)
def test_an_upload_without_a_safe_url_has_none(url: Any) -> None:
    assert read_upload({"url": url}).url is None


def test_prices_are_read_row_by_row() -> None:
    rows = [{"model_name": "a\x00", "price_mode": "per_task", "unit_price": "0.5"}, {"unit_price": -1}, "x"]
    nobodys = PriceRow("", "None", None, is_video=False)
    assert read_prices({"list": rows}) == [PriceRow("a", "per_task", Decimal("0.5"), is_video=False), nobodys]


@pytest.mark.parametrize(
    ("kind", "is_video"), [("video", True), ("videos", True), ("Videos", True), ("images", False), (1, False)]
)
def test_a_type_of_the_price_list_is_read_in_singular_and_plural(kind: Any, is_video: bool) -> None:  # noqa: FBT001 - a row
    assert [row.is_video for row in read_prices({"list": [{"model_name": "a", "model_type": kind}]})] == [is_video]
    assert read_prices({"list": {}}) == read_prices({}) == []


def test_money_that_makes_no_sense_is_not_known() -> None:
    account = read_account({"balance": "1e400", "used_coin": -1, "available": "-3.5"})
    assert (account.balance, account.used, account.available) == (None, None, Decimal("-3.5"))
    assert read_key_quota({"name": "k\u202e", "total_quota": 0, "unlimited": 1}).name == "k"
    assert read_key_quota({"name": "my key", "unlimited": 1}).name == 'the provider\'s words: "my key"'
    assert read_key_quota({"name": ["x"], "unlimited": 1}).name is None
