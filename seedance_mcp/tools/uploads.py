"""The tools that bring media: a local file or a URL becomes a reference, and its review is waited for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import anyio.to_thread

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import KIND_OF_FIELD, MEDIA_FIELDS, Kind, Model, Route
from seedance_mcp.errors import (
    AssetRejected,
    FileRejected,
    InvalidRequest,
    NotConfigured,
    ProviderFailed,
    SeedanceError,
)
from seedance_mcp.media import local_files, urls
from seedance_mcp.media.decoder import Unreadable, is_installed
from seedance_mcp.media.formats import WAY_FORWARD
from seedance_mcp.media.long_jobs import Report, make
from seedance_mcp.media.prepare import Wish, open_made, prepared
from seedance_mcp.media.probe import MediaFile, check_bounds, unknown_measures
from seedance_mcp.money.records import Media, NamedAsset, Upload
from seedance_mcp.origin import advice
from seedance_mcp.polling.schedule import Meter, Source, wait
from seedance_mcp.provider import reviews
from seedance_mcp.provider.answers import AssetReview, NoAsset
from seedance_mcp.storage.scratch_folder import scratch_folder
from seedance_mcp.tools import cast, downloads, views
from seedance_mcp.tools.arguments import GetAsset, UploadAsset, find_model
from seedance_mcp.tools.results import Asset, Next
from seedance_mcp.tools.sent_files import located, not_readable
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.tools.sources import FileSource, FrameSource, UrlSource, read_source

REVIEW_POLL_SECONDS = 2.0
"""The provider's own web client polls a review this often."""
_SPARE_SECONDS = 24 * 3600
"""An upload is used again for the same bytes until its URL has this long to live: it must outlive the making of a video."""


@dataclass(frozen=True, slots=True)
class _Brought:
    """A source that the provider can read by now."""

    url: str
    kind: Kind
    size_bytes: int | None = None
    """`None`, like `uploaded_at`, where the source is a URL and no bytes were sent."""
    digest: str = ""
    """Of the bytes and what they are for; empty where none were sent."""
    uploaded_at: datetime | None = None
    seconds: float | None = None
    """How long it plays; `None`, like `size_px`, where that is not known."""
    size_px: tuple[int, int] | None = None
    note: str = ""
    """What could not be checked."""
    changes: tuple[str, ...] = ()
    """A description of each change of the file."""
    file_name: str = ""
    """With the ending of the real format; empty for a URL."""
    sha256: str | None = None
    review: AssetReview | None = None
    """The review of an earlier upload of the same bytes for the same purpose."""


async def upload_asset(session: Session, arguments: UploadAsset, caller: Caller) -> Asset:
    """Bring a file or URL by the endpoints of the model's route; bytes that were uploaded lately are not sent again.

    Raises:
        FileRejected: The file or URL may not be sent; nothing was.
        InvalidRequest: The model takes nothing of that kind; nothing was sent.
        AssetRejected: The provider's review refused it.
    """
    session.client.require_key()
    model = find_model(session.edition, arguments.model)
    if arguments.portrait and model.route.review != "library":
        allowed = ", ".join(each.name for each in session.edition.models if each.route.review == "library")
        raise InvalidRequest(
            f"portrait was true with {model.name}; allowed only with {allowed}. Nothing was sent.",
            field="portrait",
            allowed=allowed,
        )
    brought, review = await _made_reference(session, model, arguments, caller, session.upload_roots)
    if arguments.name:
        source, size_bytes = brought.file_name or arguments.source, brought.size_bytes or 0
        kept = NamedAsset(arguments.name, brought.kind, source, brought.sha256, size_bytes, arguments.portrait, session.now())
        await cast.remember(session, kept)
    return await _named(session, model, review, brought, arguments.name)


async def _made_reference(
    session: Session, model: Model, arguments: UploadAsset, caller: Caller, roots: list[Path]
) -> tuple[_Brought, AssetReview]:
    brought = await _bring(session, model, arguments, caller, roots)
    review = brought.review or await _submit(session, model, arguments, brought)
    if review.asset_id:
        review = await _reviewed(session, model, review, arguments, caller)
    if review.asset_id or brought.uploaded_at:
        await session.ledger.remember_media(_learnt(session, model, brought, review))
    return brought, review


