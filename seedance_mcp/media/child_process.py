"""How the child of `decoder` is started and bounded on each system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

_PASSED_ON = ("SYSTEMROOT", "LD_LIBRARY_PATH")
"""Variables without which Python or its libraries do not start on some systems."""
_NO_WINDOW = 0x0800_0000
"""`CREATE_NO_WINDOW`: a server that a program without a console started would else show one for every file."""


class Apart(NamedTuple):
    """The options of `subprocess.Popen` for a child that no signal and no window of ours concerns."""

    creationflags: int
    start_new_session: bool


def apart(system: str = os.name) -> Apart:
    """Give the options of a system, named as in `os.name`; each refuses those of the other."""
    return Apart(_NO_WINDOW, start_new_session=False) if system == "nt" else Apart(0, start_new_session=True)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables of this process that the child gets."""
    return {name: environment[name] for name in _PASSED_ON if name in environment}


def limit(processor_seconds: int, memory_bytes: int) -> list[str]:
    """Have the system end this process beyond its limits, as far as the system has such limits.

    Windows has none for a process that limits itself, and macOS refuses one of memory: there the time by the clock is left,
    which `decoder` measures.

    Returns:
        The limits that hold from now on.
    """
    try:
        resource: Any = import_module("resource")
    except ImportError:
        return []
    wanted = {"RLIMIT_CPU": processor_seconds, "RLIMIT_AS": memory_bytes, "RLIMIT_CORE": 0}
    return [name for name, most in wanted.items() if _is_set(resource, name, most)]


def _is_set(resource: Any, name: str, most: int) -> bool:
    try:
        resource.setrlimit(getattr(resource, name), (most, most))
    except (AttributeError, ValueError, OSError):  # https://github.com/python/cpython/issues/78783
        return False
    return True
