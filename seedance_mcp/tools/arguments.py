"""Reads the arguments of tools: leniently where clients are known to garble them, and explains what is wrong with the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from seedance_mcp.catalogue.edition import Edition, edition_names, load_edition, newer_than
from seedance_mcp.catalogue.facts import MEDIA_FIELDS, RULES, Kind, Model
from seedance_mcp.catalogue.json_schema import Schema, describe, schema_of
from seedance_mcp.catalogue.profiles import model_schema
from seedance_mcp.catalogue.requests import VideoRequest, request_model
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.task import Status
from seedance_mcp.tools import remedies

Fit = Literal["convert", "trim", "none"]
Takes = Literal["images", "frames", "reference_videos", "reference_audios", "https", "asset"]
Detail = Literal["brief", "full"]
_SHOWN_CHARS = 80
_FAULTS_CHARS = 700
"""How long the faults that one refusal names are together; the first is named in any case."""


def _printable(label: str) -> str:
    """Refuse a label that could break a line or hide a character."""
    if not label.isprintable() or not label.strip():
        raise ValueError("must be printable")
    return label.strip()


Label = Annotated[str, Field(max_length=40), AfterValidator(_printable)]
"""What a caller calls a project."""


def _asset_name(text: str) -> str:
    """Give a name as it stands after `@`: lower case, without blanks."""
    name = re.sub(r"[^\w.-]+", "-", text.strip().removeprefix("@")).strip("-").lower()
    if not name:
        raise ValueError("must hold a letter or digit")
    return name


AssetName = Annotated[str, Field(max_length=40), AfterValidator(_asset_name)]
"""What a caller calls an asset."""


class Arguments(BaseModel):
    """The base of every tool's arguments.

    Descriptions are given to `Field`, since to read them from docstrings slows the start. `{routes}`, `{resolutions}` and
    `{library_routes}` in them are filled in by `input_schema`.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", hide_input_in_errors=True)


class NoArguments(Arguments):
    """No arguments."""


class ListModels(Arguments):
    """Filters; a model must fit all of them."""

    model: Annotated[str | None, Field(description="Adds its request_schema.")] = None
    route: Annotated[str | None, Field(description="{routes}.")] = None
    resolution: Annotated[str | None, Field(description="{resolutions}.")] = None
    takes: list[Takes] | None = None
    detail: Detail | None = None


class CreateOptions(Arguments):
    """The options that stand beside the request."""

    dry_run: bool = False
    allow_duplicate: Annotated[bool, Field(description="Pay again for the same request.")] = False
    confirm_token: Annotated[str | None, Field(description="From confirmation_required, after a yes.")] = None
    project: Label | None = None
    take: Annotated[int | None, Field(ge=1, le=99, description="Another number pays anew.")] = None


class CreateVideo(NamedTuple):
    """A checked request and its options."""

    request: VideoRequest
    options: CreateOptions


class GetTask(Arguments):
    """One task."""

    task_id: str


class PreviewVideo(Arguments):
    """One finished task, or several to compare."""

    task_id: str | None = None
    task_ids: Annotated[list[str] | None, Field(min_length=1, max_length=4)] = None


class DownloadVideo(GetTask):
    """One finished task, and a name for its file."""

    filename: str | None = None


class JoinVideos(Arguments):
    """Finished tasks in order, and how one becomes the next."""

    tasks: Annotated[list[str], Field(min_length=2, max_length=40)]
    transition: Literal["cut", "crossfade"] = "cut"
    crossfade_seconds: Annotated[float, Field(ge=0.1, le=2)] = 0.5
    music: Annotated[str | None, Field(description="Local audio.")] = None
    filename: str | None = None
    project: Label | None = None


class WaitForVideo(GetTask):
    """One task, and for how long to wait."""

    timeout_seconds: Annotated[int, Field(ge=1, le=1800)] = 45


class ListTasks(Arguments):
    """Filters, a number of tasks and where they begin, and whether to poll first."""

    status: Status | None = None
    project: Label | None = None
    since: Annotated[str | None, Field(description="Day, UTC time, 7d or 12h.")] = None
    until: str | None = None
    saved: bool | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: str | None = None
    detail: Detail = "brief"
    refresh: Annotated[bool, Field(description="Poll running ones first.")] = False


class UploadAsset(Arguments):
    """One file or URL, and the model that will use it."""

    source: Annotated[
        str,
        Field(description="Path, https:// URL, or task:<task_id>#first|last|<seconds>."),
    ]
    model: str
    fit: Annotated[
        Fit,
        Field(description="trim also cuts length (path#t=SECONDS) and pads aspect (path#crop crops)."),
    ] = "convert"
    kind: Kind | None = None
    name: Annotated[AssetName | None, Field(description="Keeps it as @name.")] = None
    portrait: Annotated[bool, Field(description="A real face: asks for the whitelist (route {library_routes}).")] = False
    wait_seconds: Annotated[int, Field(ge=0, le=300)] = 30


