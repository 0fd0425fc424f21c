"""Run the server inside your own program: no second process, no network.

    python examples/embed.py

The client speaks to the server in memory. `Settings()` reads the environment as the command `seedance-mcp` does; a keyword
stands above it.
"""

import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from seedance_mcp import Settings, build_server


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool and give its structured result."""
    result = await client.call_tool(tool, arguments)
    return result.structured_content or {}


async def main() -> None:
    """Find the models that take a reference video, then check one request for free."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(sandbox=True, data_dir=Path(folder))
        async with Client(build_server(settings)) as client:
            listed = await call(client, "list_models", takes=["reference_videos"])
            print([model["model"] for model in listed["models"]])

            request = {"model": "seedance2.0-sp", "prompt": "A fox in the snow", "duration": 5}
            checked = await call(client, "create_video", request=request, dry_run=True)
            print(checked["estimated_cost"])


if __name__ == "__main__":
    anyio.run(main)
