"""Drive the server with the official MCP client: make one video on the sandbox, wait for it, save it.

    python examples/client.py [FOLDER]

With `SEEDANCE_API_KEY` in place of `SEEDANCE_SANDBOX` the same program makes a real video, which costs money.
"""

import os
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters


def server(folder: Path) -> StdioServerParameters:
    """Give the command that starts the server over stdio."""
    variables = {
        "SEEDANCE_SANDBOX": "1",
        "SEEDANCE_DATA_DIR": str(folder / "ledger"),
        "SEEDANCE_OUTPUT_DIR": str(folder),
    }
    return StdioServerParameters(command=sys.executable, args=["-m", "seedance_mcp"], env={**os.environ, **variables})


async def show(progress: float, total: float | None, message: str | None) -> None:
    """Print the progress of a call."""
    print(f"{progress:3.0f} of {total}: {message}")


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool; its error says whether anything was charged and what to do next."""
    result = await client.call_tool(tool, arguments, progress_callback=show)
    answer: dict[str, Any] = result.structured_content or {}
    if result.is_error:
        raise SystemExit(answer["error"]["message"])
    return answer


async def main(folder: Path) -> None:
    """Create once, then follow the `next` field of each result as an agent does."""
    async with Client(server(folder)) as client:
        task = await call(client, "create_video", request={"model": "seedance2.0-fast-i2v", "prompt": "Rain", "duration": 1})
        while task["next"] and task["next"]["tool"] == "wait_for_video":
            task = await call(client, "wait_for_video", task_id=task["task_id"])
        saved = await call(client, "download_video", task_id=task["task_id"], filename="rain")
        print(saved["path"])


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1] if len(sys.argv) > 1 else "seedance-videos").absolute())
