"""The provider's reviews of media: a URL becomes a reference that a route takes, each route by endpoints of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedance_mcp.catalogue.facts import Kind, Model
from seedance_mcp.errors import SeedanceError
from seedance_mcp.provider.answers import AssetReview

if TYPE_CHECKING:
    from seedance_mcp.provider.client import ProviderClient


async def submit_asset(
    client: ProviderClient, model: Model, kind: Kind, url: str, name: str, *, portrait: bool
) -> AssetReview:
    """Hand a URL to the review of the model's route.

    Args:
        client: The provider.
        model: The model that will use the asset.
        kind: What lies behind the URL.
        url: Where the provider can read it.
        name: What the asset is called in the provider's library.
        portrait: Whether to ask for the whitelist of real persons, which only SP models have.

    Returns:
        Where the asset stands now; a route without a review takes the URL itself.

    Raises:
        AssetRejected: The review refused it at once.
        NoAsset: The provider's answer names no asset.
    """
    if portrait:
        return await client.create_portrait(name, url)
    if model.route.review == "library":
        return await client.create_sp_asset(name, kind, url)
    if model.route.review == "audit":
        return await client.create_audit(kind, url)
    return AssetReview(None, "active", url)


async def get_asset(client: ProviderClient, model: Model, asset_id: str, *, portrait: bool | None = None) -> AssetReview:
    """Ask where one asset stands.

    Where `portrait` is `None`, an SP asset is looked for in the library first, then in the whitelist. Raises `NoAsset`
    where the provider's answer names no asset, and the provider's refusal otherwise.
    """
    if model.route.review == "audit":
        return await client.get_audit(asset_id)
    if portrait:
        return await client.get_portrait(asset_id)
    try:
        return await client.get_sp_asset(asset_id)
    except SeedanceError as error:
        if portrait is False or error.retryable:
            raise
        return await client.get_portrait(asset_id)
