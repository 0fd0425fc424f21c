"""Small files of every format, brand and track layout, made on the spot, each with what is true of it."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import av
import pillow_heif
from PIL import Image

HERTZ = 48000
CODECS = {
    "libx264": "h264",
    "libx265": "hevc",
    "libsvtav1": "av1",
    "libvpx-vp9": "vp9",
    "libvpx": "vp8",
    "prores_ks": "prores",
    "libopus": "opus",
    "libmp3lame": "mp3",
    "flv": "flv1",
}
"""The library's name of an encoder → the codec, where they differ."""


def codec(encoder: str) -> str:
    return CODECS.get(encoder, encoder)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """One picture in a format as the library names it."""
    written = io.BytesIO()
    if form == "HEIF":
        heifs: Any = pillow_heif
        heifs.from_pillow(image).save(written, quality=90, **options)
    else:
        image.save(written, form, **options)
    return written.getvalue()


Lazy = bytes | Callable[[], bytes]
"""Bytes of a table, or how they are made: what costs time is made when a test asks, and not when tests are collected."""


def bytes_of(content: Lazy) -> bytes:
    return content if isinstance(content, bytes) else content()


@dataclass(frozen=True)
class Sample:
    """One file and the truth of it."""

    name: str
    content: bytes
    form: str | None
    """A key of `FORMATS`, or `None` for what is no media."""
    seconds: float | None = None
    size_px: tuple[int, int] | None = None
    frames_per_second: float | None = None
    codec: str | None = None
    is_damaged: bool = False
    is_for_libraries: bool = False
    """Whether our own reader cannot know its size."""


@dataclass(frozen=True)
class Clip:
    """What a film is made of."""

    container: str = "mp4"
    video: str | None = "libx264"
    audio: str | None = "aac"
    frames: int = 24
    rate: int = 24
    sound_seconds: float = 1.0
    size_px: tuple[int, int] = (160, 90)
    pixel_aspect: tuple[int, int] = (1, 1)
    turned: int = 0
    options: tuple[tuple[str, str], ...] = ()
    title: str = ""
    start: int = 0
    """The frame's number of the first picture: others of its kind are late, or early."""
    sound_start_seconds: float = 0.0
    space: str = ""
    is_noise: bool = False
    is_sparse: bool = False
    """Whether there is a first and a last frame, and nothing between."""
    is_marked: bool = False
    """Whether its corners differ, so that it can be seen how it is turned."""


