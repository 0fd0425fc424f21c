"""Prices of requests: a dated unit price times the units that are billed, or "not published"."""

from __future__ import annotations

import math
import stat
import tomllib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import anyio.to_thread

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import Model, Unit
from seedance_mcp.catalogue.requests import VideoRequest
from seedance_mcp.errors import NotConfigured, SeedanceError
from seedance_mcp.money.price_lists import ListedRow, PriceList, lists, read_names
from seedance_mcp.untrusted import read_amount

LIVE_SECONDS = 3600.0
"""How long the provider's own price list is used before it is asked for anew."""
SILENT_SECONDS = 60.0
"""How long it is not asked for after it did not answer."""
PATIENCE_SECONDS = 2
"""How long a call waits for that list."""

_HALF = 0.5
_PER: dict[str, Unit] = {"per_second": "second", "per_task": "task", "per_million_tokens": "million tokens"}
"""The provider's price modes that a request has a price or a bound by."""
_MILLION, _PIXELS_OF_A_TOKEN = Decimal(1_000_000), 1024
_SMALLEST = Decimal("0.000001")


class Price(NamedTuple):
    """One unit price."""

    name: str
    """The billing name that the provider lists it under."""
    per: Unit
    unit: Decimal
    """JimiCoin for one second, one task, or a million tokens."""
    source: str
    """Who states it."""
    seen: str
    """The day, or the time, at which it was read there."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The price of one request, as far as it is known."""

    amount: Decimal | None
    """In JimiCoin; `None` where no price is published."""
    message: str
    """How the amount comes about, or why there is none."""
    price: Price | None = None
    at_least: bool = False
    """More is billed on top, and how much is not known here."""
    currency: str = field(kw_only=True)

    @property
    def certain(self) -> Decimal | None:
        """Give the whole price in JimiCoin, or `None` where it is not known."""
        return None if self.at_least else self.amount


def load_prices(path: Path | None = None) -> dict[str, Price]:
    """Read a price file.

    Args:
        path: The operator's file; `None` reads the one that is shipped.

    Returns:
        Prices by billing name.

    Raises:
        NotConfigured: The file cannot be read or does not have the form of `prices.toml`.
    """
    try:
        content = tomllib.loads(_text_of(path), parse_float=Decimal)
        prices = [_from_file(row) for row in content.get("price", [])]
        if path:
            _check_file(content, [price.name for price in prices])
        return {price.name: price for price in prices}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotConfigured(f"The price file {path} cannot be used: {error!r}. See prices.toml for its form.") from error


FILE_MOST_BYTES = 1_000_000
"""A price file has a line for each model; anything larger is another file."""


def _text_of(path: Path | None) -> str:
    """Read the operator's file, or ours; a device or a pipe might never end, and hold the whole server."""
    if path is None:
        return resources.files("seedance_mcp.money").joinpath("prices.toml").read_text(encoding="utf-8")
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > FILE_MOST_BYTES:
        raise ValueError(f"it is no file of at most {FILE_MOST_BYTES} bytes")
    return path.read_text(encoding="utf-8-sig")


def _check_file(content: dict[str, Any], names: list[str]) -> None:
    """Refuse a file of the operator's that says something else than it seems to: a price that is overlooked breaks a limit."""
    if unknown := content.keys() - {"price", "as_of"}:
        raise ValueError(f"it holds {', '.join(sorted(unknown))}; allowed: as_of and [[price]]")
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"it has more than one price of {', '.join(sorted(doubled))}")
    if not names:
        raise ValueError("it holds no [[price]]")


def _from_file(row: dict[str, Any]) -> Price:
    if row["per"] not in _PER.values():
        raise ValueError(f"per is {row['per']!r}; allowed: {', '.join(_PER.values())}")
    unit = read_amount(row["unit_price"])
    if unit is None:
        raise ValueError(f"unit_price is {row['unit_price']!r}; allowed: a number from 0")
    return Price(str(row["name"]), row["per"], unit, str(row.get("source", "the operator")), str(row.get("seen", "")))


def read_price_list(rows: Iterable[ListedRow], seen: datetime) -> dict[str, Price]:
    """Read the provider's own price list: the rows that a request has a price or a bound by.

    A name that is listed twice, as several groups of accounts may have it, counts with its highest price.

    Args:
        rows: The list.
        seen: When it was answered.

    Returns:
        Prices by billing name.
    """
    found = [price for price in (_from_list(row, seen) for row in rows) if price]
    return {price.name: price for price in sorted(found, key=lambda price: price.unit)}


def _from_list(row: ListedRow, seen: datetime) -> Price | None:
    per, unit = _PER.get(row.mode), row.unit_price
    if per is None or not unit:  # a 0 is a price that nobody filled in: it would take a request past every limit
        return None
    return Price(row.name, per, unit, "the provider's price list", seen.isoformat(timespec="seconds"))


Fetch = Callable[[], Awaitable[Iterable[ListedRow]]]
"""Asks the provider for its own price list."""
Keep = Callable[[PriceList], None]
"""Keeps a list beyond the process; it may wait for the disk and raises nothing."""


