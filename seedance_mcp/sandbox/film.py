"""Draws what was asked for and writes it as a real MP4 with the requested seconds, pixels and sound."""

from __future__ import annotations

import array
import hashlib
import io
import math
import tempfile
import textwrap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from seedance_mcp.sandbox.order import Order

_SOUND_HERTZ = 48_000
_SOUND_SAMPLES = 1024
"""In one frame of sound."""
_CHORD_HERTZ = (220.0, 277.18, 329.63)
_LOUDNESS = 2000
"""Amplitude of one tone; 32,767 is the loudest."""


def render(order: Order, pictures: list[bytes]) -> bytes:
    """Make the MP4 (H.264 and, where the route has sound, AAC) of one order.

    Args:
        order: What to show; an open ratio follows the first picture.
        pictures: Image files to show behind the text; files that are no images are skipped.

    """
    readable = [picture for data in pictures if (picture := _opened(data))]
    order = order.shaped_like(*readable[0].size) if readable else order
    with tempfile.TemporaryDirectory() as folder:  # the index moves to the front only in a file that can be opened again
        path = Path(folder, "film.mp4")
        _write(path, order, readable)
        return path.read_bytes()


def _write(path: Path, order: Order, pictures: list[Image.Image]) -> None:
    opened: Any = av.open(path, "w", format="mp4", options={"movflags": "+faststart"})  # half typed upstream
    with opened as container:
        video = container.add_stream("libx264", rate=order.frames_per_second, options={"preset": "veryfast", "crf": "25"})
        (video.width, video.height), video.pix_fmt = order.size, "yuv420p"
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
    overlay, mask = _overlay(order)
    for number, frame in enumerate(_backdrops(order, pictures)):
        frame.paste(overlay, (0, 0), mask)
        _draw_clock(frame, order, number)
        yield frame


def _backdrops(order: Order, pictures: list[Image.Image]) -> Iterator[Image.Image]:
    """Blend each picture into the next over the whole length, or let a gradient drift where there is no picture."""
    fitted = [ImageOps.fit(picture, order.size) for picture in pictures] or [_gradient(order)]
    for number in range(order.frames):
        at = _share(number, order) * (len(fitted) - 1)
        left = min(int(at), len(fitted) - 2) if len(fitted) > 1 else 0
        right = min(left + 1, len(fitted) - 1)
        shown = Image.blend(fitted[left], fitted[right], at - left) if right > left else fitted[left].copy()
        yield shown if pictures else _drifted(shown, number, order)


def _share(number: int, order: Order) -> float:
    """Give how much of the film is over at one frame, from 0 to 1."""
    return number / max(1, order.frames - 1)


def _gradient(order: Order) -> Image.Image:
    """Draw two colours that depend on the prompt, twice as wide as the frame."""
    seed = hashlib.sha256(order.prompt.encode()).digest()
    dark, light = (tuple(30 + byte % 90 for byte in seed[:3]), tuple(90 + byte % 130 for byte in seed[3:6]))
    ramp: Any = Image.linear_gradient("L").rotate(90)
    ramp = ramp.resize((order.size.width_px * 2, order.size.height_px))
    return Image.composite(
        Image.new("RGB", ramp.size, (light[0], light[1], light[2])),
        Image.new("RGB", ramp.size, (dark[0], dark[1], dark[2])),
        ramp,
    )


def _drifted(wide: Image.Image, number: int, order: Order) -> Image.Image:
    width, height = order.size
    left = int(number / order.frames * width)
    return wide.crop((left, 0, left + width, height))


def _font(height_px: int) -> Any:
    return ImageFont.load_default(max(10, height_px))


def _overlay(order: Order) -> tuple[Image.Image, Image.Image]:
    """Draw what stays the same in every frame, and its mask: the label above, the prompt below, each on a band."""
    width, height = order.size
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


def _draw_clock(frame: Image.Image, order: Order, number: int) -> None:
    """Draw the running time code, and a bar that grows along the lower edge."""
    unit = min(frame.size) // 18
    seconds, rest = divmod(number, order.frames_per_second)
    draw = ImageDraw.Draw(frame)
    draw.text(
        (frame.width - unit, unit * 0.4),
        f"{seconds // 60:02}:{seconds % 60:02}:{rest:02}",
        font=_font(int(unit * 1.2)),
        fill="white",
        anchor="ra",
    )
    bar = (0, frame.height - unit // 4, frame.width * _share(number, order), frame.height)
    draw.rectangle(bar, fill=(255, 209, 102))


def _sounds(seconds: int) -> Iterator[AudioFrame]:
    """Play a soft chord that swells once a second."""
    second = [_sample(number / _SOUND_HERTZ) for number in range(_SOUND_HERTZ)]
    total = seconds * _SOUND_HERTZ
    for start in range(0, total, _SOUND_SAMPLES):
        length = min(_SOUND_SAMPLES, total - start)
        samples = array.array("h", (second[(start + offset) % _SOUND_HERTZ] for offset in range(length)))
        frame = AudioFrame(format="s16", layout="mono", samples=length)
        frame.planes[0].update(samples.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = _SOUND_HERTZ, start, Fraction(1, _SOUND_HERTZ)
        yield frame


def _sample(at_seconds: float) -> int:
    swell = math.sin(math.pi * (at_seconds % 1.0))
    return int(_LOUDNESS * swell * sum(math.sin(math.tau * hertz * at_seconds) for hertz in _CHORD_HERTZ))
