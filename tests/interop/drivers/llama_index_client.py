"""The MCP tools of LlamaIndex: tools made into LlamaIndex's own; it starts a server for every call."""

import asyncio
from typing import Any

import steps
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec


async def main(settings: dict[str, str]) -> None:
    """Walk through the tools."""
    client = BasicMCPClient(steps.SERVER, env=settings)
    tools = {tool.metadata.name: tool for tool in await McpToolSpec(client).to_tool_list_async()}

    async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
        result = (await tools[tool].acall(**arguments)).raw_output
        return steps.Seen(result.content[0].text, bool(result.is_error), result.structured_content)

    await steps.walk({name: tool.metadata.get_parameters_dict() for name, tool in tools.items()}, call)


with steps.provider() as found:
    asyncio.run(main(found))
