"""The client of FastMCP."""

from typing import Any

import anyio
import steps
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport


async def main() -> None:
    """Walk through the tools."""
    over_stdio = StdioTransport(steps.SERVER, [], env=steps.ENVIRONMENT)
    async with Client(StreamableHttpTransport(steps.URL, headers=steps.HEADERS) if steps.URL else over_stdio) as client:

        async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            return steps.Seen(result.content[0].text, result.is_error, result.structured_content)

        await steps.walk({tool.name: _schema(tool) for tool in await client.list_tools()}, call)


def _schema(tool: Any) -> dict[str, Any]:
    return tool.model_dump(by_alias=True)["inputSchema"]


anyio.run(main)
