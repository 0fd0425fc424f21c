"""Draws what was asked and writes it as a real MP4: the requested seconds, pixels and sound."""

from __future__ import annotations

import array
import hashlib
import io
import math
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from seedance_mcp.catalogue.editions.edition_2026_07 import BY_NAME, FRAMES_PER_SECOND, PIXELS

_SOUND_HERTZ = 48_000
_SOUND_SAMPLES = 1024
_CHORD = (220.0, 277.18, 329.63)
_LOUDNESS = 2000


@dataclass(frozen=True, slots=True)
class Order:
    """What to draw."""

    model: str
    prompt: str
    seconds: int
    width_px: int
    height_px: int
    label: str
    sound: bool
    blend: bool
    """Whether the pictures are a first and a last frame, not references."""


def order_of(body: dict[str, Any], first: Image.Image | None = None) -> Order:
    """Read a create body; an adaptive ratio follows the first picture."""
    model = BY_NAME[body["model"]]
    size = body.get("resolution", model.default_resolution)
    ratio = body.get("ratio") or ("9:16" if body.get("orientation") == "portrait" else "16:9")
    if ratio not in PIXELS:
        ratio = _nearest_ratio(first) if first else "16:9"
    width_px, height_px = PIXELS[ratio][size]
    seconds = int(body.get("duration", model.route.duration.value.default))
    return Order(
        model=model.name,
        prompt=body["prompt"],
        seconds=seconds,
        width_px=width_px,
        height_px=height_px,
        label=f"{size}  {ratio}  {seconds} s",
        sound=model.route.reference_audios.value > 0,
        blend="first_image" in body or "last_image" in body,
    )


def _nearest_ratio(picture: Image.Image) -> str:
    wanted = math.log(picture.width / picture.height)
    return min(PIXELS, key=lambda ratio: abs(math.log(int(ratio.split(":")[0]) / int(ratio.split(":")[1])) - wanted))


def render(body: dict[str, Any], pictures: list[bytes]) -> bytes:
    """Make the MP4 (H.264 and, where the route has sound, AAC) of one create body."""
    readable = [picture for data in pictures if (picture := _opened(data))]
    order = order_of(body, readable[0] if readable else None)
    with tempfile.TemporaryDirectory() as folder:  # moving the index to the front wants a file that can be opened again
        path = Path(folder, "film.mp4")
        _write(path, order, readable)
        return path.read_bytes()


def _write(path: Path, order: Order, pictures: list[Image.Image]) -> None:
    opened: Any = av.open(path, "w", format="mp4", options={"movflags": "+faststart"})  # half typed upstream
    with opened as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"preset": "veryfast", "crf": "25"})
        video.width, video.height, video.pix_fmt = order.width_px, order.height_px, "yuv420p"
        sound = container.add_stream("aac", rate=_SOUND_HERTZ, layout="mono") if order.sound else None
        images: Any = av.VideoFrame
        for frame in _frames(order, pictures):
            container.mux(video.encode(images.from_image(frame)))
        container.mux(video.encode())
        if sound:
            for samples in _sounds(order.seconds):
                container.mux(sound.encode(samples))
            container.mux(sound.encode())


def _opened(data: bytes) -> Image.Image | None:
    try:
        return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError):
        return None


def _frames(order: Order, pictures: list[Image.Image]) -> Iterator[Image.Image]:
    count = order.seconds * FRAMES_PER_SECOND
    overlay, mask = _overlay(order)
    for number, frame in enumerate(_backdrops(order, pictures)):
        share = number / max(1, count - 1)
        frame.paste(overlay, (0, 0), mask)
        _clock(frame, number, share)
        yield frame


def _backdrops(order: Order, pictures: list[Image.Image]) -> Iterator[Image.Image]:
    """A picture blended into the next over the whole length, or a drifting gradient where there is none."""
    count = order.seconds * FRAMES_PER_SECOND
    size = (order.width_px, order.height_px)
    fitted = [ImageOps.fit(picture, size) for picture in pictures] or [_gradient(order)]
    for number in range(count):
        at = number / max(1, count - 1) * (len(fitted) - 1)
        left = min(int(at), len(fitted) - 2) if len(fitted) > 1 else 0
        right = min(left + 1, len(fitted) - 1)
        shown = Image.blend(fitted[left], fitted[right], at - left) if right > left else fitted[left].copy()
        yield shown if pictures else _drifted(shown, number, count, size)


