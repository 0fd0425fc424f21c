"""A finished video comes home whole or not at all, from where it may come from, and stays where it may stay."""

from __future__ import annotations

import gzip
import hashlib
import io
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
import anyio.from_thread
import httpx
import pytest
from conftest import PROVIDER, Answer, OpenWorld, World, public_address
from mcp_types import ResourceLink
from memory_store import MemoryStore

from seedance_mcp.money import gate
from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.provider.result_download import Fetcher
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.storage.video_store import Stored, VideoStore
from seedance_mcp.tools.arguments import DownloadVideo
from seedance_mcp.tools.downloads import download_video
from seedance_mcp.tools.session import Keep, OpenLedger, Shared, utc_now

pytestmark = pytest.mark.anyio

BOTH_STORES = pytest.mark.parametrize("open_world", ["disk", "memory"], indirect=True)


def box(name: bytes, content: bytes = b"") -> bytes:
    """One box of an MP4."""
    return (8 + len(content)).to_bytes(4) + name + content


INDEX, MEDIA = box(b"moov", bytes(64)), box(b"mdat", bytes(range(256)) * 400)
FILM = box(b"ftyp", b"isom" + bytes(12)) + MEDIA + INDEX
PAGE = b"<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>"

Reply = Callable[[], httpx.Response]


async def film(order: Order, pictures: list[bytes]) -> bytes:
    return FILM


@dataclass
class Library(Sandbox):
    """A sandbox whose videos are given out as a test says: one reply each time, then the video itself."""

    replies: list[Reply] = field(default_factory=list[Reply])
    seen: list[httpx.Request] = field(default_factory=list[httpx.Request])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/api/" in request.url.path:
            return await super().__call__(request)
        self.seen.append(request)
        if self.replies:
            return self.replies.pop(0)()
        return (
            await super().__call__(request) if request.url.path.startswith("/results/") else httpx.Response(200, content=FILM)
        )


@pytest.fixture
def open_world(open_world: OpenWorld, request: pytest.FixtureRequest) -> OpenWorld:
    """Open a world that keeps its videos on the disk; with `BOTH_STORES` also one that keeps them in memory."""
    if getattr(request, "param", "disk") == "disk":
        return open_world
    return partial(open_world, keep=keeping(MemoryStore()))


def keeping(store: MemoryStore) -> Keep:
    def keep(_: Settings) -> VideoStore:
        return store

    return keep


def library(*replies: Reply) -> Library:
    return Library(film, replies=list(replies))


def reply(status: int = 200, content: Any = FILM, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: httpx.Response(status, content=content, headers=named)


@dataclass
class Body(httpx.AsyncByteStream):
    """A body that is made while it is read."""

    make: Callable[[], AsyncGenerator[bytes]]

    def __aiter__(self) -> AsyncGenerator[bytes]:
        return self.make()


def made(make: Callable[[], AsyncGenerator[bytes]]) -> Reply:
    return lambda: httpx.Response(200, stream=Body(make))


def packed() -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(gzip.compress(bytes(10_000))), headers={"Content-Encoding": "gzip"})


def to(location: str) -> Reply:
    return lambda: httpx.Response(302, headers={"Location": location})


async def finished(world: World) -> str:
    request = {"model": "seedance2.0-sp", "prompt": "a fox"}
    task = await world.call("create_video", {"request": request, "allow_duplicate": True})
    await world.call("wait_for_video", {"task_id": task["task_id"]})
    return task["task_id"]


def kept(world: World) -> list[str]:
    """The name of everything that the store holds, hidden files too."""
    if isinstance(world.videos, MemoryStore):
        return sorted(Path(uri).name for uri in world.videos.videos)
    return sorted(path.name for path in world.settings.output_dir.rglob("*") if path.is_file())


def uri_of(saved: Answer) -> str:
    """What the store calls the video of a result: its path, else what stands in the URL that the store in memory lends."""
    return saved["path"] or f"memory:/{unquote(urlsplit(str(saved['url'])).path)[1:]}"


def path_of(saved: Answer) -> Path:
    return Path(uri_of(saved))


