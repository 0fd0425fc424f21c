"""The shapes of a fact: a value, the source that states it, the sources that disagree; and of routes and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Generic, Literal, NamedTuple, TypeVar, cast

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ConflictingSource:
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


@dataclass(frozen=True, slots=True)
class Bound:
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


@dataclass(frozen=True, slots=True)
class FileBounds:
    """The bounds of one file of a kind."""

    kind: Kind
    bounds: tuple[Bound, ...]
    refused: tuple[str, ...] = ()
    """Endings of formats that are not taken, though the file upload knows them."""

    @property
    def description(self) -> str:
        """The bounds as tables write them."""
        return ", ".join((*(bound.description for bound in self.bounds), *(f"no {each.upper()}" for each in self.refused)))


@dataclass(frozen=True, slots=True)
class UploadLimits:
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One line of the provider: the limits that all its models share; routes are compared by identity."""

    name: str
    title: str
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
    reference_audios: Fact[int]
    """How many at most; 0: the route takes none."""
    both_frames: bool = False
    """Whether a first frame needs a last one, and the reverse."""
    audio_with_frames: Fact[bool] | None = None
    """Whether reference audio may accompany frames; `None`: the route takes no audio."""
    review: Review
    per: Literal["second", "task"]
    """The unit that a price is for."""
    billing: Fact[tuple[str, ...]]
    """Names in the provider's price list, best first; `{model}` and `{resolution}` are filled in."""
    files: tuple[Fact[FileBounds], ...]
    """The bounds of an uploaded file, for each kind that the route takes."""
    notes: tuple[str, ...] = ()
    purpose: str
    """When to choose it: advice of ours, which no source states."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules between fields that apply to this route (keys of `RULES`)."""
        applies = {
            "images_or_frames": True,
            "both_frames": self.both_frames,
            "video_models_only": bool(self.video_models),
            "audio_not_alone": self.reference_audios.value > 0,
            "no_audio_with_frames": self.audio_with_frames is not None and not self.audio_with_frames.value,
        }
        return tuple(name for name in RULES if applies[name])

    @property
    def facts(self) -> dict[str, Fact[object]]:
        """The facts by the name of their field; those about files are in `files`."""
        values: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: cast("Fact[object]", value) for name, value in values.items() if isinstance(value, Fact)}

    def conflicting(self, model: str) -> dict[str, list[ConflictingSource]]:
        """Give the sources that disagree about one model, by the name of the field that they disagree about."""
        found = {
            name: [each for each in fact.conflicting if model in (each.models or (model,))]
            for name, fact in self.facts.items()
        }
        return {name: sources for name, sources in found.items() if sources}


@dataclass(frozen=True, slots=True)
class Model:
    """One value of the request's `model` field."""

    name: str
    title: str
    route: Route
    resolution: str | None = None
    """The output resolution that the name fixes."""
    billing: tuple[str, ...] = ()
    """Price list names of this model only, tried before those of its route."""
    bills_first_video: bool = False
    """Whether the seconds of the first reference video are billed on top of the duration."""

    @property
    def takes_videos(self) -> bool:
        """Whether the model takes `reference_videos`."""
        return self.route.reference_videos.value > 0 and self.name in (self.route.video_models or (self.name,))

    def takes(self, feature: str) -> bool:
        """Whether the model takes a media field, `frames`, or references of a scheme (`https`, `asset`)."""
        if feature in {"frames", *FRAME_FIELDS}:
            return True
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
        return self.route.resolution.value.allowed if self.route.resolution else ()

    def billing_names(self, resolution: str) -> tuple[str, ...]:
        """Give the names to look for in a price list, best first."""
        names = (*self.billing, *self.route.billing.value)
        return tuple(name.format(model=self.name, resolution=resolution) for name in names)


RULES = {
    "images_or_frames": "images cannot be combined with first_image or last_image",
    "both_frames": "first_image and last_image come as a pair: both, or neither",
    "video_models_only": "reference_videos need a model of the route's video series",
    "audio_not_alone": "reference_audios need images, reference_videos or frames beside them",
    "no_audio_with_frames": "reference_audios cannot be combined with first_image or last_image",
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
