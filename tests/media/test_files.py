"""Files are what their content is: kinds, lengths and sizes of a corpus of small files, and no hostile one holds the server."""

from __future__ import annotations

import re
import struct
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from conftest import OpenWorld, png
from corpus import (
    BASE,
    Clip,
    Lazy,
    Sample,
    box,
    branded,
    bytes_of,
    corpus,
    edited,
    film,
    heif,
    os2_bmp,
    picture,
    segment,
    turned_picture,
    wave,
)
from deadline import ran
from hostile import HOSTILE, PLAYABLE

from seedance_mcp.media import decoder, worker
from seedance_mcp.media.decoder import PROBE, Limits, Unreadable, decode
from seedance_mcp.media.formats import FORMATS, SOUND_ONLY, Content
from seedance_mcp.media.probe import examine
from seedance_mcp.media.signatures import recognise
from seedance_mcp.media.worker import answer

NAMES = {form.title: name for name, form in FORMATS.items()}


@contextmanager
def written(content: bytes) -> Generator[Any]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file


def decode_here(job: str, argument: str, file: BinaryIO, limits: Limits) -> dict[str, Any]:
    """Do in this process what the child does, which takes a hundredth of the time."""
    with Path(file.name).open("rb") as own:
        found = answer(job, argument, own)
    if "failed" in found:
        raise Unreadable(found["failed"])
    return found


def looked_at(sample: Sample, *, with_libraries: bool) -> Content | None:
    with written(sample.content) as file:
        return examine(file, decode_here) if with_libraries else recognise(file)


def faults(sample: Sample, found: Content | None, *, with_libraries: bool) -> list[object]:
    """List how a finding differs from the truth; our own reader need not know a measure, but may not say a wrong one."""
    name = NAMES[found.form.title] if found else None
    if found is None or name != sample.form:
        return [] if name == sample.form else [(sample.name, name)]
    wrong: list[object] = []
    if bool(found.damage) != sample.is_damaged:
        wrong.append(found.damage)
    if sample.seconds and (with_libraries or found.seconds) and abs((found.seconds or 0) - sample.seconds) > 0.08:
        wrong.append(found.seconds)
    sized = with_libraries or (found.size_px and not sample.is_for_libraries)
    if sample.size_px and sized and found.size_px != sample.size_px:
        wrong.append(found.size_px)
    if sample.codec and with_libraries and found.codec != sample.codec:
        wrong.append(found.codec)
    rate = found.frames_per_second or 0
    if sample.frames_per_second and with_libraries and abs(rate - sample.frames_per_second) > 1.6:
        wrong.append(rate)
    return [(sample.name, *wrong)] if wrong else []


@pytest.mark.parametrize("with_libraries", [False, True])
@pytest.mark.slow
def test_every_file_of_the_corpus_is_what_it_is(with_libraries: bool) -> None:  # noqa: FBT001 - one test, two readers
    samples = corpus()
    assert len(samples) > 300
    assert {sample.form for sample in samples} >= {name for name, form in FORMATS.items() if form.ending}
    wrong = [
        fault
        for sample in samples
        for fault in faults(sample, looked_at(sample, with_libraries=with_libraries), with_libraries=with_libraries)
    ]
    assert wrong == []


@pytest.mark.slow
def test_every_accepted_film_and_sound_has_a_codec_and_a_length() -> None:
    for sample in corpus():
        found = looked_at(sample, with_libraries=True)
        if found and found.form.ending and found.form.kind != "image" and not sample.is_damaged:
            assert found.seconds, sample.name
            assert found.codec, sample.name


def test_every_container_of_sound_only_is_named() -> None:
    assert {FORMATS[name].kind for name in SOUND_ONLY} == {"video"}
    assert {FORMATS[name].kind for name in SOUND_ONLY.values()} == {"audio"}


