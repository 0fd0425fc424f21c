"""Three judges of one request: the published JSON Schema, the server and the sandbox always say the same."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cache
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from conftest import Answer, OpenWorld, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from seedance_mcp.catalogue.edition import Edition, edition_names, load_edition
from seedance_mcp.catalogue.facts import LIST_FIELDS, Choice, Fact, Model, Route
from seedance_mcp.sandbox.provider import KEY

FEW = 12
"""How many requests of each route the fast test puts to the three judges."""
RATIOS = ["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "Adaptive", "adaptive", "2:1", ""]
SIZES = ["480p", "720p", "1080p", "2k", "4k"]
BAD_LINKS = ["http://example.com/a.png", "./cat.png", "https://", "asset://", "https://a b", "data:image/png;base64,AA", "", 7]
PROMPTS = st.one_of(st.just("a fox"), st.text("ab \n\t狐🦊", max_size=8), st.sampled_from(["x" * 5000, "x" * 5001, 3, ["a"]]))
DURATIONS = st.one_of(st.integers(-2, 32), st.sampled_from([5.0, 5.5, True, -1, 10**30]))
OPTIONS = st.sampled_from([True, False, 1, "image", "frame", "media", "mp4", "mov", "loud"])


@cache
def links(model: Model) -> st.SearchStrategy[Any]:
    good = [f"{scheme}://example-{number}/a.png" for scheme in model.route.schemes.value for number in range(3)]
    return st.one_of(*[st.sampled_from(good)] * 5, st.sampled_from([*BAD_LINKS, "https://x.y/z", "asset://abc"]))


def options(fact: Fact[bool] | Fact[Choice]) -> st.SearchStrategy[Any]:
    """Mostly what a further field takes."""
    good = fact.value.allowed if isinstance(fact.value, Choice) else (True, False)
    return st.one_of(st.sampled_from(good), st.sampled_from(good), OPTIONS)


@cache
def fields(model: Model) -> dict[str, st.SearchStrategy[Any]]:
    link = links(model)
    return {
        "duration": st.one_of(st.integers(model.route.duration.value.min, model.route.duration.value.max), DURATIONS),
        "resolution": st.sampled_from(SIZES),
        "orientation": st.sampled_from(["landscape", "portrait", "portrait", "square"]),
        "ratio": st.sampled_from([*model.route.ratio.value.allowed, *RATIOS]),
        "first_image": link,
        "last_image": link,
        **{name: st.one_of(st.lists(link, max_size=4), st.lists(link, min_size=8, max_size=11)) for name in LIST_FIELDS},
        **dict.fromkeys(("generate_audio", "watermark", "reference_mode"), OPTIONS),
        **{name: options(fact) for name, fact in model.route.options.items()},
        "images ": st.just([]),
        "seed": st.integers(),
    }


LEFT_OUT = st.sampled_from([None] * 30 + ["model", "prompt"])


@st.composite
def requests(draw: st.DrawFn, edition: Edition, route: Route) -> dict[str, Any]:
    """Mostly valid bodies for one route's models, with a little of everything that could be wrong."""
    model = draw(st.sampled_from(edition.models_of(route)))
    chosen = draw(st.lists(st.sampled_from(list(fields(model))), max_size=4, unique=True))
    name = draw(st.sampled_from([model.name] * 9 + ["seedance-3"]))
    body = {"model": name, "prompt": draw(PROMPTS), **{each: draw(fields(model)[each]) for each in chosen}}
    body.pop(draw(LEFT_OUT) or "", None)
    return body


@pytest.fixture(scope="module")
def portal() -> Generator[BlockingPortal]:
    with start_blocking_portal() as opened:
        yield opened


@pytest.fixture
def world(request: pytest.FixtureRequest, portal: BlockingPortal, open_world: OpenWorld) -> Generator[World]:
    """A world of the edition that the test is parametrised with."""
    with portal.wrap_async_context_manager(open_world(edition=request.getfixturevalue("edition"))) as opened:
        yield opened


Verdict = Callable[[Any], bool]


def verdict_of(schema: dict[str, Any]) -> Verdict:
    validator: Any = Draft202012Validator(schema)
    return validator.is_valid


def published_schema(world: World, portal: BlockingPortal) -> Verdict:
    listed = portal.call(world.client.list_tools)
    return verdict_of(next(tool.input_schema for tool in listed.tools if tool.name == "create_video"))


def sandbox_verdict(world: World, path: str, body: dict[str, Any], post: Callable[..., Any]) -> bool:
    request = httpx.Request(
        "POST",
        f"https://provider.invalid/api/open-api/v1{path}",
        json=body,
        headers={"Authorization": f"Bearer {KEY}"},
    )
    return post(world.sandbox, request).json()["code"] in {0, 20000}


EDITIONS = [load_edition(name) for name in edition_names()]
ROUTES = [pytest.param(each, route, id=f"{each.name}-{route.name}") for each in EDITIONS for route in each.routes]


@pytest.mark.slow
@pytest.mark.parametrize(("edition", "route"), ROUTES)
def test_schema_server_and_sandbox_agree_on_5000_requests(
    world: World, portal: BlockingPortal, edition: Edition, route: Route
) -> None:
    put_to_three_judges(world, portal, edition, route, -(-5000 // len(edition.routes)))


@pytest.mark.parametrize("edition", EDITIONS, ids=lambda edition: edition.name)
def test_schema_server_and_sandbox_agree_on_a_few_requests(world: World, portal: BlockingPortal, edition: Edition) -> None:
    for route in edition.routes:
        put_to_three_judges(world, portal, edition, route, FEW)


def put_to_three_judges(world: World, portal: BlockingPortal, edition: Edition, route: Route, examples: int) -> None:
    schema, seen = published_schema(world, portal), {True: 0, False: 0}
    world.sandbox.balance = float("inf")

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(requests(edition, route))
    def agree(body: dict[str, Any]) -> None:
        world.sandbox.requests.clear()
        world.sandbox.tasks.clear()
        answer: Answer = portal.call(world.call, "create_video", {"request": body, "dry_run": True})
        assert world.creates == 0
        taken = not answer.is_error
        if answer.is_error:
            assert answer.error["charged"] == "no"
            assert answer.error["field"]
            assert answer.error["allowed"]
            assert answer.error["field"] in answer.text
        assert schema({"request": body}) is taken, body
        assert sandbox_verdict(world, route.path, body, portal.call) is taken, body
        seen[taken] += 1

    agree()
    assert examples <= FEW or min(seen.values()) > examples / 25, seen
