"""The contract of every store of finished videos: `LocalDisk`, and `Bucket`.

A video becomes visible when it is whole: it is written to a `Pending`, which appears under its name on `commit` and leaves
nothing on `abort`. Except `Pending.write`, every method may wait for a disk or a network: call it in a worker thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol


class Stored(NamedTuple):
    """A video that a store keeps."""

    uri: str
    """What the store calls it, for good: on a disk its absolute path, in a bucket its URL without a signature."""
    size_bytes: int
    sha256: str
    """Of the whole content, in hexadecimal."""


class Pending(Protocol):
    """A video that is being written."""

    def write(self, data: bytes) -> None:
        """Append bytes; quick enough for an event loop, so a store far away sends them on `commit`.

        Raises:
            DownloadRefused: There is no room for them.
        """
        ...

    def commit(self) -> Stored:
        """Give the video its name, or one like it where that is taken; what is there already stays.

        Raises:
            DownloadRefused: The store refused, and keeps nothing.
        """
        ...

    def abort(self) -> None:
        """Drop what was written; changes nothing after `commit` or a first `abort`, and never raises."""
        ...


class VideoStore(Protocol):
    """Keeps finished videos."""

    def new(self, name: str, principal: str, key: str = "") -> Pending:
        """Begin a video; end it with `commit` or `abort`.

        Args:
            name: Its file name without ending, made by `video_names.video_name`.
            principal: Whose it is; two principals never share a folder. Empty: the one user of this machine.
            key: By what `found` finds it, until `noted` is called; empty for a video that nobody looks for.

        Raises:
            DownloadRefused: The store cannot be written to.
        """
        ...

    def found(self, principal: str, key: str) -> Stored | None:
        """Find the whole video that a process committed under a key and was killed before the ledger knew.

        Raises:
            DownloadFailed: The store does not answer.
        """
        ...

    def noted(self, principal: str, key: str) -> None:
        """Drop what `found` goes by, where it costs anything: the ledger knows the video now. It never raises."""
        ...

    def holds(self, stored: Stored) -> bool:
        """Say whether a video is still there with the same bytes; a store that nobody else writes to may go by their number.

        Raises:
            DownloadFailed: The store does not answer.
        """
        ...

    def open(self, stored: Stored) -> BinaryIO | None:
        """Open a video for reading; `None` where it is not there any more with the same bytes."""
        ...

    def link(self, uri: str, seconds: float) -> str | None:
        """Make a URL under which anybody can fetch a video for so many seconds; `None` where the store gives none."""
        ...

    def path(self, uri: str) -> Path | None:
        """Give the file of this machine that holds a video; `None` where none does."""
        ...
