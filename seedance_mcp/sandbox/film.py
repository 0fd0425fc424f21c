"""Draws what was asked for and writes it as a real MP4 with the requested seconds, pixels and sound."""

from __future__ import annotations

import array
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
from seedance_mcp.sandbox.scene import backdrops, share

_SOUND_HERTZ = 48_000
_SOUND_SAMPLES = 1024
"""In one frame of sound."""
_CHORD_HERTZ = (220.0, 277.18, 329.63)
_BAND = (0, 0, 0, 120)
"""Behind the text; what is below it stays visible."""
_CLEAR_SECONDS, _FADE_SECONDS = 0.25, 0.25
"""How long no text is seen at both ends, and how long it takes to appear: a crossfade of two films never shows both texts."""
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
    bands = _overlay(order)
    for number, frame in enumerate(backdrops(order, pictures)):
        seen = _seen(number, order)
        clear = frame.copy() if 0 < seen < 1 else frame
        if seen:
            for top, band, mask in bands:
                frame.paste(band, (0, top), mask)
            _draw_clock(frame, order, number)
        yield Image.blend(clear, frame, seen) if 0 < seen < 1 else frame


def _seen(number: int, order: Order) -> float:
    """Give how much of the text is to be seen: none at the ends, where films are continued and joined."""
    edge_seconds = min(number, order.frames - 1 - number) / order.frames_per_second
    return min(1.0, max(0.0, edge_seconds - _CLEAR_SECONDS) / _FADE_SECONDS)


def _font(height_px: int) -> Any:
    return ImageFont.load_default(max(10, height_px))


def _overlay(order: Order) -> list[tuple[int, Image.Image, Image.Image]]:
    """Draw what stays the same in every frame, the label above and the prompt below.

    Returns:
        Two bands: how many pixels from the top each begins, what is drawn, and its mask.
    """
    width, height = order.size
    unit = min(width, height) // 22
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    small, plain = _font(int(unit * 0.8)), _font(unit)
    about = f"SANDBOX   {order.model}   {order.label}"
    draw.rectangle((0, 0, unit * 1.4 + draw.textlength(about, small), unit * 1.7), fill=_BAND)
    draw.text((unit * 0.7, unit * 0.35), about, font=small, fill=(255, 209, 102, 255))
    lines = textwrap.wrap(order.prompt, max(12, int(width / (unit * 0.52))), max_lines=3, placeholder=" …")
    top = height - unit * (len(lines) * 1.3 + 1.1)
    draw.rectangle((0, top, width, height), fill=_BAND)
    for number, line in enumerate(lines):
        draw.text((unit * 0.7, top + unit * (0.3 + number * 1.3)), line, font=plain, fill=(255, 255, 255, 255))
    parts = [(at, layer.crop((0, at, width, end))) for at, end in ((0, unit * 2), (int(top), height))]
    return [(at, part.convert("RGB"), part.getchannel("A")) for at, part in parts]


def _draw_clock(frame: Image.Image, order: Order, number: int) -> None:
    """Draw the running time code, and a bar that grows along the lower edge."""
    unit = min(frame.size) // 22
    seconds, rest = divmod(number, order.frames_per_second)
    draw = ImageDraw.Draw(frame)
    draw.text(
        (frame.width - unit * 0.7, unit * 0.35),
        f"{seconds // 60:02}:{seconds % 60:02}:{rest:02}",
        font=_font(int(unit * 0.8)),
        fill="white",
        anchor="ra",
        stroke_width=1,
        stroke_fill="black",
    )
    bar = (0, frame.height - unit // 4, frame.width * share(number, order), frame.height)
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
