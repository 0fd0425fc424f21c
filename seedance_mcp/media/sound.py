"""Sound as samples: decoded to exact places, cut, faded, mixed and encoded.

It runs in the child of `decoder`, with PyAV loaded. Samples are whole numbers of 16 bits, those of all channels in turn.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
from av.audio.resampler import AudioResampler
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingMore
from av.filter import Graph

from seedance_mcp.media.clock import seconds_since

_FRAME_SAMPLES = 1024
_SAMPLE_BYTES = 2
_LOUDEST = 32767
_BITS_OF_A_CHANNEL = 96_000
"""In one second of encoded sound."""
_GAP_SECONDS = 0.04
"""A hole of this length in the times of the packets is filled with silence; less is rounding."""
_EDGE_SECONDS = 0.006
"""Sound rises from nothing and falls to nothing for so long where two clips meet: no jump, no click."""
MUSIC_IN_SECONDS, MUSIC_OUT_SECONDS = 1.0, 2.5


@dataclass(frozen=True, slots=True)
class Form:
    """How samples are counted."""

    hertz: int
    channels: int

    @property
    def layout(self) -> Literal["mono", "stereo"]:
        """The name of the channels."""
        return "mono" if self.channels == 1 else "stereo"

    def bytes_of(self, samples: int) -> int:
        """Give the length of so many samples."""
        return samples * self.channels * _SAMPLE_BYTES

    def samples_in(self, seconds: float | Fraction) -> int:
        """Give the number of samples in a time."""
        return round(seconds * self.hertz)


def decoded(container: Any, stream: Any, form: Form, start: float, samples: int) -> bytearray:
    """Decode exactly so many samples from a moment of the file's own clock: of a container that stands at its beginning."""
    if form.channels > 1 == stream.codec_context.channels:
        return _doubled(decoded(container, stream, Form(form.hertz, 1), start, samples))
    return laid(container.decode(stream), form, start, samples)


def laid(frames: Iterable[Any], form: Form, start: float, samples: int) -> bytearray:
    """Lay decoded frames in a row of so many samples from a moment; silence stands where there are none."""
    sound = bytearray(form.bytes_of(samples))
    place, is_first = 0, True
    for frame in _resampled(frames, form):
        at = place if frame.time is None else form.samples_in(seconds_since(start, float(frame.time)))
        place = at if is_first or abs(at - place) > form.samples_in(_GAP_SECONDS) else place
        is_first = False
        _put(sound, bytes(frame.planes[0])[: form.bytes_of(frame.samples)], form.bytes_of(place))
        place += frame.samples
        if place >= samples:
            break
    return sound


def _doubled(sound: bytearray) -> bytearray:
    """Give each sample to both channels as it is: the library would make it quieter."""
    once, twice = array("h", bytes(sound)), array("h", bytes(2 * len(sound)))
    twice[0::2] = twice[1::2] = once
    return bytearray(twice.tobytes())


def _resampled(frames: Iterable[Any], form: Form) -> Iterator[Any]:
    resampler = AudioResampler(format="s16", layout=form.layout, rate=form.hertz)
    for frame in frames:
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _put(sound: bytearray, more: bytes, at: int) -> None:
    """Write bytes at a place, and leave out what lies before the beginning or behind the end."""
    begin, end = max(0, at), min(len(sound), at + len(more))
    if begin < end:
        sound[begin:end] = more[begin - at : end - at]


