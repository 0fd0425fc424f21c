"""Makes a film or a sound fit: H.264 and AAC in an MP4, or a WAV or MP3, within what a route takes.

It runs in the child of `decoder`: PyAV is loaded with it.
"""

from __future__ import annotations

import wave
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from seedance_mcp.media import colours, pictures, sound
from seedance_mcp.media.decoder import Unreadable
from seedance_mcp.media.pictures import Screen
from seedance_mcp.media.sizes import Target, canvas, refuse, size_faults
from seedance_mcp.media.sound import Form
from seedance_mcp.media.source_frames import Open, beginning_of, frames_from, pictures_of, sound_of

Report = Callable[[float], object]
_HERTZ_MOST, _STEREO = 48_000, 2
_ROLL_SECONDS = 0.5
"""Decoding begins this long before what is wanted, since a coded frame may lean on earlier ones."""
_SPARE = 0.9
"""The share of the allowed bytes that a second try aims at."""
_SOUND_BITS = 192_000
_MP3_SECONDS = 600.0
"""Longer sound goes into an MP3."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The result that is wanted of a file."""

    title: str
    """Of its format, with its article."""
    target: Target
    output: str
    """A path without ending."""
    shape: str
    """`pad`, `crop`, or empty where another aspect may not be made."""
    start_seconds: float
    may_cut: bool
    known_seconds: float | None


@dataclass(frozen=True, slots=True)
class _Original:
    """The pictures and the sound of a source, as they are."""

    begins: float
    """When its first frame is shown, on the file's own clock."""
    shown: tuple[int, int]
    is_turned: bool
    pixel_aspect: Any
    rate: Fraction | None
    hdr: str
    form: Form | None
    """Of its sound; `None` where it has none."""


def _original(container: Any) -> _Original:
    beginning, audio = beginning_of(container), sound_of(container)
    first, stream = beginning.frame, beginning.stream
    aspect, is_turned = stream.sample_aspect_ratio, round(first.rotation) % 360 != 0
    size = pictures.shown_size(first, aspect)
    form = _form_of(audio) if audio else None
    return _Original(float(first.time or 0), size, is_turned, aspect, beginning.rate, colours.hdr_of(stream), form)


def fit_film(source: Open, wish: Wish, report: Report) -> dict[str, Any]:
    """Write an MP4 that fits; gives its `ending` and the `changes`.

    Raises:
        Unreadable: It is too short, too long, too small or too narrow, and may not be cut; all of that is named.
    """
    with source() as container:
        film = _original(container)
    refuse([*_span_faults(wish), *size_faults(*film.shown, wish.target, wish.shape)])
    cut, seconds, cut_words = _span(wish)
    screen, shape_words = _screen(film, wish)
    count = max(1, int(seconds * screen.rate + Fraction(1, 1000))) if cut_words else max(1, round(seconds * screen.rate))
    form, track = _film_sound(source, film, cut, Fraction(count) / screen.rate)
    draft = _Draft(screen, count, track, form)

    def write(bits: int | None) -> int:
        with closing(frames_from(source, pictures_of, film.begins + cut)) as frames:
            drawn = pictures.drawn(frames, film.pixel_aspect, screen, film.begins + cut, count)
            _write_film(output, drawn, draft, bits, report)
        return output.stat().st_size

    output, most_bytes = Path(f"{wish.output}.mp4"), wish.target.bytes.high
    if write(None) > most_bytes and write(draft.bits_for(most_bytes)) > most_bytes:
        write(draft.bits_for(most_bytes / 2))
    turned = ["turned upright"] if film.is_turned else []
    paler = [f"HDR ({film.hdr}) became the colours of usual screens (BT.709): it may be paler"] if film.hdr else []
    made = f"converted from {wish.title} to an MP4 video (H.264{', AAC' if track else ''})"
    return {"ending": "mp4", "changes": [made, *turned, *cut_words, *shape_words, *_rate_words(film, screen), *paler]}


def _span_faults(wish: Wish) -> list[str]:
    """Say what cannot be mended about a length, as the end of a sentence."""
    known, allowed = wish.known_seconds or 0.0, wish.target.seconds
    left = known - wish.start_seconds
    if left <= 0:
        return [f"ends after {known:.1f} s, before second {wish.start_seconds:g}"]
    if round(left, 1) < allowed.low:
        from_there = " from there" if wish.start_seconds else ""
        return [f"has only {left:.1f} s{from_there}; allowed: at least {allowed.low:g} s"]
    if not wish.may_cut and round(known, 1) > allowed.high:
        return [f"has {known:.1f} s; allowed: up to {allowed.high:g} s. {TRIM_IT}"]
    return []


def _span(wish: Wish) -> tuple[float, float, list[str]]:
    """Say from where and how long a file is used."""
    known = wish.known_seconds or 0.0
    left = known - wish.start_seconds
    seconds = min(left, wish.target.seconds.high)
    is_cut = wish.start_seconds > 0 or seconds < left
    words = [f"cut to {seconds:.4g} s from second {wish.start_seconds:g} of {known:.1f} s"] if is_cut else []
    return wish.start_seconds, seconds, words


