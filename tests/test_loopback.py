"""The guard of the tests themselves: nothing that they run can reach another machine."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
import trio

ADDRESSES = "192.0.2.1", "2001:db8::1", "example.com"
REFUSED = pytest.RaisesExc(RuntimeError, match="tests reach no host")


@pytest.mark.parametrize("far", ADDRESSES)
def test_no_test_reaches_another_host(far: str) -> None:
    with REFUSED, httpx.Client() as http:
        http.get(f"http://[{far}]" if ":" in far else f"http://{far}")
    with pytest.RaisesGroup(REFUSED, allow_unwrapped=True, flatten_subgroups=True):
        trio.run(trio.open_tcp_stream, far, 80)
    with REFUSED:
        asyncio.run(connect(far))


async def connect(far: str) -> None:
    await asyncio.open_connection(far, 80)


@pytest.mark.parametrize("far", ADDRESSES)
@pytest.mark.parametrize("name", ["connect", "connect_ex"])
def test_no_socket_of_a_test_does_either(far: str, name: str) -> None:
    with socket.socket() as probe, REFUSED:
        getattr(probe, name)((far, 80))
