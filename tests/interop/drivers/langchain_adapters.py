"""The MCP adapters of LangChain: tools made into LangChain's own."""

from typing import Any

import anyio
import steps
from langchain_core.tools import ToolException
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools


async def main() -> None:
    """Walk through the tools."""
    over_stdio = {"transport": "stdio", "command": steps.SERVER, "args": [], "env": steps.ENVIRONMENT}
    over_http = {"transport": "streamable_http", "url": steps.URL, "headers": steps.HEADERS}
    server = over_http if steps.URL else over_stdio
    async with MultiServerMCPClient({"seedance": server}).session("seedance") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}

        async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
            try:
                message = await tools[tool].ainvoke({"type": "tool_call", "id": "1", "name": tool, "args": arguments})
            except ToolException as error:
                return steps.Seen(str(error), is_error=True)
            return steps.Seen(message.text if isinstance(message.text, str) else message.text(), message.status == "error")

        await steps.walk({name: tool.args_schema for name, tool in tools.items()}, call)


anyio.run(main)
