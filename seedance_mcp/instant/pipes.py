"""The two pipes of a stdio server's client, which carry only the protocol: all that prints, prints on standard error."""

import os
import sys
from errno import ECONNRESET, EINVAL, EPIPE
from functools import cache
from io import TextIOWrapper

TYPE_CHECKING = False  # as in `opening`
if TYPE_CHECKING:
    from collections.abc import Iterator

_OUT, _ERROR = 1, 2
_CHUNK_BYTES = 65_536
_NOBODY_READS = (EPIPE, ECONNRESET, EINVAL)
"""The error numbers of a write to a closed pipe, to a closed socket, and to either on Windows."""


@cache
def claim() -> tuple[int, int]:
    """Move standard input and output to descriptors that nothing else in this process, and no child, uses; gives these.

    They are never given back: what was printed and lies in a buffer is written when the process ends.
    """
    nowhere = _beyond_the_standard()
    source, sink = os.dup(0), os.dup(_OUT)  # no child inherits a duplicate
    carry_bytes(source, sink)
    os.dup2(nowhere, 0)
    os.dup2(nowhere if sys.__stderr__ is None else _ERROR, _OUT)  # a library's file may have the place of a closed one
    os.close(nowhere)
    for stream in (sys.stdout, sys.__stdout__):
        if isinstance(stream, TextIOWrapper):  # there is none where standard output was closed
            stream.reconfigure(line_buffering=True)  # beside what else is on standard error, not long after it
    return source, sink


def carry_bytes(*descriptors: int) -> None:
    """Have Windows pass every byte on as it is: it could write a line's end as two characters."""
    if not hasattr(os, "O_BINARY"):
        return
    from importlib import import_module  # noqa: PLC0415 - only there

    for each in descriptors:
        import_module("msvcrt").setmode(each, getattr(os, "O_BINARY"))  # noqa: B009 - other systems lack it


def _beyond_the_standard() -> int:
    """Open a descriptor that leads nowhere; a closed standard one leads there too, or a duplicate would take its place."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    while nowhere <= _ERROR:
        os.set_inheritable(nowhere, True)  # noqa: FBT003 - it takes no name
        nowhere = os.open(os.devnull, os.O_RDWR)
    return nowhere


def write(sink: int, line: str) -> None:
    """Write one line of JSON; raises `BrokenPipeError` where nobody reads any more.

    Half a character, which a client's id may hold, is written as JSON escapes it.
    """
    left = memoryview(f"{line}\n".encode("utf-8", "backslashreplace"))
    try:
        while left:
            left = left[os.write(sink, left) :]
    except OSError as error:
        if error.errno in _NOBODY_READS:
            raise BrokenPipeError from error
        raise


class Lines:
    """Lines of a file descriptor; those that were read and not given yet can be taken."""

    def __init__(self, source: int) -> None:
        """Take the descriptor."""
        self._source = source
        self._whole: list[bytes] = []
        self._rest = b""

    def __iter__(self) -> "Iterator[bytes]":
        """Give each line as soon as it is whole."""
        while self._whole or self._read():
            if self._whole:
                yield self._whole.pop(0)

    def take(self) -> list[bytes]:
        """Give all lines that were read, the last one to its end."""
        while self._rest and self._read():
            pass
        return self._whole

    def _read(self) -> bool:
        """Read on; a last line without an end is a line."""
        chunk = os.read(self._source, _CHUNK_BYTES)
        if not chunk and not self._rest:
            return False
        *whole, self._rest = (self._rest + (chunk or b"\n")).split(b"\n")
        self._whole += whole
        return True