class GetAsset(Arguments):
    """One reference."""

    reference: Annotated[str, Field(description="asset://… or @name.")]
    model: str | None = None


class ListAssets(Arguments):
    """Filters; an asset must fit both."""

    kind: Kind | None = None
    model: str | None = None


A = TypeVar("A", bound=BaseModel)


@cache
def input_schema(edition: Edition, kind: type[Arguments]) -> Schema:
    """Give the input schema of a tool, with the edition's lists in its descriptions."""
    schema = schema_of(kind)
    lists = {
        "routes": _either(edition.route_names),
        "resolutions": _either(edition.resolutions),
        "library_routes": _either([route.name for route in edition.reviewed_by("library")]),
    }
    described = {name: each for name, each in schema["properties"].items() if "description" in each}
    filled = {name: {**each, "description": each["description"].format(**lists)} for name, each in described.items()}
    return {**schema, "properties": {**schema["properties"], **filled}}


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "none"


def read(edition: Edition, kind: type[A], given: dict[str, Any]) -> A:
    """Read a tool's arguments; raises `InvalidRequest` with what is wrong and what is allowed."""
    return _validated(edition, kind, _loosened(kind, given), None)


def read_create_video(edition: Edition, given: dict[str, Any]) -> CreateVideo:
    """Read `create_video`, whose request may come nested, flat, or as a JSON string; raises `InvalidRequest`."""
    options = {name: value for name, value in given.items() if name in CreateOptions.model_fields}
    rest = {name: value for name, value in given.items() if name not in options}
    request = read_request(edition, rest["request"] if _nested(edition, rest) else rest)
    return CreateVideo(request, read(edition, CreateOptions, options))


def _nested(edition: Edition, rest: dict[str, Any]) -> bool:
    stray = [name for name, value in rest.items() if name != "request" and value is not None]
    if rest.get("request") is None:
        return not stray and "request" in rest
    known = {*VideoRequest.model_fields, *edition.option_names, *edition.field_aliases}
    if unknown := next((name for name in stray if name not in known), None):
        allowed = ", ".join(("request", *CreateOptions.model_fields))
        hint = _did_you_mean(unknown, tuple(CreateOptions.model_fields))
        raise InvalidRequest(f"{unknown} is no argument here.{hint} Allowed: {allowed}.", field=unknown, allowed=allowed)
    if stray:
        allowed = "every request field inside request, or all of them without request"
        raise InvalidRequest(f"{', '.join(stray)} beside request; allowed: {allowed}.", field=stray[0], allowed=allowed)
    return True


def read_request(edition: Edition, given: Any) -> VideoRequest:
    """Read a request for a video; raises `InvalidRequest` with what is wrong and what is allowed."""
    request = _decoded(given, dict)
    if not isinstance(request, dict):
        fault = _BROKEN if _begins(given, "{") else ""
        allowed = f"an object, for example {json.dumps({'model': edition.models[0].name, 'prompt': 'a fox in snow'})}"
        raise InvalidRequest(f"request was {_shown(given)}{fault}; allowed: {allowed}.", field="request", allowed=allowed)
    row, fields = _canonical(edition, cast("dict[str, Any]", request))
    kind = request_model(edition, row.route)
    return _validated(edition, kind, _loosened(kind, fields), row)


def _canonical(edition: Edition, request: dict[str, Any]) -> tuple[Model, dict[str, Any]]:
    """Give the model of a request, and its fields by the names that are sent: the provider takes other names for some."""
    fields = dict(request)
    row = find_model(edition, fields.get("model"))
    if fields["model"] != row.name:
        resolution = (edition.resolve(fields["model"]) or (row, None))[1]
        fields = {**({"resolution": resolution} if resolution else {}), **fields, "model": row.name}
    for alias, name in edition.field_aliases.items():
        if alias in fields and (fields.get(name) in (None, []) or alias == "aspect_ratio"):
            fields[name] = fields.pop(alias)
    return row, {name: _with_scheme(edition, value) for name, value in fields.items()}


def _with_scheme(edition: Edition, value: Any) -> Any:
    """Give a reference, or a list of them, with the scheme that is sent."""
    if isinstance(value, list):
        return [_with_scheme(edition, each) for each in cast("list[Any]", value)]
    scheme, mark, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    return f"{edition.scheme_aliases[scheme]}{mark}{rest}" if scheme in edition.scheme_aliases else value


