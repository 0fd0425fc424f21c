"""What an agent calls: each tool a plain function from checked arguments to a result."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio

from seedance_mcp import assets, catalog, guard, media, views
from seedance_mcp.app import App, Caller
from seedance_mcp.arguments import (
    CreateVideo,
    GetAsset,
    GetTask,
    Kind,
    ListModels,
    ListTasks,
    NoArguments,
    UploadAsset,
    WaitForVideo,
    find_model,
)
from seedance_mcp.assets import Review
from seedance_mcp.errors import (
    AssetRejected,
    FileRejected,
    InvalidRequest,
    LedgerUnusable,
    ProviderFailed,
    SeedanceError,
    TaskNotFound,
)
from seedance_mcp.facts import FRAME_FIELDS, KIND_OF_FIELD, MEDIA_FIELDS, Model
from seedance_mcp.pricing import Estimate
from seedance_mcp.records import Record, new_request_id
from seedance_mcp.results import (
    FINAL,
    AccountBalance,
    Asset,
    Balance,
    KeyBalance,
    ModelList,
    Next,
    Spending,
    Task,
    TaskList,
)
from seedance_mcp.schemas import VideoRequest, doubts_about
from seedance_mcp.waiting import Meter, wait
from seedance_mcp.wire import read_amount, stranger

log = logging.getLogger(__name__)

LOOKS_AT_ONCE = 4
"""Running tasks that list_tasks looks at side by side."""
REVIEW_FLOOR_SECONDS = 2.0
"""The provider's own web client looks at a review this often."""


async def list_models(app: App, arguments: ListModels, caller: Caller) -> ModelList:
    """Give the models that fit every filter; raises `InvalidRequest` for a filter that no model could fit."""
    found = [find_model(arguments.model)] if arguments.model else list(catalog.MODELS)
    for name, known in (("route", _ROUTES), ("resolution", _RESOLUTIONS)):
        wanted = getattr(arguments, name)
        if wanted is not None and wanted not in known:
            allowed = f"one of {', '.join(known)}"
            raise InvalidRequest(f'{name} was "{wanted}"; allowed: {allowed}.', field=name, allowed=allowed)
    await app.prices.refresh()
    return views.list_of_models(
        [model for model in found if _fits(model, arguments)], app.prices, with_schema=arguments.model is not None
    )


_ROUTES = tuple(route.name for route in catalog.ROUTES)
_RESOLUTIONS = tuple(dict.fromkeys(size for model in catalog.MODELS for size in views.resolutions(model)))


def _fits(model: Model, wanted: ListModels) -> bool:
    return (
        wanted.route in {None, model.route.name}
        and (wanted.resolution is None or wanted.resolution in views.resolutions(model))
        and all(_takes(model, what) for what in wanted.takes or ())
    )


def _takes(model: Model, what: str) -> bool:
    match what:
        case "frames":
            return True
        case "https" | "asset":
            return what in model.route.schemes.value
        case "reference_videos":
            return model.takes_videos
        case _:
            return getattr(model.route, what).value > 0


async def create_video(app: App, arguments: CreateVideo, caller: Caller) -> Task:
    """Make one video: priced, guarded, written down, sent once, settled.

    Raises a refusal of ours or the provider's with nothing charged, and `OutcomeUnknown` when it may have been.
    """
    request, options = arguments.request, arguments.options
    await app.prices.refresh()
    estimate = app.prices.estimate(request, app.ledger.media_seconds)
    warnings = _warnings(request, estimate)
    if options.dry_run:
        return _would_send(request.to_body(), estimate, warnings)
    app.client.require_key()
    gate = guard.Gate(app.settings, app.ledger, app.client, app.now, caller.ask, caller.reply)
    record, new = await gate.admit(request, estimate, options)
    if not new:
        return app.view(record, [*warnings, _REPEATED]).model_copy(update={"deduplicated": True})
    with anyio.CancelScope(shield=True):  # a paid request that left is written down whatever the caller does
        record = await _send(app, record.request_id, request.to_body())
    return app.view(record, warnings)


_REPEATED = "The same request was made a short while ago and this is its task; allow_duplicate: true pays for another one."


async def _send(app: App, request_id: str, body: dict[str, Any]) -> Record:
    try:
        task = await app.client.create_video(body)
    except SeedanceError as error:
        error.details["request_id"] = request_id
        log.warning("create_video %s on %s: %s, charged: %s", request_id, body["model"], error.code, error.charged)
        with suppress(LedgerUnusable):  # what became of the money matters more than the book
            app.ledger.refuse(request_id, error)
        raise
    log.info("create_video %s on %s: task %s", request_id, body["model"], task.task_id)
    try:
        return app.ledger.update(request_id, task)
    except LedgerUnusable as error:
        raise LedgerUnusable(
            f"The video is being made as task {task.task_id}, but that could not be written down. Keep this id and call "
            f"wait_for_video with it; do not create it again. {error.message}",
            charged="yes",
            request_id=request_id,
        ) from None


