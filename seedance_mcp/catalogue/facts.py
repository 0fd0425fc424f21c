"""The shapes of a fact: a limit, who states it and who disagrees; and the routes and models made of such facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Another statement about the same fact."""

    says: str
    source: str
    value: object = None
    """What that source would allow, in the shape of the fact's value; `None` when it has no such shape."""
    models: tuple[str, ...] = ()
    """The models it speaks of; empty for the whole route."""


@dataclass(frozen=True, slots=True)
class Fact(Generic[T_co]):
    """A value, who states it, and who says otherwise."""

    value: T_co
    source: str
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Whole numbers from `min` to `max`, both included."""

    min: int
    max: int
    default: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A closed list of words; `default` is `None` where no source names one."""

    allowed: tuple[str, ...]
    default: str | None = None


Measure = Literal["bytes", "seconds", "sides_px", "a_side_px", "pixels", "aspect"]


@dataclass(frozen=True, slots=True)
class Bound:
    """From where to where, both included, one measure of a file may go."""

    measure: Measure
    low: float
    high: float

    @property
    def words(self) -> str:
        """The bound as a refusal and the tables write it."""
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


@dataclass(frozen=True, slots=True)
class FileBounds:
    """What one file of a kind may be."""

    kind: Kind
    bounds: tuple[Bound, ...]


Kind = Literal["image", "video", "audio"]
"""What a media file is."""

Review = Literal["audit", "library", "none"]
"""How a file becomes a reference: mandatory audit, optional library (portraits: whitelist), or a plain link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the provider: the limits that all its models share."""

    name: str
    title: str
    duration: Fact[Span]
    """Seconds of video."""
    resolution: Fact[Choice] | None
    """`None`: the model's name fixes it and the field is refused."""
    sends_resolution: bool = True
    ratio: Fact[Choice]
    prompt_max_chars: Fact[int] | None = None
    """Code points; `None`: not stated."""
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
    audio_with_frames: Fact[bool] = Fact(value=True, source="seed")
    review: Review
    per: Literal["second", "task"]
    billing: Fact[tuple[str, ...]]
    """Names in the provider's price list, best first; `{model}` and `{resolution}` are filled in."""
    files: tuple[Fact[FileBounds], ...]
    """What an uploaded file of each kind may be."""
    notes: tuple[str, ...] = ()

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules between fields that hold on this route (keys of `RULES`)."""
        held = {
            "images_or_frames": True,
            "both_frames": self.both_frames,
            "video_models_only": bool(self.video_models),
            "audio_not_alone": self.reference_audios.value > 0,
            "no_audio_with_frames": self.reference_audios.value > 0 and not self.audio_with_frames.value,
        }
        return tuple(name for name in RULES if held[name])

    def doubts(self, name: str, model: str) -> tuple[Doubt, ...]:
        """What other sources say about one field, as far as it concerns `model`."""
        fact: object = getattr(self, name, None)
        found = fact.doubts if isinstance(fact, Fact) else ()
        return tuple(doubt for doubt in found if not doubt.models or model in doubt.models)


@dataclass(frozen=True, slots=True)
class Model:
    """One value of the request's `model` field."""

    name: str
    title: str
    route: Route
    resolution: str | None = None
    """The output resolution that the name fixes."""
    billing: tuple[str, ...] = ()
    """Price list names of this model alone, tried before those of its route."""
    bills_first_video: bool = False
    """Whether the length of the first reference video is billed on top of the duration."""

    @property
    def takes_videos(self) -> bool:
        """Whether `reference_videos` is open to this model."""
        return self.route.reference_videos.value > 0 and self.name in (self.route.video_models or (self.name,))

    def takes(self, what: str) -> bool:
        """Whether a field, `frames`, or a link of a scheme is open to this model."""
        if what in {"frames", *FRAME_FIELDS}:
            return True
        if what in {"https", "asset"}:
            return what in self.route.schemes.value
        return self.takes_videos if what == "reference_videos" else getattr(self.route, what).value > 0

    @property
    def default_resolution(self) -> str:
        """The resolution of a request that names none."""
        return self.resolution or (self.route.resolution.value.default if self.route.resolution else None) or "720p"

    def billing_names(self, resolution: str) -> tuple[str, ...]:
        """Names to look for in a price list, best first."""
        names = (*self.billing, *self.route.billing.value)
        return tuple(name.format(model=self.name, resolution=resolution) for name in names)


RULES = {
    "images_or_frames": "images cannot be combined with first_image or last_image: choose reference images or frames",
    "both_frames": "frames come as a pair: first_image and last_image together, or neither",
    "video_models_only": "reference_videos need a model of the route's video series",
    "audio_not_alone": "reference_audios need a companion: reference images, reference videos or frames",
    "no_audio_with_frames": "reference_audios cannot be combined with first_image or last_image",
}
"""Rule name → the sentence that a refusal, `list_models` and the limits page quote."""

FRAME_FIELDS = ("first_image", "last_image")
LIST_FIELDS = ("images", "reference_videos", "reference_audios")
MEDIA_FIELDS = ("images", *FRAME_FIELDS, "reference_videos", "reference_audios")
KIND_OF_FIELD = {
    "images": "image",
    "first_image": "image",
    "last_image": "image",
    "reference_videos": "video",
    "reference_audios": "audio",
}
ORIENTATIONS = ("landscape", "portrait")
