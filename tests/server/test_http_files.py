"""Saved videos and uploads of callers over HTTP: signed URLs that end, open one thing, and lead nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import httpx
import httpx2
import pytest
from conftest import png
from deadline import LONGEST_SECONDS
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from obstore.store import MemoryStore, S3Store
from pydantic import ValidationError
from s3 import s3
from served import held_port, served
from starlette.types import Message, Receive, Scope, Send

from seedance_mcp.errors import FileRejected
from seedance_mcp.server.http_door import Doorkeeper
from seedance_mcp.server.http_files import Bounds, Uploads, file_routes
from seedance_mcp.settings import Settings
from seedance_mcp.storage.bucket import Bucket
from seedance_mcp.storage.upload_files import KEPT_MOST_BYTES, KEPT_SECONDS
from seedance_mcp.tools.links import UPLOAD_SECONDS, Links
from seedance_mcp.tools.reachable import reachable
from seedance_mcp.tools.results import SavedTask, SavedVideo, Task
from seedance_mcp.tools.sent_files import UPLOAD_MOST_BYTES, located, not_readable
from seedance_mcp.tools.session import Shared

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HERE = "http://127.0.0.1:8931"
FILM = bytes(range(256)) * 40
TOKEN = "anna-token-0123456789"  # noqa: S105 - opens nothing


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Place:
    """The shared parts of a server whose clock is set by hand, and its door with the files behind it."""

    folder: Path
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    now: datetime = NOON

    def __post_init__(self) -> None:
        usual: dict[str, Any] = {
            "data_dir": self.folder / "data",
            "output_dir": self.folder / "videos",
            "http_tokens": f"anna:{TOKEN}",
        }
        self.settings = Settings(**{**usual, **self.fields})
        self.shared = Shared(self.settings, now=lambda: self.now)
        (self.settings.output_dir / "anna").mkdir(parents=True)
        self.video = self.settings.output_dir / "anna" / "a fox \u00fc.mp4"
        self.video.write_bytes(FILM)
        self.links = Links(self.settings, lambda: self.now)

    def link(self, video: Path | None = None, principal: str = "anna") -> str:
        found = self.links.of_video(video or self.video, principal, HERE)
        assert found
        assert found.url.startswith(f"{HERE}/files/")
        return found.url

    def upload(self, principal: str = "anna") -> tuple[str, str]:
        source, link = self.links.for_upload(principal, HERE)
        return source, link.url

    @asynccontextmanager
    async def asking(self) -> AsyncGenerator[httpx.AsyncClient]:
        routes = {route.path.split("/")[1]: route.app for route in file_routes([self.shared])}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await routes[scope["path"].split("/")[1]](scope, receive, send)

        door = Doorkeeper(app, self.settings, "127.0.0.1")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url=HERE) as http:
            yield http


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def changed(url: str, **parts: str) -> str:
    """Give a URL with other values in its query."""
    for name, value in parts.items():
        url = re.sub(rf"{name}=[^&]*", f"{name}={value}", url)
    return url


# files


async def test_a_signed_url_gives_the_whole_video_and_says_what_it_is(place: Place) -> None:
    async with place.asking() as http:
        got, head = await http.get(place.link()), await http.head(place.link())
    assert (got.status_code, got.content) == (200, FILM)
    assert (head.status_code, head.content) == (200, b"")
    assert {**got.headers} == {**head.headers}
    assert got.headers["content-type"] == "video/mp4"
    assert got.headers["content-length"] == str(len(FILM))
    assert got.headers["content-disposition"] == "inline; filename=\"a fox _.mp4\"; filename*=UTF-8''a%20fox%20%C3%BC.mp4"
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9),
        ("bytes=10000-", 206, 10000, len(FILM) - 1),
        ("bytes=-5", 206, len(FILM) - 5, len(FILM) - 1),
        ("bytes=5-999999", 206, 5, len(FILM) - 1),
        ("bytes=-999999", 206, 0, len(FILM) - 1),
        (f"bytes={len(FILM)}-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-5", 200, 0, 0),
        ("bytes=-", 200, 0, 0),
        ("bytes=0-1,4-5", 200, 0, 0),
        ("lines=0-1", 200, 0, 0),
    ],
)
async def test_a_range_gives_these_bytes(place: Place, asked: str, status: int, first: int, last: int) -> None:
    async with place.asking() as http:
        got = await http.get(place.link(), headers={"Range": asked})
    assert got.status_code == status
    if status == 206:
        assert got.content == FILM[first : last + 1]
        assert got.headers["content-range"] == f"bytes {first}-{last}/{len(FILM)}"
    else:
        assert got.headers.get("content-range") == (f"bytes */{len(FILM)}" if status == 416 else None)


async def test_a_range_of_an_earlier_state_gives_the_whole_file(place: Place) -> None:
    async with place.asking() as http:
        tag = (await http.head(place.link())).headers["etag"]
        same = await http.get(place.link(), headers={"Range": "bytes=0-0", "If-Range": tag})
        place.video.write_bytes(FILM + b"more")
        other = await http.get(place.link(), headers={"Range": "bytes=0-0", "If-Range": tag})
    assert (same.status_code, other.status_code, other.content) == (206, 200, FILM + b"more")


async def test_a_forged_or_expired_url_opens_nothing(place: Place) -> None:
    url = place.link()
    other = place.settings.output_dir / "bert" / place.video.name
    other.parent.mkdir()
    other.write_bytes(b"of bert")
    signature = url.partition("signature=")[2]
    wrong = [
        url.partition("?")[0],
        changed(url, signature=""),
        changed(url, signature=signature[:-1]),
        changed(url, signature=quote("\u00fc")),
        changed(url, expires="9999999999"),
        changed(url, expires="x"),
        f"{url}&expires=1",
        f"{url}&a=1&b=2",
        url.replace("expires", "Expires"),
        url.replace("/files/anna/", "/files/bert/"),
        url.replace("/files/anna/", "/files/anna/../bert/"),
        url.replace("/files/anna/", "/files/anna/%2e%2e/bert/"),
        url.replace("/files/anna/", "/files/"),
        url.replace(".mp4", ".mp4%00"),
        url.replace("/files/", "/uploads/"),
        f"{HERE}/files/?expires=1&signature=x",
    ]
    async with place.asking() as http:
        for each in wrong:
            got = await (http.put if "/uploads/" in each else http.get)(each)
            assert (got.status_code, got.text) == (403, "This is no URL of this server."), each
        assert (await http.get(url)).status_code == 200
        place.now += timedelta(seconds=place.settings.link_seconds)
        assert (await http.get(url)).status_code == 403
        assert "expired" in (await http.get(url)).text


async def test_another_key_signs_for_nobody_here(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    forged = Links(place.settings.model_copy(update={"data_dir": tmp_path / "other"}), lambda: NOON)
    found = forged.of_video(place.video, "anna", HERE)
    again = Links(place.settings, lambda: NOON).of_video(place.video, "anna", HERE)
    async with place.asking() as http:
        assert found
        assert (await http.get(found.url)).status_code == 403
        assert again
        assert again.url == place.link()  # another process on the same data folder
    assert (place.settings.ledger_dir / "links.key").stat().st_mode & 0o077 == 0


async def test_no_link_folder_pipe_or_hidden_file_is_served_even_under_a_good_signature(place: Place, tmp_path: Path) -> None:
    own = place.video.parent
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (own / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (own / "folder.mp4").mkdir()
    os.mkfifo(own / "pipe.mp4")
    (own / "notes.txt").write_text("notes")
    (place.settings.output_dir / "linked").symlink_to(tmp_path)
    names = ["link.mp4", "folder.mp4", "pipe.mp4", "notes.txt", "none.mp4"]
    urls = [place.link(own / name) for name in names]
    urls.append(place.link(place.settings.output_dir / "linked" / "secret.mp4", "linked"))
    async with place.asking() as http:
        assert [(await http.get(url)).status_code for url in urls] == [404] * 6
    for path in ("/files/anna/../x.mp4", "/files/../x.mp4", "/files/a/b/c.mp4", "/files/anna/x\0.mp4", "/files/.x.mp4"):
        assert place.links.open_video(path) is None


def test_a_video_outside_the_callers_folder_has_no_url(place: Place, tmp_path: Path) -> None:
    outside = (place.video.with_name(".hidden.mp4"), tmp_path / "x.mp4", place.video.parent / "x" / "y.mp4")
    assert [place.links.of_video(path, "anna", HERE) for path in outside] == [None] * 3
    assert place.links.of_video(place.video, "bert", HERE) is None
    assert place.links.of_video(place.video, "", HERE) is None


async def test_wrong_methods_and_foreign_hosts_are_refused_as_elsewhere(place: Place) -> None:
    async with place.asking() as http:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            got = await http.request(method, place.link())
            assert (got.status_code, got.headers["allow"]) == (405, "GET, HEAD")
        for method in ("GET", "HEAD", "DELETE"):
            got = await http.request(method, place.upload()[1])
            assert (got.status_code, got.headers["allow"]) == (405, "PUT, POST")
        for url in (place.link(), place.upload()[1]):
            assert (await http.get(url, headers={"Host": "evil.example.com"})).status_code == 421
            assert (await http.get(url, headers={"Origin": "https://evil.example.com"})).status_code == 403


async def test_the_public_address_begins_every_url_and_is_a_known_host(tmp_path: Path) -> None:
    place = Place(tmp_path, {"public_url": "https://video.example.com/seedance/"})
    found = place.links.of_video(place.video, "anna", HERE)
    assert found
    assert found.url.startswith("https://video.example.com/seedance/files/anna/a%20fox")
    async with place.asking() as http:
        path = found.url.removeprefix("https://video.example.com/seedance")
        assert (await http.get(path, headers={"Host": "video.example.com"})).status_code == 200


@pytest.mark.parametrize(
    "value", ["video.example.com", "ftp://x", "https://u@x", "https://x?y", "https://x#y", "https://x/mcp/"]
)
def test_a_public_address_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="https://host"):
        Settings.model_validate({"public_url": value})


async def test_the_user_of_this_machine_over_http_has_urls_without_a_folder(place: Place) -> None:
    film = place.settings.output_dir / "film.mp4"
    film.write_bytes(b"film")
    url = place.link(film, "")
    async with place.asking() as http:
        assert urlsplit(url).path == "/files/film.mp4"
        assert (await http.get(url)).content == b"film"


def test_results_have_a_url_only_over_http_and_only_of_what_lies_there(place: Place) -> None:
    session = place.shared.session("anna")
    there = SavedVideo.model_validate({"path": str(place.video), "bytes": 1, "sha256": "", "task_id": "vid_1"})
    given = reachable(session, there, HERE)
    assert isinstance(given, SavedVideo)
    assert (given.url, given.expires_at) == (place.link(), "2026-07-01T13:00:00Z")
    assert reachable(session, there, None) is there
    elsewhere = there.model_copy(update={"path": "/elsewhere.mp4"})
    assert reachable(session, elsewhere, HERE) is elsewhere


def test_a_task_kept_in_a_bucket_has_a_url_of_the_bucket_over_http(place: Place) -> None:
    place.shared.video_store = Bucket("s3://films", S3Store("films", access_key_id="key", secret_access_key=TOKEN))
    task = Task(request_id="req_1", status="completed", currency="JimiCoin", saved_path="s3://films/anna/1/fox.mp4")
    given = reachable(place.shared.session("anna"), task, HERE)
    assert isinstance(given, SavedTask)
    assert urlsplit(given.saved_url).path.endswith("/films/anna/1/fox.mp4")
    assert given.saved_url_expires_at == "2026-07-01T13:00:00Z"
    place.shared.video_store = Bucket("memory://", MemoryStore())
    assert reachable(place.shared.session("anna"), task, HERE) is task


# uploads


async def test_an_upload_url_takes_one_file_once(place: Place) -> None:
    picture = png(640, 480)
    source, url = place.upload()
    async with place.asking() as http:
        sent = await http.put(url, content=picture, headers={"Content-Type": "image/png"})
        again = await http.put(url, content=picture)
    assert sent.status_code == 201
    told = sent.json()
    assert (told["source"], told["bytes"], told["sha256"]) == (source, len(picture), hashlib.sha256(picture).hexdigest())
    assert (again.status_code, len(list(kept(place)))) == (409, 1)
    assert next(kept(place)).stat().st_mode & 0o077 == 0


def kept(place: Place) -> Iterator[Path]:
    return place.settings.ledger_dir.glob("uploads/*/*")


async def test_what_is_no_media_empty_or_too_large_is_refused_and_leaves_nothing(place: Place) -> None:
    _, url = place.upload()
    large = {"Content-Length": str(UPLOAD_MOST_BYTES + 1)}
    async with place.asking() as http:
        assert (await http.put(url, content=b"#!/bin/sh")).status_code == 415
        assert (await http.put(url, content=b"")).status_code == 415
        assert (await http.put(url, content=png(9, 9), headers={"Content-Type": "text/html"})).status_code == 415
        assert (await http.put(url, files={"file": png(9, 9)})).status_code == 415
        assert (await http.put(url, content=png(9, 9), headers=large)).status_code == 413
        assert list(kept(place)) == []
        assert (await http.put(url, content=png(9, 9))).status_code == 201  # none of these used it


async def test_an_upload_url_expires_and_is_bound_to_its_caller(place: Place) -> None:
    (_, hers), (_, his) = place.upload(), place.upload("bert")
    mixed = hers.replace(hers.split("/")[4], his.split("/")[4])
    async with place.asking() as http:
        assert (await http.put(mixed, content=png(9, 9))).status_code == 403
        assert (await http.put(hers.replace("/uploads/", "/files/"), content=png(9, 9))).status_code == 405
        place.now += timedelta(seconds=UPLOAD_SECONDS)
        assert (await http.put(hers, content=png(9, 9))).status_code == 403


async def put_by_hand(place: Place, url: str, messages: list[Message], bounds: Bounds) -> int:
    """Send a body piece by piece, and nothing after the last; gives the status."""
    parts, sent = urlsplit(url), list[Message]()
    scope: Scope = {"type": "http", "method": "PUT", "path": parts.path, "query_string": parts.query.encode(), "headers": []}

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await Uploads([place.shared], bounds)(scope, receive, send)
    return int(sent[0]["status"])


async def test_a_body_that_grows_too_large_is_cut_and_one_that_breaks_off_or_rests_is_dropped(place: Place) -> None:
    _, url = place.upload()
    piece: Message = {"type": "http.request", "body": bytes(1 << 19), "more_body": True}
    assert await put_by_hand(place, url, [piece, piece, piece], Bounds(most_bytes=1 << 20)) == 413
    assert await put_by_hand(place, url, [piece, {"type": "http.disconnect"}], Bounds()) == 408
    assert await put_by_hand(place, url, [piece], Bounds(idle_seconds=0.01)) == 408
    assert await put_by_hand(place, url, [piece], Bounds(seconds=0.01)) == 408
    assert list(kept(place)) == []


async def test_two_at_once_send_to_one_url_and_one_of_them_is_kept(place: Place) -> None:
    _, url = place.upload()
    files, name = place.links.uploads_at(urlsplit(url).path)
    first = files.begin(name)
    assert first
    async with place.asking() as http:
        assert (await http.put(url, content=png(9, 9))).status_code == 409
        first.write(png(8, 8))
        first.commit()
        assert (await http.put(url, content=png(9, 9))).status_code == 409
    assert [path.read_bytes() for path in kept(place)] == [png(8, 8)]


async def test_old_uploads_go_and_one_caller_cannot_fill_the_disk(place: Place) -> None:
    async with place.asking() as http:
        assert (await http.put(place.upload("bert")[1], content=png(9, 9))).status_code == 201
        (old,) = kept(place)
        an_hour_ago = time.time() - KEPT_SECONDS - 1
        os.utime(old, (an_hour_ago, an_hour_ago))
        assert (await http.put(place.upload()[1], content=png(9, 9))).status_code == 201
        assert not old.exists()
        with next(kept(place)).open("r+b") as file:
            file.truncate(KEPT_MOST_BYTES)
        assert (await http.put(place.upload()[1], content=png(9, 9))).status_code == 507
        assert (await http.put(place.upload("bert")[1], content=png(9, 9))).status_code == 201


async def test_a_disk_that_takes_nothing_is_said(place: Place) -> None:
    place.settings.ledger_dir.mkdir(parents=True)
    (_, before), uploads = place.upload(), place.settings.ledger_dir / "uploads"
    uploads.write_bytes(b"no folder")
    async with place.asking() as http:
        assert (await http.put(before, content=png(9, 9))).status_code == 507
        uploads.unlink()
        assert (await http.put(before, content=png(9, 9))).status_code == 201


async def test_a_full_disk_in_the_middle_of_an_upload_leaves_nothing(place: Place) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    _, url = place.upload()
    async with place.asking() as http:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
        try:
            assert (await http.put(url, content=png(9, 9) + bytes(1 << 20))).status_code == 507
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list(kept(place)) == []
        assert (await http.put(url, content=png(9, 9))).status_code == 201


@pytest.mark.parametrize("name", ["", "..", "../../links.key", "x" * 32, "\0", "0" * 31, "0" * 33])
def test_a_source_that_names_no_upload_is_refused(place: Place, name: str) -> None:
    session = place.shared.session("anna")
    with pytest.raises(FileRejected, match="names no upload"):
        located(session, f"upload:{name}", [])
    assert located(session, f"upload:{'0' * 32}", [])[0].startswith(str(place.settings.ledger_dir))


def test_the_refusal_of_a_path_is_short_and_says_what_to_do(place: Place) -> None:
    refused = not_readable(place.shared.session("anna"), HERE)
    assert len(json.dumps(refused.as_dict())) + len(refused.as_text()) < 2400
    assert len(refused.as_text()) < 1200
    assert refused.details["upload_url"] in refused.message


# a caller on another machine


def other_machine(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "server-home"
    home.mkdir()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("SEEDANCE_")},
        "HOME": str(home),
        "SEEDANCE_SANDBOX": "1",
        "SEEDANCE_HTTP_TOKENS": f"anna:{TOKEN}, bert:bert-token-0123456789",
    }


@pytest.mark.slow
async def test_a_remote_client_brings_a_picture_makes_a_video_and_holds_its_bytes(tmp_path: Path) -> None:
    picture = tmp_path / "client-home" / "cat.png"
    picture.parent.mkdir()
    picture.write_bytes(png(640, 480))
    with held_port() as port, served(port, other_machine(tmp_path)) as (address, _):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=LONGEST_SECONDS) as http,
            httpx.AsyncClient(timeout=LONGEST_SECONDS) as plain,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                return (await client.call_tool(tool, arguments)).structured_content or {}

            asked = {"model": "seedance2.0-md", "source": str(picture)}
            refused = (await call("upload_asset", **asked))["error"]
            sent = (await plain.put(refused["upload_url"], content=picture.read_bytes())).json()
            assert sent["source"] == refused["upload_source"]
            asset = await call("upload_asset", **{**asked, "source": sent["source"]})
            request = {"model": "seedance2.0-md", "prompt": "a cat", "duration": 5, "images": [asset["reference"]]}
            task = await call("create_video", request=request)
            done = await call("wait_for_video", task_id=task["task_id"], timeout_seconds=60)
            assert done["status"] == "completed", done
            saved = await call("download_video", task_id=task["task_id"])
            film = await plain.get(saved["url"])
            again = await call("get_task", task_id=task["task_id"])
            assert (await plain.get(again["saved_url"])).content == film.content
        async with (
            httpx2.AsyncClient(headers={"Authorization": "Bearer bert-token-0123456789"}) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            stolen = (await client.call_tool("upload_asset", {**asked, "source": sent["source"]})).structured_content
    assert stolen
    assert stolen["error"]["code"] == "file_rejected"
    assert hashlib.sha256(film.content).hexdigest() == saved["sha256"]
    assert film.content[4:8] == b"ftyp"


@pytest.mark.slow
async def test_a_remote_client_of_a_server_with_a_bucket_has_urls_of_the_bucket(tmp_path: Path) -> None:
    with s3() as store, held_port() as port:
        environment = {**other_machine(tmp_path), **store.environment, "SEEDANCE_VIDEO_STORE": "s3://films"}
        with served(port, environment) as (address, _):
            async with (
                httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=LONGEST_SECONDS) as http,
                httpx.AsyncClient(timeout=LONGEST_SECONDS) as plain,
                Client(streamable_http_client(address, http_client=http)) as client,
            ):

                async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                    return (await client.call_tool(tool, arguments)).structured_content or {}

                task = await call("create_video", request={"model": "seedance2.0-md", "prompt": "a cat", "duration": 5})
                await call("wait_for_video", task_id=task["task_id"], timeout_seconds=60)
                saved = await call("download_video", task_id=task["task_id"])
                film = (await plain.get(saved["url"])).content
                again = await call("get_task", task_id=task["task_id"])
                assert (await plain.get(again["saved_url"])).content == film
    assert [len(film), hashlib.sha256(film).hexdigest()] == [saved["bytes"], saved["sha256"]]
    assert list(store.objects.values()) == [film]
