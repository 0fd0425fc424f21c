"""What an agent calls: each tool a plain function from checked arguments to a result."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio

from seedance_mcp import assets, catalog, media, views
from seedance_mcp.app import App, Report
from seedance_mcp.arguments import (
    CreateVideo,
    GetAsset,
    GetTask,
    Kind,
    ListModels,
    NoArguments,
    UploadAsset,
    WaitForVideo,
    find_model,
)
from seedance_mcp.assets import Review
from seedance_mcp.errors import AssetRejected, FileRejected, InvalidRequest, ProviderFailed, SeedanceError
from seedance_mcp.facts import FRAME_FIELDS, KIND_OF_FIELD, MEDIA_FIELDS, Model
from seedance_mcp.ledger import new_request_id
from seedance_mcp.pricing import Estimate
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
)
from seedance_mcp.schemas import VideoRequest, doubts_about
from seedance_mcp.waiting import Meter, wait
from seedance_mcp.wire import read_amount, stranger

log = logging.getLogger(__name__)

REVIEW_FLOOR_SECONDS = 2.0
"""The provider's own web client looks at a review this often."""


async def list_models(app: App, arguments: ListModels, report: Report) -> ModelList:
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


async def create_video(app: App, arguments: CreateVideo, report: Report) -> Task:
    """Make one video: priced, written down, sent once, settled.

    Raises `NotConfigured` or the provider's refusal with nothing charged, and `OutcomeUnknown` when it may have been.
    """
    request = arguments.request
    body = request.to_body()
    await app.prices.refresh()
    estimate = app.prices.estimate(request)
    if arguments.options.dry_run:
        return _would_send(body, estimate, _warnings(request, estimate))
    app.client.require_key()
    request_id = app.ledger.begin(body, estimate.amount)
    with anyio.CancelScope(shield=True):  # a paid request that left is written down whatever the caller does
        await _send(app, request_id, body)
    record = app.ledger.get(request_id)
    return views.task_of(record, app.now(), app.settings.floor_seconds, _warnings(request, estimate))


async def _send(app: App, request_id: str, body: dict[str, Any]) -> None:
    try:
        task = await app.client.create_video(body)
    except SeedanceError as error:
        app.ledger.refuse(request_id, error)
        error.details["request_id"] = request_id
        log.warning("create_video %s on %s: %s, charged: %s", request_id, body["model"], error.code, error.charged)
        raise
    app.ledger.update(request_id, task)
    log.info("create_video %s on %s: task %s", request_id, body["model"], task.task_id)


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


async def get_task(app: App, arguments: GetTask, report: Report) -> Task:
    """Look at one task; raises `TaskNotFound`."""
    known = app.ledger.find(arguments.task_id)
    if known and (known.task_id is None or known.state in FINAL - {"completed"}):
        return views.task_of(known, app.now(), app.settings.floor_seconds)
    seen = await app.client.get_task(known.task_id if known and known.task_id else arguments.task_id)
    request_id = known.request_id if known else app.ledger.adopt(arguments.task_id)
    app.ledger.update(request_id, seen)
    return views.task_of(app.ledger.get(request_id), app.now(), app.settings.floor_seconds, seen.warnings)


async def wait_for_video(app: App, arguments: WaitForVideo, report: Report) -> Task:
    """Look until the task is final or the time is up; a wait that runs out is no error."""
    meter = Meter()

    async def tell(task: Task) -> None:
        await report(meter.rise(task.progress), f"{task.status} {task.progress} %")

    return await wait(
        lambda: get_task(app, arguments, report),
        lambda task: task.next is None,
        tell,
        timeout_seconds=arguments.timeout_seconds,
        floor_seconds=app.settings.floor_seconds,
    )


async def upload_asset(app: App, arguments: UploadAsset, report: Report) -> Asset:
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
        review = await _reviewed(app, model, review, arguments, report)
    return _asset(app, model, review, kind).model_copy(update={"bytes": size})


async def _to_link(app: App, arguments: UploadAsset) -> tuple[str, Kind, int | None]:
    """The https link of the source: its own, or that of the uploaded bytes."""
    if media.is_link(arguments.source):
        return media.check_link(arguments.source), media.kind_of_link(arguments.source, arguments.kind), None
    with media.open_media(arguments.source, app.settings.upload_roots) as found:
        if arguments.kind not in {None, found.kind}:
            raise InvalidRequest(f"The file is {found.kind}, not {arguments.kind}.", field="kind", allowed=found.kind)
        uploaded = await app.client.upload_file(found.file, found.name, found.mime_type)
    try:
        return media.check_link(str(uploaded.get("url"))), found.kind, found.size_bytes
    except FileRejected:
        raise ProviderFailed("The provider took the file but gave no usable link. Try again later.") from None


async def _reviewed(app: App, model: Model, review: Review, arguments: UploadAsset, report: Report) -> Review:
    """Wait for the review as long as was asked."""
    meter, asset_id = Meter(), review.asset_id or ""

    async def look() -> Review:
        return await assets.get_asset(app.client, model, asset_id, portrait=arguments.portrait)

    async def tell(seen: Review) -> None:
        await report(meter.rise(0), f"review: {seen.stage}")

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


async def get_asset(app: App, arguments: GetAsset, report: Report) -> Asset:
    """Look at one asset; a refused one is a normal result with `status` failed."""
    model = find_model(arguments.model)
    asset_id = arguments.reference.removeprefix("asset://")
    if model.route.review == "none" or asset_id == arguments.reference or not asset_id:
        allowed = "asset://… of a Full or SP model"
        raise InvalidRequest(f"Only assets have a review; allowed: {allowed}.", field="reference", allowed=allowed)
    return _asset(app, model, await assets.get_asset(app.client, model, asset_id), None)


async def get_balance(app: App, arguments: NoArguments, report: Report) -> Balance:
    """Look at the account and the key."""
    account, key = await app.client.get_user_balance(), await app.client.get_key_balance()
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
        spent_here=Spending(today=0, total=0, reserved=0),
        limits={},
        left_today=None,
    )


def _number(data: dict[str, Any], name: str) -> float:
    return float(read_amount(data.get(name)) or Decimal(0))