@cache
def film(clip: Clip) -> bytes:
    """Encode a clip; one drawn in a colour space does not name it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        opened: Any = av.open(str(path), "w", format=clip.container, options=dict(clip.options))
        with opened as container:
            container.metadata["title"] = clip.title
            video = _video(container, clip) if clip.video else None
            audio: Any = (
                container.add_stream(clip.audio, rate=8000 if "amr" in (clip.audio or "") else HERTZ, layout="mono")
                if clip.audio
                else None
            )
            if video:
                _draw(container, video, clip)
            if audio:
                _sing(container, audio, clip)
        return path.read_bytes()


def _video(container: Any, clip: Clip) -> Any:
    quick = {
        "libx264": {"preset": "ultrafast"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
        "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime"},
        "libsvtav1": {"preset": "13"},
    }
    stream = container.add_stream(clip.video, rate=clip.rate, options=quick.get(clip.video or "", {}))
    stream.width, stream.height = clip.size_px
    stream.pix_fmt = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le", "png": "rgb24"}.get(clip.video or "", "yuv420p")
    stream.codec_context.sample_aspect_ratio = Fraction(*clip.pixel_aspect)
    if clip.turned:
        stream.set_display_rotation(clip.turned)
    return stream


def marked(size_px: tuple[int, int]) -> Image.Image:
    """Draw a picture that looks different however it is turned or mirrored."""
    width, height = size_px
    image = Image.new("RGB", size_px, (200, 50, 50))
    image.paste((40, 60, 190), (width // 2, 0, width, height))
    image.paste((40, 160, 60), (0, 0, width // 4, height // 4))
    return image


def _draw(container: Any, stream: Any, clip: Clip) -> None:
    images = cast("Any", av.VideoFrame)
    frame = images.from_image(
        Image.effect_noise(clip.size_px, 200).convert("RGB")
        if clip.is_noise
        else marked(clip.size_px)
        if clip.is_marked
        else Image.new("RGB", clip.size_px, (200, 50, 50))
    )
    if clip.space:  # drawn in it, and never named
        frame = frame.reformat(format="yuv420p", dst_colorspace=clip.space)
        frame.colorspace = 2
    for number in (0, clip.frames - 1) if clip.is_sparse else range(clip.frames):
        frame.pts, frame.time_base, frame.duration = clip.start + number, Fraction(1, clip.rate), 1
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _sing(container: Any, stream: Any, clip: Clip) -> None:
    for start in range(0, int(clip.sound_seconds * stream.rate), 960):
        samples = min(960, int(clip.sound_seconds * stream.rate) - start)
        frame: Any = av.AudioFrame(format="s16", layout="mono", samples=samples)
        frame.sample_rate, frame.time_base = stream.rate, Fraction(1, stream.rate)
        frame.pts = start + round(clip.sound_start_seconds * stream.rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def box(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return (len(content) + 8 if size is None else size).to_bytes(4) + name + content


def branded(content: bytes, brand: bytes, others: bytes = b"isom") -> bytes:
    """Put another `ftyp` of the same length in front; chunk offsets stay right."""
    size = int.from_bytes(content[:4])
    more = (others * 9)[: size - 16]
    return box(b"ftyp", brand + b"\0\0\2\0" + more) + content[size:]


def picture(form: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    """Encode a still picture."""
    written = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(written, form, **options)
    return written.getvalue()


def turned_picture(form: str, orientation: int, size: tuple[int, int] = (64, 48)) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(form, size, exif=exif.tobytes())


def heif(brand: bytes) -> bytes:
    """Encode a photo as a telephone does, under a major brand."""
    written = io.BytesIO()
    heifs: Any = pillow_heif
    heifs.from_pillow(Image.new("RGB", (64, 48))).save(written, quality=10)
    return branded(written.getvalue(), brand, b"mif1heicmiaf"[:4])


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2) + content


def wave(
    seconds: float, encoding: int = 1, *, name: bytes = b"RIFF", block: int = 2, per_block: int = 0, rate: int = 8000
) -> bytes:
    """Write a WAV by hand: whole numbers, or blocks of compressed sound."""
    blocks = round(seconds * rate / per_block) if per_block else round(seconds * rate)
    per_second = rate * block // per_block if per_block else rate * block
    form = struct.pack("<HHIIHH", encoding, 1, rate, per_second * (2 if per_block else 1), block, 4 if per_block else 16)
    form += struct.pack("<HH", 2, per_block) if per_block else b""
    data = bytes(blocks * block)
    long = b"ds64" + struct.pack("<I", 28) + struct.pack("<QQQI", 0, len(data), blocks, 0) if name != b"RIFF" else b""
    size = 0xFFFFFFFF if long else len(data)
    body = b"WAVE" + long + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    return name + struct.pack("<I", 0xFFFFFFFF if long else len(body)) + body


def tag(content: bytes, size: int = 200) -> bytes:
    """Put an ID3 tag in front."""
    return b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size) + content


def apple_png() -> bytes:
    """A PNG as Xcode packs it into applications: a chunk of its own stands first."""
    png = picture("PNG")
    return png[:8] + b"\0\0\0\x04CgBI\x50\0\x20\x02\x2b\xd5\xb3\x7f" + png[8:]


def os2_bmp() -> bytes:
    pixels = bytes(64 * 48 * 3)
    return b"BM" + struct.pack("<IHHI", 26 + len(pixels), 0, 0, 26) + struct.pack("<IHHHH", 12, 64, 48, 1, 24) + pixels


def edited(header: bytes, name: bytes, at: int, form: str, value: int) -> bytes:
    """Change a number in the first box of a name."""
    place = header.index(name) + 4 + at
    return header[:place] + struct.pack(form, value) + header[place + struct.calcsize(form) :]


def without_index(avi: bytes) -> bytes:
    """Take the index out of an AVI, as a recorder leaves it that was switched off: only its header and its chunks remain."""
    kept, at = b"", 12
    while at < len(avi):
        size = 8 + int.from_bytes(avi[at + 4 : at + 8], "little")
        size += size % 2
        kept += b"" if avi[at : at + 4] == b"idx1" else avi[at : at + size]
        at += size
    assert len(kept) + 12 < len(avi)
    flags = int.from_bytes(avi[avi.index(b"avih") + 20 :][:4], "little")
    return edited(b"RIFF" + struct.pack("<I", len(kept) + 4) + b"AVI " + kept, b"avih", 16, "<I", flags & ~0x10)


VIDEO_BRANDS = b"isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 mp41 mp42 avc1 dash cmfc cmf2 MSNV NDSC NDXC XAVC F4V  f4v  mmp9 msdh hvc1 av01 dby1 MFSM CAEP niko pana Leic".split(
    b" "
)
OTHERS = {
    b"M4V ": "m4v",
    b"M4VH": "m4v",
    b"M4VP": "m4v",
    b"qt  ": "mov",
    b"3gp4": "3gp",
    b"3gp5": "3gp",
    b"3gp6": "3gp",
    b"3gg6": "3gp",
    b"3g2a": "3gp",
    b"3g2b": "3gp",
    b"3gs7": "3gp",
    b"kddi": "3gp",
}
SOUND_BRANDS = {
    b"M4A ": "m4a",
    b"M4B ": "m4a",
    b"isom": "m4a",
    b"mp42": "m4a",
    b"mp41": "m4a",
    b"dash": "m4a",
    b"iso5": "m4a",
    b"M4V ": "m4a",
    b"F4A ": "m4a",
    b"F4B ": "m4a",
    b"qt  ": "qta",
    b"3gp5": "3ga",
    b"3g2a": "3ga",
}
HEIF_BRANDS = {
    b"heic": "heic",
    b"heix": "heic",
    b"heim": "heic",
    b"heis": "heic",
    b"hevc": "heic",
    b"hevx": "heic",
    b"hevm": "heic",
    b"hevs": "heic",
    b"avif": "avif",
    b"avis": "avif",
    b"msf1": "heif",
    b"mif1": "heif",
    b"crx ": "cr3",
}
BASE = Clip()
SOUND = Clip(video=None)
FACTS: dict[str, Any] = {"seconds": 1.0, "size_px": (160, 90), "frames_per_second": 24.0}
"""What is true of it."""


def brands() -> Iterator[Sample]:
    plain, sound = film(BASE), film(SOUND)
    facts = dict(FACTS)
    for brand in VIDEO_BRANDS:
        yield Sample(f"brand {brand!r}", branded(plain, brand.ljust(4)), "mp4", **facts)
    for brand, form in OTHERS.items():
        yield Sample(f"brand {brand!r}", branded(plain, brand), form, **(facts if form in {"m4v", "mov"} else {}))
    for brand, form in SOUND_BRANDS.items():
        yield Sample(f"sound brand {brand!r}", branded(sound, brand), form, 1.0 if form == "m4a" else None)
    for brand, form in HEIF_BRANDS.items():
        yield Sample(f"photo brand {brand!r}", heif(brand), form)
    yield Sample("mif1 of a telephone", branded(heif(b"heic"), b"mif1", b"heic"), "heic")
    yield Sample("avif", picture("AVIF"), "avif")
    yield Sample("picture among mp4 brands", branded(plain, b"mp42", b"M4A "), "mp4", **facts)


def codecs() -> Iterator[Sample]:
    facts = dict(FACTS)
    for video in ("libx264", "libx265", "mpeg4", "libsvtav1", "libvpx-vp9", "mjpeg"):
        yield Sample(f"mp4 {video}", film(replace(BASE, video=video)), "mp4", codec=codec(video), **facts)
        yield Sample(f"mp4 {video} mute", film(replace(BASE, video=video, audio=None)), "mp4", codec=codec(video), **facts)
    for video in ("libx264", "mpeg4", "mjpeg", "prores_ks", "png"):
        content = film(replace(BASE, container="mov", video=video, audio="pcm_s16le"))
        yield Sample(f"mov {video}", content, "mov", codec=codec(video), **facts)
    for audio in ("aac", "mp3", "ac3", "libopus", "flac", "alac"):
        yield Sample(f"mp4 with {audio}", film(replace(BASE, audio=audio)), "mp4", **facts)
        yield Sample(f"sound {audio}", film(replace(SOUND, audio=audio)), "m4a", 1.0, codec=codec(audio))
    yield Sample("mov of sound", film(replace(SOUND, container="mov", audio="pcm_s16le")), "qta")


def shapes() -> Iterator[Sample]:
    for quarter in (90, 180, 270):
        shown = (90, 160) if quarter % 180 else (160, 90)
        for container in ("mp4", "mov"):
            yield Sample(
                f"{container} turned {quarter}",
                film(replace(BASE, container=container, turned=quarter)),
                container,
                1.0,
                shown,
                24.0,
            )
    for aspect, width in (((4, 3), 213), ((16, 11), 233), ((8, 9), 142), ((2, 1), 320)):
        for container, form in (("mp4", "mp4"), ("mov", "mov"), ("matroska", "mkv")):
            yield Sample(
                f"{container} with pixels {aspect}",
                film(replace(BASE, container=container, pixel_aspect=aspect)),
                form,
                1.0,
                (width, 90),
                24.0,
                is_for_libraries=True,
            )


def lengths() -> Iterator[Sample]:
    facts = dict(FACTS)
    for flags in (
        "frag_keyframe+empty_moov",
        "frag_keyframe+empty_moov+default_base_moof",
        "frag_keyframe+empty_moov+delay_moov",
        "frag_every_frame+empty_moov",
        "frag_keyframe",
        "faststart",
        "dash+frag_keyframe+empty_moov",
    ):
        for audio in ("aac", None):
            yield Sample(
                f"movflags {flags} {audio}", film(replace(BASE, audio=audio, options=(("movflags", flags),))), "mp4", **facts
            )
    for rate, frames in ((15, 30), (25, 25), (30, 45), (60, 90)):
        for container, form in (("mp4", "mp4"), ("matroska", "mkv"), ("mov", "mov")):
            yield Sample(
                f"{container} at {rate}",
                film(replace(BASE, container=container, rate=rate, frames=frames)),
                form,
                frames / rate,
                (160, 90),
                float(rate),
            )
    yield Sample("sound longer than pictures", film(replace(BASE, sound_seconds=1.4)), "mp4", **facts)
    yield Sample("pictures longer than sound", film(replace(BASE, frames=48)), "mp4", 2.0, (160, 90), 24.0)
    yield Sample("late start", film(replace(BASE, start=48, audio=None)), "mp4", 3.0, (160, 90), 24.0)


def made_movies() -> Iterator[Sample]:
    plain = film(BASE)
    facts = dict(FACTS)
    yield Sample("movie header too short", edited(plain, b"mvhd", 16, ">I", 200), "mp4", **facts)
    yield Sample("movie header too long", edited(plain, b"mvhd", 16, ">I", 7000), "mp4", 7.0, (160, 90), 24.0)
    yield Sample("movie header unknown", edited(plain, b"mvhd", 16, ">I", 0xFFFFFFFF), "mp4", **facts)
    mute = film(replace(BASE, audio=None))
    for shown in (250, 500, 750):  # milliseconds of the one second, from its end
        skipped = edited(edited(mute, b"elst", 8, ">I", shown), b"elst", 12, ">i", 12288 * (1000 - shown) // 1000)
        skipped = edited(skipped, b"mvhd", 16, ">I", shown)
        yield Sample(f"edit list that shows {shown}", skipped, "mp4", shown / 1000, (160, 90), 24.0)
    yield Sample("rubbish behind", plain + b"\xff\xfe\0junk" * 9, "mp4", **facts)
    yield Sample(
        "no brand", box(b"free", plain[8 : int.from_bytes(plain[:4])]) + plain[int.from_bytes(plain[:4]) :], "mov", **facts
    )
    for share in (0.3, 0.5, 0.9):
        yield Sample(f"cut at {share}", plain[: int(len(plain) * share)], "mp4", is_damaged=True)
    fast = film(replace(BASE, options=(("movflags", "faststart"),)))
    yield Sample("cut behind its header", fast[:-200], "mp4", is_damaged=True)
    yield Sample("only a brand", plain[: int.from_bytes(plain[:4])], "mp4", is_damaged=True)
    yield Sample(
        "no tracks", box(b"ftyp", b"isom\0\0\2\0isom") + box(b"moov", box(b"mvhd", bytes(100))), "mp4", is_damaged=True
    )


def containers() -> Iterator[Sample]:
    facts = dict(FACTS)
    for container, form, videos, audios in (
        ("matroska", "mkv", ("libx264", "libx265", "mpeg4", "libvpx-vp9", "mjpeg"), ("aac", "libopus", "flac", "mp3", None)),
        ("webm", "webm", ("libvpx-vp9", "libvpx"), ("libopus", None)),
        ("avi", "avi", ("mpeg4", "libx264", "mjpeg"), ("mp3", "pcm_s16le", None)),
        ("flv", "flv", ("libx264", "flv"), ("aac", None)),
    ):
        for video in videos:
            for audio in audios:
                yield Sample(
                    f"{container} {video} {audio}",
                    film(replace(BASE, container=container, video=video, audio=audio)),
                    form,
                    codec=codec(video),
                    **facts,
                )
    for audio in ("aac", "libopus", "flac", "mp3", "pcm_s16le"):
        yield Sample(f"mka {audio}", film(replace(SOUND, container="matroska", audio=audio)), "mka")
    yield Sample("weba", film(replace(SOUND, container="webm", audio="libopus")), "weba")
    for audio in ("mp3", "pcm_s16le"):
        yield Sample(f"avi of {audio}", film(replace(SOUND, container="avi", audio=audio)), "avi sound")
    for audio in ("aac", "mp3"):
        yield Sample(f"flv of {audio}", film(replace(SOUND, container="flv", audio=audio)), "flv sound")
    for container, video in (
        ("mpegts", "libx264"),
        ("mpeg", "mpeg2video"),
        ("mpeg", "mpeg1video"),
        ("asf", "wmv2"),
        ("asf", "wmv1"),
        ("3gp", "mpeg4"),
    ):
        form = {"mpegts": "ts", "mpeg": "mpg", "asf": "wmv", "3gp": "3gp"}[container]
        yield Sample(f"{container} {video}", film(replace(BASE, container=container, video=video, audio=None, rate=25)), form)
    mkv = film(replace(BASE, container="matroska"))
    yield Sample("mkv cut", mkv[: len(mkv) // 2], "mkv", is_damaged=True)
    avi = film(replace(BASE, container="avi", video="mpeg4", audio=None))
    yield Sample("avi without an index", without_index(avi), "avi", codec="mpeg4", **facts)
    loud = film(replace(BASE, container="avi", video="mjpeg", audio="mp3"))
    yield Sample("avi with sound without an index", without_index(loud), "avi", codec="mjpeg", **facts)
    yield Sample("avi cut", avi[: len(avi) // 2], "avi", is_damaged=True)
    yield Sample("ogg theora", ogg_page(b"\x80theora\x03\x02\x01" + bytes(31)) + ogg_page(b"\x01vorbis" + bytes(23)), "ogv")


def ogg_page(packet: bytes) -> bytes:
    return b"OggS\0\x02" + bytes(20) + bytes([1, len(packet)]) + packet


def sounds() -> Iterator[Sample]:
    for rate in (1.0, 1.5, 2.0):
        for container, audio, form in (
            ("mp3", "libmp3lame", "mp3"),
            ("adts", "aac", "aac"),
            ("flac", "flac", "flac"),
            ("ogg", "libopus", "ogg"),
            ("ogg", "flac", "ogg"),
            ("wav", "pcm_s16le", "wav"),
            ("wav", "pcm_u8", "wav"),
            ("wav", "pcm_f32le", "wav"),
            ("wav", "adpcm_ms", "wav"),
            ("wav", "adpcm_ima_wav", "wav"),
            ("wav", "pcm_mulaw", "wav"),
            ("ipod", "aac", "m4a"),
            ("ipod", "alac", "m4a"),
        ):
            content = film(Clip(container, None, audio, sound_seconds=rate))
            yield Sample(f"{container} {audio} {rate}", content, form, rate, codec=codec(audio))
    mp3, flac, aac = (
        film(Clip(container, None, audio)) for container, audio in (("mp3", "libmp3lame"), ("flac", "flac"), ("adts", "aac"))
    )
    bare = mp3[10 + int.from_bytes(mp3[8:10]) :] if mp3[:3] == b"ID3" else mp3
    yield Sample("bare mp3", bare, "mp3", 1.0)
    yield Sample("mp3 behind a large tag", tag(bare, 9000), "mp3", 1.0)
    yield Sample("mp3 behind junk and a tag", tag(b"junk" + bare), "mp3", 1.0)
    yield Sample("flac behind a tag", tag(flac), "flac", 1.0)
    yield Sample("aac behind a tag", tag(aac), "aac", 1.0)
    yield Sample("mp2", film(Clip("mp2", None, "mp2")), "mp2")
    for container, audio, form in (
        ("aiff", "pcm_s16be", "aiff"),
        ("caf", "pcm_s16le", "caf"),
        ("wv", "wavpack", "wv"),
        ("ac3", "ac3", "ac3"),
        ("au", "pcm_s16be", "au"),
    ):
        yield Sample(f"{container} {audio}", film(Clip(container, None, audio)), form)
    yield Sample("wav by hand", wave(1.5), "wav", 1.5)
    yield Sample("adpcm by hand", wave(5.04, 0x11, block=256, per_block=505), "wav", 5.05)
    for name in (b"RF64", b"BW64"):
        yield Sample(f"{name!r}", wave(1.25, name=name), "wav", 1.25)


def pictures() -> Iterator[Sample]:
    for ending, form, modes in (
        ("jpg", "JPEG", ("RGB", "L", "CMYK")),
        ("png", "PNG", ("RGB", "RGBA", "L", "P", "1", "I;16", "LA")),
        ("gif", "GIF", ("RGB", "L", "P")),
        ("webp", "WEBP", ("RGB", "RGBA")),
        ("bmp", "BMP", ("RGB", "L", "P", "1")),
    ):
        for mode in modes:
            for size in ((64, 48), (31, 77)):
                yield Sample(f"{form} {mode} {size}", picture(form, size, mode), ending, size_px=size)
    yield Sample("progressive", picture("JPEG", progressive=True), "jpg", size_px=(64, 48))
    yield Sample("lossless webp", picture("WEBP", lossless=True), "webp", size_px=(64, 48))
    for ending, form in (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")):
        for orientation in range(1, 9):
            shown = (48, 64) if orientation > 4 else (64, 48)
            yield Sample(
                f"{form} held {orientation}",
                turned_picture(form, orientation),
                ending,
                size_px=shown,
                is_for_libraries=ending != "jpg" and orientation > 4,
            )
    yield Sample("apple png", apple_png(), "png", size_px=(64, 48))
    yield Sample("os/2 bmp", os2_bmp(), "bmp", size_px=(64, 48))
    jpeg = picture("JPEG")
    yield Sample("jpeg with fill bytes", jpeg[:2] + b"\xff\xff\xff" + jpeg[2:], "jpg", size_px=(64, 48))
    yield Sample("jpeg with much text", jpeg[:2] + segment(0xFE, bytes(60000)) * 20 + jpeg[2:], "jpg", size_px=(64, 48))
    yield Sample("jpeg cut", jpeg[: len(jpeg) // 2], "jpg", is_damaged=True)
    yield Sample("png cut", picture("PNG")[:-20], "png", is_damaged=True)
    webp = picture("WEBP")
    yield Sample("webp cut", webp[: len(webp) // 2], "webp", is_damaged=True)
    yield Sample("svg", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "svg")
    for form, name in (("TIFF", "tiff"), ("ICO", "ico"), ("JPEG2000", "jp2")):
        yield Sample(form, picture(form), name)
    yield Sample("jxl", b"\0\0\0\x0cJXL \r\n\x87\n", "jxl")
    yield Sample("psd", b"8BPS\0\x01" + bytes(30), "psd")


def others() -> Iterator[Sample]:
    texts = (
        b"BM is the ending of bitmaps, they say, and of nothing else. " * 9,
        b"ID3 is a tag. " * 90,
        b"OggS, said the child. " * 90,
        b"All free" + b" the slaves! " * 90,
        b"All mdat " * 90,
        b"GIF87 is old",
        b"RIFF raff",
        b"fLaC is free",
        b"FLV\x01 flies",
        b"\xff\xfb",
        b"\xff\xf1\xff",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"#!/bin/sh\n",
        b"\x7fELF",
        b"<html><svg>",
        b"{}",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile a\n",
        b"\x1aE\xdf",
        b"BM",
        b"ID3\x04\0\0\0\0\0\0",
        bytes(5000),
        b"\xff" * 5000,
    )
    for number, text in enumerate(texts):
        yield Sample(f"text {number} {text[:12]!r}", text, None)


@cache
def corpus() -> tuple[Sample, ...]:
    """Every sample; made once for all tests of one process."""
    return (*brands(), *codecs(), *shapes(), *lengths(), *made_movies(), *containers(), *sounds(), *pictures(), *others())


FEW: dict[str, Lazy] = {
    "jpg": lambda: picture("JPEG"),
    "png": lambda: picture("PNG"),
    "gif": lambda: picture("GIF"),
    "webp": lambda: picture("WEBP"),
    "bmp": lambda: picture("BMP"),
    "svg": b"\xef\xbb\xbf<!---->\n<!DOCTYPE svg><svg>",
    "mp4": lambda: film(BASE),
    "mov": lambda: film(replace(BASE, container="mov")),
    "m4v": lambda: branded(film(BASE), b"M4V "),
    "avi": lambda: film(replace(BASE, container="avi", video="mpeg4", audio=None)),
    "webm": lambda: film(replace(BASE, container="webm", video="libvpx", audio=None)),
    "mkv": lambda: film(replace(BASE, container="matroska")),
    "flv": lambda: film(replace(BASE, container="flv", video="flv", audio=None)),
    "mp3": lambda: film(Clip("mp3", None, "libmp3lame")),
    "wav": lambda: wave(1),
    "aac": lambda: film(Clip("adts", None, "aac")),
    "m4a": lambda: film(Clip("ipod", None, "aac")),
    "flac": lambda: film(Clip("flac", None, "flac")),
    "ogg": lambda: film(Clip("ogg", None, "libopus")),
}
"""One of each accepted format, by its name."""
