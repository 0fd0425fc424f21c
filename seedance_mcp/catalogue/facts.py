"""The shapes of a fact: a value, the source that states it, the sources that disagree; and of routes and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Generic, Literal, NamedTuple, TypeVar, cast

T_co = TypeVar("T_co", covariant=True)


class ConflictingSource(NamedTuple):
    """A source that states something else about a fact."""

    statement: str
    source: str
    """Key of `Edition.sources`."""
    value: object = None
    """The value that this source would allow: a `Span`, a count, a flag or a tuple of values; `None` where it states none."""
    models: tuple[str, ...] = ()
    """The models that the statement is about; empty for the whole route."""


@dataclass(frozen=True, slots=True)
class Fact(Generic[T_co]):
    """A value, the source that states it, and the sources that disagree."""

    value: T_co
    source: str
    """Key of `Edition.sources`."""
    conflicting: tuple[ConflictingSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Whole numbers from `min` to `max`, both included."""

    min: int
    max: int
    default: int
    step: int = 1
    """Only the multiples of this are allowed; `min` is one."""
    also: tuple[int, ...] = ()
    """Single values below `min` that are allowed as well, in a row, such as -1 for a length that the provider chooses."""

    def __contains__(self, value: int) -> bool:
        """Say whether a whole number is allowed."""
        return value in self.also or (self.min <= value <= self.max and value % self.step == 0)

    @property
    def description(self) -> str:
        """The numbers as sentences write them, such as `4 to 15` or `10 or 15`."""
        return self._written(" to ")

    @property
    def short(self) -> str:
        """The numbers as tables write them, such as `4-15`."""
        return self._written("-")

    def _written(self, between: str) -> str:
        inside = range(self.min, self.max + 1, self.step)
        span = f"{self.min}{between}{self.max}" if self.step == 1 and self.min < self.max else " or ".join(map(str, inside))
        return " or ".join((span, *map(str, self.also)))


@dataclass(frozen=True, slots=True)
class Choice:
    """A closed list of values; `default` is `None` where no source names one."""

    allowed: tuple[str, ...]
    default: str | None = None


class FrameSize(NamedTuple):
    """Width and height of a picture or video, in pixels."""

    width_px: int
    height_px: int


Measure = Literal["bytes", "seconds", "sides_px", "a_side_px", "pixels", "aspect"]
"""A property of a file that is measured; `aspect` is width / height."""


class Bound(NamedTuple):
    """The smallest and the largest value that one measure of a file may have."""

    measure: Measure
    low: float
    high: float

    @property
    def description(self) -> str:
        """The bound as refusals and tables write it."""
        if self.measure == "bytes":
            return f"up to {self.high / 2**20:.0f} MB"
        return _MEASURES[self.measure].format(low=f"{self.low:.9g}", high=f"{self.high:.9g}")


_MEASURES: dict[Measure, str] = {
    "seconds": "{low} to {high} s",
    "sides_px": "each side {low} to {high} px",
    "a_side_px": "{low} to {high} px (which side is not stated)",
    "pixels": "{low} to {high} pixels in all",
    "aspect": "width / height {low} to {high}",
}

Kind = Literal["image", "video", "audio"]
"""The kind of a media file."""


class FileBounds(NamedTuple):
    """The bounds of one file of a kind."""

    kind: Kind
    bounds: tuple[Bound, ...]
    refused: tuple[str, ...] = ()
    """Endings of formats that are not taken, though the file upload knows them."""

    @property
    def description(self) -> str:
        """The bounds as tables write them."""
        return ", ".join((*(bound.description for bound in self.bounds), *(f"no {each.upper()}" for each in self.refused)))


class UploadLimits(NamedTuple):
    """The limits of the provider's file upload, the same for every model."""

    max_bytes: int
    endings: Mapping[Kind, tuple[str, ...]]
    """File name endings by kind, lower case, without the dot."""

    @property
    def all_endings(self) -> tuple[str, ...]:
        """Every ending, in the order of the kinds."""
        return tuple(ending for endings in self.endings.values() for ending in endings)

    def kind_of(self, ending: str) -> Kind | None:
        """Give the kind of files that end like this, or `None` for an ending that is not taken."""
        return next((kind for kind, endings in self.endings.items() if ending in endings), None)


Review = Literal["audit", "library", "none"]
"""How a file becomes a reference: a mandatory audit, an optional library (with a whitelist for portraits), or just a URL."""


