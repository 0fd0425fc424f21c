"""The tools that bring files: a local file or a link becomes a reference, and its review is watched."""

from __future__ import annotations

from datetime import timedelta

from seedance_mcp import assets, catalog, media, views
from seedance_mcp.app import App, Caller
from seedance_mcp.arguments import GetAsset, Kind, UploadAsset, find_model
from seedance_mcp.assets import Review
from seedance_mcp.errors import AssetRejected, FileRejected, InvalidRequest, ProviderFailed
from seedance_mcp.facts import KIND_OF_FIELD, MEDIA_FIELDS, Model
from seedance_mcp.results import Asset, Next
from seedance_mcp.waiting import Meter, wait

REVIEW_FLOOR_SECONDS = 2.0
"""The provider's own web client looks at a review this often."""


async def upload_asset(app: App, arguments: UploadAsset, caller: Caller) -> Asset:
    """Bring a file or link by the path of the model's route.

    Raises `FileRejected` before anything is sent, `AssetRejected` when the review says no.
    """
    app.client.require_key()
    model = find_model(arguments.model)
    if arguments.portrait and model.route.review != "library":
        allowed = ", ".join(catalog.models_of(catalog.SP))
        raise InvalidRequest(f"portrait is for the SP models alone: {allowed}.", field="portrait", allowed=allowed)
    link, kind, size = await _to_link(app, model, arguments)
    name = arguments.name or f"{kind} from seedance-mcp"
    review = await assets.submit_asset(app.client, model, kind, link, name, portrait=arguments.portrait)
    if review.asset_id:
        review = await _reviewed(app, model, review, arguments, caller)
    return _asset(app, model, review, kind, size)


def _check_use(model: Model, kind: Kind, arguments: UploadAsset) -> None:
    """Refuse what the model has no field for, before anything is sent."""
    if arguments.portrait and kind != "image":
        raise InvalidRequest(f"A portrait is an image, not {kind}.", field="portrait", allowed="an image")
    if not _use_in(model, kind):
        takers = ", ".join(each.name for each in catalog.MODELS if _use_in(each, kind))
        raise InvalidRequest(f"{model.name} takes no {kind}; allowed with {takers}.", field="model", allowed=takers)


async def _to_link(app: App, model: Model, arguments: UploadAsset) -> tuple[str, Kind, int | None]:
    """The https link of the source: its own, or that of the uploaded bytes."""
    if media.is_link(arguments.source):
        kind = media.kind_of_link(media.check_link(arguments.source), arguments.kind)
        _check_use(model, kind, arguments)
        return arguments.source, kind, None
    with media.open_media(arguments.source, app.upload_roots) as found:
        if arguments.kind not in {None, found.kind}:
            raise InvalidRequest(f"The file is {found.kind}, not {arguments.kind}.", field="kind", allowed=found.kind)
        _check_use(model, found.kind, arguments)
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
            known=review,
        )
    if review.stage == "failed":
        raise AssetRejected("The provider's review refused the file: bring another one with upload_asset.")
    return review


def _asset(app: App, model: Model, review: Review, kind: Kind | None, size: int | None = None) -> Asset:
    """What the agent gets; only a link to bytes that were uploaded lapses."""
    arguments = {"reference": review.reference, "model": model.name}
    lapses = app.now() + timedelta(seconds=catalog.LINK_LIFETIME_SECONDS)
    again = Next(tool="get_asset", arguments=arguments, after_seconds=app.settings.floor_seconds)
    return Asset(
        reference=review.reference,
        ready=review.stage == "active",
        status=review.stage,
        kind=kind,
        asset_id=review.asset_id,
        expires_at=views.iso(lapses) if size and not review.asset_id else None,
        bytes=size,
        use_in=_use_in(model, kind),
        next=again if review.stage == "processing" else None,
    )


def _use_in(model: Model, kind: Kind | None) -> list[str]:
    return [name for name in MEDIA_FIELDS if kind in {None, KIND_OF_FIELD[name]} and model.takes(name)]


async def get_asset(app: App, arguments: GetAsset, caller: Caller) -> Asset:
    """Look at one asset; a refused one is a normal result with `status` failed."""
    model = find_model(arguments.model)
    asset_id = arguments.reference.removeprefix("asset://")
    if model.route.review == "none" or asset_id == arguments.reference or not asset_id:
        allowed = "asset://… of a Full or SP model"
        raise InvalidRequest(f"Only assets have a review; allowed: {allowed}.", field="reference", allowed=allowed)
    return _asset(app, model, await assets.get_asset(app.client, model, asset_id), None)
