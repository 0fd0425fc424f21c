"""The cast: files and URLs that a principal gave a name, kept so that any route gets a fresh reference of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import anyio.to_thread

from seedance_mcp.catalogue.facts import KIND_OF_FIELD, Model
from seedance_mcp.errors import FileRejected, InvalidRequest
from seedance_mcp.media.probe import MediaFile
from seedance_mcp.money.records import AssetReference, NamedAsset
from seedance_mcp.provider.answers import AssetReview
from seedance_mcp.storage.asset_files import AssetFiles
from seedance_mcp.tools import views
from seedance_mcp.tools.arguments import ListAssets, find_model
from seedance_mcp.tools.results import AssetList, AssetRow
from seedance_mcp.tools.session import Caller, Session

NAMES_MOST = 200
"""How many names one principal may have."""
BYTES_MOST = 1 << 30
"""How many bytes of assets are kept for one principal."""


def files_of(session: Session) -> AssetFiles:
    """Give the folder of the caller's assets."""
    return AssetFiles(session.settings.ledger_dir, session.principal)


def path_of(files: AssetFiles, asset: NamedAsset) -> Path:
    """Give where an asset's bytes are kept."""
    return files.path(asset.sha256 or "", Path(asset.source).suffix)


async def find(session: Session, name: str) -> NamedAsset:
    """Give the asset of a name, with or without `@`; raises `InvalidRequest` with the names there are."""
    wanted = name.removeprefix("@").lower()
    every = await session.ledger.assets()
    found = next((asset for asset, _ in every if asset.name == wanted), None)
    if found is None:
        known = ", ".join(f"@{asset.name}" for asset, _ in every[:20]) or "none yet: upload_asset with name makes one"
        raise InvalidRequest(f"There is no asset @{wanted[:40]}; allowed: {known}.", field="reference", allowed=known)
    return found


async def keep_bytes(session: Session, found: MediaFile) -> None:
    """Keep a file's bytes; raises `FileRejected` where there is no room, or the folder cannot be written."""
    every = await session.ledger.assets()
    gone = sum(asset.size_bytes for asset, _ in every) + found.size_bytes
    if len(every) >= NAMES_MOST or gone > BYTES_MOST:
        raise FileRejected(
            f"No more assets can be kept by name; allowed: {NAMES_MOST} names and {BYTES_MOST >> 20} MB. Nothing was sent: "
            "bring the file without name, or let the operator remove one (seedance-mcp assets remove).",
            field="name",
        )
    files = files_of(session)
    path = files.path(found.sha256, Path(found.name).suffix)
    try:
        await anyio.to_thread.run_sync(files.keep, found.file, path)
    except OSError as error:
        raise FileRejected(
            f"The file cannot be kept by name ({error.strerror}), and nothing was sent: the operator should free or open "
            "SEEDANCE_DATA_DIR. It can be brought without name.",
            field="name",
        ) from error


async def remember(session: Session, asset: NamedAsset) -> None:
    """Give an asset its name; an earlier one of that name is replaced, and its bytes go."""
    before = [each for each, _ in await session.ledger.assets() if each.name == asset.name]
    await session.ledger.keep_asset(asset)
    await sweep(session, before)


async def sweep(session: Session, dropped: Sequence[NamedAsset]) -> None:
    """Remove the bytes of assets that lost their name, unless another name needs them, and what killed processes left."""
    files = files_of(session)
    kept = [path_of(files, asset) for asset, _ in await session.ledger.assets() if asset.sha256]
    await anyio.to_thread.run_sync(files.sweep, kept, [path_of(files, asset) for asset in dropped if asset.sha256])


async def remember_reference(
    session: Session, name: str, model: Model, review: AssetReview, expires_at: datetime | None
) -> None:
    """Keep the reference that a route took of an asset."""
    ready = review.stage == "active"
    reference = AssetReference(name, model.route.name, review.reference, review.asset_id, ready=ready, expires_at=expires_at)
    await session.ledger.remember_reference(reference)


async def list_assets(session: Session, arguments: ListAssets, caller: Caller) -> AssetList:
    """Give the named assets, of one kind or for one model where that is asked for."""
    model = find_model(session.edition, arguments.model) if arguments.model else None
    every = await session.ledger.assets()
    fitting = [(asset, made) for asset, made in every if arguments.kind in {None, asset.kind} and _is_taken(model, asset)]
    return AssetList(assets=[_row(asset, [each for each in made if _is_of(model, each)]) for asset, made in fitting])


def _is_taken(model: Model | None, asset: NamedAsset) -> bool:
    return model is None or any(model.takes(name) for name, kind in KIND_OF_FIELD.items() if kind == asset.kind)


def _is_of(model: Model | None, reference: AssetReference) -> bool:
    return model is None or reference.route == model.route.name


def _row(asset: NamedAsset, made: Sequence[AssetReference]) -> AssetRow:
    return AssetRow(
        name=f"@{asset.name}",
        kind=asset.kind,
        used_with=[each.route for each in made],
        ready=any(each.ready for each in made),
        expires_at=views.iso(min((each.expires_at for each in made if each.expires_at), default=None)),
    )
