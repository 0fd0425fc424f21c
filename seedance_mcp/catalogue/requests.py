"""Request models: one for each route of an edition, made from its row, and the rules between their fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Any, ClassVar, NamedTuple, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    StringConstraints,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import (
    FRAME_FIELDS,
    LIST_FIELDS,
    ORIENTATIONS,
    Choice,
    ConflictingSource,
    Fact,
    Model,
    Route,
    Span,
)


def _with_rules(schema: dict[str, Any], kind: type[VideoRequest]) -> None:
    """Add the rules between fields to a schema, so that a plain JSON Schema validator decides them too."""
    if demands := _dependent_schemas(kind.edition, kind.route):
        schema["dependentSchemas"] = demands


class VideoRequest(BaseModel):
    """The fields of all routes; the model of each route narrows them or closes them."""

    model_config = ConfigDict(defer_build=True, extra="forbid", hide_input_in_errors=True, json_schema_extra=_with_rules)
    edition: ClassVar[Edition]
    route: ClassVar[Route]

    model: str
    """Model name; list_models compares them."""
    prompt: str
    """Subject, action, camera, style."""
    duration: int = 5
    """Seconds."""
    resolution: str | None = None
    """Output size."""
    orientation: str | None = None
    """Has no effect beside ratio."""
    ratio: str | None = None
    """Aspect ratio."""
    images: list[str] | None = None
    """Reference images."""
    first_image: str | None = None
    """First frame."""
    last_image: str | None = None
    """Last frame."""
    reference_videos: list[str] | None = None
    """Reference videos."""
    reference_audios: list[str] | None = None
    """Reference audio."""

    @property
    def row(self) -> Model:
        """The row of the chosen model."""
        return self.edition.by_name[self.model]

    @property
    def output_resolution(self) -> str:
        """The resolution that the request, the model's name or the route's default gives."""
        return self.resolution or self.row.default_resolution

    @property
    def has_frames(self) -> bool:
        """Whether the request has a first or a last frame."""
        return bool(self.first_image or self.last_image)

    def to_body(self) -> dict[str, Any]:
        """Give the HTTP body: what the request names and the documented defaults, nothing else."""
        body = self.model_dump(exclude_none=True)
        if self.route.resolution and self.route.sends_resolution:
            return {**body, "resolution": self.output_resolution}
        body.pop("resolution", None)
        return body

    @model_validator(mode="after")
    def _keeps_rules(self) -> VideoRequest:
        for name in self.route.rules:
            if field := _BROKEN[name](self):
                raise PydanticCustomError("rule", "{name}", {"field": field, "name": name})
        return self


def _videos_with_frames(request: VideoRequest) -> str | None:
    return "reference_videos" if request.reference_videos and request.has_frames else None


def _first_missing(request: VideoRequest) -> str | None:
    return "first_image" if request.last_image and not request.first_image else None


def _not_of_model(request: VideoRequest) -> str | None:
    return "resolution" if request.resolution and request.resolution not in request.row.resolutions else None


def _images_and_frames(request: VideoRequest) -> str | None:
    return "images" if request.images and request.has_frames else None


def _one_frame(request: VideoRequest) -> str | None:
    if request.has_frames and not (request.first_image and request.last_image):
        return "last_image" if request.first_image else "first_image"
    return None


def _video_model_missing(request: VideoRequest) -> str | None:
    return "reference_videos" if request.reference_videos and not request.row.takes_videos else None


def _audio_alone(request: VideoRequest) -> str | None:
    companions = request.images or request.reference_videos or request.has_frames
    return "reference_audios" if request.reference_audios and not companions else None


def _audio_with_frames(request: VideoRequest) -> str | None:
    return "reference_audios" if request.reference_audios and request.has_frames else None


_BROKEN: dict[str, Callable[[VideoRequest], str | None]] = {
    "images_or_frames": _images_and_frames,
    "both_frames": _one_frame,
    "video_models_only": _video_model_missing,
    "audio_not_alone": _audio_alone,
    "no_audio_with_frames": _audio_with_frames,
    "no_videos_with_frames": _videos_with_frames,
    "last_needs_first": _first_missing,
    "resolution_of_model": _not_of_model,
}
"""Rule name → a function that gives the field of a request that breaks the rule, or `None`."""


@dataclass(frozen=True)
class OneOf:
    """Annotation that limits a string to a closed list of values."""

    values: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make pydantic's literal schema, which JSON Schema shows as `enum`."""
        return core_schema.literal_schema(list(self.values))


