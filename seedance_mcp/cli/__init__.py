"""The command line."""

__all__ = [
    "bundle",
    "demo",
    "doctor",
    "drift",
    "gallery",
    "install",
    "installed",
    "invocation",
    "jsonc_edit",
    "ledger",
    "loading",
    "main",
    "mcp_clients",
    "remote",
    "sandbox",
    "screen",
    "tables",
    "telemetry",
    "verify",
    "welcome",
]
