"""The official Python SDK 1."""

from typing import Any

import anyio
import steps
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main() -> None:
    """Walk through the tools."""
    server = StdioServerParameters(command=steps.SERVER, env=steps.ENVIRONMENT)
    async with stdio_client(server) as pipes, ClientSession(*pipes) as session:
        await session.initialize()

        async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
            result = await session.call_tool(tool, arguments)
            return steps.Seen(result.content[0].text, bool(result.isError), result.structuredContent)

        listed = await session.list_tools()
        await steps.walk({tool.name: tool.inputSchema for tool in listed.tools}, call)


anyio.run(main)
