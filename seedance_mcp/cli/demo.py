"""`seedance-mcp demo` makes a film of three shots on the sandbox with a real MCP client and the real server."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from seedance_mcp.cli import props
from seedance_mcp.storage.scratch_folder import scratch_folder

WAIT_SECONDS = 120


LAST = "#last"
"""Stands for the last frame of the shot before."""
FACE = "@keeper"
"""The name under which the character's picture is kept; each shot asks for it by this."""


@dataclass(slots=True)
class Shot:
    """One video of the demo."""

    title: str
    request: dict[str, Any]
    """The arguments of `create_video`, without pictures."""
    pictures: dict[str, list[str]]
    """Request field → files, names and frames that are uploaded or looked up for it."""


SHOTS = (
    Shot(
        "a face with a name",
        {"model": "seedance2.0-sp", "prompt": "The keeper of the lighthouse looks up: a storm is coming", "duration": 4},
        {"images": [FACE]},
    ),
    Shot(
        "first and last frame",
        {"model": "seedance2.0-std", "prompt": "From the keeper's face to the bay, where evening falls", "duration": 4},
        {"first_image": [LAST], "last_image": ["evening.png"]},
    ),
    Shot(
        "reviewed references",
        {"model": "sd2_mx_720p", "prompt": "The lamp burns; the keeper sees the last ship come home", "duration": 4},
        {"images": [LAST, FACE]},
    ),
)


def run(output: str | None = None) -> None:
    """Make the three videos and the film, and save them.

    Args:
        output: Folder for the videos; by default `seedance-videos` in the working folder.
    """
    folder = Path(output or "seedance-videos").absolute()
    with scratch_folder() as scratch:
        props.make(scratch)
        anyio.run(_play, scratch, folder, Console())


def _server(scratch: Path, folder: Path) -> StdioServerParameters:
    """Give the command of this very package over stdio: no key, and only the demo's own pictures can be uploaded."""
    set_here = {"SEEDANCE_SANDBOX": "1", "SEEDANCE_DATA_DIR": str(scratch / "data"), "SEEDANCE_MEDIA_ROOTS": str(scratch)}
    set_here["SEEDANCE_OUTPUT_DIR"] = str(folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDANCE_", "JIMMYAI_"))}
    return StdioServerParameters(command=sys.executable, args=["-m", "seedance_mcp"], env={**inherited, **set_here})


async def _play(scratch: Path, folder: Path, screen: Console) -> None:
    async with Client(_server(scratch, folder)) as client:
        await _direct(client, scratch, screen)


async def _direct(client: Client, scratch: Path, screen: Console) -> None:
    """Make the shots one after the other, each from where the one before ended; save them, and join them with music."""
    listed = await _call(client, "list_models")
    screen.print(f"[bold]SANDBOX[/]: no key, no cost. {len(listed['models'])} models listed, a film of three shots:")
    await _call(client, "upload_asset", source=str(scratch / "keeper.png"), model=SHOTS[0].request["model"], name=FACE)
    columns = (TextColumn("{task.description:<22}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    finished: list[dict[str, Any]] = []
    with Progress(*columns, console=screen) as bars:
        for shot in SHOTS:
            finished.append(await _make(client, shot, scratch, bars, finished))
    for number, (shot, task) in enumerate(zip(SHOTS, finished, strict=True), 1):
        name = f"demo-{number}-{shot.title.replace(' ', '-')}"
        saved = await _call(client, "download_video", task_id=task["task_id"], filename=name)
        screen.print(
            f"{saved['path']}  ({task['estimated_cost']} {task['currency']} at the sandbox's invented prices)", soft_wrap=True
        )
    film = await _join(client, [task["task_id"] for task in finished], scratch)
    screen.print(f"{film['path']}  ({film['seconds']:.1f} s: all three, joined with music)", soft_wrap=True)


async def _join(client: Client, tasks: list[str], scratch: Path) -> dict[str, Any]:
    """Join the shots to one film with music; each begins with the frame that ended the one before, so a cut is not seen."""
    return await _call(client, "join_videos", tasks=tasks, music=str(scratch / "music.wav"), filename="demo-film")


async def _make(client: Client, shot: Shot, scratch: Path, bars: Progress, before: list[dict[str, Any]]) -> dict[str, Any]:
    """Make one video; gives its finished task."""
    bar = bars.add_task(shot.title, total=100, state="")
    request: dict[str, Any] = dict(shot.request)
    for name, pictures in shot.pictures.items():
        found: list[str] = []
        for picture in pictures:
            bars.update(bar, state=f"bring {picture}")
            found.append(await _reference(client, picture, request["model"], scratch, before))
        request[name] = found if name == "images" else found[0]
    task = await _call(client, "create_video", request=request, project="demo")

    async def show(progress: float, total: float | None, message: str | None) -> None:
        bars.update(bar, completed=progress, state=message or "")

    arguments = {"task_id": task["task_id"], "timeout_seconds": WAIT_SECONDS}
    return checked(await client.call_tool("wait_for_video", arguments, progress_callback=show))


async def _reference(client: Client, picture: str, model: str, scratch: Path, before: list[dict[str, Any]]) -> str:
    """Give what a request of this model takes for a picture: a kept name, a frame of the shot before, or a file."""
    if picture == FACE:
        found = await _call(client, "get_asset", reference=FACE, model=model)
    else:
        source = f"task:{before[-1]['task_id']}{LAST}" if picture == LAST else str(scratch / picture)
        found = await _call(client, "upload_asset", source=source, model=model)
    return found["reference"]


async def _call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    return checked(await client.call_tool(tool, arguments))


def checked(result: Any) -> dict[str, Any]:
    """Give the structured content of a tool result.

    Raises:
        RuntimeError: The tool answered with an error, whose text this carries.
    """
    if result.is_error:
        raise RuntimeError(result.content[0].text)
    return result.structured_content