def reference_pattern(schemes: tuple[str, ...]) -> str:
    """Give the pattern of a media reference: a scheme, a host or id that starts with a letter or digit, no white space."""
    scheme = schemes[0] if len(schemes) == 1 else f"({'|'.join(schemes)})"
    return rf"^{scheme}://\w\S*$"


def _dependent_schemas(edition: Edition, route: Route) -> dict[str, Any]:
    """Give the rules of a route in JSON Schema: field → a schema for the whole request where that field is present."""
    return {**_demands_of_media(route), **_demands_of_sizes(edition, route)}


def _demands_of_media(route: Route) -> dict[str, Any]:
    frames: list[Any] = [{"required": [name]} for name in FRAME_FIELDS] if route.frames else []
    if alone := _alone(route):
        return {"first_image": {**(frames[1] if route.both_frames else {}), "not": {"anyOf": alone}}, **_demands(route, [])}
    demands: dict[str, Any] = {"images": {"not": {"anyOf": frames}}} if frames else {}
    if route.both_frames:
        demands["first_image"] = frames[1]
    demands |= _demands(route, frames)
    if "no_audio_with_frames" in route.rules:
        demands["reference_audios"] |= {"not": {"anyOf": frames}}
    return demands


def _alone(route: Route) -> list[Any]:
    """Give what a first frame excludes where that is all other media, of two kinds or more, and a last one needs a first."""
    kept = route.videos_with_frames and route.reference_videos.value > 0
    kept = kept or "no_audio_with_frames" not in route.rules
    if kept or not (route.both_frames or route.last_needs_first):
        return []
    return [{"required": [name]} for name in LIST_FIELDS if getattr(route, name).value]


def _demands(route: Route, frames: list[Any]) -> dict[str, Any]:
    """Give what a last frame, videos and audio demand; `frames` are those that may stand beside audio."""
    demands: dict[str, Any] = {}
    if route.both_frames or route.last_needs_first:
        demands["last_image"] = {"required": [FRAME_FIELDS[0]]}
    if "video_models_only" in route.rules:
        demands["reference_videos"] = {"properties": {"model": {"enum": list(route.video_models)}}}
    if "audio_not_alone" in route.rules:
        taken = [name for name in ("images", "reference_videos") if getattr(route, name).value]
        companions: list[Any] = [{"required": [name]} for name in taken]
        demands["reference_audios"] = {"anyOf": [*companions, *frames]}
    return demands


def _demands_of_sizes(edition: Edition, route: Route) -> dict[str, Any]:
    """Give which models have a resolution that not all models of the route have."""
    small = [model for model in edition.models_of(route) if model.name in route.small_models]
    if not small:
        return {}
    others = [model.name for model in edition.models_of(route) if model not in small]
    fewer = {"properties": {"resolution": {"type": "string", "enum": list(small[0].only_resolutions)}}}
    return {"resolution": {"anyOf": [{"properties": {"model": {"type": "string", "enum": others}}}, fewer]}}


def _whole(value: Any) -> Any:
    """Refuse true and false, which are integers in Python and not in JSON."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "a boolean is no number")
    return value


def _optional(kind: Any) -> Any:
    return (kind | None, None)


def _media_list(most: int, reference: Any) -> Any:
    return _optional(Annotated[list[reference], Field(min_length=1, max_length=most)]) if most else _CLOSED


_CLOSED: Any = (None, None)
"""Type and default of a field that the route does not have."""


def _narrowed(edition: Edition, route: Route) -> dict[str, Any]:
    """Give the route's own definition of each field."""
    span, longest = route.duration.value, route.prompt_max_chars
    reference = Annotated[str, StringConstraints(pattern=reference_pattern(route.schemes.value))]
    prompt = StringConstraints(max_length=longest.value if longest else None, pattern=r"\S")
    return {
        "model": Annotated[str, OneOf(tuple(model.name for model in edition.models_of(route)))],
        "prompt": Annotated[str, prompt],
        "duration": (_seconds(span), span.default),
        "resolution": _optional(Annotated[str, OneOf(route.resolution.value.allowed)]) if route.resolution else _CLOSED,
        "orientation": _optional(Annotated[str, OneOf(ORIENTATIONS)]) if route.takes_orientation else _CLOSED,
        "ratio": _optional(Annotated[str, OneOf(route.ratio.value.allowed)]),
        "images": _media_list(route.images.value, reference),
        "first_image": _optional(reference) if route.frames else _CLOSED,
        "last_image": _optional(reference) if route.frames else _CLOSED,
        "reference_videos": _media_list(route.reference_videos.value, reference),
        "reference_audios": _media_list(route.reference_audios.value, reference),
        **{name: _optional(_option(fact)) for name, fact in route.options.items()},
    }


