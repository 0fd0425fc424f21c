"""The `create_video` input schema in two renderings of the same rows: a union of routes, or flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import takewhile
from typing import Literal

from pydantic import BaseModel

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.catalogue.facts import FRAME_FIELDS, LIST_FIELDS, MEDIA_FIELDS, RULES, Model, Route
from seedance_mcp.catalogue.json_schema import Schema, describe, schema_of, with_bounds_in_words
from seedance_mcp.catalogue.requests import VideoRequest, reference_pattern, request_model

Profile = Literal["union", "flat"]
"""`union`: one object for each route; `flat`: all fields at the root, for clients that refuse unions."""


@cache
def create_video_schema(edition: Edition, profile: Profile, options_model: type[BaseModel]) -> Schema:
    """Give the input schema of `create_video` in one rendering.

    Args:
        edition: The catalogue whose routes are rendered.
        profile: The rendering.
        options_model: The arguments that stand beside the request.

    """
    options = schema_of(options_model)
    if profile == "flat":
        fields = {**_flat_fields(edition), **with_bounds_in_words(options)["properties"]}
        return _object(fields, ["model", "prompt"])
    branches = [schema_of(request_model(edition, route)) for route in edition.routes]
    shared = _shared(edition) if edition.shares_definitions else {}
    shown = [_without_shared(branch) for branch in branches] if shared else branches
    request = {"type": "object", "description": _in_words(edition), **shared, "anyOf": shown}
    return _object({"request": request, **options["properties"]}, ["request"])


_ANY_REFERENCE: Schema = {"type": "string", "pattern": r"^\w+://\w\S*$"}
_ANY_LIST: Schema = {"type": "array", "items": _ANY_REFERENCE, "minItems": 1}
_FRAMES: list[Schema] = [{"required": [name]} for name in FRAME_FIELDS]


def _shared(edition: Edition) -> Schema:
    """Give what every request demands, whatever its route; a branch states what is its own."""
    companions: list[Schema] = [{"required": [name]} for name in ("images", "reference_videos")]
    alone = [model.name for model in edition.models if model.route.audio_alone]
    exempt: list[Schema] = [{"properties": {"model": {"type": "string", "enum": alone}}}] if alone else []
    return {
        "required": ["model", "prompt"],
        "properties": {
            "prompt": {"type": "string", "pattern": r"\S"},
            **dict.fromkeys(FRAME_FIELDS, _ANY_REFERENCE),
            **dict.fromkeys(LIST_FIELDS, _ANY_LIST),
        },
        "dependentSchemas": {
            "images": {"not": {"anyOf": _FRAMES}},
            "reference_audios": {"anyOf": [*companions, *_FRAMES, *exempt]},
        },
    }


def _without_shared(branch: Schema) -> Schema:
    """Give the schema of one route without what `_shared` says for all."""
    properties = {name: _own(name, each) for name, each in branch["properties"].items()}
    rules = {name: each for name, each in branch.get("dependentSchemas", {}).items() if name != "images"}
    audio = {key: each for key, each in rules.pop("reference_audios", {}).items() if key != "anyOf"}
    rules |= {"reference_audios": audio} if audio else {}
    left_out = {"required", "dependentSchemas", "properties"}
    kept = {name: each for name, each in branch.items() if name not in left_out}
    return {**({"dependentSchemas": rules} if rules else {}), "properties": properties, **kept}


def _own(name: str, schema: Schema) -> Schema:
    """Give a field's schema without what all routes demand."""
    if name == "prompt":
        return {key: value for key, value in schema.items() if key != "pattern"}
    if name in FRAME_FIELDS:
        return {**schema, "pattern": schema["pattern"].partition("//")[0]}
    if name in LIST_FIELDS:
        kept = {key: value for key, value in schema.items() if key != "minItems"}
        return {**kept, "items": _own(FRAME_FIELDS[0], schema["items"])}
    return schema


REFERENCES_IN_PROMPT = "Image 1, Video 1, Audio 1 mean the first of each list"


