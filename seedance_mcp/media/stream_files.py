"""Opens a file for PyAV, and no other file that it may name. It runs in the child of `decoder`."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

_ONLY_THIS = {"protocol_whitelist": "fd"}


def open_stream(form: str, file: BinaryIO, system: str = os.name) -> Any:
    """Open a file at its start for PyAV.

    FFmpeg reads from the descriptor itself. On Windows descriptors are numbers of a C library, and FFmpeg's there (msvcrt) is
    another one than Python's: the file is read through Python, which takes longer.

    Args:
        form: The name of its format.
        file: The file, which stays open.
        system: The system, as in `os.name`.
    """
    import av  # noqa: PLC0415 - an optional extra, and slow to import

    if system == "nt":
        file.seek(0)
        return av.open(_Reading(file), format=form, options=_ONLY_THIS, metadata_errors="replace")
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # the library begins where the descriptor stands
    return av.open("fd:", format=form, options={"fd": str(file.fileno()), **_ONLY_THIS}, metadata_errors="replace")


class _Reading:
    """The part of a file that PyAV may use: it would close the file, and a source is opened several times."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
