"""The tool that compares models."""

from __future__ import annotations

import anyio.to_thread

from seedance_mcp.catalogue.facts import Model
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.tools import brief, views
from seedance_mcp.tools.arguments import ListModels, find_model
from seedance_mcp.tools.results import ModelList
from seedance_mcp.tools.session import Caller, Session


async def list_models(session: Session, arguments: ListModels, caller: Caller) -> ModelList:
    """Give the models that fit every filter; raises `InvalidRequest` for a filter that no model could fit."""
    edition = session.edition
    found = [find_model(edition, arguments.model)] if arguments.model else edition.models
    _check("route", arguments.route, edition.route_names)
    _check("resolution", arguments.resolution, edition.resolutions)
    await session.prices.refresh()
    fitting = [model for model in found if _fits(model, arguments)]
    if (arguments.detail or ("full" if arguments.model else "brief")) == "brief":
        return brief.list_of_models(edition, fitting, session.prices)
    return views.list_of_models(
        edition,
        fitting,
        session.prices,
        observed=[*(await anyio.to_thread.run_sync(session.shared.observations.read)).values()],
        with_schema=arguments.model is not None,
    )


def _check(field: str, wanted: str | None, known: tuple[str, ...]) -> None:
    if wanted is not None and wanted not in known:
        allowed = f"one of {', '.join(known)}"
        raise InvalidRequest(f'{field} was "{wanted}"; allowed: {allowed}.', field=field, allowed=allowed)


def _fits(model: Model, wanted: ListModels) -> bool:
    return (
        wanted.route in {None, model.route.name}
        and wanted.resolution in {None, *model.resolutions}
        and all(model.takes(feature) for feature in wanted.takes or ())
    )
