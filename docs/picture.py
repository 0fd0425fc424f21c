"""Make `film.webp`, the moving picture of the README, from films that the sandbox makes: no key, nothing is charged.

    python docs/picture.py

A real client asks the real server over stdio. Every number in the picture is one that the server gave.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import av
from mcp import Client, StdioServerParameters
from PIL import Image, ImageDraw, ImageFont

OUTPUT = Path(__file__).with_name("film.webp")
MODEL = "seedance2.0-sp"
WISH = "A film of three shots: the lighthouse keeper's night"
SHOTS = (
    "Dusk: the keeper climbs the stairs of the lighthouse, lantern in hand",
    "Night: the lamp turns above a rising storm, waves against the rock",
    "Dawn: the sea lies calm, the keeper opens the door to the light",
)
SECONDS = 4
SIZE_PX = (800, 420)
FILM_PX = (480, 270)
FILM_AT_PX = (300, 96)
FRAMES_PER_SECOND = 8
LINE_MILLISECONDS = 1100
END_MILLISECONDS = 2500
INK, PAPER, GREY, BLUE, GREEN = "#1c2530", "#f6f4ef", "#6b7683", "#1f6feb", "#1a7f37"


@dataclass(slots=True)
class Story:
    """The lines of the chat as they came, and the film."""

    lines: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """The tool's name, or empty for the user; the text below it; its colour."""
    film: Path = Path()


def main() -> None:
    """Make the films, draw the picture, and say how large it is."""
    with tempfile.TemporaryDirectory() as scratch:
        frames = list(draw(anyio.run(tell, Path(scratch))))
    first, *others = [frame for frame, _ in frames]
    durations = [milliseconds for _, milliseconds in frames]
    first.save(OUTPUT, save_all=True, append_images=others, duration=durations, loop=0, quality=60, method=4)
    print(f"{OUTPUT}: {len(frames)} frames, {OUTPUT.stat().st_size} bytes")


def server(folder: Path) -> StdioServerParameters:
    """Give the command of the server on the sandbox, with its files in a folder."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDANCE_", "JIMMYAI_"))}
    own = {"SEEDANCE_SANDBOX": "1", "SEEDANCE_DATA_DIR": str(folder / "data"), "SEEDANCE_OUTPUT_DIR": str(folder)}
    return StdioServerParameters(command=sys.executable, args=["-m", "seedance_mcp"], env={**bare, **own})


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool; raise `RuntimeError` with the text of an error."""
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise RuntimeError(result.content)
    return result.structured_content or {}


async def tell(folder: Path) -> Story:
    """Let a client make the film as an agent does, and keep what it was told."""
    story = Story([("", WISH, BLUE)])
    requests = [{"model": MODEL, "prompt": prompt, "duration": SECONDS, "resolution": "480p"} for prompt in SHOTS]
    async with Client(server(folder)) as client:
        dry = [await call(client, "create_video", request=each, dry_run=True) for each in requests]
        price = sum(each["estimated_cost"] for each in dry)
        story.lines.append(
            ("create_video, dry run", f"3 requests are valid: {price:.2f} {dry[0]['currency']}, nothing sent", INK)
        )
        story.lines.append(("", "Yes, make it.", BLUE))
        made = [await call(client, "create_video", request=each, project="lighthouse") for each in requests]
        story.lines.append(("create_video", f"{len(made)} tasks, each sent once", INK))
        done = [await call(client, "wait_for_video", task_id=each["task_id"], timeout_seconds=120) for each in made]
        story.lines.append(("wait_for_video", ", ".join(each["status"] for each in done), GREEN))
        ids = [each["task_id"] for each in done]
        film = await call(client, "join_videos", tasks=ids, transition="crossfade", filename="lighthouse")
        story.lines.append(
            ("join_videos", f"{Path(film['path']).name}, {film['seconds']:.1f} s of {len(film['clips'])} clips", GREEN)
        )
    story.film = Path(film["path"])
    return story


def draw(story: Story) -> Iterator[tuple[Image.Image, int]]:
    """Give each frame and for how many milliseconds it stands."""
    for count in range(1, len(story.lines) + 1):
        yield card(story.lines[:count]), LINE_MILLISECONDS
    last = card(story.lines)
    for picture in pictures(story.film):
        last = last.copy()
        last.paste(picture, FILM_AT_PX)
        yield last, 1000 // FRAMES_PER_SECOND
    yield last, END_MILLISECONDS


def pictures(film: Path) -> Iterator[Image.Image]:
    """Give as many pictures a second of a film as are shown."""
    due = 0.0
    with av.open(film) as container:
        for frame in container.decode(video=0):
            if (frame.time or 0.0) >= due:
                due += 1 / FRAMES_PER_SECOND
                drawn: Any = frame
                yield drawn.to_image().resize(FILM_PX)


def card(lines: list[tuple[str, str, str]]) -> Image.Image:
    """Draw the chat on the left, and the place of the film on the right."""
    picture = Image.new("RGB", SIZE_PX, PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((20, 16), "seedance-mcp", INK, ImageFont.load_default(24))
    pen.text((20, 48), "on the sandbox: no key, nothing is charged", GREY, ImageFont.load_default(13))
    pen.rectangle((*FILM_AT_PX, FILM_AT_PX[0] + FILM_PX[0], FILM_AT_PX[1] + FILM_PX[1]), fill="#dfe3e8")
    top = 88
    for tool, text, colour in lines:
        top = said(pen, top, tool, text, colour)
    return picture


def said(pen: ImageDraw.ImageDraw, top: int, tool: str, text: str, colour: str) -> int:
    """Draw one line of the chat; give where the next one begins, in pixels from the top."""
    font = ImageFont.load_default(14)
    pen.text((20, top), tool or "you", colour if tool else GREY, ImageFont.load_default(12))
    top += 16
    for row in wrapped(text, font, FILM_AT_PX[0] - 40):
        pen.text((20, top), row, INK if tool else colour, font)
        top += 18
    return top + 9


def wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int) -> Iterator[str]:
    """Break a text into rows of at most this width."""
    row = ""
    for word in text.split():
        longer = f"{row} {word}".strip()
        if font.getlength(longer) > width_px:
            yield row
            longer = word
        row = longer
    yield row


if __name__ == "__main__":
    main()
