"""Seedance 2.0 video for MCP clients."""

from __future__ import annotations

from seedance_mcp._version import __version__

TYPE_CHECKING = False  # as in `instant`: nothing is loaded on the way to the entry point
if TYPE_CHECKING:
    from seedance_mcp.server.handlers import build_server
    from seedance_mcp.settings import Settings

__all__ = ["Settings", "__version__", "build_server"]


def __getattr__(name: str) -> object:
    """Load a public name when it is asked for."""
    homes = {"Settings": "settings", "build_server": "server.handlers"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - likewise

    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
