"""What differs between systems stands in few modules, and the whole package runs where POSIX is missing."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO, Any

import pytest
from deadline import LONGEST_SECONDS
from mcp import Client, StdioServerParameters
from mcp_types import ImageContent
from test_architecture import imported, modules

from seedance_mcp.cli import props

HERE = Path(__file__).parent
DIFFERENCES = {
    "cli.client_folders": "where clients keep their configuration",
    "cli.end_signals": "the signals that end a server",
    "instant.opening": "the paths that are certainly right",
    "instant.pipes": "line ends on standard input and output",
    "media.child_process": "how a child is started and bounded",
    "media.file_paths": "what an agent's path means",
    "media.stream_files": "how FFmpeg gets a file",
    "money.stores.file_system": "network disks",
    "origin": "how a command is quoted",
    "storage.busy_files": "files that another program has open",
    "storage.dirfd": "open folders, links and junctions",
    "storage.file_lock": "locks of files",
    "storage.open_flags": "the flags of open files",
    "server.http_connections": "how many files may be open",
    "sandbox.kept_tasks": "line ends in the sandbox's files, which imports nothing of storage",
    "sandbox.serve": "a port that nobody else takes",
}
"""Module → the difference that it alone knows."""
ASKS = {("os", "name"), ("sys", "platform"), ("sys", "getwindowsversion"), ("platform", "system"), ("platform", "platform")}
ONE_SYSTEM = {
    "fcntl",
    "resource",
    "termios",
    "pwd",
    "grp",
    "pty",
    "tty",
    "msvcrt",
    "winreg",
    "ctypes",
    "select",
    "posix",
    "nt",
}
ONLY_SOME = {"supports_dir_fd", "st_reparse_tag", "AF_UNIX"}
FLAG = re.compile(r"O_[A-Z]+|SO_EXCLUSIVEADDRUSE|SIGHUP|SIGBREAK")
EVERYWHERE = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_CREAT", "O_EXCL", "O_TRUNC", "O_APPEND"}


def names_one_system(node: ast.AST) -> bool:
    """Whether a node asks for the system, or names what only some systems have."""
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in ASKS:
            return True
        case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(name))]):
            return name in ONE_SYSTEM
        case ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return name not in EVERYWHERE and (name in ONLY_SOME or FLAG.fullmatch(name) is not None)
        case _:
            return False


def differs(tree: ast.Module) -> bool:
    """Whether a module knows a difference."""
    libraries = {each.split(".")[0] for each in imported(tree)}
    return bool(libraries & ONE_SYSTEM) or any(map(names_one_system, ast.walk(tree)))


def test_only_a_module_of_a_difference_asks_for_the_system() -> None:
    assert {name for name, tree in modules().items() if differs(tree)} == set(DIFFERENCES)


def test_each_difference_has_a_row_of_its_page() -> None:
    page = (HERE.parent / "docs" / "systems.md").read_text("utf-8")
    assert not [name for name in DIFFERENCES if f"`{name}`" not in page]


def program(tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """The command that is `seedance-mcp` on Windows, and its variables: a code page takes the place of UTF-8."""
    folders = {f"SEEDANCE_{name}_DIR": str(tmp_path / name.lower()) for name in ("DATA", "OUTPUT")}
    ours = {
        "SEEDANCE_SANDBOX": "1",
        "SEEDANCE_MEDIA_ROOTS": str(tmp_path / "media"),
        "HOME": str(tmp_path / "home"),
        **folders,
    }
    text = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return [sys.executable, "-X", "warn_default_encoding", str(HERE / "windows.py")], {**os.environ, **ours, **text}


def wrote(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end and keep its bytes, line ends among them."""
    return subprocess.run(command, capture_output=True, check=False, timeout=LONGEST_SECONDS, env=environment, cwd=folder)