def find_model(edition: Edition, name: Any) -> Model:
    """Give the model of that name, or of that other name; raises `InvalidRequest` with the nearest names."""
    if found := edition.resolve(name):
        return found[0]
    hint = (_other_generation(edition, name) or _did_you_mean(name, edition.model_names)) if isinstance(name, str) else ""
    fault = "model is missing." if name is None else f"model {_shown(name)} is unknown.{hint}"
    allowed = _one_model(edition)
    newer = next((each for each in newer_than(edition) if each.resolve(name)), None)
    elsewhere = f" The edition {newer.name} has it: set SEEDANCE_EDITION={newer.name}." if newer else ""
    withheld = " The operator does not offer it (SEEDANCE_MODELS)." if _is_withheld(edition, name) else elsewhere
    raise InvalidRequest(f"{fault}{withheld} Allowed: {allowed}.", field="model", allowed=allowed)


def _is_withheld(edition: Edition, name: Any) -> bool:
    """Say whether the edition has a model that the operator's choice leaves out."""
    return edition.name in edition_names() and load_edition(edition.name).resolve(name) is not None


_GENERATION = re.compile(r"(?:doubao-)?(?:seedance|sd)[-_ ]?v?(\d)(?:[._-]?([05]))?(?![\dp])", re.IGNORECASE)


def _other_generation(edition: Edition, name: str) -> str:
    """Say that a name belongs to another generation than every model of the edition; empty where it does not."""
    wanted, known = _generation(name), {_generation(each) for each in edition.model_names}
    return (
        f" It is of Seedance {wanted}, and this edition has only {', '.join(sorted(known))}."
        if wanted and wanted not in known
        else ""
    )


def _generation(name: str) -> str:
    found = _GENERATION.match(name)
    return f"{found[1]}.{found[2] or 0}" if found else ""


def _one_model(edition: Edition) -> str:
    return f"one of {', '.join(edition.model_names)}"


_BROKEN = ", JSON that is incomplete or broken"


def _begins(value: Any, bracket: str) -> bool:
    return isinstance(value, str) and value.lstrip().startswith(bracket)


