"""Seedance 2.0 video for MCP clients."""
