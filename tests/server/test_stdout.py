"""Standard output is the protocol's: whoever else prints, and whenever, is heard on standard error alone."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from deadline import LONGEST_SECONDS, fail

from seedance_mcp import __version__

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

SCRIPT = str(Path(sys.executable).with_name("seedance-mcp"))
MODULE = [sys.executable, "-m", "seedance_mcp"]
BUFFERING = {"buffered": {}, "unbuffered": {"PYTHONUNBUFFERED": "1"}}
KINDS = {
    "print": "print(word)",
    "sys.__stdout__": "sys.__stdout__.write(word + '\\n')",
    "C stdio": "ctypes.CDLL(None).puts(word.encode())",
    "a descriptor": "os.write(1, word.encode() + b'\\n')",
    "a child": "subprocess.run(['echo', word], check=True)",
    "a child of all descriptors": "os.system(f'echo {word}; for n in 3 4 5 6 7 8 9; do echo {word} >&$n; done 2>/dev/null')",
    "a log on sys.stdout": "logging.StreamHandler(stdout).emit(logging.makeLogRecord({'msg': word}))",
}
KEPT = ("print", "sys.__stdout__", "C stdio")
"""Those that may lie in a buffer for long."""
MOMENTS = {
    "the opening": ("open", "opening.json"),
    "loading": ("import", "seedance_mcp.server.handlers"),
    "serving": ("sqlite3.connect", ""),
}
EARLY, LATE = "the beginning", "the end"
NOISE = """
import atexit, ctypes, logging, os, subprocess, sys
from sys import stdout

def speak(moment):
{code}

def hear(event, arguments):
    for moment, (name, end) in list(moments.items()):
        if event == name and str(arguments[0]).endswith(end):
            del moments[moment]
            speak(moment)

moments = {moments}
sys.addaudithook(hear)
"""
INFO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}
OPENING: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INFO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]
CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "list_tasks", "arguments": {}}}


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """What a server is told: its settings, and where the noise is."""
    return {**os.environ, "PYTHONPATH": str(tmp_path), "SEEDANCE_DATA_DIR": str(tmp_path / "data"), **more}


def make_noise(tmp_path: Path, kinds: Iterable[str], moments: Iterable[str] = (*MOMENTS, LATE), code: str = "") -> None:
    """Let the server's interpreter hold a library that prints, as an operator's might, in every way at every moment."""
    said = code or "\n".join(f"    word = '{kind} at ' + moment\n    {KINDS[kind]}" for kind in kinds)
    heard = {moment: event for moment, event in MOMENTS.items() if moment in moments}
    more = {EARLY: f"speak({EARLY!r})", LATE: f"atexit.register(speak, {LATE!r})"}
    text = NOISE.format(code=said, moments=heard) + "\n".join(line for moment, line in more.items() if moment in moments)
    (tmp_path / "sitecustomize.py").write_text(text, "utf-8")


@contextmanager
def waiting(what: str) -> Generator[None]:
    """Name what does not come, and not the line that waits: every test waits on the same few."""
    with anyio.move_on_after(LONGEST_SECONDS / 2) as scope:
        yield
    if scope.cancelled_caught:
        fail(what, LONGEST_SECONDS / 2)


@dataclass
class Talk:
    """A client by hand, and all that it got."""

    process: Process
    lines: list[bytes] = field(default_factory=list[bytes])

    def __post_init__(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.to, self.from_ = self.process.stdin, BufferedByteReceiveStream(self.process.stdout)

    async def ask(self, *messages: dict[str, Any]) -> None:
        """Say some messages and wait for the answer to the last."""
        await self.to.send(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
        with waiting(f"the answer to {messages[-1]}"):
            while not self.lines or not self.lines[-1].startswith(b'{"jsonrpc":"2.0","id":%d' % messages[-1]["id"]):
                self.lines.append(await self.from_.receive_until(b"\n", 1 << 24))

    async def end(self) -> tuple[int, str]:
        """Say no more; gives how the server ended, and what stood on standard error."""
        await self.to.aclose()
        return await self.ended("the end of input")

    async def ended(self, why: str) -> tuple[int, str]:
        with waiting(f"the end of the server after {why}"):
            code = await self.process.wait()
            self.lines += b"".join([chunk async for chunk in self.from_]).splitlines()
            errors = self.process.stderr
            return code, b"".join([chunk async for chunk in errors]).decode() if errors else ""

    def ids(self) -> list[int]:
        """What was answered; fails where anything else is on standard output."""
        return [json.loads(line)["id"] for line in self.lines]


@asynccontextmanager
async def started(command: list[str], told: dict[str, str], **pipes: Any) -> AsyncGenerator[Process]:
    """Start a server that does not outlive the test."""
    process = await anyio.open_process(command, env=told, **pipes)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.aclose()


@asynccontextmanager
async def talk(command: list[str], told: dict[str, str], **pipes: Any) -> AsyncGenerator[Talk]:
    """Start a server and talk to it."""
    async with started(command, told, **pipes) as process:
        yield Talk(process)


def without(descriptor: str, command: list[str]) -> list[str]:
    """The same command as a shell starts it whose descriptor is closed."""
    return ["/bin/sh", "-c", f'exec "$@" {descriptor}>&-', "sh", *command]


@contextmanager
def unread() -> Generator[int]:
    """The end to write into of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("buffering", BUFFERING)
