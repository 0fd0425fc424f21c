"""Processes of their own that make videos all at once, or are killed in the middle of it."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import aclosing, redirect_stdout
from functools import partial
from io import StringIO
from types import FrameType
from typing import Any

import anyio

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.cli.main import main
from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.settings import load_settings
from seedance_mcp.tools.arguments import read_create_video
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.session import Shared, connect_to_provider, utc_now


async def make(request: dict[str, Any], principal: str = "") -> dict[str, Any]:
    async with aclosing(Shared(load_settings())) as shared:
        try:
            task = await create_video(
                shared.session(principal), read_create_video(load_edition(), {"request": request}), Nobody()
            )
        except SeedanceError as error:
            return error.as_dict()
        return task.model_dump(mode="json")


def request_for(prompt: str) -> dict[str, Any]:
    return {"model": "seedance2.0-md", "prompt": prompt}


def at_once(works: list[Callable[[], object]]) -> None:
    """Fork a process for each work, and let all go at once."""
    gate, opener = os.pipe()
    children = [_fork(work, gate, opener) for work in works]
    os.close(opener)  # what every child waits for
    for child in children:
        os.waitpid(child, 0)


def _fork(work: Callable[[], object], gate: int, opener: int) -> int:
    child = os.fork()
    if child == 0:
        os.close(opener)
        os.read(gate, 1)
        work()
        os._exit(0)
    return child


def tell(answer: dict[str, Any]) -> None:
    os.write(1, f"{json.dumps(answer)}\n".encode())


def together(prompts: list[str]) -> None:
    """Make a video for each prompt, and print what each was told."""

    def create(prompt: str) -> None:
        tell(anyio.run(make, request_for(prompt)))

    at_once([partial(create, prompt) for prompt in prompts])


def with_operators(commands: list[str], creators: int = 8, each: int = 6) -> None:
    """Make videos for anna in many processes while as many others run commands about her; print what everybody was told."""

    def create(number: int) -> None:
        for turn in range(each):
            tell(anyio.run(make, request_for(f"fox {number} {turn}"), "anna"))

    def run(command: str) -> None:
        with redirect_stdout(StringIO()) as said:
            code = main(command.split())
        tell({"command": command, "code": code, "said": said.getvalue().strip(), "at": time.time()})

    at_once([*(partial(run, command) for command in commands), *(partial(create, number) for number in range(creators))])


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
    if sys.argv[1] == "killed":
        killed(int(sys.argv[2]))
    else:
        {"together": together, "operators": with_operators}[sys.argv[1]](sys.argv[2:])