Unit = Literal["second", "task", "million tokens"]
"""What a price is for."""
Availability = Literal["listed", "documented", "delisted"]
"""Whether the provider's navigation or index names a model, only a page of its own does, or they named it once."""


class MakingTime(NamedTuple):
    """How long making a video takes, as somebody else saw it."""

    seconds: float
    """The most likely time."""
    width: float
    """The standard deviation of its logarithm."""
    source: str
    """The observation, its origin and date."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One line of the provider: the limits that all its models share; routes are compared by identity."""

    name: str
    title: str
    page: str | None = None
    """Key of the source of what is no fact of its own; `None`: the edition's contract."""
    duration: Fact[Span]
    """Seconds of video."""
    resolution: Fact[Choice] | None
    """`None`: the model's name fixes it, and a request that names one is refused."""
    sends_resolution: bool = True
    """Whether the HTTP body names the resolution."""
    ratio: Fact[Choice]
    prompt_max_chars: Fact[int] | None = None
    """Unicode code points; `None`: not stated."""
    schemes: Fact[tuple[str, ...]]
    """URL schemes of every media field."""
    images: Fact[int]
    """How many reference images at most."""
    reference_videos: Fact[int]
    """How many at most; 0: the route takes none."""
    video_models: tuple[str, ...] = ()
    """The only models that take reference videos; empty: all of the route."""
    small_models: tuple[str, ...] = ()
    """The models that have fewer resolutions than the route (`Model.only_resolutions`)."""
    reference_audios: Fact[int]
    """How many at most; 0: the route takes none."""
    takes_orientation: bool = True
    """Whether a request may name an orientation."""
    frames: bool = True
    """Whether the route takes a first and a last frame."""
    both_frames: bool = False
    """Whether a first frame needs a last one, and the reverse."""
    last_needs_first: bool = False
    """Whether a last frame needs a first one."""
    videos_with_frames: bool = True
    """Whether reference videos may accompany frames."""
    audio_with_frames: Fact[bool] | None = None
    """Whether reference audio may accompany frames; `None`: the route takes no audio, or no frames."""
    audio_alone: bool = False
    """Whether reference audio needs no other media beside it."""
    options: Mapping[str, Fact[bool] | Fact[Choice]] = field(default_factory=dict[str, "Fact[bool] | Fact[Choice]"])
    """Further fields of a request by name: a switch with its default, or a closed list."""
    path: str = "/seedance/videos"
    """Where requests are sent, below the API's prefix."""
    review: Review
    per: Unit
    """The unit that a price is for."""
    billing: Fact[tuple[str, ...]]
    """Names in the provider's price list, best first; `{model}` and `{resolution}` are filled in."""
    files: tuple[Fact[FileBounds], ...]
    """The bounds of an uploaded file, for each kind that the route takes."""
    url_lifetime_seconds: Fact[int] | None = None
    """How long the URL of a finished video works; `None`: as long as the edition says."""
    making_time: MakingTime | None = None
    """How long making a video takes elsewhere, until some were made here; `None`: nothing is published."""
    notes: tuple[str, ...] = ()
    purpose: str
    """When to choose it: advice of ours, which no source states."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules between fields that apply to this route (keys of `RULES`)."""
        applies = {
            "images_or_frames": self.frames,
            "both_frames": self.both_frames,
            "video_models_only": bool(self.video_models),
            "audio_not_alone": self.reference_audios.value > 0 and not self.audio_alone,
            "no_audio_with_frames": self.audio_with_frames is not None and not self.audio_with_frames.value,
            "no_videos_with_frames": not self.videos_with_frames,
            "last_needs_first": self.last_needs_first,
            "resolution_of_model": bool(self.small_models),
        }
        return tuple(name for name in RULES if applies[name])

    @property
    def facts(self) -> dict[str, Fact[object]]:
        """The facts by the name of their field; those about files are in `files`."""
        values: dict[str, object] = {each.name: getattr(self, each.name) for each in fields(self)}
        values |= self.options
        return {name: cast("Fact[object]", value) for name, value in values.items() if isinstance(value, Fact)}

    def bounds_of(self, kind: Kind) -> list[Bound]:
        """Give every bound of an uploaded file of one kind."""
        return [bound for fact in self.files if fact.value.kind == kind for bound in fact.value.bounds]

    def conflicting(self, model: str) -> dict[str, list[ConflictingSource]]:
        """Give the sources that disagree about one model, by the name of the field that they disagree about."""
        found = {
            name: [each for each in fact.conflicting if model in (each.models or (model,))]
            for name, fact in self.facts.items()
        }
        return {name: sources for name, sources in found.items() if sources}


