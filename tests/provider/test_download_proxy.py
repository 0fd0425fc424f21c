"""Downloads through the proxy that the operator named: over real ports, by CONNECT, to public hosts by their names only."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import PROVIDER, Answer, OpenWorld
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from seedance_mcp.errors import DownloadFailed, DownloadRefused, NotConfigured
from seedance_mcp.provider.result_download import Fetcher
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.sandbox.serve import listen
from seedance_mcp.settings import Settings, check_settings
from seedance_mcp.tools.session import reach_hosts

FILM = b"\0\0\0\x10ftypisom\0\0\0\0" + (100_008).to_bytes(4) + b"mdat" + bytes(100_000) + b"\0\0\0\x08moov"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(FILM) + FILM
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    """One whose clock does not jump while a socket is read."""
    return "asyncio"


def certify(name: str, folder: Path) -> ssl.SSLContext:
    """Make the certificate of one host; gives the host's own side."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain = folder / "host.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


@dataclass
class Proxy:
    """A proxy of loopback that leads every host to one of its own, which gives one reply after another."""

    bound: socket.socket
    tls: ssl.SSLContext
    replies: list[bytes] = field(default_factory=lambda: [OK])
    opened: bytes = OPENED
    asked: list[bytes] = field(default_factory=list[bytes])
    inside: list[bytes] = field(default_factory=list[bytes])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.bound.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.bound.accept()
                with connection, suppress(OSError):
                    self.lead(connection)

    def lead(self, connection: socket.socket) -> None:
        self.asked.append(connection.recv(65_536))
        connection.sendall(self.opened)
        if self.opened == OPENED:
            with closing(self.tls.wrap_socket(connection, server_side=True)) as host:
                self.inside.append(host.recv(65_536))
                host.sendall(self.replies.pop(0))

    @property
    def hosts(self) -> list[bytes]:
        return [line.partition(b"\r\n")[0] for line in self.asked]


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Proxy]:
    tls = certify("provider.invalid", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "host.pem"))
    with listen() as bound:
        made = Proxy(bound, tls)
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        yield made
        with suppress(OSError):
            bound.shutdown(socket.SHUT_RDWR)
    thread.join()


async def film(order: Order, pictures: list[bytes]) -> bytes:
    return FILM


async def downloaded(open_world: OpenWorld, **fields: Any) -> tuple[Answer, Answer]:
    """Download a video of a provider elsewhere as a server of these settings does; gives the answer and the task after it."""
    sandbox = Sandbox(film, queue_seconds=0, work_seconds=0)
    async with open_world(sandbox=sandbox, reach=reach_hosts, poll_floor_seconds=0.01, **fields) as world:
        task = await world.create()
        await world.call("wait_for_video", {"task_id": task["task_id"], "timeout_seconds": 5})
        saved = await world.call("download_video", {"task_id": task["task_id"], "filename": "fox"})
        return saved, await world.call("get_task", {"task_id": task["task_id"]})


def content(saved: Answer) -> bytes:
    return Path(saved["path"]).read_bytes()


@pytest.mark.anyio
async def test_a_video_comes_through_the_named_proxy_and_no_name_is_resolved_here(open_world: OpenWorld, proxy: Proxy) -> None:
    """The tests resolve no foreign name: a request for one would fail."""
    saved, task = await downloaded(open_world, download_proxy=SecretStr(proxy.address))
    assert content(saved) == FILM
    assert task["saved_path"] == saved["path"]
    assert proxy.hosts == [b"CONNECT provider.invalid:443 HTTP/1.1"]
    (request,) = proxy.inside
    assert b"\r\nHost: provider.invalid\r\n" in request
    assert b"authorization" not in request.lower()


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["", "http://"])
async def test_env_is_the_proxy_of_the_environment(
    open_world: OpenWorld, proxy: Proxy, name: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, proxy.address.replace("http://", scheme))
    saved, _ = await downloaded(open_world, download_proxy=SecretStr("env"))
    assert content(saved) == FILM
    assert len(proxy.asked) == 1


@pytest.mark.anyio
async def test_a_proxy_that_opens_no_way_is_named_with_what_the_user_can_do(open_world: OpenWorld, proxy: Proxy) -> None:
    proxy.opened = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    failed, task = await downloaded(open_world, download_proxy=SecretStr(proxy.address.replace("://", "://me:hidden@")))
    assert failed.error["code"] == "download_failed"
    assert failed.error["retryable"] is True
    for word in ("SEEDANCE_DOWNLOAD_PROXY", "provider.invalid", "ProxyError", "video_url"):
        assert word in failed.text
    assert "hidden" not in failed.text
    assert task["saved_path"] is None


REFUSED = [
    *("http://provider.invalid/v.mp4", "https://127.0.0.1/v.mp4", "https://10.0.0.1/v.mp4", "https://[::1]/v.mp4"),
    *("https://198.18.0.1/v.mp4", "https://100.64.0.1/v.mp4", "https://169.254.169.254/latest", "https://2130706433/v.mp4"),
    *("https://localhost/v.mp4", "https://intranet/v.mp4", "https://printer.local/v.mp4", "https://a.internal./v.mp4"),
    *("https://me:secret@provider.invalid/v.mp4", "https://provider.invalid:99999/v.mp4", "ftp://provider.invalid/v.mp4"),
]


