"""Fetches a finished video by a GET without the key, from public addresses only.

Foreign text chooses the host of a result link. Each address is checked before it is connected to, and each redirect is
followed here, by the same rules, so that no name or redirect leads to this machine's own network (SSRF). A proxy is used only
where the operator named it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cached_property

import anyio
import httpx

from seedance_mcp.errors import DownloadFailed, DownloadRefused
from seedance_mcp.provider.environment import open_proxied, open_tls, proxy_to
from seedance_mcp.provider.result_body import Kept, NotContinued, Report, Transfer, Write
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
Headers = dict[str, str]
_REDIRECTS = {301, 302, 303, 307, 308}


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

    async def fetch(self, link: str, write: Write, report: Report, kept: Kept | None = None) -> int:
        """Fetch the video behind a link.

        Args:
            link: Where the provider says it is.
            write: Takes the bytes, none before they are known to begin an MP4.
            report: Takes the progress after each piece.
            kept: What earlier transfers brought; the transfer goes on behind it where the host can, and begins it anew else.

        Returns:
            How long the video is, in bytes.

        Raises:
            LinkExpired: There is no video behind the link; nothing was written.
            DownloadRefused: The link leads to where nothing is ever fetched from, or the video is too large or encoded.
            DownloadFailed: The host or the way to it failed; another call may succeed.
        """
        try:
            with anyio.fail_after(DEADLINE_SECONDS):
                return await self._transferred(link, Transfer(write, report, self._most_bytes, kept))
        except TimeoutError as error:
            raise DownloadFailed(f"The video did not arrive in {DEADLINE_SECONDS:.0f} s. Call again later.") from error
        except httpx.TransportError as error:
            way = f" {BY_PROXY}" if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) else ""
            raise DownloadFailed(f"The video's transfer broke off ({type(error).__name__}).{way} Call again.") from error

    async def _transferred(self, link: str, transfer: Transfer) -> int:
        if transfer.kept and await transfer.is_done():
            return transfer.kept.size_bytes
        try:
            return await self._follow(link, transfer)
        except NotContinued:
            return await self._follow(link, transfer)

    async def _follow(self, link: str, transfer: Transfer) -> int:
        url = read_url(link)
        own = self._own | {origin(url)} if self._own else self._own
        for _ in range(REDIRECTS_MOST + 1):
            async with AsyncExitStack() as stack:
                response = await self._answer(stack, url, transfer.headers, own=origin(url) in own)
                if response.status_code not in _REDIRECTS:
                    return await transfer.take(response)
                url = read_url(response.headers.get("Location", ""), url)
        raise DownloadRefused(
            f"The video's link was redirected more than {REDIRECTS_MOST} times, the most that is followed. Nothing was saved."
        )

    async def _answer(self, stack: AsyncExitStack, url: httpx.URL, more: Headers, *, own: bool) -> httpx.Response:
        """Ask for a URL, by the proxy where one leads there; raises `DownloadRefused` where it leads to no public host."""
        host = url.host
        proxy = None if own and is_loopback_host(host) else proxy_to(self._proxy, host)
        if not proxy:
            return await self._open(stack, url, more, await addresses(url, self._resolve, own=own))
        check_proxied(url)
        try:
            transport = await stack.enter_async_context(open_proxied(proxy, self._tls))
            response = await transport.handle_async_request(_request(url, host, more))
        except (httpx.ProxyError, httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise DownloadFailed(
                f'The proxy of {PROXY_SETTING} opened no way to the host of the video, "{sanitize(host)}" '
                f"({type(error).__name__}): the operator should check the proxy and that variable. {BY_HAND} Call again later."
            ) from error
        stack.push_async_callback(response.aclose)
        return response

    async def _open(self, stack: AsyncExitStack, url: httpx.URL, more: Headers, found: list[str]) -> httpx.Response:
        """Connect to the first address that answers; a connection is never used again, so that it serves one host only."""
        failure: httpx.TransportError | None = None
        for address in found:
            transport = await stack.enter_async_context(self._connect())
            try:
                response = await transport.handle_async_request(_request(url, address, more))
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


def _request(url: httpx.URL, address: str, more: Headers) -> httpx.Request:
    """A GET to one address; the certificate is checked against the host's name."""
    name = url.raw_host.decode("ascii")
    headers = {"Host": url.netloc.decode("ascii"), **_HEADERS, **more}
    extensions = {"sni_hostname": name, "timeout": _TIMEOUT.as_dict()}
    return httpx.Request("GET", url.copy_with(host=address, fragment=None), headers=headers, extensions=extensions)
