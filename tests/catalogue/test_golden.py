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

from seedance_mcp.catalogue.edition import Edition, edition_names, load_edition
from seedance_mcp.catalogue.facts import Choice, Fact, Route
from seedance_mcp.catalogue.profiles import model_schema
from seedance_mcp.catalogue.requests import request_model
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.sandbox.judge import judge
from seedance_mcp.tools.arguments import read_request

EDITIONS = edition_names()


def lines_of(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(name).read_text("utf-8"))


_OLD = lines_of("documented.toml")
LINES: dict[str, dict[str, Any]] = {"2026-07": _OLD, "2026-09": {**_OLD, **lines_of("documented_2026_09.toml")}}
"""Edition → route → what the pages say; a later edition is silent about what stayed as it was."""
LINKS = {"https": "https://example.com/media-{}", "asset": "asset://asset-{}"}


def spelt_out(value: Any) -> Any:
    """`"https*9"` → nine links, `"https*"` → one link, `"x*5000"` → a long text."""
    word, star, count = value.partition("*") if isinstance(value, str) else ("", "", "")
    if not star:
        return value
    if word in LINKS:
        return [LINKS[word].format(number) for number in range(int(count))] if count else LINKS[word].format(0)
    return word * int(count)


def bodies(edition: str, route: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for line in LINES[edition][route]["lines"]:
        body = {**LINES[edition][route]["base"], **line["body"]}
        yield line["page"], {name: spelt_out(value) for name, value in body.items()}, line["ok"]


GOLDEN = [
    pytest.param(load_edition(edition), body, ok, id=f"{edition}-{route}-{number}-{page}")
    for edition in EDITIONS
    for route in LINES[edition]
    for number, (page, body, ok) in enumerate(bodies(edition, route))
]


def taken_by_the_server(edition: Edition, body: dict[str, Any]) -> bool:
    try:
        read_request(edition, body)
    except InvalidRequest as refusal:
        return not {"field", "allowed"} <= set(refusal.details)
    return True


@pytest.mark.parametrize(("edition", "body", "ok"), GOLDEN)
def test_server_and_sandbox_decide_as_the_documentation_says(edition: Edition, body: dict[str, Any], ok: bool) -> None:  # noqa: FBT001
    assert taken_by_the_server(edition, body) is ok
    assert (judge(edition, body) is None) is ok
    if model := edition.find(body.get("model")):
        schema: Any = Draft202012Validator(model_schema(edition, model))
        assert schema.is_valid(body) is ok


@pytest.mark.parametrize(("name", "count"), [("2026-07", 23), ("2026-09", 42)])
def test_every_model_has_a_row_and_a_golden_line(name: str, count: int) -> None:
    named = {body.get("model") for route in LINES[name] for _, body, ok in bodies(name, route) if ok}
    assert named == set(load_edition(name).model_names)
    assert len(load_edition(name).models) == count


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
        replace(span, min=span.min + span.step),
        replace(span, min=span.min - span.step),
        replace(span, max=span.max + span.step),
        replace(span, max=span.max - span.step),
        *([replace(span, step=1)] if span.step > 1 else []),
        *(replace(span, also=also) for also in [(), tuple(each - 1 for each in span.also)] if span.also),
    ):
        yield "duration", replace(route, duration=replace(route.duration, value=changed))
    yield from flags(route)
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
    if route.frames:
        yield "both_frames", replace(route, both_frames=not route.both_frames)
    if route.audio_with_frames:
        flipped = replace(route.audio_with_frames, value=not route.audio_with_frames.value)
        yield "audio_with_frames", replace(route, audio_with_frames=flipped)


def flags(route: Route) -> Iterator[tuple[str, Route]]:
    """Change what is yes or no, where the route has what it is about, and each further field."""
    media = {name for name in ("reference_videos", "reference_audios") if getattr(route, name).value}
    able = {
        "last_needs_first": route.frames and not route.both_frames,
        "videos_with_frames": route.frames and "reference_videos" in media,
        "audio_alone": "reference_audios" in media,
    }
    for name in (each for each, fits in able.items() if fits and route.page):
        yield name, replace(route, **{name: not getattr(route, name)})
    for name, fact in route.options.items():
        left = {each: kept for each, kept in route.options.items() if each != name}
        yield name, replace(route, options=left)
        allowed: tuple[str, ...] = fact.value.allowed if isinstance(fact.value, Choice) else ()
        for word in allowed:
            other = tuple("other" if each == word else each for each in allowed)
            yield name, replace(route, options={**left, name: Fact(Choice(other), "nobody")})


def with_route(edition: Edition, route: Route) -> Edition:
    """The edition with one route changed, and its models with it."""
    models = [replace(model, route=route) if model.route.name == route.name else model for model in edition.models]
    routes = [route if each.name == route.name else each for each in edition.routes]
    return replace(edition, routes=tuple(routes), models=tuple(models))


def verdicts(edition: Edition, route: Route) -> list[bool]:
    """What a route's model says to the golden lines of its name."""
    kind, found = request_model(with_route(edition, route), route), list[bool]()
    for _, body, _ok in bodies(edition.name, route.name):
        try:
            kind.model_validate(body)
            found.append(True)
        except ValidationError:
            found.append(False)
    return found


MUTANTS = [
    pytest.param(edition, route, changed, id=f"{edition.name}-{route.name}-{number}-{name}")
    for edition in map(load_edition, EDITIONS)
    for route in edition.routes
    for number, (name, changed) in enumerate(mutants(route))
]


@pytest.mark.parametrize(("edition", "route", "changed"), MUTANTS)
def test_no_number_can_change_without_a_golden_line_failing(edition: Edition, route: Route, changed: Route) -> None:
    assert verdicts(edition, changed) != verdicts(edition, route)
