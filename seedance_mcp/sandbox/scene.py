"""Draws the pictures of a sandbox film: a drive past hills under a sun, or the given pictures, nearer and nearer.

The first frame is the first picture and the last frame the last one, so that a film can be continued from its last frame.
"""

from __future__ import annotations

import colorsys
import hashlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageOps

from seedance_mcp.sandbox.order import Order

Colour = tuple[int, int, int]
_NEARER = 0.16
"""How much nearer the camera gets: to one picture until the end, to several and back."""
_HILLS = ((0.50, 0.10, 0.25), (0.62, 0.09, 0.6), (0.78, 0.07, 1.4))
"""The rows of hills from far to near: top and height of the waves in frame heights, and the way in frame widths."""
_STEP_PX = 4
_DRAWN = 2
"""The drive is drawn at this fraction of the size and enlarged: its shapes are soft, and a trial must not wait."""


def share(number: int, order: Order) -> float:
    """Give how much of the film is over at one frame, from 0 to 1."""
    return number / max(1, order.frames - 1)


def backdrops(order: Order, pictures: list[Image.Image]) -> Iterator[Image.Image]:
    """Give what is behind the text of each frame."""
    return _towards(order, pictures) if pictures else _drive(order)


def _towards(order: Order, pictures: list[Image.Image]) -> Iterator[Image.Image]:
    """Blend each picture into the next over the whole length while the camera moves."""
    fitted = [ImageOps.fit(picture, order.size) for picture in pictures]
    last = len(fitted) - 1
    for number in range(order.frames):
        over = share(number, order)
        left = min(int(over * last), max(0, last - 1))
        right = min(left + 1, last)
        shown = Image.blend(fitted[left], fitted[right], _dissolved(over * last - left)) if right > left else fitted[left]
        yield _nearer(shown, 1 + _NEARER * (math.sin(math.pi * over) if last else _eased(over)))


def _dissolved(over: float) -> float:
    """Hold the one picture, dissolve it around the middle, then hold the other."""
    return _eased(min(1.0, max(0.0, (over - 0.3) / 0.4)))


def _eased(over: float) -> float:
    """Start and stop softly."""
    return (1 - math.cos(math.pi * over)) / 2


def _nearer(picture: Any, factor: float) -> Image.Image:
    """Enlarge the picture around a point above its middle, where faces are."""
    width, height = picture.size
    left, top = (width - width / factor) / 2, (height - height / factor) * 0.4
    box = (left, top, left + width / factor, top + height / factor)
    return picture.resize(picture.size, Image.Resampling.BILINEAR, box=box)


class _Hills(NamedTuple):
    """One row of hills, wide enough for the whole drive."""

    colour: Colour
    mask: Image.Image
    top_px: int
    way_px: int


def _drive(order: Order) -> Iterator[Image.Image]:
    """Pass hills, the near ones fast, under a sun that rises; the colours and shapes come from the prompt."""
    seed = hashlib.sha256(order.prompt.encode()).digest()
    width, height = (each // _DRAWN for each in order.size)
    sky = _sky(width, height, seed)
    rows = [_hills(width, height, seed, row) for row in range(len(_HILLS))]
    for number in range(order.frames):
        over = share(number, order)
        frame: Any = sky.copy()
        _draw_sun(frame, over, seed)
        for row in rows:
            left = round(over * row.way_px)
            frame.paste(row.colour, (0, row.top_px), row.mask.crop((left, 0, left + width, row.mask.height)))
        yield frame.resize(order.size, Image.Resampling.BILINEAR)


def _colour(seed: bytes, turn: float, lightness: float, saturation: float) -> Colour:
    red, green, blue = colorsys.hls_to_rgb((seed[0] / 256 + turn) % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _sky(width: int, height: int, seed: bytes) -> Image.Image:
    """Draw the sky, light at the horizon."""
    above, below = _colour(seed, 0, 0.42, 0.55), _colour(seed, 0.11, 0.84, 0.75)
    ramp: Any = Image.linear_gradient("L")
    ramp = ramp.resize((width, height))
    return Image.composite(Image.new("RGB", ramp.size, below), Image.new("RGB", ramp.size, above), ramp)


def _draw_sun(frame: Image.Image, over: float, seed: bytes) -> None:
    width, height = frame.size
    radius = min(width, height) * 0.11
    across, up = width * (0.72 - 0.3 * over), height * (0.46 - 0.26 * _eased(over))
    pen = ImageDraw.Draw(frame)
    for larger, lightness in ((1.0, 0.93), (0.82, 0.97)):
        edge = radius * larger
        pen.ellipse((across - edge, up - edge, across + edge, up + edge), fill=_colour(seed, 0.11, lightness, 0.9))


def _hills(width: int, height: int, seed: bytes, row: int) -> _Hills:
    """Draw one row of hills: three waves, whose lengths and beginnings come from the prompt."""
    top, waves, way = _HILLS[row]
    whole, begin = round(width * (1 + way)), round((top - 1.5 * waves) * height)
    drawn = seed[3 * row + 1 : 3 * row + 4]
    lengths = [(0.5 + byte / 128) * (1 + 1.3 * number) for number, byte in enumerate(drawn)]
    line: list[tuple[float, float]] = []
    for at in range(0, whole + _STEP_PX, _STEP_PX):
        high = sum(math.sin(each * at / width * 5 + byte) for each, byte in zip(lengths, drawn, strict=True))
        line.append((at, (top + waves * high / 2) * height - begin))
    mask = Image.new("L", (whole, height - begin))
    ImageDraw.Draw(mask).polygon([*line, (whole, height), (0, height)], fill=255)
    return _Hills(_colour(seed, 0.02 * row, 0.44 - 0.12 * row, 0.42), mask, begin, round(width * way))
