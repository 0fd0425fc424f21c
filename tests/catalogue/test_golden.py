"""What the documentation says, typed by hand, put to both sides; and proof that every number is witnessed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from seedance_mcp.catalogue.edition import Edition, load_edition
from seedance_mcp.catalogue.facts import Choice, Fact, Route, Span
from seedance_mcp.catalogue.profiles import model_schema
from seedance_mcp.catalogue.requests import request_model
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.sandbox.judge import judge
from seedance_mcp.tools.arguments import read_request

EDITION = load_edition()
LINES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("documented.toml").read_text("utf-8"))
LINKS = {"https": "https://example.com/media-{}", "asset": "asset://asset-{}"}


def spelt_out(value: Any) -> Any:
    """`"https*9"` → nine links, `"https*"` → one link, `"x*5000"` → a long text."""
    word, star, count = value.partition("*") if isinstance(value, str) else ("", "", "")
    if not star:
        return value
    if word in LINKS:
        return [LINKS[word].format(number) for number in range(int(count))] if count else LINKS[word].format(0)
    return word * int(count)


def bodies(route: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for line in LINES[route]["lines"]:
        body = {**LINES[route]["base"], **line["body"]}
        yield line["page"], {name: spelt_out(value) for name, value in body.items()}, line["ok"]


GOLDEN = [
    pytest.param(body, ok, id=f"{route}-{number}-{page}")
    for route in LINES
    for number, (page, body, ok) in enumerate(bodies(route))
]


def taken_by_the_server(body: dict[str, Any]) -> bool:
    try:
        read_request(EDITION, body)
    except InvalidRequest as refusal:
        return not {"field", "allowed"} <= set(refusal.details)
    return True


@pytest.mark.parametrize(("body", "ok"), GOLDEN)
def test_server_and_sandbox_decide_as_the_documentation_says(body: dict[str, Any], ok: bool) -> None:  # noqa: FBT001
    assert taken_by_the_server(body) is ok
    assert (judge(EDITION, body) is None) is ok
    if model := EDITION.find(body.get("model")):
        schema: Any = Draft202012Validator(model_schema(EDITION, model))
        assert schema.is_valid(body) is ok


def test_every_model_of_the_seed_has_a_row_and_a_golden_line() -> None:
    named = {body.get("model") for route in LINES for _, body, ok in bodies(route) if ok}
    assert named == set(EDITION.model_names)
    assert len(EDITION.models) == 23


def shifted(fact: Fact[int]) -> Iterator[Fact[int]]:
    yield replace(fact, value=fact.value + 1)
    if fact.value:
        yield replace(fact, value=fact.value - 1)


MORE_WORDS = ("2:1", "4:3", "21:9", "2k", "4k", "1080p", "480p")


def shifted_choices(fact: Fact[Choice]) -> Iterator[Fact[Choice]]:
    allowed = fact.value.allowed
    yield replace(fact, value=replace(fact.value, allowed=(*allowed, *MORE_WORDS)))
    for word in allowed:
        yield replace(fact, value=replace(fact.value, allowed=tuple("other" if each == word else each for each in allowed)))


def mutants(route: Route) -> Iterator[tuple[str, Route]]:
    span = route.duration.value
    for changed in (
        Span(span.min + 1, span.max, span.default),
        Span(span.min - 1, span.max, span.default),
        Span(span.min, span.max + 1, span.default),
        Span(span.min, span.max - 1, span.default),
    ):
        yield "duration", replace(route, duration=replace(route.duration, value=changed))
    for name in ("images", "reference_videos", "reference_audios"):
        for fact in shifted(getattr(route, name)):
            yield name, replace(route, **{name: fact})
    if route.prompt_max_chars:
        for fact in shifted(route.prompt_max_chars):
            yield "prompt_max_chars", replace(route, prompt_max_chars=fact)
    else:
        yield "prompt_max_chars", replace(route, prompt_max_chars=Fact(19_999, "nobody"))
    for changed_ratio in shifted_choices(route.ratio):
        yield "ratio", replace(route, ratio=changed_ratio)
    for changed_size in shifted_choices(route.resolution) if route.resolution else ():
        yield "resolution", replace(route, resolution=changed_size)
    yield "schemes", replace(route, schemes=replace(route.schemes, value=("http",)))
    yield "both_frames", replace(route, both_frames=not route.both_frames)
    if route.audio_with_frames:
        flipped = replace(route.audio_with_frames, value=not route.audio_with_frames.value)
        yield "audio_with_frames", replace(route, audio_with_frames=flipped)


def with_route(route: Route) -> Edition:
    """The edition with one route changed, and its models with it."""
    models = [replace(model, route=route) if model.route.name == route.name else model for model in EDITION.models]
    routes = [route if each.name == route.name else each for each in EDITION.routes]
    return replace(EDITION, routes=tuple(routes), models=tuple(models))


def verdicts(route: Route) -> list[bool]:
    """What a route's model says to the golden lines of its name."""
    kind, found = request_model(with_route(route), route), list[bool]()
    for _, body, _ok in bodies(route.name):
        try:
            kind.model_validate(body)
            found.append(True)
        except ValidationError:
            found.append(False)
    return found


MUTANTS = [
    pytest.param(route, changed, id=f"{route.name}-{number}-{name}")
    for route in EDITION.routes
    for number, (name, changed) in enumerate(mutants(route))
]


@pytest.mark.parametrize(("route", "changed"), MUTANTS)
def test_no_number_can_change_without_a_golden_line_failing(route: Route, changed: Route) -> None:
    assert verdicts(changed) != verdicts(route)
