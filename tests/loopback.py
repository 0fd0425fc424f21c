"""Tests reach no other machine: to look up or to connect to any host but this one is refused."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

OWN = {"127.0.0.1", b"127.0.0.1", b"localhost", "::1", "localhost", "0.0.0.0", "", None}  # noqa: S104 - compared, not bound


def refuse_other_hosts() -> None:
    """Replace what opens a connection, for the rest of this process.

    An audit hook would see as much, but runs whenever a thread begins to be traced: CPython 3.11 and older then let another
    thread in, and fail with "another trace function is being installed".
    """
    socket.getaddrinfo = _only_own(socket.getaddrinfo, _host_asked)
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _only_own(getattr(socket.socket, name), _host_of))


def _host_asked(host: object, *_: object, **__: object) -> object:
    return host


def _host_of(_: socket.socket, address: str | bytes | tuple[object, ...]) -> object:
    return address[0] if isinstance(address, tuple) else None


def _only_own(act: Callable[..., Any], host_of: Callable[..., object]) -> Callable[..., Any]:
    def checked(*arguments: Any, **options: Any) -> Any:
        if (host := host_of(*arguments, **options)) not in OWN:
            raise RuntimeError(f"tests reach no host: {host}")
        return act(*arguments, **options)

    return checked
