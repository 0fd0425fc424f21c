"""The OpenAI Agents SDK, as its agents use it: tools made into functions for the model."""

import json
from typing import Any

import anyio
import steps
from agents import Agent, RunContextWrapper
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp, MCPUtil
from agents.tool_context import ToolContext

SECONDS = 60  # its own default of 5 is shorter than most waits


async def main() -> None:
    """Walk through the tools."""
    async with _server() as connected:
        agent = Agent(name="interop", mcp_servers=[connected])
        functions = await MCPUtil.get_all_function_tools(
            [connected], convert_schemas_to_strict=True, run_context=RunContextWrapper(None), agent=agent
        )

        async def call(tool: str, arguments: dict[str, Any]) -> steps.Seen:
            function = next(each for each in functions if each.name == tool)
            given = json.dumps(arguments)
            context = ToolContext(None, tool_name=tool, tool_call_id="1", tool_arguments=given)
            output = await function.on_invoke_tool(context, given)
            text = output["text"] if isinstance(output, dict) else output
            return steps.Seen(text, "code: " in text)  # a model gets the text alone

        await steps.walk({each.name: each.params_json_schema for each in functions}, call)


def _server() -> MCPServerStdio | MCPServerStreamableHttp:
    if steps.URL:
        return MCPServerStreamableHttp({"url": steps.URL, "headers": steps.HEADERS}, client_session_timeout_seconds=SECONDS)
    return MCPServerStdio({"command": steps.SERVER, "env": steps.ENVIRONMENT}, client_session_timeout_seconds=SECONDS)


anyio.run(main)
