"""The command line."""

__all__ = [
    "bundle",
    "demo",
    "doctor",
    "gallery",
    "install",
    "installed",
    "jsonc_edit",
    "loading",
    "main",
    "mcp_clients",
    "tables",
    "telemetry",
]