def _learnt(session: Session, model: Model, brought: _Brought, review: AssetReview) -> Media:
    """Give what is known by now of the reference that a route took of a source."""
    reviewed = model.route.review if review.asset_id else None
    expires_at = _expires_at(session, brought, review)
    return Media(review.reference, brought.kind, brought.seconds, brought.size_px, reviewed, expires_at)


def _expires_at(session: Session, brought: _Brought | None, review: AssetReview) -> datetime | None:
    """Give when a reference ends; only the URL of an upload does."""
    uploaded_at = brought.uploaded_at if brought and not review.asset_id else None
    return uploaded_at and uploaded_at + timedelta(seconds=session.edition.url_lifetime_seconds.value)


async def _named(session: Session, model: Model, review: AssetReview, brought: _Brought, name: str | None) -> Asset:
    """Give the result, and keep the reference below the asset's name where it has one."""
    made = _asset(session, model, review, brought)
    if not name:
        return made
    await cast.remember_reference(session, name, model, review, _expires_at(session, brought, review))
    return made.model_copy(update={"name": f"@{name}"})


async def _fresh(session: Session, model: Model, name: str, caller: Caller) -> Asset:
    """Make a reference of a named asset for a model, or give the one that still works.

    Raises:
        InvalidRequest: There is no asset of that name, or the model takes nothing of its kind.
        FileRejected: The bytes are gone, or the route does not take them.
        AssetRejected: The provider's review refused it.
    """
    session.client.require_key()
    asset = await cast.find(session, name)
    files = cast.files_of(session)
    arguments = UploadAsset(
        source=str(cast.path_of(files, asset)) if asset.sha256 else asset.source,
        model=model.name,
        kind=asset.kind,
        portrait=asset.portrait and model.route.review == "library",
    )
    brought, review = await _made_reference(session, model, arguments, caller, [files.folder.resolve()])
    return await _named(session, model, review, brought, asset.name)


async def _submit(session: Session, model: Model, arguments: UploadAsset, brought: _Brought) -> AssetReview:
    """Hand a URL to the route's review, and remember which bytes lie behind it."""
    name = arguments.name or f"{brought.kind} from seedance-mcp"
    review = await reviews.submit_asset(session.client, model, brought.kind, brought.url, name, portrait=arguments.portrait)
    if brought.uploaded_at:
        await session.ledger.remember_upload(brought.digest, Upload(brought.url, review.asset_id, brought.uploaded_at))
    return review


def _check_use(edition: Edition, model: Model, kind: Kind, arguments: UploadAsset) -> None:
    """Raise `InvalidRequest` for a kind that the model has no field for."""
    if arguments.portrait and kind != "image":
        raise InvalidRequest(
            f"portrait was true for a source of kind {kind}; allowed: an image. Nothing was sent.",
            field="portrait",
            allowed="an image",
        )
    if not _use_in(model, kind):
        takers = ", ".join(each.name for each in edition.models if _use_in(each, kind))
        raise InvalidRequest(
            f"{model.name} takes no {kind}; allowed with {takers}. Nothing was sent.", field="model", allowed=takers
        )


async def _bring(session: Session, model: Model, arguments: UploadAsset, caller: Caller, roots: list[Path]) -> _Brought:
    """Give the source as a URL that the provider can read: it is one, or its bytes are sent."""
    source, limits = read_source(arguments.source, arguments.fit), session.edition.uploads.value
    if isinstance(source, UrlSource):
        kind = urls.kind_of_url(urls.check_url(source.url), arguments.kind, limits)
        _check_use(session.edition, model, kind, arguments)
        return await _known_url(session, model, arguments, kind) or _Brought(source.url, kind)
    wish = Wish(arguments.fit, source.start_seconds, source.shape) if isinstance(source, FileSource) else Wish(arguments.fit)
    async with _opened(session, source, arguments, caller, roots) as found:
        _check_kind(arguments, found)
        _check_use(session.edition, model, found.kind, arguments)
        async with prepared(found, model, limits, wish, _converting(caller)) as ready:
            _check_file(session.edition, ready.file, model, arguments.fit)
            if arguments.name:
                await cast.keep_bytes(session, ready.file)
            known = await _known(session, model, arguments, ready.file)
            brought = known or await _send(session, model, arguments, ready.file)
            note = _unchecked(ready.file, model, remote=bool(session.principal))
            brought = replace(brought, seconds=ready.file.seconds, size_px=ready.file.size_px)
            file_name, sha256 = ready.file.name, ready.file.sha256
            return replace(brought, note=note, changes=tuple(ready.changes), file_name=file_name, sha256=sha256)