def content_of(world: World, saved: Answer) -> bytes:
    """What the store gives for a result, if it has those bytes."""
    with world.videos.open(Stored(uri_of(saved), saved["bytes"], saved["sha256"])) or io.BytesIO() as file:
        return file.read()


@BOTH_STORES
async def test_a_video_that_a_killed_process_kept_is_found_and_not_fetched(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(host := library())) as world:
        task_id = await finished(world)
        request_id = (await world.call("get_task", {"task_id": task_id}))["request_id"]
        pending = world.videos.new("fox", "", request_id)
        pending.write(FILM)
        pending.commit()
        saved = await world.call("download_video", {"task_id": task_id, "filename": "another"})
        assert "fox.mp4; filename ignored" in saved.text
        assert content_of(world, saved) == FILM
        assert kept(world) == ["fox.mp4"]
        assert host.seen == []


@pytest.mark.sqlite_file
async def test_a_ledger_that_takes_nothing_keeps_nobody_from_a_video(open_world: OpenWorld) -> None:
    async with open_world(sandbox=library()) as world:
        task_id = await finished(world)
        with sqlite3.connect(world.settings.ledger_dir / LEDGER_FILE) as db:
            db.execute("CREATE TRIGGER full BEFORE UPDATE ON requests BEGIN SELECT RAISE(ABORT, 'no room'); END")
        db.close()
        saved = await world.call("download_video", {"task_id": task_id})
        again = await world.call("download_video", {"task_id": task_id})
        assert saved["path"] == again["path"]
        assert path_of(saved).read_bytes() == FILM


async def refused(world: World, **arguments: Any) -> Answer:
    """A download that must fail, and leave nothing."""
    before, task_id, creates = kept(world), await finished(world), world.creates
    answer = await world.call("download_video", {"task_id": task_id, **arguments})
    assert answer.error["code"] == "download_failed"
    assert answer.error["charged"] == "no"
    assert kept(world) == before
    assert world.creates == creates
    return answer


async def test_a_finished_video_is_saved_whole_linked_and_remembered(open_world: OpenWorld) -> None:
    told: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with open_world(sandbox=(host := library())) as world:
        task_id = await finished(world)
        saved = await world.call("download_video", {"task_id": task_id}, progress_callback=on_progress)
        task = await world.call("get_task", {"task_id": task_id})
        listed = await world.call("list_tasks", {"detail": "full"})
    path = path_of(saved)
    assert path.read_bytes() == FILM
    assert path.parent == world.settings.output_dir
    assert path.name == f"{datetime.now(UTC):%Y-%m-%d} seedance2.0-sp {task_id}.mp4"
    assert saved.content == {
        "sandbox": False,
        "path": str(path),
        "bytes": len(FILM),
        "sha256": hashlib.sha256(FILM).hexdigest(),
        "mime_type": "video/mp4",
        "task_id": task_id,
        "url": None,
        "expires_at": None,
    }
    (link,) = saved.more
    assert isinstance(link, ResourceLink)
    assert unquote(urlsplit(str(link.uri)).path) == str(path)
    assert (link.mime_type, link.size) == ("video/mp4", len(FILM))
    assert (task["saved_path"], task["next"]) == (str(path), None)
    assert listed["tasks"][0]["saved_path"] == str(path)
    assert kept(world) == [path.name]
    assert told == [100]
    (request,) = host.seen
    assert request.url.host == "93.184.215.14"
    assert request.extensions["sni_hostname"] == request.headers["Host"] == "provider.invalid"
    assert request.headers["Accept-Encoding"] == "identity"
    assert KEY not in str(request.headers)
    assert set(request.headers) == {"host", "accept", "accept-encoding", "user-agent"}
    assert (request.headers["Accept"], request.headers["User-Agent"]) == ("*/*", "Mozilla/5.0 (compatible)")


