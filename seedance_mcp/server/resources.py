"""The resource table, and the text of each resource; the tables of the documents are made by the same functions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

import anyio

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import MEDIA_FIELDS, RULES, Choice, Fact, Model, Review, Route
from seedance_mcp.errors import InvalidRequest, SeedanceError
from seedance_mcp.money.prices import PriceBook, clip_price
from seedance_mcp.provider.failures import ADVICE_FOR_FAILED_TASK, MAY_GO_AGAIN, RECORDED, Cause, cause_of
from seedance_mcp.server.markdown import table
from seedance_mcp.server.uris import MODEL, TASK
from seedance_mcp.tools import tasks, views
from seedance_mcp.tools.arguments import find_model
from seedance_mcp.tools.observations import Observed
from seedance_mcp.tools.results import SANDBOX_NOTE
from seedance_mcp.tools.session import Session


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """One row of the resource table."""

    uri: str
    name: str
    description: str
    mime_type: str
    read: Callable[[Session], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class TemplateSpec:
    """One row of the table of resource templates; each gives JSON."""

    prefix: str
    """The URI before the argument."""
    argument: str
    description: str
    read: Callable[[Session, str], Awaitable[str]]
    complete: Callable[[Session, str, int], Awaitable[list[str]]]
    """Gives the first values that hold a text, at most as many as asked for."""
    is_private: bool
    """Whether what it gives belongs to one principal."""

    @property
    def uri(self) -> str:
        """The URI as clients list it."""
        return f"{self.prefix}{{{self.argument}}}"


@dataclass(frozen=True, slots=True)
class ResourceText:
    """One resource as it was read."""

    text: str
    mime_type: str
    is_private: bool


async def read_resource(session: Session, uri: str) -> ResourceText:
    """Read one resource.

    Raises:
        InvalidRequest: There is no resource of that URI.
        SeedanceError: The task behind the URI is unknown, or cannot be read now.
    """
    for row in RESOURCES:
        if uri == row.uri:
            return ResourceText(await row.read(session), row.mime_type, is_private=False)
    for template in TEMPLATES:
        if uri.startswith(template.prefix):
            text = await template.read(session, uri.removeprefix(template.prefix))
            return ResourceText(text, "application/json", template.is_private)
    allowed = ", ".join([row.uri for row in (*RESOURCES, *TEMPLATES)])
    raise InvalidRequest(f"There is no resource {uri}; allowed: {allowed}.", field="uri", allowed=allowed)


async def models_json(session: Session) -> str:
    """Give the whole catalogue as JSON."""
    listed = views.list_of_models(session.edition, session.edition.models, session.prices)
    return listed.model_copy(update={"sandbox": session.settings.sandbox}).model_dump_json()


async def model_json(session: Session, name: str) -> str:
    """Give one model with its request schema as JSON; raises `InvalidRequest` for an unknown name."""
    edition, model = session.edition, find_model(session.edition, name)
    info = views.model_info(edition, model, session.prices, with_schema=True).model_dump(mode="json")
    marked = {"sandbox": True, **info} if session.settings.sandbox else info
    return json.dumps(marked, ensure_ascii=False, separators=(",", ":"))


async def task_json(session: Session, task_id: str) -> str:
    """Poll one task and give it as JSON; a task that cannot be polled is given as the ledger knows it.

    Raises:
        SeedanceError: The ledger does not know the task, and neither does the provider, or it cannot be asked.
    """
    known = await session.ledger.find(task_id)
    try:
        task = await tasks.poll_task(session, known, task_id)
    except SeedanceError:
        if known is None:
            raise
        task = await session.view(known)
    return (await tasks.with_request(session, task)).model_dump_json()


def models_table(edition: Edition) -> str:
    """Make a table of every model and what it takes."""
    head = ("Model", "Route", "Seconds", "Resolution", "Images", "Videos", "Audios", "Links", "Billed per")
    return table(head, (_model_row(model) for model in edition.models))


def _model_row(model: Model) -> tuple[str, ...]:
    route = model.route
    videos = route.reference_videos.value if model.takes_videos else 0
    return (
        f"`{model.name}`",
        route.name,
        route.duration.value.short,
        " ".join(model.resolutions),
        *(str(count or "-") for count in (route.images.value, videos, route.reference_audios.value)),
        " ".join(route.schemes.value),
        model.per,
    )


def routes_table(edition: Edition) -> str:
    """Make a table of the models of each route, and of how each route bills."""
    rows = [(route.name, _names(edition.models_of(route)), _units(edition.models_of(route))) for route in edition.routes]
    return table(("Route", "Models", "Billed per"), rows)


def _units(models: Iterable[Model]) -> str:
    return " or ".join(dict.fromkeys(model.per for model in models))


def _names(models: Iterable[Model]) -> str:
    return ", ".join(f"`{model.name}`" for model in models)


def limits_table(edition: Edition) -> str:
    """Make a table of every limit by route, with its source and conflicting sources."""
    rows = [(route.name, *row) for route in edition.routes for row in _limits(edition, route)]
    return table(("Route", "Field", "Allowed", "Source", "Conflicting sources"), rows)


def _limits(edition: Edition, route: Route) -> Iterable[tuple[str, ...]]:
    span, page = route.duration.value, route.page or edition.contract
    yield _row("duration", f"{span.description} s, default {span.default}", route.duration)
    if route.resolution:
        kept = "" if route.sends_resolution else " (not sent)"
        yield _row("resolution", f"{', '.join(route.resolution.value.allowed)}{kept}", route.resolution)
    else:
        yield ("resolution", "no field: the model's name fixes it", page, "")
    default = f", default {route.ratio.value.default}" if route.ratio.value.default else ", default not stated"
    yield _row("ratio", ", ".join(route.ratio.value.allowed) + default, route.ratio)
    longest = route.prompt_max_chars
    yield _row("prompt", f"up to {longest.value} characters", longest) if longest else ("prompt", "not stated", "", "")
    yield _row("media links", ", ".join(f"{scheme}://" for scheme in route.schemes.value), route.schemes)
    yield _row("images", f"up to {route.images.value}", route.images)
    yield ("frames", _frames(route), page, "")
    yield _row("reference_videos", _count(route.reference_videos.value), route.reference_videos)
    yield _row("reference_audios", _count(route.reference_audios.value), route.reference_audios)
    for name, option in route.options.items():
        yield _row(name, _option(option), option)
    for fact in route.files:
        yield _row(f"{fact.value.kind} files", fact.value.description, fact)
    if lives := route.url_lifetime_seconds:
        yield _row("video URL", f"about {lives.value // 3600} hours", lives)


def _frames(route: Route) -> str:
    if not route.frames:
        return "none"
    if route.both_frames:
        return "first_image and last_image together"
    return "first_image, or both" if route.last_needs_first else "first_image, last_image or both"


def _option(fact: Fact[bool] | Fact[Choice]) -> str:
    if isinstance(fact.value, Choice):
        return f"{', '.join(fact.value.allowed)}, default {fact.value.default}"
    return f"true or false, default {str(fact.value).lower()}"


_CAUSES_HEAD = """\
## Why a video fails, and who pays

