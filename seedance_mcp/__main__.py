"""`python -m seedance_mcp` is the command `seedance-mcp`."""

import os
import sys
from collections.abc import Callable
from functools import partial

from seedance_mcp.instant.opening import Opening, serve_opening
from seedance_mcp.instant.pipes import claim

STDIO = ((), ("serve",), ("serve", "--transport", "stdio"), ("serve", "--transport=stdio"))
EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the command line; a client on standard input is answered before the rest is loaded."""
    opening = None
    if tuple(sys.argv[1:]) in STDIO and not (len(sys.argv) == 1 and os.isatty(0)):
        try:
            opening = serve_opening(os.environ, *claim())
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            return 0
        if opening.ended:
            return 0
    from seedance_mcp.cli.loading import without_garbage_collection  # noqa: PLC0415 - an opening needs nothing of it

    with without_garbage_collection():
        run = _command_line() if opening is None else _server(opening)
    return run()


def _command_line() -> Callable[[], int]:
    from seedance_mcp.cli.main import main  # noqa: PLC0415 - slow to load, and a client's server needs nothing of it

    return main


def _server(opening: Opening) -> Callable[[], int]:
    from seedance_mcp.cli import running, serving  # noqa: PLC0415 - slow to load, and not every session needs it

    return partial(running.run, partial(serving.serve_stdio, opening))


if __name__ == "__main__":
    sys.exit(main())
