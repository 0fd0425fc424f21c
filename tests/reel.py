"""Clips with a colour and a tone, made on the spot, and what is seen and heard in a film."""

from __future__ import annotations

import io
import json
import math
import os
import tempfile
import wave
from array import array
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
from PIL import Image

from seedance_mcp.media.decoder import Unreadable
from seedance_mcp.media.worker import answer

Colour = tuple[int, int, int]
RED, GREEN, BLUE = (200, 50, 50), (40, 160, 60), (40, 60, 190)


@dataclass(frozen=True)
class Shot:
    """What one clip shows and sounds like."""

    colour: Colour = RED
    size_px: tuple[int, int] = (160, 96)
    rate: Fraction = Fraction(24)
    frames: int = 48
    tone_hertz: float | None = 440.0
    """`None`: it has no sound."""
    sound_seconds: float | None = None
    """As long as the pictures where it is `None`."""
    hertz: int = 48_000
    channels: int = 1
    turned: int = 0
    tags: int | None = None
    """The number of its colour space; `None` names none."""
    counts: bool = False
    """Whether each frame is a little brighter than the one before, in grey."""
    codec: str = "libx264"
    form: str = "mp4"
    transfer: int = 0
    pixel_aspect: Fraction = Fraction(1)
    flash_seconds: float = 0.0
    """Before it, all is black and silent."""


@cache
def clip(shot: Shot) -> bytes:
    """Encode a clip."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip"
        opened: Any = av.open(str(path), "w", format=shot.form)
        with opened as container:
            options = {"preset": "ultrafast"} if "26" in shot.codec else {}
            video = container.add_stream(shot.codec, rate=shot.rate, options=options)
            video.width, video.height, video.pix_fmt = *shot.size_px, "yuv420p"
            video.codec_context.sample_aspect_ratio = shot.pixel_aspect
            if shot.turned:
                video.set_display_rotation(shot.turned)
            if shot.tags:
                context = video.codec_context
                context.colorspace = context.color_primaries = shot.tags
                context.color_trc = shot.transfer or shot.tags
            audio = (
                container.add_stream("aac", rate=shot.hertz, layout=("mono", "stereo")[shot.channels - 1])
                if shot.tone_hertz
                else None
            )
            _draw(container, video, shot)
            if audio:
                _sound(container, audio, shot)
        return path.read_bytes()


def _draw(container: Any, stream: Any, shot: Shot) -> None:
    images = cast("Any", av.VideoFrame)
    matrix = "ITU709" if shot.tags in {1, 9} or min(shot.size_px) >= 720 else "ITU601"
    frame, drawn = cast("Any", None), None
    for number in range(shot.frames):
        colour = (60 + 2 * number,) * 3 if shot.counts else shot.colour
        colour = colour if number >= shot.flash_seconds * shot.rate else (0, 0, 0)
        if colour != drawn:
            picture, drawn = images.from_image(Image.new("RGB", shot.size_px, colour)), colour
            frame = picture.reformat(format="yuv420p", dst_colorspace=matrix)
        frame.colorspace, frame.pts, frame.time_base = shot.tags or 2, number, 1 / shot.rate
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def tone(samples: int, hertz: float, rate: int, channels: int = 1) -> array[int]:
    """Give a sine of middle loudness."""
    once = [round(9000 * math.sin(math.tau * hertz * number / rate)) for number in range(samples)]
    return array("h", (value for value in once for _ in range(channels)))


def _sound(container: Any, stream: Any, shot: Shot) -> None:
    seconds = shot.sound_seconds if shot.sound_seconds is not None else float(shot.frames / shot.rate)
    samples = tone(round(seconds * shot.hertz), shot.tone_hertz or 0, shot.hertz, shot.channels)
    silent = round(shot.flash_seconds * shot.hertz) * shot.channels
    samples[:silent] = array("h", bytes(2 * silent))
    step = 1024 * shot.channels
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        frame: Any = av.AudioFrame(
            format="s16", layout=("mono", "stereo")[shot.channels - 1], samples=len(part) // shot.channels
        )
        frame.planes[0].update(part.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = shot.hertz, start // shot.channels, Fraction(1, shot.hertz)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


@dataclass(frozen=True)
class Seen:
    """A decoded film."""

    size_px: tuple[int, int]
    times: list[float]
    """When each frame is shown."""
    colours: list[Colour]
    """Of the middle of each frame, as a player shows it."""
    sound: array[int]
    """Samples of the first channel."""
    hertz: int
    seconds: float
    """As the container says, of the longest track."""
    tags: tuple[int, int, int, int]
    codec: str
    is_faststart: bool


def seen(content: bytes) -> Seen:
    """Decode a film whole."""
    opened: Any = av.open(io.BytesIO(content))
    with opened as container:
        video, frames = container.streams.video[0], list[tuple[float, Colour]]()
        for frame in container.decode(video):
            frame.colorspace = 1 if frame.colorspace == 2 and min(frame.width, frame.height) >= 720 else frame.colorspace
            image = frame.to_image()
            frames.append((float(frame.time), image.getpixel((image.width // 2, image.height // 2))))
        context = video.codec_context
        tags = tuple(
            int(each) for each in (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        )
        size, seconds, codec = (video.width, video.height), container.duration / 1e6, context.codec.canonical_name
        hertz = container.streams.audio[0].sample_rate if container.streams.audio else 0
    return Seen(
        size, [at for at, _ in frames], [colour for _, colour in frames], heard(content) if hertz else array("h"), hertz, seconds,
        cast("Any", tags), codec, content.find(b"moov") < content.find(b"mdat"),
    )  # fmt: skip


def heard(content: bytes) -> array[int]:
    """Decode the first channel of a sound."""
    opened: Any = av.open(io.BytesIO(content))
    samples = array("h")
    with opened as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="s16", layout="mono", rate=stream.sample_rate)
        for frame in container.decode(stream):
            for each in resampler.resample(frame):
                samples.frombytes(bytes(each.planes[0])[: each.samples * 2])
    return samples


def loudness(samples: array[int], begin: float, end: float, hertz: int = 48_000) -> float:
    """Give the root mean square of a part, in seconds."""
    part = samples[round(begin * hertz) : round(end * hertz)]
    return math.sqrt(sum(value * value for value in part) / max(1, len(part)))


def is_near(colour: Colour, other: Colour, most: int = 6) -> bool:
    return all(abs(one - two) <= most for one, two in zip(colour, other, strict=True))


def wave_file(seconds: float) -> bytes:
    """Write a tone as a WAV."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tone(round(seconds * 8000), 300, 8000).tobytes())
    return written.getvalue()


def decode_here(name: str, argument: str, file: BinaryIO, *_: object) -> dict[str, Any]:
    """Do a job of the child in this process, like `decoder.decode`: it is quicker, and its lines are counted."""
    file.flush()
    before = os.lseek(file.fileno(), 0, os.SEEK_CUR)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    with os.fdopen(os.dup(file.fileno()), "rb") as own:
        done = answer(name, argument, own)
    os.lseek(file.fileno(), before, os.SEEK_SET)
    if "failed" in done:
        raise Unreadable(done.get("reason") or f"cannot be decoded ({done['failed']})")
    return done


def job(name: str, file: bytes = b"", **argument: Any) -> dict[str, Any]:
    """Do a job of the child in this process."""
    with tempfile.TemporaryFile() as opened:
        opened.write(file)
        opened.seek(0)
        return answer(name, json.dumps(argument), opened)
