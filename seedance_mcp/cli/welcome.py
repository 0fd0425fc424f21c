"""The bare command in a terminal says what to do next; a client on standard input is served instead."""

from __future__ import annotations

from seedance_mcp._version import __version__
from seedance_mcp.cli.installed import ClientFile, client_files, is_here
from seedance_mcp.cli.invocation import as_typed
from seedance_mcp.cli.mcp_clients import CLIENTS

_STEPS = (
    ("See it work, without a key or cost", "seedance-mcp demo"),
    ("Check key, folders, limits, entries", "seedance-mcp doctor"),
    ("Serve a team over HTTP", "seedance-mcp serve --transport http"),
)


def text() -> str:
    """Give the first screen: what this is, which clients are here, and the commands that lead on."""
    files = client_files()
    steps = [_connect(files), *_STEPS]
    width = max(len(title) for title, _ in steps)
    lines = [f"{title:{width}}  {command}" for title, command in steps]
    return as_typed(
        "\n".join(
            [
                f"seedance-mcp {__version__}: Seedance 2.0 videos for MCP clients, which start this",
                "program and talk to it. In a terminal it serves nobody.",
                "",
                *_connected(files),
                *lines,
                "",
                'Then say in the client: "make me a five second video of a fox in the snow".',
                "All commands: --help.",
            ]
        )
    )


def _connected(files: list[ClientFile]) -> list[str]:
    titles = [each.client.title for each in files if each.entry is not None]
    return [f"Connected: {', '.join(titles)}.", ""] if titles else []


def _connect(files: list[ClientFile]) -> tuple[str, str]:
    """Give the step that connects a client: one that is here and has no entry yet, else the list of all."""
    installed = {each.client.name for each in files if each.entry is not None}
    free = [each.name for each in CLIENTS if each.name not in installed and is_here(each)]
    if not free:
        return "List the clients that it knows", "seedance-mcp install"
    others = f"   (here too: {', '.join(free[1:])})" if free[1:] else ""
    return "Connect a client", f"seedance-mcp install {free[0]}{others}"
