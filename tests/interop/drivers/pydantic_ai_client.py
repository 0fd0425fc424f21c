"""The MCP toolset of Pydantic AI."""

from typing import Any

import anyio
import steps
from pydantic_ai import ModelRetry
from pydantic_ai.mcp import MCPToolset, StdioTransport, StreamableHttpTransport


async def main() -> None:
    """Walk through the tools."""
    over_stdio = StdioTransport(steps.SERVER, [], env=steps.ENVIRONMENT)
    async with MCPToolset(StreamableHttpTransport(steps.URL, headers=steps.HEADERS) if steps.URL else over_stdio) as toolset:

        async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
            try:
                result = await toolset.direct_call_tool(tool, arguments)
            except ModelRetry as error:  # what the model is shown when a tool refuses
                return steps.Seen(error.message, is_error=True)
            return steps.Seen(str(result), is_error=False, structured=result)

        await steps.walk({tool.name: _schema(tool) for tool in await toolset.list_tools()}, call)


def _schema(tool: Any) -> dict[str, Any]:
    return tool.model_dump(by_alias=True)["inputSchema"]


anyio.run(main)
