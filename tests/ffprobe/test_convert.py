"""Files of every kind become what the route takes, or are refused with the way forward; ffprobe judges what was sent."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from conftest import OpenWorld
from corpus import Clip, encoded, film, marked, without_index
from judge import GRID, judge, patches
from PIL import Image, ImageOps
from reel import decode_here

from seedance_mcp.media import long_jobs

pytestmark = pytest.mark.anyio
SECONDS, SIDES_PX, ASPECT, PIXELS = (2, 15), (300, 6000), (0.4, 2.5), (409_600, 2_086_876)
"""What the route of this model takes, typed from its documentation."""
MODEL = "seedance2.0-std"
WAYS = ("Call again", "bring ", "save it", "export", "convert")
"""How a way forward begins."""


@dataclass(frozen=True)
class Case:
    """One file, and what is true of it."""

    name: str
    kind: str
    content: Callable[[], bytes]
    seconds: float = 0.0
    frame_seconds: float = 0.0
    size_px: tuple[float, float] = (0, 0)
    upright: bytes = b""
    """A PNG of what has to be seen; empty where it cannot be compared."""

    @property
    def is_mendable(self) -> bool:
        """Whether no length, aspect or size stands in the way."""
        if self.kind != "image" and not SECONDS[0] - 0.05 <= self.seconds < SECONDS[1] + 0.05:
            return False
        if self.kind == "audio":
            return True
        width, height = self.size_px
        grows = max(SIDES_PX[0] / min(self.size_px), math.sqrt(PIXELS[0] / (width * height)) if self.kind == "video" else 0)
        return ASPECT[0] <= width / height <= ASPECT[1] and grows <= 2


KINDS = {
    "mp4": ("libx264", "libx265", "mpeg4", "libsvtav1", "libvpx-vp9", "mjpeg"),
    "mov": ("libx264", "mpeg4", "mjpeg", "prores_ks", "png"),
    "matroska": ("libx264", "libx265", "mpeg4", "libvpx-vp9", "mjpeg"),
    "webm": ("libvpx-vp9", "libvpx"),
    "avi": ("mpeg4", "libx264", "mjpeg"),
    "flv": ("libx264", "flv"),
    "mpegts": ("libx264",),
    "mpeg": ("mpeg2video", "mpeg1video"),
    "asf": ("wmv2", "wmv1"),
    "3gp": ("mpeg4",),
}
SIZES = ((480, 272), (272, 480), (640, 640), (704, 400))
BASE = Clip(frames=60, rate=25, sound_seconds=2.4, size_px=SIZES[0], is_marked=True)


def _clips() -> Iterator[tuple[str, Clip]]:
    sizes = itertools.cycle(SIZES)
    for container, codecs in KINDS.items():
        for video in codecs:
            audio = {"webm": "libopus", "mpeg": "mp2", "asf": None, "3gp": None}.get(container, "aac")
            clip = replace(BASE, container=container, video=video, audio=audio, size_px=next(sizes))
            yield f"{container} {video}", clip
            yield f"{container} {video} mute", replace(clip, audio=None, size_px=next(sizes))
            yield f"{container} {video} short", replace(clip, frames=25, sound_seconds=1.0)
    for container, turned, size in itertools.product(("mp4", "mov"), (90, 180, 270), (SIZES[0], SIZES[3])):
        yield f"{container} turned {turned} {size}", replace(BASE, container=container, turned=turned, size_px=size)
    for container, aspect in itertools.product(("mp4", "mov", "matroska"), ((4, 3), (16, 11), (8, 9), (2, 1))):
        yield f"{container} pixels {aspect}", replace(BASE, container=container, pixel_aspect=aspect, size_px=(400, 400))
    for container, rate in itertools.product(("mp4", "matroska", "mov"), (12, 15, 24, 30, 50, 60, 90)):
        clip = replace(BASE, container=container, rate=rate, frames=round(2.4 * rate), size_px=SIZES[3])
        yield f"{container} at {rate}", clip
    for size in ((160, 90), (1000, 320), (320, 1000), (1920, 1200), (300, 300), (2304, 1000)):
        yield f"mp4 of {size}", replace(BASE, size_px=size)
    yield "long", replace(BASE, frames=410, rate=25, sound_seconds=16.4)
    yield "sound longer than pictures", replace(BASE, sound_seconds=3.5)
    yield "pictures longer than sound", replace(BASE, sound_seconds=1.0)
    for flags in ("frag_keyframe+empty_moov", "frag_every_frame+empty_moov", "faststart"):
        yield flags, replace(BASE, options=(("movflags", flags),))
        yield f"{flags} late", replace(BASE, options=(("movflags", flags),), start=25)
    yield "mp4 without edit list, late", replace(BASE, options=(("use_editlist", "0"),), start=25)
    for container, codecs in KINDS.items():
        clip = replace(
            BASE, container=container, video=codecs[0], audio={"webm": "libopus", "mpeg": "mp2"}.get(container, "aac")
        )
        yield f"{container} late pictures", replace(clip, start=50)
        yield f"{container} early pictures", replace(clip, start=-5)
        if container != "3gp":
            yield f"{container} late sound", replace(clip, sound_start_seconds=1.0, sound_seconds=1.4)
    yield "live webm", replace(BASE, container="webm", video="libvpx", audio="libopus", options=(("live", "1"),))
    yield "live matroska", replace(BASE, container="matroska", options=(("live", "1"),))


SOUNDS = (
    ("mp3", "libmp3lame"), ("adts", "aac"), ("flac", "flac"), ("ogg", "libopus"), ("ogg", "flac"), ("wav", "pcm_s16le"),
    ("wav", "pcm_u8"), ("wav", "pcm_f32le"), ("wav", "adpcm_ms"), ("wav", "pcm_mulaw"), ("ipod", "aac"), ("ipod", "alac"),
    ("mp2", "mp2"), ("aiff", "pcm_s16be"), ("caf", "pcm_s16le"), ("wv", "wavpack"), ("ac3", "ac3"), ("au", "pcm_s16be"),
    ("matroska", "libopus"), ("webm", "libopus"), ("mov", "pcm_s16le"),
)  # fmt: skip
STILLS = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "L", "P", "1", "I;16", "LA"),
    "GIF": ("RGB", "P"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "L", "P"),
    "TIFF": ("RGB", "L", "CMYK", "I;16"),
    "HEIF": ("RGB",),
    "AVIF": ("RGB",),
    "JPEG2000": ("RGB",),
}


def _stills() -> Iterator[Case]:
    for form, modes in STILLS.items():
        for mode, size in itertools.product(modes, ((640, 480), (330, 700), (200, 180), (1000, 300))):
            image = marked(size).convert(mode)
            seen = encoded(image.convert("RGB"), "PNG") if mode not in {"I;16", "1"} else b""
            yield Case(f"{form} {mode} {size}", "image", partial(encoded, image, form), 0, 0, size, seen)
    for form, orientation in itertools.product(("JPEG", "PNG", "WEBP", "TIFF"), range(2, 9)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = marked((640, 420))
        upright = _upright(stored, orientation)
        content = partial(encoded, stored, form, exif=exif if form == "TIFF" else exif.tobytes())
        yield Case(f"{form} held {orientation}", "image", content, 0, 0, upright.size, encoded(upright, "PNG"))


def _upright(stored: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture as the standard says, step by step: mirrored first, then turned."""
    mirrored = ImageOps.mirror(stored) if orientation in {2, 4, 5, 7} else stored
    turns = {1: 0, 2: 0, 3: 180, 4: 180, 5: 90, 6: -90, 7: -90, 8: 90}[orientation]
    return mirrored.rotate(turns, expand=True)


