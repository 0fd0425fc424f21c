"""Files and links that an agent names are hostile until checked."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import pytest
from conftest import OpenWorld

from seedance_mcp.catalog import UPLOAD_EXTENSIONS
from seedance_mcp.config import Settings
from seedance_mcp.errors import FileRejected
from seedance_mcp.media import check_link, is_link, open_media, sniff
from seedance_mcp.mp4 import duration_seconds

HEADS = {
    "jpg": b"\xff\xd8\xff\xe0",
    "png": b"\x89PNG\r\n\x1a\n",
    "gif": b"GIF89a",
    "webp": b"RIFF\0\0\0\0WEBPVP8 ",
    "bmp": b"BM" + b"\0" * 20,
    "svg": b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="x">',
    "mp4": b"\0\0\0\x20ftypisom",
    "mov": b"\0\0\0\x14ftypqt  ",
    "avi": b"RIFF\0\0\0\0AVI LIST",
    "webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm",
    "mkv": b"\x1aE\xdf\xa3\x9fB\x82\x88matroska",
    "m4v": b"\0\0\0\x20ftypM4V ",
    "flv": b"FLV\x01\x05",
    "mp3": b"ID3\x04",
    "wav": b"RIFF\0\0\0\0WAVEfmt ",
    "aac": b"\xff\xf1\x50",
    "m4a": b"\0\0\0\x20ftypM4A ",
    "flac": b"fLaC\0",
    "ogg": b"OggS\0",
}


@pytest.mark.parametrize("ending", HEADS)
def test_every_accepted_format_is_known_by_its_content(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "anything.bin"
    path.write_bytes(HEADS[ending].ljust(80, b"\0"))
    with open_media(str(path), [tmp_path]) as found:
        assert found.name == f"anything.{ending}"
        assert ending in UPLOAD_EXTENSIONS[found.kind]
        assert found.size_bytes == 80
        assert found.file.read() == path.read_bytes()


def test_every_ending_of_the_documentation_is_tried() -> None:
    assert {*HEADS, "jpeg"} == {ending for endings in UPLOAD_EXTENSIONS.values() for ending in endings}


@pytest.mark.parametrize("head", [b"#!/bin/sh\n", b"\x7fELF", b"%PDF-1.7", b"<html>", b"-----BEGIN OPENSSH", b"{}", b"BM"])
def test_other_contents_are_refused(head: bytes) -> None:
    with pytest.raises(FileRejected, match="no accepted media"):
        sniff(head)


def refused(source: str, *roots: Path) -> str:
    with pytest.raises(FileRejected) as caught, open_media(source, list(roots)):
        pass
    return caught.value.message


def test_only_regular_files_below_the_roots_are_opened(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "a.png").write_bytes(HEADS["png"])
    (inside / "link.png").symlink_to(outside / "a.png")
    (inside / "empty.png").touch()
    (inside / "folder.png").mkdir()
    os.mkfifo(inside / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(inside / "s.png"))
        for source in ("link.png", "../out/a.png", str(outside / "a.png"), "~root/x.png", "/etc/passwd", "/proc/self/mem"):
            assert "these folders alone" in refused(str(inside / source) if source[0] not in "~/" else source, inside)
        assert "Only a regular file" in refused(str(inside / "folder.png"), inside)
        assert "Only a regular file" in refused(str(inside / "pipe.png"), inside)
        assert "cannot be read" in refused(str(inside / "s.png"), inside)
    assert "0 bytes" in refused(str(inside / "empty.png"), inside)
    assert "cannot be read" in refused(str(inside / "missing.png"), inside)
    assert "no path" in refused("a\0b", inside)
    assert "none" in refused("a.png")


def test_a_file_over_100_megabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.mp4"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024 + 1)
    assert "allowed: 1 to 104857600 bytes" in refused(str(path), tmp_path)


@pytest.mark.anyio
async def test_a_refused_file_sends_nothing(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_text("key")
    async with open_world() as world:
        answer = await world.call("upload_asset", {"source": str(tmp_path / "secret.png"), "model": "seedance2.0-sp"})
        assert answer.error["code"] == "file_rejected"
        assert answer.error["charged"] == "no"
        assert world.sandbox.requests == []


@pytest.mark.parametrize("link", ["http://a.b/c.png", "ftp://a.b/c", "https:///c.png", "https://u:p@a.b/c", "https://a b/c"])
def test_only_plain_https_links_pass(link: str) -> None:
    assert is_link(link)
    with pytest.raises(FileRejected):
        check_link(link)


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


def box(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return (len(content) + 8 if size is None else size).to_bytes(4) + name + content


SHORT = box(b"mvhd", bytes(12) + (600).to_bytes(4) + (2100).to_bytes(4) + bytes(80))
LONG = box(b"mvhd", b"\x01" + bytes(19) + (600).to_bytes(4) + (2100).to_bytes(8) + bytes(80))
WIDE = (1).to_bytes(4) + b"moov" + (16 + len(SHORT)).to_bytes(8) + SHORT


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (box(b"ftyp", b"isom") + box(b"moov", SHORT), 3.5),
        (box(b"ftyp", b"isom") + box(b"mdat", bytes(99)) + box(b"moov", box(b"udta", b"") + LONG), 3.5),
        (WIDE, 3.5),
        (box(b"moov", SHORT, 0), 3.5),
        (box(b"moov", box(b"mvhd", bytes(40))), None),
        (box(b"moov", box(b"mvhd", bytes(4))), None),
        (box(b"moov", b""), None),
        (box(b"free", b"", 4), None),
        (box(b"free", b"") * 1200, None),
        (b"", None),
        (b"\0\0\0\x20ftypisom", None),
    ],
)
def test_a_movie_header_tells_how_long_it_plays(content: bytes, seconds: float | None) -> None:
    assert duration_seconds(io.BytesIO(content)) == seconds


@pytest.mark.anyio
async def test_the_first_reference_video_is_priced_when_its_length_is_known(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(box(b"ftyp", b"isom") + box(b"moov", SHORT))
    (tmp_path / "odd.mp4").write_bytes(box(b"ftyp", b"isom") + bytes(40))
    async with open_world() as world:
        model = "seedance2.0-mini-video"
        clip, odd = [
            (await world.call("upload_asset", {"source": str(tmp_path / name), "model": model}))["reference"]
            for name in ("clip.mp4", "odd.mp4")
        ]
        request = {"model": model, "prompt": "x", "duration": 5}
        known = await world.call("create_video", {"request": {**request, "reference_videos": [clip]}, "dry_run": True})
        unknown = await world.call("create_video", {"request": {**request, "reference_videos": [odd]}, "dry_run": True})
    assert known["estimated_cost"] == 0.45
    assert "4 of the seconds are the first reference video's" in known["warnings"][-1]
    assert unknown["estimated_cost"] == 0.25
    assert "not known here" in unknown["warnings"][-1]
