"""What every client does with the server, whatever its SDK calls it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SERVER = os.environ["INTEROP_SERVER"]
URL = os.environ.get("INTEROP_URL")  # without one the client starts the server itself
HEADERS = {"Authorization": f"Bearer {os.environ.get('INTEROP_TOKEN')}"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name.startswith("SEEDANCE_")}


@dataclass(frozen=True)
class Seen:
    """A tool result as far as the client hands it on."""

    text: str
    is_error: bool
    structured: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        """A fact, from whichever half the client gives."""
        if self.is_error:
            raise RuntimeError(self.text)
        if self.structured is not None:
            return self.structured[name]
        found = re.search(rf"^{name}: (.*)$", self.text, re.MULTILINE)
        if found is None:
            raise KeyError(f"{name} in {self.text}")
        return found[1]


Call = Callable[[str, dict[str, Any]], Awaitable[Seen]]


def request(schema: Mapping[str, Any], duration: int) -> dict[str, Any]:
    """The arguments of `create_video` in the form that was listed to this client."""
    fields = {"model": "seedance2.0-fast-i2v", "prompt": "a fox in the snow", "duration": duration}
    return {"request": fields} if "request" in schema["properties"] else fields


async def walk(schemas: Mapping[str, Mapping[str, Any]], call: Call) -> None:
    """Call each tool that a video takes and print the line; `schemas` are the input schemas that were listed."""
    models = await call("list_models", {"route": "fast-i2v"})
    calls = not models.is_error and "seedance2.0-fast-i2v" in models.text
    made = await call("create_video", request(schemas["create_video"], 1))
    done = await call("wait_for_video", {"task_id": made["task_id"]})
    video = done["status"] == "completed" and is_film(done["video_url"])
    refused = await call("create_video", request(schemas["create_video"], 99))
    tell(lists=len(schemas), calls=calls, video=video, error=refused.text if refused.is_error else "")


@contextmanager
def provider() -> Generator[dict[str, str]]:
    """Run the provider's imitation on its own, for clients that start a server for every call; gives the settings."""
    with subprocess.Popen([SERVER, "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True) as imitation:
        told = dict(setting.split("=", 1) for setting in imitation.stdout.readline().split())
        others = {name: value for name, value in ENVIRONMENT.items() if name != "SEEDANCE_SANDBOX"}
        try:
            yield {**others, **told}
        finally:
            imitation.terminate()


def is_film(url: str) -> bool:
    """Whether the link gives an MP4."""
    with urllib.request.urlopen(url) as film:  # noqa: S310 - the sandbox's own link
        return film.read(8)[4:] == b"ftyp"


def tell(**seen: Any) -> None:
    """Print the line that the suite reads."""
    print(json.dumps({"connects": True, **seen}))