def _frames_shown(clip: Clip) -> int:
    """Count the frames of a clip: without an edit list, its first one is shown until the second; with one, none before zero is."""
    is_held = clip.container == "avi" or dict(clip.options) not in ({}, {"movflags": "faststart"}, {"live": "1"})
    if clip.start > 0:
        return clip.frames + is_held * clip.start
    return clip.frames + min(clip.start, 0) * (clip.container in {"mp4", "mov", "3gp"})


def cases() -> Iterator[Case]:
    for name, clip in _clips():
        width, height = clip.size_px[0] * clip.pixel_aspect[0] / clip.pixel_aspect[1], float(clip.size_px[1])
        shown = (height, width) if clip.turned % 180 else (width, height)
        yield Case(name, "video", partial(film, clip), _frames_shown(clip) / clip.rate, 1 / clip.rate, shown)
    for video, audio in (("mpeg4", "aac"), ("libx264", "mp3"), ("mjpeg", None)):
        clip = replace(BASE, container="avi", video=video, audio=audio, size_px=SIZES[2])
        yield Case(f"avi {video} without an index", "video", partial(_avi_without_index, clip), 2.4, 1 / 25, SIZES[2])
    for (container, audio), seconds in itertools.product(SOUNDS, (2.5, 1.0, 16.0)):
        content = partial(film, Clip(container, None, audio, sound_seconds=seconds))
        yield Case(f"{container} {audio} {seconds}", "audio", content, seconds)
    yield from _stills()