async def ignore(size_bytes: int, wanted: int | None) -> None:
    """Report to nobody."""


def fetch(link: str, proxy: str, base_url: str = PROVIDER) -> bytes:
    found: list[bytes] = []
    anyio.run(Fetcher(base_url, proxy=proxy).fetch, link, found.append, ignore)
    return b"".join(found)


@pytest.mark.parametrize("link", REFUSED)
def test_ssrf_a_proxy_is_asked_for_no_inner_host(link: str, proxy: Proxy) -> None:
    with pytest.raises(DownloadRefused, match="public https hosts only"):
        fetch(link, proxy.address)
    assert proxy.asked == []


@pytest.mark.parametrize("link", [link for link in REFUSED if "provider" not in link])
def test_ssrf_a_redirect_leads_a_proxy_to_no_inner_host(link: str, proxy: Proxy) -> None:
    proxy.replies = [b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % link.encode()]
    with pytest.raises(DownloadRefused, match="public https hosts only"):
        fetch(f"{PROVIDER}/v.mp4", proxy.address)
    assert len(proxy.asked) == 1


def test_a_certificate_is_checked_through_a_proxy(proxy: Proxy) -> None:
    with pytest.raises(DownloadFailed, match="ConnectError"):
        fetch("https://elsewhere.invalid/v.mp4", proxy.address)


def test_a_public_address_and_a_redirect_to_a_public_host_go_through_the_proxy(proxy: Proxy) -> None:
    proxy.replies = [b"HTTP/1.1 302 Found\r\nLocation: /w.mp4\r\nContent-Length: 0\r\n\r\n", OK]
    assert fetch(f"{PROVIDER}/v.mp4", proxy.address) == FILM
    with pytest.raises(DownloadFailed, match="ConnectError"):  # the certificate is that of another host
        fetch("https://8.8.8.8/v.mp4", proxy.address)
    assert [each.split()[1] for each in proxy.hosts] == [b"provider.invalid:443", b"provider.invalid:443", b"8.8.8.8:443"]


def test_a_provider_on_this_machine_is_reached_without_the_proxy(proxy: Proxy) -> None:
    with pytest.raises(DownloadFailed, match="SEEDANCE_DOWNLOAD_PROXY"):
        fetch("http://127.0.0.1:9/v.mp4", proxy.address, "http://127.0.0.1:9")
    assert proxy.asked == []


@pytest.mark.parametrize("exception", ["", "provider.invalid", "*"])
def test_env_goes_directly_where_the_environment_says_so(
    exception: str, monkeypatch: pytest.MonkeyPatch, proxy: Proxy
) -> None:
    if exception:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        monkeypatch.setenv("NO_PROXY", exception)

    async def resolve(host: str, port: int) -> list[str]:
        return ["198.18.0.7"]

    with pytest.raises(DownloadRefused, match=r"fake-IP DNS.*SEEDANCE_DOWNLOAD_PROXY"):
        anyio.run(Fetcher(PROVIDER, resolve, proxy="env").fetch, f"{PROVIDER}/v.mp4", print, ignore)
    assert proxy.asked == []


def test_a_proxy_that_needs_what_is_not_installed_names_the_setting() -> None:
    with pytest.raises(NotConfigured, match=r"SEEDANCE_DOWNLOAD_PROXY cannot be used: .*httpx\[socks\]"):
        fetch(f"{PROVIDER}/v.mp4", "socks5://127.0.0.1:1")


def test_without_a_way_out_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("dead")

    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]

    fetcher = Fetcher(PROVIDER, resolve, lambda: httpx.MockTransport(dead))
    with pytest.raises(DownloadFailed, match="SEEDANCE_DOWNLOAD_PROXY"):
        anyio.run(fetcher.fetch, f"{PROVIDER}/v.mp4", print, ignore)


@pytest.mark.parametrize(
    "value", ["env", "http://127.0.0.1:7890", "https://me:word@proxy.example:8443/", "socks5h://[::1]:1080"]
)
def test_the_proxy_is_an_address_or_env(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_DOWNLOAD_PROXY", f" {value} ")
    found = Settings().download_proxy
    assert found
    assert found.get_secret_value() == value
    assert Settings(download_proxy=found).download_proxy == found


@pytest.mark.parametrize(
    "value",
    [
        *("127.0.0.1:7890", "1", "http://", "ftp://a.example:1", "http://a.example:99999", "http://a.example:0"),
        *("http://a.example/pac", "http://a.example?x", "http://a.example#x", "http://me:hidden@"),
    ],
)
def test_what_is_no_proxy_is_named_and_not_repeated(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_DOWNLOAD_PROXY", value)
    (problem,) = check_settings().problems
    assert problem.startswith("SEEDANCE_DOWNLOAD_PROXY: must be env, or the address of a proxy")
    assert "hidden" not in problem
