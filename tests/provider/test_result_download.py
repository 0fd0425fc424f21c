"""Downloads over real ports: from a provider on this machine, from nowhere else on it, and however badly it is sent."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, cast

import anyio
import pytest

from seedance_mcp.errors import DownloadFailed, DownloadRefused
from seedance_mcp.provider.result_download import Fetcher
from seedance_mcp.provider.result_hosts import resolve_host
from seedance_mcp.sandbox.serve import listen

FILM = b"\0\0\0\x10ftypisom\0\0\0\0" + (100_008).to_bytes(4) + b"mdat" + bytes(100_000) + b"\0\0\0\x08moov"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(FILM)
MOVED = b"HTTP/1.1 302 Found\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def host(*replies: bytes) -> Generator[tuple[str, list[bytes]]]:
    """Answer one connection after another with raw bytes; gives the address and what was asked."""
    asked: list[bytes] = []

    def serve(bound: socket.socket) -> None:
        with suppress(OSError):  # nobody came before the test was over
            for reply in replies:
                connection, _ = bound.accept()
                with connection:
                    asked.append(connection.recv(65_536))
                    connection.sendall(reply)

    with listen() as bound:
        thread = threading.Thread(target=serve, args=[bound], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}", asked


async def quiet(size_bytes: int, wanted: int | None) -> None:
    """Hear nothing."""


def fetched(base_url: str, link: str) -> int:
    return anyio.run(Fetcher(base_url).fetch, link, io.BytesIO().write, quiet)


def test_a_provider_on_this_machine_may_give_links_to_it() -> None:
    with host(OK + FILM) as (base, asked):
        assert fetched(base, f"{base}/v.mp4?a=1") == len(FILM)
    assert asked[0].startswith(b"GET /v.mp4?a=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"authorization" not in asked[0].lower()
    with host(OK + FILM) as (base, _):
        assert fetched("http://localhost:9", base.replace("127.0.0.1", "localhost")) == len(FILM)


def test_ssrf_a_redirect_reaches_no_other_port_of_this_machine() -> None:
    with host(OK + FILM) as (other, unasked), host(MOVED % other.encode()) as (base, asked):
        with pytest.raises(DownloadRefused, match="public https hosts only"):
            fetched(base, f"{base}/v.mp4")
        assert (len(asked), unasked) == (1, [])


def test_ssrf_a_provider_elsewhere_never_leads_to_this_machine() -> None:
    with host(OK + FILM) as (base, asked):
        for link in (base, base.replace("http:", "https:"), base.replace("127.0.0.1", "localhost")):
            with pytest.raises(DownloadRefused, match="public https hosts only"):
                fetched("https://provider.invalid", link)
    assert asked == []


@pytest.mark.parametrize(
    "reply",
    [OK + FILM[:-1], OK[:20], b"", b"\0" * 100, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + FILM[:5]],
)
def test_a_truncated_body_is_no_video(reply: bytes) -> None:
    with host(reply) as (base, _), pytest.raises(DownloadFailed, match="broke off") as caught:
        fetched(base, base)
    assert caught.value.may_be_repeated


def test_a_body_that_came_whole_and_is_no_whole_video_is_refused() -> None:
    half = FILM[:1000]
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with host(reply + half) as (base, _), pytest.raises(DownloadFailed, match="came incomplete"):
        fetched(base, base)


def test_a_tls_certificate_is_checked_against_the_host_name() -> None:
    """The handshake is told the host's own name though the connection goes to an address."""
    with listen() as bound:
        hello: list[bytes] = []

        def greet() -> None:
            connection, _ = bound.accept()
            with connection:
                hello.append(connection.recv(65_536))

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(DownloadFailed, match="ConnectError"):
            fetched("http://localhost:9", f"https://localhost:{bound.getsockname()[1]}/v.mp4")
    assert b"\x00\x09localhost" in hello[0]


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with host(OK + FILM) as (proxy, unasked), host(OK + FILM) as (base, asked):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        assert fetched(base, base) == len(FILM)
    assert (len(asked), unasked) == (1, [])


def test_a_host_unknown_to_dns_is_named() -> None:
    with pytest.raises(DownloadFailed, match="localhost, is not found"):
        anyio.run(resolve_host, "localhost", cast("Any", "no such service"))
    assert anyio.run(resolve_host, "127.0.0.1", 80) == ["127.0.0.1"]
