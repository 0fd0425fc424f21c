"""How every command begins and ends: what it prints, its settings, and its exit code."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from contextlib import suppress

from seedance_mcp.cli.invocation import as_typed
from seedance_mcp.errors import SeedanceError
from seedance_mcp.origin import install_command
from seedance_mcp.server.log_lines import announce, write_log
from seedance_mcp.settings import Settings, check_settings
from seedance_mcp.tools.variables import ignored_variables

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
_EXTRAS = {"standardwebhooks": "notify", "obstore": "storage", "psycopg": "postgres", "psycopg_pool": "postgres"}
"""Library → the extra that brings it, where that is not the sandbox's."""


def run(command: Callable[[], int | None]) -> int:
    """Run one command.

    Returns:
        The exit code: that of the command, 0, `EXIT_USAGE` or `EXIT_INTERRUPTED`.
    """
    _print_everything()
    try:
        return command() or 0
    except SeedanceError as error:
        announce(as_typed(error.message), logging.ERROR)
        return EXIT_USAGE
    except ModuleNotFoundError as error:
        announce(f"{error.name} is missing: {install_command(_EXTRAS.get(error.name or '', 'sandbox'))}", logging.ERROR)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _print_everything() -> None:
    """Write what the encoding of a terminal or a pipe lacks as an escape: a prompt in Chinese ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError):  # a stream that takes nothing fails when it is written to
                stream.reconfigure(errors="backslashreplace")


def read_settings() -> Settings:
    """Read the operator's settings, and report which variables mean nothing here.

    Raises:
        InvalidRequest: A setting cannot be used.
    """
    found = check_settings()
    write_log(found.settings)  # before anything is refused, so that the refusal is a line of the log
    settings = found.sound()
    for told in ignored_variables():
        announce(told, logging.WARNING)
    return settings
