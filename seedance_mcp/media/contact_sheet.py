"""Draws a contact sheet: first, middle and last frame of a video side by side, small enough for a chat.

It runs in the child of `decoder`: PyAV and Pillow are loaded with it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import islice
from typing import Any

from PIL import Image, ImageDraw

from seedance_mcp.media.colours import tag_untagged
from seedance_mcp.media.frames import MOST_PIXELS

FRAME_MOST_PX = 480
SHEET_MOST_BYTES = 190_000
MARK_PX = 22
"""The side of the patch that a row's number stands on."""
POSTER_MOST_PX = 360
"""The longer side of a poster."""
FRAMES_MOST = 600
"""Frames decoded on the way to one that is shown: more than the longest video has."""
_QUALITIES = (82, 65, 50, 35)
"""JPEG qualities, tried in turn until the sheet is small enough."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A contact sheet, and what it says of its video."""

    jpeg: bytes
    width_px: int
    """Of the video, like `height_px`."""
    height_px: int
    seconds: list[float]
    """When in the video each frame is shown, counted from its first."""


def contact_sheet(container: Any) -> Sheet:
    """Draw the sheet of an open container; raises what PyAV raises where no frame can be decoded, or one is too large."""
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    start, length = (float((ticks or 0) * (stream.time_base or 0)) for ticks in (stream.start_time, stream.duration))
    shown = [_frame_at(container, stream, start + length * share) for share in (0, 0.5, 1)]
    pictures = [_small(frame) for frame in shown]
    width, height = pictures[0].size
    sheet = Image.new("RGB", (width * len(pictures), height))
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number * width, 0))
    seconds = [round(float(frame.time or 0) - start, 3) for frame in shown]
    return Sheet(_packed(sheet), stream.width, stream.height, seconds)


def stacked(sheets: list[bytes]) -> bytes:
    """Put contact sheets below each other, as wide as the narrowest, each with its number in a corner."""
    rows = [Image.open(io.BytesIO(sheet)) for sheet in sheets]
    width = min(row.width for row in rows)
    for row in rows:
        row.thumbnail((width, row.height))
    whole = Image.new("RGB", (width, sum(row.height for row in rows)))
    top = 0
    for number, row in enumerate(rows, 1):
        whole.paste(row, (0, top))
        _mark(whole, top, str(number))
        top += row.height
    return _packed(whole)


def _mark(sheet: Image.Image, top: int, text: str) -> None:
    """Write white text on a black patch at the left edge."""
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, top, MARK_PX, top + MARK_PX), fill="black")
    draw.text((MARK_PX // 3, top + MARK_PX // 4), text, fill="white")


def poster(container: Any, most_bytes: int) -> bytes:
    """Give the first frame of an open container as a small JPEG; raises as `contact_sheet` does."""
    stream = container.streams.video[0]
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    picture = _small(next(iter(container.decode(stream))))
    picture.thumbnail((POSTER_MOST_PX, POSTER_MOST_PX))
    return _packed(picture, most_bytes)


def _frame_at(container: Any, stream: Any, seconds: float) -> Any:
    """Give the first frame at or after a moment of the file's own clock, else the last frame."""
    container.seek(int(seconds / stream.time_base), stream=stream)
    frames = islice(container.decode(stream), FRAMES_MOST)
    frame = next(frames)
    for later in frames:
        if (frame.time or 0) >= seconds:
            break
        frame = later
    return frame


def _small(frame: Any) -> Image.Image:
    """Give a frame as a small picture, in the colours that a player shows."""
    tag_untagged(frame)
    width = min(FRAME_MOST_PX, frame.width)
    picture: Image.Image = frame.to_image(width=width, height=max(1, round(frame.height * width / frame.width)))
    return picture


def _packed(sheet: Image.Image, most_bytes: int = SHEET_MOST_BYTES) -> bytes:
    """Encode a JPEG in the best quality that fits; a sheet that fits in none, such as noise, is made smaller first."""
    for quality in _QUALITIES:
        packed = io.BytesIO()
        sheet.save(packed, "JPEG", quality=quality)
        if packed.tell() <= most_bytes:
            return packed.getvalue()
    return _packed(sheet.reduce(2), most_bytes)