def soften_edges(sound: bytearray, form: Form) -> None:
    """Let a clip's sound rise at its beginning and fall at its end, within a few milliseconds."""
    whole = len(sound) // form.bytes_of(1)
    length = min(form.samples_in(_EDGE_SECONDS), whole // 2)
    _ramp(sound, form, 0, length, falls=False)
    _ramp(sound, form, whole - length, length, falls=True)


def crossfaded(ending: bytes, beginning: bytes, form: Form) -> bytes:
    """Mix the end of a clip into the beginning of the next, of the same length, at a steady loudness."""
    first, second = array("h", ending), array("h", beginning)
    samples = max(1, len(first) // form.channels)
    for number, value in enumerate(first):
        angle = math.pi / 2 * (number // form.channels + 0.5) / samples
        mixed = value * math.cos(angle) + second[number] * math.sin(angle)
        first[number] = max(-_LOUDEST, min(_LOUDEST, round(mixed)))
    return first.tobytes()


def with_music(sound: bytes, music: bytes, form: Form) -> bytes:
    """Lay music below a film's sound: it fades in and out, and gives way where the film is loud."""
    graph = Graph()
    film, bed = (
        graph.add_abuffer(format="s16", sample_rate=form.hertz, layout=form.layout, time_base=Fraction(1, form.hertz))
        for _ in range(2)
    )
    split, duck, mix = graph.add("asplit", "2"), graph.add("sidechaincompress", _DUCKED), graph.add("amix", _MIXED)
    limit = graph.add("alimiter", "limit=0.97:level=0:latency=1")
    form_node = graph.add("aformat", f"sample_fmts=s16:sample_rates={form.hertz}:channel_layouts={form.layout}")
    sink = graph.add("abuffersink")
    film.link_to(split, 0, 0)
    bed.link_to(duck, 0, 0)
    split.link_to(duck, 0, 1)
    split.link_to(mix, 1, 0)
    duck.link_to(mix, 0, 1)
    mix.link_to(limit)
    limit.link_to(form_node)
    form_node.link_to(sink)
    graph.configure()
    mixed = bytearray()
    for one, other in zip(frames_of(sound, form), frames_of(music, form), strict=True):
        film.push(one)
        bed.push(other)
        mixed += _pulled(sink, form)
    film.push(None)
    bed.push(None)
    mixed += _pulled(sink, form)
    return bytes(mixed[: len(sound)]).ljust(len(sound), b"\0")


_DUCKED = "threshold=0.03:ratio=5:attack=30:release=700"
_MIXED = "inputs=2:duration=first:normalize=0:weights=1 0.5"


def _pulled(sink: Any, form: Form) -> bytes:
    """Take what a graph has ready."""
    ready = bytearray()
    while True:
        try:
            frame = sink.pull()
        except (NothingYet, NothingMore):
            return bytes(ready)
        ready += bytes(frame.planes[0])[: form.bytes_of(frame.samples)]


def fade_music(music: bytearray, form: Form, sounding: int) -> None:
    """Let music rise at its beginning and fall at its end: of the film, or its own where it is shorter.

    Args:
        music: As long as the film.
        form: How it is counted.
        sounding: How many samples of it there are; silence follows.
    """
    samples = min(sounding, len(music) // form.bytes_of(1))
    into = min(form.samples_in(MUSIC_IN_SECONDS), samples // 4)
    out = min(form.samples_in(MUSIC_OUT_SECONDS), samples // 4)
    _ramp(music, form, 0, into, falls=False)
    _ramp(music, form, samples - out, out, falls=True)


def _ramp(sound: bytearray, form: Form, place: int, length: int, *, falls: bool) -> None:
    begin, end = form.bytes_of(place), form.bytes_of(place + length)
    edge = array("h", bytes(sound[begin:end]))
    for number, value in enumerate(edge):
        share = (number // form.channels + 0.5) / max(1, length)
        edge[number] = round(value * ((1 - share) if falls else share))
    sound[begin:end] = edge.tobytes()


def frames_of(sound: bytes, form: Form) -> Iterator[Any]:
    """Give samples as frames for an encoder or a filter."""
    whole = len(sound) // form.bytes_of(1)
    for start in range(0, whole, _FRAME_SAMPLES):
        samples = min(_FRAME_SAMPLES, whole - start)
        frame: Any = av.AudioFrame(format="s16", layout=form.layout, samples=samples)
        chunk = sound[form.bytes_of(start) : form.bytes_of(start + samples)]
        frame.planes[0].update(chunk.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = form.hertz, start, Fraction(1, form.hertz)
        yield frame


def add_track(container: Any, codec: str, sound: bytes, form: Form) -> deque[Any]:
    """Add a stream of sound to an output, and give its packets, which are still to be written."""
    bits_per_second = _BITS_OF_A_CHANNEL * form.channels
    stream = container.add_stream(codec, rate=form.hertz, layout=form.layout, bit_rate=bits_per_second)
    return packets_of(stream, sound, form)


def packets_of(stream: Any, sound: bytes, form: Form) -> deque[Any]:
    """Encode samples with the encoder of an output stream."""
    packets = [packet for frame in frames_of(sound, form) for packet in stream.encode(frame)]
    return deque([*packets, *stream.encode(None)])


def mux_together(container: Any, pictures: list[Any], waiting: deque[Any]) -> None:
    """Write packets of pictures, each behind the sound that is heard before it: `waiting` gets shorter."""
    for packet in pictures:
        until = packet.dts * packet.time_base if packet.dts is not None else 0
        while waiting and waiting[0].pts * waiting[0].time_base <= until:
            container.mux(waiting.popleft())
        container.mux(packet)
