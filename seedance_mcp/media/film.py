"""Joins clips to one film: equal ones keep their coded pictures, others are drawn anew; sound is always one piece.

It runs in the child of `decoder`, with PyAV loaded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from av.filter import Graph

from seedance_mcp.media import colours, pictures, sound
from seedance_mcp.media.decoder import Unreadable
from seedance_mcp.media.pictures import Screen
from seedance_mcp.media.sound import Form

Report = Callable[[float], object]
OpenStream = Callable[[str, BinaryIO], Any]
"""Opens a file of a format for PyAV, like `stream_files.open_stream`."""
_USUAL_HERTZ = 48_000
_STEREO = 2
_TAG_709 = "h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1"


@dataclass(frozen=True, slots=True)
class Plan:
    """The clips to join, and the way."""

    clips: list[str]
    """Paths, in order."""
    output: str
    crossfade_seconds: float = 0.0
    """0: a hard cut."""
    music: str | None = None
    music_format: str = ""


@dataclass(slots=True)
class Clip:
    """One clip, opened."""

    container: Any
    times: list[int] = field(default_factory=list[int])
    """When each packet of pictures is shown, in order, in ticks of the stream."""
    frames: int = 0
    """How many frames it gives to the film."""

    @property
    def video(self) -> Any:
        """Its pictures."""
        return self.container.streams.video[0]

    @property
    def audio(self) -> Any:
        """Its sound, or `None`."""
        return next(iter(self.container.streams.audio), None)

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.video.average_rate or 24)

    @property
    def start_seconds(self) -> float:
        """When its first frame is shown, on the file's own clock."""
        return float(self.times[0] * self.video.time_base)

    def is_steady(self) -> bool:
        """Return whether each frame is shown for the same time."""
        ticks = 1 / (self.rate * self.video.time_base)
        return all(abs(at - self.times[0] - number * ticks) < 1 for number, at in enumerate(self.times))

    def coding(self) -> tuple[object, ...]:
        """Give all that must be the same in clips whose packets follow one another in one stream."""
        context, stream = self.video.codec_context, self.video
        colours = context.color_primaries, context.color_trc, context.colorspace, context.color_range
        size = context.width, context.height, context.pix_fmt, stream.sample_aspect_ratio or Fraction(1)
        return context.codec.canonical_name, context.extradata, self.rate, *size, *colours


def join(plan: Plan, open_stream: OpenStream, report: Report) -> dict[str, Any]:
    """Write the film; gives its `frames`, `seconds`, `size_px`, the `clips`' seconds, and whether it was `copied`.

    Raises:
        Unreadable: A clip has no pictures, or is too short for the crossfade.
    """
    with ExitStack() as stack:
        clips = [stack.enter_context(_opened(number, path, open_stream)) for number, path in enumerate(plan.clips, 1)]
        is_copy = plan.crossfade_seconds == 0 and _are_equal(clips)
        screen = _screen_of(clips[0])
        overlap = round(plan.crossfade_seconds * screen.rate)
        _count_frames(clips, screen, overlap)
        total = sum(clip.frames for clip in clips) - overlap * (len(clips) - 1)
        track = _soundtrack(clips, plan, screen, overlap, open_stream)
        _write(_Film(clips, screen, overlap, is_copy), plan.output, track, _Progress(report, total))
    return {
        "frames": total,
        "seconds": float(total / screen.rate),
        "size_px": [screen.width_px, screen.height_px],
        "clips": [float(clip.frames / screen.rate) for clip in clips],
        "copied": is_copy,
    }


@dataclass(frozen=True, slots=True)
class _Film:
    """The film that the clips become."""

    clips: list[Clip]
    screen: Screen
    overlap: int
    """Frames that two clips share at a joint."""
    is_copy: bool


class _Progress:
    """Reports each new percent."""

    def __init__(self, report: Report, frames: int) -> None:
        self._report, self._frames, self._told = report, frames, 0

    def at(self, frame: int) -> None:
        percent = 100 * frame // max(1, self._frames)
        if percent > self._told:
            self._told = percent
            self._report(percent)


