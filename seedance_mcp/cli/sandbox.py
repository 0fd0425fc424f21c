"""`seedance-mcp sandbox` serves the sandbox on loopback until it is interrupted."""

from __future__ import annotations

import argparse
import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from seedance_mcp.errors import InvalidRequest
from seedance_mcp.sandbox import serve
from seedance_mcp.sandbox.cassette import Cassette
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import offered_edition

if TYPE_CHECKING:
    from seedance_mcp.sandbox.provider import Sandbox


def run(settings: Settings, options: argparse.Namespace) -> None:
    """Serve it as the options say.

    Raises:
        InvalidRequest: A fault, the cassette or the port cannot be used; the message says which.
    """
    sandbox = _made(settings, options)
    serve.run(sandbox, _bound(options.port))


def _made(settings: Settings, options: argparse.Namespace) -> Sandbox:
    try:
        sandbox = serve.make_sandbox(offered_edition(settings), options.fault, real_pace=options.pace == "real")
    except ValueError as error:
        raise InvalidRequest(f"Invalid --fault: {error}.") from error
    if options.cassette:
        sandbox.cassette = _cassette(options.cassette)
    return sandbox


def _cassette(file: str) -> Cassette:
    try:
        return Cassette.read(Path(file).expanduser())
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"Invalid --cassette {file}: {error}.") from error


def _bound(port: int) -> socket.socket:
    try:
        return serve.listen(port)
    except (OSError, OverflowError) as error:
        fault = "is in use" if getattr(error, "errno", 0) == errno.EADDRINUSE else f"cannot be used ({error})"
        raise InvalidRequest(f"Port {port} {fault}: give another with --port; 0 takes a free one.") from error