@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_prints_is_heard_on_standard_error_alone(tmp_path: Path, kind: str, buffering: str) -> None:
    early = [EARLY] if kind in KEPT and buffering == "buffered" else []  # what is written before us we cannot take back
    moments = [*early, *MOMENTS, LATE]
    make_noise(tmp_path, [kind], moments)
    async with talk([SCRIPT], environment(tmp_path, **BUFFERING[buffering])) as client:
        await client.ask(*OPENING)
        await client.ask(CALL)
        code, errors = await client.end()
    assert client.ids() == [1, 2, 3]
    assert [moment for moment in moments if f"{kind} at {moment}\n" not in errors] == []
    assert code == 0


CLI = "import sys; from seedance_mcp.cli.main import main; sys.exit(main(['serve']))"


@pytest.mark.parametrize(
    ("command", "settings", "opens"),
    [
        ([SCRIPT], {"SEEDANCE_INSTANT_START": "0"}, True),
        ([SCRIPT], {"SEEDANCE_SANDBOX": "1"}, True),
        ([SCRIPT, "serve", "--transport", "stdio"], {}, True),
        (MODULE, {}, True),
        ([SCRIPT, "serve", "--port", "1"], {}, False),
        ([sys.executable, "-c", CLI], {}, False),
    ],
)
async def test_it_is_so_however_a_stdio_server_is_started(
    tmp_path: Path, command: list[str], settings: dict[str, str], *, opens: bool
) -> None:
    moments = [*MOMENTS, LATE][not opens :]
    make_noise(tmp_path, KINDS, moments)
    async with talk(command, environment(tmp_path, **settings)) as client:
        await client.ask(*OPENING)
        await client.ask(CALL)
        code, errors = await client.end()
    assert client.ids() == [1, 2, 3]
    assert [word for kind in KINDS for moment in moments if (word := f"{kind} at {moment}\n") not in errors] == []
    assert code == 0


async def test_a_library_prints_beside_the_log_and_not_when_all_is_over(tmp_path: Path) -> None:
    make_noise(tmp_path, ["print"], ["serving"])
    async with talk([SCRIPT], environment(tmp_path)) as client:
        await client.ask(*OPENING)
        await client.ask(CALL)
        assert client.process.stderr
        with waiting("what a library printed while it serves"):
            assert await client.process.stderr.receive() == b"print at serving\n"


async def test_nobody_else_reads_what_the_client_says(tmp_path: Path) -> None:
    ate = "subprocess.run(['cat'], capture_output=True).stdout + os.read(0, 99) + sys.stdin.buffer.read()"
    make_noise(tmp_path, [], code=f"    print(moment, 'ate', {ate})")
    async with talk([SCRIPT], environment(tmp_path)) as client:
        await client.ask(*OPENING)
        await client.ask(CALL)
        _, errors = await client.end()
    assert client.ids() == [1, 2, 3]
    assert errors.splitlines() == [f"{moment} ate b''" for moment in (*MOMENTS, LATE)]


@pytest.mark.parametrize(("moment", "answered"), [("the opening", []), ("loading", [1, 2])])
async def test_a_crash_is_told_on_standard_error(tmp_path: Path, moment: str, answered: list[int]) -> None:
    make_noise(tmp_path, [], [moment, LATE], "    print(moment)\n    raise RuntimeError('broken at ' + moment)")
    async with talk([SCRIPT], environment(tmp_path)) as client:
        if answered:
            await client.ask(*OPENING)
        await client.to.send(json.dumps(CALL).encode() + b"\n")
        code, errors = await client.ended("a crash")
    assert client.ids() == answered
    assert f"RuntimeError: broken at {moment}\n" in errors
    assert code == 1