class PriceBook:
    """Finds prices: in the operator's file, then in the provider's live list, then in our dated file."""

    def __init__(self, own: dict[str, Price], fetch: Fetch, keep: Keep) -> None:
        """Take the operator's prices by billing name, the call that gets the live list, and what keeps that."""
        self._own, self._fetch, self._ours, self._keep = own, fetch, load_prices(), keep
        self._live: dict[str, Price] = {}
        self._names: PriceList | None = None
        self._next_fetch_at = float("-inf")
        self._fetching = anyio.Lock()
        self.live_as_of: str | None = None

    async def refresh(self) -> None:
        """Get the live list if the last one is an hour old.

        It takes two seconds at most and raises nothing. Calls that come meanwhile wait for the same answer.
        """
        if anyio.current_time() < self._next_fetch_at:
            return
        with anyio.move_on_after(PATIENCE_SECONDS) as scope:
            async with self._fetching:
                if anyio.current_time() >= self._next_fetch_at:
                    await self._refresh()
        if scope.cancelled_caught:
            self._next_fetch_at = anyio.current_time() + SILENT_SECONDS

    async def _refresh(self) -> None:
        try:
            rows, seen = [*await self._fetch()], datetime.now(UTC)
        except SeedanceError:
            rows, seen = [], datetime.now(UTC)
        self._next_fetch_at = anyio.current_time() + (LIVE_SECONDS if rows else SILENT_SECONDS)
        if not rows:  # an empty list is no evidence: the last one stays
            return
        self._live, self.live_as_of = read_price_list(rows, seen), seen.isoformat(timespec="seconds")
        self._names = read_names(rows, self.live_as_of)
        await anyio.to_thread.run_sync(self._keep, self._names)

    def is_listed(self, model: Model) -> bool | None:
        """Say whether the provider's list names a model; `None` where no list is known."""
        return lists(model, self._names.rows) if self._names else None

    def find(self, names: Iterable[str]) -> Price | None:
        """Give the first price there is for these billing names."""
        wanted = tuple(names)
        return next((known[name] for known in (self._own, self._live, self._ours) for name in wanted if name in known), None)

    def price_of(self, model: Model, resolution: str) -> Price | None:
        """Give the unit price of one model at one resolution."""
        return self.find(model.billing_names(resolution))

    def estimate(self, request: VideoRequest, first_video_seconds: float | None = None) -> Estimate:
        """Price one request.

        Args:
            request: The request.
            first_video_seconds: How long its `billed_video` plays; `None` where that is not known.
        """
        with_videos = request.reference_videos is not None
        names = request.row.billing_names(request.output_resolution, with_videos=with_videos)
        price, currency = self.find(names), request.edition.currency
        if price is None:
            silent = "" if self.live_as_of else " and the provider's price list did not answer"
            return Estimate(
                None,
                f"The price of {request.model} is not published (billing name {' or '.join(names)}){silent}.",
                currency=currency,
            )
        if price.per == "task":
            return Estimate(price.unit, f"{price.unit} per task ({price.source}, {price.seen})", price, currency=currency)
        if price.per == "million tokens":
            return _bound_by_tokens(request, price)
        more, note = _first_video(request, first_video_seconds)
        units = _longest_seconds(request) + (more or 0)
        amount = units * price.unit
        message = f"{price.unit} per second x {units} = {amount} ({price.source}, {price.seen}){note}"
        return Estimate(amount, message, price, at_least=more is None, currency=currency)


def _longest_seconds(request: VideoRequest) -> int:
    """Give the seconds that are charged first; a length that the model chooses is charged as the longest."""
    span = request.route.duration.value
    return span.max if request.duration in span.also else request.duration


def _input_seconds(request: VideoRequest) -> int:
    """Give how long the reference videos play together at most, rounded up."""
    lengths = [each.high for each in request.route.bounds_of("video") if each.measure == "seconds"]
    return math.ceil(max(lengths)) if request.reference_videos else 0


def _bound_by_tokens(request: VideoRequest, price: Price) -> Estimate:
    """Give the most that a request can cost that is settled by tokens afterwards."""
    sizes, ratio = request.edition.frame_sizes, request.ratio or request.route.ratio.value.default
    fitting = [sizes[ratio]] if ratio and ratio in sizes else sizes.values()
    pixels = max(each[request.output_resolution].width_px * each[request.output_resolution].height_px for each in fitting)
    seconds = _longest_seconds(request) + _input_seconds(request)
    tokens = tokens_of(request.edition, seconds, pixels)
    amount = (price.unit * tokens / _MILLION).quantize(_SMALLEST, ROUND_UP)
    message = (
        f"at most {price.unit} per million tokens x {tokens} tokens = {amount} ({price.source}, {price.seen}); "
        "settled by what the provider counts"
    )
    return Estimate(amount, message, price, currency=request.edition.currency)


def tokens_of(edition: Edition, seconds: int, pixels: int) -> int:
    """Give the tokens of a video by the frame rule of the upstream vendor: a frame more than the seconds have, rounded up."""
    frames = seconds * edition.frames_per_second.value + 1
    return math.ceil(frames * pixels / _PIXELS_OF_A_TOKEN)


def clip_price(edition: Edition, price: Price, resolution: str, seconds: int) -> Decimal:
    """Give what a wide clip of a length costs without reference videos."""
    size = next(iter(edition.frame_sizes.values()))[resolution]
    tokens = tokens_of(edition, seconds, size.width_px * size.height_px)
    units = {"second": Decimal(seconds), "task": Decimal(1), "million tokens": tokens / _MILLION}
    return price.unit * units[price.per]


def billed_video(request: VideoRequest) -> str | None:
    """Give the reference video whose length is billed on top of the duration, or `None` where there is none."""
    return request.reference_videos[0] if request.row.bills_first_video and request.reference_videos else None


def _first_video(request: VideoRequest, known: float | None) -> tuple[int | None, str]:
    """Give the seconds that are billed on top, to the nearest one (`None`: not known), and what to say about them."""
    if billed_video(request) is None:
        return 0, ""
    if known is None:
        return None, "; the first reference video's seconds come on top, and its length is not known here"
    more = int(known + _HALF)
    return more, f"; {more} of the seconds are the first reference video's"
