"""`seedance-mcp demo` makes three videos on the sandbox with a real MCP client and the real server."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

WAIT_SECONDS = 120


@dataclass(slots=True)
class Shot:
    """One video of the demo."""

    title: str
    request: dict[str, Any]
    """The arguments of `create_video`, without pictures."""
    pictures: dict[str, str] = field(default_factory=dict[str, str])
    """Request field → file that is uploaded for it."""


SHOTS = (
    Shot("text", {"model": "seedance2.0-sp", "prompt": "A paper boat crosses a puddle after the rain, seen from the water"}),
    Shot(
        "first and last frame",
        {"model": "seedance2.0-std", "prompt": "Morning becomes evening over a quiet bay"},
        {"first_image": "morning.png", "last_image": "evening.png"},
    ),
    Shot(
        "reference with audit",
        {"model": "sd2_mx_720p", "prompt": "The lighthouse of the picture in a storm, slow orbit"},
        {"images": "evening.png"},
    ),
)


def run(output: str | None = None) -> None:
    """Make the three videos and save them.

    Args:
        output: Folder for the videos; by default `seedance-videos` in the working folder.
    """
    folder = Path(output or "seedance-videos").absolute()
    with tempfile.TemporaryDirectory() as scratch:
        paint(Path(scratch))
        anyio.run(_play, Path(scratch), folder, Console())


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
    """Make all videos side by side, then save them one after the other."""
    listed = await _call(client, "list_models")
    screen.print(f"[bold]SANDBOX[/]: no key, no cost. {len(listed['models'])} models listed, three videos side by side:")
    finished: dict[str, dict[str, Any]] = {}
    bars = Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        console=screen,
    )
    with bars:
        async with anyio.create_task_group() as group:
            for shot in SHOTS:
                group.start_soon(_make, client, shot, scratch, bars, finished)
    for number, shot in enumerate(SHOTS, 1):
        task = finished[shot.title]
        saved = await _call(
            client, "download_video", task_id=task["task_id"], filename=f"demo-{number}-{shot.title.replace(' ', '-')}"
        )
        screen.print(
            f"{saved['path']}  ({task['estimated_cost']} {task['currency']} at the sandbox's invented prices)", soft_wrap=True
        )


async def _make(client: Client, shot: Shot, scratch: Path, bars: Progress, finished: dict[str, dict[str, Any]]) -> None:
    """Make one video; its finished task goes into `finished` under the shot's title."""
    bar = bars.add_task(shot.title, total=100, state="")
    request: dict[str, Any] = dict(shot.request)
    for name, picture in shot.pictures.items():
        bars.update(bar, state=f"upload_asset {picture}")
        asset = await _call(client, "upload_asset", source=str(scratch / picture), model=request["model"])
        request[name] = [asset["reference"]] if name == "images" else asset["reference"]
    task = await _call(client, "create_video", request=request)

    async def show(progress: float, total: float | None, message: str | None) -> None:
        bars.update(bar, completed=progress, state=message or "")

    arguments = {"task_id": task["task_id"], "timeout_seconds": WAIT_SECONDS}
    finished[shot.title] = checked(await client.call_tool("wait_for_video", arguments, progress_callback=show))


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


def paint(folder: Path) -> None:
    """Draw the two pictures that the demo uploads: a bay with a lighthouse in the morning and in the evening."""
    for name, sky, sea in (("morning.png", "#ffd7a8", "#4f8fc0"), ("evening.png", "#3b2a5c", "#14233f")):
        picture = Image.new("RGB", (1280, 720), sky)
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 470, 1280, 720), fill=sea)
        draw.ellipse((820, 300, 980, 460), fill="#fff3c4")
        draw.polygon([(300, 480), (380, 480), (365, 240), (315, 240)], fill="#f4f1ea")
        draw.rectangle((312, 205, 368, 240), fill="#d1495b")
        picture.save(folder / name)