async def test_without_standard_error_nothing_takes_its_place(tmp_path: Path) -> None:
    make_noise(tmp_path, KINDS)
    async with talk(without("2", [SCRIPT]), environment(tmp_path)) as client:
        await client.ask(*OPENING)
        await client.ask(CALL)
        assert await client.end() == (0, "")
    assert client.ids() == [1, 2, 3]


async def test_a_file_that_has_the_place_of_a_closed_standard_error_is_not_written_to(tmp_path: Path) -> None:
    make_noise(tmp_path, KINDS)
    with (tmp_path / "sitecustomize.py").open("a") as noise:
        noise.write("\nheld = open(__file__)\n")
    async with talk(without("2", [SCRIPT]), environment(tmp_path)) as client:
        await client.ask(*OPENING)
        await client.ask(CALL)
        assert await client.end() == (0, "")
    assert client.ids() == [1, 2, 3]


async def test_a_standard_error_that_nobody_reads_harms_no_protocol(tmp_path: Path) -> None:
    make_noise(tmp_path, ["C stdio", "a child of all descriptors"])
    with unread() as nobody:
        async with talk([SCRIPT], environment(tmp_path), stderr=nobody) as client:
            await client.ask(*OPENING)
            await client.ask(CALL)
            code, _ = await client.end()
    assert client.ids() == [1, 2, 3]
    assert code == 0


@pytest.mark.parametrize("instant", ["0", "1"])
async def test_a_client_that_does_not_read_ends_the_server_in_silence(tmp_path: Path, instant: str) -> None:
    told = environment(tmp_path, SEEDANCE_INSTANT_START=instant)
    with unread() as nobody:
        async with started([SCRIPT], told, stdout=nobody) as process:
            assert process.stdin
            assert process.stderr
            await process.stdin.send(json.dumps(OPENING[0]).encode() + b"\n")
            with waiting("the end of a server that nobody reads"):
                assert await process.wait() == 0
                assert b"".join([chunk async for chunk in process.stderr]) == b""


@pytest.mark.parametrize("instant", ["0", "1"])
async def test_a_standard_output_that_takes_nothing_is_told(tmp_path: Path, instant: str) -> None:
    told = environment(tmp_path, SEEDANCE_INSTANT_START=instant)
    with Path(os.devnull).open("rb") as unwritable:  # noqa: ASYNC230 - a device
        async with started([SCRIPT], told, stdout=unwritable) as process:
            assert process.stdin
            assert process.stderr
            await process.stdin.send(json.dumps(OPENING[0]).encode() + b"\n")
            with waiting("the end of a server that cannot write"):
                assert await process.wait() == 1
                assert b"Bad file descriptor" in b"".join([chunk async for chunk in process.stderr])


async def test_a_server_without_standard_output_ends_with_its_input(tmp_path: Path) -> None:
    async with talk(without("1", [SCRIPT]), environment(tmp_path)) as client:
        await client.to.send("".join(json.dumps(message) + "\n" for message in (*OPENING, CALL)).encode())
        assert await client.end() == (0, "")


async def test_one_interrupt_ends_a_server_whose_client_is_silent(tmp_path: Path) -> None:
    make_noise(tmp_path, ["print"])
    async with talk([SCRIPT], environment(tmp_path)) as client:
        await client.ask(*OPENING)
        await client.ask(CALL)
        client.process.send_signal(signal.SIGINT)
        code, errors = await client.ended("an interrupt")
    assert client.ids() == [1, 2, 3]
    assert errors.splitlines() == [f"print at {moment}" for moment in (*MOMENTS, LATE)]
    assert code == 130


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["--version"], f"seedance-mcp {__version__}\n"),
        (["--help"], "usage: seedance-mcp "),
        (["serve", "--help"], "usage: seedance-mcp serve "),
        (["models"], "| `seedance2.0-md` | md |"),
        (["tasks"], "0 of 0\n"),
        (["doctor", "--json"], '"what": "versions"'),
    ],
)
async def test_what_is_no_stdio_server_prints_on_standard_output(tmp_path: Path, command: list[str], told: str) -> None:
    with waiting(" ".join(command)):
        ran = await anyio.run_process([SCRIPT, *command], env=environment(tmp_path), check=False)
    assert told in ran.stdout.decode()
    assert ran.stderr == b""
