"""What a server's memory grows by while 100 MB come in with download_video and go out with upload_asset.

The provider is another process, so only the server is measured. Run it with the interpreter that has seedance-mcp[sandbox]
installed: `python tests/bench/transfer.py [MEGABYTES]`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters

PROVIDER = """
import sys
from seedance_mcp.sandbox import serve
from seedance_mcp.sandbox.provider import KEY, Sandbox

async def film(body, pictures):
    return b"\\0\\0\\0\\x20ftypisom" + bytes(int(sys.argv[1]) - 12)

bound = serve.listen()
print(f"http://127.0.0.1:{bound.getsockname()[1]}", KEY, flush=True)
serve.server_for(Sandbox(film)).run(sockets=[bound])
"""
MODEL = "seedance2.0-md"
MOST_GROWTH_BYTES = 8_000_000


@contextmanager
def provider(size_bytes: int) -> Generator[tuple[str, str]]:
    """Run a provider whose videos have a size; gives its address and key."""
    with subprocess.Popen([sys.executable, "-c", PROVIDER, str(size_bytes)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address, key = process.stdout.readline().split()
        yield address, key
        process.kill()


def server_id() -> int:
    """The server is the one child that runs the package."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            parent = (folder / "stat").read_text("ascii", "replace").rsplit(")", 1)[1].split()[1]
            if parent == str(os.getpid()) and b"seedance_mcp\0" in (folder / "cmdline").read_bytes():
                return int(folder.name)
    raise RuntimeError("no server")


def forget_peak(process_id: int) -> None:
    """Let the highest mark begin anew."""
    Path(f"/proc/{process_id}/clear_refs").write_text("5", "ascii")


def resident(process_id: int, what: str = "VmRSS") -> int:
    """Resident bytes, now or at most (`VmHWM`)."""
    lines = Path(f"/proc/{process_id}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured half of a result, which must be no error."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content or {}


async def finished(client: Client, prompt: str) -> str:
    """Make a video; gives its task."""
    task = await call(client, "create_video", request={"model": MODEL, "prompt": prompt})
    await call(client, "wait_for_video", task_id=task["task_id"])
    return task["task_id"]


async def measure(client: Client, what: str, tool: str, **arguments: Any) -> bool:
    """Call a tool, print what it took, and say whether its memory stayed flat."""
    server = server_id()
    forget_peak(server)
    before, begun = resident(server), time.perf_counter()
    await call(client, tool, **arguments)
    growth, seconds = resident(server, "VmHWM") - before, time.perf_counter() - begun
    print(f"{what:<10} {seconds:6.2f} s   {before / 1e6:6.1f} MB before, at most {growth / 1e6:5.1f} MB more")
    return growth < MOST_GROWTH_BYTES


async def run(size_bytes: int, folder: Path) -> bool:
    """Transfer a little first, so that what is loaded once is not counted, then all of it."""
    source = folder / "media"
    with provider(size_bytes) as (address, key):
        ours = {"SEEDANCE_BASE_URL": address, "SEEDANCE_API_KEY": key, "SEEDANCE_DATA_DIR": str(folder / "data")}
        ours |= {"SEEDANCE_OUTPUT_DIR": str(folder / "videos"), "SEEDANCE_MEDIA_ROOTS": str(folder)}
        server = StdioServerParameters(command=sys.executable, args=["-m", "seedance_mcp"], env={**os.environ, **ours})
        async with Client(server) as client:
            source.write_bytes(b"\xff\xd8\xff" + bytes(1000))
            await call(client, "upload_asset", source=str(source), model=MODEL)
            first, second = await finished(client, "a fox"), await finished(client, "another fox")
            await call(client, "download_video", task_id=first)
            flat = await measure(client, "download", "download_video", task_id=second)
            with source.open("wb") as file:
                file.write(b"\0\0\0\x20ftypisom")
                file.truncate(size_bytes)
            return await measure(client, "upload", "upload_asset", source=str(source), model=MODEL) and flat


if __name__ == "__main__":
    SIZE = int(sys.argv[1]) * 1_000_000 if len(sys.argv) > 1 else 100_000_000
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(0 if anyio.run(run, SIZE, Path(scratch)) else 1)
