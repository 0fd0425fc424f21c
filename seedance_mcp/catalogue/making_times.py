"""How long videos took elsewhere, as published: a first guess for a model that nothing was made with here yet."""

from __future__ import annotations

from dataclasses import dataclass

from seedance_mcp.catalogue.facts import Model


@dataclass(frozen=True, slots=True)
class MakingTime:
    """How long making a video takes, as somebody else saw it."""

    seconds: float
    """The most likely time."""
    width: float
    """The standard deviation of its logarithm."""
    source: str
    """The observation, its origin and date."""


_MD = MakingTime(840, 0.5, "four videos of 12 s with seedance2.0-fast-md took 316 to 1,042 s, a user's log of June 2026")
_MINI = MakingTime(110, 0.3, "videos of the mini models took 70 to 150 s, upstream's customers, September 2026")
_BY_ROUTE = {"md": _MD, "mini": _MINI, "mini-sp": _MINI}


def published_making_time(model: Model | None) -> MakingTime | None:
    """Give what is published for the models of a route; `None` where nothing is."""
    return _BY_ROUTE.get(model.route.name) if model else None
