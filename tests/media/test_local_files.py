"""Files and links that an agent names are hostile until checked."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import Answer, OpenWorld, World, png
from corpus import FEW, Clip, Lazy, box, bytes_of, film, tag, wave

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.errors import FileRejected
from seedance_mcp.media import local_files
from seedance_mcp.media.local_files import open_media
from seedance_mcp.media.urls import check_url, is_url
from seedance_mcp.origin import install_command
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.settings import Settings

UPLOADS = load_edition().uploads.value


# typed by hand from the registry of media types
MIME_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "svg": "image/svg+xml",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "m4v": "video/x-m4v",
    "flv": "video/x-flv",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
}


@pytest.mark.parametrize("ending", MIME_TYPES)
def test_every_accepted_format_is_known_by_its_content(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "anything.bin"
    path.write_bytes(bytes_of(FEW[ending]))
    with open_media(str(path), [tmp_path], UPLOADS) as found:
        assert (found.name, found.mime_type) == (f"anything.{ending}", MIME_TYPES[ending])
        assert ending in UPLOADS.endings[found.kind]
        assert found.size_bytes == len(path.read_bytes())
        assert found.file.read() == path.read_bytes()


def test_every_ending_of_the_documentation_is_tried() -> None:
    assert {*MIME_TYPES, "jpeg"} == set(UPLOADS.all_endings)


def refused(source: str, *roots: Path) -> str:
    with pytest.raises(FileRejected) as caught, open_media(source, list(roots), UPLOADS):
        pass
    return caught.value.message


def test_only_regular_files_below_the_roots_are_opened(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "a.png").write_bytes(png(9, 9))
    (inside / "link.png").symlink_to(outside / "a.png")
    (inside / "empty.png").touch()
    (inside / "folder.png").mkdir()
    os.mkfifo(inside / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(inside / "s.png"))
        for source in ("link.png", "../out/a.png", str(outside / "a.png"), "~root/x.png", "/etc/passwd", "/proc/self/mem"):
            assert "lies outside" in refused(str(inside / source) if source[0] not in "~/" else source, inside)
        assert "Only a regular file" in refused(str(inside / "folder.png"), inside)
        assert "Only a regular file" in refused(str(inside / "pipe.png"), inside)
        assert "cannot be read" in refused(str(inside / "s.png"), inside)
    assert "0 bytes" in refused(str(inside / "empty.png"), inside)
    assert "cannot be read" in refused(str(inside / "missing.png"), inside)
    assert "is not a path" in refused("a\0b", inside)
    assert "none" in refused("a.png")


def test_a_file_url_is_the_path_that_it_means(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(png(9, 9))
    with open_media(f"FILE://{tmp_path}/a%20b.png", [tmp_path], UPLOADS) as found:
        assert found.name == "a_b.png"


def test_a_file_that_is_not_there_is_named_with_the_folders_that_may_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing, outside = refused("fox.png", tmp_path), refused("/etc/fox.png", tmp_path)
    assert f'"fox.png" is "{tmp_path / "fox.png"}" here: check the path.' in missing
    assert f'directory. "{tmp_path / "fox.png"}": check the path.' in refused(str(tmp_path / "fox.png"), tmp_path)
    assert f"Files may be sent from these folders: {tmp_path}." in missing
    assert '"/etc/fox.png" lies outside' in outside
    assert f"files may be sent from; allowed: {tmp_path}." in outside


def test_a_file_over_100_megabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.mp4"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024 + 1)
    assert "allowed: 1 to 104857600 bytes" in refused(str(path), tmp_path)


@pytest.mark.anyio
async def test_a_refused_file_sends_nothing(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_text("key", "utf-8")
    async with open_world() as world:
        answer = await world.call("upload_asset", {"source": str(tmp_path / "secret.png"), "model": "seedance2.0-sp"})
        assert answer.error["code"] == "file_rejected"
        assert answer.error["charged"] == "no"
        assert world.sandbox.requests == []


@pytest.mark.parametrize("link", ["http://a.b/c.png", "ftp://a.b/c", "https:///c.png", "https://u:p@a.b/c", "https://a b/c"])
def test_only_plain_https_urls_pass(link: str) -> None:
    assert is_url(link)
    with pytest.raises(FileRejected):
        check_url(link)


def test_the_usual_folders_are_open_but_never_the_home_or_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    work = home / "work"
    work.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    roots = Settings().upload_roots
    assert work in roots
    assert home / "Pictures" in roots
    assert home / "seedance-videos" in roots
    monkeypatch.chdir(home)
    assert home not in Settings().upload_roots
    monkeypatch.chdir("/")
    assert Path("/") not in Settings().upload_roots


def keep_swapping(link: Path, targets: list[Path], stop: threading.Event) -> None:
    """Let one name lead here and there, as fast as it goes."""
    spare = link.with_name("spare")
    for target in itertools.cycle(targets):
        if stop.is_set():
            return
        spare.unlink(missing_ok=True)
        spare.symlink_to(target)
        spare.replace(link)


@contextmanager
def meanwhile(act: Callable[..., None], *arguments: Any) -> Generator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=act, args=[*arguments, stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("name", ["file", "folder"])
def test_a_symlink_swapped_on_the_way_leads_nowhere(tmp_path: Path, name: str) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder, content in ((inside / "real", b"mine"), (outside, b"secret")):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(b"<svg>" + content)
    link = inside / ("a.png" if name == "file" else "folder")
    targets = [inside / "real", outside] if name == "folder" else [inside / "real" / "a.png", outside / "a.png"]
    source = str(link if name == "file" else link / "a.png")
    outcomes = dict.fromkeys(("taken", "refused"), 0)
    with meanwhile(keep_swapping, link, targets):
        while not all(outcomes.values()) or sum(outcomes.values()) < 500:
            try:
                with open_media(source, [inside], UPLOADS) as found:
                    assert found.file.read().endswith(b"mine")
                outcomes["taken"] += 1
            except FileRejected:
                outcomes["refused"] += 1


def test_a_folder_turned_into_a_symlink_after_the_check_is_not_followed(tmp_path: Path) -> None:
    """What `resolve` saw as a folder is a link by the time it is opened."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "a.png").write_bytes(png(9, 9))
    (inside / "folder").symlink_to(outside)
    with pytest.raises(FileRejected, match="cannot be read"):
        local_files.open_below(inside, inside / "folder" / "a.png")


