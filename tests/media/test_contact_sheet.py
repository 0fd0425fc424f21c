"""What an agent sees of a video: three frames in one small picture."""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from conftest import Answer, OpenWorld, World
from corpus import Clip
from corpus import film as film_of
from mcp_types import ImageContent
from PIL import Image

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.media.contact_sheet import SHEET_MOST_BYTES
from seedance_mcp.media.worker import answer
from seedance_mcp.origin import install_command
from seedance_mcp.sandbox.film import render
from seedance_mcp.sandbox.order import Order, order_of
from seedance_mcp.sandbox.provider import Sandbox

pytestmark = pytest.mark.anyio

BODY: dict[str, Any] = {"model": "seedance2.0-mini", "prompt": "a fox", "duration": 4, "resolution": "480p"}


@pytest.fixture(scope="module")
def film() -> bytes:
    return render(order_of(load_edition(), BODY), [])


def picture_of(shown: Answer) -> Image.Image:
    (block,) = shown.more
    assert isinstance(block, ImageContent)
    assert block.mime_type == "image/jpeg"
    data = base64.b64decode(block.data)
    assert len(data) < 200_000
    return Image.open(io.BytesIO(data))


async def finished(world: World) -> str:
    task = await world.create()
    await world.call("wait_for_video", {"task_id": task["task_id"]})
    return task["task_id"]


@pytest.mark.slow
async def test_first_middle_and_last_frame_come_as_one_picture(open_world: OpenWorld, film: bytes) -> None:
    async def drawn(order: Order, pictures: list[bytes]) -> bytes:
        return film

    async with open_world(sandbox=Sandbox(drawn)) as world:
        task_id = await finished(world)
        preview = await world.call("preview_video", {"task_id": task_id})
        assert not world.settings.output_dir.exists()
        await world.call("download_video", {"task_id": task_id})
        fetched = len(world.sandbox.requests)
        again = await world.call("preview_video", {"task_id": task_id})
        assert len(world.sandbox.requests) == fetched
    assert again.content == preview.content == {}
    assert again.text == preview.text == f"{task_id} (864x496, frames at 0, 2, 3.958 s)"
    picture = picture_of(preview)
    assert picture.size == (3 * 480, 276)
    assert picture.tobytes() == picture_of(again).tobytes()
    bar = [picture.getpixel((480 * number + 120, 274)) for number in range(3)]
    drawn_upon = [sum(pixel[:2]) > 350 for pixel in bar if isinstance(pixel, tuple)]
    assert drawn_upon == [False, True, False]  # the first and the last frame are bare, so that a shot can go on from them


@pytest.mark.slow
async def test_takes_are_shown_below_each_other_with_their_numbers(open_world: OpenWorld, film: bytes) -> None:
    async def wide(order: Order, pictures: list[bytes]) -> bytes:
        return film

    async with open_world(sandbox=Sandbox(wide)) as world:
        other = await world.call("create_video", {"model": "seedance2.0-sp", "prompt": "a fox", "take": 2})
        await world.call("wait_for_video", {"task_id": other["task_id"]})
        task_ids = [await finished(world), other["task_id"]]
        preview = await world.call("preview_video", {"task_ids": json.dumps([*task_ids, task_ids[0]])})
        nothing = await world.call("preview_video")
        many = await world.call("preview_video", {"task_ids": ["a"] * 5})
    assert preview.text == "; ".join(
        f"row {row}: {task_id} (864x496, frames at 0, 2, 3.958 s)" for row, task_id in enumerate(task_ids, 1)
    )
    assert picture_of(preview).size == (3 * 480, 2 * 276)
    corners = [picture_of(preview).crop((2, top, 3, top + 1)).tobytes() for top in (1, 278)]
    assert [len(pixel) == 3 and sum(pixel) < 30 for pixel in corners] == [True, True]
    assert nothing.error["field"] == "task_id"
    assert "a list of 1 to 4" in many.text


def test_sheets_of_several_widths_are_brought_to_the_narrowest() -> None:
    sheets = [_jpeg(size) for size in ((1440, 300), (720, 300))]
    made = answer("stack", ",".join(str(len(each)) for each in sheets), io.BytesIO(b"".join(sheets)))
    assert Image.open(io.BytesIO(base64.b64decode(made["jpeg"]))).size == (720, 450)


def _jpeg(size: tuple[int, int]) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", size, "red").save(packed, "JPEG")
    return packed.getvalue()


