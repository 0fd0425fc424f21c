"""JSON Schemas that every client takes: inlined, without null unions, without decoration; and the same in words."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

Schema = dict[str, Any]

_DECORATION = ("title", "$defs")
_SCHEMES = re.compile(r"^\^\(?([a-z|]+)\)?://")
_WORDS = {"https": "an https:// link", "asset": "an asset:// reference"}


@cache
def schema_of(kind: type[BaseModel]) -> Schema:
    """The portable input schema of one pydantic model."""
    raw = kind.model_json_schema()
    return {name: value for name, value in _plain(raw, raw.get("$defs", {})).items() if name != "description"}


@cache
def result_schema_of(kind: type[BaseModel]) -> Schema:
    """The output schema of one result model: nullable where it is, nothing required, so that an error fits it too."""
    raw = kind.model_json_schema(mode="serialization")
    return _loose(_inlined(raw, raw.get("$defs", {})))


def _inlined(node: Any, defs: Schema) -> Any:
    """Replace every reference by what it names and drop titles."""
    if isinstance(node, list):
        return [_inlined(each, defs) for each in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("Schema", node)
    if reference := schema.get("$ref"):
        return _inlined(defs[str(reference).rsplit("/", 1)[-1]], defs)
    return {name: _child(name, value, defs) for name, value in schema.items() if not _decorates(name, value)}


def _child(name: str, value: Any, defs: Schema) -> Any:
    """Go on below one keyword; the names under `properties` are the user's, not keywords."""
    if name == "properties":
        return {field: _inlined(schema, defs) for field, schema in value.items()}
    return _inlined(value, defs)


def _decorates(name: str, value: Any) -> bool:
    return name in _DECORATION and not isinstance(value, list)


def _loose(schema: Schema) -> Schema:
    """Drop what would refuse an error object and what says nothing to a reader."""
    return {"type": "object", "properties": {name: _terse(each) for name, each in schema["properties"].items()}}


def _terse(schema: Schema, depth: int = 1) -> Schema:
    """A result field in few bytes: null as a second type, objects spelt out to a depth."""
    branches = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if branches:
        present = _terse(branches[0], depth)
        nullable = {"enum": [*present["enum"], None]} if "enum" in present else {}
        return {**present, **nullable, "type": [present["type"], "null"]}
    kept = {name: schema[name] for name in ("type", "enum") if name in schema}
    if "items" in schema:
        kept["items"] = _terse(schema["items"], depth)
    if "properties" in schema and depth:
        kept["properties"] = {name: _terse(each, depth - 1) for name, each in schema["properties"].items()}
    return kept


def _without(schema: Schema, *names: str) -> Schema:
    return {name: value for name, value in schema.items() if name not in names}


def _plain(raw: Schema, defs: Schema) -> Schema:
    """Inline, then let an optional field be simply absent from `required`, and a closed field be absent altogether."""
    schema = _inlined(raw, defs)
    fields = {name: _present(each) for name, each in schema.get("properties", {}).items()}
    return {**schema, "properties": {name: each for name, each in fields.items() if each.get("type") != "null"}}


def _present(schema: Schema) -> Schema:
    """One field as it looks when it is there."""
    branches = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    merged = {**branches[0], **_without(schema, "anyOf")} if len(branches) == 1 else schema
    if "const" in merged:
        merged = {**_without(merged, "const"), "enum": [merged["const"]]}
    return _without(merged, "default") if merged.get("default", 0) is None else merged


def describe(schema: Schema) -> str:
    """What one field takes, in words."""
    match schema:
        case {"enum": values}:
            words = f"one of {', '.join(values)}" if len(values) > 1 else f"{values[0]} alone"
        case {"type": "integer", "minimum": low, "maximum": high}:
            words = f"a whole number from {low} to {high}"
        case {"type": "array", "items": items}:
            size = f"1 to {schema['maxItems']}" if "maxItems" in schema else "at least 1"
            words = f"a list of {size}, each {describe(items)}"
        case {"type": "boolean"}:
            words = "true or false"
        case _:
            words = _describe_text(schema)
    return words


def _describe_text(schema: Schema) -> str:
    if link := _SCHEMES.match(schema.get("pattern", "")):
        return " or ".join(_WORDS[scheme] for scheme in link[1].split("|"))
    longest = schema.get("maxLength")
    return f"text of 1 to {longest} characters" if longest else "text that is not blank"
