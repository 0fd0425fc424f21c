"""JSON Schemas that every MCP client accepts: inlined, without null unions, without decoration; and the same as sentences."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticOmit, core_schema

Schema = dict[str, Any]

_NULL = {"type": "null"}
_SCHEMES = re.compile(r"^\^\(?([a-z|]+)\)?://")
_REFERENCES = {"https": "an https:// URL", "asset": "an asset:// reference"}


class InputSchema(GenerateJsonSchema):
    """Makes input schemas in which an optional field may be left out and is never null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Describe the value that is not null."""
        return self.generate_inner(schema["schema"])

    def none_schema(self, schema: core_schema.NoneSchema) -> JsonSchemaValue:
        """Leave out a field that can only be null: its route does not have it."""
        raise PydanticOmit

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """State a default, unless it is null."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """Write a single value as an enum of one: some clients do not know `const`."""
        made = super().literal_schema(schema)
        return {"enum": [made.pop("const")], **made} if "const" in made else made

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Drop the model's title and docstring."""
        made = super().model_schema(schema)
        return {name: value for name, value in made.items() if name not in {"title", "description"}}

    def field_title_should_be_set(self, schema: object) -> bool:
        """Give fields no titles: they would only repeat the names."""
        return False


@cache
def schema_of(kind: type[BaseModel]) -> Schema:
    """Give the input schema of one pydantic model without nested models."""
    return kind.model_json_schema(schema_generator=InputSchema)


@cache
def result_schema_of(kind: type[BaseModel]) -> Schema:
    """Give the output schema of one result model.

    Fields are nullable where the model's are, and none is required, so that an error object fits it too.
    """
    raw = kind.model_json_schema(mode="serialization")
    return {"type": "object", "properties": _terse_fields(raw, raw.get("$defs", {}), depth=1)}


def _terse_fields(schema: Schema, definitions: Schema, depth: int) -> Schema:
    return {name: _terse(each, definitions, depth) for name, each in schema["properties"].items()}


def _terse(schema: Schema, definitions: Schema, depth: int) -> Schema:
    """Describe a result field in few bytes: null as a second type, the fields of objects only to a depth."""
    if reference := schema.get("$ref"):
        return _terse(definitions[str(reference).rpartition("/")[2]], definitions, depth)
    branches = [each for each in schema.get("anyOf", ()) if each != _NULL]
    if branches:
        present = _terse(branches[0], definitions, depth)
        nullable = {"enum": [*present["enum"], None]} if "enum" in present else {}
        return {**present, **nullable, "type": [present["type"], "null"]}
    kept = {name: schema[name] for name in ("type", "enum") if name in schema}
    if "items" in schema:
        kept["items"] = _terse(schema["items"], definitions, depth)
    if "properties" in schema and depth:
        kept["properties"] = _terse_fields(schema, definitions, depth - 1)
    return kept


def describe(schema: Schema) -> str:
    """Say in a sentence what one field of an input schema takes."""
    match schema:
        case {"enum": [only]}:
            text = f"only {only}"
        case {"enum": values}:
            text = f"one of {', '.join(values)}"
        case {"type": "integer", "minimum": low, "maximum": high}:
            text = _describe_number(schema, low, high)
        case {"type": "array", "items": items}:
            least = schema.get("minItems", 1)
            size = f"{least} to {schema['maxItems']}" if "maxItems" in schema else f"at least {least}"
            text = f"a list of {size}, each {describe(items)}"
        case {"type": "number", "minimum": low, "maximum": high}:
            text = f"a number from {low:g} to {high:g}"
        case {"type": "boolean"}:
            text = "true or false"
        case _:
            text = _describe_text(schema)
    return text


def _describe_number(schema: Schema, low: int, high: int) -> str:
    if step := schema.get("multipleOf"):
        return " or ".join(map(str, range(low, high + 1, step)))
    if low == high:
        return f"only {low}"
    if gap := schema.get("not"):
        return f"a whole number from {gap['maximum'] + 1} to {high}, or {low}"
    return f"a whole number from {low} to {high}"


def _describe_text(schema: Schema) -> str:
    if found := _SCHEMES.match(schema.get("pattern", "")):
        return " or ".join(_REFERENCES[scheme] for scheme in found[1].split("|"))
    longest_chars = schema.get("maxLength")
    return f"text of 1 to {longest_chars} characters" if longest_chars else "text that is not blank"


def with_bounds_in_words(schema: Schema) -> Schema:
    """Give an object's schema in which each description begins with the bounds of its field, for clients that strip them."""
    fields: Schema = schema.get("properties", {})
    return {**schema, "properties": {name: _bounded(field) for name, field in fields.items()}}


def _bounded(field: Schema) -> Schema:
    bounds = _bounds_in_words(field)
    told = ". ".join(filter(None, (bounds, field.get("description"))))
    return {**field, "description": told} if bounds else field


def _bounds_in_words(field: Schema) -> str:
    """Say in few letters how large a value, or how long a text or list, may be; empty where nothing bounds it."""
    match field:
        case {"minimum": low, "maximum": high}:
            return f"{low:g}-{high:g}"
        case {"maxItems": most}:
            return f"{field.get('minItems', 0)}-{most}"
        case {"maxLength": longest_chars}:
            return f"{longest_chars} chars"
        case _:
            return ""
