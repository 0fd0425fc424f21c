"""Joined films: exact in frames and samples, without gap or click, in the colours of their clips."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from corpus import SOUND, Clip, wave
from corpus import film as film_of
from PIL import Image
from reel import BLUE, GREEN, RED, Seen, Shot, clip, is_near, job, loudness, seen

PLAIN = Shot()
THREE = [replace(PLAIN, colour=colour) for colour in (RED, GREEN, BLUE)]


def joined(folder: Path, shots: list[Shot], **plan: Any) -> tuple[dict[str, Any], Seen]:
    paths = [folder / f"{number}.mp4" for number in range(len(shots))]
    for path, shot in zip(paths, shots, strict=True):
        path.write_bytes(clip(shot))
    done = job("join", clips=[str(path) for path in paths], output=str(folder / "film.mp4"), **plan)
    assert "failed" not in done, done
    return done, seen((folder / "film.mp4").read_bytes())


def refused(folder: Path, shots: list[Shot], **plan: Any) -> str:
    paths = [folder / f"{number}.mp4" for number in range(len(shots))]
    for path, shot in zip(paths, shots, strict=True):
        path.write_bytes(clip(shot))
    return job("join", clips=[str(path) for path in paths], output=str(folder / "film.mp4"), **plan)["reason"]


def jump(film: Seen, at: float, around: float = 0.05) -> int:
    """The largest step between two samples near a moment."""
    part = film.sound[round((at - around) * film.hertz) : round((at + around) * film.hertz)]
    return max(abs(one - two) for one, two in pairwise(part))


@pytest.mark.slow
def test_equal_clips_are_joined_without_loss_and_exactly(tmp_path: Path) -> None:
    done, film = joined(tmp_path, THREE)
    assert (done["copied"], done["frames"], done["seconds"], done["clips"]) == (True, 144, 6.0, [2.0, 2.0, 2.0])
    assert film.times == pytest.approx([number / 24 for number in range(144)], abs=1e-4)
    assert all(is_near(film.colours[number], THREE[number // 48].colour) for number in range(144))
    assert film.seconds == pytest.approx(6.0, abs=0.001)
    assert 6 * 48_000 <= len(film.sound) < 6 * 48_000 + 1024
    assert film.is_faststart


@pytest.mark.slow
def test_no_gap_and_no_click_at_a_joint(tmp_path: Path) -> None:
    _, film = joined(tmp_path, [replace(each, tone_hertz=441.3) for each in THREE])
    within = jump(film, 1.0)
    for joint in (2.0, 4.0):
        assert jump(film, joint) <= within * 1.5
        assert loudness(film.sound, joint - 0.05, joint - 0.01) > 5000
        assert loudness(film.sound, joint + 0.01, joint + 0.05) > 5000
        assert loudness(film.sound, joint - 0.02, joint + 0.02) > 4000


def offsets(film: Seen, clips: int) -> list[float]:
    """By clip of two seconds: how much later the sound begins than the picture flashes, in seconds."""
    found = list[float]()
    for number in range(clips):
        seen_at = next(at for at, colour in zip(film.times, film.colours, strict=True) if at > 2 * number and max(colour) > 99)
        begin = round(2 * number * film.hertz) + film.hertz // 2  # the sound of the clip before has ended there
        loud = next(place for place in range(begin, len(film.sound)) if abs(film.sound[place]) > 2000)
        found.append(loud / film.hertz - seen_at)
    return found


FLASHES = [replace(PLAIN, colour=(230, 230, 230), flash_seconds=1.0, tone_hertz=997.0)] * 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "shots",
    [
        FLASHES,
        [replace(each, sound_seconds=seconds) for each, seconds in zip(FLASHES, (1.6, 2.3, 2.0) * 2, strict=True)],
        [
            replace(each, rate=Fraction(rate), frames=2 * rate, hertz=hertz, size_px=size)
            for each, rate, hertz, size in zip(
                FLASHES, (24, 25, 30) * 2, (48_000, 44_100) * 3, ((160, 96), (96, 160)) * 3, strict=True
            )
        ],
    ],
    ids=["equal", "sound of other lengths", "unequal"],
)
def test_sound_and_picture_of_each_clip_are_within_20_ms(tmp_path: Path, shots: list[Shot]) -> None:
    _, film = joined(tmp_path, shots)
    assert film.seconds == pytest.approx(12.0, abs=0.001)
    assert max(map(abs, offsets(film, len(shots)))) < 0.02


def pop(film: Seen, joint: float) -> float:
    """The largest second difference of the samples near a joint: small in a low tone, large wherever a step is heard."""
    part = film.sound[round((joint - 0.02) * film.hertz) : round((joint + 0.02) * film.hertz)]
    return max(abs(one - 2 * two + three) for one, two, three in zip(part, part[1:], part[2:], strict=False))


@pytest.mark.parametrize("hertz", [441.3, 733.7])
@pytest.mark.slow
def test_no_joint_pops(tmp_path: Path, hertz: float) -> None:
    _, film = joined(tmp_path, [replace(each, tone_hertz=hertz) for each in THREE])
    a_pop = 9000  # a step from a crest to silence
    within = pop(film, 1.0)
    assert [pop(film, joint) < within + a_pop / 10 for joint in (2.0, 4.0)] == [True, True]


@pytest.mark.parametrize("sound_seconds", [1.2, 2.7])
@pytest.mark.slow
def test_sound_of_another_length_than_its_pictures_moves_no_joint(tmp_path: Path, sound_seconds: float) -> None:
    shots = [replace(THREE[0], sound_seconds=sound_seconds), THREE[1], THREE[2]]
    done, film = joined(tmp_path, shots)
    assert (done["copied"], len(film.times), film.seconds) == (True, 144, pytest.approx(6.0, abs=0.001))
    assert loudness(film.sound, 2.01, 2.2) > 5000
    assert (loudness(film.sound, 1.5, 1.9) > 5000) is (sound_seconds > 2)


def test_a_silent_first_clip_loses_no_later_sound(tmp_path: Path) -> None:
    done, film = joined(tmp_path, [replace(THREE[0], tone_hertz=None), THREE[1], replace(THREE[2], tone_hertz=None)])
    assert done["copied"] is True
    assert loudness(film.sound, 0.1, 1.95) < 30
    assert loudness(film.sound, 2.02, 3.98) > 5000
    assert loudness(film.sound, 4.05, 5.9) < 30


def test_clips_without_any_sound_make_a_silent_film(tmp_path: Path) -> None:
    _, film = joined(tmp_path, [replace(each, tone_hertz=None) for each in THREE])
    assert (len(film.times), film.hertz) == (144, 0)


UNEQUAL = [
    Shot(RED, (192, 96), tags=1),
    Shot(GREEN, (96, 160), rate=Fraction(30000, 1001), frames=60, hertz=44_100, channels=2),
    Shot(BLUE, (96, 192), turned=90, tone_hertz=None),
    Shot((150, 150, 150), (160, 96), rate=Fraction(25), frames=50, codec="mpeg4"),
]


@pytest.mark.slow
def test_unequal_clips_get_size_and_rate_of_the_first(tmp_path: Path) -> None:
    done, film = joined(tmp_path, UNEQUAL)
    assert (done["copied"], done["frames"], film.size_px) == (False, 192, (192, 96))
    assert film.times == pytest.approx([number / 24 for number in range(192)], abs=1e-4)
    assert film.tags == (1, 1, 1, 1)
    for number in range(192):
        assert is_near(film.colours[number], UNEQUAL[number // 48].colour, 9), number
    assert 8 * 48_000 <= len(film.sound) < 8 * 48_000 + 1024
    assert loudness(film.sound, 4.05, 5.95) < 30
    assert loudness(film.sound, 2.02, 3.98) > 5000


@pytest.mark.slow
def test_a_variable_frame_rate_is_drawn_anew(tmp_path: Path) -> None:
    (tmp_path / "0.mp4").write_bytes(clip(PLAIN))
    done, _ = joined(tmp_path, [PLAIN, replace(PLAIN, rate=Fraction(12), frames=24)])
    assert (done["copied"], done["frames"]) == (False, 96)


def test_a_crossfade_shares_frames_and_keeps_the_loudness(tmp_path: Path) -> None:
    done, film = joined(tmp_path, THREE, crossfade_seconds=0.5)
    assert (done["frames"], done["seconds"], len(film.times)) == (120, 5.0, 120)
    assert is_near(film.colours[35], RED, 9)
    middle = tuple((one + two) // 2 for one, two in zip(RED, GREEN, strict=True))
    assert is_near(film.colours[41], (middle[0], middle[1], middle[2]), 14)
    assert is_near(film.colours[48], GREEN, 9)
    assert is_near(film.colours[119], BLUE, 9)
    assert 5 * 48_000 <= len(film.sound) < 5 * 48_000 + 1024
    assert loudness(film.sound, 1.6, 1.9) > 4000


def test_clips_too_short_for_their_crossfades_are_refused(tmp_path: Path) -> None:
    assert "too few for its crossfades" in refused(tmp_path, THREE, crossfade_seconds=1.5)


def test_every_frame_of_a_crossfaded_film_is_there_once(tmp_path: Path) -> None:
    counting = replace(PLAIN, counts=True, tone_hertz=None)
    _, film = joined(tmp_path, [counting, counting], crossfade_seconds=0.25)
    greys = [colour[0] for colour in film.colours]
    assert greys[:42] == pytest.approx([60 + 2 * number for number in range(42)], abs=2)
    assert greys[48:] == pytest.approx([60 + 2 * number for number in range(6, 48)], abs=2)


def music(folder: Path, shot: Shot) -> dict[str, Any]:
    (folder / "music").write_bytes(clip(shot))
    return {"music": str(folder / "music"), "music_format": "mp4"}


@pytest.mark.slow
def test_music_lies_below_fades_at_both_ends_and_gives_way_to_sound(tmp_path: Path) -> None:
    bed = music(tmp_path, Shot(tone_hertz=900, frames=480, channels=2))
    silent = [replace(THREE[0], tone_hertz=None), THREE[1], replace(THREE[2], tone_hertz=None)]
    _, film = joined(tmp_path, silent, **bed)
    assert 6 * 48_000 <= len(film.sound) < 6 * 48_000 + 1024
    assert loudness(film.sound, 0, 0.05) < loudness(film.sound, 0.4, 0.6) < loudness(film.sound, 1.2, 1.9)
    assert loudness(film.sound, 5.9, 6.0) < 300
    assert loudness(film.sound, 2.2, 3.8) > 5000
    assert len(film.times) == 144


@pytest.mark.slow
def test_music_below_silent_clips_is_as_loud_as_it_is(tmp_path: Path) -> None:
    silent = [replace(each, tone_hertz=None) for each in THREE]
    _, film = joined(tmp_path, silent, **music(tmp_path, Shot(tone_hertz=900, frames=480)))
    assert loudness(film.sound, 2, 3) > 5500


@pytest.mark.slow
def test_music_shorter_than_the_film_fades_at_its_own_end(tmp_path: Path) -> None:
    silent = [replace(each, tone_hertz=None) for each in THREE]
    _, film = joined(tmp_path, silent, **music(tmp_path, Shot(tone_hertz=900, frames=96)))
    assert loudness(film.sound, 1.1, 2.5) > 5000
    assert loudness(film.sound, 3.9, 4.0) < 500
    assert loudness(film.sound, 4.1, 5.9) < 30


def test_music_without_sound_is_refused(tmp_path: Path) -> None:
    assert "holds no sound" in refused(tmp_path, THREE, **music(tmp_path, Shot(tone_hertz=None)))


@pytest.mark.slow
def test_music_of_a_wave_file_of_another_rate(tmp_path: Path) -> None:
    (tmp_path / "music").write_bytes(wave(8))
    done, film = joined(tmp_path, THREE, music=str(tmp_path / "music"), music_format="wav")
    assert done["frames"] == len(film.times) == 144


def test_a_clip_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(clip(PLAIN))
    (tmp_path / "b.mp4").write_bytes(b"nothing")
    (tmp_path / "s.mp4").write_bytes(film_of(SOUND))
    assert (
        job("join", clips=[str(tmp_path / "s.mp4")] * 2, output=str(tmp_path / "c.mp4"))["reason"]
        == "clip 1 holds no pictures"
    )
    assert "failed" in job("join", clips=[str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")], output=str(tmp_path / "c.mp4"))


def test_untagged_colours_of_hd_are_named_without_new_pictures(tmp_path: Path) -> None:
    large = Shot(RED, (1280, 720), frames=6, tone_hertz=None)
    done, film = joined(tmp_path, [large, replace(large, colour=GREEN)])
    assert done["copied"] is True
    assert film.tags[:3] == (1, 1, 1)
    assert is_near(film.colours[0], RED)
    assert is_near(film.colours[11], GREEN)


@pytest.mark.parametrize(
    ("moment", "grey", "at"), [("first", 60, 0), ("last", 154, 1.958), ("1", 108, 1.0), ("1.99", 154, 1.958)]
)
@pytest.mark.parametrize("turned", [0, 90])
def test_a_frame_is_taken_exactly_and_upright(tmp_path: Path, moment: str, grey: int, at: float, turned: int) -> None:
    output = tmp_path / "frame.png"
    content = clip(Shot(counts=True, turned=turned, tone_hertz=None))
    assert job("frame", content, moment=moment, output=str(output))["seconds"] == pytest.approx(at, abs=0.001)
    with Image.open(output) as image:
        assert image.size == ((96, 160) if turned else (160, 96))
        pixel: Any = image.convert("RGB").getpixel((40, 40))
    assert is_near(pixel, (grey, grey, grey), 3)


def test_a_frame_of_a_video_without_an_index_is_taken(tmp_path: Path) -> None:
    output = str(tmp_path / "frame.png")
    content = film_of(Clip(options=(("movflags", "frag_keyframe+empty_moov"),)))
    assert job("frame", content, moment="last", output=output)["seconds"] == pytest.approx(0.958, abs=0.03)
    assert "ends after" in job("frame", content, moment="7", output=output)["reason"]
