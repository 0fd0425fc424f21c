"""Films that begin late, or cannot be wound back, keep their length, their rate and their sound."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import Answer, OpenWorld, World
from corpus import Clip, film, without_index
from reel import Seen, Shot, clip, decode_here, loudness, seen

from seedance_mcp.media import long_jobs

pytestmark = pytest.mark.anyio
BASE = Clip(frames=60, rate=25, sound_seconds=2.4, size_px=(320, 320))


@pytest.fixture(autouse=True)
def converted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_jobs, "decode", decode_here)


async def bring(world: World, folder: Path, content: bytes, behind: str = "", **more: Any) -> Answer:
    (folder / "file").write_bytes(content)
    source = f"{folder / 'file'}{behind}"
    return await world.call("upload_asset", {"source": source, "model": "seedance2.0-std", "wait_seconds": 0, **more})


def sent(world: World) -> Seen:
    (content,) = world.sandbox.uploads.values()
    return seen(content)


@pytest.mark.parametrize(
    ("form", "codec"),
    [("mp4", "libx264"), ("matroska", "libx264"), ("avi", "mpeg4"), ("mpegts", "mpeg2video"), ("mpegts", "libx264")],
)
@pytest.mark.slow
async def test_a_film_is_cut_late_at_the_right_place(open_world: OpenWorld, tmp_path: Path, form: str, codec: str) -> None:
    rate = Fraction(25 if codec == "mpeg2video" else 7)
    frames = round(13 * rate)
    shot = Shot(size_px=(640, 640), rate=rate, frames=frames, form=form, codec=codec, flash_seconds=12, hertz=44_100)
    async with open_world() as world:
        asset = await bring(world, tmp_path, clip(shot), "#t=11", fit="trim")
        made = sent(world)
    assert any("from second 11 of 13" in each for each in asset["changes"]), asset["changes"]
    assert made.times[-1] == pytest.approx(2.0, abs=0.08)
    red = next(at for at, colour in zip(made.times, made.colours, strict=True) if colour[0] > 100)
    assert red == pytest.approx(1.0, abs=0.02 + 1 / 28)
    assert loudness(made.sound, 0.1, 0.9, made.hertz) < 100 < loudness(made.sound, 1.1, 1.8, made.hertz)


@pytest.mark.slow
async def test_a_film_without_an_index_is_cut_late(open_world: OpenWorld, tmp_path: Path) -> None:
    whole = Clip("flv", "flv", frames=13 * 25, rate=25, sound_seconds=13, size_px=(640, 640))
    async with open_world() as world:
        await bring(world, tmp_path, film(replace(whole, options=(("max_interleave_delta", "0"),))), "#t=11", fit="trim")
        made = sent(world)
    assert made.seconds == pytest.approx(2.0, abs=0.05)
    assert len(made.sound) / made.hertz == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
@pytest.mark.slow
async def test_an_avi_without_an_index_is_cut_late_and_converted_whole(
    open_world: OpenWorld, tmp_path: Path, codec: str
) -> None:
    whole = Clip("avi", codec, "mp3", frames=13 * 25, rate=25, sound_seconds=13, size_px=(640, 640))
    async with open_world() as world:
        await bring(world, tmp_path, without_index(film(whole)), "#t=11", fit="trim")
        cut = sent(world)
    async with open_world(data_dir=tmp_path / "other") as world:
        await bring(world, tmp_path, without_index(film(whole)))
        made = sent(world)
    for film_, seconds in ((cut, 2), (made, 13)):
        assert film_.seconds == pytest.approx(seconds, abs=0.05)
        assert len(film_.sound) / film_.hertz == pytest.approx(seconds, abs=0.06)
        assert len(film_.times) == pytest.approx(25 * seconds, abs=1)


@pytest.mark.parametrize(
    ("name", "source", "seconds"),
    [
        ("late pictures", replace(BASE, start=50), 2.4),
        ("late pictures in matroska", replace(BASE, container="matroska", start=50), 2.4),
        ("late pictures in flv", replace(BASE, container="flv", start=50), 2.4),
        ("late pictures without an edit list", replace(BASE, options=(("use_editlist", "0"),), start=25), 3.42),
        ("late sound", replace(BASE, sound_start_seconds=1.0, sound_seconds=1.4), 2.4),
        ("early pictures", replace(BASE, start=-5), 2.2),
        ("flv without an index", replace(BASE, container="flv", video="flv"), 2.4),
        ("fragments", replace(BASE, options=(("movflags", "frag_every_frame+empty_moov"),)), 2.42),
        ("late fragments", replace(BASE, options=(("movflags", "frag_every_frame+empty_moov"),), start=25), 3.42),
    ],
)
@pytest.mark.slow
async def test_a_film_keeps_its_length_and_its_rate(
    open_world: OpenWorld, tmp_path: Path, name: str, source: Clip, seconds: float
) -> None:
    async with open_world() as world:
        await bring(world, tmp_path, film(source))
        made = sent(world)
    step = (made.times[-1] - made.times[0]) / (len(made.times) - 1)
    assert step == pytest.approx(1 / (25 if source.frames > 1 else 30), rel=0.01)
    assert made.times[-1] - made.times[0] + step == pytest.approx(seconds, abs=0.041)
    assert made.seconds == pytest.approx(seconds, abs=0.041)
    if source.audio:
        assert len(made.sound) / made.hertz == pytest.approx(seconds, abs=0.05)


@pytest.mark.slow
async def test_a_film_of_one_frame_shows_it_as_long_as_before(open_world: OpenWorld, tmp_path: Path) -> None:
    one = Shot(size_px=(320, 320), rate=Fraction(1, 3), frames=1, tone_hertz=None)
    async with open_world() as world:
        await bring(world, tmp_path, clip(one))
        made = sent(world)
    assert made.seconds == pytest.approx(3.0, abs=0.05)