REFUSED: dict[str, tuple[Lazy, str, str]] = {
    "photo.jpg": (lambda: heif(b"heic"), "The file is a HEIC photo, whatever its name says", "save it as JPEG or PNG"),
    "photo.avif": (lambda: picture("AVIF"), "an AVIF picture", "save it as JPEG or PNG"),
    "photo.cr3": (lambda: heif(b"crx "), "a Canon CR3 raw photo", "save it as JPEG or PNG"),
    "clip.3gp": (lambda: branded(film(BASE), b"3gp5"), "a 3GP video", "save it as MP4 (H.264)"),
    "sound.webm": (lambda: film(Clip("webm", None, "libopus")), "a WebM file with sound only", "save it as MP3 or WAV"),
    "text.bmp": (b"BM is a text." * 9, "none of the accepted formats", "bring a picture"),
    "text.mov": (b"All free." * 90, "none of the accepted formats", "bring a picture"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.anyio
async def test_a_refusal_names_what_the_file_is_and_what_helps(open_world: OpenWorld, tmp_path: Path, name: str) -> None:
    content, title, way = REFUSED[name]
    (tmp_path / name).write_bytes(bytes_of(content))
    async with open_world() as world:
        refused = await world.call("upload_asset", {"source": str(tmp_path / name), "model": "seedance2.0-std", "fit": "none"})
        assert refused.error["code"] == "file_rejected"
        assert title in refused.text
        assert f"Nothing was sent: {way}" in refused.text
        assert world.sandbox.requests == []


LONG = replace(BASE, size_px=(640, 640), frames=360, rate=24, video="mjpeg", is_sparse=True)
SEVEN = replace(LONG, frames=168, audio=None)


@pytest.mark.parametrize(
    ("content", "model", "words"),
    [
        (lambda: picture("GIF", (640, 480)), "seedance2.0-std", None),
        (
            lambda: film(SEVEN)[: len(film(SEVEN)) // 2],
            "seedance2.0-std",
            "An mp4 video is cut short: save it as MP4 (H.264) anew. Nothing was sent.",
        ),
        (
            lambda: picture("GIF", (640, 480)),
            "seedance2.0-md",
            "has the format GIF; allowed on the route md: no GIF (the provider's route",
        ),
        (lambda: picture("JPEG", (9, 9)) + b"\0", "seedance2.0-std", "9 x 9 px"),
        (lambda: film(replace(LONG, sound_seconds=15.07)), "seedance2.0-std", None),
        (
            lambda: film(replace(LONG, frames=366, sound_seconds=15.0)),
            "seedance2.0-std",
            "15.2 s; allowed on the route std: 2 to 15 s",
        ),
        (lambda: turned_picture("JPEG", 6, (750, 310)), "seedance2.0-std", None),
        (
            lambda: turned_picture("JPEG", 6, (310, 800)),
            "seedance2.0-std",
            "800 x 310 px; allowed on the route std: width / height",
        ),
        (
            lambda: film(replace(LONG, rate=60, frames=60, is_sparse=False)),
            "seedance2.0-md",
            "The video (mjpeg, 60 frames per second) has 640 x 640 px",
        ),
        (
            lambda: png(640, 480)[:-20] + bytes(31 << 20),
            "seedance2.0-std",
            "A png picture is cut short: save it as JPEG or PNG anew. The image has 31",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(40) + b"IEND\xaeB`\x82", "seedance2.0-std", "A png picture cannot be decoded ("),
        (lambda: branded(film(Clip(video=None, sound_seconds=3)), b"isom"), "seedance2.0-std", None),
    ],
)
@pytest.mark.anyio
async def test_an_upload_is_held_against_what_the_file_is(
    open_world: OpenWorld, tmp_path: Path, content: Lazy, model: str, words: str | None
) -> None:
    (tmp_path / "file").write_bytes(sent := bytes_of(content))
    async with open_world() as world:
        arguments = {"source": str(tmp_path / "file"), "model": model, "wait_seconds": 0, "fit": "none"}
        done = await world.call("upload_asset", arguments)
        if words is None:
            assert re.fullmatch(r"Good for every model of the route std\.( It is [^A-Z]+\.)?", done["note"])
            assert list(world.sandbox.uploads.values()) == [sent]
        else:
            assert done.error["code"] == "file_rejected"
            assert words in done.text
            assert done.text.count("Without fit: none it is converted") == (
                "allowed on the route" in done.text and "anew" not in done.text
            )
            assert world.sandbox.requests == []


@pytest.mark.anyio
async def test_a_clip_is_priced_by_the_longer_of_header_and_tracks(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(edited(film(SEVEN), b"mvhd", 16, ">I", 2000))
    (tmp_path / "b.mp4").write_bytes(edited(film(replace(LONG, frames=48, audio=None)), b"mvhd", 16, ">I", 7000))
    request: dict[str, Any] = {"model": "seedance2.0-mini-video", "prompt": "x", "duration": 5}
    async with open_world() as world:
        for name in ("a.mp4", "b.mp4"):
            brought = await world.call("upload_asset", {"source": str(tmp_path / name), "model": request["model"]})
            priced = await world.call(
                "create_video", {"request": {**request, "reference_videos": [brought["reference"]]}, "dry_run": True}
            )
            assert "per second x 12 = " in priced["estimate"]
            assert "7 of the seconds are the first reference video's" in priced["estimate"]


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "sent"), [("11.9", 0), ("12", 1)])
async def test_the_longer_of_header_and_tracks_counts_against_a_limit(
    open_world: OpenWorld, tmp_path: Path, limit: str, sent: int
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nname = "seedance2.0-mini-video"\nper = "second"\nunit_price = 1\n', "utf-8")
    (tmp_path / "a.mp4").write_bytes(edited(film(SEVEN), b"mvhd", 16, ">I", 2000))
    request: dict[str, Any] = {"model": "seedance2.0-mini-video", "prompt": "x", "duration": 5}
    async with open_world(prices=prices, max_cost_per_day=limit) as world:
        brought = await world.call("upload_asset", {"source": str(tmp_path / "a.mp4"), "model": request["model"]})
        made = await world.create(**request, reference_videos=[brought["reference"]])
        assert made.is_error is (sent == 0)
        assert world.creates == sent


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_found_out_within_limits(name: str) -> None:
    with HOSTILE[name].written() as file:
        found = examine(file)
    assert found
    assert bool(found.damage) is (name not in PLAYABLE)


def test_what_one_file_may_take_is_bounded() -> None:
    assert PROBE.processor_seconds < 5
    assert PROBE.wall_seconds <= 20
    assert PROBE.memory_bytes <= 300 << 20


@pytest.mark.parametrize(
    "limits", [replace(PROBE, processor_seconds=0), replace(PROBE, memory_bytes=30 << 20), replace(PROBE, wall_seconds=0)]
)
def test_a_child_beyond_a_limit_is_ended(limits: Limits) -> None:
    with written(film(BASE)) as file, pytest.raises(Unreadable, match=r"too much time or memory|cannot be decoded"):
        decode("stream", "mp4", file, limits)


def test_the_child_inherits_nothing_and_leaves_the_file_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_API_KEY", "sk_secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    program = "import json, os, sys; print(json.dumps({'names': sorted(os.environ), 'byte': ord(sys.stdin.read(1))}))"
    monkeypatch.setattr(decoder, "_PROGRAM", program)
    with written(b"abc") as file:
        file.seek(2)
        seen = decode("picture", "png", file, PROBE)
        assert file.read() == b"c"
    assert set(seen["names"]) - {"LC_CTYPE"} == {"LD_LIBRARY_PATH"}
    assert seen["byte"] == ord("a")


def test_the_worker_as_a_program_answers_with_one_line() -> None:
    with written(png(640, 480)) as file:
        file.seek(0)
        done = ran(
            [sys.executable, "-c", "from seedance_mcp.media.worker import main; main('picture', 'png', '60,4000000000')"],
            stdin=file,
        )
    assert done.stdout == '{"size_px": [640, 480], "peculiar": false}\n'


def test_a_system_without_limits_for_processes_decodes_all_the_same() -> None:
    program = (
        "import sys; sys.modules['resource'] = None; from seedance_mcp.media.worker import main; main('picture', 'png', '0,0')"
    )
    with written(png(640, 480)) as file:
        file.seek(0)
        done = ran([sys.executable, "-c", program], stdin=file)
    assert done.stdout == '{"size_px": [640, 480], "peculiar": false}\n'


def test_an_endless_film_is_as_long_as_its_header_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_PACKETS_MOST", 5)
    with written(film(replace(BASE, container="matroska", audio=None))) as file:
        found = examine(file, decode_here)
    assert found
    assert found.seconds == pytest.approx(1, abs=0.05)


def test_a_film_whose_frames_are_broken_still_has_a_length() -> None:
    content = film(replace(BASE, audio=None))
    start = content.index(b"mdat") + 4
    with written(content[:start] + bytes(400) + content[start + 400 :]) as file:
        found = examine(file, decode_here)
    assert found
    assert found.seconds == pytest.approx(1, abs=0.05)


def nothing_there(job: str, argument: str, file: BinaryIO, limits: Limits) -> dict[str, Any]:
    return {}


def test_what_the_libraries_find_no_stream_in_is_damaged() -> None:
    with written(film(BASE)) as file:
        found = examine(file, nothing_there)
    assert found
    assert found.damage == "holds neither pictures nor sound that can be decoded"


def test_an_flv_that_claims_pictures_and_has_none_is_sound() -> None:
    content = film(Clip("flv", None, "aac"))
    with written(content[:4] + b"\5" + content[5:]) as file:
        found = examine(file, decode_here)
    assert found
    assert found.form == FORMATS["flv sound"]


def test_where_no_process_can_be_started_our_own_reader_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with written(png(640, 480)) as file:
        found = examine(file)
    assert found == Content(FORMATS["png"], size_px=(640, 480))


FRAGMENT = replace(BASE, audio=None, options=(("movflags", "frag_keyframe+empty_moov"),))
ODD: dict[str, tuple[Lazy, str | None]] = {
    "jpeg whose segments never end": (b"\xff\xd8" + segment(0xE1, b"") * 1001, "jpg"),
    "jpeg without segments": (b"\xff\xd8\xff\xe0\0\0", "jpg"),
    "jpeg of its first bytes": (b"\xff\xd8\xff", "jpg"),
    "jpeg with another Exif": (b"\xff\xd8" + segment(0xE1, b"Exif\0\0XX") + picture("JPEG")[2:], "jpg"),
    "jpeg with an empty Exif": (b"\xff\xd8" + segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08") + picture("JPEG")[2:], "jpg"),
    "png of no width": (png(0, 480), "png"),
    "bmp of no width": (os2_bmp()[:18] + bytes(2) + os2_bmp()[20:], "bmp"),
    "wav without sound": (wave(1)[:36], "wav"),
    "wav of many chunks": (b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 1001, "wav"),
    "wav without a form": (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "wav"),
    "wav of no bytes a second": (edited(wave(1), b"fmt ", 12, "<I", 0), "wav"),
    "wav of counted samples": (
        b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0"
        + struct.pack("<HHIIHHH", 0x31, 1, 8000, 1, 65, 0, 0)
        + b"fact\4\0\0\0"
        + struct.pack("<I", 8000)
        + b"data\4\0\0\0abcd",
        "wav",
    ),
    "flac without samples": (b"fLaC\0\0\0\x22" + bytes(34), "flac"),
    "avi of its first bytes": (b"RIFF\0\0\0\0AVI LIST", "avi"),
    "ogg cut in its first page": (b"OggS\0\2" + bytes(10), None),
    "ebml alone": (b"\x1aE\xdf\xa3\x84\x42\x82\x81m", "mkv"),
    "matroska of sizes beyond": (b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\x8a\x16\x54\xae\x6b\x90", "mkv"),
    "movie with a box of no size": (box(b"ftyp", b"isom") + box(b"moov", box(b"mvhd", bytes(20)), 0), "mp4"),
    "fragment of no track": (
        box(b"ftyp", b"isom") + box(b"moov", b"") + box(b"moof", box(b"traf", box(b"tfhd", bytes(8)))),
        "mp4",
    ),
    "fragment of a version 1 clock": (
        lambda: edited(film(FRAGMENT), b"tfdt", 0, ">B", 0),
        "mp4",
    ),
    "jpeg with a maker": (
        b"\xff\xd8" + segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x0f\1\2\0\1\0\0\0ab\0\0") + picture("JPEG")[2:],
        "jpg",
    ),
    "matroska with no shown size": (
        b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\xff\x16\x54\xae\x6b\x8d\xae\x8b\x83\x81\1\xe0\x86\xb0\x81\x40\xba\x81\x30",
        "mkv",
    ),
    "movie with a box too short for its head": (box(b"ftyp", b"isom") + box(b"free", b"", 4), "mp4"),
    "fragment without a clock": (lambda: film(FRAGMENT).replace(b"tfdt", b"free"), "mp4"),
    "tags upon tags": (b"ID3\4\0\0\0\0\0\0" * 17, None),
    "frames of two layers": (b"\xff\xfb\x90\0" + bytes(413) + b"\xff\xfd\x90\0" + bytes(999), None),
    "two frames of mp3": ((b"\xff\xfb\x90\0" + bytes(413)) * 2, "mp3"),
    "one frame of mp3": (b"\xff\xfb\x90\0" + bytes(413), None),
    "layer 1": ((b"\xff\xff\x90\0" + bytes(308)) * 4, "mp2"),
    "two frames of aac": ((b"\xff\xf1\x50\x80\1\x1f\xfc" + b"x") * 2, "aac"),
    "one frame of aac": (b"\xff\xf1\x50\x80\1\x1f\xfc" + b"x", None),
    "long headers": (
        box(b"ftyp", b"isom")
        + box(
            b"moov",
            box(b"mvhd", b"\1" + bytes(19) + struct.pack(">IQ", 600, 2100))
            + box(
                b"trak",
                box(b"tkhd", b"\1" + bytes(95)) + box(b"edts", box(b"elst", b"\1" + bytes(7) + struct.pack(">Qq4x", 9, 0))),
            ),
        ),
        "mp4",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_header_is_read_without_an_error(name: str) -> None:
    content, form = ODD[name]
    with written(bytes_of(content)) as file:
        found = recognise(file)
    assert (NAMES[found.form.title] if found else None) == form


TRACK_HEADER = bytes(40) + struct.pack(">9I2I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000, 96 << 16, (48 << 16) - 9000)


@pytest.mark.parametrize(
    "content",
    [
        (
            b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\xff\x16\x54\xae\x6b\x95\xae\x93\x83\x81\1"
            b"\xe0\x8e\xb0\x81\x40\xba\x81\x30\x54\xb0\x81\x60\x54\xba\x81\x30"
        ),
        box(b"ftyp", b"isom")
        + box(b"moov", box(b"trak", box(b"tkhd", TRACK_HEADER) + box(b"mdia", box(b"hdlr", bytes(8) + b"vide")))),
    ],
)
def test_our_own_reader_gives_the_size_that_is_shown(content: bytes) -> None:
    with written(content) as file:
        found = recognise(file)
    assert found
    assert found.size_px == (96, 48)
