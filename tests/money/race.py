"""Processes of their own that make videos all at once, or are killed in the middle of it."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from contextlib import aclosing
from types import FrameType
from typing import Any

import anyio

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.settings import load_settings
from seedance_mcp.tools.arguments import read_create_video
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.session import Shared, connect_to_provider, utc_now


async def make(request: dict[str, Any]) -> dict[str, Any]:
    async with aclosing(Shared(load_settings())) as shared:
        try:
            task = await create_video(shared.session(), read_create_video(load_edition(), {"request": request}), Nobody())
        except SeedanceError as error:
            return error.as_dict()
        return task.model_dump(mode="json")


def request_for(prompt: str) -> dict[str, Any]:
    return {"model": "seedance2.0-md", "prompt": prompt}


def together(prompts: list[str]) -> None:
    """Fork a process for each prompt, let all go at once, and print what each was told."""
    gate, opener = os.pipe()
    children = [_fork(prompt, gate, opener) for prompt in prompts]
    os.close(opener)  # what every child waits for
    for child in children:
        os.waitpid(child, 0)


def _fork(prompt: str, gate: int, opener: int) -> int:
    child = os.fork()
    if child == 0:
        os.close(opener)
        os.read(gate, 1)
        line = json.dumps(anyio.run(make, request_for(prompt)))
        os.write(1, f"{line}\n".encode())
        os._exit(0)
    return child


class Calls:
    """Counts this thread's calls of functions, which come in the same order on every machine; the last one kills the process."""

    def __init__(self, last: float) -> None:
        self.seen, self._last = 0, last

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        self.seen += 1
        if self.seen >= self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def _make_until(last: float, prompt: str) -> tuple[int, int]:
    """Make a video in a forked process that ends at that call; gives how it ended and how many calls a whole one took."""
    told, teller = os.pipe()
    child = os.fork()
    if child == 0:
        calls = Calls(last)
        sys.setprofile(calls)
        anyio.run(make, request_for(prompt))
        sys.setprofile(None)
        os.write(teller, str(calls.seen).encode())
        os._exit(0)
    os.close(teller)
    _, status = os.waitpid(child, 0)
    with os.fdopen(told) as file:
        return status, int(file.read() or 0)


def killed(count: int) -> None:
    """Make one video, and then more that are killed at moments evenly spread over the last third of what that one took.

    Before that third nothing is written down yet.
    """
    _, whole = _make_until(math.inf, "a whole fox")
    for number in range(1, count + 1):
        status, _ = _make_until(whole * (2 + number / count) / 3, f"fox {number}")
        print("killed" if os.WIFSIGNALED(status) else "done", flush=True)


if __name__ == "__main__":
    connect_to_provider(load_settings())  # what is slow to load is loaded before any fork
    open_ledger(load_settings(), utc_now)
    killed(int(sys.argv[2])) if sys.argv[1] == "killed" else together(sys.argv[2:])
