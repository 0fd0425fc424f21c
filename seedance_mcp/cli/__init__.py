"""The command line."""

__all__ = [
    "bundle",
    "demo",
    "doctor",
    "gallery",
    "install",
    "jsonc_edit",
    "main",
    "mcp_clients",
    "tables",
]
