"""The command line."""

__all__ = [
    "bundle",
    "demo",
    "doctor",
    "gallery",
    "install",
    "installed",
    "invocation",
    "jsonc_edit",
    "ledger",
    "loading",
    "main",
    "mcp_clients",
    "principals",
    "remote",
    "running",
    "screen",
    "serving",
    "tables",
    "telemetry",
    "welcome",
]