def _avi_without_index(clip: Clip) -> bytes:
    return without_index(film(clip))


@pytest.fixture(autouse=True)
def converted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_jobs, "decode", decode_here)  # it is the same code in the child, and starts quicker


PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
async def test_every_kind_of_file_is_converted_or_refused_with_the_way_forward(
    open_world: OpenWorld, tmp_path: Path, part: int
) -> None:
    every, faults, sent = [*cases()], list[str](), 0
    assert len(every) > 200
    for number, case in enumerate(every[part::PARTS]):
        source = tmp_path / f"file{number}"
        source.write_bytes(case.content())
        async with open_world(data_dir=tmp_path / f"data{number}") as world:
            given = {"source": str(source), "model": MODEL, "wait_seconds": 0}
            answer = await world.call("upload_asset", given)
            uploads = list(world.sandbox.uploads.values())
        if answer.is_error:
            told = _refused(case, answer.text)
        else:
            sent += 1
            (tmp_path / f"sent{number}").write_bytes(uploads[0])
            told = _converted(case, source, tmp_path / f"sent{number}")
        faults += [f"{case.name}: {fault}" for fault in told]
    assert not faults, "\n".join(faults)
    assert sent > len(every) / PARTS / 3


def _refused(case: Case, text: str) -> Iterator[str]:
    if case.is_mendable:
        yield f"could be converted, and was refused: {text}"
    if "Nothing was sent" not in text or not any(way in text for way in (*WAYS, "allowed: ")):
        yield f"no way forward: {text}"


def _converted(case: Case, source: Path, made: Path) -> Iterator[str]:
    seen = judge(made, case.kind)
    if not case.is_mendable:
        yield f"was sent, and the route does not take it: {seen}"
    if case.kind != "image":
        before = case if case.kind == "video" else judge(source, case.kind)  # sound is a little longer than what was encoded
        if not SECONDS[0] <= round(seen.seconds, 1) <= SECONDS[1]:
            yield f"lasts {seen.seconds} s"
        if abs(seen.seconds - before.seconds) > max(seen.frame_seconds, before.frame_seconds) + 0.001:
            yield f"lasted {before.seconds} s and lasts {seen.seconds} s"
    if case.kind == "video" and not _is_rate_kept(1 / seen.frame_seconds, 1 / case.frame_seconds):
        yield f"had {1 / case.frame_seconds:.4g} frames per second and has {1 / seen.frame_seconds:.4g}"
    if seen.size_px:
        yield from _wrong_size(case, seen.size_px)
        yield from _wrong_picture(case, source, made)


def _is_rate_kept(now: float, before: float) -> bool:
    """Say whether a rate is the one before, its double or its half."""
    return any(abs(now - before * factor) < 0.02 * now for factor in (0.5, 1, 2))


def _wrong_size(case: Case, size_px: tuple[float, float]) -> Iterator[str]:
    width, height = size_px
    scale = math.sqrt(width * height / (case.size_px[0] * case.size_px[1]))
    if any(abs(now - scale * before) > 2 for now, before in zip(size_px, case.size_px, strict=True)):
        yield f"was {case.size_px} px and is {size_px} px"
    is_area_right = case.kind == "image" or PIXELS[0] <= width * height <= PIXELS[1]
    if not (SIDES_PX[0] <= min(size_px) and max(size_px) <= SIDES_PX[1] and is_area_right):
        yield f"has {size_px} px, which the route does not take"


def _wrong_picture(case: Case, source: Path, made: Path) -> Iterator[str]:
    """Compare what is seen; patches on an edge of the drawing may differ, a turned picture differs in a quarter of all."""
    if case.kind == "image" and not case.upright:
        return
    other = source
    if case.upright:
        other = source.with_suffix(".png")
        other.write_bytes(case.upright)
    pairs = [abs(one - two) for one, two in zip(patches(made), patches(other), strict=True)]
    wrong = sum(max(pairs[at : at + 3]) > 24 for at in range(0, len(pairs), 3))
    if wrong > GRID * GRID // 12:
        yield f"{wrong} of {GRID * GRID} patches look different"


def test_the_drawing_differs_however_it_is_turned(tmp_path: Path) -> None:
    seen = set[bytes]()
    for orientation in range(1, 9):
        _upright(marked((480, 480)), orientation).save(tmp_path / "turned.png")
        seen.add(patches(tmp_path / "turned.png"))
    assert len(seen) == 8