async def test_a_saved_video_is_given_again_without_fetching_while_its_bytes_are_there(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(host := library())) as world:
        task_id = await finished(world)
        first = await world.call("download_video", {"task_id": task_id, "filename": "fox"})
        again = await world.call("download_video", {"task_id": task_id, "filename": "other"})
        assert again.content == first.content
        assert f"warning: already saved as {path_of(first)}; filename ignored" in again.text
        same = await world.call("download_video", {"task_id": task_id, "filename": "fox"})
        plain = await world.call("download_video", {"task_id": task_id})
        assert "warning" not in first.text + same.text + plain.text
        assert len(host.seen) == 1
        path = path_of(first)
        path.write_bytes(FILM.replace(b"\x01", b"\x02"))
        changed = await world.call("download_video", {"task_id": task_id, "filename": "fox"})
        path.unlink()
        path.mkdir()
        moved = await world.call("download_video", {"task_id": task_id, "filename": "fox"})
        path_of(moved).unlink()
        gone = await world.call("download_video", {"task_id": task_id, "filename": "fox"})
    assert path_of(changed).name == path_of(gone).name == "fox (2).mp4"
    assert path_of(gone).read_bytes() == FILM
    assert len(host.seen) == 3


async def test_a_finished_video_whose_link_lives_comes_home_while_the_provider_answers_nothing(open_world: OpenWorld) -> None:
    async with open_world(sandbox=library()) as world:
        task_id = await finished(world)
        world.sandbox.faults = [Fault("unauthorized", "/videos", 99)]
        await anyio.sleep(600)
        saved = await world.call("download_video", {"task_id": task_id})
        assert path_of(saved).read_bytes() == FILM


async def test_a_saved_video_needs_neither_its_link_nor_a_provider_that_knows_it(
    open_world: OpenWorld, open_ledger: OpenLedger
) -> None:
    async with open_world(sandbox=(host := library())) as world:
        task_id = await finished(world)
        first = await world.call("download_video", {"task_id": task_id})
        async with aclosing(open_ledger(world.settings, utc_now)) as ledger:
            assert await ledger.prune(datetime.now(UTC) + timedelta(days=1)) == 1
        host.faults = [Fault("unknown_task", "/videos/", 9)]
        again = await world.call("download_video", {"task_id": task_id})
        path_of(first).unlink()
        gone = await world.call("download_video", {"task_id": task_id})
    assert again.content == first.content
    assert "What was saved of it is not there any more. No link is to be expected any more" in gone.text
    assert len(host.seen) == 1


@BOTH_STORES
async def test_a_video_in_another_store_is_saved_linked_remembered_and_previewed_from_there(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(host := library())) as world:
        task_id = await finished(world)
        saved = await world.call("download_video", {"task_id": task_id, "filename": "fox"})
        again = await world.call("download_video", {"task_id": task_id, "filename": "other"})
        task = await world.call("get_task", {"task_id": task_id})
        fetched = len(host.seen)
        await world.call("preview_video", {"task_id": task_id})  # FILM has no frames; it is read from the store all the same
        assert (fetched, len(host.seen)) == (1, 1)
        if isinstance(world.videos, MemoryStore):
            world.videos.videos.clear()
        else:
            path_of(saved).unlink()
        anew = await world.call("download_video", {"task_id": task_id, "filename": "fox"})
        assert content_of(world, anew) == FILM
    assert len(host.seen) == 2
    assert uri_of(saved) == uri_of(again) == uri_of(anew) == task["saved_path"]
    assert f"already saved as {uri_of(saved)}; filename ignored" in again.text
    (link,) = saved.more
    assert isinstance(link, ResourceLink)
    url = path_of(saved).as_uri() if saved["path"] else "https://videos.invalid//fox.mp4?seconds=3600"
    assert (str(link.uri), link.name, link.size) == (url, "fox.mp4", len(FILM))


@pytest.mark.parametrize("size_bytes", [3, len(FILM) - 1])
async def test_a_full_store_is_an_error_and_keeps_nothing(open_world: OpenWorld, size_bytes: int) -> None:
    async with open_world(sandbox=library(), keep=keeping(MemoryStore(size_bytes))) as world:
        answer = await refused(world)
    assert "cannot be written" in answer.text
    assert answer.error["retryable"] is False