@contextmanager
def talked(command: list[str], environment: dict[str, str]) -> Generator[tuple[IO[bytes], IO[bytes]]]:
    """Run a program, and give its standard input and output; it ends when its input does."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment) as process:
        late = Timer(LONGEST_SECONDS, process.kill)
        late.start()
        assert process.stdin
        assert process.stdout
        yield process.stdin, process.stdout
        process.stdin.close()
        assert process.wait() == 0
        late.cancel()


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.rglob("*") if each.is_file())


def answer(result: Any) -> dict[str, Any]:
    assert not result.is_error, result.content
    content: dict[str, Any] = result.structured_content
    return content


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_film_is_made_where_posix_is_missing_and_open_files_are_held(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    props.make(media)
    (command, *arguments), environment = program(tmp_path)
    async with Client(StdioServerParameters(command=command, args=arguments, env=environment)) as client:

        async def call(tool: str, **given: Any) -> dict[str, Any]:
            return answer(await client.call_tool(tool, given))

        assert len((await client.list_tools()).tools) == 12
        await call("upload_asset", source=str(media / "keeper.png"), model="seedance2.0-sp", name="keeper")
        asset = await call("get_asset", reference="@keeper", model="seedance2.0-sp")
        tasks: list[str] = []
        for prompt in ("a lamp", "暴风雨"):
            request = {"model": "seedance2.0-sp", "prompt": prompt, "duration": 4, "images": [asset["reference"]]}
            task = await call("create_video", request=request)
            await call("wait_for_video", task_id=task["task_id"])
            tasks.append(task["task_id"])
        saved = [await call("download_video", task_id=task, filename='a "lamp": aux.') for task in tasks]
        assert (await call("download_video", task_id=tasks[0]))["path"] == saved[0]["path"]
        shown = await client.call_tool("preview_video", {"task_ids": tasks})
        assert any(isinstance(each, ImageContent) for each in shown.content)
        film = await call("join_videos", tasks=tasks, music=str(media / "music.wav"), filename="film")
        outside = await client.call_tool("upload_asset", {"source": r"\\evil.invalid\a\b.png", "model": "seedance2.0-sp"})
        assert "names a share of another machine" in str(outside.content)
    assert len({each["path"] for each in (*saved, film)}) == 3
    assert files(tmp_path / "output") == sorted(Path(each["path"]).name for each in (*saved, film))
    assert not [name for name in files(tmp_path) if name.endswith(".part")]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["tasks"], ["spending"], ["doctor"], ["models"], ["gallery"], ["install"], ["assets"]])
def test_a_command_prints_into_a_pipe_of_a_code_page(arguments: list[str], tmp_path: Path) -> None:
    command, environment = program(tmp_path)
    done = wrote([*command, *arguments], environment, tmp_path)
    assert b"Traceback" not in done.stderr, done.stderr.decode("cp1252")
    assert done.returncode in {0, 1}
    done.stdout.decode("cp1252")
    assert b"\r" not in done.stdout


@pytest.mark.slow
def test_a_client_of_windows_is_answered_line_by_line_at_once_and_by_the_server(tmp_path: Path) -> None:
    command, environment = program(tmp_path)
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
    messages: list[dict[str, Any]] = [
        {"id": 0, "method": "initialize", "params": params},
        {"method": "notifications/initialized"},
        {"id": 1, "method": "tools/list"},
        {"id": 2, "method": "tools/call", "params": {"name": "list_tasks", "arguments": {}}},
    ]
    lines = b"".join(json.dumps({"jsonrpc": "2.0", **each}).encode() + b"\r\n" for each in messages)
    instant = {name: value for name, value in environment.items() if not name.startswith("SEEDANCE_")}
    for variables in (environment, instant):
        with talked(command, variables) as (send, receive):
            send.write(lines)
            told = [receive.readline() for _ in range(3)]
        assert [json.loads(each)["id"] for each in told] == [0, 1, 2]
        assert all(each.endswith(b"}\n") for each in told)
