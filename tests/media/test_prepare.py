"""Any file fits: what cannot be sent as it is becomes what the route takes, and nobody sees the difference."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from conftest import Answer, OpenWorld, World, png
from corpus import encoded, wave
from PIL import Image, ImageCms
from reel import BLUE, GREEN, RED, Shot, clip, decode_here, heard, is_near, job, loudness, seen

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.media import long_jobs
from seedance_mcp.media.sizes import Range, Target

pytestmark = pytest.mark.anyio
STD = "seedance2.0-std"


@pytest.fixture(autouse=True)
def converted_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert in this process, but for one test of each kind."""
    if "in_a_child" not in request.node.name:
        monkeypatch.setattr(long_jobs, "decode", decode_here)


@pytest.mark.slow
async def test_a_photo_and_a_film_are_converted_in_a_child(open_world: OpenWorld, tmp_path: Path) -> None:
    told: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with open_world() as world:
        assert (await bring(world, tmp_path, encoded(halves(), "HEIF")))["ready"] is True
        (tmp_path / "film").write_bytes(clip(replace(FILM, size_px=(2560, 1440))))
        arguments = {"source": str(tmp_path / "film"), "model": STD}
        assert (await world.call("upload_asset", arguments, progress_callback=on_progress))["kind"] == "video"
    assert told == sorted(set(told))
    assert len(told) > 20


