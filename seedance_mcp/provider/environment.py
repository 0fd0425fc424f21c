"""Opens HTTP clients and TLS contexts, and names the variable of the environment that makes one impossible.

Libraries read proxies and certificates from variables that are not ours, and fail in a way of their own where one is wrong.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx

from seedance_mcp.errors import NotConfigured

T = TypeVar("T")

_FAILURES = (OSError, ValueError, ImportError, httpx.InvalidURL)
"""How the libraries fail over a variable; a fault of TLS is an `OSError`."""


def open_client(**options: Any) -> httpx.AsyncClient:
    """Make an HTTP client; raises `NotConfigured`, which names the variable that makes it impossible."""
    return _made(lambda: httpx.AsyncClient(**options))


def open_tls() -> ssl.SSLContext:
    """Make a TLS context; raises `NotConfigured`, which names the variable that makes it impossible."""
    return _made(httpx.create_ssl_context)


def proxy_to(setting: str, host: str) -> str | None:
    """Give the address of the proxy that leads to a host.

    Args:
        setting: An address, `env` for the proxy of the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), or nothing.
        host: The host's name.

    Returns:
        `None` where no proxy is to be used.
    """
    if setting != "env":
        return setting or None
    found = getproxies()
    address = found.get("https") or found.get("all")
    if not address or proxy_bypass(host):
        return None
    return address if "://" in address else f"http://{address}"


def open_proxied(proxy: str, tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """Make a transport that goes through a proxy; raises `NotConfigured` where its address cannot be used."""
    try:
        return httpx.AsyncHTTPTransport(proxy=httpx.Proxy(proxy), verify=tls)
    except _FAILURES as error:
        raise NotConfigured(
            f"SEEDANCE_DOWNLOAD_PROXY cannot be used: {_PROXY}, or env for the proxy of the environment. Nothing was fetched: "
            "the operator should correct or unset it where this server is started."
        ) from error


def _made(make: Callable[[], T]) -> T:
    try:
        return make()
    except _FAILURES as error:
        named = next((name for name in _CHECKS if _is_wrong(name)), "NO_PROXY")
        raise NotConfigured(
            f"The environment variable {named} cannot be used: {_ALLOWED[named]}. Nothing was sent: the operator should "
            "correct or unset it where this server is started."
        ) from error


def _is_wrong(name: str) -> bool:
    """Say whether a variable, in upper or lower case, has a value that cannot be used."""
    for value in filter(None, (os.environ.get(name), os.environ.get(name.lower()))):
        try:
            _CHECKS[name](value)
        except _FAILURES:
            return True
    return False


def _tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _check_proxy(address: str) -> object:
    return httpx.AsyncHTTPTransport(proxy=address if "://" in address else f"http://{address}", verify=_tls())


_CHECKS: dict[str, Callable[[str], object]] = {
    "SSL_CERT_FILE": lambda path: _tls().load_verify_locations(cafile=path),
    "SSL_CERT_DIR": lambda path: _tls().load_verify_locations(capath=path),
    "SSLKEYLOGFILE": lambda path: setattr(_tls(), "keylog_filename", path),
    **dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), _check_proxy),
}
"""Variable → what fails where its value cannot be used; a fault that is none of these is in `NO_PROXY`."""

_PROXY = "allowed is an http:// or https:// address (socks5:// needs pip install 'httpx[socks]')"
_ALLOWED = {
    "SSL_CERT_FILE": "allowed is a readable file of certificates",
    "SSL_CERT_DIR": "allowed is a readable folder of certificates",
    "SSLKEYLOGFILE": "allowed is a file that can be written",
    **dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), _PROXY),
    "NO_PROXY": "allowed are host names and addresses; one of IPv6 stands without brackets and without the size of a network",
}
