"""Seedance 2.0 video for MCP clients."""

__version__ = "0.1.0"