def _loosened(kind: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """Undo what clients are known to do: send null for an absent field, and a list as a JSON string."""
    listed = {name for name, each in _properties(kind).items() if each.get("type") == "array"}
    present = {name: value for name, value in given.items() if value is not None}
    return {name: _decoded(value, list) if name in listed else value for name, value in present.items()}


def _decoded(value: Any, shape: type) -> Any:
    """Decode a JSON string of the wanted shape; leave anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        decoded = json.loads(value)
        json.dumps(decoded, ensure_ascii=False).encode()  # half a character cannot be sent on
    except (ValueError, RecursionError):
        return value
    return decoded if isinstance(decoded, shape) else value


def _validated(edition: Edition, kind: type[A], given: dict[str, Any], row: Model | None) -> A:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = [_Problem(edition, kind, row, given, each) for each in error.errors(include_url=False)]
        first = min(problems, key=lambda each: each.type != "extra_forbidden")
        faults = list(dict.fromkeys(each.sentence() for each in problems))
        named = _as_room_is(faults)
        more = [f"And {len(faults) - len(named)} more faults."] if len(faults) > len(named) else []
        sentences = [*named, *more, *(each.known_fields() for each in problems)]
        text = " ".join(filter(None, dict.fromkeys(sentences)))
        raise InvalidRequest(text, field=first.field, allowed=first.allowed()) from error


def _as_room_is(faults: list[str]) -> list[str]:
    """Give as many faults as one refusal has room for."""
    ends = list(accumulate(len(fault) for fault in faults))
    return [fault for fault, end in zip(faults, ends, strict=True) if end <= _FAULTS_CHARS] or faults[:1]


@cache
def _properties(kind: type[BaseModel]) -> dict[str, Schema]:
    return schema_of(kind)["properties"]


def allowing(newer: Edition, given: dict[str, Any], field: str) -> str:
    """Say what a newer edition allows for a field, where it takes the value that was given; empty where it does not."""
    if not newer.resolve(given.get("model")):
        return ""
    row, fields = _canonical(newer, given)
    kind, name = request_model(newer, row.route), newer.field_aliases.get(field, field)
    try:
        kind.model_validate(_loosened(kind, fields))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        if any(name in {*each["loc"], each.get("ctx", {}).get("field")} for each in faults):
            return ""
    schema = model_schema(newer, row)["properties"].get(name)
    allowed = describe(schema).removeprefix("a whole number from ") if schema else "it"
    return f" The edition {newer.name} allows {allowed}: set SEEDANCE_EDITION={newer.name}."


class _Problem:
    """One error of pydantic's, and how a refusal describes it."""

    def __init__(
        self, edition: Edition, kind: type[BaseModel], row: Model | None, given: dict[str, Any], details: ErrorDetails
    ) -> None:
        self.edition, self.fields, self.row, self.type = edition, _properties(kind), row, details["type"]
        self.given = given
        location = details["loc"] or (details.get("ctx", {}).get("field", "request"),)
        self.field = str(location[0])
        self.rule = str(details.get("ctx", {}).get("name", ""))
        self.value = details.get("input") if len(location) > 1 else given.get(self.field)

    def allowed(self) -> str:
        if self.type == "none_required" and self.row:
            return f"{self.field} with {', '.join(self._takers())}"
        if self.type == "extra_forbidden":
            return ", ".join(self.fields) or "no arguments"
        if self.rule == "resolution_of_model" and self.row:
            return f"one of {', '.join(self.row.resolutions)}"
        if self.rule == "video_models_only" and self.row:
            return f"{RULES[self.rule]}: {', '.join(self.row.route.video_models)}"
        if self.field == "model" and not self.row:
            return _one_model(self.edition)
        return RULES.get(self.rule) or describe(self.fields[self.field])

    def _takers(self) -> list[str]:
        """Name the models whose routes have the field."""
        routes = [route for route in self.edition.routes if self.field in _properties(request_model(self.edition, route))]
        return [model.name for model in self.edition.models if model.route in routes]

    def known_fields(self) -> str:
        """List the fields there are, where this one is unknown."""
        return f"Allowed: {self.allowed()}." if self.type == "extra_forbidden" else ""

    def sentence(self) -> str:
        if self.rule:
            named = "" if self.allowed().startswith(self.field) else f"{self.field}: "
            return f"{named}{self.allowed()}.{self._conflicting()}{self._newer()}{remedies.OF_RULES.get(self.rule, '')}"
        if self.type in {"extra_forbidden", "none_required"}:
            return self._no_such_field()
        if self.type == "missing":
            return f"{self.field} is missing; allowed: {self.allowed()}."
        told = f"{self.field} {self._was()}; allowed: {self.allowed()}.{self._conflicting()}{self._newer()}"
        return f"{told}{self._remedy()}"

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
            return (
                f"{self.field} is not taken by {self.row.name}; allowed: {self.allowed()}.{self._conflicting()}{self._newer()}"
            )
        return f"{self.field} is no field here.{self._meant()}{self._newer()}"

    def _meant(self) -> str:
        """Name what an unknown field may mean; the options of `create_video` stand beside its request, or at the root."""
        options = tuple(CreateOptions.model_fields) if self.row else ()
        if self.field in options:
            return f" Put {self.field} beside request, not into it."
        meant = _MEANT.get(self.field)
        return f" Did you mean {meant}?" if meant in self.fields else _did_you_mean(self.field, (*self.fields, *options))

    def _newer(self) -> str:
        """Name the first newer edition that takes what was given, with what it allows."""
        newer = (allowing(each, self.given, self.field) for each in newer_than(self.edition)) if self.row else ()
        return next((told for told in newer if told), "")

    def _conflicting(self) -> str:
        """Quote the sources that state something else about the field."""
        found = self.row.route.conflicting(self.row.name).get(self.field, ()) if self.row else ()
        quoted = [f"{each.statement}; {self.edition.sources[each.source]}" for each in found]
        return "".join(f" (Conflicting source: {each}.)" for each in quoted)

    def _remedy(self) -> str:
        """Give the call that turns the value into what the route takes, or the way around the limit."""
        if self._is_broken() or not self.row:
            return ""
        if self.field == "duration":
            return remedies.of_length(self.value, self.row.route.duration.value.max)
        if self.field not in MEDIA_FIELDS or not isinstance(self.value, str):
            return ""
        return remedies.of_media(self.row, self.field, self.value)


_MEANT = {
    "seconds": "duration",
    "length": "duration",
    "aspect_ratio": "ratio",
    "size": "resolution",
    "quality": "resolution",
    "text": "prompt",
}
"""Names of our fields in other video services, where the spelling does not suggest ours."""


def _did_you_mean(word: str, known: tuple[str, ...]) -> str:
    import difflib  # noqa: PLC0415 - few calls name what does not exist

    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _shown(value: Any) -> str:
    """Quote a value as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "replace").decode()
    size = f"{len(value)} characters" if isinstance(value, str) else f"{len(text)} characters of JSON"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}… ({size})"
