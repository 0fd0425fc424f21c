"""The MCP server: its handlers, tables and transports."""

__all__ = [
    "client_session",
    "handlers",
    "http",
    "http_answers",
    "http_client_name",
    "http_connections",
    "http_door",
    "loading",
    "log_lines",
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
