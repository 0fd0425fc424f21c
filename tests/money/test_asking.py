"""A person is asked before a dear video: by a form in both protocol eras, else in the chat with a token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from conftest import Answer, OpenWorld, World
from mcp.client.session import ClientRequestContext
from mcp_types import (
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    FormElicitationCapability,
    UrlElicitationCapability,
)

from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.server.client_session import has_forms

pytestmark = pytest.mark.anyio
MODES = ("auto", "legacy")


class Person:
    """Answers every question the same way and remembers it."""

    def __init__(self, action: Any, *, ticked: bool = True, after_seconds: float = 0) -> None:
        self.action, self.ticked, self.after_seconds = action, ticked, after_seconds
        self.heard: list[str] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.heard.append(params.message)
        await anyio.sleep(self.after_seconds)
        return ElicitResult(action=self.action, content={"confirm": self.ticked} if self.action == "accept" else None)


async def create(world: World, token: str | None = None, **fields: Any) -> Answer:
    request = {"model": "seedance2.0-sp", "prompt": "a fox", **fields}
    return await world.call("create_video", {"request": request, **({"confirm_token": token} if token else {})})


@pytest.mark.parametrize("mode", MODES)
async def test_a_yes_sends_it(open_world: OpenWorld, mode: str) -> None:
    person = Person("accept")
    async with open_world(mode=mode, answer=person, confirm_above="0.2") as world:
        assert (await create(world))["status"] == "queued"
        assert person.heard == ["A video of 5 s at 720p with seedance2.0-sp costs 0.25 JimiCoin. Make it?"]
        assert (await create(world))["deduplicated"] is True
        assert len(person.heard) == 1
        assert world.creates == 1


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_cheap_is_not_asked_about(open_world: OpenWorld, mode: str) -> None:
    person = Person("decline")
    async with open_world(mode=mode, answer=person, confirm_above="0.25") as world:
        assert (await create(world))["status"] == "queued"
        dry = await world.call("create_video", {"model": "seedance2.0-sp", "prompt": "x", "duration": 15, "dry_run": True})
        assert dry["estimated_cost"] == 0.75
    assert person.heard == []


@pytest.mark.parametrize("mode", MODES)
async def test_an_unknown_price_is_asked_about(open_world: OpenWorld, mode: str) -> None:
    person = Person("accept")
    async with open_world(mode=mode, answer=person, confirm_above="100") as world:
        world.sandbox.faults = [Fault("unavailable", "catalog", 99)]
        assert (await create(world))["status"] == "queued"
    assert "an unpublished price" in person.heard[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("person", [Person("decline"), Person("accept", ticked=False)], ids=["declined", "not ticked"])
async def test_a_no_sends_nothing_and_gives_no_token(open_world: OpenWorld, mode: str, person: Person) -> None:
    async with open_world(mode=mode, answer=person, confirm_above="0") as world:
        answer = await create(world)
        assert answer.error["code"] == "confirmation_required"
        assert answer.error["charged"] == "no"
        assert "declined" in answer.text
        assert "confirm_token" not in answer.error
        assert world.creates == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_what_is_no_yes_is_final_whatever_the_agent_gives(open_world: OpenWorld, mode: str, action: str) -> None:
    person = Person(action)
    async with open_world(mode=mode, answer=person, confirm_above="0") as world:
        for token in (None, "x", "confirm_0", None, "x"):
            answer = await create(world, token)
            assert answer.error["code"] == "confirmation_required"
            assert answer.error["charged"] == "no"
            assert "confirm_token" not in answer.error
            assert "confirm_" not in answer.text.replace("code: confirmation_required", "")
        assert len(person.heard) == 5, "each try asks the user anew"
        assert world.creates == 0
        person.action = "accept"
        assert (await create(world, "x"))["status"] == "queued"
        assert len(person.heard) == 6


@pytest.mark.parametrize("mode", MODES)
async def test_a_no_in_a_form_holds_in_a_client_without_forms_until_a_form_says_yes(open_world: OpenWorld, mode: str) -> None:
    async with open_world(confirm_above="0", dedupe_seconds=0) as without:
        token = (await create(without)).error["confirm_token"]
        async with open_world(mode=mode, answer=Person("decline"), confirm_above="0", dedupe_seconds=0) as world:
            await create(world)
        for given in (token, None, "x"):
            answer = await create(without, given)
            assert "declined" in answer.text
            assert "confirm_token" not in answer.error
        assert "confirm_token" in (await create(without, prompt="another")).error
        async with open_world(mode=mode, answer=Person("accept"), confirm_above="0", dedupe_seconds=0) as world:
            assert (await create(world))["status"] == "queued"
        assert "confirm_token" in (await create(without)).error
        assert without.creates == 0


@pytest.mark.parametrize("mode", MODES)
async def test_a_token_of_the_chat_is_no_yes_where_the_client_has_forms(open_world: OpenWorld, mode: str) -> None:
    async with open_world(confirm_above="0") as without:
        token = (await create(without)).error["confirm_token"]
    person = Person("decline")
    async with open_world(mode=mode, answer=person, confirm_above="0") as world:
        assert "declined" in (await create(world, token)).text
        assert (len(person.heard), world.creates) == (1, 0)


async def test_a_person_who_does_not_answer_in_two_minutes_is_not_waited_for(open_world: OpenWorld) -> None:
    async with open_world(mode="legacy", answer=Person("accept", after_seconds=9999), confirm_above="0") as world:
        start = anyio.current_time()
        answer = await create(world)
        assert 120 <= anyio.current_time() - start < 130
        assert "did not answer it in time" in answer.text
        assert "confirm_token" not in answer.error
        assert world.creates == 0


async def test_a_form_that_fails_in_the_client_is_no_yes(open_world: OpenWorld) -> None:
    async def fail(context: ClientRequestContext, params: ElicitRequestParams) -> ErrorData:
        return ErrorData(code=-32603, message="no window")

    async with open_world(mode="legacy", answer=fail, confirm_above="0") as world:
        answer = await create(world)
        assert answer.error["code"] == "confirmation_required"
        assert "confirm_token" not in answer.error
        assert world.creates == 0


async def test_a_yes_that_comes_too_late_is_asked_for_anew(open_world: OpenWorld) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)

    class Slow(Person):
        async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
            nonlocal now
            now += timedelta(seconds=601 if not self.heard else 1)
            return await super().__call__(context, params)

    person = Slow("accept")
    async with open_world(mode="auto", answer=person, confirm_above="0", clock=lambda: now) as world:
        assert (await create(world))["status"] == "queued"
        assert (len(person.heard), world.creates) == (2, 1)


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_without_forms_is_never_stuck(open_world: OpenWorld, mode: str) -> None:
    async with open_world(mode=mode, confirm_above="0.2") as world:
        answer = await create(world)
        assert answer.error["code"] == "confirmation_required"
        assert "costs 0.25 JimiCoin" in answer.text
        assert "Ask the user in the chat" in answer.text
        assert world.creates == 0
        assert (await create(world, answer.error["confirm_token"]))["status"] == "queued"
        assert world.creates == 1


async def test_a_token_is_good_once_for_one_request_at_one_price_and_for_ten_minutes(open_world: OpenWorld) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    async with open_world(confirm_above="0.2", clock=lambda: now, dedupe_seconds=0) as world:
        token = (await create(world)).error["confirm_token"]
        assert "another request" in (await create(world, token, duration=6)).text
        assert "not one of ours" in (await create(world, f"{token}0")).text
        assert (await create(world, token))["status"] == "queued"
        reused = await create(world, token)
        assert "used already" in reused.text
        fresh = reused.error["confirm_token"]
        now += timedelta(seconds=601)
        assert "expired" in (await create(world, fresh)).text
        dearer = (await create(world)).error["confirm_token"]
        world.sandbox.faults = [Fault("unavailable", "catalog", 99)]
        await anyio.sleep(3601)
        assert world.creates == 1
    async with open_world(confirm_above="0.2", clock=lambda: now, dedupe_seconds=0, sandbox=world.sandbox) as world:
        assert "another request, take or price" in (await create(world, dearer)).text
        assert world.creates == 1


async def test_a_yes_is_for_the_take_that_was_asked_for(open_world: OpenWorld) -> None:
    request = {"model": "seedance2.0-sp", "prompt": "a fox"}
    async with open_world(confirm_above="0.2") as world:

        async def take(number: int | None, token: str | None = None) -> Answer:
            options = {"take": number, "confirm_token": token}
            return await world.call("create_video", {"request": request, **options})

        plain, first, second = [(await take(number)).error for number in (None, 1, 2)]
        assert "seedance2.0-sp (take 2) costs 0.25 JimiCoin" in second["message"]
        for number, other in ((None, first), (1, plain), (1, second), (2, first)):
            refused = await take(number, other["confirm_token"])
            assert "it was given for another request, take or price" in refused.error["message"]
            assert refused.error["charged"] == "no"
        assert world.creates == 0
        for number, own in ((None, plain), (1, first), (2, second)):
            assert (await take(number, own["confirm_token"]))["take"] == number
        assert world.creates == 3


@pytest.mark.parametrize("mode", MODES)
async def test_a_form_names_the_take_and_each_take_has_its_own(open_world: OpenWorld, mode: str) -> None:
    person = Person("accept")
    async with open_world(mode=mode, answer=person, confirm_above="0.2") as world:
        for number in (1, 2):
            request = {"model": "seedance2.0-sp", "prompt": "a fox"}
            assert (await world.call("create_video", {"request": request, "take": number}))["status"] == "queued"
        assert [f"(take {number}) costs" in heard for number, heard in enumerate(person.heard, 1)] == [True, True]
        assert world.creates == 2


async def test_two_calls_with_one_token_at_once_send_one_post(open_world: OpenWorld) -> None:
    async with open_world(confirm_above="0.2", dedupe_seconds=0) as world:
        token = (await create(world)).error["confirm_token"]
        answers: list[Answer] = []

        async def use() -> None:
            answers.append(await create(world, token))

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(use)
        assert sum(not answer.is_error for answer in answers) == 1
        assert world.creates == 1


@pytest.mark.parametrize(
    ("declared", "forms"),
    [
        (None, False),
        (ClientCapabilities(), False),
        (ClientCapabilities(elicitation=ElicitationCapability()), True),
        (ClientCapabilities(elicitation=ElicitationCapability(form=FormElicitationCapability())), True),
        (ClientCapabilities(elicitation=ElicitationCapability(url=UrlElicitationCapability())), False),
    ],
)
async def test_only_a_client_with_forms_is_asked_by_one(declared: ClientCapabilities | None, forms: bool) -> None:  # noqa: FBT001
    assert has_forms(declared) is forms
