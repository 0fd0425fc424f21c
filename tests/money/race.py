"""Processes of their own that make videos all at once, or are killed in the middle."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from contextlib import aclosing
from typing import Any

import anyio

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.settings import load_settings
from seedance_mcp.tools.arguments import read_create_video
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.session import Shared, connect_to_provider

LONGEST_SECONDS = 0.3


class Nobody:
    """A caller that hears nothing and answers nothing."""

    reply: Reply | None = None

    async def report(self, progress: float, message: str) -> None:
        """Hear nothing."""

    async def ask(self, question: str, token: str) -> Action:
        return "absent"


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


def killed(count: int) -> None:
    """Fork a process for each video and let a timer kill it at a random moment."""
    for number in range(count):
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, LONGEST_SECONDS))  # noqa: S311 - any moment will do
            anyio.run(make, request_for(f"fox {number}"))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "done", flush=True)


if __name__ == "__main__":
    connect_to_provider(load_settings())  # what is slow to load is loaded before any fork
    killed(int(sys.argv[2])) if sys.argv[1] == "killed" else together(sys.argv[2:])