def _in_words(edition: Edition) -> str:
    """Say what the branches of the union have in common and what a model reads past: routes, billing, rules between fields."""
    rules = [_rule_of(name, edition.routes) for name in RULES]
    return f"{routes_in_words(edition)} {'. '.join(rule for rule in rules if rule)}. In the prompt, {REFERENCES_IN_PROMPT}."


def _rule_of(name: str, routes: Sequence[Route]) -> str:
    """Quote a rule with those of some routes that it binds; without them where it binds all that can break it."""
    bound = [route.name for route in routes if name in route.rules]
    able = [route for route in routes if route.frames or name != "images_or_frames"]
    some = f" ({' '.join(bound)})" if len(bound) < len(able) else ""
    return f"{RULES[name]}{some}" if bound else ""


def routes_in_words(edition: Edition) -> str:
    """Say which model names belong to which route and how each route bills, in few bytes."""
    families = {route: family for route in edition.routes if (family := _family(edition, route))}
    others = [model.name for model in edition.models if model.route not in families]
    start = _start_of(others)
    by_unit: dict[str, list[str]] = {}
    for route in edition.routes:
        for unit, models in _by_unit(edition, route).items():
            own = [_shortened(model.name, start) for model in models]
            names = [f"{families[route]}*"] if route in families else own
            by_unit.setdefault(unit, []).append(route.name + (f" ({' '.join(names)})" if names != [route.name] else ""))
    billed = "; ".join(f"per {unit}: {', '.join(routes)}" for unit, routes in by_unit.items())
    shared = all(name.startswith(start) for name in others)
    told = f" Names without * begin with {start}." if shared else f" Names that begin with - follow {start}."
    return f"Routes {billed}." + (told if start else "")


def _start_of(names: list[str]) -> str:
    """Give the beginning that names are written without: that of all, or else that of most up to a hyphen, which stays."""
    if len(names) <= 1:
        return ""
    shared = _shared_start(names)
    stems = Counter(name.partition("-")[0] for name in names if "-" in name)
    return shared if "-" in shared or not stems else stems.most_common(1)[0][0]


def _shortened(name: str, start: str) -> str:
    """Give a name without its beginning, where that ends with a hyphen or is followed by one."""
    return name.removeprefix(start) if start.endswith("-") or name.startswith(f"{start}-") else name


def _by_unit(edition: Edition, route: Route) -> dict[str, list[Model]]:
    """Give the models of a route by the unit that they are billed for."""
    found: dict[str, list[Model]] = {}
    for model in edition.models_of(route):
        found.setdefault(model.per, []).append(model)
    return found


def _family(edition: Edition, route: Route) -> str:
    """Give the beginning that only the names of one route share; empty where there is none that says it in fewer bytes."""
    names = [model.name for model in edition.models_of(route)]
    start = _shared_start(names)
    alone = not any(model.name.startswith(start) for model in edition.models if model.route is not route)
    return start if len(names) > 1 and start and alone else ""


def _shared_start(names: list[str]) -> str:
    """Give the letters that all names begin with."""
    return "".join(letters[0] for letters in takewhile(lambda each: len(set(each)) == 1, zip(*names, strict=False)))


def model_schema(edition: Edition, model: Model) -> Schema:
    """Give the request schema of a single model."""
    schema = schema_of(request_model(edition, model.route))
    fields = {**schema["properties"], "model": {"type": "string", "enum": [model.name]}}
    if not model.takes_videos:
        fields.pop("reference_videos", None)
    if model.only_resolutions:
        fields["resolution"] = {**fields["resolution"], "enum": list(model.only_resolutions)}
    return {**schema, "properties": fields}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _flat_fields(edition: Edition) -> Schema:
    """Give each field that some route has, in the order of the request."""
    by_route = {name: _by_route(edition, name) for name in (*VideoRequest.model_fields, *edition.option_names)}
    return {name: _widest(edition, name, schemas) for name, schemas in by_route.items() if schemas}


def _by_route(edition: Edition, name: str) -> dict[Route, Schema]:
    """Give the schema of one field on every route that has it."""
    found = {route: schema_of(request_model(edition, route))["properties"].get(name) for route in edition.routes}
    return {route: schema for route, schema in found.items() if schema}


