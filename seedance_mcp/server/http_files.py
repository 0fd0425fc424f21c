"""Hands out saved videos under signed URLs, and takes in one file for each upload URL."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import quote

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from seedance_mcp.tools.links import FILES, UPLOAD, UPLOAD_SECONDS, UPLOADS, Incoming, TooMuchKept
from seedance_mcp.tools.sent_files import UPLOAD_MOST_BYTES, is_media
from seedance_mcp.tools.session import Shared

_PIECE_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_TYPES = re.compile(r"(image|video|audio)/.*|application/octet-stream|application/x-www-form-urlencoded|", re.IGNORECASE)
"""What a sender may call a file, whose content decides: `curl` calls everything a form."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large an upload may be, and how slow."""

    most_bytes: int = UPLOAD_MOST_BYTES
    seconds: float = UPLOAD_SECONDS
    idle_seconds: float = 30.0
    """How long it may bring nothing."""


def file_routes(opened: list[Shared]) -> list[Route]:
    """Give the routes of files, for what is shared once the server is open."""
    return [Route(FILES + "{path:path}", SavedVideos(opened)), Route(UPLOADS + "{path:path}", Uploads(opened))]


@contextmanager
def _counted(shared: Shared) -> Generator[None]:
    """Let a server that is asked to end wait for a transfer as for a call."""
    shared.calls_running += 1
    try:
        yield
    finally:
        shared.calls_running -= 1


def _refused(status: HTTPStatus, text: str, **headers: str) -> Response:
    return PlainTextResponse(text, status, headers)


def _signed(shared: Shared, scope: Scope) -> Response | None:
    """Refuse a request that comes under no URL of this server."""
    fault = shared.links.fault(scope["path"], scope["query_string"].decode("latin-1"))
    return _refused(HTTPStatus.FORBIDDEN, fault) if fault else None


