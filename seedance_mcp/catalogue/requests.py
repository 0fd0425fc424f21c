"""Request models: one for each route, made from its catalogue row, and the rules between their fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from seedance_mcp.catalogue.editions import edition_2026_07
from seedance_mcp.catalogue.facts import FRAME_FIELDS, LIST_FIELDS, ORIENTATIONS, Model, Route, Span


def _with_rules(schema: dict[str, Any], kind: type[VideoRequest]) -> None:
    """State the rules between fields, so that a plain JSON Schema validator decides them too."""
    schema["dependentSchemas"] = _dependent_schemas(kind.route)


class VideoRequest(BaseModel):
    """What every route knows; each route's own model narrows the fields or closes them."""

    model_config = ConfigDict(defer_build=True, extra="forbid", hide_input_in_errors=True, json_schema_extra=_with_rules)
    route: ClassVar[Route]

    model: str
    """Model name; list_models compares them."""
    prompt: str
    """What to show: subject, action, camera, style."""
    duration: int = 5
    """Seconds."""
    resolution: str | None = None
    """Output size."""
    orientation: str | None = None
    """ratio wins over it."""
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
        """The catalogue row of the chosen model."""
        return edition_2026_07.BY_NAME[self.model]

    @property
    def output_resolution(self) -> str:
        """The resolution that the model's name, the request or the route's default gives."""
        return self.resolution or self.row.default_resolution

    @property
    def has_frames(self) -> bool:
        """Whether a first or a last frame is given."""
        return bool(self.first_image or self.last_image)

    def to_body(self) -> dict[str, Any]:
        """The HTTP body: what was asked and the documented defaults, nothing else."""
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
}
"""Rule name → the field at fault in a request, or `None`."""


@dataclass(frozen=True)
class OneOf:
    """Annotates a string with its closed list of values."""

    values: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Build pydantic's literal schema, which JSON Schema shows as `enum`."""
        return core_schema.literal_schema(list(self.values))


def link_pattern(schemes: tuple[str, ...]) -> str:
    """The pattern of a media link: scheme, the first letter or digit of a host or id, no white space."""
    scheme = schemes[0] if len(schemes) == 1 else f"({'|'.join(schemes)})"
    return rf"^{scheme}://\w\S*$"


def _dependent_schemas(route: Route) -> dict[str, Any]:
    """The route's rules in JSON Schema: field → what its presence demands of the others."""
    frames: list[Any] = [{"required": [name]} for name in FRAME_FIELDS]
    demands: dict[str, Any] = {"images": {"not": {"anyOf": frames}}}
    if "both_frames" in route.rules:
        demands |= {"first_image": frames[1], "last_image": frames[0]}
    if "video_models_only" in route.rules:
        demands["reference_videos"] = {"properties": {"model": {"enum": list(route.video_models)}}}
    if "audio_not_alone" in route.rules:
        taken = [name for name in ("images", "reference_videos") if getattr(route, name).value]
        companions: list[Any] = [{"required": [name]} for name in taken]
        demands["reference_audios"] = {"anyOf": [*companions, *frames]}
    if "no_audio_with_frames" in route.rules:
        demands["reference_audios"] |= {"not": {"anyOf": frames}}
    return demands


def _whole(value: Any) -> Any:
    """Refuse true and false, which Python counts among the integers and JSON does not."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "a boolean is no number")
    return value


def _optional(kind: Any) -> Any:
    return (kind | None, None)


def _media_list(most: int, link: Any) -> Any:
    return _optional(Annotated[list[link], Field(min_length=1, max_length=most)]) if most else _CLOSED


_CLOSED: Any = (None, None)
"""A field that the route does not have."""


def _narrowed(route: Route) -> dict[str, Any]:
    """The route's own definition of each field."""
    span, longest = route.duration.value, route.prompt_max_chars
    link = Annotated[str, StringConstraints(pattern=link_pattern(route.schemes.value))]
    prompt = StringConstraints(max_length=longest.value if longest else None, pattern=r"\S")
    return {
        "model": Annotated[str, OneOf(edition_2026_07.models_of(route))],
        "prompt": Annotated[str, prompt],
        "duration": (Annotated[int, Field(ge=span.min, le=span.max), BeforeValidator(_whole)], span.default),
        "resolution": _optional(Annotated[str, OneOf(route.resolution.value.allowed)]) if route.resolution else _CLOSED,
        "orientation": _optional(Annotated[str, OneOf(ORIENTATIONS)]),
        "ratio": _optional(Annotated[str, OneOf(route.ratio.value.allowed)]),
        "images": _media_list(route.images.value, link),
        "first_image": _optional(link),
        "last_image": _optional(link),
        "reference_videos": _media_list(route.reference_videos.value, link),
        "reference_audios": _media_list(route.reference_audios.value, link),
    }


@cache
def request_model(route: Route) -> type[VideoRequest]:
    """The pydantic model of one route, named after it."""
    name = "".join(part.capitalize() for part in route.name.split("-")) + "Request"
    made = create_model(name, __base__=VideoRequest, __doc__=f"{route.title}.", **_narrowed(route))
    made.route = route
    return made


def doubts_about(request: VideoRequest) -> list[str]:
    """What another source would refuse in a request that the contract allows."""
    names = ("duration", "resolution", *LIST_FIELDS, "audio_with_frames")
    doubts = [(name, doubt) for name in names for doubt in request.route.doubts(name, request.model)]
    return [
        f"{name}: {doubt.says} ({edition_2026_07.SOURCES[doubt.source]}); the contract allows it."
        for name, doubt in doubts
        if _outside(_asked(request, name), doubt.value)
    ]


def _asked(request: VideoRequest, name: str) -> Any:
    if name == "audio_with_frames":
        return bool(request.reference_audios and request.has_frames)
    value = request.output_resolution if name == "resolution" else getattr(request, name)
    return len(value or ()) if name in LIST_FIELDS else value


def _outside(asked: Any, allowed: Any) -> bool:
    match allowed:
        case Span(min=low, max=high):
            return not low <= asked <= high
        case bool():
            return bool(asked) and not allowed
        case int():
            return asked > allowed
        case _:
            return asked not in allowed
