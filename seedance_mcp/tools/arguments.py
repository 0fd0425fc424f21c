"""What agents send: read leniently where clients garble it, refused in our words where it is wrong."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from seedance_mcp.catalogue.editions import edition_2026_07
from seedance_mcp.catalogue.facts import KIND_OF_FIELD, LIST_FIELDS, MEDIA_FIELDS, RULES, Kind, Model
from seedance_mcp.catalogue.json_schema import Schema, describe, schema_of
from seedance_mcp.catalogue.requests import VideoRequest, request_model
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.task import Status

Takes = Literal["images", "frames", "reference_videos", "reference_audios", "https", "asset"]
_SHOWN_CHARS = 80
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+", re.IGNORECASE)


class Arguments(BaseModel):
    """The base of every tool's arguments; descriptions are spelt out, since reading them from source slows the start."""

    model_config = ConfigDict(defer_build=True, extra="forbid", hide_input_in_errors=True)


class NoArguments(Arguments):
    """For a tool that takes none."""


class ListModels(Arguments):
    """Filters; all must fit."""

    model: Annotated[str | None, Field(description="One model: also gives its request_schema.")] = None
    route: Annotated[str | None, Field(description="full, sp, mini, mini-sp, md, fast-i2v or std.")] = None
    resolution: Annotated[str | None, Field(description="480p, 720p, 1080p, 2k or 4k.")] = None
    takes: Annotated[list[Takes] | None, Field(description="What the model must accept.")] = None


class CreateOptions(Arguments):
    """What goes beside the request."""

    dry_run: Annotated[bool, Field(description="Check and estimate; send nothing.")] = False
    allow_duplicate: Annotated[bool, Field(description="Pay again for a request already made.")] = False
    confirm_token: Annotated[str | None, Field(description="From confirmation_required, once the person agreed.")] = None


@dataclass(frozen=True, slots=True)
class CreateVideo:
    """A checked request and its options."""

    request: VideoRequest
    options: CreateOptions


class GetTask(Arguments):
    """One task."""

    task_id: str


class DownloadVideo(GetTask):
    """One finished task and the name of its file."""

    filename: str | None = None


class WaitForVideo(GetTask):
    """One task and patience."""

    timeout_seconds: Annotated[int, Field(ge=1, le=1800)] = 45


class ListTasks(Arguments):
    """Which tasks, and how fresh."""

    status: Status | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    refresh: Annotated[bool, Field(description="Look at all running ones first.")] = False


class UploadAsset(Arguments):
    """One file or link and the model it is for."""

    source: str
    model: Annotated[str, Field(description="The model that will use it.")]
    kind: Annotated[Kind | None, Field(description="Guessed when absent.")] = None
    name: str | None = None
    portrait: Annotated[bool, Field(description="A real person's face: asks for the whitelist (SP models).")] = False
    wait_seconds: Annotated[int, Field(ge=0, le=300)] = 30


class GetAsset(Arguments):
    """One reference."""

    reference: Annotated[str, Field(description="asset://… from upload_asset.")]
    model: Annotated[str, Field(description="The model it was uploaded for.")]


A = TypeVar("A", bound=BaseModel)


def read(kind: type[A], given: dict[str, Any]) -> A:
    """Read a tool's arguments; raises `InvalidRequest` in words."""
    return _validated(kind, _loosened(kind, given), None)


def read_create_video(given: dict[str, Any]) -> CreateVideo:
    """Read `create_video`, whose request may come nested, flat, or as a JSON string."""
    options = {name: value for name, value in given.items() if name in CreateOptions.model_fields}
    rest = {name: value for name, value in given.items() if name not in options}
    request = read_request(rest["request"] if _nested(rest) else rest)
    return CreateVideo(request, read(CreateOptions, options))


