"""Rows of the catalogue and of the ledger as results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import RULES, ConflictingSource, Fact, MakingTime, Model
from seedance_mcp.catalogue.profiles import model_schema
from seedance_mcp.catalogue.requests import is_outside
from seedance_mcp.money.policy import is_forgotten
from seedance_mcp.money.prices import PriceBook
from seedance_mcp.money.records import JUDGED_AFTER_SECONDS, Page, Record
from seedance_mcp.polling.schedule import Forecast, LogNormal
from seedance_mcp.provider.failures import WORDS, advice_for_failed_task, cause_of, cause_of_refusal
from seedance_mcp.task import RUNNING
from seedance_mcp.tools.observations import Observed
from seedance_mcp.tools.results import Billing, Failure, Frames, MediaLimit, ModelInfo, ModelList, Next, Options, Range, Task

PROMPT_SHOWN_CHARS = 200
GIVEN_UP_SECONDS = 86_400.0
"""A task that has not ended after this time is not worth waiting for."""
LONGEST_LINK_PAUSE_SECONDS = 3600.0
"""The longest pause between two polls for the link of a video that is finished and came without one."""
LONGEST_SETTLING_PAUSE_SECONDS = 86_400.0
"""The longest pause between two questions for the balance about a request whose charge it did not show."""
NAMED_MOST = 10
"""How many finished videos one warning names."""


class Outlook(NamedTuple):
    """The grounds on which the end of a running task is forecast."""

    past_seconds: Sequence[float]
    """How long similar tasks took."""
    min_poll_interval_seconds: float
    progress_age_seconds: float = 0.0
    """How long ago the progress was reported."""
    polled: bool = False
    """Whether the provider was asked just now: only then a task that has run for long is given up."""
    published: MakingTime | None = None
    """How long such videos take elsewhere; it counts only where no similar task ended here."""

    @property
    def guessed_from(self) -> MakingTime | None:
        """The published time that stands in for similar tasks."""
        return None if self.past_seconds else self.published

    def forecast(self, progress: int, elapsed_seconds: float) -> Forecast:
        """Forecast the end of a task from its progress in percent and its age."""
        seen = self.guessed_from
        guess = seen and LogNormal(math.log(seen.seconds), seen.width)
        interval, age_seconds = self.min_poll_interval_seconds, self.progress_age_seconds
        return Forecast.of(self.past_seconds, elapsed_seconds, progress, interval, age_seconds, guess)


def list_of_models(
    edition: Edition,
    models: Sequence[Model],
    prices: PriceBook,
    *,
    observed: Sequence[Observed] = (),
    with_schema: bool = False,
) -> ModelList:
    """Give rows of the catalogue as agents read them, with what was observed of them."""
    infos = [model_info(edition, model, prices, observed, with_schema=with_schema) for model in models]
    as_of = prices.live_as_of
    return ModelList(edition=edition.name, currency=edition.currency, prices_as_of=as_of, models=[*infos])


def model_info(
    edition: Edition, model: Model, prices: PriceBook, observed: Sequence[Observed] = (), *, with_schema: bool = False
) -> ModelInfo:
    """Give one row of the catalogue as agents read it; `with_schema` adds its request schema."""
    route, span = model.route, model.route.duration.value
    return ModelInfo(
        model=model.name,
        route=route.name,
        title=model.title,
        duration=Range(min=span.min, max=span.max, default=span.default),
        resolution=Options(allowed=list(model.resolutions), default=model.default_resolution),
        ratio=Options(allowed=list(route.ratio.value.allowed), default=route.ratio.value.default),
        prompt_max_chars=route.prompt_max_chars.value if route.prompt_max_chars else None,
        images=_media(model, "images"),
        frames=Frames(both_required=route.both_frames, schemes=list(route.schemes.value), source=route.schemes.source),
        reference_videos=_media(model, "reference_videos"),
        reference_audios=_media(model, "reference_audios"),
        rules=[RULES[name] for name in route.rules],
        asset_review=route.review,
        billing=_billing(model, prices),
        prices=prices_of(model, prices),
        purpose=f"{route.purpose} (our advice)",
        listed=prices.is_listed(model),
        notes=notes_of(edition, model, observed),
        request_schema=model_schema(edition, model) if with_schema else None,
    )


def _media(model: Model, name: str) -> MediaLimit:
    fact: Fact[int] = getattr(model.route, name)
    most = 0 if name == "reference_videos" and not model.takes_videos else fact.value
    return MediaLimit(max=most, schemes=list(model.route.schemes.value) if most else [], source=fact.source)


def _billing(model: Model, prices: PriceBook) -> Billing:
    price = prices.price_of(model, model.default_resolution)
    if price is None:
        name = model.billing_names(model.default_resolution)[0]
        return Billing(per=model.per, name=name, unit_price=None, source="not published", seen=None)
    return Billing(per=price.per, name=price.name, unit_price=float(price.unit), source=price.source, seen=price.seen)


def prices_of(model: Model, prices: PriceBook) -> dict[str, float | None]:
    """Give the unit price at each resolution; `None` where it is not published."""
    found = {resolution: prices.price_of(model, resolution) for resolution in model.resolutions}
    return {resolution: float(price.unit) if price else None for resolution, price in found.items()}


def notes_of(edition: Edition, model: Model, observed: Sequence[Observed] = ()) -> list[str]:
    """Give a model's notes, and the sources that conflict with its limits, or what was observed in their place."""
    own = [each for each in observed if each.model == model.name]
    quoted = [
        sentence
        for field, sources in model.route.conflicting(model.name).items()
        for each in sources
        for sentence in _seen(own, field, each)
        or [f"Conflicting source on {field}: {each.statement} ({edition.sources[each.source]})."]
    ]
    return list(dict.fromkeys((*model.route.notes, *quoted)))


