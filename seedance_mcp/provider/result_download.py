"""Fetches a finished video by a GET without the key, from public addresses only.

Foreign text chooses the host of a result link. Each address is checked before it is connected to, and each redirect is
followed here, by the same rules, so that no name, redirect or proxy leads to this machine's own network (SSRF).
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from functools import cached_property
from http import HTTPStatus
from typing import cast

import anyio
import httpx

from seedance_mcp.errors import DownloadFailed, DownloadRefused, LinkExpired
from seedance_mcp.provider.environment import open_tls
from seedance_mcp.provider.whole_mp4 import WholeMp4
from seedance_mcp.settings import is_loopback, is_loopback_host
from seedance_mcp.untrusted import sanitize

MOST_BYTES = 500_000_000
"""A larger video is refused: fifteen seconds in 4K need far less."""
DEADLINE_SECONDS = 900.0
"""How long one video may take in all."""
REDIRECTS_MOST = 3
ADDRESSES_MOST = 4
"""How many addresses of one host are tried in turn until a connection comes about."""

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Mozilla/5.0 (compatible)"}
"""Nothing here says which program asks; some hosts refuse requests without a user agent."""
_REDIRECTS = {301, 302, 303, 307, 308}
_EXPIRED = {401, 403, 404, 410}
"""What hosts answer for a link that has expired."""
_FTYP = re.compile(rb"....ftyp", re.DOTALL)
"""How every MP4 begins."""
_HEAD_BYTES = 8
_HTTPS_PORT, _LARGEST_PORT = 443, 65_535

_NUMERIC = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?", re.IGNORECASE)
"""A host that some resolvers read as an address: `2130706433`, `0x7f.1`, `127.1`."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""All public addresses of IPv6."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses of IPv6 that stand for one of IPv4."""
_NEVER = [
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments
    ipaddress.ip_network("192.88.99.0/24"),  # 6to4 relays
    ipaddress.ip_network("168.63.129.16/32"),  # the metadata service of one cloud
    ipaddress.ip_network("2001::/23"),  # protocol assignments, Teredo among them
    ipaddress.ip_network("2002::/16"),  # 6to4
    ipaddress.ip_network("3fff::/20"),  # documentation
]
"""Networks that are refused although Python calls some of their addresses global."""

_FAKE_NETWORKS = [ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("100.64.0.0/10")]
"""Addresses that proxies and tunnels on a user's machine answer for every name (fake-IP), and carriers use inside."""
_BY_HAND = "The video is there: the user can open its video_url, which get_task shows, in a browser."

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host and port."""
Write = Callable[[bytes], object]
"""Takes the next bytes of a video."""
Report = Callable[[int, int | None], Awaitable[None]]
"""Takes how many bytes have come, and how many will come in all where that is known."""
Origin = tuple[str, str, int | None]
"""Scheme, host and port of a URL."""


async def resolve_host(host: str, port: int) -> list[str]:
    """Ask the system for a host's addresses; raises `DownloadFailed` where it knows none."""
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DownloadFailed(
            f"The host of the video, {sanitize(host)}, is not found: it is unknown, or this network resolves no names and lets"
            f" only a proxy out. {_BY_HAND} Call again later."
        ) from error
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def is_public(address: str) -> bool:
    """Return whether an address belongs to the open internet; one that stands for another is judged by that one."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        wrapped = ipaddress.IPv4Address(int(found) % 2**32) if found in _NAT64 else None
        found = found.ipv4_mapped or wrapped or found
    usual = found.is_global and not (found.is_multicast or found.is_reserved)
    return usual and (found.version == 4 or found in _UNICAST) and not any(found in net for net in _NEVER)  # noqa: PLR2004


class Fetcher:
    """Fetches the videos of one provider; a provider on this machine itself may give links to this machine."""

    def __init__(
        self,
        base_url: str,
        resolve: Resolve = resolve_host,
        connect: Callable[[], httpx.AsyncBaseTransport] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Open no connection yet.

        Args:
            base_url: The provider's address.
            resolve: Gives a host's addresses; tests give their own.
            connect: Makes a transport for one connection; tests give one that opens no port.
            most_bytes: A larger video is refused.
        """
        self._own = {_origin(httpx.URL(base_url))} if is_loopback(base_url) else set[Origin]()
        self._resolve, self._connect, self._most_bytes = resolve, connect or self._transport, most_bytes

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
            raise DownloadFailed(f"The video's transfer broke off ({type(error).__name__}). Call again.") from error

    async def _follow(self, link: str, write: Write, report: Report) -> int:
        url = _url(link)
        own = self._own | {_origin(url)} if self._own else self._own
        for _ in range(REDIRECTS_MOST + 1):
            addresses = await self._addresses(url, own=_origin(url) in own)
            async with AsyncExitStack() as stack:
                response = await self._open(stack, url, addresses)
                if response.status_code not in _REDIRECTS:
                    return await self._take(response, write, report)
                url = _url(response.headers.get("Location", ""), url)
        raise DownloadRefused(
            f"The video's link was redirected more than {REDIRECTS_MOST} times, the most that is followed. Nothing was saved."
        )

    async def _addresses(self, url: httpx.URL, *, own: bool) -> list[str]:
        """Give the addresses that a URL leads to; raises `DownloadRefused` when one of them may not be reached."""
        plain, host, port = url.scheme == "http", url.raw_host.decode("ascii"), url.port or _HTTPS_PORT
        if url.scheme not in {"https", "http"} or not host or url.userinfo or port > _LARGEST_PORT or (plain and not own):
            raise _refused(host)
        found = await self._resolved(host, port)
        allowed = [(own and is_loopback_host(each)) or (not plain and is_public(each)) for each in found]
        if not plain and any(map(_is_fake, found)):
            raise _faked(host)
        if not found or not all(allowed):
            raise _refused(host)
        return found[:ADDRESSES_MOST]

    async def _resolved(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError as error:
            if _NUMERIC.fullmatch(host):
                raise _refused(host) from error
        return await self._resolve(host, port)

    async def _open(self, stack: AsyncExitStack, url: httpx.URL, addresses: list[str]) -> httpx.Response:
        """Connect to the first address that answers; a connection is never used again, so that it serves one host only."""
        failure: httpx.TransportError | None = None
        for address in addresses:
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


def _url(link: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = base.join(link) if base else httpx.URL(link)
        _origin(url)  # reads the host's name, which may be invalid
    except (httpx.InvalidURL, ValueError) as error:
        raise DownloadRefused("The video's link is an invalid URL. Nothing was fetched.") from error
    return url


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port


def _request(url: httpx.URL, address: str) -> httpx.Request:
    """A GET to one address; the certificate is checked against the host's name."""
    name = url.raw_host.decode("ascii")
    headers = {"Host": url.netloc.decode("ascii"), **_HEADERS}
    extensions = {"sni_hostname": name, "timeout": _TIMEOUT.as_dict()}
    return httpx.Request("GET", url.copy_with(host=address, fragment=None), headers=headers, extensions=extensions)


def _is_fake(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in network for network in _FAKE_NETWORKS)


def _faked(host: str) -> DownloadRefused:
    return DownloadRefused(
        f'This network gives no real address for the host of the video, "{sanitize(host)}": a proxy or a tunnel answers for '
        "its name (fake-IP DNS), and such an address may lead anywhere: nothing was fetched from there; allowed: public "
        f"https hosts only. The operator can let the proxy resolve that host really. {_BY_HAND}"
    )


def _refused(host: str) -> DownloadRefused:
    return DownloadRefused(
        f'The video\'s link leads to "{sanitize(host)}"; allowed: public https hosts only, without user or password in the '
        "link. Nothing was fetched from there."
    )
