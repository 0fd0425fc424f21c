"""The provider's reviews: a link becomes a reference that the route accepts, each route by its own path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from seedance_mcp.catalogue.facts import Kind, Model
from seedance_mcp.errors import AssetRejected, ProviderFailed, SeedanceError
from seedance_mcp.untrusted import sanitize

if TYPE_CHECKING:
    from seedance_mcp.provider.client import ProviderClient


class NoAsset(ProviderFailed):
    """The provider's answer names no asset."""


Stage = Literal["processing", "active", "failed"]

STAGES: dict[str, Stage] = {
    "active": "active",
    **dict.fromkeys(("none", "uploading", "pending", "processing", "submitted"), "processing"),
    **dict.fromkeys(("failed", "rejected", "expired", "deleted"), "failed"),
}
"""Every review status that the documentation names, in lower case."""


@dataclass(frozen=True, slots=True)
class Review:
    """Where one asset stands; `asset_id` is `None` where the link itself is the reference."""

    asset_id: str | None
    stage: Stage
    reference: str


async def submit_asset(client: ProviderClient, model: Model, kind: Kind, url: str, name: str, *, portrait: bool) -> Review:
    """Hand a link to the review of the model's route; raises `AssetRejected`."""
    if portrait:
        return _portrait(await client.create_portrait(name, url))
    if model.route.review == "library":
        return _review({"status": "processing", **await client.create_sp_asset(name, kind, url)})
    if model.route.review == "audit":
        return _audited(await client.create_audit(kind, url))
    return Review(None, "active", url)


async def get_asset(client: ProviderClient, model: Model, asset_id: str, *, portrait: bool | None = None) -> Review:
    """Look at one asset; without `portrait` an SP asset is sought in the library first, then in the whitelist."""
    if model.route.review == "audit":
        return _audited(await client.get_audit(asset_id))
    if portrait:
        return _portrait(await client.get_portrait(asset_id))
    try:
        return _review({"asset_id": asset_id, **await client.get_sp_asset(asset_id)})
    except SeedanceError as error:
        if portrait is False or error.retryable:
            raise
        return _portrait(await client.get_portrait(asset_id))


def _audited(data: dict[str, Any]) -> Review:
    if failed := data.get("failed_items"):
        raise AssetRejected(
            f'The review refused the file: bring another one with upload_asset. The provider\'s words: "{sanitize(failed)}".'
        )
    items = data.get("items")
    first: Any = cast("list[Any]", items)[0] if isinstance(items, list) and items else {}
    return _review(cast("dict[str, Any]", first) if isinstance(first, dict) else {})


def _portrait(data: dict[str, Any]) -> Review:
    reference = data.get("asset_ref")
    return _review(data, sanitize(reference) if isinstance(reference, str) and reference else None)


def _review(data: dict[str, Any], reference: str | None = None) -> Review:
    asset_id = data.get("asset_id")
    if not isinstance(asset_id, str) or not asset_id or not asset_id.isprintable() or " " in asset_id:
        raise NoAsset("The provider's answer names no asset. Try again later.")
    stage = STAGES.get(str(data.get("status")).lower(), "processing")
    return Review(asset_id, stage, reference or f"asset://{asset_id}")
