"""The flags with which our files are opened, as far as each system has them."""

from __future__ import annotations

import os

SAFELY = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_BINARY", "O_CLOEXEC"))
"""Follow no link, change no line's end (Windows), and let no child have the file."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY
"""Make a file, and open none that is there."""
NEVER_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Wait for nobody who would write into a pipe that lies under the name of a file."""
DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
"""Open a folder and nothing else."""