A failed task and a refused request name a `cause` in `error`, and say whether money went. A refusal costs nothing. Upstream
charges only videos that were made, and the provider's `cost` on the failed task is binding: get_balance shows it.
"""


def causes_table() -> str:
    """Make a table of the causes of failures: how each is recognised, and what to do."""
    return table(
        ("Cause", "Words, for example", "The same request again", "What to do"), map(_cause_row, ADVICE_FOR_FAILED_TASK)
    )


def _cause_row(cause: Cause) -> tuple[str, ...]:
    words = "; ".join(RECORDED[cause]) or "any other"
    again = "may pass" if cause in MAY_GO_AGAIN else "likely fails again"
    return (f"`{cause}`", words, again, ADVICE_FOR_FAILED_TASK[cause])


def cause_text(words: str) -> str:
    """Explain a cause by its name, or the words with which the provider refused a request or failed a task, in three lines."""
    named: dict[str, Cause] = {each: each for each in ADVICE_FOR_FAILED_TASK}
    cause, recorded, again, remedy = _cause_row(named.get(words.strip()) or cause_of(words))
    words_told = "no words that are known" if cause == "`unknown`" else f"such as {recorded}"
    return f"Cause: {cause.strip('`')} ({words_told})\nThe same request again: {again}\nWhat to do: {remedy}"


def _count(most: int) -> str:
    return f"up to {most}" if most else "none"


def _row(name: str, allowed: str, fact: Fact[object]) -> tuple[str, ...]:
    return (name, allowed, fact.source, "; ".join(f"{each.statement} ({each.source})" for each in fact.conflicting))


async def _limits_of(session: Session) -> str:
    seen = (await anyio.to_thread.run_sync(session.shared.observations.read)).values()
    known = [each for each in seen if each.model in session.edition.model_names]
    return _marked(session, limits_text(session.edition) + _observed_text(known))


def _observed_text(seen: Iterable[Observed]) -> str:
    """Write down how requests with disputed values ended, which says more than sources that disagree."""
    lines = "\n".join(f"- `{each.model}`: {each.sentence}" for each in seen)
    return f"\n## Observed with this account\n\n{lines}\n" if lines else ""


def limits_text(edition: Edition) -> str:
    """Write down every limit and rule by route, with sources."""
    bound = {name: [route.name for route in edition.routes if name in route.rules] for name in RULES}
    rules = "\n".join(f"- {RULES[name]} ({', '.join(routes)})." for name, routes in bound.items() if routes)
    by_route = [f"{route.name}: {note}" for route in edition.routes for note in route.notes]
    notes = "\n".join(f"- {note}" for note in (*by_route, *edition.notes))
    sources = "\n".join(f"- {key}: {what}" for key, what in edition.sources.items())
    uploads, lives, poll = edition.uploads, edition.url_lifetime_seconds, edition.poll_interval_seconds
    return f"""# Limits of the Seedance 2.0 routes (edition {edition.name})

