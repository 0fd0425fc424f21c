"""Moving pictures: decoded, brought to one size and rate in the colours of BT.709, and encoded.

It runs in the child of `decoder`, with PyAV loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from typing import Any

from av.filter import Graph

from seedance_mcp.media.clock import seconds_since
from seedance_mcp.media.colours import FULL_RANGE, matrix_of, tag_709
from seedance_mcp.media.sizes import is_same_aspect

_USUAL_RATES = tuple(Fraction(*each) for each in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1)))
_FAST_RATES = (Fraction(60000, 1001), Fraction(60))
_NEAR = 0.02
_RATE_LEAST, _RATE_MOST = 24, 60
_TURNS = {90: "transpose=cclock", 180: "hflip,vflip", 270: "transpose=clock"}
MOST_PIXELS = 40_000_000
"""In one frame: enough for 8K, and too few to exhaust the memory."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Size and rate of a film, and how a picture of another aspect is put into it."""

    width_px: int
    height_px: int
    rate: Fraction
    """Frames per second."""
    shape: str = "pad"


def open_pictures(stream: Any) -> None:
    """Prepare a stream to be decoded."""
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}


def usual_rate(rate: Fraction | float | None) -> Fraction:
    """Give the rate from 24 to 60 that a film of any rate gets: its own, the usual one beside it, its double or its half."""
    wanted = Fraction(rate or 30)
    while wanted > _RATE_MOST * (1 + _NEAR):
        wanted /= 2
    while wanted < _RATE_LEAST * (1 - _NEAR):
        wanted *= 2
    near = [each for each in (*_USUAL_RATES, *_FAST_RATES) if abs(each - wanted) <= each * _NEAR]
    return min(near, key=lambda each: abs(each - wanted)) if near else Fraction(round(wanted))


def shown_size(frame: Any, pixel_aspect: Any) -> tuple[int, int]:
    """Give width and height of a frame as they are shown: upright, in square pixels."""
    size = round(frame.width * (pixel_aspect or 1)), frame.height
    return (size[1], size[0]) if round(frame.rotation) % 180 else size


def drawn(frames: Iterator[Any], pixel_aspect: Any, screen: Screen, start: float, count: int) -> Iterator[Any]:
    """Draw frames at a size and a rate, from a moment of the file's own clock.

    Args:
        frames: Decoded, in the order in which they are shown.
        pixel_aspect: Of the stream; `None` for square pixels.
        screen: What they become.
        start: The moment, in seconds.
        count: How many, from 1; the last one is shown for as long as it takes.
    """
    painter = _Painter(pixel_aspect, screen)
    for number, frame in enumerate(_at_rate(frames, screen.rate, start, count)):
        picture = painter.paint(frame)
        picture.pts, picture.time_base = number, 1 / screen.rate
        yield picture


def _at_rate(frames: Iterator[Any], rate: Fraction, start: float, count: int) -> Iterator[Any]:
    """Give for each of so many moments of the rate the frame that is shown then."""
    shown, number = None, 0
    for frame in frames:
        at = seconds_since(start, float(frame.time or 0))
        while shown is not None and (number + 0.5) / rate <= at and number < count:
            yield shown
            number += 1
        if number >= count:
            return
        shown = frame
    yield from repeat(shown, count - number if shown is not None else 0)


class _Painter:
    """Scales, turns and pads frames of one clip."""

    def __init__(self, pixel_aspect: Any, screen: Screen) -> None:
        self._pixel_aspect, self._screen, self._number = pixel_aspect, screen, 0
        self._graph: Graph | None = None
        self._key: tuple[object, ...] = ()
        self._source: Any = None
        self._sink: Any = None

    def paint(self, frame: Any) -> Any:
        key = (frame.width, frame.height, frame.format.name, frame.rotation, frame.colorspace)
        if self._graph is None or key != self._key:
            self._build(frame)
            self._key = key
        frame.pts, self._number = self._number, self._number + 1
        self._source.push(frame)
        return self._sink.pull()

    def _build(self, frame: Any) -> None:
        graph = Graph()
        source: Any = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
        nodes = [graph.add(*each.partition("=")[::2]) for each in self._chain(frame)]
        self._sink = graph.add("buffersink")
        graph.link_nodes(source, *nodes, self._sink).configure()
        self._graph, self._source = graph, source

    def _chain(self, frame: Any) -> list[str]:
        width, height = shown_size(frame, self._pixel_aspect)
        turn = round(frame.rotation) % 360
        inner = self._inner(width, height)
        scaled = inner[::-1] if turn % 180 else inner
        within = "pc" if frame.color_range == FULL_RANGE else "tv"
        colours = f"in_color_matrix={matrix_of(frame)}:in_range={within}:out_color_matrix=bt709:out_range=tv"
        scale = f"scale=w={scaled[0]}:h={scaled[1]}:{colours}:flags=bicubic+accurate_rnd"
        screen = self._screen
        shape = "crop" if screen.shape == "crop" else "pad"
        frame_in = f"{shape}={screen.width_px}:{screen.height_px}:(ow-iw)/2:(oh-ih)/2"
        if shape == "crop":
            frame_in = f"crop={screen.width_px}:{screen.height_px}"
        turns = _TURNS[turn].split(",") if turn in _TURNS else []
        return [scale, "format=pix_fmts=yuv420p", *turns, frame_in, "setsar=1"]

    def _inner(self, width: int, height: int) -> tuple[int, int]:
        """Give the size that a picture gets inside the frame, or around it where its edges are cut off."""
        screen = self._screen
        if is_same_aspect(width, height, screen.width_px, screen.height_px):
            return screen.width_px, screen.height_px
        sides = screen.width_px / width, screen.height_px / height
        scale = max(sides) if screen.shape == "crop" else min(sides)
        within = [max(2, round(side * scale / 2) * 2) for side in (width, height)]
        return within[0], within[1]


def add_encoder(container: Any, screen: Screen, *, bits_per_second: int | None = None) -> Any:
    """Add an H.264 stream of BT.709 to an output; a wanted number of bits per second replaces the quality."""
    options = {"preset": "veryfast"} if bits_per_second else {"preset": "veryfast", "crf": "18"}
    stream = container.add_stream("libx264", rate=screen.rate, options=options)
    stream.width, stream.height, stream.pix_fmt = screen.width_px, screen.height_px, "yuv420p"
    if bits_per_second:
        stream.bit_rate = bits_per_second
    tag_709(stream.codec_context)
    return stream
