"""What a server's memory grows by while 100 MB come in with download_video and go out with upload_asset."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import anyio
import av
from kit import MODEL, Row, Session, memory_mb, ours, provider, session, settings

SIZE_BYTES = 100_000_000


def film() -> bytes:
    """Encode one second that every route takes by its size in pixels."""
    written = io.BytesIO()
    opened: Any = av.open(written, "w", format="mp4")
    with opened as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height = 1280, 720
        for _ in range(72):
            container.mux(stream.encode(av.VideoFrame(1280, 720, "yuv420p")))
        container.mux(stream.encode())
    return written.getvalue()


def forget_peak(process_id: int) -> None:
    """Let the highest mark begin anew."""
    Path(f"/proc/{process_id}/clear_refs").write_text("5", "ascii")


async def finished(server: Session, prompt: str) -> str:
    """Make a video; gives its task."""
    task = await server.call("create_video", request={"model": MODEL, "prompt": prompt})
    await server.call("wait_for_video", task_id=task["task_id"])
    return task["task_id"]


async def growth(server: Session, what: str, tool: str, **arguments: Any) -> Row:
    """Call a tool and see how far its memory rose meanwhile."""
    forget_peak(server.process_id)
    before = memory_mb(server.process_id)
    await server.call(tool, **arguments)
    more = memory_mb(server.process_id, "VmHWM") - before
    return Row(f"{what} of 100 MB: memory more at most", more, "MB", "before", before, "8 MB")


async def transfer(folder: Path) -> list[Row]:
    """Transfer a little first, so that what is loaded once is not counted, then all of it."""
    source = folder / "media"
    paths = {"OUTPUT_DIR": str(folder / "videos"), "MEDIA_ROOTS": str(folder)}
    with provider(SIZE_BYTES) as address, settings(address, **paths) as environment:
        async with session(ours(), environment) as server:
            source.write_bytes(film())
            await server.call("upload_asset", source=str(source), model=MODEL)
            first, second = await finished(server, "a fox"), await finished(server, "another fox")
            await server.call("download_video", task_id=first)
            down = await growth(server, "download", "download_video", task_id=second)
            with source.open("wb") as file:
                file.write(film())
                file.write((SIZE_BYTES - file.tell()).to_bytes(4) + b"free")
                file.truncate(SIZE_BYTES)
            return [down, await growth(server, "upload", "upload_asset", source=str(source), model=MODEL)]


def rows() -> list[Row]:
    """Transfer both ways."""
    with tempfile.TemporaryDirectory() as scratch:
        return anyio.run(transfer, Path(scratch))