def _gradient(order: Order) -> Image.Image:
    """Two colours that the prompt decides, twice as wide as the frame."""
    seed = hashlib.sha256(order.prompt.encode()).digest()
    dark, light = (tuple(30 + byte % 90 for byte in seed[:3]), tuple(90 + byte % 130 for byte in seed[3:6]))
    ramp: Any = Image.linear_gradient("L").rotate(90)
    ramp = ramp.resize((order.width_px * 2, order.height_px))
    return Image.composite(
        Image.new("RGB", ramp.size, (light[0], light[1], light[2])),
        Image.new("RGB", ramp.size, (dark[0], dark[1], dark[2])),
        ramp,
    )


def _drifted(wide: Image.Image, number: int, count: int, size: tuple[int, int]) -> Image.Image:
    left = int(number / max(1, count) * size[0])
    return wide.crop((left, 0, left + size[0], size[1]))


def _font(pixels: int) -> Any:
    return ImageFont.load_default(max(10, pixels))


def _overlay(order: Order) -> tuple[Image.Image, Image.Image]:
    """What stays the same in every frame: the label above, the prompt below, each on a band."""
    width, height = order.width_px, order.height_px
    unit = min(width, height) // 18
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    lines = textwrap.wrap(order.prompt, max(12, int(width / (unit * 0.52))), max_lines=4, placeholder=" …")
    top = height - unit * (len(lines) * 1.3 + 1.6)
    draw.rectangle((0, 0, width, unit * 3.4), fill=(0, 0, 0, 150))
    draw.rectangle((0, top, width, height), fill=(0, 0, 0, 150))
    draw.text((unit, unit * 0.4), "SANDBOX", font=_font(int(unit * 1.2)), fill=(255, 209, 102, 255))
    draw.text((unit, unit * 2.0), f"{order.model}   {order.label}", font=_font(int(unit * 0.8)), fill=(255, 255, 255, 255))
    for number, line in enumerate(lines):
        draw.text((unit, top + unit * (0.4 + number * 1.3)), line, font=_font(unit), fill=(255, 255, 255, 255))
    return layer.convert("RGB"), layer.getchannel("A")


def _clock(frame: Image.Image, number: int, share: float) -> None:
    """The running time code and a bar that grows along the lower edge."""
    unit = min(frame.size) // 18
    seconds, rest = divmod(number, FRAMES_PER_SECOND)
    draw = ImageDraw.Draw(frame)
    draw.text(
        (frame.width - unit, unit * 0.4),
        f"{seconds // 60:02}:{seconds % 60:02}:{rest:02}",
        font=_font(int(unit * 1.2)),
        fill="white",
        anchor="ra",
    )
    draw.rectangle((0, frame.height - unit // 4, frame.width * share, frame.height), fill=(255, 209, 102))


def _sounds(seconds: int) -> Iterator[AudioFrame]:
    """A soft chord that swells once a second."""
    second = [_sample(number / _SOUND_HERTZ) for number in range(_SOUND_HERTZ)]
    total = seconds * _SOUND_HERTZ
    for start in range(0, total, _SOUND_SAMPLES):
        length = min(_SOUND_SAMPLES, total - start)
        samples = array.array("h", (second[(start + offset) % _SOUND_HERTZ] for offset in range(length)))
        frame = AudioFrame(format="s16", layout="mono", samples=length)
        frame.planes[0].update(samples.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = _SOUND_HERTZ, start, Fraction(1, _SOUND_HERTZ)
        yield frame


def _sample(moment: float) -> int:
    swell = math.sin(math.pi * (moment % 1.0))
    return int(_LOUDNESS * swell * sum(math.sin(math.tau * hertz * moment) for hertz in _CHORD))