TRIM_IT = "Call again with fit: trim, which cuts it; #t=SECONDS behind the path begins there"


def _screen(film: _Original, wish: Wish) -> tuple[Screen, list[str]]:
    """Give size and rate of the film, and describe what changes by them."""
    shown = width, height = film.shown
    aspect = wish.target.aspect_for(width, height)
    words = list[str]()
    inside = shown
    if aspect != width / height:
        inside = canvas(width, height, aspect, wish.shape)
        words.append("edges cut off" if wish.shape == "crop" else "black bars added")
    size = wish.target.size_for(*inside, step=2)
    if size != shown:
        words.append(f"size changed from {width} x {height} to {size[0]} x {size[1]} px")
    return Screen(*size, pictures.usual_rate(film.rate), wish.shape or "pad"), words


def _rate_words(film: _Original, screen: Screen) -> list[str]:
    before = float(film.rate or 0)
    is_same = abs(before - float(screen.rate)) < 0.01  # noqa: PLR2004 - of rounding
    return [] if is_same or not before else [f"frame rate changed from {before:.4g} to {float(screen.rate):.4g}"]


def _film_sound(source: Open, film: _Original, cut: float, seconds: Fraction) -> tuple[Form, bytes]:
    """Give the sound that goes with the frames; empty where the film has none."""
    if film.form is None:
        return Form(_HERTZ_MOST, _STEREO), b""
    return film.form, _heard(source, film.form, film.begins + cut, seconds)


def _heard(source: Open, form: Form, start: float, seconds: Fraction) -> bytes:
    """Decode sound from a moment, with what a coded frame may lean on before it."""
    with closing(frames_from(source, sound_of, start - _ROLL_SECONDS)) as frames:
        return bytes(sound.laid(frames, form, start, form.samples_in(seconds)))


def _form_of(audio: Any) -> Form:
    hertz = audio.codec_context.sample_rate
    usual = hertz if hertz in {16_000, 22_050, 24_000, 32_000, 44_100, 48_000} else _HERTZ_MOST
    return Form(usual, min(_STEREO, audio.codec_context.channels))


@dataclass(frozen=True, slots=True)
class _Draft:
    """The film before it is encoded."""

    screen: Screen
    count: int
    """Of frames."""
    sound: bytes
    form: Form

    def bits_for(self, most_bytes: float) -> int:
        """Give the bits per second of pictures that leave room for the sound."""
        return int(most_bytes * 8 * _SPARE / float(self.count / self.screen.rate)) - _SOUND_BITS


def _write_film(output: Path, frames: Any, draft: _Draft, bits: int | None, report: Report) -> None:
    """Encode frames and sound; a number of bits per second replaces the quality."""
    opened: Any = av.open(str(output), "w", format="mp4", options={"movflags": "+faststart"})
    with opened as container:
        video = pictures.add_encoder(container, draft.screen, bits_per_second=bits)
        waiting = sound.add_track(container, "aac", draft.sound, draft.form) if draft.sound else deque[Any]()
        told = 0
        for number, frame in enumerate(frames):
            frame.pict_type = 0
            sound.mux_together(container, video.encode(frame), waiting)
            if 100 * number // draft.count > told:
                report(told := 100 * number // draft.count)
        sound.mux_together(container, video.encode(None), waiting)
        container.mux(list(waiting))


def fit_sound(source: Open, wish: Wish, report: Report) -> dict[str, Any]:
    """Write a WAV, or an MP3 of what is too long for one; gives its `ending` and the `changes`."""
    with source() as container:
        audio = sound_of(container)
        if audio is None:
            raise Unreadable("holds no sound that can be decoded")
        form, begins = _form_of(audio), float((audio.start_time or 0) * audio.time_base)
    refuse(_span_faults(wish))
    cut, seconds, words = _span(wish)
    track = _heard(source, form, begins + cut, Fraction(seconds))
    report(50)
    is_wave = seconds <= _MP3_SECONDS and len(track) + 100 <= wish.target.bytes.high
    ending = "wav" if is_wave else "mp3"
    (_write_wave if is_wave else _write_mp3)(Path(f"{wish.output}.{ending}"), track, form)
    return {"ending": ending, "changes": [f"converted from {wish.title} to {ending.upper()}", *words]}


def _write_wave(output: Path, track: bytes, form: Form) -> None:
    with wave.open(str(output), "wb") as file:
        file.setnchannels(form.channels)
        file.setsampwidth(2)
        file.setframerate(form.hertz)
        file.writeframes(track)


def _write_mp3(output: Path, track: bytes, form: Form) -> None:
    opened: Any = av.open(str(output), "w", format="mp3")
    with opened as container:
        container.mux(list(sound.add_track(container, "libmp3lame", track, form)))
