"""Names of files and folders for videos, safe on every system."""

from __future__ import annotations

import hashlib
import re
import unicodedata

NAME_MOST_BYTES = 128
"""A name without its ending is cut to this: every file system takes it, with room for a number."""
ENDING = ".mp4"

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
"""Devices of Windows, which no file may be named after; older systems overlook blanks before the dot."""


def safe_name(wanted: str) -> str:
    """Make a file name, without ending, that every system takes and that leads to no other folder; it may be empty."""
    marked = "".join(each if each.isprintable() and each not in '<>:"/\\|?*' else "/" for each in wanted)
    plain = re.sub(r"(/|\.{2,})+", "_", unicodedata.normalize("NFC", marked)).strip(" .")
    short = plain.encode()[:NAME_MOST_BYTES].decode("utf-8", "ignore").rstrip(" .")
    return f"_{short}" if _RESERVED.match(short) else short


def video_name(wanted: str | None, default: str) -> str:
    """Make the name of a video, without its ending: the wanted one, or the default where nothing of that is left."""
    given = (wanted or "").strip()
    return safe_name(given[: -len(ENDING)] if given.lower().endswith(ENDING) else given) or safe_name(default) or "video"


def folder_name(principal: str) -> str:
    """Name a principal's folder: two principals never share one, even where a system takes their names for the same."""
    name = safe_name(principal)
    if name == principal.lower() and name.isascii():
        return name
    return f"{name[:64]}-{hashlib.sha256(principal.encode()).hexdigest()[:12]}"