class Alias(NamedTuple):
    """Another name that the provider takes for a model."""

    name: str
    resolution: str | None = None
    """The resolution that a request of this name has unless it names one."""


@dataclass(frozen=True, slots=True)
class Model:
    """One value of the request's `model` field."""

    name: str
    title: str
    route: Route
    resolution: str | None = None
    """The output resolution that the name fixes."""
    only_resolutions: tuple[str, ...] = ()
    """The resolutions of the route that the model has; empty: all."""
    billing: tuple[str, ...] = ()
    """Price list names of this model only, tried before those of its route."""
    bills_first_video: bool = False
    """Whether the seconds of the first reference video are billed on top of the duration."""
    video_billing: tuple[str, ...] = ()
    """Price list names of a request with reference videos; empty: the same as without."""
    aliases: tuple[Alias, ...] = ()
    unit: Unit | None = None
    """The unit that a price is for where it is not the route's."""
    availability: Fact[Availability] | None = None
    """`None`: nothing is stated."""

    @property
    def per(self) -> Unit:
        """The unit that a price is for."""
        return self.unit or self.route.per

    @property
    def price_mode(self) -> str:
        """The unit as the provider's price list writes it, such as `per_second`."""
        return f"per_{self.per}".replace(" ", "_")

    @property
    def is_only_documented(self) -> bool:
        """Whether only a page of its own names it, and no list of the provider's."""
        return self.availability is not None and self.availability.value == "documented"

    @property
    def takes_videos(self) -> bool:
        """Whether the model takes `reference_videos`."""
        return self.route.reference_videos.value > 0 and self.name in (self.route.video_models or (self.name,))

    def takes(self, feature: str) -> bool:
        """Whether the model takes a media field, `frames`, or references of a scheme (`https`, `asset`)."""
        if feature in {"frames", *FRAME_FIELDS}:
            return self.route.frames
        if feature in {"https", "asset"}:
            return feature in self.route.schemes.value
        return self.takes_videos if feature == "reference_videos" else getattr(self.route, feature).value > 0

    @property
    def default_resolution(self) -> str:
        """The resolution of a request that names none."""
        stated = self.route.resolution.value.default if self.route.resolution else None
        return self.resolution or stated or self.resolutions[0]

    @property
    def resolutions(self) -> tuple[str, ...]:
        """Every resolution that a video of this model can have."""
        if self.resolution:
            return (self.resolution,)
        if self.only_resolutions:
            return self.only_resolutions
        return self.route.resolution.value.allowed if self.route.resolution else ()

    def billing_names(self, resolution: str, *, with_videos: bool = False) -> tuple[str, ...]:
        """Give the names to look for in a price list, best first; `with_videos` says that a request has reference videos."""
        names = (self.video_billing if with_videos else ()) or (*self.billing, *self.route.billing.value)
        return tuple(name.format(model=self.name, resolution=resolution) for name in names)

    @property
    def price_list_names(self) -> frozenset[str]:
        """Every name that a price list may have the model under."""
        billed = (self.billing_names(each, with_videos=videos) for each in self.resolutions for videos in (False, True))
        return frozenset({self.name, *(alias.name for alias in self.aliases), *(name for names in billed for name in names)})


RULES = {
    "images_or_frames": "images cannot be combined with first_image or last_image",
    "both_frames": "first_image and last_image come as a pair: both, or neither",
    "video_models_only": "reference_videos need a model of the route's video series",
    "audio_not_alone": "reference_audios need images, reference_videos or frames beside them",
    "no_audio_with_frames": "reference_audios cannot be combined with first_image or last_image",
    "no_videos_with_frames": "reference_videos cannot be combined with first_image or last_image",
    "last_needs_first": "last_image needs first_image beside it",
    "resolution_of_model": "resolution must be one that the model has",
}
"""Rule name → the sentence that refusals, `list_models` and the limits page quote."""

FRAME_FIELDS = ("first_image", "last_image")
LIST_FIELDS = ("images", "reference_videos", "reference_audios")
MEDIA_FIELDS = ("images", *FRAME_FIELDS, "reference_videos", "reference_audios")
KIND_OF_FIELD: dict[str, Kind] = {
    "images": "image",
    "first_image": "image",
    "last_image": "image",
    "reference_videos": "video",
    "reference_audios": "audio",
}
ORIENTATIONS = ("landscape", "portrait")