class SavedVideos:
    """Serves saved videos."""

    def __init__(self, opened: list[Shared]) -> None:
        """Take where the shared parts will be."""
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with _counted(self._opened[0]):
            await (await self._answer(scope))(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response | FileAnswer:
        if scope["method"] not in {"GET", "HEAD"}:
            return _refused(HTTPStatus.METHOD_NOT_ALLOWED, "Files are only read here.", Allow="GET, HEAD")
        if refused := _signed(self._opened[0], scope):
            return refused
        file = await anyio.to_thread.run_sync(self._opened[0].links.open_video, scope["path"])
        if file is None:
            return _refused(HTTPStatus.NOT_FOUND, "The file is not there any more: call download_video again.")
        return FileAnswer(file, scope["path"].rpartition("/")[2])


class FileAnswer:
    """Sends an open file, or the range of it that is asked for, and closes it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Take the file, and the name that it is saved under."""
        self._file, self._name = file, name
        self._size_bytes = file.seek(0, 2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD."""
        with self._file:
            await self._made(scope["method"], Headers(scope=scope))(scope, receive, send)

    def _made(self, method: str, asked: Headers) -> Response:
        headers = self._headers()
        if method == "HEAD":
            return Response(headers={**headers, "Content-Length": str(self._size_bytes)})
        wanted = range_of(asked, self._size_bytes, headers["ETag"])
        if wanted is None:
            return self._part(range(self._size_bytes), HTTPStatus.OK, headers)
        if not wanted:
            unsatisfiable = {"Content-Range": f"bytes */{self._size_bytes}"}
            return _refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The file has no such bytes.", **unsatisfiable)
        told = f"bytes {wanted.start}-{wanted.stop - 1}/{self._size_bytes}"
        return self._part(wanted, HTTPStatus.PARTIAL_CONTENT, {**headers, "Content-Range": told})

    def _part(self, wanted: range, status: HTTPStatus, headers: dict[str, str]) -> Response:
        return StreamingResponse(self._pieces(wanted), status, {**headers, "Content-Length": str(len(wanted))})

    def _headers(self) -> dict[str, str]:
        modified = os.fstat(self._file.fileno()).st_mtime_ns
        plain = re.sub(r"[^\w. ()-]", "_", self._name, flags=re.ASCII)
        return {
            "Content-Type": "video/mp4",
            "Content-Disposition": f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(self._name, safe='')}",
            "Accept-Ranges": "bytes",
            "ETag": f'"{modified:x}-{self._size_bytes:x}"',
            "Cache-Control": "private",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }

    async def _pieces(self, wanted: range) -> AsyncGenerator[bytes]:
        """Give the bytes piece by piece, as fast as they are taken."""
        self._file.seek(wanted.start)
        left = len(wanted)
        while left and (piece := await anyio.to_thread.run_sync(self._file.read, min(left, _PIECE_BYTES))):
            left -= len(piece)
            yield piece


def range_of(asked: Headers, size_bytes: int, tag: str) -> range | None:
    """Give the bytes that a request asks for; empty where the file has none of them, `None` where it asks for the whole file.

    Several ranges, or one that cannot be read, are answered with the whole file, as RFC 9110 allows; and so is a range of
    another state of the file (`If-Range`).
    """
    found = _RANGE.fullmatch(asked.get("range", ""))
    if not found or found.groups() == ("", "") or asked.get("if-range", tag) != tag:
        return None
    if not found[1]:
        return range(max(0, size_bytes - int(found[2])), size_bytes)
    first, last = int(found[1]), int(found[2] or size_bytes)
    return range(first, min(last + 1, size_bytes)) if first <= last or not found[2] else None


class Uploads:
    """Takes in one file for each upload URL."""

    def __init__(self, opened: list[Shared], bounds: Bounds | None = None) -> None:
        """Take where the shared parts will be, and the bounds of an upload."""
        self._opened, self._bounds = opened, bounds or Bounds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with _counted(self._opened[0]):
            await (_unfit(scope) or _signed(self._opened[0], scope) or await self._taken(scope, receive))(scope, receive, send)

    async def _taken(self, scope: Scope, receive: Receive) -> Response:
        """Take in the body, which one request for this URL can do."""
        files, name = self._opened[0].links.uploads_at(scope["path"])
        try:
            incoming = await anyio.to_thread.run_sync(files.begin, name)
        except TooMuchKept:
            return _refused(HTTPStatus.INSUFFICIENT_STORAGE, "Too much was brought in the last hour: try again later.")
        except OSError:
            return _NO_ROOM
        if incoming is None:
            return _refused(HTTPStatus.CONFLICT, "This URL was used: call upload_asset again for another one.")
        try:
            return await _received(incoming, name, receive, self._bounds)
        except OSError:
            return _NO_ROOM
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(incoming.abort)


_NO_ROOM = PlainTextResponse("The server cannot keep the file: its operator should free the data folder.", 507)
_TOO_LARGE = PlainTextResponse(f"The file is too large; allowed: 1 to {UPLOAD_MOST_BYTES} bytes.", 413)


def _unfit(scope: Scope) -> Response | None:
    """Refuse what is no upload by its method and headers."""
    headers = Headers(scope=scope)
    if scope["method"] not in {"PUT", "POST"}:
        return _refused(HTTPStatus.METHOD_NOT_ALLOWED, "Send the file itself by PUT.", Allow="PUT, POST")
    if not _TYPES.fullmatch(headers.get("content-type", "")):
        return _NO_MEDIA
    announced = headers.get("content-length", "")
    return _TOO_LARGE if announced.isdecimal() and int(announced) > UPLOAD_MOST_BYTES else None


_NO_MEDIA = PlainTextResponse("Only the bytes of a picture, a video or a sound can be sent here, and no form.", 415)


async def _received(incoming: Incoming, name: str, receive: Receive, bounds: Bounds) -> Response:
    """Write the body down, and keep it if it is media."""
    with anyio.move_on_after(bounds.seconds):
        if refused := await _written(incoming, receive, bounds):
            return refused
        if not await anyio.to_thread.run_sync(_holds_media, incoming):
            return _NO_MEDIA
        digest = await anyio.to_thread.run_sync(incoming.commit)
        told = {"source": f"{UPLOAD}{name}", "bytes": incoming.size_bytes, "sha256": digest}
        return JSONResponse({**told, "next": "Call upload_asset with this source."}, HTTPStatus.CREATED)
    return _TOO_SLOW


_TOO_SLOW = PlainTextResponse("The file did not come in time: call upload_asset again for another URL.", 408)


async def _written(incoming: Incoming, receive: Receive, bounds: Bounds) -> Response | None:
    """Write what comes, some of it at a time; gives why it is not wanted."""
    waiting, more = bytearray(), True
    while more:
        message: Message = {"type": "http.disconnect"}
        with anyio.move_on_after(bounds.idle_seconds):
            message = await receive()
        if message["type"] == "http.disconnect":
            return _TOO_SLOW
        waiting += message.get("body", b"")
        more = message.get("more_body", False)
        if incoming.size_bytes + len(waiting) > bounds.most_bytes:
            return _TOO_LARGE
        if len(waiting) >= _PIECE_BYTES or not more:
            await anyio.to_thread.run_sync(incoming.write, bytes(waiting))
            waiting.clear()
    return None


def _holds_media(incoming: Incoming) -> bool:
    with incoming.whole() as file:
        return is_media(file)
