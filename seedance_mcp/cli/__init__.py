"""The command line."""

__all__ = [
    "bundle",
    "demo",
    "doctor",
    "install",
    "installed",
    "jsonc_edit",
    "main",
    "mcp_clients",
    "tables",
]
