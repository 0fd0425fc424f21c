"""The command of this very installation, as its user types it: by name where that finds it, else by its absolute path."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from pathlib import Path

from seedance_mcp.origin import PACKAGE, program, typed_line

_COMMANDS = (
    *("serve", "keep", "demo", "sandbox", "models", "verify", "tasks", "spending"),
    *("assets", "gallery", "settle", "principals", "audit", "ledger", "doctor", "install", "bundle"),
)
_NAMED = re.compile(rf"(?<![\w./-]){PACKAGE} (?=(?:{'|'.join(_COMMANDS)})\b)")
"""The program's name before one of its commands."""


def own_words() -> list[str]:
    """Give the program and its first arguments by absolute path, which need no PATH."""
    script = Path(sysconfig.get_path("scripts"), program(PACKAGE))
    return [str(script)] if script.exists() else [sys.executable, "-m", "seedance_mcp"]


def invocation() -> str:
    """Give what a user types in this shell to start this installation."""
    own, found = own_words(), shutil.which(PACKAGE)
    return PACKAGE if found and Path(found).resolve() == Path(own[0]).resolve() else typed_line(own)


def as_typed(text: str) -> str:
    """Give a text in which each command of this program can be typed as it stands."""
    return _NAMED.sub(lambda _: f"{invocation()} ", text)
