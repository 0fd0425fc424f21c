"""Takes, projects, filters and sums, and how much an agent has to read of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import Answer, OpenWorld, World
from mcp_types import ElicitResult, TextResourceContents

from seedance_mcp.catalogue.edition import edition_names, load_edition
from seedance_mcp.errors import OutcomeUnknown
from seedance_mcp.sandbox.faults import Fault

pytestmark = pytest.mark.anyio
FOX = {"model": "seedance2.0-sp", "prompt": "a fox"}


def size(answer: Answer) -> int:
    """What a model pays to read: the longer half."""
    return max(len(answer.text), len(json.dumps(answer.content, ensure_ascii=False)))


async def make(world: World, request: dict[str, Any] = FOX, **options: Any) -> Answer:
    return await world.call("create_video", {"request": request, **options})


async def test_each_take_is_made_once_and_paid_once(open_world: OpenWorld) -> None:
    async with open_world() as world:
        plain, first, second = await make(world), await make(world, take=1), await make(world, take=2)
        again = await make(world, take=2, project="film")
        assert world.creates == 3
        assert (again["deduplicated"], again["task_id"], again["take"]) == (True, second["task_id"], 2)
        assert len({each["task_id"] for each in (plain, first, second)}) == 3
        assert [plain["take"], first["take"]] == [None, 1]
        for take in (0, 100, "x"):
            assert (await make(world, take=take)).error["allowed"] == "a whole number from 1 to 99"


async def test_a_no_of_the_user_holds_for_every_take(open_world: OpenWorld) -> None:
    async def decline(context: Any, params: Any) -> Any:
        return ElicitResult(action="decline")

    async with open_world(confirm_above=0.1) as chat:
        token = (await make(chat, take=2)).error["confirm_token"]
    async with open_world(confirm_above=0.1, answer=decline) as forms:
        assert "declined" in (await make(forms, take=1)).text
    async with open_world(confirm_above=0.1) as chat:
        for take in (None, 1, 2, 3):
            assert "declined" in (await make(chat, take=take, confirm_token=token)).text
        for prompt in (" a  fox", "a\u00a0fo\u200bx", "a\nfox\ufeff"):
            assert "declined" in (await make(chat, {**FOX, "prompt": prompt}, confirm_token=token)).text
        assert chat.creates == 0


async def test_a_no_of_the_user_holds_when_the_price_falls_until_a_form_says_yes(open_world: OpenWorld) -> None:
    async def decline(context: Any, params: Any) -> Any:
        return ElicitResult(action="decline")

    async def accept(context: Any, params: Any) -> Any:
        return ElicitResult(action="accept", content={"confirm": True})

    async with open_world(confirm_above=0.1, answer=decline) as forms:
        assert "declined" in (await make(forms)).text
    for enough in (0.25, 100):
        async with open_world(confirm_above=enough) as chat:
            assert "declined" in (await make(chat)).text
            assert "would be asked" in " ".join((await make(chat, dry_run=True))["warnings"])
            assert (await make(chat, {**FOX, "prompt": f"an owl {enough}"}))["task_id"]
    async with open_world(confirm_above=100, answer=accept) as forms:
        assert (await make(forms))["task_id"]
    async with open_world(confirm_above=100) as chat:
        assert (await make(chat, take=2))["task_id"]


async def test_projects_are_listed_filtered_and_summed(open_world: OpenWorld) -> None:
    async with open_world() as world:
        made = [await make(world, take=take, project="my film") for take in (1, 2)]
        await make(world, {**FOX, "prompt": "an owl"})
        await world.call("wait_for_video", {"task_id": made[0]["task_id"]})
        film = await world.call("list_tasks", {"project": "my film"})
        every = await world.call("list_tasks")
        unsaved = await world.call("list_tasks", {"saved": False, "since": "today", "until": "today"})
        assert [row["take"] for row in film["tasks"]] == [2, 1]
        assert film["tasks"][1]["saved"] is False
        assert film["totals"] == {"count": 2, "estimated": 0.5, "charged": 0.5, "reserved": 0.0, "unsaved": 1}
        assert every["totals"]["count"] == every["total"] == 3
        assert [row["task_id"] for row in unsaved["tasks"]] == [made[0]["task_id"]]
        assert (await world.call("list_tasks", {"project": "other"}))["tasks"] == []
        assert (await world.call("list_tasks", {"saved": True}))["total"] == 0
        assert (await world.call("list_tasks", {"status": "failed", "saved": True}))["tasks"] == []
        assert (await world.call("list_tasks", {"until": "1h"}))["total"] == 0
        assert (await world.call("list_tasks", {"since": "7d", "until": f"{datetime.now(UTC):%Y-%m-%d}"}))["total"] == 3
        later = datetime.now(UTC) + timedelta(hours=1)
        assert (await world.call("list_tasks", {"since": later.isoformat()}))["total"] == 0
        assert (await world.call("list_tasks", {"since": f"{later:%Y-%m-%dT%H:%M:%S}"}))["total"] == 0


@pytest.mark.parametrize(
    ("tool", "given", "field", "words"),
    [
        ("list_tasks", {"since": "yesterday"}, "since", "a day (2026-07-01)"),
        ("list_tasks", {"until": "9999-12-31"}, "until", "a day (2026-07-01)"),
        ("list_tasks", {"cursor": "req_x"}, "cursor", "next_cursor of an earlier list_tasks"),
        ("list_tasks", {"project": "x" * 41}, "project", "text of 1 to 40 characters"),
        ("create_video", {**FOX, "project": "a\nb"}, "project", "text of 1 to 40 characters"),
        ("create_video", {**FOX, "project": " "}, "project", "text of 1 to 40 characters"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    open_world: OpenWorld, tool: str, given: dict[str, Any], field: str, words: str
) -> None:
    async with open_world() as world:
        answer = await world.call(tool, given)
        assert answer.error["field"] == field
        assert words in answer.text
        assert world.creates == 0


async def test_pages_follow_each_other_while_new_tasks_come(open_world: OpenWorld) -> None:
    async with open_world() as world:
        made = [(await make(world, take=take))["task_id"] for take in range(1, 6)]
        first = await world.call("list_tasks", {"limit": 2})
        await make(world, take=99)
        second = await world.call("list_tasks", {"limit": 2, "cursor": first["next_cursor"]})
        third = await world.call("list_tasks", {"limit": 2, "cursor": second["next_cursor"]})
    seen = [row["task_id"] for page in (first, second, third) for row in page["tasks"]]
    assert seen == made[::-1]
    assert third["next_cursor"] is None


async def test_the_request_is_there_after_a_restart_to_make_it_again_but_longer(open_world: OpenWorld) -> None:
    request = {**FOX, "duration": 4, "ratio": "9:16"}
    async with open_world() as world:
        task = await make(world, request)
    async with open_world() as world:
        known = await world.call("get_task", {"task_id": task["task_id"]})
        (content,) = (await world.client.read_resource(f"seedance://tasks/{task['task_id']}")).contents
        assert isinstance(content, TextResourceContents)
        assert json.loads(content.text)["request"] == known["request"] == {**request, "resolution": "720p"}
        longer = await make(world, {**known["request"], "duration": 8})
        assert (longer["deduplicated"], longer["request"]) == (False, None)


async def test_twenty_tasks_and_a_life_of_one_are_cheap_to_read(open_world: OpenWorld) -> None:
    prompt = 'A woman in a red coat says "hello\tthere" 狐 and walks through the snow of an old town. ' * 20
    async with open_world(client_name="cursor") as world:
        long = {**FOX, "prompt": prompt[:400]}
        made = [await make(world, long, take=take, project="p" * 40) for take in range(1, 22)]
        sizes, task_id = [size(answer) for answer in made], made[-1]["task_id"]
        sizes += [size(await world.call(tool, {"task_id": task_id})) for tool in ("wait_for_video", "download_video")]
        short = await make(world, {**FOX, "duration": 5, "ratio": "16:9"})
        sizes += [size(await world.call("get_task", {"task_id": short["task_id"]}))]
        assert max(sizes) < 1500
        assert size(await world.call("get_task", {"task_id": task_id})) < 1500 + 400
        dry = await make(world, {**FOX, "prompt": prompt[:400]}, dry_run=True)
        assert dry.text.count("red coat") == prompt[:400].count("red coat")
        listed = await world.call("list_tasks")
    assert len(listed["tasks"]) == 20
    assert all(len(json.dumps(row, ensure_ascii=False)) <= 250 for row in listed["tasks"])
    assert all(row["prompt"] for row in listed["tasks"])
    assert size(listed) < 6000


async def test_a_row_holds_its_size_whatever_the_ids_and_prompts_are(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await make(world, {**FOX, "prompt": '"' * 300}, project='"' * 40)
        await make(world, {**FOX, "prompt": "x"}, project="\\" * 40)
        world.sandbox.faults = [Fault("lost", "/videos")]
        assert (await make(world, {**FOX, "prompt": "a lost one"})).error["code"] == OutcomeUnknown.code
        rows = (await world.call("list_tasks"))["tasks"]
    assert all(len(json.dumps(row, ensure_ascii=False)) <= 250 for row in rows)
    assert rows[0]["task_id"].startswith("req_")
    assert rows[0]["prompt"] == "a lost one"


REFUSALS: list[tuple[str, dict[str, Any]]] = [
    ("create_video", {"model": "sd9", "prompt": "x"}),
    (
        "create_video",
        {"model": "sd2_mx_720p", "prompt": "x" * 5000, "duration": 99, "ratio": "x" * 300, "images": ["./x"] * 20},
    ),
    ("create_video", {**FOX, "images": ["data:image/png;base64," + "A" * 9000], "first_image": "./a", "sound": 1}),
    (
        "create_video",
        {
            **FOX,
            "images": ["./" + "a" * 90] * 9,
            "reference_videos": ["./" + "b" * 90] * 9,
            "first_image": "./c",
            "last_image": "data:x" * 50,
            "duration": 99,
            "ratio": "2:1",
            "resolution": "4k",
            "foo": 1,
            "bar": 2,
        },
    ),
    ("create_video", {"model": "seedance2.0-fast-i2v", "prompt": "x", "reference_videos": ["https://a.b/c.mp4"]}),
    ("create_video", {"model": "seedance2.0-md", "prompt": "x", "reference_audios": ["https://a"], "images": ["asset://x"]}),
    ("create_video", {"request": "{broken" * 300}),
    ("create_video", {f"field_{number}": 1 for number in range(60)} | FOX),
    ("list_models", {"model": "x" * 9000}),
    ("list_models", {"takes": ["x" * 900] * 40}),
    ("get_task", {"task_id": "x" * 9000}),
    ("list_tasks", {"since": "x" * 9000}),
    ("upload_asset", {"source": "x" * 9000, "model": "seedance2.0-sp"}),
    ("upload_asset", {"source": "https://a.b/c.mp3", "model": "seedance2.0-fast-i2v"}),
    ("upload_asset", {"source": "https://a.b/c.png", "model": "seedance2.0-md", "portrait": True}),
    ("get_asset", {"reference": "x" * 9000, "model": "seedance2.0-sp"}),
]


@pytest.mark.parametrize("edition", edition_names())
@pytest.mark.parametrize(("tool", "given"), REFUSALS, ids=[f"{tool}-{number}" for number, (tool, _) in enumerate(REFUSALS)])
async def test_every_error_is_short(open_world: OpenWorld, tool: str, given: dict[str, Any], edition: str) -> None:
    async with open_world(edition=load_edition(edition)) as world:
        answer = await world.call(tool, given)
    assert answer.is_error
    assert len(answer.text) < 1200
    assert size(answer) < 1200, answer.content


async def test_a_long_list_of_what_is_allowed_is_read_once_in_both_halves(open_world: OpenWorld) -> None:
    async with open_world(edition=load_edition("2026-09")) as world:
        answer = await world.call("list_models", {"model": "x"})
    assert answer.text.count("seedance2.0-fast-i2v") == json.dumps(answer.content).count("seedance2.0-fast-i2v") == 1
    assert answer.error["message"] == 'model "x" is unknown. Allowed: see allowed.'
