"""Brief rows of the catalogue and of the ledger, for agents who pay for every character that they read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import Model, Route
from seedance_mcp.catalogue.requests import is_disputed
from seedance_mcp.money import records, sums
from seedance_mcp.money.prices import PriceBook, clip_price
from seedance_mcp.tools.results import ModelList, ModelRow, RouteRow, TaskRow, Totals
from seedance_mcp.tools.views import as_float, charge_of, iso, prices_of

TASK_ROW_CHARS = 248
"""The longest row of a task, as JSON with blanks after commas and colons."""
_PROMPT_CHARS = 60
COMPARED_SECONDS = 5
"""Prices per second and per clip are compared for a clip of this length."""
_ROUTES_WITH_LIMITS = 8
"""More routes than these are listed without their limits, which the schema of create_video has too."""
_USUAL_PER, _USUAL_SECONDS = "second", "4-15"
"""What most of many routes have, which is said once for all of them."""
_CHEAPEST = f"cheapest: for a whole clip of {COMPARED_SECONDS} s; at another length it may be another model."
_NOTES = (
    f"price: by resolution, for one of price_per; null: not published. {_CHEAPEST}",
    "purpose is our advice. No source ranks quality; by their names full, std and of-sp stand above economy, fast and mini.",
    "model gives one in full, with its request_schema. In a prompt, say Image 1, Video 1, Audio 1 for references by place.",
)
_NOTES_OF_MANY = (
    f"A route without price_per or seconds: {_USUAL_PER}, {_USUAL_SECONDS}. route or model gives all limits; takes filters.",
    f"price: by resolution; null: not published. {_CHEAPEST}",
    "purpose is our advice; no source ranks quality.",
)


def list_of_models(edition: Edition, models: Sequence[Model], prices: PriceBook) -> ModelList:
    """Give models as brief rows, and the limits that they share with their routes."""
    found = [route for route in edition.routes if any(model.route is route for model in models)]
    many = len(found) > _ROUTES_WITH_LIMITS
    return ModelList(
        edition=edition.name,
        currency=edition.currency,
        prices_as_of=prices.live_as_of,
        models=[_model_row(model, prices, with_limits=not many) for model in models],
        routes=[(_short_route_row if many else _route_row)(route, edition.models_of(route)) for route in found],
        cheapest=_cheapest(edition, models, prices),
        notes=list(_NOTES_OF_MANY if many else _NOTES),
    )


def _model_row(model: Model, prices: PriceBook, *, with_limits: bool) -> ModelRow:
    most = model.route.reference_videos.value if model.takes_videos else None
    unlisted = prices.is_listed(model) is False  # that of all others would take every tenth character
    return ModelRow(
        model=model.name,
        route=model.route.name,
        price=prices_of(model, prices),
        videos=most if with_limits else None,
        listed=False if unlisted else None,
    )


def _route_row(route: Route, models: Sequence[Model]) -> RouteRow:
    frames = "both" if route.both_frames else "first, last or both" if route.frames else "none"
    silent = "" if not route.frames or "no_audio_with_frames" not in route.rules else ", no audio with them"
    return RouteRow(
        route=route.name,
        purpose=route.purpose,
        price_per=_per(models),
        seconds=route.duration.value.short,
        ratios=" ".join(route.ratio.value.allowed),
        images=route.images.value,
        audios=route.reference_audios.value,
        frames=frames + silent,
        links=" ".join(route.schemes.value),
        review=None if route.review == "none" else route.review,
        prompt_chars=route.prompt_max_chars.value if route.prompt_max_chars else None,
    )


def _short_route_row(route: Route, models: Sequence[Model]) -> RouteRow:
    """Give how a route differs from many others; what is left out is in `_NOTES_OF_MANY`, or in the schema of create_video."""
    per, seconds = _per(models), route.duration.value.short
    return RouteRow(
        route=route.name,
        purpose=route.purpose,
        price_per=per if per != _USUAL_PER else None,
        seconds=seconds if seconds != _USUAL_SECONDS else None,
        review=None if route.review == "none" else route.review,
    )


def _per(models: Sequence[Model]) -> str:
    return " or ".join(dict.fromkeys(model.per for model in models))


def _cheapest(edition: Edition, models: Sequence[Model], prices: PriceBook) -> dict[str, str]:
    """Give, for each resolution, the model with the lowest published price of a clip, and how many cost the same.

    A model whose resolution a source disputes is named only where there is no other.
    """
    found = dict[str, str]()
    for size in edition.resolutions:
        agreed = [model for model in models if not is_disputed(model, "resolution", size)]
        lowest, disputed = _lowest(_clips(edition, agreed, size, prices)), _lowest(_clips(edition, models, size, prices))
        found[size] = lowest or (disputed and f"{disputed}; {size} is disputed")
    return {size: cheapest for size, cheapest in found.items() if cheapest}


def _clips(edition: Edition, models: Sequence[Model], resolution: str, prices: PriceBook) -> Iterable[tuple[Decimal, str]]:
    for model in models:
        price = prices.price_of(model, resolution) if resolution in model.resolutions else None
        if price and not model.bills_first_video:
            yield clip_price(edition, price, resolution, COMPARED_SECONDS), model.name


def _lowest(clips: Iterable[tuple[Decimal, str]]) -> str:
    ordered = sorted(clips, key=lambda clip: clip[0])
    if not ordered:
        return ""
    amount, name = ordered[0]
    same = sum(price == amount for price, _ in ordered) - 1
    return f"{name} {float(amount):g}" + (f" (and {same} more)" if same else "")


def task_row(record: records.Record) -> TaskRow:
    """Give one row of the ledger in few characters: the prompt takes the room that the rest leaves."""
    charged = charge_of(record)
    row = TaskRow(
        task_id=record.key,
        status=record.status,
        progress=record.progress if record.status == "processing" else None,
        made=iso(record.created_at),
        model=record.model,
        cost=as_float(charged),
        estimated_cost=float(record.estimate) if charged is None and record.estimate is not None else None,
        project=record.project,
        take=record.take,
        saved=sums.kept(record),
    )
    room = TASK_ROW_CHARS - _chars(row.model_copy(update={"prompt": "…"}).model_dump())
    if record.parts:
        return _film_row(row, record)
    return row.model_copy(update={"prompt": _shortened(" ".join((record.prompt or "").split()), min(room, _PROMPT_CHARS))})


def _film_row(row: TaskRow, record: records.Record) -> TaskRow:
    """Name as many parts of a film as its row has room for, and then its path where that has room too."""
    fitting = row
    for shown in range(len(record.parts) + 1):
        left = [f"and {len(record.parts) - shown} more"] if shown < len(record.parts) else []
        longer = row.model_copy(update={"parts": [*record.parts[:shown], *left]})
        fitting = longer if _fits(longer) else fitting
    whole = fitting.model_copy(update={"path": record.saved and record.saved.uri})
    return whole if _fits(whole) else fitting


def _fits(row: TaskRow) -> bool:
    return _chars(row.model_dump()) <= TASK_ROW_CHARS


def totals_of(found: records.Totals) -> Totals:
    """Give sums as agents read them."""
    return Totals(
        count=found.count + found.films,
        estimated=float(found.estimated),
        charged=float(found.charged),
        reserved=float(found.reserved),
        unsaved=found.unsaved,
    )


def _chars(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _shortened(text: str, room: int) -> str:
    """Cut a text so that it takes at most `room` characters as JSON, quotes apart."""
    if _chars(text) <= room + len('""'):
        return text
    short = text[: max(0, room - 1)]
    while short and _chars(short) >= room + len('""'):
        short = short[:-1]
    return f"{short}…" if short else ""
