"""The official Python SDK 1."""

from typing import Any

import anyio
import steps
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client


async def main() -> None:
    """Walk through the tools."""
    async with _server() as pipes, ClientSession(*pipes[:2]) as session:
        await session.initialize()

        async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
            result = await session.call_tool(tool, arguments)
            return steps.Seen(result.content[0].text, bool(result.isError), result.structuredContent)

        listed = await session.list_tools()
        await steps.walk({tool.name: tool.inputSchema for tool in listed.tools}, call)


def _server() -> Any:
    if not steps.URL:
        return stdio_client(StdioServerParameters(command=steps.SERVER, env=steps.ENVIRONMENT))
    connect = sse_client if steps.URL.endswith("/sse") else streamablehttp_client
    return connect(steps.URL, headers=steps.HEADERS)


anyio.run(main)
