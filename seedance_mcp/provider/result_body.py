"""Takes the body of a result: a whole MP4 or nothing, from the first byte or from where an earlier transfer was cut off."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, cast

import anyio.to_thread
import httpx

from seedance_mcp.errors import DownloadFailed, DownloadRefused, LinkExpired
from seedance_mcp.provider.whole_mp4 import WholeMp4
from seedance_mcp.untrusted import sanitize

_EXPIRED = {401, 403, 404, 410}
"""What hosts answer for a link that has expired."""
_FTYP = re.compile(rb"....ftyp", re.DOTALL)
"""How every MP4 begins."""
_HEAD_BYTES = 8
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")

Write = Callable[[bytes], object]
"""Takes the next bytes of a video."""
Report = Callable[[int, int | None], Awaitable[None]]
"""Takes how many bytes have come, and how many will come in all where that is known."""


class Kept(Protocol):
    """The bytes of a video that earlier transfers brought; each further one that is written is kept as well."""

    size_bytes: int
    mark: str
    """The host's name for exactly these bytes (`ETag`, else `Last-Modified`); empty where they cannot be continued."""
    announced_bytes: int | None
    """How long the whole video is, where that is known."""

    def begin(self, mark: str, announced_bytes: int | None) -> None:
        """Drop all bytes and start anew."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """Give all bytes from the first."""
        ...


class NotContinued(Exception):
    """The host gave another part than the one that is missing; what was kept is dropped."""


@dataclass
class Transfer:
    """One video's way here, over as many answers as it needs."""

    write: Write
    report: Report
    most_bytes: int
    kept: Kept | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that ask for what is missing, or for everything where the host has another video by now."""
        kept = self.kept
        return {"Range": f"bytes={kept.size_bytes}-", "If-Range": kept.mark} if kept and kept.mark and kept.size_bytes else {}

    async def is_done(self) -> bool:
        """Return whether earlier transfers brought the whole video already; drops it where it is none."""
        kept = self.kept
        if not kept or not kept.mark or kept.size_bytes != kept.announced_bytes:
            return False
        boxes = WholeMp4()
        await anyio.to_thread.run_sync(self._feed_kept, boxes)
        if boxes.fault(end_is_known=True):
            self._drop()
        return bool(kept.mark)

    async def take(self, response: httpx.Response) -> int:
        """Write a body as it was sent: we ask for no encoding, and decode none.

        Returns:
            How long the whole video is, in bytes.

        Raises:
            NotContinued: The answer does not go on where the kept bytes end.
        """
        _check_status(response, {HTTPStatus.OK, *([206, 416] if self.headers else [])})
        boxes = WholeMp4()
        if response.status_code == HTTPStatus.OK:
            announced_bytes, size_bytes = _announced_bytes(response), 0
        else:
            announced_bytes, size_bytes = self._continued(response)
            await anyio.to_thread.run_sync(self._feed_kept, boxes)
        if (announced_bytes or 0) > self.most_bytes:
            raise self._too_large()
        size_bytes = await self._read(response, boxes, size_bytes, announced_bytes)
        if announced_bytes not in {None, size_bytes}:
            raise DownloadFailed(f"The video was cut off: {size_bytes} of {announced_bytes} bytes came. Call again.")
        framed = announced_bytes is not None or "Transfer-Encoding" in response.headers
        if fault := boxes.fault(end_is_known=framed):
            if framed:  # these are all bytes that the host has
                self._drop()
            raise DownloadFailed(f"The video came incomplete: {fault}. Nothing was saved. Call again.")
        return size_bytes

    async def _read(self, response: httpx.Response, boxes: WholeMp4, size_bytes: int, announced_bytes: int | None) -> int:
        """Write the pieces of a body behind the bytes that there are; gives how many there are then."""
        head, stream = b"", cast("httpx.AsyncByteStream", response.stream)
        is_begun = size_bytes > 0
        async with aclosing(cast("AsyncGenerator[bytes]", aiter(stream))) as chunks:
            async for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > self.most_bytes:
                    raise self._too_large()
                boxes.feed(chunk)
                head = chunk if is_begun else head + chunk
                if is_begun or self._begins(head, response, announced_bytes):
                    is_begun = True
                    self.write(head)
                await self.report(size_bytes, announced_bytes)
        if not is_begun:
            raise _no_video()
        return size_bytes

    def _begins(self, head: bytes, response: httpx.Response, announced_bytes: int | None) -> bool:
        """Return whether these are enough bytes to know them for an MP4; raises `LinkExpired` when they are none."""
        if len(head) < _HEAD_BYTES:
            return False
        if not _FTYP.match(head):  # a page or a message where the video was
            raise _no_video()
        if self.kept:
            self.kept.begin(_mark(response), announced_bytes)
        return True

    def _continued(self, response: httpx.Response) -> tuple[int, int]:
        """Give the length of the whole video and of its kept bytes; raises `NotContinued`."""
        kept, found = self.kept, _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        first, last, whole_bytes = map(int, found.groups()) if found else (-1, -1, -1)
        is_next = kept and response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and first == kept.size_bytes
        if not kept or not is_next or last != whole_bytes - 1 or kept.announced_bytes not in {None, whole_bytes}:
            self._drop()
            raise NotContinued
        return whole_bytes, kept.size_bytes

    def _feed_kept(self, boxes: WholeMp4) -> None:
        for piece in self.kept.pieces() if self.kept else ():
            boxes.feed(piece)

    def _drop(self) -> None:
        if self.kept:
            self.kept.begin("", None)

    def _too_large(self) -> DownloadRefused:
        self._drop()
        return DownloadRefused(
            f"The video is larger than {self.most_bytes} bytes, the most that is fetched. Nothing was saved."
        )


def _check_status(response: httpx.Response, usable: set[int]) -> None:
    """Raise for an answer that is no video, or none as it was asked for."""
    status = response.status_code
    if status in _EXPIRED:
        raise LinkExpired(f"The video's link gives no video any more (HTTP {status}).")
    if status not in usable:
        raise DownloadFailed(f"The host of the video answered HTTP {status}. Call again later.")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        encoding = sanitize(response.headers["Content-Encoding"])
        raise DownloadRefused(
            f'The host of the video sent it with the encoding "{encoding}"; allowed: none. Nothing was saved.'
        )


def _announced_bytes(response: httpx.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _mark(response: httpx.Response) -> str:
    """Give the header by which a host knows the same bytes again; a weak one does not stand for the same bytes."""
    found = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
    return "" if found.startswith("W/") or not found.isascii() or not found.isprintable() else found


def _no_video() -> LinkExpired:
    return LinkExpired("The video's link gave something that is no MP4 video.")
