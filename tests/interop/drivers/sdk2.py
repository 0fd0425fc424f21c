"""The official Python SDK 2 in one mode."""

import sys
from typing import Any

import anyio
import steps
from mcp import Client, StdioServerParameters


async def main(mode: str) -> None:
    """Walk through the tools."""
    server = StdioServerParameters(command=steps.SERVER, env=steps.ENVIRONMENT)
    async with Client(server, mode=mode) as client:

        async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
            result = await client.call_tool(tool, arguments)
            return steps.Seen(result.content[0].text, bool(result.is_error), result.structured_content)

        listed = await client.list_tools()
        await steps.walk({tool.name: tool.input_schema for tool in listed.tools}, call)


anyio.run(main, sys.argv[1])