def _seconds(span: Span) -> Any:
    """Give the type of a duration; a refused gap separates the values outside the span."""
    bounds: dict[str, Any] = {"ge": min((span.min, *span.also)), "le": span.max}
    if span.step > 1:
        bounds["multiple_of"] = span.step
    if span.also:
        bounds["json_schema_extra"] = {"not": {"minimum": max(span.also) + 1, "maximum": span.min - 1}}
    return Annotated[int, Field(**bounds), AfterValidator(partial(_inside, span)), BeforeValidator(_whole)]


def _inside(span: Span, value: int) -> int:
    """Refuse a number that lies between the span and what is allowed beside it."""
    if value not in span:
        raise PydanticCustomError("not_in_span", "a number between those that are allowed")
    return value


def _option(fact: Fact[bool] | Fact[Choice]) -> Any:
    """Give the type of a further field, with its default in the schema."""
    if isinstance(fact.value, Choice):
        kind: Any = OneOf(fact.value.allowed)
        return Annotated[str, kind, Field(json_schema_extra={"default": fact.value.default})]
    return Annotated[bool, Strict(), BeforeValidator(_switch), Field(json_schema_extra={"default": fact.value})]


def _switch(value: Any) -> Any:
    """Read true and false from a client that writes them as text."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


@cache
def request_model(edition: Edition, route: Route) -> type[VideoRequest]:
    """Give the pydantic model of one route of an edition; it is made at its first use."""
    name = "".join(part.capitalize() for part in route.name.split("-")) + "Request"
    made = create_model(name, __base__=VideoRequest, __doc__=f"{route.title}.", **_narrowed(edition, route))
    made.edition, made.route = edition, route
    return made


class Dispute(NamedTuple):
    """A value of a request that the edition allows and another source refuses."""

    field: str
    asked: Any
    """The value, in the shape of `ConflictingSource.value`."""
    sentence: str


def disputes(request: VideoRequest) -> list[Dispute]:
    """Give each source that would refuse the request, although the edition allows it."""
    edition, conflicting = request.edition, request.route.conflicting(request.model)
    return [
        Dispute(
            name,
            asked(request),
            f"{name}: {other.statement} ({edition.sources[other.source]}); the edition {edition.name} allows it.{undisputed}",
        )
        for name, asked in _ASKED.items()
        for undisputed in [_undisputed(request, name, conflicting.get(name, []))]
        for other in conflicting.get(name, ())
        if is_outside(asked(request), other.value)
    ]


def is_disputed(model: Model, name: str, value: object) -> bool:
    """Say whether a source would refuse a value of one model's field, although the edition allows it."""
    return any(is_outside(value, each.value) for each in model.route.conflicting(model.name).get(name, ()))


def _undisputed(request: VideoRequest, name: str, sources: list[ConflictingSource]) -> str:
    """Say which values every source allows; empty where it cannot be said shortly."""
    if not sources:
        return ""
    values = [request.route.facts[name].value, *(each.value for each in sources if each.value is not None)]
    if all(isinstance(value, Span) for value in values):
        spans = cast("list[Span]", values)
        low, high = max(span.min for span in spans), min(span.max for span in spans)
        return f" Nobody disputes {low} to {high}."
    lists = [_listed(value) for value in values if not isinstance(value, int)]
    if len(lists) == len(values):
        common = [each for each in lists[-1] if all(is_outside(each, value) is False for value in values)]
        return f" Nobody disputes {' or '.join(map(str, common))}."
    counts = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    return f" Nobody disputes up to {min(counts)}." if len(counts) == len(values) and min(counts) else ""


def _listed(value: object) -> tuple[Any, ...]:
    """Give the single values that a source allows; a span gives none of its own."""
    match value:
        case Choice(allowed=allowed):
            return allowed
        case tuple():
            return cast("tuple[Any, ...]", value)
        case _:
            return ()


_ASKED: dict[str, Callable[[VideoRequest], Any]] = {
    "duration": lambda request: request.duration,
    "resolution": lambda request: request.output_resolution,
    "images": lambda request: len(request.images or ()),
    "reference_videos": lambda request: len(request.reference_videos or ()),
    "reference_audios": lambda request: len(request.reference_audios or ()),
    "audio_with_frames": lambda request: bool(request.reference_audios and request.has_frames),
}
"""Field of `Route` → what a request asks for, in the shape of `ConflictingSource.value`."""


def is_outside(asked: Any, allowed: Any) -> bool:
    """Say whether a value is none of those that a source allows."""
    match allowed:
        case Span():
            return asked not in allowed
        case Choice(allowed=words):
            return asked not in words
        case bool():
            return asked and not allowed
        case int():
            return asked > allowed
        case _:
            return asked not in allowed