def _warnings(request: VideoRequest, estimate: Estimate) -> list[str]:
    found = doubts_about(request)
    if request.orientation and request.ratio:
        found.append("orientation has no effect: ratio wins over it.")
    return [*found, f"Estimate: {estimate.words}"]


def _would_send(body: dict[str, Any], estimate: Estimate, warnings: list[str]) -> Task:
    return Task(
        request_id=new_request_id(),
        model=body["model"],
        prompt=body["prompt"][: views.PROMPT_SHOWN_CHARS],
        status="unknown",
        estimated_cost=None if estimate.amount is None else float(estimate.amount),
        currency=catalog.CURRENCY,
        warnings=["Dry run: the request is valid, nothing was sent or charged.", *warnings],
        dry_run=True,
        would_send=body,
        next=Next(tool="create_video", arguments={"request": body}, after_seconds=0),
    )


async def get_task(app: App, arguments: GetTask, caller: Caller) -> Task:
    """Look at one task; raises `TaskNotFound`."""
    return await look(app, app.ledger.find(arguments.task_id), arguments.task_id)


async def look(app: App, known: Record | None, task_id: str) -> Task:
    """Ask the provider about a task, unless the ledger knows that there is nothing to ask."""
    if known and (known.task_id is None or known.status in FINAL - {"completed"}):
        return app.view(known)
    if known is None and (app.principal or app.ledger.belongs_elsewhere(task_id)):
        raise TaskNotFound("No such task of yours: see list_tasks.")
    seen = await app.client.get_task(known.task_id if known and known.task_id else task_id)
    record = known or app.ledger.adopt(task_id)
    return app.view(app.ledger.update(record.request_id, seen), seen.warnings)


async def wait_for_video(app: App, arguments: WaitForVideo, caller: Caller) -> Task:
    """Look until the task is final or the time is up; a wait that runs out is no error."""
    meter = Meter()

    async def tell(task: Task) -> None:
        await caller.report(meter.rise(task.progress), f"{task.status} {task.progress} %")

    return await wait(
        lambda: get_task(app, arguments, caller),
        lambda task: task.status in FINAL or task.status == "unknown",
        tell,
        timeout_seconds=arguments.timeout_seconds,
        floor_seconds=app.settings.floor_seconds,
    )


async def list_tasks(app: App, arguments: ListTasks, caller: Caller) -> TaskList:
    """Give the newest tasks of the ledger; `refresh` looks at all that run and at the balance first."""
    if arguments.refresh:
        await _refresh(app)
    records, total = app.ledger.list(arguments.status, arguments.limit)
    return TaskList(tasks=[app.view(record) for record in records], total=total)


async def _refresh(app: App) -> None:
    """Look at every running task, a few at a time; one that cannot be looked at stays as it was."""
    places = anyio.CapacityLimiter(LOOKS_AT_ONCE)

    async def look_at(record: Record) -> None:
        async with places:
            with suppress(SeedanceError):
                await look(app, record, record.request_id)

    async with anyio.create_task_group() as group:
        for record in (*app.ledger.list("queued")[0], *app.ledger.list("processing")[0]):
            group.start_soon(look_at, record)
        group.start_soon(_reconcile, app)


async def _reconcile(app: App) -> list[Record]:
    """Judge lost answers by the balance; nothing changes where it does not answer."""
    used = await guard.used_now(app.client) if app.ledger.unclear() else None
    return app.ledger.unclear() if used is None else guard.reconcile(app.ledger, used, app.now())


async def upload_asset(app: App, arguments: UploadAsset, caller: Caller) -> Asset:
    """Bring a file or link by the path of the model's route.

    Raises `FileRejected` before anything is sent, `AssetRejected` when the review says no.
    """
    app.client.require_key()
    model = find_model(arguments.model)
    if arguments.portrait and model.route.review != "library":
        allowed = ", ".join(catalog.models_of(catalog.SP))
        raise InvalidRequest(f"portrait is for the SP models alone: {allowed}.", field="portrait", allowed=allowed)
    link, kind, size = await _to_link(app, arguments)
    name = arguments.name or f"{kind} from seedance-mcp"
    review = await assets.submit_asset(app.client, model, kind, link, name, portrait=arguments.portrait)
    if review.asset_id:
        review = await _reviewed(app, model, review, arguments, caller)
    return _asset(app, model, review, kind).model_copy(update={"bytes": size})