def _check_kind(arguments: UploadAsset, found: MediaFile) -> None:
    """Raise `InvalidRequest` where the caller takes the file for something else."""
    if arguments.kind not in {None, found.kind}:
        raise InvalidRequest(
            f"kind was {arguments.kind}, and the file's content is {found.kind}; allowed: {found.kind}. Nothing was sent.",
            field="kind",
            allowed=found.kind,
        )


def _converting(caller: Caller) -> Report:
    """Make a function that reports the progress of a conversion."""
    meter = Meter()

    async def report(percent: float) -> None:
        await caller.report(meter.rise(percent), "converting")

    return report


@asynccontextmanager
async def _opened(
    session: Session, source: FrameSource | FileSource, arguments: UploadAsset, caller: Caller, roots: list[Path]
) -> AsyncGenerator[MediaFile]:
    """Open a local file, or a frame of a finished video as one."""
    if isinstance(source, FrameSource):
        async with _frame(session, source, caller) as found:
            yield found
        return
    limits, any_format = session.edition.uploads.value, arguments.fit != "none" and is_installed()
    path, roots = located(session, source.path, roots)
    with ExitStack() as stack:
        opening = local_files.open_media(path, roots, limits, any_format=any_format)
        try:
            found = await anyio.to_thread.run_sync(stack.enter_context, opening)
        except local_files.OutsideFolders as error:
            if session.principal:
                raise not_readable(session, caller.address or "") from error
            raise
        yield found


@asynccontextmanager
async def _frame(session: Session, source: FrameSource, caller: Caller) -> AsyncGenerator[MediaFile]:
    """Take a frame out of a finished video, which is fetched where it is not saved."""
    if not is_installed():
        raise NotConfigured(
            f"A frame of a video needs more than is installed: {advice('media', remote=bool(session.principal))}"
        )
    record = await downloads.finished_record(session, source.task_id)
    with scratch_folder() as folder:
        output = folder / "frame.png"
        async with downloads.open_video(session, record, caller) as video:
            argument = json.dumps({"moment": source.moment, "output": str(output)})
            try:
                await make("frame", argument, video, _converting(caller))
            except (Unreadable, OSError) as error:
                raise FileRejected(f"The video of {source.task_id} {error}. Nothing was sent.", field="source") from error
        name = Path(f"{source.task_id} {source.moment.replace('.', '_')}.png")
        found = await anyio.to_thread.run_sync(open_made, output, name, session.edition.uploads.value)
        with found.file:
            yield found


def _check_file(edition: Edition, found: MediaFile, model: Model, fit: str) -> None:
    """Name everything that is wrong with a file in one refusal, so that the agent can mend all of it at once."""
    violations, damage = check_bounds(found, model), found.content.damage
    if not violations and not damage:
        return
    faults = [f"{found.content.form.title.capitalize()} {damage}: {WAY_FORWARD[found.kind]} anew."] if damage else []
    allowed = "; ".join(each.allowed for each in violations) or f"a whole file of kind {found.kind}"
    if violations:
        measured = " and ".join(dict.fromkeys(each.measured for each in violations))
        sources = "; ".join(dict.fromkeys(edition.sources[each.source] for each in violations))
        taken = f"allowed on the route {model.route.name}: {allowed} ({sources})"
        faults.append(f"The {found.kind}{_looks(found)} has {measured}; {taken}.")
    if fit == "none" and not damage:
        faults.append("Without fit: none it is converted, where that can help.")
    raise FileRejected(f"{' '.join(faults)} Nothing was sent.", field="source", allowed=allowed)


