"""The child of `decoder`: reads one file from its standard input with PyAV or Pillow, and prints one line of JSON."""

from __future__ import annotations

import base64
import errno
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from seedance_mcp.media.child_process import limit
from seedance_mcp.media.clock import rate_of, seconds_since
from seedance_mcp.media.decoder import Unreadable
from seedance_mcp.media.stream_files import open_stream

_PACKETS_MOST = 300_000
"""More than any file of a length that is accepted has; a longer one is as long as its header says, or as was seen."""
_SLACK_SECONDS = 0.5
"""By so much a header may differ from the packets: another stream may be a little longer."""
_WITH_LENGTH = {"matroska", "avi", "flv"}
"""Formats whose header states a length that the library reads; for others, it estimates one."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_ROOM = "cannot be written, since the disk is full: the operator should free the temporary folder (TMPDIR)"
_ORIENTATION, _TURNED = 0x0112, range(5, 9)
_LIBRARY_NAMES = {"jpg": "JPEG"}


def main(job: str, argument: str, limits: str) -> None:
    """Do one job within limits; whatever goes wrong is named by its type in the answer."""
    limit(*map(int, limits.split(",")))
    print(json.dumps(answer(job, argument, sys.stdin.buffer)))


def answer(job: str, argument: str, file: BinaryIO) -> dict[str, Any]:
    """Do one job on a file, with its argument; gives `{"failed": …}` where that cannot be done."""
    try:
        return _JOBS[job](argument, file)
    except Unreadable as error:
        return {"failed": "Unreadable", "reason": str(error)}
    except Exception as error:  # noqa: BLE001 - libraries raise whatever they like on a broken file
        is_full = isinstance(error, OSError) and error.errno in _FULL
        return {"failed": type(error).__name__, **({"reason": _NO_ROOM} if is_full else {})}


def _picture(argument: str, file: BinaryIO) -> dict[str, Any]:
    """Give the size of a still picture as it is shown; nothing of it is decoded."""
    from PIL import Image  # noqa: PLC0415 - an optional extra, and slow to import

    Image.MAX_IMAGE_PIXELS = None  # of what is decoded
    image = Image.open(file, formats=[_LIBRARY_NAMES.get(argument, argument.upper())])
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))
    width, height = image.size
    size = [height, width] if exif.get(_ORIENTATION) in _TURNED else [width, height]
    is_turned = exif.get(_ORIENTATION, 1) != 1  # a reader that knows nothing of it sees the picture lie on its side
    is_odd = is_turned or image.mode == "CMYK" or image.mode.startswith("I") or _is_deep(image)
    return {"size_px": size, "peculiar": is_odd}


def _is_deep(image: Any) -> bool:
    """Return whether a PNG has 16 bits a channel: the library reads it as if it had 8."""
    return image.format == "PNG" and any("16" in str(tile[3]) for tile in image.tile)


def _stream(form: str, file: BinaryIO) -> dict[str, Any]:
    """Give length, size, rate and codec of the pictures and of the sound of a file in a named format."""
    from av.stream import Disposition  # noqa: PLC0415 - an optional extra, and slow to import

    with open_stream(form, file) as container:
        moving = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
        tracks = [_Track(each) for each in (*moving[:1], *container.streams.audio[:1])]
        is_whole = _read_packets(container, tracks)
        declared = (container.duration or 0) / 1e6 if form in _WITH_LENGTH else 0.0
        longest = max((float(each.end) for each in tracks), default=0.0)
        at_least = declared if declared > longest + _SLACK_SECONDS or not is_whole else 0.0
        return {each.stream.type: each.described(at_least) for each in tracks}


class _Track:
    """One stream, and what its packets say."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.start, self.end, self.times = math.inf, -math.inf, list[int | None]()
        self.first: Fraction | None = None
        self.is_turned: bool | None = None if stream.type == "video" else False
        stream.codec_context.thread_count = 1  # each more takes memory

    @property
    def seconds(self) -> float:
        """The time from the first packet to the end of the last."""
        return max(0.0, float(self.end - self.start)) if self.end > self.start else 0.0

    def take(self, packet: Any) -> None:
        """Count one packet."""
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None or packet.is_discard:
            return
        frame_seconds = 1 / self.stream.average_rate if self.stream.type == "video" and self.stream.average_rate else 0
        length = packet.duration * packet.time_base if packet.duration else frame_seconds
        self.times.append(packet.pts)
        first = self.first = at * packet.time_base if self.first is None else self.first
        shown = first + seconds_since(first, at * packet.time_base)
        self.start, self.end = min(self.start, shown), max(self.end, shown + length)
        if self.is_turned is None:
            self.is_turned = _is_turned(packet)

    def described(self, at_least_seconds: float) -> dict[str, Any]:
        """Give what is known; the length is never less than the header's, where that counts."""
        found = {
            "seconds": max(self.seconds, at_least_seconds) or None,
            "codec": self.stream.codec_context.codec.canonical_name,
        }
        if self.stream.type == "video":
            ratio = self.stream.sample_aspect_ratio or 1
            size = [round(self.stream.width * ratio), self.stream.height]
            found["size_px"] = (size[::-1] if self.is_turned else size) if all(size) else None
            found["frames_per_second"] = self._frames_per_second()
        return found

    def _frames_per_second(self) -> float | None:
        """Give the rate that the header states, unless the packets come at quite another one."""
        stated = float(self.stream.average_rate or 0)
        counted = float(rate_of(self.times, self.stream.time_base) or stated)
        return (stated if abs(stated - counted) < counted / 10 else counted) or None