def _seen(observed: Sequence[Observed], field: str, source: ConflictingSource) -> list[str]:
    """Give what was observed of values that a source refuses."""
    disputed = (each for each in observed if each.field == field and source.value is not None)
    return [each.sentence for each in disputed if is_outside(each.value, source.value)]


def task_of(
    edition: Edition,
    record: Record,
    now: datetime,
    outlook: Outlook,
    warnings: list[str] | None = None,
    *,
    sandbox: bool = False,
) -> Task:
    """Give one row of the ledger as agents read it.

    Args:
        edition: Its currency and the lifetime of its URLs are used.
        record: The row.
        now: The time at which the row is read.
        outlook: What the end of a running task is forecast from.
        warnings: Warnings to put before those that the row itself gives.
        sandbox: Whether the sandbox made the task.
    """
    elapsed = max(0.0, ((record.completed_at or now) - record.created_at).total_seconds())
    is_running = record.status in RUNNING
    forecast = outlook.forecast(record.progress, elapsed) if is_running and elapsed < GIVEN_UP_SECONDS else None
    guessed = [_GUESSED.format(outlook.guessed_from.source)] if forecast and outlook.guessed_from else []
    given_up = [_GIVEN_UP] if is_running and outlook.polled and not forecast else []
    return Task(
        sandbox=sandbox,
        task_id=record.task_id,
        request_id=record.request_id,
        model=record.model,
        prompt=record.prompt[:PROMPT_SHOWN_CHARS] if record.prompt else None,
        status=record.status,
        progress=record.progress,
        created_at=iso(record.created_at),
        completed_at=iso(record.completed_at),
        elapsed_seconds=round(elapsed, 1),
        eta_seconds=forecast and _rounded(forecast.remaining_seconds()),
        video_url=record.video_url,
        video_url_expires_at=iso(_expires_at(edition, record)),
        saved_path=record.saved and record.saved.uri,
        cost=as_float(charge_of(record)),
        estimated_cost=as_float(record.estimate),
        currency=edition.currency,
        error=_failure(edition, record),
        warnings=[*(warnings or []), *_evidence(record), *given_up, *guessed, *_without_link(record)],
        project=record.project,
        take=record.take,
        parts=list(record.parts),
        next=_next(record, forecast, now, polled=outlook.polled) or _ask_for_link(edition, record, now, outlook),
    )


_GIVEN_UP = "It has not ended in a day and is not worth waiting for: show the provider its task_id. get_task polls it again."


_GUESSED = "eta_seconds is a first guess from published times, not from videos made here: {}."


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def settling_pause_seconds(record: Record, now: datetime) -> float:
    """Give the pause before the balance is asked about a request of unknown outcome: it grows where it showed nothing yet."""
    if record.evidence is None:
        return JUDGED_AFTER_SECONDS
    age_seconds = (now - record.created_at).total_seconds()
    return round(min(LONGEST_SETTLING_PAUSE_SECONDS, max(JUDGED_AFTER_SECONDS, age_seconds)), 1)


def _next(record: Record, forecast: Forecast | None, now: datetime, *, polled: bool) -> Next | None:
    arguments = {"task_id": record.key}
    if record.status in RUNNING and not forecast and not polled:
        return Next(tool="get_task", arguments=arguments, after_seconds=0)
    if forecast:
        return Next(tool="wait_for_video", arguments=arguments, after_seconds=round(forecast.pause_seconds(), 1))
    if record.status == "unknown" and record.settled is None:
        return Next(tool="get_balance", arguments={}, after_seconds=settling_pause_seconds(record, now))
    if record.status == "completed" and record.task_id and record.video_url and not record.saved:
        return Next(tool="download_video", arguments={"task_id": record.task_id}, after_seconds=0)
    return None


def _without_link(record: Record) -> list[str]:
    is_without = record.status == "completed" and not record.video_url and not record.saved
    told = (
        "It is completed, and the provider gave no usable link to the video. Do not make it again, that would be paid again."
    )
    return [told] if is_without else []