def _unchecked(found: MediaFile, model: Model, *, remote: bool) -> str:
    """Name the bounds of the route that nobody could hold against the file; empty where all were."""
    unknown = " and ".join(unknown_measures(found, model))
    remedy = "" if is_installed() else f" To have it checked, {advice('media', remote=remote)}"
    if found.content.form.ending == "svg":
        return "An SVG goes as it is, not looked at as a picture; a PNG is surer."
    return f"Not checked, because it cannot be read here: {unknown}.{remedy}" if unknown else ""


def _looks(found: MediaFile) -> str:
    """Give codec and frame rate between brackets, where they are known."""
    rate = found.content.frames_per_second
    known = [found.content.codec, f"{rate:.4g} frames per second" if rate else ""]
    shown = ", ".join(each for each in known if each)
    return f" ({shown})" if shown else ""


def _digest_of(session: Session, model: Model, arguments: UploadAsset, found: MediaFile) -> str:
    """Name the bytes and what they are for: route, portrait or not, and provider."""
    purpose = (found.sha256, found.size_bytes, found.kind, model.route.name, arguments.portrait, session.settings.base_url)
    return hashlib.sha256(json.dumps(purpose).encode()).hexdigest()


async def _known_url(session: Session, model: Model, arguments: UploadAsset, kind: Kind) -> _Brought | None:
    """Give the reference that the model's route took of a named URL; `None` where there is none or its review failed."""
    made = [
        each.asset_id
        for asset, references in await session.ledger.assets()
        for each in references
        if asset.source == arguments.source and asset.portrait == arguments.portrait and each.route == model.route.name
    ]
    for asset_id in filter(None, made):
        with suppress(SeedanceError):
            review = await reviews.get_asset(session.client, model, asset_id, portrait=arguments.portrait)
            if review.stage != "failed":
                return _Brought(arguments.source, kind, review=review)
    return None


async def _known(session: Session, model: Model, arguments: UploadAsset, found: MediaFile) -> _Brought | None:
    """Give the same bytes as they were uploaded lately for the same purpose; `None` where their review failed or is lost."""
    digest = _digest_of(session, model, arguments, found)
    earlier = await session.ledger.find_upload(digest, session.edition.url_lifetime_seconds.value - _SPARE_SECONDS)
    if earlier is None:
        return None
    review = AssetReview(None, "active", earlier.url)
    if earlier.asset_id:
        try:
            review = await reviews.get_asset(session.client, model, earlier.asset_id, portrait=arguments.portrait)
        except SeedanceError:
            return None
    known = _Brought(earlier.url, found.kind, found.size_bytes, digest, earlier.at, review=review)
    return None if review.stage == "failed" else known


async def _send(session: Session, model: Model, arguments: UploadAsset, found: MediaFile) -> _Brought:
    uploaded = await session.client.upload_file(found.file, found.name, found.mime_type)
    try:
        url = urls.check_url(uploaded.url or "")
    except FileRejected as error:
        raise ProviderFailed("The provider took the file but gave no https:// URL for it. Try again later.") from error
    return _Brought(url, found.kind, found.size_bytes, _digest_of(session, model, arguments, found), session.now())


async def _reviewed(
    session: Session, model: Model, review: AssetReview, arguments: UploadAsset, caller: Caller
) -> AssetReview:
    """Wait for the review as long as the arguments say; raises `AssetRejected` where it failed."""
    meter, asset_id = Meter(), review.asset_id or ""

    async def poll() -> AssetReview:
        return await reviews.get_asset(session.client, model, asset_id, portrait=arguments.portrait)

    async def report(seen: AssetReview) -> None:
        await caller.report(meter.rise(0), f"review: {seen.stage}")

    if review.stage == "processing" and arguments.wait_seconds:
        review = await wait(
            Source(poll),
            lambda seen: seen.stage != "processing",
            report,
            lambda _: min(session.settings.min_poll_interval_seconds, REVIEW_POLL_SECONDS),
            timeout_seconds=arguments.wait_seconds,
            seen=review,
        )
    if review.stage == "failed":
        raise AssetRejected("The provider's review refused the file: bring another file with upload_asset.")
    return review


