"""How long joins take, and what a server's memory grows by while files are converted, frames taken and films joined."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from subprocess import PIPE, Popen

import anyio
from kit import Row, Session, memory_mb, session, settings
from reel import RED, Shot, clip
from transfer import forget_peak

MODEL = "seedance2.0-std"
PROVIDER = """
from pathlib import Path
from seedance_mcp.sandbox import serve
from seedance_mcp.sandbox.provider import Sandbox

async def film(order, pictures):
    return Path(order.prompt).read_bytes()

bound = serve.listen()
print(f"http://127.0.0.1:{bound.getsockname()[1]}", flush=True)
serve.server_for(Sandbox(film, balance=1e6)).run(sockets=[bound])
"""
EQUAL = Shot(RED, (1280, 720), frames=120, counts=True, tags=1)
UNEQUAL = (
    EQUAL,
    replace(EQUAL, size_px=(720, 1280), rate=Fraction(30), frames=150),
    replace(EQUAL, size_px=(1280, 720), turned=90, tone_hertz=None),
    replace(EQUAL, size_px=(1920, 1080), rate=Fraction(30000, 1001), frames=150, tone_hertz=None),
)


@contextmanager
def provider() -> Generator[str]:
    """Run a provider whose videos are the files that prompts name; gives its address."""
    with Popen([sys.executable, "-c", PROVIDER], stdout=PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def saved(server: Session, path: Path, shot: Shot, take: int) -> str:
    """Make a video and save it; gives its task."""
    path.write_bytes(clip(shot))  # noqa: ASYNC240 - before anything is measured
    task = await server.call("create_video", request={"model": MODEL, "prompt": str(path)}, take=take)
    await server.call("wait_for_video", task_id=task["task_id"], timeout_seconds=600)
    await server.call("download_video", task_id=task["task_id"])
    return task["task_id"]


async def joined(server: Session, what: str, tasks: list[str], promised: str) -> Row:
    """Join saved clips; the film is as long as they are."""
    begun = time.perf_counter()
    film = await server.call("join_videos", tasks=tasks)
    assert round(film["seconds"]) == 5 * len(tasks), film
    return Row(f"join of {what} clips of 5 s at 720p", time.perf_counter() - begun, "s", promised=promised)


async def films(folder: Path) -> list[Row]:
    """Save every clip first; what grows from then on is the work's."""
    paths = {"OUTPUT_DIR": str(folder / "videos"), "MEDIA_ROOTS": str(folder)}
    with provider() as address, settings(address, **paths) as environment:
        async with session([sys.executable, "-m", "seedance_mcp"], environment) as server:
            equal = [await saved(server, folder / "equal.mp4", EQUAL, take) for take in range(1, 21)]
            unequal = [await saved(server, folder / f"{take}.mp4", shot, take) for take, shot in enumerate(UNEQUAL, 1)]
            (folder / "large.mp4").write_bytes(clip(replace(EQUAL, size_px=(2560, 1440))))
            forget_peak(server.process_id)
            before = memory_mb(server.process_id)
            await server.call("upload_asset", source=str(folder / "large.mp4"), model=MODEL)
            await server.call("upload_asset", source=f"task:{equal[0]}#last", model=MODEL)
            rows = [await joined(server, "20 equal", equal, "3 s"), await joined(server, "4 unequal", unequal, "10 s")]
            more = memory_mb(server.process_id, "VmHWM") - before
            return [*rows, Row("convert, frame, two joins: memory more at most", more, "MB", "before", before, "30 MB")]


def rows() -> list[Row]:
    """Measure once."""
    with tempfile.TemporaryDirectory() as scratch:
        return anyio.run(films, Path(scratch))
