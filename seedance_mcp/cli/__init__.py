"""The command line."""

__all__ = [
    "bundle",
    "demo",
    "doctor",
    "gallery",
    "install",
    "installed",
    "jsonc_edit",
    "ledger",
    "main",
    "mcp_clients",
    "tables",
    "telemetry",
]
