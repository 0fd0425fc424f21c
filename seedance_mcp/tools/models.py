"""The tool that compares models."""

from __future__ import annotations

from seedance_mcp.catalogue.editions import edition_2026_07
from seedance_mcp.catalogue.facts import Model
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.tools import views
from seedance_mcp.tools.arguments import ListModels, find_model
from seedance_mcp.tools.results import ModelList
from seedance_mcp.tools.session import Caller, Session


async def list_models(session: Session, arguments: ListModels, caller: Caller) -> ModelList:
    """Give the models that fit every filter; raises `InvalidRequest` for a filter that no model could fit."""
    found = [find_model(arguments.model)] if arguments.model else list(edition_2026_07.MODELS)
    for name, known in (("route", _ROUTES), ("resolution", _RESOLUTIONS)):
        wanted = getattr(arguments, name)
        if wanted is not None and wanted not in known:
            allowed = f"one of {', '.join(known)}"
            raise InvalidRequest(f'{name} was "{wanted}"; allowed: {allowed}.', field=name, allowed=allowed)
    await session.prices.refresh()
    return views.list_of_models(
        [model for model in found if _fits(model, arguments)],
        session.prices,
        with_schema=arguments.model is not None,
        sandbox=session.settings.sandbox,
    )


_ROUTES = tuple(route.name for route in edition_2026_07.ROUTES)
_RESOLUTIONS = tuple(dict.fromkeys(size for model in edition_2026_07.MODELS for size in views.resolutions(model)))


def _fits(model: Model, wanted: ListModels) -> bool:
    return (
        wanted.route in {None, model.route.name}
        and (wanted.resolution is None or wanted.resolution in views.resolutions(model))
        and all(model.takes(what) for what in wanted.takes or ())
    )