def _nested(rest: dict[str, Any]) -> bool:
    stray = [name for name, value in rest.items() if name != "request" and value is not None]
    if rest.get("request") is None:
        return not stray and "request" in rest
    if stray:
        allowed = "every request field inside request"
        raise InvalidRequest(f"{', '.join(stray)} beside request; allowed: {allowed}.", field=stray[0], allowed=allowed)
    return True


def read_request(given: Any) -> VideoRequest:
    """Read a request for a video; raises `InvalidRequest` in words."""
    request = _decoded(given, dict)
    if not isinstance(request, dict):
        fault = _BROKEN if _begins(given, "{") else ""
        allowed = f"an object, for example {json.dumps({'model': edition_2026_07.MODELS[0].name, 'prompt': 'a fox in snow'})}"
        raise InvalidRequest(f"request was {_shown(given)}{fault}; allowed: {allowed}.", field="request", allowed=allowed)
    fields = cast("dict[str, Any]", request)
    row = find_model(fields.get("model"))
    kind = request_model(row.route)
    return _validated(kind, _loosened(kind, fields), row)


def find_model(name: Any) -> Model:
    """The catalogue row of that name; raises `InvalidRequest` with the nearest names."""
    if isinstance(name, str) and name in edition_2026_07.BY_NAME:
        return edition_2026_07.BY_NAME[name]
    known = tuple(edition_2026_07.BY_NAME)
    hint = _did_you_mean(name, known) if isinstance(name, str) else ""
    said = "model is missing." if name is None else f"model {_shown(name)} is unknown.{hint}"
    allowed = _one_model()
    raise InvalidRequest(f"{said} Allowed: {allowed}.", field="model", allowed=allowed)


def _one_model() -> str:
    return f"one of {', '.join(edition_2026_07.BY_NAME)}"


_BROKEN = ", JSON that is incomplete or broken"


def _begins(value: Any, bracket: str) -> bool:
    return isinstance(value, str) and value.lstrip().startswith(bracket)