def _widest(edition: Edition, name: str, schemas: dict[Route, Schema]) -> Schema:
    """Give the widest bound of one field over all routes, with the narrower ones in the description."""
    merged: Schema = {"type": next(iter(schemas.values()))["type"]}
    if merged["type"] == "array":
        merged |= {"items": _reference(), "minItems": 1, "maxItems": max(each["maxItems"] for each in schemas.values())}
    elif merged["type"] == "integer":
        merged |= {
            "minimum": min(each["minimum"] for each in schemas.values()),
            "maximum": max(each["maximum"] for each in schemas.values()),
        }
    elif all("enum" in each for each in schemas.values()):
        merged["enum"] = list(dict.fromkeys(value for each in schemas.values() for value in each["enum"]))
    elif name in MEDIA_FIELDS:
        merged |= _reference()
    limits = _limits(edition, name, schemas)
    return {**merged, "description": limits} if limits else merged


def _reference() -> Schema:
    return {"type": "string", "pattern": reference_pattern(("https", "asset"))}


def _limits(edition: Edition, name: str, schemas: dict[Route, Schema]) -> str:
    """Give each bound with its routes, such as `4-12: full; 4-15: sp mini; …`."""
    if name in {"model", "orientation"}:
        return routes_in_words(edition) if name == "model" else ""
    if name in FRAME_FIELDS and all(
        _schemes(schema) == _schemes(_images(edition, route)) for route, schema in schemas.items()
    ):
        return "As images" + _rules(name, list(schemas))
    values = list(dict.fromkeys(value for each in schemas.values() for value in each.get("enum", ())))
    routes: dict[str, list[str]] = {}
    for route, schema in schemas.items():
        routes.setdefault(_short(name, schema, values), []).append(route.name)
    return "; ".join(f"{bound}: {' '.join(names)}" for bound, names in routes.items() if bound) + _rules(name, list(schemas))


def _images(edition: Edition, route: Route) -> Schema:
    """Give the schema of one of the reference images on a route."""
    return schema_of(request_model(edition, route))["properties"]["images"]["items"]


def _short(name: str, schema: Schema, values: list[str]) -> str:
    """Give a bound in few letters; `values` are those of all routes together."""
    match schema:
        case {"minimum": low, "maximum": high}:
            return _short_number(schema, low, high)
        case {"type": "boolean", "default": bool() as default}:
            return f"default {str(default).lower()}"
        case {"enum": allowed}:
            return min(" ".join(allowed), _all_but([each for each in values if each not in allowed]), key=len)
        case {"maxItems": most, "items": items}:
            return f"{most} {_schemes(items)}"
        case {"maxLength": longest_chars}:
            return f"{longest_chars} chars"
        case _:
            return _schemes(schema) if name in MEDIA_FIELDS else ""


def _short_number(schema: Schema, low: int, high: int) -> str:
    if gap := schema.get("not"):
        return f"{gap['maximum'] + 1}-{high} or {low}"
    return describe(schema).removeprefix("only ") if "multipleOf" in schema or low == high else f"{low}-{high}"


def _all_but(refused: list[str]) -> str:
    return f"not {' '.join(refused)}" if refused else "any"


def _schemes(schema: Schema) -> str:
    text = describe(schema).replace("://", "").replace(" URL", "").replace(" reference", "")
    return text.replace(" or an ", "/").removeprefix("an ")


_RULES_SHOWN_AT = {
    "resolution": ("resolution_of_model",),
    "images": ("images_or_frames",),
    "last_image": ("both_frames", "last_needs_first"),
    "reference_videos": ("video_models_only", "no_videos_with_frames"),
    "reference_audios": ("audio_not_alone", "no_audio_with_frames"),
}
"""Field → the rules that its description quotes; together they are all there are."""


def _rules(name: str, routes: Sequence[Route]) -> str:
    """Give the rules that stand beside a field of some routes."""
    shown = [REFERENCES_IN_PROMPT] if name == "prompt" else [_rule_of(each, routes) for each in _RULES_SHOWN_AT.get(name, ())]
    return "".join(f". {each}" for each in shown if each)