async def test_a_download_that_is_cancelled_while_it_commits_is_remembered(tmp_path: Path) -> None:
    store, host, scope = MemoryStore(), library(), anyio.CancelScope()
    store.before_commit = lambda: anyio.from_thread.run_sync(scope.cancel)

    def connect(_: Settings) -> ProviderClient:
        return ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(host))

    def reach(_: Settings) -> Fetcher:
        return Fetcher(PROVIDER, public_address, lambda: httpx.MockTransport(host))

    shared = Shared(Settings(base_url=PROVIDER, data_dir=tmp_path), connect, reach=reach, keep=keeping(store))
    task = await shared.client.create_video({"model": "seedance2.0-sp", "prompt": "a fox", "duration": 5})
    await anyio.sleep(60)
    with scope:
        await download_video(shared.session(), DownloadVideo(task_id=task.task_id or ""), Silent())
    assert scope.cancel_called
    record = await shared.session().ledger.get(task.task_id or "")
    assert record.saved
    assert list(store.videos) == [record.saved.uri]
    await shared.aclose()


class Silent:
    """A client that hears nothing."""

    reply: gate.Reply | None = None
    address: str | None = None

    async def report(self, progress: float, message: str) -> None:
        """Not shown."""

    async def ask(self, question: str, token: str) -> gate.Action:
        return "absent"


class Unlinked(MemoryStore):
    """A store that gives no address at all."""

    def link(self, uri: str, seconds: float) -> Any:
        return None


async def test_a_video_without_an_address_comes_without_a_link(open_world: OpenWorld) -> None:
    async with open_world(sandbox=library(), keep=keeping(Unlinked())) as world:
        saved = await world.call("download_video", {"task_id": await finished(world)})
        assert content_of(world, saved) == FILM
    assert saved.more == []


@BOTH_STORES
async def test_concurrent_downloads_of_one_video_share_a_fetch_and_a_file(open_world: OpenWorld) -> None:
    saved: list[Answer] = []

    async def save(world: World, task_id: str) -> None:
        saved.append(await world.call("download_video", {"task_id": task_id, "filename": "fox"}))

    async with open_world(sandbox=(host := library(reply(503)))) as world:
        task_id = await finished(world)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(save, world, task_id)
    assert len(host.seen) == 2
    first, *others = sorted(saved, key=lambda answer: not answer.is_error)
    assert "answered HTTP 503" in first.text  # the next one tried again
    assert {path_of(answer).name for answer in others} == {"fox.mp4"}
    assert kept(world) == ["fox.mp4"]


LONG_NAME = "ü" * 300


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("fox", "fox.mp4"),
        ("fox.MP4", "fox.mp4"),
        ("fox.mov", "fox.mov.mp4"),
        ("a fox: take 2", "a fox_ take 2.mp4"),
        ("line\nbreak\x00\x1b[31m\u202e", "line_break_[31m_.mp4"),
        ("../../etc/passwd", "_etc_passwd.mp4"),
        ("/etc/cron.d/x", "_etc_cron.d_x.mp4"),
        ("..\\..\\windows\\x", "_windows_x.mp4"),
        ("C:\\x", "C_x.mp4"),
        ("..", "_.mp4"),
        (".hidden", "hidden.mp4"),
        ("tail. . ", "tail.mp4"),
        ("con", "_con.mp4"),
        ("LPT1.fox", "_LPT1.fox.mp4"),
        ("con .x", "_con .x.mp4"),
        ("nul  .txt.mp4", "_nul  .txt.mp4"),
        ("con" + " " * 200 + "x", "_con.mp4"),
        ("console", "console.mp4"),
        ("con x", "con x.mp4"),
        ("half \ud800 of a character", "half _ of a character.mp4"),
        (LONG_NAME, "ü" * 64 + ".mp4"),
        (".", "{default}.mp4"),
        ("", "{default}.mp4"),
        (".mp4", "{default}.mp4"),
    ],
)
async def test_a_name_from_an_agent_becomes_one_on_every_system(open_world: OpenWorld, wanted: str, name: str) -> None:
    async with open_world(sandbox=library()) as world:
        task_id = await finished(world)
        saved = await world.call("download_video", {"task_id": task_id, "filename": wanted})
        default = f"{datetime.now(UTC):%Y-%m-%d} seedance2.0-sp {task_id}"
    assert kept(world) == [name.format(default=default)]
    assert saved["path"] == str(world.settings.output_dir / kept(world)[0])


