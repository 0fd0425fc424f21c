"""Reads a source from its start as often as that is needed: not every file can be wound back, or has an index.

It runs in the child of `decoder`, with PyAV loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from typing import Any

from av.error import FFmpegError
from av.stream import Disposition

from seedance_mcp.media import pictures
from seedance_mcp.media.clock import rate_of

Open = Callable[[], Any]
"""Opens the source at its start for PyAV; one opening is closed before the next."""
_WOUND_SECONDS = 10.0
"""Before this time, reading from the start is as quick as looking for a place, and always right."""
_PACKETS_MOST = 5_000
_SLACK_SECONDS = 0.001


def pictures_of(container: Any) -> Any:
    """Give the stream that moves, prepared to be decoded: a cover is none."""
    stream = next(each for each in container.streams.video if not each.disposition & Disposition.attached_pic)
    pictures.open_pictures(stream)
    return stream


def sound_of(container: Any) -> Any:
    """Give the stream of sound; `None` where there is none."""
    return next(iter(container.streams.audio), None)


@dataclass(frozen=True, slots=True)
class Beginning:
    """The pictures of a source, their first frame, and how fast others follow."""

    stream: Any
    frame: Any
    rate: Fraction | None
    """Frames per second; `None` where nothing says it."""


def beginning_of(container: Any) -> Beginning:
    """Read the packets of pictures, and decode the first frame; raises `StopIteration` where there is none."""
    stream = pictures_of(container)
    first, times = list[Any](), list[int | None]()
    for packet in islice(container.demux(stream), _PACKETS_MOST):
        if packet.size and not packet.is_discard:
            times.append(packet.pts)
        if not first:
            first += packet.decode()
    return Beginning(stream, first[0], rate_of(times, stream.time_base) or stream.average_rate)


def frames_from(source: Open, stream_of: Callable[[Any], Any], seconds: float) -> Generator[Any]:
    """Decode a stream from a moment of the file's own clock, or from some time before it."""
    if seconds > _WOUND_SECONDS:
        with source() as container:
            found = _wound(container, stream_of(container), seconds)
            if found:
                yield from found
                return
    with source() as container:
        yield from container.decode(stream_of(container))


def _wound(container: Any, stream: Any, seconds: float) -> Iterator[Any] | None:
    """Decode from the key frame before a moment; `None` where the file has no index, or a wrong one."""
    try:
        container.seek(int(seconds / stream.time_base), stream=stream)
        frames = container.decode(stream)
        first = next(frames)
    except (FFmpegError, StopIteration):
        return None
    return chain((first,), frames) if float(first.time or 0) <= seconds + _SLACK_SECONDS else None