def _loosened(kind: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """Undo what clients are known to do: null for absent, a list as a JSON string."""
    listed = {name for name, each in _properties(kind).items() if each.get("type") == "array"}
    present = {name: value for name, value in given.items() if value is not None}
    return {name: _decoded(value, list) if name in listed else value for name, value in present.items()}


def _decoded(value: Any, shape: type) -> Any:
    """A JSON string of the wanted shape, decoded; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        decoded = json.loads(value)
        json.dumps(decoded, ensure_ascii=False).encode()  # half a character cannot be sent on
    except (ValueError, RecursionError):
        return value
    return decoded if isinstance(decoded, shape) else value


def _validated(kind: type[A], given: dict[str, Any], row: Model | None) -> A:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = [_Problem(kind, row, given, each) for each in error.errors(include_url=False)]
        first = min(problems, key=lambda each: each.type != "extra_forbidden")
        told = [*(each.sentence() for each in problems), *(each.known_fields() for each in problems)]
        text = " ".join(filter(None, dict.fromkeys(told)))
        raise InvalidRequest(text, field=first.field, allowed=first.allowed()) from None


@cache
def _properties(kind: type[BaseModel]) -> dict[str, Schema]:
    return schema_of(kind)["properties"]


class _Problem:
    """One finding of pydantic's, to be said in our words."""

    def __init__(self, kind: type[BaseModel], row: Model | None, given: dict[str, Any], details: ErrorDetails) -> None:
        self.fields, self.row, self.type = _properties(kind), row, details["type"]
        location = details["loc"] or (details.get("ctx", {}).get("field", "request"),)
        self.field = str(location[0])
        self.rule = str(details.get("ctx", {}).get("name", ""))
        self.value = details.get("input") if len(location) > 1 else given.get(self.field)

    def allowed(self) -> str:
        if self.type == "none_required" and self.row:
            takers = [each.name for each in edition_2026_07.MODELS if self.field in _properties(request_model(each.route))]
            return f"{self.field} with {', '.join(takers)}"
        if self.type == "extra_forbidden":
            return ", ".join(self.fields) or "no arguments"
        if self.rule == "video_models_only" and self.row:
            return f"{RULES[self.rule]}: {', '.join(self.row.route.video_models)}"
        if self.field == "model" and not self.row:
            return _one_model()
        return RULES.get(self.rule) or describe(self.fields[self.field])

    def known_fields(self) -> str:
        """What there is instead of an unknown field."""
        return f"Allowed: {self.allowed()}." if self.type == "extra_forbidden" else ""

    def sentence(self) -> str:
        if self.rule:
            named = "" if self.allowed().startswith(self.field) else f"{self.field}: "
            return f"{named}{self.allowed()}.{self._doubts()}"
        if self.type in {"extra_forbidden", "none_required"}:
            return self._no_such_field()
        if self.type == "missing":
            return f"{self.field} is missing; allowed: {self.allowed()}."
        return f"{self.field} {self._was()}; allowed: {self.allowed()}.{self._doubts()}{self._remedy()}"

    def _was(self) -> str:
        if self.type == "too_long":
            return f"holds {len(self.value or ())} entries"
        fault = f'{_BROKEN} (a whole list looks like ["…", "…"])' if self._is_broken() else ""
        return f"was {_shown(self.value)}{fault}"

    def _is_broken(self) -> bool:
        """Whether a list came as JSON that cannot be read."""
        return self.type == "list_type" and _begins(self.value, "[")

    def _no_such_field(self) -> str:
        if self.row and self.field == "resolution":
            return f"resolution is no field here: the name {self.row.name} fixes it at {self.row.resolution}."
        if self.row and self.type == "none_required":
            return f"{self.field} is not taken by {self.row.name}; allowed: {self.allowed()}.{self._doubts()}"
        meant = _MEANT.get(self.field)
        hint = f" Did you mean {meant}?" if meant in self.fields else _did_you_mean(self.field, tuple(self.fields))
        return f"{self.field} is no field here.{hint}"

    def _doubts(self) -> str:
        doubts = self.row.route.doubts(self.field, self.row.name) if self.row else ()
        return "".join(f" (Another source: {doubt.says}; {edition_2026_07.SOURCES[doubt.source]}.)" for doubt in doubts)

    def _remedy(self) -> str:
        """The exact call that turns what was given into what the route takes."""
        if self._is_broken() or not (self.row and self.field in MEDIA_FIELDS and isinstance(self.value, str)):
            return ""
        scheme, _, rest = self.value.partition("://")
        if scheme in self.row.route.schemes.value and rest:
            return f" Put it into a list: {json.dumps([self.value])}." if self.field in LIST_FIELDS else ""
        if scheme == "asset":
            return " This route knows no assets: give the https:// link itself."
        if not self.value or scheme.startswith("data:") or len(self.value) > _SHOWN_CHARS * 4:
            return " Bring the file itself with upload_asset and put the reference it gives here."
        if rest and _SCHEME.fullmatch(scheme) and scheme.lower() not in {"https", "file"}:
            return " Only https:// links can be read: use the https:// address, or bring the file itself with upload_asset."
        arguments = {"source": self.value, "model": self.row.name, "kind": KIND_OF_FIELD[self.field]}
        call = json.dumps(arguments, ensure_ascii=False)
        return f" Call upload_asset with {call} and put the reference it gives here."


_MEANT = {
    "seconds": "duration",
    "length": "duration",
    "aspect_ratio": "ratio",
    "size": "resolution",
    "quality": "resolution",
    "text": "prompt",
}
"""What other video services call our fields, where the spelling does not lead there."""


def _did_you_mean(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _shown(value: Any) -> str:
    """The value as the agent wrote it, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "replace").decode()
    size = f"{len(value)} characters" if isinstance(value, str) else f"{len(text)} characters of JSON"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}… ({size})"