def keep_growing(path: Path, stop: threading.Event) -> None:
    with path.open("ab", buffering=0) as file:
        while not stop.is_set() and file.tell() < 20_000_000:
            file.write(bytes(1000))


@pytest.mark.slow
def test_a_file_that_grows_is_refused_or_sent_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(9, 9).ljust(3_000_000, b"\0"))
    with meanwhile(keep_growing, path):
        for _ in range(20):
            try:
                with open_media(str(path), [tmp_path], UPLOADS) as found:
                    assert len(found.file.read()) == found.size_bytes <= path.stat().st_size
            except FileRejected as refusal:
                assert "changed while it was read" in refusal.message  # noqa: PT017 - either outcome is right
    with open_media(str(path), [tmp_path], UPLOADS) as found:
        path.write_bytes(b"")
        content = found.file.read()
    assert hashlib.sha256(content).hexdigest() == found.sha256
    assert len(content) == found.size_bytes


def test_a_file_that_grows_while_it_is_copied_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(9, 9))

    class Growing(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            with path.open("ab") as file:
                file.write(b"more")
            return super().read(size) or b""

    with Growing(path) as file, pytest.raises(FileRejected, match="changed while it was read"):
        local_files.copy_whole(cast("Any", file), io.BytesIO(), UPLOADS.max_bytes)


@pytest.mark.anyio
async def test_what_is_no_media_file_of_the_folders_sends_nothing(open_world: OpenWorld, tmp_path: Path) -> None:
    roots = tmp_path / "in"
    (roots / "folder.png").mkdir(parents=True)
    os.mkfifo(roots / "pipe.png")
    (roots / "text.png").write_text("no picture", "utf-8")
    (tmp_path / "out.png").write_bytes(png(9, 9))
    (roots / "link.png").symlink_to(tmp_path / "out.png")
    (roots / "null.png").symlink_to("/dev/null")
    sources = ["folder.png", "pipe.png", "text.png", "link.png", "null.png", "../out.png", "gone.png", ""]
    async with open_world(media_roots=[roots]) as world:
        for source in [*[str(roots / each) for each in sources], "/dev/zero", "/proc/self/environ", "file:///etc/passwd"]:
            answer = await world.call("upload_asset", {"source": source, "model": "seedance2.0-sp"})
            assert answer.error["code"] == "file_rejected", source
        assert world.sandbox.requests == []


def movie(seconds: float, width: int, height: int) -> bytes:
    """A film of two frames: the first is shown for nearly all of the time."""
    return film(Clip(video="mjpeg", audio=None, size_px=(width, height), rate=25, frames=round(seconds * 25), is_sparse=True))


MP3 = (b"\xff\xfb\x90\x00" + bytes(413)) * 192
PAD = 2**20


@pytest.mark.parametrize(
    ("content", "model", "words"),
    [
        (png(300, 300), "seedance2.0-std", None),
        (lambda: png(6000, 2400), "seedance2.0-std", None),
        (lambda: png(2400, 6000), "seedance2.0-std", None),
        (png(299, 300), "seedance2.0-std", "299 x 300 px; allowed on the route std: each side 300 to 6000 px (the upstream"),
        (lambda: png(6001, 3000), "seedance2.0-sp", "each side 300 to 6000 px"),
        (png(1000, 399), "seedance2.0-sp", "width / height 0.4 to 2.5"),
        (png(399, 1000), "sd2_mx_720p", "width / height 0.4 to 2.5"),
        (png(100, 100), "seedance2.0-md", "each side 300 to 6000 px"),
        (png(100, 100), "seedance2.0-fast-i2v", "each side 300 to 6000 px"),
        (lambda: png(800, 800).ljust(30 * PAD, b"\0"), "seedance2.0-mini-sp", None),
        (
            lambda: png(800, 800).ljust(30 * PAD + 1, b"\0"),
            "seedance2.0-mini-sp",
            "30.0 MB; allowed on the route mini-sp: up to 30 MB",
        ),
        (lambda: movie(2, 1280, 720), "seedance2.0-sp", None),
        (lambda: movie(15.04, 1280, 720), "seedance2.0-sp", None),
        (lambda: movie(1.9, 1280, 720), "seedance2.0-sp", "1.9 s; allowed on the route sp: 2 to 15 s"),
        (lambda: movie(15.1, 1280, 720), "sd2_mx_video_720p", "2 to 15 s"),
        (lambda: movie(5, 640, 640), "seedance2.0-std", None),
        (lambda: movie(5, 639, 640), "seedance2.0-std", "409600 to 2086876 pixels"),
        (lambda: movie(5, 1448, 1442), "seedance2.0-std", "pixels in all"),
        (lambda: movie(5, 1920, 700), "seedance2.0-std", "width / height 0.4 to 2.5"),
        (lambda: movie(5, 250, 600), "seedance2.0-std", "each side 300 to 6000 px"),
        (lambda: movie(5, 1280, 720).ljust(50 * PAD + 1, b"\0"), "seedance2.0-mini-video", "up to 50 MB"),
        (lambda: movie(1, 720, 100), "seedance2.0-md", None),
        (lambda: movie(15, 2160, 3840), "seedance2.0-md", None),
        (lambda: movie(15.2, 1280, 720), "seedance2.0-md", "0 to 15 s (the provider's page SP Create Video"),
        (lambda: movie(5, 719, 719), "seedance2.0-fast-md", "720 to 2160 px (which side is not stated)"),
        (lambda: movie(5, 2161, 2161), "seedance2.0-fast-md", "720 to 2160 px"),
        (wave(2), "seedance2.0-std", None),
        (wave(15), "seedance2.0-std", None),
        (wave(1.8), "seedance2.0-std", "2 to 15 s"),
        (wave(16), "seedance2.0-sp", "2 to 15 s"),
        (lambda: tag(MP3, 15 * PAD - len(MP3) - 10), "seedance2.0-std", None),
        (lambda: tag(MP3, 15 * PAD - len(MP3) - 9), "seedance2.0-std", "up to 15 MB"),
    ],
)
@pytest.mark.anyio
@pytest.mark.slow
async def test_a_file_beyond_what_a_source_states_is_refused_before_it_is_sent(
    open_world: OpenWorld, tmp_path: Path, content: Lazy, model: str, words: str | None
) -> None:
    (tmp_path / "file").write_bytes(sent := bytes_of(content))
    async with open_world() as world:
        arguments = {"source": str(tmp_path / "file"), "model": model, "wait_seconds": 0, "fit": "none"}
        answer = await world.call("upload_asset", arguments)
        if words is None:
            assert list(world.sandbox.uploads.values()) == [sent]
        else:
            assert answer.error["code"] == "file_rejected"
            assert words in answer.text
            assert answer.error["allowed"] in answer.text
            assert world.sandbox.requests == []


@pytest.mark.anyio
@pytest.mark.slow
async def test_an_upload_with_several_faults_is_refused_once_with_all_of_them(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(movie(20, 3840, 2160).ljust(93 * PAD, b"\0"))
    async with open_world() as world:
        answer = await world.call(
            "upload_asset", {"source": str(tmp_path / "clip"), "model": "seedance2.0-std", "fit": "none"}
        )
        assert world.sandbox.requests == []
    for fault in ("20.0 s", "2 to 15 s", "93.0 MB", "up to 50 MB", "3840 x 2160 px", "409600 to 2086876 pixels in all"):
        assert answer.text.count(fault) == 1
    assert answer.error["allowed"] == "2 to 15 s; 409600 to 2086876 pixels in all; up to 50 MB"
    assert len(answer.text) < 1200


@pytest.mark.anyio
@pytest.mark.slow
async def test_a_duplicate_upload_is_not_sent_again(open_world: OpenWorld, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    (tmp_path / "a.png").write_bytes(png(640, 480))
    (tmp_path / "b.png").write_bytes(png(640, 480))

    async def upload(world: World, name: str, model: str, **more: Any) -> tuple[Answer, int]:
        arguments = {"source": str(tmp_path / name), "model": model, **more}
        return await world.call("upload_asset", arguments), len(world.sandbox.uploads)

    async with open_world(clock=lambda: now) as world:
        first, _ = await upload(world, "a.png", "seedance2.0-std")
        again, sent = await upload(world, "b.png", "seedance2.0-std")
        assert (again.content, sent) == (first.content, 1)
        asset, sent = await upload(world, "a.png", "sd2_mx_720p", wait_seconds=0)
        ready, sent_then = await upload(world, "b.png", "sd2_mx_1080p")
        assert (asset["ready"], ready["ready"], sent, sent_then) == (False, True, 2, 2)
        assert asset["reference"] == ready["reference"]
        assert len(world.sandbox.assets) == 1
        face, sent = await upload(world, "a.png", "seedance2.0-sp", portrait=True)
        plain, sent_then = await upload(world, "a.png", "seedance2.0-sp")
        assert (face["reference"] != plain["reference"], sent, sent_then) == (True, 3, 4)
        now += timedelta(days=2, minutes=1)
        _, sent = await upload(world, "a.png", "seedance2.0-std")
        assert sent == 5


@pytest.mark.anyio
async def test_a_failed_or_forgotten_review_is_not_used_again(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(640, 480))
    arguments = {"source": str(tmp_path / "a.png"), "model": "sd2_mx_720p"}
    async with open_world() as world:
        world.sandbox.faults = [Fault("asset_rejected", "/audit")]
        refused = await world.call("upload_asset", arguments)
        assert refused.error["code"] == "asset_rejected"
        assert (await world.call("upload_asset", arguments))["ready"] is True
        world.sandbox.assets.clear()
        assert (await world.call("upload_asset", arguments))["ready"] is True
        assert len(world.sandbox.uploads) == 3


def box64(name: bytes, content: bytes, size: int) -> bytes:
    return (1).to_bytes(4) + name + size.to_bytes(8) + content


@pytest.mark.parametrize("size", [2**62, 2**64 - 1])
@pytest.mark.parametrize("name", [b"free", b"moov", b"trak", b"tkhd"])
def test_a_box_size_beyond_the_file_leads_nowhere(tmp_path: Path, name: bytes, size: int) -> None:
    inner = box64(name, bytes(84), size)
    odd = {b"moov": inner, b"free": inner, b"trak": box(b"moov", inner)}.get(name, box(b"moov", box(b"trak", inner)))
    (tmp_path / "a.mp4").write_bytes(box(b"ftyp", b"isom") + odd)
    with open_media(str(tmp_path / "a.mp4"), [tmp_path], UPLOADS) as found:
        assert found.content.damage


@contextmanager
def at_most(size_bytes: int) -> Generator[None]:
    """No file may become larger: what a full disk does to whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("bytes_there", [300, 3_000_000])
@pytest.mark.anyio
async def test_a_full_temporary_folder_is_named(open_world: OpenWorld, tmp_path: Path, bytes_there: int) -> None:
    (tmp_path / "a.png").write_bytes(png(640, 480).ljust(bytes_there, b"\0"))
    async with open_world() as world:
        with at_most(bytes_there - 1):
            answer = await world.call("upload_asset", {"source": str(tmp_path / "a.png"), "model": "seedance2.0-std"})
        assert answer.error["code"] == "file_rejected"
        assert "free the temporary folder" in answer.text
        assert world.sandbox.requests == []


@pytest.mark.anyio
async def test_the_first_reference_video_is_priced_when_its_length_is_known(
    open_world: OpenWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.mp4").write_bytes(movie(3.5, 640, 640))
    (tmp_path / "odd.flv").write_bytes(film(Clip("flv", "flv", None, size_px=(640, 640), frames=72)))
    monkeypatch.setitem(sys.modules, "av", None)  # our own reader reads no length of an FLV
    async with open_world() as world:
        model = "seedance2.0-mini-video"
        clip, odd = [
            await world.call("upload_asset", {"source": str(tmp_path / name), "model": model})
            for name in ("clip.mp4", "odd.flv")
        ]
        request = {"model": model, "prompt": "x", "duration": 5}
        known, unknown = [
            await world.call(
                "create_video", {"request": {**request, "reference_videos": [each["reference"]]}, "dry_run": True}
            )
            for each in (clip, odd)
        ]
    assert clip["note"] == "Good for every model of the route mini. It is 640x640 px, 3.52 s."
    assert "route mini. Not checked, because it cannot be read here: length and size in pixels. " in odd["note"]
    assert install_command("media") in odd["note"]
    assert known["estimated_cost"] == 0.45
    assert "4 of the seconds are the first reference video's" in known["estimate"]
    assert unknown["estimated_cost"] == 0.25
    assert "not known here" in unknown["estimate"]