def _is_turned(packet: Any) -> bool | None:
    """Return whether the packet's frame is to be shown on its side; `None` where more packets are needed for a frame."""
    from av.error import FFmpegError  # noqa: PLC0415 - an optional extra, and slow to import

    try:
        return next((frame.rotation % 180 != 0 for frame in packet.decode()), None)
    except FFmpegError:
        return False


def _read_packets(container: Any, tracks: list[_Track]) -> bool:
    """Count the packets; gives whether those were all."""
    by_index = {each.stream.index: each for each in tracks}
    seen = 0
    for packet in islice(container.demux([each.stream for each in tracks]), _PACKETS_MOST):
        by_index[packet.stream.index].take(packet)
        seen += 1
    return seen < _PACKETS_MOST


def _sheet(argument: str, file: BinaryIO) -> dict[str, Any]:
    """Draw a contact sheet."""
    from seedance_mcp.media.contact_sheet import contact_sheet  # noqa: PLC0415 - loads the libraries

    with open_stream("mp4", file) as container:
        sheet = asdict(contact_sheet(container))
    return {**sheet, "jpeg": base64.b64encode(sheet["jpeg"]).decode()}


def _frame(argument: str, file: BinaryIO) -> dict[str, Any]:
    """Write one frame of a video as a PNG; gives when it is shown."""
    from seedance_mcp.media.frames import frame_of  # noqa: PLC0415 - loads the libraries

    wanted = json.loads(argument)
    with open_stream("mp4", file) as container:
        picture, seconds = frame_of(container, wanted["moment"])
    picture.save(wanted["output"], "PNG")
    return {"seconds": seconds}


def _join(argument: str, _: BinaryIO) -> dict[str, Any]:
    """Join the clips of a plan to a film."""
    from seedance_mcp.media.film import Plan, join  # noqa: PLC0415 - loads the libraries

    return join(Plan(**json.loads(argument)), open_stream, _report)


def _still(argument: str, file: BinaryIO) -> dict[str, Any]:
    """Make a still picture fit."""
    from seedance_mcp.media.still import fit_still  # noqa: PLC0415 - loads the libraries

    wanted = json.loads(argument)
    return fit_still(wanted["format"], wanted["title"], wanted, file)


def _moving(argument: str, file: BinaryIO) -> dict[str, Any]:
    """Make a film or a sound fit."""
    from seedance_mcp.media.moving import Wish, fit_film, fit_sound  # noqa: PLC0415 - loads the libraries
    from seedance_mcp.media.sizes import Target  # noqa: PLC0415 - likewise

    wanted = json.loads(argument)
    form, kind = wanted.pop("format"), wanted.pop("kind")
    fit = fit_film if kind == "video" else fit_sound
    if wanted["known_seconds"] is None:
        wanted["known_seconds"] = _stream(form, file).get(kind, {}).get("seconds")
    return fit(partial(open_stream, form, file), Wish(target=Target.from_json(wanted.pop("target")), **wanted), _report)


def _report(percent: float) -> None:
    """Say how far a job is, on a line of its own before the answer."""
    print(json.dumps({"percent": percent}), flush=True)


def _stack(sizes: str, file: BinaryIO) -> dict[str, Any]:
    """Put contact sheets of these sizes in bytes, which follow each other in the file, below each other."""
    from seedance_mcp.media.contact_sheet import stacked  # noqa: PLC0415 - loads the libraries

    jpeg = stacked([file.read(int(size_bytes)) for size_bytes in sizes.split(",")])
    return {"jpeg": base64.b64encode(jpeg).decode()}


def _poster(argument: str, file: BinaryIO) -> dict[str, Any]:
    """Draw the first frame of a video as a small JPEG."""
    from seedance_mcp.media.contact_sheet import poster  # noqa: PLC0415 - loads the libraries

    with open_stream("mp4", file) as container:
        return {"jpeg": base64.b64encode(poster(container, int(argument))).decode()}


_JOBS: dict[str, Callable[[str, BinaryIO], dict[str, Any]]] = {
    "picture": _picture,
    "stream": _stream,
    "sheet": _sheet,
    "frame": _frame,
    "join": _join,
    "still": _still,
    "moving": _moving,
    "stack": _stack,
    "poster": _poster,
}
