"""What ffprobe and ffmpeg say about a file: they share no line with this project."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from workshop import unavailable

GRID = 12
"""A picture is compared as so many by so many patches."""


@dataclass(frozen=True)
class Judged:
    """One file as ffprobe sees it."""

    codec: str
    size_px: tuple[float, float] | None
    """As it is shown: pixels of another shape and the rotation are applied."""
    seconds: float
    """From the begin of the first frame to the end of the last one."""
    frame_seconds: float
    """How long one frame lasts, without the pauses between some of them."""


def program(name: str) -> str:
    """Find a program of the Debian package ffmpeg."""
    found = shutil.which(name)
    if not found:
        unavailable(f"there is no {name}: apt-get install ffmpeg")
    return str(found)


def judge(path: Path, kind: str) -> Judged:
    """Have the pictures or the sound of a file decoded."""
    entries = (
        "stream=codec_name,width,height,sample_aspect_ratio,sample_rate:stream_side_data=rotation"
        ":stream_tags=rotate:frame=best_effort_timestamp_time,pkt_duration_time,duration_time,nb_samples"
    )
    words = ("-v", "error", "-select_streams", f"{'a' if kind == 'audio' else 'v'}:0", "-show_entries", entries, "-of", "json")
    said: Any = json.loads(subprocess.run([program("ffprobe"), *words, str(path)], check=True, capture_output=True).stdout)
    (stream,), frames = said["streams"], said["frames"]
    if kind == "audio":
        samples, hertz = [int(frame["nb_samples"]) for frame in frames], int(stream["sample_rate"])
        return Judged(stream["codec_name"], None, sum(samples) / hertz, max(samples) / hertz)
    size = _shown(stream)
    if kind == "image":
        return Judged(stream["codec_name"], size, 0.0, 0.0)
    times = [float(frame["best_effort_timestamp_time"]) for frame in frames if "best_effort_timestamp_time" in frame]
    one = median(after - before for before, after in pairwise(times))  # the average of the stream counts a pause as a frame
    last = float(frames[-1].get("duration_time") or frames[-1].get("pkt_duration_time") or one)
    return Judged(stream["codec_name"], size, times[-1] - times[0] + last, one)


def _shown(stream: Any) -> tuple[float, float]:
    wide, _, high = stream.get("sample_aspect_ratio", "1:1").partition(":")
    width, height = stream["width"] * (int(wide) / int(high) if int(wide) else 1), stream["height"]
    turned = sum(int(each.get("rotation", 0)) for each in stream.get("side_data_list", []))
    return (height, width) if turned % 180 else (width, height)


def patches(path: Path) -> bytes:
    """Give the first picture of a file as a player shows it: a small grid of red, green and blue."""
    words = ("-v", "error", "-i", str(path), "-frames:v", "1", "-vf", f"scale={GRID}:{GRID}:flags=area")
    return subprocess.run(
        [program("ffmpeg"), *words, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True
    ).stdout
