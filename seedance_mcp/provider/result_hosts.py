"""Says which hosts a result link may lead to: public ones, over https, by addresses that were checked.

Foreign text chooses the host. A proxy that the operator named resolves names itself, so only a literal address can be checked
there.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable

import anyio
import httpx

from seedance_mcp.errors import DownloadFailed, DownloadRefused
from seedance_mcp.settings import is_loopback_host
from seedance_mcp.untrusted import sanitize

PROXY_SETTING = "SEEDANCE_DOWNLOAD_PROXY"
ADDRESSES_MOST = 4
"""How many addresses of one host are tried in turn until a connection comes about."""

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
_INSIDE = ("localhost", ".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""Ends of names that only an inner network knows."""
BY_HAND = "The video is there: the user can open its video_url, which get_task shows, in a browser."
BY_PROXY = f"The operator can set {PROXY_SETTING} to the address of a proxy that leads out, or to env for the environment's."

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host and port."""

Origin = tuple[str, str, int | None]
"""Scheme, host and port of a URL."""


async def resolve_host(host: str, port: int) -> list[str]:
    """Ask the system for a host's addresses; raises `DownloadFailed` where it knows none."""
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DownloadFailed(
            f"The host of the video, {sanitize(host)}, is not found: it is unknown, or this network resolves no names and lets"
            f" only a proxy out. {BY_HAND} {BY_PROXY} Call again later."
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


def read_url(link: str, base: httpx.URL | None = None) -> httpx.URL:
    """Read a link, which may be relative to another one; raises `DownloadRefused` for an invalid one."""
    try:
        url = base.join(link) if base else httpx.URL(link)
        origin(url)  # reads the host's name, which may be invalid
    except (httpx.InvalidURL, ValueError) as error:
        raise DownloadRefused("The video's link is an invalid URL. Nothing was fetched.") from error
    return url


def origin(url: httpx.URL) -> Origin:
    """Give scheme, host and port of a URL."""
    return url.scheme, url.host, url.port


async def addresses(url: httpx.URL, resolve: Resolve, *, own: bool) -> list[str]:
    """Give the addresses that a URL leads to.

    Args:
        url: Where a video is.
        resolve: Gives the addresses of its host.
        own: Whether the provider on this machine may have named it, which may lead to this machine.

    Raises:
        DownloadRefused: One of the addresses may not be reached.
    """
    host, is_plain = _checked(url, own=own), url.scheme == "http"
    found = [literal] if (literal := _literal(host)) else await resolve(host, url.port or _HTTPS_PORT)
    allowed = [(own and is_loopback_host(each)) or (not is_plain and is_public(each)) for each in found]
    if not is_plain and any(map(_is_fake, found)):
        raise _faked(host)
    if not found or not all(allowed):
        raise _refused(host)
    return found[:ADDRESSES_MOST]


def check_proxied(url: httpx.URL) -> None:
    """Raise `DownloadRefused` where not even a proxy may be asked for a URL: its host is no public one by its name."""
    host = _checked(url, own=False)
    name, literal = host.rstrip(".").lower(), _literal(host)
    if not (is_public(literal) if literal else "." in name and not name.endswith(_INSIDE)):
        raise _refused(host)


def _checked(url: httpx.URL, *, own: bool) -> str:
    """Give a URL's host; raises `DownloadRefused` where the URL alone shows that nothing is fetched from there."""
    host, is_http = url.raw_host.decode("ascii"), url.scheme == "http" and own
    if not (url.scheme == "https" or is_http) or not host or url.userinfo or (url.port or _HTTPS_PORT) > _LARGEST_PORT:
        raise _refused(host)
    return host


def _literal(host: str) -> str:
    """Give the address that a host is, empty for a name; raises `DownloadRefused` for a name that may be read as one."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError as error:
        if _NUMERIC.fullmatch(host):
            raise _refused(host) from error
    return ""


def _is_fake(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in network for network in _FAKE_NETWORKS)


def _faked(host: str) -> DownloadRefused:
    return DownloadRefused(
        f'This network gives no real address for the host of the video, "{sanitize(host)}": a proxy or a tunnel answers for '
        "its name (fake-IP DNS), and such an address may lead anywhere: nothing was fetched from there; allowed: public "
        f"https hosts only. {BY_HAND} {BY_PROXY}"
    )


def _refused(host: str) -> DownloadRefused:
    return DownloadRefused(
        f'The video\'s link leads to "{sanitize(host)}"; allowed: public https hosts only, without user or password in the '
        "link. Nothing was fetched from there."
    )
