"""The MCP server: its handlers, tables and transports."""

__all__ = [
    "client_session",
    "handlers",
    "http",
    "http_answers",
    "http_client_name",
    "http_connections",
    "http_door",
    "http_messages",
    "loading",
    "loose_messages",
    "oauth",
    "player",
    "prompts",
    "resources",
    "stdio_handover",
    "subscriptions",
    "tasks_extension",
    "tool_table",
    "unreadable_lines",
    "uris",
]
