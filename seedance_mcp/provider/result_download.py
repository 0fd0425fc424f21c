"""One safe GET of a video into a file: no key, no redirect unwatched, no address but public ones, no byte too many."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import BinaryIO, cast

import anyio
import httpx

from seedance_mcp.errors import DownloadFailed, DownloadRefused, LinkExpired
from seedance_mcp.settings import is_loopback, is_loopback_host
from seedance_mcp.untrusted import sanitize

MOST_BYTES = 500_000_000
"""Far more than fifteen seconds in 4K need."""
DEADLINE_SECONDS = 900.0
REDIRECTS_MOST = 3
ADDRESSES_MOST = 4
"""Of one host, tried in turn where no connection comes about."""

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Mozilla/5.0 (compatible)"}
"""Nothing that tells who asks; some hosts refuse those who name no agent."""
_REDIRECTS = {301, 302, 303, 307, 308}
_EXPIRED = {401, 403, 404, 410}
_FTYP = re.compile(rb"....ftyp", re.DOTALL)
_HEAD_BYTES = 8
_LARGEST_PORT = 65_535

_NUMERIC = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?", re.IGNORECASE)
"""A host that some resolvers read as an address: `2130706433`, `0x7f.1`, `127.1`."""
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NEVER = [
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16", "3fff::/20")
]
"""Beside what Python calls global: protocol assignments and relays, and one cloud's metadata service."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host and port."""
Tell = Callable[[int, int | None], Awaitable[None]]
"""Hears how many bytes are there, and of how many, where that is known."""
Origin = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a file holds now."""

    size_bytes: int
    sha256: str


async def resolve_host(host: str, port: int) -> list[str]:
    """Ask the system for a host's addresses; raises `DownloadFailed`."""
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise DownloadFailed(f"The host of the video, {sanitize(host)}, is not found. Call again later.") from None
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def is_public(address: str) -> bool:
    """Whether an address belongs to the open internet; one that wraps another is judged by that one."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        wrapped = ipaddress.IPv4Address(int(found) % 2**32) if found in _NAT64 else None
        found = found.ipv4_mapped or wrapped or found
    usual = found.is_global and not (found.is_multicast or found.is_reserved)
    return usual and (found.version == 4 or found in _UNICAST) and not any(found in net for net in _NEVER)  # noqa: PLR2004


class Fetcher:
    """Fetches for one provider; where that is this machine itself, its links may lead to this machine."""

    def __init__(
        self,
        base_url: str,
        resolve: Resolve = resolve_host,
        connect: Callable[[], httpx.AsyncBaseTransport] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Take the provider's address; in tests also what names stand for, and a transport that opens no port."""
        self._own = {_origin(httpx.URL(base_url))} if is_loopback(base_url) else set[Origin]()
        self._resolve, self._connect, self._most_bytes = resolve, connect or self._transport, most_bytes

    async def fetch(self, link: str, file: BinaryIO, tell: Tell) -> Fetched:
        """Write the video behind a link to a file.

        Raises `LinkExpired` when there is none, `DownloadRefused` for what is never fetched, `DownloadFailed` when a repeat
        may help, `OSError` when the file cannot be written.
        """
        try:
            with anyio.fail_after(DEADLINE_SECONDS):
                return await self._follow(link, file, tell)
        except TimeoutError:
            raise DownloadFailed(f"The video did not arrive in {DEADLINE_SECONDS:.0f} s. Call again later.") from None
        except httpx.TransportError as error:
            raise DownloadFailed(f"The video's transfer broke off ({type(error).__name__}). Call again.") from None

    async def _follow(self, link: str, file: BinaryIO, tell: Tell) -> Fetched:
        url = _url(link)
        own = self._own | {_origin(url)} if self._own else self._own
        for _ in range(REDIRECTS_MOST + 1):
            addresses = await self._addresses(url, own=_origin(url) in own)
            async with AsyncExitStack() as stack:
                response = await self._open(stack, url, addresses)
                if response.status_code not in _REDIRECTS:
                    return await self._take(response, file, tell)
                url = _url(response.headers.get("Location", ""), url)
        raise DownloadRefused(f"The link was redirected more than {REDIRECTS_MOST} times.")

    async def _addresses(self, url: httpx.URL, *, own: bool) -> list[str]:
        """Where a link leads, every address checked; raises `DownloadRefused` for all when one may not be reached."""
        plain, host, port = url.scheme == "http", url.raw_host.decode("ascii"), url.port or 443
        if url.scheme not in {"https", "http"} or not host or url.userinfo or port > _LARGEST_PORT or (plain and not own):
            raise _refused(host)
        found = await self._resolved(host, port)
        allowed = [(own and is_loopback_host(each)) or (not plain and is_public(each)) for each in found]
        if not found or not all(allowed):
            raise _refused(host)
        return found[:ADDRESSES_MOST]

    async def _resolved(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            if _NUMERIC.fullmatch(host):
                raise _refused(host) from None
        return await self._resolve(host, port)

    async def _open(self, stack: AsyncExitStack, url: httpx.URL, addresses: list[str]) -> httpx.Response:
        """Connect to the first checked address that answers; a new connection each time, so none speaks for another host."""
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
        return httpx.create_ssl_context()

    async def _take(self, response: httpx.Response, file: BinaryIO, tell: Tell) -> Fetched:
        """Read a body as it was sent: we ask for no encoding, and nothing is ever unpacked."""
        wanted = self._announced(response)
        digest, size_bytes, head = hashlib.sha256(), 0, b""
        stream = cast("httpx.AsyncByteStream", response.stream)
        async with aclosing(cast("AsyncGenerator[bytes]", aiter(stream))) as chunks:
            async for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > self._most_bytes:
                    raise self._too_large()
                if len(head) < _HEAD_BYTES:
                    head += chunk[:_HEAD_BYTES]
                    _check_head(head)
                digest.update(chunk)
                file.write(chunk)
                await tell(size_bytes, wanted)
        if len(head) < _HEAD_BYTES:
            raise LinkExpired("The link gave no MP4 video.")
        if wanted not in {None, size_bytes}:
            raise DownloadFailed(f"The video was cut off: {size_bytes} of {wanted} bytes came. Call again.")
        return Fetched(size_bytes, digest.hexdigest())

    def _announced(self, response: httpx.Response) -> int | None:
        """How long a body says to be; raises for an answer that is no whole video."""
        status = response.status_code
        if status in _EXPIRED:
            raise LinkExpired(f"The link gives no video (HTTP {status}).")
        if status != HTTPStatus.OK:
            raise DownloadFailed(f"The host of the video answered HTTP {status}. Call again later.")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadRefused("The host of the video sent it packed, which was not asked for.")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._most_bytes:
            raise self._too_large()
        return int(length) if length.isdecimal() else None

    def _too_large(self) -> DownloadRefused:
        return DownloadRefused(f"The video is larger than {self._most_bytes} bytes, the most that is fetched.")


def _check_head(head: bytes) -> None:
    """Refuse at the first bytes what is no MP4: a page or a message in lieu of a lapsed video."""
    if len(head) >= _HEAD_BYTES and not _FTYP.match(head):
        raise LinkExpired("The link gave no MP4 video.")


def _url(link: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = base.join(link) if base else httpx.URL(link)
        _origin(url)  # reads the host's name, which may be none
    except (httpx.InvalidURL, ValueError):
        raise DownloadRefused("The video's link is none.") from None
    return url


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port


def _request(url: httpx.URL, address: str) -> httpx.Request:
    """A GET to one address; the certificate is checked against the host's name."""
    name = url.raw_host.decode("ascii")
    headers = {"Host": url.netloc.decode("ascii"), **_HEADERS}
    extensions = {"sni_hostname": name, "timeout": _TIMEOUT.as_dict()}
    return httpx.Request("GET", url.copy_with(host=address, fragment=None), headers=headers, extensions=extensions)


def _refused(host: str) -> DownloadRefused:
    return DownloadRefused(
        f'The video\'s link leads to "{sanitize(host)}": videos are fetched from public https hosts alone, without user or '
        "password in the link. Nothing was fetched from there."
    )
