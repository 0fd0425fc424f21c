"""Lists and sums of the requests and films that fit a filter: every question goes by an index, and sums are kept by day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from seedance_mcp.errors import InvalidRequest
from seedance_mcp.money import sums
from seedance_mcp.money.amounts import from_nano
from seedance_mcp.money.records import Listed, Record, SumBy, Totals, Wanted
from seedance_mcp.money.sql_queries import Condition, Reading, Slice
from seedance_mcp.money.sql_rows import DAY_SECONDS
from seedance_mcp.money.stores.store import Row

_ROW_SUMS = (
    "count(*) AS requests, coalesce(sum(reserved), 0) AS estimated, coalesce(sum(settled), 0) AS charged,"
    " coalesce(sum(CASE WHEN settled IS NULL THEN reserved ELSE 0 END), 0) AS reserved,"
    " coalesce(sum(CASE WHEN kept = 0 THEN 1 ELSE 0 END), 0) AS unsaved"
)
_DAY_SUMS = (
    "coalesce(sum(requests), 0) AS requests, coalesce(sum(estimated), 0) AS estimated, coalesce(sum(charged), 0) AS charged,"
    " coalesce(sum(reserved), 0) AS reserved, coalesce(sum(CASE WHEN kept = 0 THEN requests ELSE 0 END), 0) AS unsaved"
)
_ALWAYS = 10**8 * DAY_SECONDS
"""A time, in seconds and in whole days, that no request is as old or as young as."""


def tasks(read: Reading, wanted: Wanted, limit: int, after: str | None) -> Listed:
    """Give the newest requests that fit, at most `limit`; `after` is the cursor of an earlier list.

    Raises:
        InvalidRequest: There is no request of that cursor.
    """
    cursor = _cursor(read, after) if after else None
    found = [*_films(read, wanted, limit + 1, cursor), *_requests(read, wanted, limit + 1, cursor)]
    newest = sorted(found, key=lambda record: record.created_at, reverse=True)
    shown = newest[:limit]
    return Listed(shown, shown[-1].request_id if shown and len(newest) > limit else None)


def _requests(read: Reading, wanted: Wanted, limit: int, cursor: _Cursor | None) -> list[Record]:
    """Give the newest requests that fit."""
    time = _time(read, wanted, cursor, is_film=False)
    conditions = [each & time for each in _slices(read, wanted)]
    return read.newest(conditions, limit) if conditions else []


def _films(read: Reading, wanted: Wanted, limit: int, cursor: _Cursor | None) -> list[Record]:
    """Give the newest films that fit."""
    if not sums.has_films(wanted):
        return []
    asked = _time(read, wanted, cursor, is_film=True) & _project(wanted)
    return read.joined.records(read.joined.newest(asked.text, asked.values, limit))


@dataclass(frozen=True, slots=True)
class _Cursor:
    """The row after which a list goes on; of rows of the same time, films come first."""

    at: float
    place: int
    is_film: bool


def _cursor(read: Reading, name: str) -> _Cursor:
    for table, key in (("requests", "request_id"), ("films", "film_id")):
        select = f"SELECT created_at, {read.insertion_order} AS place FROM {table} WHERE {key} = ? AND scope = ?"
        if row := read.db.one(select, name, read.principal):
            return _Cursor(row["created_at"], row["place"], table == "films")
    raise InvalidRequest(NO_SUCH_CURSOR, field="cursor", allowed="next_cursor of an earlier list_tasks")


def _time(read: Reading, wanted: Wanted, cursor: _Cursor | None, *, is_film: bool) -> Condition:
    """Ask for the time that is wanted, and for the films or requests that come after a cursor."""
    since, until = _seconds(wanted)
    if cursor is None:
        return _made(since, until)
    comes_first = is_film and not cursor.is_film
    until = min(until, cursor.at if comes_first else math.nextafter(cursor.at, math.inf))
    span = _made(since, until)
    earlier = Condition(f"(created_at < ? OR {read.insertion_order} < ?)", (cursor.at, cursor.place))
    return span & earlier if is_film == cursor.is_film else span


def _made(since: float, until: float) -> Condition:
    return Condition("created_at >= ? AND created_at < ?", (since, until))


NO_SUCH_CURSOR = "cursor is none of ours; allowed: next_cursor of an earlier list_tasks, or leave it out to begin anew."


def _slices(read: Reading, wanted: Wanted) -> list[Condition]:
    """Give each range of rows that fits, without its time."""
    project = _project(wanted)
    if wanted.saved is not None:
        kept = Condition("scope = ? AND kept = ?", (read.principal, int(wanted.saved)))
        return [kept & project] if wanted.status in {None, "completed"} else []
    return [each.where(read.principal) & project for each in read.slices(wanted.status)]


def _project(wanted: Wanted) -> Condition:
    return Condition("project = ?", (wanted.project,)) if wanted.project else Condition("1 = 1", ())


def _seconds(wanted: Wanted) -> tuple[float, float]:
    return (
        wanted.since.timestamp() if wanted.since else -_ALWAYS,
        wanted.until.timestamp() if wanted.until else _ALWAYS,
    )


def totals(read: Reading, wanted: Wanted) -> Totals:
    """Add up all requests that fit: whole days are summed already, and the parts of days at both ends are added row by row."""
    if wanted.saved is not None and wanted.status not in {None, "completed"}:
        return Totals()
    found = Totals(films=_count_films(read, wanted))
    for each in read.slices(wanted.status):
        found = sum(_sums(read, wanted, each), found)
    return found


def _count_films(read: Reading, wanted: Wanted) -> int:
    asked = Condition("scope = ?", (read.principal,)) & _time(read, wanted, None, is_film=True) & _project(wanted)
    row = read.db.one(f"SELECT count(*) AS films FROM films WHERE {asked.text}", *asked.values)
    return int(row["films"]) if row and sums.has_films(wanted) else 0


def _sums(read: Reading, wanted: Wanted, part: Slice) -> Iterator[Totals]:
    since, until = _seconds(wanted)
    rows = part.where(read.principal) & _labels(wanted)
    if part.made:  # few rows, whose state depends on the time
        yield _sum_rows(read, rows, since, until)
        return
    first, last = -(-since // DAY_SECONDS), until // DAY_SECONDS
    if first > last:
        yield _sum_rows(read, rows, since, until)
        return
    whole = rows & Condition("day >= ? AND day < ?", (int(first), int(last)))
    (row,) = read.db.all(f"SELECT {_DAY_SUMS} FROM days WHERE {whole.text}", *whole.values)
    yield _totals(row)
    for begin, end in ((since, first * DAY_SECONDS), (last * DAY_SECONDS, until)):
        if begin < end:
            yield _sum_rows(read, rows, begin, end)


def _labels(wanted: Wanted) -> Condition:
    """Ask for a project and for saved or unsaved videos; tables of rows and of sums name both alike."""
    project = _project(wanted)
    return project if wanted.saved is None else project & Condition("kept = ?", (int(wanted.saved),))


def _sum_rows(read: Reading, rows: Condition, since: float, until: float) -> Totals:
    asked = rows & _made(since, until)
    (row,) = read.db.all(f"SELECT {_ROW_SUMS} FROM requests WHERE {asked.text}", *asked.values)
    return _totals(row)


def _totals(row: Row) -> Totals:
    estimated, charged, reserved = (from_nano(int(row[name])) for name in ("estimated", "charged", "reserved"))
    return Totals(int(row["requests"]), estimated, charged, reserved, int(row["unsaved"]))


def spending(read: Reading, by: SumBy, since: int) -> dict[str, Totals]:
    """Sum requests by project or model since a UTC day, counted from 1970; tasks that were made elsewhere do not count."""
    rows = read.db.all(
        f"SELECT {by} AS name, {_DAY_SUMS} FROM days WHERE scope = ? AND day >= ? AND adopted = 0"
        f" GROUP BY {by} HAVING sum(requests) > 0 ORDER BY {by}",
        *(read.principal, since),
    )
    return {row["name"]: _totals(row) for row in rows}


def spending_by_day(read: Reading, since: int) -> dict[int, Totals]:
    """Sum all requests by UTC day since one, each counted from 1970."""
    rows = read.db.all(
        f"SELECT day, {_DAY_SUMS} FROM days WHERE scope = ? AND day >= ? GROUP BY day ORDER BY day", read.principal, since
    )
    return {row["day"]: _totals(row) for row in rows}