{routes_table(edition)}

{limits_table(edition)}

## Rules between fields

{rules}

## Notes

{notes}

## Files and URLs

- upload_asset sends, after converting, up to {uploads.value.max_bytes // 2**20} MB ({uploads.source}): {_endings(edition)}.
{_reviews(edition)}
- URLs of uploads and of finished videos expire after about {lives.value // 86400} days ({lives.source}): save what you keep.
- download_video takes up to 500 MB in 15 minutes, keeps only whole MP4 files, and goes on where a transfer was cut off.
- A failed or forgotten task is polled again when a tool names it: a video that is there after all makes it completed.
- The provider advises {poll.value.min} to {poll.value.max} s between two polls ({poll.source}); next.after_seconds tells when.
- Media fields: {", ".join(MEDIA_FIELDS)}.

{_CAUSES_HEAD}
{causes_table()}

## Sources

{sources}
"""


def _endings(edition: Edition) -> str:
    return "; ".join(f"{kind}: {' '.join(endings)}" for kind, endings in edition.uploads.value.endings.items())


def _reviews(edition: Edition) -> str:
    """Say how a file becomes a reference, a line for each way and the routes it is for."""
    ways = [(", ".join(route.name for route in edition.reviewed_by(review)), text) for review, text in _REVIEWS.items()]
    return "\n".join(f"- {routes}: {text}" for routes, text in ways if routes)


_REVIEWS: dict[Review, str] = {
    "audit": "only asset:// references; every file passes a review first.",
    "library": "https:// URLs and library assets; a real person's portrait must be whitelisted (portrait: true).",
    "none": "https:// URLs.",
}


def prices_table(edition: Edition, prices: PriceBook) -> str:
    """Make a table of every model's unit price at each resolution."""
    rows = [_price_row(model, size, prices) for model in edition.models for size in model.resolutions]
    return table(("Model", "Resolution", "Billed per", "Billing name", "Unit price", "Source"), rows)


def _price_row(model: Model, resolution: str, prices: PriceBook) -> tuple[str, ...]:
    price = prices.price_of(model, resolution)
    if price is None:
        name = model.billing_names(resolution)[0]
        return (f"`{model.name}`", resolution, model.per, name, "not published", model.route.billing.source)
    return (f"`{model.name}`", resolution, price.per, price.name, str(price.unit), f"{price.source}, {price.seen}")


async def _pricing_of(session: Session) -> str:
    return _marked(session, pricing_text(session.edition, session.prices))


def _marked(session: Session, text: str) -> str:
    return f"{SANDBOX_NOTE}\n\n{text}" if session.settings.sandbox else text


def pricing_text(edition: Edition, prices: PriceBook) -> str:
    """Write down the billing basis, unit prices and worked examples."""
    seen = f"live, {prices.live_as_of}" if prices.live_as_of else "the provider's list has not answered"
    return f"""# Prices in {edition.currency} (list: {seen})

Cost = unit price x billed units. Units are seconds of `duration`, or 1 for a model billed per task.
{_first_video(edition)}{_tokens(edition)}\
The provider's own figure on the finished task (`cost`) is binding: accounts may have their own rates.

{prices_table(edition, prices)}

## Examples

{_examples(edition, prices)}

## Not published

No documentation states a unit price for these models. Prices come from the provider's public list when it answers, from
the operator's file (SEEDANCE_PRICES), else they are unknown and stay so here.
"""


def _first_video(edition: Edition) -> str:
    models = ", ".join(model.name for model in edition.models if model.bills_first_video)
    return f"For {models} the seconds of the first reference video are billed as well.\n" if models else ""


def _tokens(edition: Edition) -> str:
    routes = ", ".join(route.name for route in edition.routes if route.per == "million tokens")
    told = (
        "are billed per million tokens: (seconds of input videos and of the video x 24 + 1) frames x pixels / 1024, reserved "
        "at this bound and settled by what the provider counts"
    )
    return f"The routes {routes} {told}.\n" if routes else ""


def _examples(edition: Edition, prices: PriceBook) -> str:
    return "\n".join(_example(edition, edition.models_of(route)[0], prices) for route in edition.routes)


_EXAMPLE_SECONDS = Decimal(8)


def _example(edition: Edition, model: Model, prices: PriceBook) -> str:
    size = model.default_resolution
    price, named = prices.price_of(model, size), f"{model.name}, {_EXAMPLE_SECONDS} s at {size}"
    per = price.per if price else model.per
    if price and per == "million tokens":
        return f"- {named}: at most {clip_price(edition, price, size, int(_EXAMPLE_SECONDS)).normalize()}"
    units = _EXAMPLE_SECONDS if per == "second" else Decimal(1)
    return f"- {named}: {units} x {price.unit} = {units * price.unit}" if price else f"- {named}: {units} x unit price"


async def _model_names(session: Session, part: str, most: int) -> list[str]:
    return [name for name in session.edition.model_names if part.lower() in name.lower()][:most]


async def _task_ids(session: Session, part: str, most: int) -> list[str]:
    return await session.ledger.keys(part, most)


RESOURCES = (
    ResourceSpec(
        uri="seedance://pricing",
        name="pricing",
        description="Prices with source and date, formula, examples",
        mime_type="text/markdown",
        read=_pricing_of,
    ),
    ResourceSpec(
        uri="seedance://limits",
        name="limits",
        description="Every limit and rule by route with sources; why videos fail, and who pays",
        mime_type="text/markdown",
        read=_limits_of,
    ),
    ResourceSpec(
        uri="seedance://models",
        name="models",
        description="The whole catalogue",
        mime_type="application/json",
        read=models_json,
    ),
)
TEMPLATES = (
    TemplateSpec(
        prefix=MODEL,
        argument="model",
        description="One model with its request schema",
        read=model_json,
        complete=_model_names,
        is_private=False,
    ),
    TemplateSpec(
        prefix=TASK,
        argument="task_id",
        description="One task",
        read=task_json,
        complete=_task_ids,
        is_private=True,
    ),
)
