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
    "loading",
    "main",
    "mcp_clients",
    "remote",
    "tables",
    "telemetry",
    "welcome",
]
