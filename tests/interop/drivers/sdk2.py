"""The official Python SDK 2 in one mode."""

import sys
from typing import Any

import anyio
import httpx2
import steps
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client


async def main(mode: str) -> None:
    """Walk through the tools."""
    async with Client(_server(), mode=mode) as client:

        async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
            result = await client.call_tool(tool, arguments)
            return steps.Seen(result.content[0].text, bool(result.is_error), result.structured_content)

        listed = await client.list_tools()
        await steps.walk({tool.name: tool.input_schema for tool in listed.tools}, call)


def _server() -> Any:
    if not steps.URL:
        return StdioServerParameters(command=steps.SERVER, env=steps.ENVIRONMENT)
    if steps.URL.endswith("/sse"):
        return sse_client(steps.URL, headers=steps.HEADERS)
    return streamable_http_client(steps.URL, http_client=httpx2.AsyncClient(headers=steps.HEADERS, timeout=60))


anyio.run(main, sys.argv[1])
