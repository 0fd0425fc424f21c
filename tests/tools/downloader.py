"""A process of its own that downloads one video: it prints what it is told meanwhile, and then what it was given."""

from __future__ import annotations

import json
import sys
from contextlib import aclosing
from datetime import datetime, timedelta

import anyio

from seedance_mcp.errors import SeedanceError
from seedance_mcp.settings import load_settings
from seedance_mcp.tools.arguments import DownloadVideo
from seedance_mcp.tools.auto_save import Nobody
from seedance_mcp.tools.downloads import download_video
from seedance_mcp.tools.session import Shared, utc_now


class Printing(Nobody):
    async def report(self, progress: float, message: str) -> None:
        print(message, flush=True)


async def main(task_id: str, filename: str, ahead_seconds: str = "0") -> None:
    def now() -> datetime:
        return utc_now() + timedelta(seconds=float(ahead_seconds))

    async with aclosing(Shared(load_settings(), now=now)) as shared:
        arguments = DownloadVideo(task_id=task_id, filename=filename or None)
        try:
            saved = await download_video(shared.session("anna"), arguments, Printing())
        except SeedanceError as error:
            print(json.dumps(error.as_dict()), flush=True)
        else:
            print(saved.model_dump_json(), flush=True)


if __name__ == "__main__":
    anyio.run(lambda: main(*sys.argv[1:]))
