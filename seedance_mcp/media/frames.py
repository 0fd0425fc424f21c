"""Takes one frame out of a video, whole and in the colours that a player shows.

It runs in the child of `decoder`: PyAV and Pillow are loaded with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from av.filter import Graph
from PIL import Image

from seedance_mcp.media.colours import matrix_of
from seedance_mcp.media.decoder import Unreadable

MOST_PIXELS = 9_000_000
"""In one frame: enough for 4K in every ratio, and too few to exhaust the memory."""
_SLACK_SECONDS = 0.001
"""Times are written with so many digits."""
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


def frame_of(container: Any, moment: str) -> tuple[Image.Image, float]:
    """Give a frame of an open container, upright, and the second at which it is shown first.

    Args:
        container: An open file with a video.
        moment: `first`, `last`, or seconds from the first frame.

    Raises:
        Unreadable: The video ends before that second.
    """
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    start = _first_time(container, stream)
    frame = _frame_at(container, stream, start, moment)
    return upright(picture_of(frame, stream.sample_aspect_ratio), frame), round(float(frame.time or 0) - start, 3)


def _first_time(container: Any, stream: Any) -> float:
    frame = next(iter(container.decode(stream)))
    return float(frame.time or 0)


def _frame_at(container: Any, stream: Any, start: float, moment: str) -> Any:
    """Give the frame that is shown at a moment; frames come in the order in which they are shown."""
    length = float((stream.duration or 0) * stream.time_base)
    until = {"first": start, "last": float("inf")}.get(moment)
    until = start + float(moment) if until is None else until
    found = _last_until(_from(container, stream, min(until, start + length)), until)
    found = found or _last_until(_from(container, stream, None), until)
    ends = float(found.time or 0) - start + (1 / float(stream.average_rate) if stream.average_rate else 0)
    if moment not in {"first", "last"} and float(moment) > ends + _SLACK_SECONDS:
        raise Unreadable(f"has no frame at {float(moment):g} s: it ends after {ends:.3f} s")
    return found


def _from(container: Any, stream: Any, seconds: float | None) -> Iterator[Any]:
    """Decode from the last key frame before a moment of the file's own clock; from the beginning where none is given."""
    container.seek(int((seconds or 0) / stream.time_base), stream=stream)
    return container.decode(stream)


def _last_until(frames: Iterator[Any], seconds: float) -> Any:
    """Give the last frame that begins until then; `None` where the first one begins later."""
    found = None
    for frame in frames:
        if float(frame.time or 0) > seconds + _SLACK_SECONDS:
            break
        found = frame
    return found


def picture_of(frame: Any, pixel_aspect: Any) -> Image.Image:
    """Give a frame as a picture in RGB, in square pixels, with all the detail that its colours have."""
    width = round(frame.width * (pixel_aspect or 1))
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    flags = "bicubic+accurate_rnd+full_chroma_int"
    scale = graph.add("scale", f"w={width}:h={frame.height}:in_color_matrix={matrix_of(frame)}:flags={flags}")
    graph.link_nodes(source, scale, graph.add("format", "pix_fmts=rgb24"), graph.add("buffersink")).configure()
    graph.push(frame)
    drawn: Any = graph.pull()
    picture: Image.Image = drawn.to_image()
    return picture


def upright(picture: Image.Image, frame: Any) -> Image.Image:
    """Turn a picture as the frame's rotation matrix says."""
    turn = _TURNS.get(round(frame.rotation) % 360)
    return picture.transpose(turn) if turn is not None else picture
