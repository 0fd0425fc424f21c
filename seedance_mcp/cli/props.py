"""Makes the files that the demo uploads: a picture of its character, one of a place, and music."""

from __future__ import annotations

import array
import math
import wave
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

_SIZE_PX = (1280, 720)
_SEA_TOP_PX = 470
_HERTZ = 24_000
_SECONDS = 12
_CHORDS_HERTZ = ((220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (196.0, 246.94, 293.66), (220.0, 261.63, 329.63))
_LOUDNESS = 1800
"""Amplitude of one tone; 32,767 is the loudest."""


def make(folder: Path) -> None:
    """Write `keeper.png`, `evening.png` and `music.wav` into a folder."""
    keeper().save(folder / "keeper.png")
    evening().save(folder / "evening.png")
    _write_music(folder / "music.wav")


def keeper() -> Image.Image:
    """Draw the keeper of a lighthouse before a morning sky: cap, beard, coat."""
    picture = _sky("#f7b267", "#ffe8c9")
    draw = ImageDraw.Draw(picture)
    draw.polygon([(330, 720), (410, 560), (560, 505), (720, 505), (870, 560), (950, 720)], fill="#1f3a5f")
    draw.polygon([(600, 505), (640, 600), (680, 505)], fill="#e9ecef")
    draw.ellipse((515, 190, 765, 500), fill="#e6b08c")
    draw.pieslice((508, 270, 772, 545), 0, 180, fill="#d9d4cc")
    draw.ellipse((585, 395, 695, 440), fill="#b5534a")
    draw.rectangle((585, 385, 695, 412), fill="#d9d4cc")
    for left in (568, 672):
        draw.ellipse((left, 318, left + 40, 342), fill="#ffffff")
        draw.ellipse((left + 12, 319, left + 32, 341), fill="#27415e")
        draw.arc((left - 10, 290, left + 50, 330), 200, 340, fill="#8f8577", width=8)
    draw.polygon([(640, 335), (622, 392), (660, 392)], fill="#d39b78")
    draw.pieslice((500, 130, 780, 400), 180, 360, fill="#16263d")
    draw.rounded_rectangle((485, 250, 795, 290), 20, fill="#0f1b2d")
    draw.ellipse((620, 185, 660, 225), fill="#ffd166")
    return picture


def evening() -> Image.Image:
    """Draw a bay in the evening: the sun low, its light on the water, and a lighthouse on a rock."""
    picture = _sky("#2b1d4f", "#f08a5d")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((820, 330, 980, 490), fill="#ffe9b0")
    draw.rectangle((0, _SEA_TOP_PX, 1280, 720), fill="#1c2f55")
    for row in range(9):
        half, top = 78 - 5 * row + 14 * (row % 2), _SEA_TOP_PX + 8 + 26 * row
        draw.rounded_rectangle((900 - half, top, 900 + half, top + 8), 4, fill="#e9a36b")
    draw.polygon([(180, 560), (240, 480), (330, 455), (430, 490), (520, 560), (560, 600), (140, 600)], fill="#120d24")
    draw.polygon([(300, 470), (385, 470), (368, 225), (317, 225)], fill="#efe6da")
    for top in (285, 365):
        wider = (top - 285) // 14
        draw.polygon([(313 - wider, top), (372 + wider, top), (375, top + 38), (310, top + 38)], fill="#d1495b")
    draw.rectangle((322, 185, 363, 225), fill="#fff3b0")
    draw.polygon([(312, 188), (373, 188), (342, 150)], fill="#d1495b")
    return picture


def _sky(above: str, below: str) -> Image.Image:
    ramp: Any = Image.linear_gradient("L")
    ramp = ramp.resize(_SIZE_PX)
    return Image.composite(Image.new("RGB", _SIZE_PX, below), Image.new("RGB", _SIZE_PX, above), ramp)


def _write_music(path: Path) -> None:
    """Play four chords, each of which swells and fades."""
    each = _HERTZ * _SECONDS // len(_CHORDS_HERTZ)
    samples = array.array("h")
    for chord in _CHORDS_HERTZ:
        swell = [math.sin(math.pi * at / each) * _LOUDNESS for at in range(each)]
        turns = [math.tau * hertz / _HERTZ for hertz in chord]
        samples.extend(int(loud * sum(math.sin(turn * at) for turn in turns)) for at, loud in enumerate(swell))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_HERTZ)
        file.writeframes(samples.tobytes())