@contextmanager
def _opened(number: int, path: str, open_stream: OpenStream) -> Generator[Clip]:
    with ExitStack() as stack:
        with _blamed(f"clip {number}"):
            container = stack.enter_context(open_stream("mp4", stack.enter_context(Path(path).open("rb"))))
            if not container.streams.video:
                raise Unreadable("holds no pictures")
            clip = Clip(container)
            pictures.open_pictures(clip.video)
            clip.times = sorted(packet.pts for packet in container.demux(clip.video) if packet.pts is not None)
        yield clip


@contextmanager
def _blamed(name: str) -> Generator[None]:
    """Name the one of many files that cannot be read."""
    try:
        yield
    except Unreadable as error:
        raise Unreadable(f"{name} {error}") from error
    except FFmpegError as error:
        raise Unreadable(f"{name} cannot be decoded ({type(error).__name__})") from error


def _are_equal(clips: list[Clip]) -> bool:
    """Return whether the packets of all clips can stand in one stream."""
    steady = all(clip.is_steady() and _rotation(clip) == 0 for clip in clips)
    return steady and all(clip.coding() == clips[0].coding() for clip in clips)


def _rotation(clip: Clip) -> int:
    clip.container.seek(0)
    return round(next(iter(clip.container.decode(clip.video))).rotation)


def _screen_of(clip: Clip) -> Screen:
    """Give size and rate of the film: the first clip's, with even sides."""
    clip.container.seek(0)
    frame = next(iter(clip.container.decode(clip.video)))
    width, height = pictures.shown_size(frame, clip.video.sample_aspect_ratio)
    return Screen(width - width % 2, height - height % 2, clip.rate)


def _count_frames(clips: list[Clip], screen: Screen, overlap: int) -> None:
    """Say how many frames of the film each clip fills."""
    for number, clip in enumerate(clips):
        last = (clip.times[-1] - clip.times[0]) * clip.video.time_base + 1 / clip.rate
        clip.frames = max(1, round(last * screen.rate))
        joints = overlap * ((number > 0) + (number < len(clips) - 1))
        if clip.frames < joints + 1:
            raise Unreadable(
                f"clip {number + 1} has only {float(clip.frames / screen.rate):.2f} s, too few for its crossfades: make them "
                "shorter"
            )


def _soundtrack(
    clips: list[Clip], plan: Plan, screen: Screen, overlap: int, open_stream: OpenStream
) -> tuple[bytes, Form] | None:
    """Give the film's sound from end to end; `None` where there is none."""
    tracks = [clip.audio for clip in clips if clip.audio]
    if not tracks and not plan.music:
        return None
    is_stereo = bool(plan.music) or any(track.codec_context.channels >= _STEREO for track in tracks)
    form = Form(tracks[0].codec_context.sample_rate if tracks else _USUAL_HERTZ, _STEREO if is_stereo else 1)
    whole = _clips_sound(clips, screen, overlap, form)
    if plan.music:
        whole = _music_below(whole, plan, form, open_stream, is_silent=not tracks)
    return whole, form


def _clips_sound(clips: list[Clip], screen: Screen, overlap: int, form: Form) -> bytes:
    """Put the sounds of all clips in a row; every joint stands at the sample of its frame."""
    whole, frame = bytearray(), 0
    for number, clip in enumerate(clips):
        begin = form.samples_in(frame / screen.rate)
        frame += clip.frames
        piece = _clip_sound(clip, form, form.samples_in(frame / screen.rate) - begin)
        if number and overlap:
            mixed = len(whole) - form.bytes_of(begin)
            whole[-mixed:] = sound.crossfaded(bytes(whole[-mixed:]), bytes(piece[:mixed]), form)
            piece = piece[mixed:]
        whole += piece
        frame -= overlap
    return bytes(whole)


def _clip_sound(clip: Clip, form: Form, samples: int) -> bytearray:
    if clip.audio is None:
        return bytearray(form.bytes_of(samples))
    clip.container.seek(0)
    piece = sound.decoded(clip.container, clip.audio, form, clip.start_seconds, samples)
    sound.soften_edges(piece, form)
    return piece


def _music_below(whole: bytes, plan: Plan, form: Form, open_stream: OpenStream, *, is_silent: bool) -> bytes:
    samples = len(whole) // form.bytes_of(1)
    with (
        _blamed("the music"),
        Path(plan.music or "").open("rb") as file,
        open_stream(plan.music_format, file) as container,
    ):
        if not container.streams.audio:
            raise Unreadable("holds no sound")
        stream = container.streams.audio[0]
        start = float((stream.start_time or 0) * stream.time_base)
        known = float((stream.duration or 0) * stream.time_base) or (container.duration or 0) / 1e6
        music = sound.decoded(container, stream, form, start, samples)
    sound.fade_music(music, form, form.samples_in(known) if known else samples)
    return bytes(music) if is_silent else sound.with_music(whole, bytes(music), form)


