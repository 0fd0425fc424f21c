"""An edition: all that is known about the provider's models at one date, as a value that is handed to whatever needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

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
    field_aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    """Another name of a request's field → the one that is sent."""
    scheme_aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    """Another scheme of a reference → the one that is sent."""
    shares_definitions: bool = False
    """Whether the union of request schemas says once what all its branches demand: an edition of many routes must be small."""
    notes: tuple[str, ...] = ()
    """Sentences about the whole edition, for the limits page."""

    @cached_property
    def by_name(self) -> Mapping[str, Model]:
        """The models by name, in the order in which they are listed."""
        return {model.name: model for model in self.models}

    def find(self, name: object) -> Model | None:
        """Give the model of that name, or `None` where there is none."""
        return self.by_name.get(name) if isinstance(name, str) else None

    @cached_property
    def _aliases(self) -> Mapping[str, tuple[Model, str | None]]:
        return {alias.name: (model, alias.resolution) for model in self.models for alias in model.aliases}

    def resolve(self, name: object) -> tuple[Model, str | None] | None:
        """Give the model of a name or an alias, and the resolution that the alias stands for; `None` where there is none."""
        if found := self.find(name):
            return found, None
        return self._aliases.get(name) if isinstance(name, str) else None

    def url_lifetime_seconds_of(self, name: str | None) -> int:
        """Give how long the URL of a finished video works that was made with the model of that name."""
        model = self.find(name)
        own = model.route.url_lifetime_seconds if model else None
        return (own or self.url_lifetime_seconds).value

    @cached_property
    def own_lifetimes(self) -> Mapping[int, tuple[str, ...]]:
        """The lifetimes in seconds that are not the edition's, each with the models whose URLs have it."""
        found: dict[int, tuple[str, ...]] = {}
        for model in self.models:
            if (lives := self.url_lifetime_seconds_of(model.name)) != self.url_lifetime_seconds.value:
                found[lives] = (*found.get(lives, ()), model.name)
        return found

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

    @property
    def option_names(self) -> tuple[str, ...]:
        """Every further field that some route has."""
        return tuple(dict.fromkeys(name for route in self.routes for name in route.options))

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that requests are sent to, below the API's prefix."""
        return tuple(dict.fromkeys(route.path for route in self.routes))

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


@cache
def narrowed(edition: Edition, names: tuple[str, ...]) -> Edition:
    """Give an edition of some models only; each name is a model, another name of one, or a route.

    Raises:
        ValueError: A name is unknown; the message names the routes and models there are.
    """
    chosen = [model for name in names for model in _named(edition, name)]
    models = {
        model.name: _without(model.route, frozenset(each.name for each in chosen))
        for model in edition.models
        if model in chosen
    }
    routes = dict.fromkeys(models.values())
    kept = tuple(replace(model, route=models[model.name]) for model in edition.models if model.name in models)
    return replace(edition, routes=tuple(routes), models=kept)


def _named(edition: Edition, name: str) -> tuple[Model, ...]:
    if route := next((each for each in edition.routes if each.name == name), None):
        return edition.models_of(route)
    if found := edition.resolve(name):
        return (found[0],)
    allowed = ", ".join((*edition.route_names, *edition.model_names))
    raise ValueError(f'the edition {edition.name} has no model or route "{name}"; allowed: {allowed}')


@cache
def _without(route: Route, kept: frozenset[str]) -> Route:
    """Give a route as those of its models have it that are kept; a route of whom nothing is left out stays the same."""
    lists = {name: tuple(each for each in getattr(route, name) if each in kept) for name in ("video_models", "small_models")}
    changed: dict[str, Any] = {name: each for name, each in lists.items() if each != getattr(route, name)}
    if changed.get("video_models") == ():
        changed["reference_videos"] = replace(route.reference_videos, value=0)
    return replace(route, **changed) if changed else route


def newer_than(edition: Edition) -> Iterator[Edition]:
    """Give each edition after one, the oldest first."""
    yield from (load_edition(name) for name in edition_names() if name > edition.name)