def halves(size: tuple[int, int] = (600, 400), mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right, a green mark in the upper left corner."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    image.paste(GREEN, (0, 0, size[0] // 6, size[1] // 6))
    return image.convert(mode)


def turned(form: str, orientation: int, size: tuple[int, int] = (600, 400)) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(halves(size), form, exif=exif.tobytes())


async def bring(world: World, folder: Path, content: bytes, model: str = STD, behind: str = "", **more: Any) -> Answer:
    (folder / "file").write_bytes(content)
    arguments = {"source": f"{folder / 'file'}{behind}", "model": model, "wait_seconds": 0, **more}
    return await world.call("upload_asset", arguments)


def sent(world: World) -> bytes:
    (content,) = world.sandbox.uploads.values()
    return content


def shown(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def at(image: Image.Image, x: float, y: float) -> tuple[int, int, int]:
    pixel: Any = image.convert("RGB").getpixel((int(x * image.width), int(y * image.height)))
    return pixel


PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "heic": (lambda: encoded(halves(), "HEIF"), "converted from a HEIC photo to"),
    "avif": (lambda: encoded(halves(), "AVIF", quality=90), "converted from an AVIF picture to"),
    "tiff": (lambda: encoded(halves(), "TIFF"), "converted from a TIFF picture or a camera's raw photo to"),
    "jp2": (lambda: encoded(halves(), "JPEG2000"), "converted from a JPEG 2000 picture to"),
    "cmyk": (lambda: encoded(halves(mode="CMYK"), "JPEG", quality=95), "colours converted from CMYK to sRGB"),
    "cmyk tiff": (lambda: encoded(halves(mode="CMYK"), "TIFF"), "colours converted from CMYK to sRGB"),
    "bmp": (lambda: encoded(halves((6300, 4200)), "BMP"), "scaled from 6300 x 4200 to 6000 x 4000 px"),
    "large": (lambda: encoded(halves((6300, 4200)), "PNG"), "saved anew as PNG"),
    "small": (lambda: encoded(halves((300, 200)), "PNG"), "scaled from 300 x 200 to 450 x 300 px"),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.slow
async def test_a_picture_is_converted_and_looks_the_same(open_world: OpenWorld, tmp_path: Path, name: str) -> None:
    make, words = PICTURES[name]
    async with open_world() as world:
        asset = await bring(world, tmp_path, make())
        image = shown(sent(world))
    assert words in "; ".join(asset["changes"])
    assert image.format in {"JPEG", "PNG"}
    assert image.mode == "RGB"
    assert asset["bytes"] == len(sent(world))
    assert abs(image.width / image.height - 1.5) < 0.01
    most = 40 if "cmyk" in name else 8
    for place, colour in (((0.3, 0.7), RED), ((0.7, 0.7), BLUE), ((0.05, 0.05), GREEN)):
        assert is_near(at(image, *place), colour, most)


@pytest.mark.slow
async def test_a_picture_with_too_many_bytes_is_packed_until_the_provider_takes_it(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    most_bytes, edition = 200_000, load_edition()
    limits = edition.uploads.value._replace(max_bytes=most_bytes)
    small = replace(edition, uploads=replace(edition.uploads, value=limits))
    grain = encoded(Image.effect_noise((640, 480), 40), "PNG")
    assert len(grain) > most_bytes
    async with open_world(edition=small) as world:
        asset = await bring(world, tmp_path, grain)
        assert asset["changes"]
        assert asset["bytes"] == len(sent(world)) <= most_bytes


@pytest.mark.parametrize("orientation", range(2, 9))
async def test_a_photo_is_turned_upright_by_its_exif(open_world: OpenWorld, tmp_path: Path, orientation: int) -> None:
    async with open_world() as world:
        asset = await bring(world, tmp_path, turned("TIFF", orientation))
        image = shown(sent(world))
    assert "turned upright" in asset["changes"]
    assert image.size == ((400, 600) if orientation > 4 else (600, 400))
    marks = {
        2: (0.95, 0.05),
        3: (0.95, 0.95),
        4: (0.05, 0.95),
        5: (0.05, 0.05),
        6: (0.95, 0.05),
        7: (0.95, 0.95),
        8: (0.05, 0.95),
    }
    assert is_near(at(image, *marks[orientation]), GREEN, 8)
    assert "exif" not in image.info


async def test_a_telephones_photo_is_turned_upright_once(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        await bring(world, tmp_path, turned("HEIF", 6), "sd2_mx_720p")
        image = shown(sent(world))
    assert image.size == (400, 600)
    assert is_near(at(image, 0.95, 0.05), GREEN, 8)


@pytest.mark.slow
async def test_what_fits_is_sent_byte_for_byte(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        for content in (
            encoded(halves(), "JPEG"),
            encoded(halves(), "BMP"),
            clip(Shot(size_px=(800, 600), frames=72)),
            wave(3),
        ):
            asset = await bring(world, tmp_path, content)
            assert asset["changes"] == []
            assert content in world.sandbox.uploads.values()


async def test_a_picture_that_fits_is_turned_upright_too(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        asset = await bring(world, tmp_path, turned("JPEG", 6))
        assert shown(sent(world)).size == (400, 600)
    assert "turned upright" in asset["changes"]


async def test_deep_greys_keep_their_brightness(open_world: OpenWorld, tmp_path: Path) -> None:
    deep = Image.new("I;16", (400, 400), 32768)
    async with open_world() as world:
        asset = await bring(world, tmp_path, encoded(deep, "PNG"))
        image = shown(sent(world))
    assert "depth reduced to 8 bits" in asset["changes"]
    assert is_near(at(image, 0.5, 0.5), (128, 128, 128), 2)


@pytest.mark.parametrize(("value", "grey"), [(0.5, 127), (200.0, 200)])
async def test_greys_in_floating_point_keep_their_brightness(
    open_world: OpenWorld, tmp_path: Path, value: float, grey: int
) -> None:
    async with open_world() as world:
        await bring(world, tmp_path, encoded(Image.new("F", (400, 400), value), "TIFF"))
        assert is_near(at(shown(sent(world)), 0.5, 0.5), (grey, grey, grey), 2)


async def test_sixteen_bits_a_channel_become_eight(open_world: OpenWorld, tmp_path: Path) -> None:
    rows = b"".join(b"\0" + b"\x80\0\x20\0\xc0\0" * 400 for _ in range(400))
    async with open_world() as world:
        asset = await bring(world, tmp_path, deep_png(rows))
        assert is_near(at(shown(sent(world)), 0.5, 0.5), (128, 32, 192), 2)
    assert asset["changes"][0] == "saved anew as PNG"


def deep_png(rows: bytes) -> bytes:
    import zlib  # noqa: PLC0415 - only here

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)

    header = (400).to_bytes(4) * 2 + bytes([16, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def test_a_colour_profile_is_applied(open_world: OpenWorld, tmp_path: Path) -> None:
    cms: Any = ImageCms
    profile = cms.ImageCmsProfile(cms.createProfile("LAB")).tobytes()
    srgb = cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes()
    async with open_world() as world:
        for each in (profile, srgb, b"no profile"):
            asset = await bring(world, tmp_path, encoded(halves(), "TIFF", icc_profile=each))
            assert asset["ready"] is True
    for content in world.sandbox.uploads.values():
        assert is_near(at(shown(content), 0.7, 0.7), BLUE, 8)


async def test_transparency_is_kept_in_a_png(open_world: OpenWorld, tmp_path: Path) -> None:
    clear = halves(mode="RGBA")
    clear.putalpha(Image.effect_noise(clear.size, 90))
    async with open_world() as world:
        await bring(world, tmp_path, encoded(clear, "TIFF"))
        image = shown(sent(world))
    assert (image.format, image.mode) == ("PNG", "RGBA")


async def test_the_first_of_many_pages_is_used(open_world: OpenWorld, tmp_path: Path) -> None:
    pages = encoded(halves(), "TIFF", save_all=True, append_images=[Image.new("RGB", (400, 400))] * 2)
    async with open_world() as world:
        asset = await bring(world, tmp_path, pages)
    assert "the first of 3 pictures is used" in asset["changes"]


async def test_a_camera_raw_photo_is_no_picture_of_its_thumbnail(open_world: OpenWorld, tmp_path: Path) -> None:
    raw = encoded(halves(), "TIFF", tiffinfo={254: 1})
    async with open_world() as world:
        refused = await bring(world, tmp_path, raw)
        assert world.sandbox.requests == []
    assert refused.error["code"] == "file_rejected"
    assert "develop it and save it as JPEG or PNG. Nothing was sent." in refused.text


@pytest.mark.parametrize(("behind", "size", "corner"), [("", (1000, 400), (0, 0, 0)), ("#crop", (750, 300), RED)])
async def test_another_aspect_is_made_only_where_that_was_asked_for(
    open_world: OpenWorld, tmp_path: Path, behind: str, size: tuple[int, int], corner: tuple[int, int, int]
) -> None:
    wide = encoded(Image.new("RGB", (1000, 300), RED), "PNG")
    async with open_world() as world:
        refused = await bring(world, tmp_path, wide)
        assert "width / height 3.33; allowed: 0.4 to 2.5. Call again with fit: trim" in refused.text
        asset = await bring(world, tmp_path, wide, behind=behind, fit="trim")
        image = shown(sent(world))
    assert image.size == size
    assert is_near(at(image, 0.5, 0.02), corner)
    assert is_near(at(image, 0.5, 0.5), RED)
    assert ("edges cut off" if behind else "black bars added") in "; ".join(asset["changes"])


async def test_a_part_is_taken_only_with_trim(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        refused = await bring(world, tmp_path, encoded(halves(), "PNG"), behind="#t=1")
    assert refused.error["allowed"] == "trim"


@pytest.mark.slow
async def test_noise_is_packed_until_it_is_small(open_world: OpenWorld, tmp_path: Path) -> None:
    noise = Image.effect_noise((5900, 5900), 250).convert("RGB")
    async with open_world() as world:
        asset = await bring(world, tmp_path, encoded(noise, "TIFF"))
    assert asset["bytes"] <= 30 << 20


FILM = Shot(RED, (1280, 720), frames=72, tags=1)


@pytest.mark.slow
async def test_a_film_that_is_too_large_becomes_smaller(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        asset = await bring(world, tmp_path, clip(replace(FILM, size_px=(2560, 1440))))
        film = seen(sent(world))
    assert film.size_px[0] * film.size_px[1] <= 2_086_876
    assert abs(film.size_px[0] / film.size_px[1] - 16 / 9) < 0.01
    assert (film.codec, film.tags, film.is_faststart) == ("h264", (1, 1, 1, 1), True)
    assert (len(film.times), film.seconds) == (72, pytest.approx(3.0, abs=0.01))
    assert is_near(film.colours[9], RED)
    assert 3 * 48_000 <= len(film.sound) < 3 * 48_000 + 1024
    assert "size changed from 2560 x 1440" in "; ".join(asset["changes"])


@pytest.mark.parametrize(
    ("form", "codec"), [("mpegts", "libx264"), ("mpeg", "mpeg2video"), ("3gp", "mpeg4"), ("asf", "msmpeg4")]
)
@pytest.mark.slow
async def test_films_of_other_formats_are_converted(open_world: OpenWorld, tmp_path: Path, form: str, codec: str) -> None:
    tone = None if form in {"mpeg", "asf"} else 440.0
    shot = replace(FILM, form=form, codec=codec, tags=None, tone_hertz=tone, size_px=(1280, 704))
    async with open_world() as world:
        asset = await bring(world, tmp_path, clip(shot))
        film = seen(sent(world))
    assert "to an MP4 video (H.264" in asset["changes"][0]
    assert (film.codec, film.size_px) == ("h264", (1280, 704))
    assert abs(len(film.times) - 72) <= 1
    assert is_near(film.colours[30], RED, 12)


@pytest.mark.parametrize("angle", [90, 180, -90])
@pytest.mark.slow
async def test_a_film_is_turned_upright_by_its_matrix(open_world: OpenWorld, tmp_path: Path, angle: int) -> None:
    shot = replace(FILM, size_px=(2560, 1440), turned=angle, tone_hertz=None, frames=60)
    async with open_world() as world:
        asset = await bring(world, tmp_path, clip(shot))
        film = seen(sent(world))
    assert "turned upright" in asset["changes"]
    assert (film.size_px[0] < film.size_px[1]) is (angle != 180)


@pytest.mark.parametrize(
    ("rate", "gets"), [(Fraction(12), 24), (Fraction(120), 60), (Fraction(30000, 1001), 29.97), (Fraction(41), 41)]
)
@pytest.mark.slow
async def test_a_film_gets_a_usual_frame_rate(open_world: OpenWorld, tmp_path: Path, rate: Fraction, gets: float) -> None:
    shot = Shot(RED, (320, 320), rate, frames=round(3 * rate), tone_hertz=None, form="mpegts" if rate != 12 else "mp4")
    shot = replace(shot, size_px=(704, 704) if rate != 12 else (600, 600))
    async with open_world() as world:
        await bring(world, tmp_path, clip(shot))
        film = seen(sent(world))
    assert (len(film.times) - 1) / (film.times[-1] - film.times[0]) == pytest.approx(gets, abs=0.01)
    assert film.times[-1] == pytest.approx(3.0, abs=2 / gets)


@pytest.mark.slow
async def test_a_long_film_is_cut_only_where_that_was_asked_for(open_world: OpenWorld, tmp_path: Path) -> None:
    long = clip(Shot(size_px=(800, 600), frames=480, counts=False))
    async with open_world() as world:
        refused = await bring(world, tmp_path, long)
        assert "20.0 s; allowed: up to 15 s. Call again with fit: trim, which cuts it" in refused.text
        assert world.sandbox.requests == []
        asset = await bring(world, tmp_path, long, fit="trim")
        film = seen(sent(world))
    assert "cut to 15 s from second 0 of 20.0 s" in asset["changes"]
    assert len(film.times) == 360
    assert 15 * 48_000 <= len(film.sound) < 15 * 48_000 + 1024


@pytest.mark.slow
async def test_a_film_is_cut_from_a_given_second(open_world: OpenWorld, tmp_path: Path) -> None:
    counting = clip(Shot(size_px=(800, 600), frames=96, counts=True))
    async with open_world() as world:
        await bring(world, tmp_path, counting, behind="#t=1.5", fit="trim")
        film = seen(sent(world))
        late = await bring(world, tmp_path, counting, behind="#t=9", fit="trim")
        short = await bring(world, tmp_path, counting, behind="#t=3", fit="trim")
    assert film.colours[0][0] == pytest.approx(60 + 2 * 36, abs=3)
    assert len(film.times) == 60
    assert "ends after 4.0 s, before second 9" in late.text
    assert "has only 1.0 s from there; allowed: at least 2 s" in short.text


@pytest.mark.slow
async def test_a_refusal_names_all_that_cannot_be_converted(open_world: OpenWorld, tmp_path: Path) -> None:
    long, short = Shot(size_px=(600, 160), frames=480), Shot(size_px=(64, 64), frames=24)
    async with open_world() as world:
        film = await bring(world, tmp_path, clip(long))
        small = await bring(world, tmp_path, clip(short))
        still_picture = await bring(world, tmp_path, encoded(Image.new("RGB", (120, 30), RED), "PNG"))
        assert world.sandbox.requests == []
    for words in ("20.0 s; allowed: up to 15 s", "It also has 600 x 160 px, width / height 3.75; allowed: 0.4 to 2.5"):
        assert words in film.text
    assert (
        "has only 1.0 s; allowed: at least 2 s. It also has only 64 x 64 px, too few to be enlarged: bring one of at least"
        in small.text
    )
    assert "width / height 4.00; allowed: 0.4 to 2.5" in still_picture.text
    assert "It also has only 120 x 48 px, too few to be enlarged" in still_picture.text


@pytest.mark.slow
async def test_a_narrow_film_gets_bars_or_loses_edges(open_world: OpenWorld, tmp_path: Path) -> None:
    narrow = clip(Shot(RED, (400, 1200), frames=60, tone_hertz=None, tags=6))
    async with open_world() as world:
        refused = await bring(world, tmp_path, narrow)
        assert "fit: trim" in refused.text
        padded = await bring(world, tmp_path, narrow, fit="trim")
        cropped = await bring(world, tmp_path, narrow, fit="trim", behind="#crop")
        films = [seen(each) for each in world.sandbox.uploads.values()]
    assert "black bars added" in padded["changes"]
    assert "edges cut off" in cropped["changes"]
    assert [round(each.size_px[0] / each.size_px[1], 2) for each in films] == [0.4, 0.4]
    assert all(is_near(each.colours[3], RED, 9) for each in films)


@pytest.mark.slow
async def test_hdr_is_told(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        asset = await bring(world, tmp_path, clip(replace(FILM, size_px=(2560, 1440), tags=9, transfer=18, frames=60)))
        film = seen(sent(world))
    assert any("HDR (HLG)" in each for each in asset["changes"])
    assert film.tags == (1, 1, 1, 1)


@pytest.mark.slow
async def test_pixels_that_are_no_squares_become_squares(open_world: OpenWorld, tmp_path: Path) -> None:
    shot = replace(FILM, size_px=(720, 576), pixel_aspect=Fraction(64, 45), form="mpegts", tags=None)
    async with open_world() as world:
        await bring(world, tmp_path, clip(shot))
        assert seen(sent(world)).size_px == (1024, 576)


@pytest.mark.slow
async def test_a_film_of_too_many_bytes_is_packed_until_it_is_small(open_world: OpenWorld, tmp_path: Path) -> None:
    noisy = noise_film(24)
    target = {"bytes": {"low": 1, "high": 120_000}}
    done = job(
        "moving", noisy, format="mp4", kind="video", title="an MP4 video", target=target, output=str(tmp_path / "out"), shape="",
        start_seconds=0.0, may_cut=False, known_seconds=1.0,
    )  # fmt: skip
    assert done["ending"] == "mp4"
    assert len((tmp_path / "out.mp4").read_bytes()) < 400_000


def noise_film(frames: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip"
        opened: Any = av.open(str(path), "w", format="mp4")
        with opened as container:
            video = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
            video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
            images: Any = av.VideoFrame
            for _ in range(frames):
                container.mux(video.encode(images.from_image(Image.effect_noise((640, 480), 250).convert("RGB"))))
            container.mux(video.encode())
        return path.read_bytes()


def sound_of(seconds: float, form: str, codec: str, rate: int = 44_100) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        opened: Any = av.open(str(path), "w", format=form)
        with opened as container:
            stream = container.add_stream(codec, rate=rate, layout="mono")
            for start in range(0, round(seconds * rate), 1000):
                frame: Any = av.AudioFrame(format="s16", layout="mono", samples=1000)
                frame.planes[0].update((b"\0\x10\0\xf0" * 500).ljust(frame.planes[0].buffer_size, b"\0"))
                frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path.read_bytes()


@pytest.mark.parametrize(
    ("form", "codec", "rate"), [("aiff", "pcm_s16be", 44_100), ("au", "pcm_s16be", 11_025), ("mp2", "mp2", 44_100)]
)
async def test_sounds_of_other_formats_become_wave_files(
    open_world: OpenWorld, tmp_path: Path, form: str, codec: str, rate: int
) -> None:
    async with open_world() as world:
        asset = await bring(world, tmp_path, sound_of(3, form, codec, rate), kind="audio")
        content = sent(world)
    assert asset["changes"][0].endswith("to WAV")
    assert content[:4] == b"RIFF"
    assert loudness(heard(content), 1, 2) > 100 or form == "mp2"


@pytest.mark.slow
async def test_a_long_sound_is_cut_to_the_sample(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        refused = await bring(world, tmp_path, sound_of(20, "mp3", "libmp3lame"))
        assert "fit: trim" in refused.text
        asset = await bring(world, tmp_path, sound_of(20, "mp3", "libmp3lame"), fit="trim", behind="#t=2")
        content = sent(world)
    assert len(heard(content)) == 15 * 44_100
    assert asset["changes"][1] == "cut to 15 s from second 2 of 20.0 s" or "of 20.1 s" in asset["changes"][1]


async def test_a_sound_too_large_for_a_wave_becomes_an_mp3(tmp_path: Path) -> None:
    target = {"bytes": {"low": 1, "high": 100_000}}
    done = job(
        "moving", wave(12), format="wav", kind="audio", title="a WAV file", target=target, output=str(tmp_path / "out"), shape="",
        start_seconds=0.0, may_cut=False, known_seconds=12.0,
    )  # fmt: skip
    assert done["ending"] == "mp3"
    silent = job(
        "moving", clip(Shot(tone_hertz=None)), format="mp4", kind="audio", title="", target=target, output="", shape="",
        start_seconds=0.0, may_cut=False, known_seconds=12.0,
    )  # fmt: skip
    assert silent["reason"] == "holds no sound that can be decoded"


async def test_bytes_made_twice_are_sent_once(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        first = await bring(world, tmp_path, encoded(halves(), "HEIF"))
        again = await bring(world, tmp_path, encoded(halves(), "HEIF"))
        assert first["reference"] == again["reference"]
        assert hashlib.sha256(sent(world)).digest()


def still(content: bytes, tmp_path: Path, name: str = "png", **ranges: tuple[float, float]) -> dict[str, Any]:
    target = {measure: {"low": low, "high": high} for measure, (low, high) in ranges.items()}
    return job("still", content, format=name, title="a picture", target=target, shape="pad", output=str(tmp_path / "out"))


def test_a_clear_picture_of_too_many_bytes_becomes_a_jpeg_on_white(tmp_path: Path) -> None:
    noise = Image.effect_noise((400, 400), 250).convert("RGBA")
    noise.putalpha(Image.new("L", noise.size, 10))
    done = still(encoded(noise, "PNG"), tmp_path, bytes=(1, 9000))
    assert done["ending"] == "jpg"
    assert "transparent parts made white" in done["changes"]
    assert "to save bytes" in done["changes"][-1]
    content = (tmp_path / "out.jpg").read_bytes()
    assert len(content) <= 9000
    assert min(at(shown(content), 0.5, 0.5)) > 200


def test_a_drawing_of_too_many_bytes_for_a_png_becomes_a_jpeg(tmp_path: Path) -> None:
    dots = Image.effect_noise((300, 300), 250).convert("1").convert("RGB")
    assert still(encoded(dots, "PNG"), tmp_path, bytes=(1, 200_000))["ending"] == "png"
    assert still(encoded(dots, "PNG"), tmp_path, bytes=(1, 9000))["ending"] == "jpg"


def test_a_picture_of_many_colours_becomes_a_jpeg(tmp_path: Path) -> None:
    bands = [Image.effect_noise((300, 300), 250) for _ in "RGB"]
    assert still(encoded(Image.merge("RGB", bands), "PNG"), tmp_path, bytes=(1, 1 << 20))["ending"] == "jpg"


def test_a_picture_of_too_few_or_too_many_pixels_is_refused(tmp_path: Path) -> None:
    refused = still(encoded(halves((60, 40)), "PNG"), tmp_path, sides_px=(300, 6000))["reason"]
    assert "too few to be enlarged: bring one of at least 225 x 150 px" in refused
    still(encoded(halves((225, 150)), "PNG"), tmp_path, sides_px=(300, 6000))
    with Image.open(tmp_path / "out.png") as enlarged:
        assert enlarged.size == (450, 300)
    assert "too many to be decoded" in still(png(20_000, 16_000), tmp_path)["reason"]


@pytest.mark.parametrize("size", [(1003, 401), (401, 1003)])
def test_rounding_keeps_an_aspect_at_the_edge_allowed(tmp_path: Path, size: tuple[int, int]) -> None:
    still(encoded(Image.new("RGB", size), "PNG"), tmp_path, sides_px=(300, 751), aspect=(0.4, 2.5))
    width, height = shown((tmp_path / "out.png").read_bytes()).size
    assert 0.4 <= width / height <= 2.5


def test_rounding_to_even_sides_keeps_an_aspect_at_the_edge_allowed() -> None:
    target = Target(sides_px=Range(300, 6000), aspect=Range(0.4, 2.5))
    assert target.size_for(1000, 401, step=2) == (1000, 400)
    assert target.size_for(1002, 401, step=2) == (1000, 400)
    assert target.size_for(401, 1002, step=2) == (400, 1000)


async def test_hdr_of_a_photo_is_told(tmp_path: Path) -> None:
    content = encoded(halves(), "HEIF", color_primaries=9, transfer_characteristics=16, matrix_coefficients=9)
    assert any("HDR" in each for each in still(content, tmp_path, "heic")["changes"])


async def test_what_cannot_be_converted_is_refused_as_what_it_is(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        refused = await bring(world, tmp_path, b"MThd\0\0\0\x06" + bytes(40))
        assert world.sandbox.requests == []
    assert "The file is a MIDI file" in refused.text