async def test_an_existing_file_stays_and_a_symlink_leads_nowhere(open_world: OpenWorld, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "fox.mp4").write_text("somebody else's", "utf-8")
    (videos / "fox (2).mp4").symlink_to(tmp_path / "outside.mp4")
    async with open_world(sandbox=library()) as world:
        saved = await world.call("download_video", {"task_id": await finished(world), "filename": "fox"})
    assert saved["path"] == str(videos / "fox (3).mp4")
    assert (videos / "fox.mp4").read_text("utf-8") == "somebody else's"
    assert not (tmp_path / "outside.mp4").exists()


async def test_the_output_folder_may_be_a_symlink_or_not_there_yet(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    async with open_world(sandbox=library(), output_dir=tmp_path / "link" / "new" / "folder") as world:
        saved = await world.call("download_video", {"task_id": await finished(world), "filename": "fox"})
    assert saved["path"] == str(tmp_path / "link" / "new" / "folder" / "fox.mp4")
    assert (tmp_path / "disk" / "new" / "folder" / "fox.mp4").read_bytes() == FILM


async def test_an_output_folder_that_cannot_be_written_is_named(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with open_world(sandbox=library(), output_dir=tmp_path / "file" / "videos") as world:
        answer = await refused(world)
    assert "SEEDANCE_OUTPUT_DIR" in answer.text
    assert answer.error["retryable"] is False


@BOTH_STORES
async def test_a_ledger_that_fails_takes_no_saved_video_back(open_world: OpenWorld, tmp_path: Path) -> None:
    def spoil() -> httpx.Response:
        for path in (tmp_path / "data").glob("*.*"):
            path.write_bytes(b"no ledger" * 1000)
        return httpx.Response(200, content=FILM)

    async with open_world(sandbox=library(spoil)) as world:
        saved = await world.call("download_video", {"task_id": await finished(world), "filename": "fox"})
    assert content_of(world, saved) == FILM


@BOTH_STORES
@pytest.mark.parametrize(
    ("replies", "words", "retryable"),
    [
        ([reply(503)], "answered HTTP 503", True),
        ([reply(206)], "answered HTTP 206", True),
        ([reply(Content_Length="500000001")], "larger than 500000000 bytes", False),
        ([reply(content=FILM, Content_Length=str(len(FILM) + 1))], "was cut off", True),
        ([reply(content=FILM, Content_Length="7")], "was cut off", True),
        ([packed], 'with the encoding "gzip"', False),
        ([to("/again")] * 4, "more than 3 times", False),
        ([to("http://elsewhere.invalid/v.mp4")], "elsewhere.invalid", False),
        ([to("https://user:secret@elsewhere.invalid/v.mp4")], "elsewhere.invalid", False),
        ([to("https://elsewhere.invalid:99999/v.mp4")], "elsewhere.invalid", False),
        ([to("file:///etc/passwd")], "public https hosts only", False),
        ([to("https://[::1/")], "invalid URL", False),
        ([to("https://a\x00b/")], "invalid URL", False),
        ([to("https://xn--/v.mp4")], "invalid URL", False),
        ([to("https://127.0.0.1/v.mp4")], "127.0.0.1", False),
        ([to("https://2130706433/v.mp4")], "2130706433", False),
        ([to("https://0x7f.1/v.mp4")], "0x7f.1", False),
        ([to("https://127.1./v.mp4")], "127.1.", False),
        ([to("https://169.254.169.254/latest/meta-data")], "169.254.169.254", False),
        ([to("https://[::ffff:127.0.0.1]/v.mp4")], "::ffff:127.0.0.1", False),
        ([to("https://[64:ff9b::a9fe:a9fe]/v.mp4")], "64:ff9b::a9fe:a9fe", False),
    ],
)
async def test_a_video_that_may_not_or_cannot_be_fetched_leaves_nothing(
    open_world: OpenWorld,
    replies: list[Reply],
    words: str,
    retryable: bool,  # noqa: FBT001
) -> None:
    async with open_world(sandbox=(host := library(*replies))) as world:
        answer = await refused(world)
    assert words in answer.text
    assert answer.error["retryable"] is retryable
    assert "secret" not in answer.text
    assert {request.url.host for request in host.seen} == {"93.184.215.14"}
    assert len(host.seen) == len(replies)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.1.2.3", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.192"),
        *("168.63.129.16", "100.100.100.200", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::808:808", "2002:7f00:1::", "2001::1", "100::1"),
        # the first and the last address of each network that Python's own tables do not know for certain
        *("192.0.0.0", "192.0.0.255", "192.88.99.0", "192.88.99.255", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        # what newer Pythons call global
        *("192.0.0.9", "192.0.0.10", "2001:1::1", "2001:3::1", "2001:4:112::1", "2001:20::1", "2001:30::1"),
        *("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ],
)
async def test_ssrf_no_address_but_a_public_one_is_ever_reached(open_world: OpenWorld, address: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14", address]

    async with open_world(sandbox=(host := library()), resolve=resolve) as world:
        answer = await refused(world)
    assert "provider.invalid" in answer.text
    assert host.seen == []


@pytest.mark.parametrize("address", ["198.18.0.7", "198.19.255.255", "100.64.0.1", "100.127.255.255"])
async def test_a_network_that_fakes_addresses_is_named_as_the_cause_and_the_user_gets_the_link(
    open_world: OpenWorld, address: str
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return [address]

    async with open_world(sandbox=(host := library()), resolve=resolve) as world:
        answer = await refused(world)
    assert "fake-IP" in answer.text
    assert "video_url" in answer.text
    assert answer.error["retryable"] is False
    assert host.seen == []


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"),
        # the neighbours of the networks that are refused
        *("191.255.255.255", "192.0.1.0", "192.88.98.255", "192.88.100.0", "168.63.129.15", "168.63.129.17"),
        *("2000:ffff::1", "2001:200::", "2001:ffff::1", "2003::", "3ffe:ffff::1", "3fff:1000::"),
    ],
)
@pytest.mark.slow
async def test_public_addresses_of_every_kind_are_reached(open_world: OpenWorld, address: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("provider.invalid", 443)
        return [address]

    async with open_world(sandbox=(host := library()), resolve=resolve) as world:
        await world.call("download_video", {"task_id": await finished(world)})
    assert [request.url.host for request in host.seen] == [
        str(httpx.URL(f"https://[{address}]").host if ":" in address else address)
    ]


async def test_ssrf_dns_rebinding_is_not_followed(open_world: OpenWorld) -> None:
    answers = [["93.184.215.14"], ["127.0.0.1"]]

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    async with open_world(sandbox=(host := library()), resolve=resolve) as world:
        await world.call("download_video", {"task_id": await finished(world), "filename": "fox"})
        (world.settings.output_dir / "fox.mp4").unlink()
        assert len(answers) == 1
        answer = await refused(world)
    assert "public https hosts only" in answer.text
    assert [request.url.host for request in host.seen] == ["93.184.215.14"]


async def test_a_host_without_addresses_is_refused(open_world: OpenWorld) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return []

    async with open_world(sandbox=library(), resolve=resolve) as world:
        assert "provider.invalid" in (await refused(world)).text


async def test_the_next_address_is_tried_where_one_is_dead(open_world: OpenWorld) -> None:
    def dead() -> httpx.Response:
        raise httpx.ConnectTimeout("dead")

    async def resolve(host: str, port: int) -> list[str]:
        return ["2606:4700::1111", "93.184.215.14"]

    async with open_world(sandbox=(host := library(dead)), resolve=resolve) as world:
        await world.call("download_video", {"task_id": await finished(world)})
    assert [request.url.host for request in host.seen] == ["2606:4700::1111", "93.184.215.14"]
    async with open_world(sandbox=(host := library(dead, dead)), resolve=resolve) as world:
        answer = await refused(world)
    assert "ConnectTimeout" in answer.text
    assert answer.error["retryable"] is True


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_every_kind_of_redirect_is_followed(open_world: OpenWorld, status: int) -> None:
    moved = reply(status, b"", Location="https://cdn.invalid/v.mp4")
    async with open_world(sandbox=(host := library(moved))) as world:
        saved = await world.call("download_video", {"task_id": await finished(world)})
        assert content_of(world, saved) == FILM
    assert host.seen[1].headers["Host"] == "cdn.invalid"


async def test_a_status_300_is_no_redirect(open_world: OpenWorld) -> None:
    async with open_world(sandbox=library(reply(300, b"", Location="https://cdn.invalid/v.mp4"))) as world:
        assert "answered HTTP 300" in (await refused(world)).text


@BOTH_STORES
async def test_a_redirect_to_another_public_host_is_followed_by_its_own_name(open_world: OpenWorld) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(f"{host}:{port}")
        return await public_address(host, port)

    async with open_world(sandbox=(host := library(to("https://cdn.invalid:8443/v.mp4#t"))), resolve=resolve) as world:
        saved = await world.call("download_video", {"task_id": await finished(world)})
    assert content_of(world, saved) == FILM
    assert asked == ["provider.invalid:443", "cdn.invalid:8443"]
    assert str(host.seen[1].url) == "https://93.184.215.14:8443/v.mp4"
    assert host.seen[1].headers["Host"] == "cdn.invalid:8443"
    assert host.seen[1].extensions["sni_hostname"] == "cdn.invalid"


EXPIRED = [
    *(reply(401), reply(403, b"<Error>expired</Error>"), reply(404), reply(410)),
    *(reply(200, PAGE), reply(200, b"no"), reply(200, b""), reply(200, FILM[:7])),
]


@BOTH_STORES
@pytest.mark.parametrize("expired", EXPIRED)
async def test_an_expired_link_is_renewed_once(open_world: OpenWorld, expired: Reply) -> None:
    async with open_world(sandbox=(host := library(expired))) as world:
        saved = await world.call("download_video", {"task_id": await finished(world)})
        assert content_of(world, saved) == FILM
    assert host.seen[0].url.query != host.seen[1].url.query
    async with open_world(sandbox=(host := library(expired, expired))) as world:
        answer = await refused(world)
    assert "Do not create the video again" in answer.text
    assert answer.error["retryable"] is False
    assert len(host.seen) == 2


@BOTH_STORES
async def test_an_expired_link_of_a_forgotten_task_is_a_download_error(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(host := library(reply(403)))) as world:
        task_id = await finished(world)
        host.faults = [Fault("unknown_task", "/videos/")]
        answer = await world.call("download_video", {"task_id": task_id})
    assert answer.error["code"] == "download_failed"
    assert "no longer knows the task" in answer.text
    assert kept(world) == []


async def drip() -> AsyncGenerator[bytes]:
    yield FILM
    while True:
        await anyio.sleep(20)
        yield b"."


async def flood() -> AsyncGenerator[bytes]:
    while True:
        yield FILM


@BOTH_STORES
async def test_a_body_without_end_meets_a_timeout_or_the_size_limit(open_world: OpenWorld) -> None:
    async with open_world(sandbox=library(made(drip))) as world:
        answer = await refused(world)
    assert "did not arrive in 900 s" in answer.text
    async with open_world(sandbox=library(made(flood)), most_bytes=1_000_000) as world:
        answer = await refused(world)
    assert "larger than 1000000 bytes" in answer.text


def unannounced(content: bytes, **headers: str) -> Reply:
    """Give a body whose length no header tells; the host closes the connection where it ends."""

    async def pieces() -> AsyncGenerator[bytes]:
        for at in range(0, len(content), 7001):
            yield content[at : at + 7001]

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: httpx.Response(200, stream=Body(pieces), headers=named)


HEAD = box(b"ftyp", b"isom" + bytes(12))
OPEN_END = HEAD + INDEX + bytes(4) + b"mdat" + bytes(500)
LONG = HEAD + INDEX + bytes([0, 0, 0, 1]) + b"mdat" + (16 + 500).to_bytes(8) + bytes(500)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (FILM[: len(FILM) // 2], "cut off"),
        (FILM[:-1], "cut off"),
        (FILM[: len(FILM) - len(INDEX) + 5], "cut off"),
        (FILM[: len(FILM) - len(INDEX)], "no index (moov)"),
        (HEAD + INDEX, "no media (mdat)"),
        (HEAD + INDEX + MEDIA + b"\0\0\0\x07junk", "cut off"),
        (LONG[:-1], "cut off"),
        (OPEN_END, "cut off"),
    ],
)
async def test_half_a_video_of_unannounced_length_is_not_kept_and_tried_anew(
    open_world: OpenWorld, content: bytes, words: str
) -> None:
    async with open_world(sandbox=library(unannounced(content))) as world:
        answer = await refused(world)
        assert "came incomplete" in answer.text
        assert words in answer.text
        assert answer.error["retryable"] is True
        task = (await world.call("list_tasks"))["tasks"][0]
        assert task["saved"] is False
        assert content_of(world, await world.call("download_video", {"task_id": task["task_id"]})) == FILM


@pytest.mark.parametrize(
    "whole",
    [
        unannounced(FILM),
        unannounced(LONG),
        unannounced(FILM + bytes(5)),
        unannounced(FILM + bytes(5000)),
        unannounced(OPEN_END, Transfer_Encoding="chunked"),
        reply(content=OPEN_END),
    ],
)
async def test_every_form_of_a_whole_video_is_kept(open_world: OpenWorld, whole: Reply) -> None:
    async with open_world(sandbox=(host := library(whole))) as world:
        await world.call("download_video", {"task_id": await finished(world), "filename": "fox"})
        assert kept(world) == ["fox.mp4"]
    assert len(host.seen) == 1


@BOTH_STORES
async def test_a_broken_or_cancelled_transfer_leaves_nothing(open_world: OpenWorld) -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield FILM
        raise httpx.ReadError("reset")

    async with open_world(sandbox=(host := library(made(broken)))) as world:
        answer = await refused(world)
        assert "broke off (ReadError)" in answer.text
        host.replies = [made(drip)]
        task = (await world.call("list_tasks"))["tasks"][0]
        with anyio.move_on_after(60):
            await world.call("download_video", {"task_id": task["task_id"]})
        await anyio.wait_all_tasks_blocked()
        assert kept(world) == []


@BOTH_STORES
@pytest.mark.slow
async def test_a_missing_video_comes_with_what_to_do(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(host := library())) as world:
        running = await world.create()
        early = await world.call("download_video", {"task_id": running["task_id"]})
        assert early.error["retryable"] is True
        assert "Call wait_for_video first" in early.text
        host.faults = [Fault("content_refused", "/seedance/videos")]
        failed = await world.create(prompt="another")
        await world.call("wait_for_video", {"task_id": failed["task_id"]})
        never = await world.call("download_video", {"task_id": failed["task_id"]})
        nobody = await world.call("download_video", {"task_id": "vid_nobody"})
    assert "the task is failed" in never.text
    assert never.error["retryable"] is False
    assert nobody.error["code"] == "task_not_found"
    assert not world.settings.output_dir.exists()


@BOTH_STORES
@pytest.mark.slow
async def test_a_task_that_was_made_elsewhere_is_saved_too(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world(sandbox=(host := library())) as first:
        task_id = await finished(first)
        async with open_world(data_dir=tmp_path / "other", sandbox=host) as second:
            saved = await second.call("download_video", {"task_id": task_id})
    assert content_of(second, saved) == FILM


@BOTH_STORES
@pytest.mark.slow
async def test_finished_videos_whose_links_expire_soon_are_named_until_they_are_saved(open_world: OpenWorld) -> None:
    now = datetime.now(UTC)
    async with open_world(sandbox=library(), clock=lambda: now) as world:
        task_id, *others = [await finished(world) for _ in range(12)]
        assert (await world.call("list_tasks"))["warnings"] == []
        now += timedelta(days=2, minutes=1)
        (warning,) = (await world.call("list_tasks", {"limit": 1}))["warnings"]
        assert "and 2 more" in warning
        for each in others:
            await world.call("download_video", {"task_id": each})
        (warning,) = (await world.call("list_tasks"))["warnings"]
        assert task_id in warning
        assert "download_video" in warning
        now += timedelta(days=1)
        assert (await world.call("list_tasks"))["warnings"] == []