def _ask_for_link(edition: Edition, record: Record, now: datetime, outlook: Outlook) -> Next | None:
    """Give the call that asks for a link that is missing: after as long as it has been missing, until links expire anyway."""
    if not _without_link(record) or not record.task_id:
        return None
    missing_seconds = max(0.0, (now - (record.completed_at or now)).total_seconds())
    if missing_seconds > edition.url_lifetime_seconds_of(record.model):
        return None
    pause = min(LONGEST_LINK_PAUSE_SECONDS, max(outlook.min_poll_interval_seconds, missing_seconds))
    return Next(tool="get_task", arguments={"task_id": record.task_id}, after_seconds=round(pause, 1))


def charge_of(record: Record) -> Decimal | None:
    """Give what was charged as the provider, the balance or the user says; an estimate does not count."""
    return record.cost if record.settled_by in {None, "estimate", "provider"} else record.settled


def _evidence(record: Record) -> list[str]:
    if is_forgotten(record):
        return [_FORGOTTEN]
    if record.evidence == "not charged":
        return [f"{_what_came(record)} {_MAY_BE_MADE_AGAIN}"]
    if record.status != "unknown" and record.evidence is None:
        return []
    evidence = _BALANCE_SAYS.get(record.evidence or "", "get_balance compares the account before and after.")
    by_hand = _BY_HAND.format(record.request_id) if record.evidence == "cannot tell" else ""
    return [f"{_what_came(record)} {evidence}{by_hand} Do not send it again without asking the user."]


def _what_came(record: Record) -> str:
    """Say what is known about the answer to a request of unknown outcome."""
    return "The provider answered this request with an error." if record.error_code == "provider_error" else _LOST


_FORGOTTEN = (
    "The provider does not know this task any more, so no video can be fetched; its estimate counts as spent. Tell the user: "
    "the same request may be sent again, and is then paid again."
)
_LOST = "The answer to this request was lost."
_BALANCE_SAYS = {
    "charged": "The balance shows that it was charged.",
    "cannot tell": "The balance does not show whether it was charged.",
}
_BY_HAND = (
    " Whoever runs this server can look it up in the provider's console, and settle it with `seedance-mcp settle {} charged` "
    "or `not-charged`."
)


def expiring(edition: Edition, page: Page) -> list[str]:
    """Give a warning that names finished videos whose URLs expire soon; no warning where there are none."""
    named = [f"{record.task_id} ({iso(_expires_at(edition, record))})" for record in page.records]
    more = f" and {page.total - len(named)} more" if page.total > len(named) else ""
    return [f"Not saved, and their URLs expire soon: {', '.join(named)}{more}. Call download_video."] if named else []


def _expires_at(edition: Edition, record: Record) -> datetime | None:
    """Give when a finished video's URL expires, by the lifetime that the edition states."""
    done = record.completed_at if record.status == "completed" and not record.parts else None
    return done and done + timedelta(seconds=edition.url_lifetime_seconds_of(record.model))


def _failure(edition: Edition, record: Record) -> Failure | None:
    """Say why there is no video, whether money went and what to do; the provider's words are marked as such."""
    if record.task_id is None and record.evidence in {"charged", "not charged"}:
        return Failure(code=record.error_code or "outcome_unknown", message=_judged(edition, record))
    if record.error is None:
        return None
    if record.error_code:
        refused = " Nothing was charged." if record.settled == 0 else ""
        cause = cause_of_refusal(record.error_code, record.error)
        return Failure(code=record.error_code, message=f"{record.error}{refused}", cause=cause)
    words = f'{WORDS}"{record.error}". {_charge(edition, record)} {advice_for_failed_task(record.error)}'
    return Failure(code=record.status, message=words, cause=cause_of(record.error))


_MAY_BE_MADE_AGAIN = "It was not charged: the request may be sent again."


def _judged(edition: Edition, record: Record) -> str:
    """Say what to do about a lost answer whose money is known."""
    if record.evidence == "not charged":
        return f"{_what_came(record)} {_MAY_BE_MADE_AGAIN}"
    paid = f"{as_float(record.settled)} {edition.currency}"
    return (
        f"It was paid ({paid}), and no video is known, since the answer named none: contact the provider with request_id "
        f"{record.request_id}, the model and the time ({iso(record.created_at)}). Do not make it again before they answer."
    )


def _charge(edition: Edition, record: Record) -> str:
    """Say whether money went; an estimate, and a task made elsewhere, leave that open."""
    paid = record.settled if record.settled_by in {"provider", "balance", "person"} else record.cost
    if paid is None:
        return "Whether it was charged is not known: see get_balance."
    if paid == 0:
        return "Nothing was charged."
    return f"The provider charged {as_float(paid)} {edition.currency} and reported no refund: see get_balance."


def iso(moment: datetime | None) -> str | None:
    """Write a time as results do: ISO 8601, UTC, whole seconds."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def as_float(amount: Decimal | None) -> float | None:
    """Give an amount as results write it; `None` where there is none."""
    return None if amount is None else float(amount)