async def _to_link(app: App, arguments: UploadAsset) -> tuple[str, Kind, int | None]:
    """The https link of the source: its own, or that of the uploaded bytes."""
    if media.is_link(arguments.source):
        return media.check_link(arguments.source), media.kind_of_link(arguments.source, arguments.kind), None
    with media.open_media(arguments.source, app.upload_roots) as found:
        if arguments.kind not in {None, found.kind}:
            raise InvalidRequest(f"The file is {found.kind}, not {arguments.kind}.", field="kind", allowed=found.kind)
        uploaded = await app.client.upload_file(found.file, found.name, found.mime_type)
    try:
        link = media.check_link(str(uploaded.get("url")))
    except FileRejected:
        raise ProviderFailed("The provider took the file but gave no usable link. Try again later.") from None
    if found.kind == "video":
        app.ledger.remember_media(link, found.seconds)
    return link, found.kind, found.size_bytes


async def _reviewed(app: App, model: Model, review: Review, arguments: UploadAsset, caller: Caller) -> Review:
    """Wait for the review as long as was asked."""
    meter, asset_id = Meter(), review.asset_id or ""

    async def look() -> Review:
        return await assets.get_asset(app.client, model, asset_id, portrait=arguments.portrait)

    async def tell(seen: Review) -> None:
        await caller.report(meter.rise(0), f"review: {seen.stage}")

    if review.stage == "processing" and arguments.wait_seconds:
        review = await wait(
            look,
            lambda seen: seen.stage != "processing",
            tell,
            timeout_seconds=arguments.wait_seconds,
            floor_seconds=min(app.settings.floor_seconds, REVIEW_FLOOR_SECONDS),
        )
    if review.stage == "failed":
        raise AssetRejected("The provider's review refused the file: bring another one with upload_asset.")
    return review


def _asset(app: App, model: Model, review: Review, kind: Kind | None) -> Asset:
    arguments = {"reference": review.reference, "model": model.name}
    again = Next(tool="get_asset", arguments=arguments, after_seconds=app.settings.floor_seconds)
    lapses = app.now() + timedelta(seconds=catalog.LINK_LIFETIME_SECONDS)
    return Asset(
        reference=review.reference,
        ready=review.stage == "active",
        status=review.stage,
        kind=kind,
        asset_id=review.asset_id,
        expires_at=None if review.asset_id else views.iso(lapses),
        use_in=_use_in(model, kind),
        next=again if review.stage == "processing" else None,
    )


def _use_in(model: Model, kind: Kind | None) -> list[str]:
    fields = [name for name in MEDIA_FIELDS if kind in {None, KIND_OF_FIELD[name]}]
    return [name for name in fields if name in FRAME_FIELDS or _takes(model, name)]


async def get_asset(app: App, arguments: GetAsset, caller: Caller) -> Asset:
    """Look at one asset; a refused one is a normal result with `status` failed."""
    model = find_model(arguments.model)
    asset_id = arguments.reference.removeprefix("asset://")
    if model.route.review == "none" or asset_id == arguments.reference or not asset_id:
        allowed = "asset://… of a Full or SP model"
        raise InvalidRequest(f"Only assets have a review; allowed: {allowed}.", field="reference", allowed=allowed)
    return _asset(app, model, await assets.get_asset(app.client, model, asset_id), None)


async def get_balance(app: App, arguments: NoArguments, caller: Caller) -> Balance:
    """Look at the account and the key, and judge requests whose answer was lost by what they say."""
    account, key = await app.client.get_user_balance(), await app.client.get_key_balance()
    used = read_amount(account.get("used_coin"))
    unclear = app.ledger.unclear() if used is None else guard.reconcile(app.ledger, used, app.now())
    spent, day = app.ledger.spent(), app.settings.max_cost_per_day
    return Balance(
        currency=catalog.CURRENCY,
        account=AccountBalance(
            balance=_number(account, "balance"), used=_number(account, "used_coin"), available=_number(account, "available")
        ),
        key=KeyBalance(
            name=stranger(key["name"]) if key.get("name") else None,
            total_quota=_number(key, "total_quota"),
            used_quota=_number(key, "used_quota"),
            available_quota=_number(key, "available_quota"),
            unlimited=bool(key.get("unlimited")),
        ),
        spent_here=Spending(today=float(spent.today), total=float(spent.total), reserved=float(spent.held)),
        limits={name: float(limit) for name, limit in app.settings.limits.items()},
        left_today=None if day is None else float(max(Decimal(0), day - spent.today)),
        unclear=[record.request_id for record in unclear],
    )


def _number(data: dict[str, Any], name: str) -> float:
    """A figure of the provider's; one that is absent or no number counts as nothing."""
    value = data.get(name)
    sign = -1 if isinstance(value, int | float) and value < 0 else 1
    return sign * float(read_amount(abs(value) if isinstance(value, int | float) else value) or Decimal(0))
