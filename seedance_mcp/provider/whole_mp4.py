"""Proves that an MP4 came whole: the sizes of its boxes add up to its end, and the movie's index and media are among them.

A host that closes the connection half way without having announced a length leaves no other trace. Nothing is decoded, and
only the header of one box is kept at a time.
"""

from __future__ import annotations

_HEADER_BYTES, _LONG_HEADER_BYTES = 8, 16
_TO_THE_END = 1 << 64
"""Longer than any file: what is left of a box that ends where the file ends, or whose size makes no sense."""
_NEEDED = {b"moov": "index (moov)", b"mdat": "media (mdat)"}


class WholeMp4:
    """Adds up the boxes of one file while its bytes come, in pieces of any length."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._header = b""
        self._left_bytes = 0
        self._names = set[bytes]()
        self._is_last = self._is_open = self._is_broken = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        at = 0
        while at < len(data):
            taken = min(self._left_bytes, len(data) - at) or self._read_header(data[at : at + _LONG_HEADER_BYTES])
            self._left_bytes -= taken if self._left_bytes else 0
            at += taken
            if self._header and self._is_complete():
                self._enter_box()

    def _read_header(self, data: bytes) -> int:
        """Take what is missing of a box's header; gives how many bytes that was."""
        before = len(self._header)
        self._header = (self._header + data)[: self._header_bytes(self._header + data)]
        return len(self._header) - before

    def _header_bytes(self, header: bytes) -> int:
        return _LONG_HEADER_BYTES if header[:4] == b"\0\0\0\1" else _HEADER_BYTES

    def _is_complete(self) -> bool:
        return len(self._header) == self._header_bytes(self._header)

    def _enter_box(self) -> None:
        """Read a complete header: the box's name, and how many bytes belong to it beyond the header."""
        size, name = int.from_bytes(self._header[:4]), self._header[4:8]
        if size == 1:
            size = int.from_bytes(self._header[8:])
        if size == 0:  # it goes to the end of the file; zeros without a name only fill the file up
            self._is_last, self._is_open, size = True, name != bytes(4), _TO_THE_END
        self._is_broken = self._is_broken or size < len(self._header)
        self._left_bytes = _TO_THE_END if self._is_broken else size - len(self._header)
        self._names.add(name)
        self._header = b""

    def fault(self, *, end_is_known: bool) -> str:
        """Say what is missing, as the rest of a sentence that ends with a colon; an empty text for a whole file.

        Args:
            end_is_known: Whether the transfer itself said where it ends, by a length or by its framing. Only then a last box
                without a size is known to be whole.
        """
        missing = [words for name, words in _NEEDED.items() if name not in self._names]
        is_cut = (self._left_bytes > 0 and not self._is_last) or bool(self._header.strip(b"\0"))
        if self._is_broken or is_cut or (self._is_open and not end_is_known):
            return "its last part is cut off"
        return f"it holds no {missing[0]}" if missing else ""
