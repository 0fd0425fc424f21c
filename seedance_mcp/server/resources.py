"""Catalogue, limits and prices as text; the README's tables are made by the same functions."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from seedance_mcp.catalogue.editions import edition_2026_07
from seedance_mcp.catalogue.facts import MEDIA_FIELDS, RULES, Fact, Model, Route
from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.prices import PriceBook
from seedance_mcp.tools import tasks, views
from seedance_mcp.tools.arguments import find_model
from seedance_mcp.tools.session import Session


def models_json(session: Session) -> str:
    """The whole catalogue."""
    return views.list_of_models(
        list(edition_2026_07.MODELS), session.prices, sandbox=session.settings.sandbox
    ).model_dump_json()


def model_json(name: str, prices: PriceBook) -> str:
    """One model with its request schema; raises `InvalidRequest` for a name that is none."""
    return views.model_info(find_model(name), prices, with_schema=True).model_dump_json()


async def task_json(session: Session, task_id: str) -> str:
    """One task, looked at now; raises `TaskNotFound`."""
    known = await session.ledger.find(task_id)
    try:
        return (await tasks.poll_task(session, known, task_id)).model_dump_json()
    except SeedanceError:
        if known is None:
            raise
        return (await session.view(known)).model_dump_json()


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *map(list, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def models_table() -> str:
    """Every model: what it takes at a glance."""
    head = ("Model", "Route", "Seconds", "Resolution", "Images", "Videos", "Audios", "Links", "Billed per")
    return table(head, (_model_row(model) for model in edition_2026_07.MODELS))


def _model_row(model: Model) -> tuple[str, ...]:
    route, span = model.route, model.route.duration.value
    videos = route.reference_videos.value if model.takes_videos else 0
    return (
        f"`{model.name}`",
        route.name,
        f"{span.min}-{span.max}",
        " ".join(views.resolutions(model)),
        *(str(count or "-") for count in (route.images.value, videos, route.reference_audios.value)),
        " ".join(route.schemes.value),
        route.per,
    )


def limits_table() -> str:
    """Every limit by route with its source and doubts."""
    rows = [(route.name, *row) for route in edition_2026_07.ROUTES for row in _limits(route)]
    return table(("Route", "Field", "Allowed", "Source", "Doubts"), rows)


def _limits(route: Route) -> Iterable[tuple[str, ...]]:
    span = route.duration.value
    yield _row("duration", f"{span.min} to {span.max} s, default {span.default}", route.duration)
    if route.resolution:
        kept = "" if route.sends_resolution else " (not sent)"
        yield _row("resolution", f"{', '.join(route.resolution.value.allowed)}{kept}", route.resolution)
    else:
        yield ("resolution", "no field: the model's name fixes it", "seed", "")
    default = f", default {route.ratio.value.default}" if route.ratio.value.default else ", default not stated"
    yield _row("ratio", ", ".join(route.ratio.value.allowed) + default, route.ratio)
    longest = route.prompt_max_chars
    yield _row("prompt", f"up to {longest.value} characters", longest) if longest else ("prompt", "not stated", "", "")
    yield _row("media links", ", ".join(f"{scheme}://" for scheme in route.schemes.value), route.schemes)
    yield _row("images", f"up to {route.images.value}", route.images)
    yield (
        "frames",
        "first_image and last_image together" if route.both_frames else "first_image, last_image or both",
        "seed",
        "",
    )
    yield _row("reference_videos", _count(route.reference_videos.value), route.reference_videos)
    yield _row("reference_audios", _count(route.reference_audios.value), route.reference_audios)
    for fact in route.files:
        yield _row(f"{fact.value.kind} files", ", ".join(bound.words for bound in fact.value.bounds), fact)


def _count(most: int) -> str:
    return f"up to {most}" if most else "none"


def _row(name: str, allowed: str, fact: Fact[object]) -> tuple[str, ...]:
    return (name, allowed, fact.source, "; ".join(f"{doubt.says} ({doubt.source})" for doubt in fact.doubts))


def limits_text() -> str:
    """Every limit and rule by route, and what surrounds them."""
    rules = "\n".join(
        f"- {sentence} ({', '.join(route.name for route in edition_2026_07.ROUTES if name in route.rules)})."
        for name, sentence in RULES.items()
    )
    notes = "\n".join(f"- {route.name}: {note}" for route in edition_2026_07.ROUTES for note in route.notes)
    sources = "\n".join(f"- {key}: {what}" for key, what in edition_2026_07.SOURCES.items())
    days = edition_2026_07.LINK_LIFETIME_SECONDS // 86400
    return f"""# Limits of the Seedance 2.0 routes (edition {edition_2026_07.EDITION})

