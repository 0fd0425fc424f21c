"""How a client without sessions is answered: as a stream or as one JSON document, and never by a stream that says nothing."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_JSON, _STREAM, _ALL = {"application/json", "application/*"}, {"text/event-stream", "text/*"}, "*/*"


class PostOnly:
    """Answers 405 to a GET of one path: a stream that no request asked for would stay open and say nothing."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        """Take the application, and its path that takes messages."""
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or scope["path"] != self._path:
            return await self._app(scope, receive, send)
        refused = PlainTextResponse("There is no stream here: send each message by POST.", 405, headers={"Allow": "POST"})
        return await refused(scope, receive, send)


class OneAnswer:
    """Chooses between two applications by what the client accepts."""

    def __init__(self, streams: ASGIApp, single: ASGIApp) -> None:
        """Take the application that answers with streams, and the one for clients that read only JSON."""
        self._streams, self._single = streams, single

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a client that says nothing of what it accepts takes all, and is sent the simplest."""
        accept = Headers(scope=scope).get("accept", "")
        if takes(accept) != (True, False):
            return await self._streams(scope, receive, send)
        if not _types(accept):
            MutableHeaders(scope=scope)["accept"] = "application/json"
        return await self._single(scope, receive, send)


def takes(accept: str) -> tuple[bool, bool]:
    """Say whether a client takes JSON documents, and whether it takes streams; one that does not say is sent documents."""
    accepted = _types(accept)
    return not accepted or bool(accepted & {*_JSON, _ALL}), bool(accepted & {*_STREAM, _ALL})


def _types(accept: str) -> set[str]:
    return {each.partition(";")[0].strip().lower() for each in accept.split(",")} - {""}
