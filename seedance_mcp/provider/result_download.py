"""Fetches a finished video by a GET without the key, from public addresses only.

Foreign text chooses the host of a result link. Each address is checked before it is connected to, and each redirect is
followed here, by the same rules, so that no name or redirect leads to this machine's own network (SSRF). A proxy is used only
where the operator named it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from functools import cached_property
from http import HTTPStatus
from typing import cast

import anyio
import httpx

from seedance_mcp.errors import DownloadFailed, DownloadRefused, LinkExpired
from seedance_mcp.provider.environment import open_proxied, open_tls, proxy_to
from seedance_mcp.provider.result_hosts import (
    BY_HAND,
    BY_PROXY,
    PROXY_SETTING,
    Origin,
    Resolve,
    addresses,
    check_proxied,
    origin,
    read_url,
    resolve_host,
)
from seedance_mcp.provider.whole_mp4 import WholeMp4
from seedance_mcp.settings import is_loopback, is_loopback_host
from seedance_mcp.untrusted import sanitize

MOST_BYTES = 500_000_000
"""A larger video is refused: fifteen seconds in 4K need far less."""
DEADLINE_SECONDS = 900.0
"""How long one video may take in all."""
REDIRECTS_MOST = 3

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Mozilla/5.0 (compatible)"}
"""Nothing here says which program asks; some hosts refuse requests without a user agent."""
_REDIRECTS = {301, 302, 303, 307, 308}
_EXPIRED = {401, 403, 404, 410}
"""What hosts answer for a link that has expired."""
_FTYP = re.compile(rb"....ftyp", re.DOTALL)
"""How every MP4 begins."""
_HEAD_BYTES = 8

Write = Callable[[bytes], object]
"""Takes the next bytes of a video."""
Report = Callable[[int, int | None], Awaitable[None]]
"""Takes how many bytes have come, and how many will come in all where that is known."""


class Fetcher:
    """Fetches the videos of one provider; a provider on this machine itself may give links to this machine."""

    def __init__(
        self,
        base_url: str,
        resolve: Resolve = resolve_host,
        connect: Callable[[], httpx.AsyncBaseTransport] | None = None,
        most_bytes: int = MOST_BYTES,
        proxy: str = "",
    ) -> None:
        """Open no connection yet.

        Args:
            base_url: The provider's address.
            resolve: Gives a host's addresses; tests give their own.
            connect: Makes a transport for one connection; tests give one that opens no port.
            most_bytes: A larger video is refused.
            proxy: The address of the proxy that leads to public hosts, or `env` for that of the environment; empty for none.
        """
        self._own = {origin(httpx.URL(base_url))} if is_loopback(base_url) else set[Origin]()
        self._resolve, self._connect, self._most_bytes = resolve, connect or self._transport, most_bytes
        self._proxy = proxy

    async def fetch(self, link: str, write: Write, report: Report) -> int:
        """Fetch the video behind a link.

        Args:
            link: Where the provider says it is.
            write: Takes the bytes, none before they are known to begin an MP4.
            report: Takes the progress after each piece.

        Returns:
            How many bytes were written.

        Raises:
            LinkExpired: There is no video behind the link; nothing was written.
            DownloadRefused: The link leads to where nothing is ever fetched from, or the video is too large or encoded.
            DownloadFailed: The host or the way to it failed; another call may succeed.
        """
        try:
            with anyio.fail_after(DEADLINE_SECONDS):
                return await self._follow(link, write, report)
        except TimeoutError as error:
            raise DownloadFailed(f"The video did not arrive in {DEADLINE_SECONDS:.0f} s. Call again later.") from error
        except httpx.TransportError as error:
            way = f" {BY_PROXY}" if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) else ""
            raise DownloadFailed(f"The video's transfer broke off ({type(error).__name__}).{way} Call again.") from error

    async def _follow(self, link: str, write: Write, report: Report) -> int:
        url = read_url(link)
        own = self._own | {origin(url)} if self._own else self._own
        for _ in range(REDIRECTS_MOST + 1):
            async with AsyncExitStack() as stack:
                response = await self._answer(stack, url, own=origin(url) in own)
                if response.status_code not in _REDIRECTS:
                    return await self._take(response, write, report)
                url = read_url(response.headers.get("Location", ""), url)
        raise DownloadRefused(
            f"The video's link was redirected more than {REDIRECTS_MOST} times, the most that is followed. Nothing was saved."
        )

    async def _answer(self, stack: AsyncExitStack, url: httpx.URL, *, own: bool) -> httpx.Response:
        """Ask for a URL, by the proxy where one leads there; raises `DownloadRefused` where it leads to no public host."""
        host = url.host
        proxy = None if own and is_loopback_host(host) else proxy_to(self._proxy, host)
        if not proxy:
            return await self._open(stack, url, await addresses(url, self._resolve, own=own))
        check_proxied(url)
        try:
            transport = await stack.enter_async_context(open_proxied(proxy, self._tls))
            response = await transport.handle_async_request(_request(url, host))
        except (httpx.ProxyError, httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise DownloadFailed(
                f'The proxy of {PROXY_SETTING} opened no way to the host of the video, "{sanitize(host)}" '
                f"({type(error).__name__}): the operator should check the proxy and that variable. {BY_HAND} Call again later."
            ) from error
        stack.push_async_callback(response.aclose)
        return response

    async def _open(self, stack: AsyncExitStack, url: httpx.URL, found: list[str]) -> httpx.Response:
        """Connect to the first address that answers; a connection is never used again, so that it serves one host only."""
        failure: httpx.TransportError | None = None
        for address in found:
            transport = await stack.enter_async_context(self._connect())
            try:
                response = await transport.handle_async_request(_request(url, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            else:
                stack.push_async_callback(response.aclose)
                return response
        raise failure or httpx.ConnectError("no address")

    def _transport(self) -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=self._tls)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return open_tls()

    async def _take(self, response: httpx.Response, write: Write, report: Report) -> int:
        """Write a body as it was sent: we ask for no encoding, and decode none."""
        announced_bytes = self._announced_bytes(response)
        size_bytes, head, boxes = 0, b"", WholeMp4()
        stream = cast("httpx.AsyncByteStream", response.stream)
        async with aclosing(cast("AsyncGenerator[bytes]", aiter(stream))) as chunks:
            async for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > self._most_bytes:
                    raise self._too_large()
                boxes.feed(chunk)
                if len(head) < _HEAD_BYTES:
                    head += chunk
                    self._write_head(head, write)
                else:
                    write(chunk)
                await report(size_bytes, announced_bytes)
        if len(head) < _HEAD_BYTES:
            raise _no_video()
        if announced_bytes not in {None, size_bytes}:
            raise DownloadFailed(f"The video was cut off: {size_bytes} of {announced_bytes} bytes came. Call again.")
        framed = announced_bytes is not None or "Transfer-Encoding" in response.headers
        if fault := boxes.fault(end_is_known=framed):
            raise DownloadFailed(f"The video came incomplete: {fault}. Nothing of it was kept. Call again.")
        return size_bytes

    def _write_head(self, head: bytes, write: Write) -> None:
        """Write the first bytes when there are enough to know them for an MP4; raises `LinkExpired` when they are none."""
        if len(head) < _HEAD_BYTES:
            return
        if not _FTYP.match(head):  # a page or a message where the video was
            raise _no_video()
        write(head)

    def _announced_bytes(self, response: httpx.Response) -> int | None:
        """Give the size that an answer announces, if any; raises for an answer that is no whole video."""
        status = response.status_code
        if status in _EXPIRED:
            raise LinkExpired(f"The video's link gives no video any more (HTTP {status}).")
        if status != HTTPStatus.OK:
            raise DownloadFailed(f"The host of the video answered HTTP {status}. Call again later.")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            encoding = sanitize(response.headers["Content-Encoding"])
            raise DownloadRefused(
                f'The host of the video sent it with the encoding "{encoding}"; allowed: none. Nothing was saved.'
            )
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._most_bytes:
            raise self._too_large()
        return int(length) if length.isdecimal() else None

    def _too_large(self) -> DownloadRefused:
        return DownloadRefused(
            f"The video is larger than {self._most_bytes} bytes, the most that is fetched. Nothing was saved."
        )


def _no_video() -> LinkExpired:
    return LinkExpired("The video's link gave something that is no MP4 video.")


def _request(url: httpx.URL, address: str) -> httpx.Request:
    """A GET to one address; the certificate is checked against the host's name."""
    name = url.raw_host.decode("ascii")
    headers = {"Host": url.netloc.decode("ascii"), **_HEADERS}
    extensions = {"sni_hostname": name, "timeout": _TIMEOUT.as_dict()}
    return httpx.Request("GET", url.copy_with(host=address, fragment=None), headers=headers, extensions=extensions)