{limits_table()}

## Rules between fields

{rules}

## Notes

{notes}
- Not stated by any source: format of a single reference, length of a prompt where the table says so, typical
  generation time, rate limits, sound of the result.

## Files and links

- upload_asset takes files up to {edition_2026_07.UPLOAD_MAX_BYTES // 2**20} MB: {_endings()}.
- Full models take asset:// references alone: every file passes a review first. SP models take links and library assets; a
  real person's portrait must be whitelisted (portrait: true). All others take https:// links.
- Links of uploads and of finished videos live about {days} days (pages-07): save what you want to keep.
- The provider advises 5 to 15 seconds between two looks at a task (tool-08); next.after_seconds tells when one is worth it.
- Media fields: {", ".join(MEDIA_FIELDS)}.

## Sources

{sources}
"""


def _endings() -> str:
    return "; ".join(f"{kind}: {' '.join(endings)}" for kind, endings in edition_2026_07.UPLOAD_EXTENSIONS.items())


def prices_table(prices: PriceBook) -> str:
    """Every model's unit price at each resolution."""
    rows = [_price_row(model, size, prices) for model in edition_2026_07.MODELS for size in views.resolutions(model)]
    return table(("Model", "Resolution", "Billed per", "Billing name", "Unit price", "Source"), rows)


def _price_row(model: Model, resolution: str, prices: PriceBook) -> tuple[str, ...]:
    price = prices.price_of(model, resolution)
    if price is None:
        name = model.billing_names(resolution)[0]
        return (f"`{model.name}`", resolution, model.route.per, name, "not published", model.route.billing.source)
    return (f"`{model.name}`", resolution, price.per, price.name, str(price.unit), f"{price.source}, {price.seen}")


def pricing_text(prices: PriceBook) -> str:
    """Billing basis, unit prices and worked examples."""
    seen = f"live, {prices.live_as_of}" if prices.live_as_of else "the provider's list has not answered"
    return f"""# Prices in {edition_2026_07.CURRENCY} (list: {seen})

Cost = unit price x billed units. Units are seconds of `duration`, or 1 for a model billed per task.
seedance2.0-mini-video also bills the length of the first reference video. The provider's own figure on the finished task
(`cost`) is binding: accounts may have their own rates.

{prices_table(prices)}

## Examples

{_examples(prices)}

## Not published

No documentation states a unit price for these models. Prices come from the provider's public list when it answers, from
the operator's file (SEEDANCE_PRICES), else they are unknown and stay so here.
"""


def _examples(prices: PriceBook) -> str:
    return "\n".join(_example(model, prices) for model in edition_2026_07.MODELS if model.name in _SHOWN)


_SHOWN = ("seedance2.0-sp", "sd2_mx_1080p", "seedance2.0-md")
_EXAMPLE_SECONDS = Decimal(8)


def _example(model: Model, prices: PriceBook) -> str:
    size = model.default_resolution
    price, named = prices.price_of(model, size), f"{model.name}, {_EXAMPLE_SECONDS} s at {size}"
    per = price.per if price else model.route.per
    units = _EXAMPLE_SECONDS if per == "second" else Decimal(1)
    return f"- {named}: {units} x {price.unit} = {units * price.unit}" if price else f"- {named}: {units} x unit price"
