"""The MCP tools of LlamaIndex: tools made into LlamaIndex's own; over stdio it starts a server for every call."""

import asyncio
from typing import Any

import steps
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec


async def main(client: BasicMCPClient) -> None:
    """Walk through the tools."""
    tools = {tool.metadata.name: tool for tool in await McpToolSpec(client).to_tool_list_async()}

    async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
        result = (await tools[tool].acall(**arguments)).raw_output
        return steps.Seen(result.content[0].text, bool(result.is_error), result.structured_content)

    await steps.walk({name: tool.metadata.get_parameters_dict() for name, tool in tools.items()}, call)


if steps.URL:
    asyncio.run(main(BasicMCPClient(steps.URL, headers=steps.HEADERS)))
else:
    with steps.provider() as found:
        asyncio.run(main(BasicMCPClient(steps.SERVER, env=found)))
