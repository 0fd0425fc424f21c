"""What the snapshot answers is what the real server says, and a client does not notice the change from one to the other."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import combinations, product
from pathlib import Path
from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import Any, BinaryIO

import anyio
import pytest
from deadline import ran
from derived import check
from hypothesis import assume, given
from hypothesis import strategies as st
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

import seedance_mcp
from seedance_mcp.instant import pipes
from seedance_mcp.instant.opening import (
    MODERN,
    SNAPSHOT,
    SURE,
    Opening,
    folder_pattern,
    load_snapshot,
    prefers_flat,
    serve_opening,
)
from seedance_mcp.instant.pipes import Lines
from seedance_mcp.server.handlers import build_server
from seedance_mcp.server.stdio_handover import resume
from seedance_mcp.settings import Settings, load_settings
from seedance_mcp.tools.variables import ignored_variables

Message = dict[str, Any]

VERSIONS = (*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS)
CLIENTS = {"union": "anybody", "flat": "cursor-vscode"}
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list", "ping")
FLAGS = ("toolsListChanged", "promptsListChanged", "resourcesListChanged")
OPENINGS = sorted((Path(__file__).parent / "openings").glob("*.jsonl"))
HEAVY = {"anyio", "httpx", "mcp", "mcp_types", "pydantic", "sqlite3", "typing"}


def request(number: int, method: Any, params: Any = None) -> Message:
    return {"jsonrpc": "2.0", "id": number, "method": method, **({"params": params} if params is not None else {})}


def envelope(client: str) -> Message:
    told = {"protocolVersion": MODERN, "clientCapabilities": {}, "clientInfo": {"name": client, "version": "1"}}
    return {"_meta": {f"io.modelcontextprotocol/{name}": value for name, value in told.items()}}


def greeting(version: str, client: str) -> list[Message]:
    if version == MODERN:
        return [request(0, "server/discover", envelope(client))]
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": client, "version": "1"}}
    return [request(0, "initialize", params), {"jsonrpc": "2.0", "method": "notifications/initialized"}]


def opening(version: str, client: str) -> list[Message]:
    rest = envelope(client) if version == MODERN else None
    return [*greeting(version, client), *(request(number, method, rest) for number, method in enumerate(LISTS, 1))]


def listen(number: int, flags: tuple[str, ...]) -> Message:
    wanted = {"notifications": dict.fromkeys(flags, True)}
    return request(number, "subscriptions/listen", {**envelope("anybody"), **wanted})


def line(message: Message) -> bytes:
    return json.dumps(message).encode()


async def serve(heard: Opening, source: int, sink: int) -> None:
    server = build_server(Settings())
    await server.run(*resume(heard, source, sink), server.create_initialization_options())


@pytest.fixture
def anyio_backend() -> str:
    """One whose clock stands still for no thread that reads."""
    return "asyncio"


@asynccontextmanager
async def real_server(heard: Opening) -> AsyncGenerator[tuple[BinaryIO, Iterator[bytes]]]:
    """A server behind what was heard: where to write lines to, and where its messages come out."""
    (source, to), (from_, sink) = os.pipe(), os.pipe()

    async def serve_to_its_end() -> None:
        with os.fdopen(sink, "wb"):  # the server itself leaves its pipes open
            await serve(heard, source, sink)

    with os.fdopen(source), os.fdopen(from_, "rb", 0) as receive:
        async with anyio.create_task_group() as group:
            with os.fdopen(to, "wb", 0) as send:
                group.start_soon(serve_to_its_end)
                yield send, iter(Lines(from_))
            await anyio.to_thread.run_sync(receive.read)  # a server that could not write would leave its reader behind


async def next_message(receive: Iterator[bytes]) -> Message:
    with anyio.fail_after(60):
        return json.loads(await anyio.to_thread.run_sync(next, receive, abandon_on_cancel=True))


async def really(messages: list[Message]) -> list[Message]:
    """What the real server answers, in the order of the requests."""
    wanted = [message["id"] for message in messages if "id" in message]
    heard = Opening({})
    heard.replayed = [line(message) for message in messages]
    async with real_server(heard) as (_, receive):
        told = [await next_message(receive) for _ in wanted]
    return sorted(told, key=lambda each: each.get("id", wanted[-1]))


def instantly(messages: list[Message]) -> list[Message]:
    """What the snapshot answers; fails where it cannot."""
    heard = Opening(load_snapshot())
    told = [heard.answer(line(message)) for message in messages]
    assert None not in told
    return [answer for answer in told if answer]


async def take_snapshot() -> Message:
    """Every answer of an opening, each different body once."""
    bodies: list[Message] = []
    answers: Message = {}
    for version in VERSIONS:
        for profile, client in CLIENTS.items():
            messages = opening(version, client)
            methods = [message["method"] for message in messages if "id" in message]
            for method, told in zip(methods, await really(messages), strict=True):
                body = {name: told[name] for name in ("result", "error") if name in told}
                if body not in bodies:
                    bodies.append(body)
                answers.setdefault(version, {}).setdefault(method, {})[profile] = bodies.index(body)
    for found in answers.values():
        found.update({method: each["flat"] for method, each in found.items() if each["flat"] == each["union"]})
    (told,) = await really([listen(1, FLAGS)])
    return {"answers": answers, "listen": list(told["params"]["notifications"]), "bodies": bodies}


def written(snapshot: Message) -> str:
    """The snapshot as its file: a line for each body, so that a change shows where it is."""
    first = json.dumps({name: snapshot[name] for name in ("answers", "listen")}).removesuffix("}")
    bodies = ",\n".join(json.dumps(body, ensure_ascii=False) for body in snapshot["bodies"])
    return f'{first}, "bodies": [\n{bodies}\n]}}\n'


def test_the_snapshot_is_what_the_real_server_says() -> None:
    check(Path(SNAPSHOT), written(anyio.run(take_snapshot)))


@pytest.mark.anyio
@pytest.mark.parametrize("client", CLIENTS.values())
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_opening_is_answered_as_by_the_real_server(version: str, client: str) -> None:
    messages = opening(version, client)
    assert instantly(messages) == await really(messages)


@pytest.mark.anyio
@pytest.mark.parametrize("flags", [each for size in range(4) for each in combinations(FLAGS, size)])
async def test_a_subscription_is_acknowledged_as_by_the_real_server(flags: tuple[str, ...]) -> None:
    assert instantly([listen(7, flags)]) == await really([listen(7, flags)])


@pytest.mark.anyio
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.slow
async def test_after_the_opening_the_real_server_goes_on_and_repeats_nothing(version: str) -> None:
    heard, messages = Opening(load_snapshot()), opening(version, "anybody")
    if version == MODERN:
        messages.append(listen(90, FLAGS))
    for message in messages:
        assert heard.answer(line(message)) is not None
    rest = envelope("anybody") if version == MODERN else {}
    call = request(91, "tools/call", {"name": "list_models", "arguments": {"route": "md"}, **rest})
    assert heard.answer(line(call)) is None
    heard.replayed.append(line(call))
    async with real_server(heard) as (send, receive):
        told = await next_message(receive)
        send.write(line(request(92, "tools/list", rest)) + b"\n")
        later = await next_message(receive)
    assert told["id"] == 91
    assert [model["route"] for model in told["result"]["structuredContent"]["models"]] == ["md", "md"]
    assert later["id"] == 92


@pytest.mark.anyio
async def test_a_line_that_is_no_message_reaches_the_real_server_as_it_came() -> None:
    heard = Opening(load_snapshot())
    for unread in (b"not json", b"[" * 100_000, b"\xff", line(request(0, "ping")).replace(b"ping", b"pi\\ud83dng")):
        assert heard.answer(unread) is None
    for odd in (None, 1.5, True, [1], "\ud83d"):
        assert heard.answer(line({**request(0, "initialize", OLD), "id": odd})) is None
    heard.replayed = [b"not json", *(line(message) for message in opening(MODERN, "anybody"))]
    async with real_server(heard) as (_, receive):
        told = [await next_message(receive) for _ in range(2)]
        assert sorted(["error" in message for message in told]) == [False, True]


RESERVED = "io.modelcontextprotocol/"
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
INFO = {"name": "x", "version": "1"}
OLD: Message = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": INFO}
BEYOND: dict[str, list[Any]] = {
    "a version nobody knows": [request(0, "initialize", {**OLD, "protocolVersion": "2031-01-01"})],
    "the newest version by handshake": [request(0, "initialize", {**OLD, "protocolVersion": MODERN})],
    "a version that is none": [request(0, "initialize", {**OLD, "protocolVersion": []})],
    "no name": [request(0, "initialize", {**OLD, "clientInfo": {"name": 1, "version": "1"}})],
    "no client": [request(0, "initialize", {**OLD, "clientInfo": None})],
    "no capabilities": [request(0, "initialize", {**OLD, "capabilities": None})],
    "a second handshake": [*greeting("2025-06-18", "x"), request(1, "initialize", OLD)],
    "a list before the handshake": [request(0, "tools/list")],
    "a list within the handshake": [request(0, "initialize", OLD), request(1, "tools/list")],
    "a page": [*greeting("2025-06-18", "x"), request(1, "tools/list", {"cursor": "a"})],
    "a call": [*greeting("2025-06-18", "x"), request(1, "tools/call", {"name": "list_models"})],
    "a subscription by handshake": [*greeting("2025-06-18", "x"), request(1, "subscriptions/listen", {"notifications": {}})],
    "an envelope after a handshake": [*greeting("2025-06-18", "x"), request(1, "tools/list", envelope("x"))],
    "a handshake after an envelope": [*greeting(MODERN, "x"), request(1, "initialize", OLD)],
    "no envelope after one": [*greeting(MODERN, "x"), request(1, "tools/list")],
    "the end of no handshake": [{"jsonrpc": "2.0", "method": "notifications/initialized"}],
    "another notification": [{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}],
    "a single resource": [
        request(0, "subscriptions/listen", {**envelope("x"), "notifications": {"resourceSubscriptions": []}})
    ],
    "a list of messages": [[request(0, "ping")]],
    "another protocol": [{**request(0, "ping"), "jsonrpc": "1.0"}],
    "a method that is no name": [request(0, 7)],
    "parameters that are no object": [request(0, "initialize", [])],
    "an envelope that is no object": [*greeting("2025-06-18", "x"), request(1, "ping", {"_meta": 1})],
    "icons": [request(0, "initialize", {**OLD, "clientInfo": {**INFO, "icons": "none"}})],
    "an address that is no text": [request(0, "initialize", {**OLD, "clientInfo": {**INFO, "websiteUrl": 5}})],
    "a capability that is none": [request(0, "initialize", {**OLD, "capabilities": {"sampling": 5}})],
    "a capability of another form": [request(0, "initialize", {**OLD, "capabilities": {"elicitation": {"form": 5}}})],
    "a flag that is none": [request(0, "initialize", {**OLD, "capabilities": {"roots": {"listChanged": 2}}})],
    "tasks of a client": [request(0, "initialize", {**OLD, "capabilities": {"tasks": {"list": {}}}})],
    "a progress token that is none": [request(0, "initialize", {**OLD, "_meta": {"progressToken": []}})],
    "a field of the protocol's": [*greeting("2025-06-18", "x"), request(1, "ping", {"_meta": {f"{RESERVED}logLevel": 5}})],
    "an end of the handshake that is odd": [request(0, "initialize", OLD), {**INITIALIZED, "params": {"_meta": 5}}],
    "an error beside a method": [*greeting("2025-06-18", "x"), {**request(1, "ping"), "error": {"code": 1, "message": "x"}}],
}
TOLD: list[Any] = [None, True, 1, 5, "x", [], {}, {"a": 1}, {"a": {}}, {"listChanged": True}, {"form": {}, "url": {}}]
ODD = {
    "capabilities": ("roots", "sampling", "elicitation", "tasks", "experimental", "extensions", "x"),
    "clientInfo": ("title", "description", "websiteUrl", "icons", "x"),
    "_meta": ("progressToken", f"{RESERVED}logLevel", "x"),
    "": ("result", "error", "x"),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_the_snapshot_cannot_answer_is_left_to_the_real_server(name: str) -> None:
    heard = Opening(load_snapshot())
    *before, last = BEYOND[name]
    for message in before:
        assert heard.answer(line(message)) is not None
    said = list(heard.replayed)
    assert heard.answer(json.dumps(last).encode()) is None
    assert heard.replayed == said


def odd_openings() -> Iterator[list[Message]]:
    """Every opening with one odd part."""
    for (place, names), told in product(ODD.items(), TOLD):
        for odd in ({name: told} for name in names):
            asked = {**OLD, place: {**OLD.get(place, {}), **odd}} if place else OLD
            yield [{**request(0, "initialize", asked), **({} if place else odd)}, INITIALIZED]


@pytest.mark.slow
def test_a_client_that_is_served_at_once_is_served_so_by_the_real_server() -> None:
    served_at_once = 0
    for messages in odd_openings():
        heard = Opening(load_snapshot())
        answers = [heard.answer(line(message)) for message in messages]
        if answers[0]:
            served_at_once += 1
            assert answers == [*anyio.run(really, messages), {}], messages
    assert served_at_once >= 40


def test_an_escaped_letter_is_no_half_of_one() -> None:
    assert Opening(load_snapshot()).answer(line(request(0, "initialize", OLD)).replace(b'"x"', b'"\\u00fc"'))


def served(data: bytes, environment: dict[str, str] | None = None) -> tuple[Opening, list[Message]]:
    """An opening on descriptors, and what it wrote."""
    with TemporaryFile() as source, TemporaryFile() as sink:
        source.write(data)
        source.seek(0)
        heard = serve_opening(environment or {}, source.fileno(), sink.fileno())
        sink.seek(0)
        return heard, [json.loads(each) for each in sink]


def test_lines_that_came_with_the_last_one_are_handed_over_whole() -> None:
    call, after = line(request(9, "tools/call", {"name": "x"})), line(request(10, "ping"))
    greeted = [line(message) for message in greeting("2025-11-25", "x")]
    heard, told = served(b"\n".join([*greeted, call, after, b'{"unfinished']))
    assert [each["id"] for each in told] == [0]
    assert heard.replayed == [*greeted, call, after, b'{"unfinished']
    assert heard.answered == [0]
    assert not heard.ended


def test_a_line_of_any_length_is_answered_and_a_last_one_without_an_end() -> None:
    heard, told = served(b"\n".join(line(message) for message in opening("2025-11-25", "x" * 200_000)))
    assert [each["id"] for each in told] == [0, 1, 2, 3, 4, 5]
    assert heard.ended


@pytest.mark.slow
@pytest.mark.parametrize("path", OPENINGS, ids=lambda path: path.stem)
def test_no_client_loads_the_real_server_by_opening(path: Path, tmp_path: Path) -> None:
    program = "import sys; from seedance_mcp.__main__ import main; main(); print(*sys.modules, file=sys.stderr)"
    environment = {"HOME": str(tmp_path), "SEEDANCE_API_KEY": "sk_1"}
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"]
    done = ran(command, input=path.read_text("utf-8"), env=environment)
    assert done.returncode == 0, done.stderr
    asked = [message["id"] for message in map(json.loads, path.read_text("utf-8").splitlines()) if "id" in message]
    assert [_subject(json.loads(each)) for each in done.stdout.splitlines()] == asked
    assert {name.partition(".")[0] for name in done.stderr.split()} & HEAVY == set()


def _subject(message: Message) -> Any:
    if "id" in message:
        return message["id"]
    return message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"]


def test_the_openings_of_four_clients_were_recorded() -> None:
    assert {path.stem for path in OPENINGS} >= {"claude-code", "codex", "gemini-cli", "opencode"}


def aliases() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        choices: Any = field.validation_alias
        yield from choices.choices if choices else [f"SEEDANCE_{name.upper()}"]


NEVER_SURE = {f"SEEDANCE_HTTP_{name}" for name in ("TOKENS", "OAUTH_ISSUER", "OAUTH_AUDIENCE", "HOSTS")} | {
    f"SEEDANCE_{name}" for name in ("NOTIFY_URL", "NOTIFY_SECRET", "PUBLIC_URL", "LINK_SECONDS", "VIDEO_STORE", "MODELS")
}


@given(st.text(), st.sampled_from(sorted(NEVER_SURE)))
def test_what_only_a_full_start_can_judge_is_never_sure(value: str, name: str) -> None:
    assert not re.fullmatch(SURE[name], value)


def test_every_variable_has_values_that_are_right_for_sure() -> None:
    assert set(SURE) == set(aliases())


@pytest.mark.slow
@given(st.data(), st.sampled_from(sorted(set(SURE) - NEVER_SURE)))
def test_what_is_right_for_sure_is_right(data: st.DataObject, name: str) -> None:
    value = data.draw(st.from_regex(SURE[name], fullmatch=True).filter(lambda text: "\x00" not in text))
    assume(served(b"", {name: value})[0].ended)
    with pytest.MonkeyPatch.context() as patched:
        try:
            patched.setenv(name, value)
        except UnicodeEncodeError:  # no environment holds it
            return
        load_settings()


@pytest.mark.parametrize(
    "environment",
    [
        {"SEEDANCE_MAX_COST_PER_DAY": "much"},
        {"SEEDANCE_BASE_URL": "http://example.com"},
        {"seedance_log_level": "LOUD"},
        {"SEEDANCE_HTTP_TOKENS": "a:b"},
        {"SEEDANCE_INSTANT_START": "0"},
        {"SEEDANCE_DATA_DIR": "data"},
        {"SEEDANCE_OUTPUT_DIR": "/x/${NAME}"},
        {"SEEDANCE_PRICES": '"/x"'},
        {"SEEDANCE_MEDIA_ROOTS": "/"},
        {"SEEDANCE_MEDIA_ROOTS": "/x:/home/../"},
        {"SEEDANCE_API_KEY": "'sk_1'"},
        {"SEEDANCE_MAX_COST_PER_DAYS": "5"},
        {"SEEDENCE_MAX_COST_PER_DAY": "5"},
    ],
)
def test_what_may_be_wrong_is_left_to_a_full_start(environment: dict[str, str]) -> None:
    heard, told = served(b"".join(line(message) + b"\n" for message in opening("2025-11-25", "x")), environment)
    assert told == heard.replayed == []
    assert not heard.ended


def test_a_media_root_above_the_home_folder_is_left_to_a_full_start() -> None:
    for root in (Path.home(), *Path.home().parents):
        assert not served(b"", {"SEEDANCE_MEDIA_ROOTS": str(root)})[0].ended


def test_folders_that_are_right_for_sure_and_variables_of_others_are_answered_at_once(tmp_path: Path) -> None:
    others = {"SEEDANCE_MEDIA_ROOTS": f"{tmp_path / 'pictures'}: ", "SESSION_MANAGER": "x", "SEED": "1"}
    folders = {"SEEDANCE_DATA_DIR": str(tmp_path / "my data"), "SEEDANCE_MEDIA_ROOTS": f"{tmp_path / 'a'}:{tmp_path / 'b'}"}
    assert not served(b"", others)[0].ended
    assert served(b"", others | folders)[0].ended


@given(st.from_regex(r"(SE[A-Z]{3,7}|JIM[A-Z]{2,5})_[A-Z]{1,6}", fullmatch=True))
@pytest.mark.slow
def test_a_name_that_a_full_start_tells_is_never_sure(name: str) -> None:
    assert not (served(b"", {name: "1"})[0].ended and ignored_variables({name: "1"}))


def test_the_sandbox_without_its_extra_is_left_to_a_full_start(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = b"".join(line(message) + b"\n" for message in opening("2025-11-25", "x"))
    assert served(messages, {"SEEDANCE_SANDBOX": "1"})[0].ended
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setitem(sys.modules, "av", None)
    assert not served(messages, {"SEEDANCE_SANDBOX": "1"})[0].ended


@pytest.mark.parametrize("setting", ["union", "flat"])
def test_the_operators_choice_of_schemas_holds(setting: str) -> None:
    wanted = load_snapshot()
    for client in CLIENTS.values():
        messages = b"".join(line(message) + b"\n" for message in opening(MODERN, client))
        _, told = served(messages, {"SEEDANCE_SCHEMA_PROFILE": setting})
        assert {"result": told[1]["result"]} == wanted["bodies"][wanted["answers"][MODERN]["tools/list"][setting]]


@pytest.mark.parametrize(
    ("name", "setting", "flat"),
    [
        ("cursor-vscode", "auto", True),
        ("gemini-cli-mcp-client", "auto", True),
        ("codex-mcp-client", "auto", True),
        ("Cursor", "union", False),
        ("claude-code", "auto", False),
        ("claude-code", "flat", True),
        (None, "auto", False),
    ],
)
def test_who_refuses_unions_sees_the_flat_form(name: str | None, setting: str, flat: bool) -> None:  # noqa: FBT001 - a column
    assert prefers_flat(name, setting) is flat


def test_the_package_gives_its_public_names_when_asked() -> None:
    assert seedance_mcp.Settings is Settings
    assert seedance_mcp.build_server is build_server
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(seedance_mcp, "nothing")  # noqa: B009 - a type checker knows that it is not there


def test_on_windows_the_protocols_line_ends_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    pipes.carry_bytes(5)
    monkeypatch.setattr(os, "O_BINARY", 0x8000, raising=False)

    def setmode(descriptor: int, flags: int) -> None:
        seen.append((descriptor, flags))

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(setmode=setmode))
    pipes.carry_bytes(5, 6)
    assert seen == [(5, 0x8000), (6, 0x8000)]


@pytest.mark.parametrize(
    ("system", "folder", "is_sure"),
    [
        ("nt", r"C:\Users\mia", True),
        ("nt", "c:/data", True),
        ("nt", "/data", False),
        ("nt", "C:data", False),
        ("posix", "/data", True),
        ("posix", "C:/data", False),
    ],
)
def test_the_paths_that_are_certainly_right_are_those_of_the_system(system: str, folder: str, is_sure: bool) -> None:  # noqa: FBT001 - a column
    assert bool(re.fullmatch(folder_pattern(system), folder)) is is_sure
