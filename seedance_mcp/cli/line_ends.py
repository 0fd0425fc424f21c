"""The line ends of a file, which new text in it takes over."""

from __future__ import annotations

import re

_BARE_NEWLINE = re.compile(r"(?<!\r)\n")


def like(text: str, new: str) -> str:
    """Give new text the line ends of the file."""
    return _BARE_NEWLINE.sub("\r\n", new) if "\r\n" in text and not _BARE_NEWLINE.search(text) else new