def _write(film: _Film, output: str, track: tuple[bytes, Form] | None, progress: _Progress) -> None:
    opened: Any = av.open(output, "w", format="mp4", options={"movflags": "+faststart"})
    with opened as container:
        writer = _Copier(container, film.clips) if film.is_copy else _Drawer(container, film)
        waiting = sound.add_track(container, "aac", *track) if track else deque[Any]()
        for number, packet in enumerate(writer.packets()):
            sound.mux_together(container, [packet], waiting)
            progress.at(number + 1)
        container.mux(list(waiting))


class _Copier:
    """Passes on the packets of equal clips."""

    def __init__(self, container: Any, clips: list[Clip]) -> None:
        self._clips = clips
        first = clips[0].video
        self._stream = container.add_stream_from_template(first)
        context = first.codec_context
        self._filter: Any = None
        if context.codec.canonical_name == "h264" and colours.is_untagged_hd(context):
            colours.tag_709(self._stream.codec_context)
            self._filter = BitStreamFilterContext(_TAG_709, first, self._stream)

    def packets(self) -> Iterator[Any]:
        """Give every packet, moved to its place in the film."""
        frame = 0
        for clip in self._clips:
            clip.container.seek(0)
            base = clip.video.time_base
            offset = round(frame / (clip.rate * base)) - clip.times[0]
            frame += clip.frames
            for packet in clip.container.demux(clip.video):
                if packet.dts is None:
                    continue
                packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                packet.stream = self._stream
                yield from self._filter.filter(packet) if self._filter else (packet,)


class _Drawer:
    """Draws the frames of all clips anew, in one size, at one rate."""

    def __init__(self, container: Any, film: _Film) -> None:
        self._clips, self._screen, self._overlap = film.clips, film.screen, film.overlap
        self._stream = pictures.add_encoder(container, film.screen)

    def packets(self) -> Iterator[Any]:
        """Give every packet of the film."""
        for number, frame in enumerate(self._frames()):
            frame.pts, frame.time_base = number, 1 / self._screen.rate
            frame.pict_type = 0
            yield from self._stream.encode(frame)
        yield from self._stream.encode(None)

    def _frames(self) -> Iterator[Any]:
        kept = list[Any]()
        for number, clip in enumerate(self._clips):
            clip.container.seek(0)
            stream = clip.video
            frames = pictures.drawn(
                clip.container.decode(stream), stream.sample_aspect_ratio, self._screen, clip.start_seconds, clip.frames
            )
            if number and self._overlap:
                yield from _blended([*kept], [next(frames) for _ in range(self._overlap)], self._screen)
            is_last = number == len(self._clips) - 1
            hold = clip.frames - (0 if is_last else self._overlap) - (self._overlap if number else 0)
            kept.clear()
            for place, frame in enumerate(frames):
                if place < hold:
                    yield frame
                else:
                    kept.append(frame)


def _blended(ending: list[Any], beginning: list[Any], screen: Screen) -> Iterator[Any]:
    """Let the end of a clip give way to the beginning of the next, frame by frame."""
    for number, pair in enumerate(zip(ending, beginning, strict=True)):
        yield _mixed(pair, 1 - (number + 1) / (len(ending) + 1), screen)


def _mixed(pair: tuple[Any, Any], share: float, screen: Screen) -> Any:
    """Mix two frames; `share` is the part of the first one."""
    graph = Graph()
    size: dict[str, Any] = {"width": screen.width_px, "height": screen.height_px, "format": "yuv420p"}
    blend, sink = graph.add("blend", f"all_mode=normal:all_opacity={share}"), graph.add("buffersink")
    sources = [graph.add_buffer(**size, time_base=1 / screen.rate) for _ in pair]
    for number, source in enumerate(sources):
        source.link_to(blend, 0, number)
    blend.link_to(sink)
    graph.configure()
    for source, frame in zip(sources, pair, strict=True):
        frame.pts, frame.time_base = 0, 1 / screen.rate
        source.push(frame)
    return sink.pull()
