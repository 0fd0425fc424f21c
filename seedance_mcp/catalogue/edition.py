"""An edition: all that is known about the provider's models at one date, as a value that is handed to whatever needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pkgutil import iter_modules

from seedance_mcp.catalogue.facts import Fact, FrameSize, Model, Review, Route, Span, UploadLimits

DEFAULT_EDITION = "2026-07"
_FOLDER = "seedance_mcp.catalogue.editions"
_PREFIX = "edition_"


@dataclass(frozen=True, kw_only=True, eq=False)
class Edition:
    """The catalogue as it stood at a date; editions are compared by identity."""

    name: str
    """The year and month, such as `2026-07`."""
    currency: str
    """The unit of prices and costs."""
    contract: str
    """Key of the source that decides where others disagree."""
    sources: Mapping[str, str]
    """Source key → what the source is, and its date."""
    routes: tuple[Route, ...]
    models: tuple[Model, ...]
    """In the order in which they are listed."""
    uploads: Fact[UploadLimits]
    url_lifetime_seconds: Fact[int]
    """How long the URL of an upload or of a finished video works, about."""
    result_hosts: Fact[tuple[str, ...]]
    """Origins that finished videos may come from, as a content policy writes them."""
    poll_interval_seconds: Fact[Span]
    """The provider's advice for the time between two polls of one task."""
    frames_per_second: Fact[int]
    """Of every finished video."""
    frame_sizes: Mapping[str, Mapping[str, FrameSize]]
    """Ratio → resolution → size of a finished video; the resolutions of each ratio grow."""
    notes: tuple[str, ...] = ()
    """Sentences about the whole edition, for the limits page."""

    @cached_property
    def by_name(self) -> Mapping[str, Model]:
        """The models by name, in the order in which they are listed."""
        return {model.name: model for model in self.models}

    def find(self, name: object) -> Model | None:
        """Give the model of that name, or `None` where there is none."""
        return self.by_name.get(name) if isinstance(name, str) else None

    def models_of(self, route: Route) -> tuple[Model, ...]:
        """Give the models of one route."""
        return tuple(model for model in self.models if model.route is route)

    @property
    def model_names(self) -> tuple[str, ...]:
        """Every value that a request's `model` can have."""
        return tuple(self.by_name)

    @property
    def route_names(self) -> tuple[str, ...]:
        """Every route's name."""
        return tuple(route.name for route in self.routes)

    @cached_property
    def resolutions(self) -> tuple[str, ...]:
        """Every resolution that some model can give, the smallest first."""
        given = {resolution for model in self.models for resolution in model.resolutions}
        sizes = next(iter(self.frame_sizes.values()))
        return tuple(resolution for resolution in sizes if resolution in given)

    @cached_property
    def ratios(self) -> tuple[str, ...]:
        """Every ratio that some route takes."""
        return tuple(dict.fromkeys(ratio for route in self.routes for ratio in route.ratio.value.allowed))

    @cached_property
    def durations(self) -> range:
        """The seconds from the shortest to the longest video of all routes."""
        spans = [route.duration.value for route in self.routes]
        return range(min(span.min for span in spans), max(span.max for span in spans) + 1)

    def reviewed_by(self, *reviews: Review) -> tuple[Route, ...]:
        """Give the routes whose files become references in one of these ways."""
        return tuple(route for route in self.routes if route.review in reviews)


def edition_names() -> tuple[str, ...]:
    """List the editions there are, the oldest first: one for each module of the folder `editions`."""
    found = (module.name for module in iter_modules(import_module(_FOLDER).__path__))
    return tuple(sorted(name.removeprefix(_PREFIX).replace("_", "-") for name in found if name.startswith(_PREFIX)))


@cache
def load_edition(name: str = DEFAULT_EDITION) -> Edition:
    """Give the edition of that name, and load it at its first use.

    Raises:
        ValueError: There is no such edition; the message names those there are.

    """
    if name not in edition_names():
        raise ValueError(f'there is no edition "{name}"; allowed: {", ".join(edition_names())}')
    edition: Edition = import_module(f"{_FOLDER}.{_PREFIX}{name.replace('-', '_')}").EDITION
    return edition