async def test_a_video_that_cannot_be_decoded_is_a_download_error(open_world: OpenWorld) -> None:
    film = film_of(Clip())

    async def broken(order: Order, pictures: list[bytes]) -> bytes:
        start = film.index(b"mdat") + 4
        end = start - 8 + int.from_bytes(film[start - 8 : start - 4])
        return film[:start] + bytes(end - start) + film[end:]

    async with open_world(sandbox=Sandbox(broken)) as world:
        answer = await world.call("preview_video", {"task_id": await finished(world)})
    assert answer.error["code"] == "download_failed"
    assert "cannot be shown" in answer.text


async def test_a_missing_temporary_folder_is_named(
    open_world: OpenWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world() as world:
        task_id = await finished(world)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
        answer = await world.call("preview_video", {"task_id": task_id})
    assert answer.error["code"] == "download_failed"
    assert "the temporary folder" in answer.text
    assert "SEEDANCE_OUTPUT_DIR" not in answer.text


async def test_a_missing_extra_is_named(open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    async with open_world() as world:
        answer = await world.call("preview_video", {"task_id": await finished(world)})
    assert answer.error["code"] == "not_configured"
    assert install_command("preview") in answer.text


async def test_a_title_that_is_not_utf_8_hinders_no_preview(open_world: OpenWorld) -> None:
    async def titled(order: Order, pictures: list[bytes]) -> bytes:
        return film_of(Clip(title="caf\u00e9")).replace("caf\u00e9".encode(), b"caf\xff\xfe")

    async with open_world(sandbox=Sandbox(titled)) as world:
        preview = await world.call("preview_video", {"task_id": await finished(world)})
    assert "frames at 0, 0.5, 0.958 s" in preview.text


def sheet_of(content: bytes, tmp_path: Path) -> dict[str, Any]:
    """Draw a sheet as the child does, in this process."""
    (tmp_path / "film").write_bytes(content)
    with (tmp_path / "film").open("rb") as file:
        sheet = answer("sheet", "mp4", file)
    return {**sheet, "picture": Image.open(io.BytesIO(base64.b64decode(sheet.get("jpeg", ""))))} if "jpeg" in sheet else sheet


@pytest.mark.parametrize(("size", "shown"), [((640, 360), (360, 202)), ((360, 640), (202, 360)), ((64, 64), (64, 64))])
def test_a_poster_is_the_first_frame_in_few_bytes(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]) -> None:
    (tmp_path / "film").write_bytes(film_of(Clip(size_px=size, audio=None, frames=2)))
    with (tmp_path / "film").open("rb") as file:
        jpeg = base64.b64decode(answer("poster", "16000", file)["jpeg"])
    assert len(jpeg) <= 16_000
    picture: Any = Image.open(io.BytesIO(jpeg))
    assert picture.size == pytest.approx(shown, abs=1)
    assert all(abs(seen - drawn) < 12 for seen, drawn in zip(picture.getpixel((9, 9)), (200, 50, 50), strict=True))


def test_a_video_that_starts_late_shows_three_moments(tmp_path: Path) -> None:
    assert sheet_of(film_of(Clip(start=48, audio=None)), tmp_path)["seconds"] == [0, 0.5, 0.958]


@pytest.mark.parametrize(("size", "lines"), [((1280, 720), "HD"), ((720, 1280), "HD"), ((640, 480), "SD")])
def test_untagged_colours_are_those_of_their_standard(tmp_path: Path, size: tuple[int, int], lines: str) -> None:
    space = {"HD": "ITU709", "SD": "ITU601"}[lines]
    picture = sheet_of(film_of(Clip(size_px=size, space=space, audio=None, frames=2)), tmp_path)["picture"]
    assert all(abs(seen - drawn) < 8 for seen, drawn in zip(picture.getpixel((9, 9)), (200, 50, 50), strict=True))


def clip(width: int, height: int, frames: int, **more: Any) -> bytes:
    return film_of(Clip(size_px=(width, height), frames=frames, audio=None, **more))


def test_noise_is_packed_until_it_is_small(tmp_path: Path) -> None:
    sheet = sheet_of(clip(480, 854, 2, is_noise=True), tmp_path)
    assert len(base64.b64decode(sheet["jpeg"])) <= SHEET_MOST_BYTES
    assert sheet["picture"].size == (720, 427)
    assert sheet["seconds"] == [0, 0.042, 0.042]


def test_a_small_video_is_not_blown_up(tmp_path: Path) -> None:
    assert sheet_of(clip(64, 64, 1), tmp_path)["picture"].size == (192, 64)


def test_frames_beyond_4k_are_refused(tmp_path: Path) -> None:
    assert "failed" in sheet_of(clip(4096, 2304, 1), tmp_path)