def _asset(session: Session, model: Model, review: AssetReview, found: _Brought | Media | None) -> Asset:
    """Give the result; it expires only where the reference is the URL of an upload."""
    brought, kind = found if isinstance(found, _Brought) else None, found.kind if found else None
    arguments = {"reference": review.reference, "model": model.name}
    good_for = f"Good for every model of the route {model.route.name}."
    again = Next(tool="get_asset", arguments=arguments, after_seconds=session.settings.min_poll_interval_seconds)
    return Asset(
        reference=review.reference,
        ready=review.stage == "active",
        status=review.stage,
        kind=kind,
        asset_id=review.asset_id,
        expires_at=views.iso(_expires_at(session, brought, review)),
        bytes=brought.size_bytes if brought else None,
        use_in=_use_in(model, kind),
        note=" ".join(filter(None, [good_for, _measures(found), brought.note if brought else ""])),
        changes=list(brought.changes) if brought else [],
        next=again if review.stage == "processing" else None,
    )


def _measures(found: _Brought | Media | None) -> str:
    """Say how large a file is and how long it plays, as it was sent; empty where neither is known."""
    size_px, seconds = (found.size_px, found.seconds) if found else (None, None)
    known = [*([f"{size_px[0]}x{size_px[1]} px"] if size_px else []), *([f"{seconds:.4g} s"] if seconds else [])]
    return f"It is {', '.join(known)}." if known else ""


def _use_in(model: Model, kind: Kind | None) -> list[str]:
    """List the request's fields that take such a reference; all media fields of the model where the kind is not known."""
    return [name for name in MEDIA_FIELDS if kind in {None, KIND_OF_FIELD[name]} and model.takes(name)]


async def get_asset(session: Session, arguments: GetAsset, caller: Caller) -> Asset:
    """Ask where the review of one asset stands; a refused asset is a normal result with `status` failed.

    Raises:
        InvalidRequest: The reference is no asset, the model's route has no review, the asset passed that of other routes, or
            no model is named and the asset was not brought from here.
        AssetRejected: The provider has no such asset.
    """
    known = await session.ledger.media(arguments.reference)
    model = find_model(session.edition, arguments.model or _reviewed_for(session.edition, known))
    if arguments.reference.startswith("@"):
        return await _fresh(session, model, arguments.reference, caller)
    asset_id = arguments.reference.removeprefix("asset://")
    if model.route.review == "none" or asset_id == arguments.reference or not asset_id:
        reviewed = ", ".join(route.name for route in session.edition.reviewed_by("audit", "library"))
        allowed = f"asset://… with a model of the routes {reviewed}"
        raise InvalidRequest(
            f"{urls.quoted(arguments.reference)} with {model.name} has no review; allowed: {allowed}.",
            field="reference",
            allowed=allowed,
        )
    if known and known.review and known.review != model.route.review:
        raise _reviewed_elsewhere(session.edition.reviewed_by(known.review), model, known.reference)
    try:
        review = await reviews.get_asset(session.client, model, asset_id)
    except NoAsset as error:
        raise AssetRejected(
            f"The provider has no asset of this reference for {model.name}: check the reference and the model, "
            "or bring the file with upload_asset.",
            field="reference",
        ) from error
    return _asset(session, model, review, known)


def _reviewed_for(edition: Edition, known: Media | None) -> str | None:
    """Name a model whose route takes an asset by the review that it passed; `None` where no review is known."""
    routes = edition.reviewed_by(known.review) if known and known.review else ()
    return edition.models_of(routes[0])[0].name if routes else None


def _reviewed_elsewhere(routes: Sequence[Route], model: Model, reference: str) -> InvalidRequest:
    names = [route.name for route in routes]
    allowed = f"a model of the route {' or '.join(names)}, or the reference that upload_asset gives with {model.name}"
    told = f"{urls.quoted(reference)} was reviewed for the route {', '.join(names)} only; allowed: {allowed}."
    return InvalidRequest(told, field="reference", allowed=allowed)
