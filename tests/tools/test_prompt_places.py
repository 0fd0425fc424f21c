"""A prompt that calls a reference by its place finds it there, or the answer says so."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import OpenWorld

pytestmark = pytest.mark.anyio

PICTURE, FILM, SONG = ("https://example.com/a.png", "https://example.com/a.mp4", "https://example.com/a.mp3")


@pytest.mark.parametrize(
    ("prompt", "media", "told"),
    [
        ("[Image 1] walks", {}, "prompt: it names Image 1, which"),
        ("Image 1 and @Image2 and Image 2 walk as in Video 1", {"images": [PICTURE]}, "it names Image 2 and Video 1, which"),
        ("Image 2 follows Image 1", {"first_image": PICTURE, "last_image": PICTURE}, ""),
        (
            "Image 1 sings Audio 1 in Video 1",
            {"images": [PICTURE], "reference_videos": [FILM], "reference_audios": [SONG]},
            "",
        ),
        ("the video 2 years ago, an image 1 metre wide", {}, ""),
    ],
)
async def test_a_place_that_holds_nothing_is_named_before_the_video_is_paid(
    open_world: OpenWorld, prompt: str, media: dict[str, Any], told: str
) -> None:
    request = {"model": "seedance2.0-sp", "prompt": prompt, **media}
    async with open_world() as world:
        dry = await world.call("create_video", {"request": request, "dry_run": True})
        assert world.creates == 0
    warnings = [each for each in dry["warnings"] if each.startswith("prompt:")]
    assert len(warnings) == bool(told)
    assert told in "".join(warnings)
