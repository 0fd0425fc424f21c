"""The `create_video` input schema in two renderings of the same rows: a union of routes, or flat."""

from __future__ import annotations

from functools import cache
from typing import Literal

from pydantic import BaseModel

from seedance_mcp.catalogue.editions.edition_2026_07 import ROUTES
from seedance_mcp.catalogue.facts import MEDIA_FIELDS, RULES, Model, Route
from seedance_mcp.catalogue.json_schema import Schema, describe, schema_of
from seedance_mcp.catalogue.requests import VideoRequest, link_pattern, request_model

Profile = Literal["union", "flat"]
FIELDS = tuple(VideoRequest.model_fields)


@cache
def create_video_schema(profile: Profile, options_model: type[BaseModel]) -> Schema:
    """The input schema of `create_video` in one rendering; `options_model` holds what goes beside the request."""
    options = schema_of(options_model)["properties"]
    if profile == "flat":
        return _object({**_flat_fields(), **options}, ["model", "prompt"])
    branches = [schema_of(request_model(route)) for route in ROUTES]
    return _object({"request": {"type": "object", "anyOf": branches}, **options}, ["request"])


def model_schema(model: Model) -> Schema:
    """The request schema of one model alone."""
    schema = schema_of(request_model(model.route))
    fields = {**schema["properties"], "model": {"type": "string", "enum": [model.name]}}
    if not model.takes_videos:
        fields.pop("reference_videos", None)
    return {**schema, "properties": fields}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _flat_fields() -> Schema:
    return {name: _widest(name) for name in FIELDS}


def _by_route(name: str) -> dict[Route, Schema]:
    """One field's schema on every route that has it."""
    found = {route: schema_of(request_model(route))["properties"].get(name) for route in ROUTES}
    return {route: schema for route, schema in found.items() if schema}


def _widest(name: str) -> Schema:
    """The widest bound of one field over all routes, with the narrower ones in the description."""
    schemas = _by_route(name)
    merged: Schema = {"type": next(iter(schemas.values()))["type"]}
    if merged["type"] == "array":
        merged |= {"items": _link(), "minItems": 1, "maxItems": max(each["maxItems"] for each in schemas.values())}
    elif merged["type"] == "integer":
        merged |= {
            "minimum": min(each["minimum"] for each in schemas.values()),
            "maximum": max(each["maximum"] for each in schemas.values()),
        }
    elif all("enum" in each for each in schemas.values()):
        merged["enum"] = list(dict.fromkeys(value for each in schemas.values() for value in each["enum"]))
    elif name in MEDIA_FIELDS:
        merged |= _link()
    limits = _limits(name, schemas)
    return {**merged, "description": limits} if limits else merged


def _link() -> Schema:
    return {"type": "string", "pattern": link_pattern(("https", "asset"))}


def _limits(name: str, schemas: dict[Route, Schema]) -> str:
    """`duration` → `4-12: full; 4-15: sp mini; …`: the routes behind each bound."""
    if name in {"model", "orientation"}:
        return ""
    routes: dict[str, list[str]] = {}
    for route, schema in schemas.items():
        routes.setdefault(_short(name, schema), []).append(route.name)
    return "; ".join(f"{bound}: {' '.join(names)}" for bound, names in routes.items() if bound) + _rules(name, list(schemas))


def _short(name: str, schema: Schema) -> str:
    match schema:
        case {"minimum": low, "maximum": high}:
            return f"{low}-{high}"
        case {"enum": values}:
            return " ".join(values)
        case {"maxItems": most, "items": items}:
            return f"{most} {_schemes(items)}"
        case {"maxLength": longest}:
            return f"{longest} chars"
        case _:
            return _schemes(schema) if name in MEDIA_FIELDS else ""


def _schemes(schema: Schema) -> str:
    words = describe(schema).replace("://", "").replace(" link", "").replace(" reference", "")
    return words.replace(" or an ", "/").removeprefix("an ")


_RULE_SHOWN_AT = {
    "images": "images_or_frames",
    "last_image": "both_frames",
    "reference_videos": "video_models_only",
    "reference_audios": "audio_not_alone",
}


def _rules(name: str, routes: list[Route]) -> str:
    """The rule told beside a field, and the routes it holds on unless it is all that have the field."""
    rule = _RULE_SHOWN_AT.get(name)
    if not rule:
        return ""
    holders = [route.name for route in routes if rule in route.rules]
    return f". {RULES[rule]}" + (f" ({' '.join(holders)})" if len(holders) < len(routes) else "")
