"""Make one video on the sandbox over stdio with the official client; prints how it ended, and with which packages."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import distributions
from typing import Any

import anyio
from mcp import Client, StdioServerParameters


async def _main() -> None:
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "seedance_mcp"], env=dict(os.environ))
    async with Client(parameters) as client:
        request = {"model": "seedance2.0-fast-i2v", "prompt": "a fox in the snow", "duration": 1}
        made: dict[str, Any] = (await client.call_tool("create_video", {"request": request})).structured_content or {}
        done = (await client.call_tool("wait_for_video", {"task_id": made["task_id"]})).structured_content
    print(json.dumps({"task": done, "packages": {found.name: found.version for found in distributions()}}))


anyio.run(_main)
