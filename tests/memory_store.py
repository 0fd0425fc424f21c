"""A second store of videos, in memory: it keeps the contract of `VideoStore` and nothing more."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field

from seedance_mcp.errors import DownloadRefused
from seedance_mcp.storage.video_store import Stored


@dataclass
class MemoryStore:
    """Keeps videos by their uri; `room_bytes` is how much it takes of one, `before_commit` runs in the worker thread."""

    room_bytes: int = 10**9
    before_commit: Callable[[], object] = bool
    videos: dict[str, bytes] = field(default_factory=dict[str, bytes])
    keys: dict[tuple[str, str], Stored] = field(default_factory=dict[tuple[str, str], Stored])

    def new(self, name: str, principal: str, key: str = "") -> _Pending:
        return _Pending(self, name, principal, key)

    def found(self, principal: str, key: str) -> Stored | None:
        stored = self.keys.get((principal, key))
        return stored if stored and self.holds(stored) else None

    def noted(self, principal: str, key: str) -> None:
        self.keys.pop((principal, key), None)

    def holds(self, stored: Stored) -> bool:
        return self.open(stored) is not None

    def open(self, stored: Stored) -> io.BytesIO | None:
        content = self.videos.get(stored.uri)
        return io.BytesIO(content) if content is not None and stored_as(stored.uri, content) == stored else None

    def link(self, uri: str, seconds: float) -> str:
        return f"https://videos.invalid/{uri.removeprefix('memory:/')}?seconds={seconds:.0f}"

    def path(self, uri: str) -> None:
        """No file of this machine holds it."""


@dataclass
class _Pending:
    store: MemoryStore
    name: str
    principal: str
    key: str
    content: bytearray = field(default_factory=bytearray)

    def write(self, data: bytes) -> None:
        self.content += data
        if len(self.content) > self.store.room_bytes:
            raise DownloadRefused("The video cannot be written: the memory is full.")

    def commit(self) -> Stored:
        self.store.before_commit()
        names = (f"{self.name} ({number})" if number > 1 else self.name for number in range(1, 1000))
        uris = (f"memory:/{self.principal}/{name}.mp4" for name in names)
        uri = next(uri for uri in uris if uri not in self.store.videos)
        self.store.videos[uri] = bytes(self.content)
        stored = stored_as(uri, self.store.videos[uri])
        if self.key:
            self.store.keys[self.principal, self.key] = stored
        return stored

    def abort(self) -> None:
        """Nothing is kept before a commit."""


def stored_as(uri: str, content: bytes) -> Stored:
    return Stored(uri, len(content), hashlib.sha256(content).hexdigest())
