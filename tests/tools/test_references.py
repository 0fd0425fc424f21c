"""References that have the right form and are the wrong thing: pages that show a file, videos among images."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
from conftest import OpenWorld, no_film, png

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.catalogue.facts import LIST_FIELDS
from seedance_mcp.sandbox.film import render
from seedance_mcp.sandbox.order import order_of
from seedance_mcp.sandbox.provider import KEY, Sandbox

pytestmark = pytest.mark.anyio
PAGES = {
    "https://www.youtube.com/watch?v=a": "YouTube",
    "https://youtu.be/a": "YouTube",
    "https://vm.tiktok.com/a": "TikTok",
    "https://drive.google.com/file/d/a/view?usp=sharing": "Google Drive",
    "https://photos.app.goo.gl/a": "Google Photos",
    "https://www.dropbox.com/s/a/b.png?dl=0": "Dropbox",
    "https://www.dropbox.com/scl/fi/a/b.png?rlkey=c&dl=0": "Dropbox",
    "https://1drv.ms/i/a": "OneDrive",
    "https://share.icloud.com/photos/a": "iCloud",
    "https://we.tl/t-a": "WeTransfer",
    "https://pan.baidu.com/s/a": "Baidu Pan",
    "https://www.instagram.com/p/a": "a social network",
    "https://x.com/a/status/1": "a social network",
    "https://www.bilibili.com/video/a": "a video site",
    "https://imgur.com/a": "Imgur",
    "https://github.com/a/b/blob/main/c.png": "GitHub",
}
FILES = [
    "https://www.dropbox.com/s/a/b.png?dl=1",
    "https://drive.google.com/uc?export=download&id=a",
    "https://i.imgur.com/a.png",
    "https://github.com/a/b/blob/main/c.png?raw=true",
    "https://github.com/a/b/raw/main/c.png",
    "https://notyoutube.com/a.png",
    "https://example.com/youtube.com/a.png",
]


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_that_shows_a_file_is_refused_by_name_at_no_charge(open_world: OpenWorld, page: str) -> None:
    async with open_world() as world:
        for field in ("images", "first_image", "reference_videos", "reference_audios"):
            fields = {field: [page] if field in LIST_FIELDS else page}
            if field == "reference_audios":
                fields["images"] = ["https://example.com/a.png"]
            for dry_run in (True, False):
                request = {"model": "seedance2.0-sp", "prompt": "a fox", **fields}
                refused = await world.call("create_video", {"request": request, "dry_run": dry_run})
                assert (refused.error["code"], refused.error["field"]) == ("invalid_request", field)
                assert f"a page of {PAGES[page]}" in refused.text
                assert "has the form that the schema asks for" in refused.text
        brought = await world.call("upload_asset", {"source": page, "model": "seedance2.0-sp", "kind": "image"})
        assert brought.error["code"] == "file_rejected"
        assert PAGES[page] in brought.text
        assert world.creates == 0


@pytest.mark.parametrize("link", FILES)
async def test_the_address_of_a_file_is_none(open_world: OpenWorld, link: str) -> None:
    async with open_world() as world:
        assert (await world.create(images=[link]))["status"] == "queued"


@pytest.mark.slow
async def test_a_video_that_was_sent_from_here_is_no_image(open_world: OpenWorld, tmp_path: Path) -> None:
    film = render(order_of(load_edition(), {"model": "seedance2.0-sp", "prompt": "a fox"}), [])
    (tmp_path / "a.mp4").write_bytes(film)
    async with open_world() as world:
        asset = await world.call("upload_asset", {"source": str(tmp_path / "a.mp4"), "model": "seedance2.0-std"})
        refused = await world.create(model="seedance2.0-std", images=[asset["reference"]])
        assert (refused.error["code"], refused.error["field"]) == ("invalid_request", "images")
        assert "is a video that was sent from here; allowed: a reference of kind image" in refused.text
        assert world.creates == 0
        taken = await world.create(model="seedance2.0-std", reference_videos=[asset["reference"]])
        assert taken["status"] == "queued"


async def test_what_an_upload_taught_is_told_again_and_stands_against_requests(open_world: OpenWorld, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(640, 480))
    (tmp_path / "a.mp3").write_bytes((b"\xff\xfb\x90\x00" + bytes(413)) * 192)
    async with open_world() as world:
        made = {
            model: await world.call("upload_asset", {"source": str(tmp_path / name), "model": model})
            for model, name in (("sd2_mx_720p", "a.mp3"), ("seedance2.0-sp", "a.png"))
        }
        full, library = (made[model]["reference"] for model in ("sd2_mx_720p", "seedance2.0-sp"))
        seen = await world.call("get_asset", {"reference": full, "model": "sd2_mx_720p"})
        assert (seen["kind"], seen["use_in"]) == ("audio", ["reference_audios"])
        assert await world.call("get_asset", {"reference": full}) == seen
        for unknown in ("asset://nobody", "@mia"):
            assert (await world.call("get_asset", {"reference": unknown})).error["field"] == "model"
        wrong_kind = await world.create(model="sd2_mx_720p", images=[full])
        assert "is an audio that was sent from here; allowed: a reference of kind image" in wrong_kind.text
        elsewhere = await world.create(model="sd2_mx_720p", images=[library])
        assert (
            "is an image that was reviewed for the route sp only; allowed: the reference that upload_asset" in elsewhere.text
        )
        assert elsewhere.error["field"] == "images"
        asked = await world.call("get_asset", {"reference": library, "model": "sd2_mx_720p"})
        assert "was reviewed for the route sp only; allowed: a model of the route sp, or the reference that" in asked.text
        assert (asked.error["field"], asked.error["code"]) == ("reference", "invalid_request")
        assert world.creates == 0
        taken = await world.create(images=[library])
        assert taken["status"] == "queued"
        assert not any("Not brought from here" in told for told in taken["warnings"])


async def test_two_files_of_one_name_and_size_are_two_uploads_and_the_same_one_again_is_none(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    made: list[str] = []
    async with open_world() as world:
        for shape in ((640, 480), (480, 640), (640, 480)):
            (tmp_path / "a.png").write_bytes(png(*shape).ljust(3000, b"\0"))
            answer = await world.call("upload_asset", {"source": str(tmp_path / "a.png"), "model": "seedance2.0-std"})
            made.append(answer["reference"])
        assert len(world.sandbox.uploads) == 2
    assert made[0] == made[2] != made[1]


@pytest.mark.parametrize(
    ("size_px", "fields", "told"),
    [
        ((640, 960), {"first_image": "", "ratio": "16:9"}, "640x960 px and the video is 16:9: about 62% of the picture"),
        ((640, 960), {"images": "", "ratio": "Adaptive"}, "the nearest shape that Adaptive can take is 3:4: about 11%"),
        ((640, 960), {"images": "", "ratio": "16:9"}, ""),
        ((640, 480), {"first_image": "", "ratio": "4:3"}, ""),
        ((640, 960), {"first_image": ""}, ""),
        ((640, 960), {"first_image": "asset://b", "ratio": "16:9"}, ""),
        ((640, 960), {"first_image": "", "orientation": "landscape"}, ""),
    ],
)
async def test_a_dry_run_says_what_becomes_of_a_picture_of_another_shape(
    open_world: OpenWorld, tmp_path: Path, size_px: tuple[int, int], fields: dict[str, str], told: str
) -> None:
    (tmp_path / "a.png").write_bytes(png(*size_px))
    model = "sd2_mx_720p"
    async with open_world() as world:
        made = (await world.call("upload_asset", {"source": str(tmp_path / "a.png"), "model": model}))["reference"]
        filled = {name: value or ([made, "asset://b"] if name in LIST_FIELDS else made) for name, value in fields.items()}
        request = {"model": model, "prompt": "a fox", **filled}
        dry = await world.call("create_video", {"request": request, "dry_run": True})
    cropped = [warning for warning in dry["warnings"] if "cropped" in warning]
    assert len(cropped) == bool(told), dry.text
    assert all(told in warning for warning in cropped)


async def test_a_reference_that_nobody_brought_is_told_before_money_goes_and_is_not_refused(open_world: OpenWorld) -> None:
    request = {"model": "seedance2.0-sp", "prompt": "a fox", "images": ["asset://made-up", "asset://made-up"]}
    async with open_world() as world:
        for dry_run in (True, False):
            told = await world.call("create_video", {"request": request, "dry_run": dry_run})
            (warning,) = (each for each in told["warnings"] if "Not brought from here" in each)
            assert warning.count("asset://made-up") == 1
            assert "get_asset asks the provider for free" in warning
        assert world.creates == 1


async def test_the_url_of_an_upload_is_refused_once_it_has_expired(open_world: OpenWorld, tmp_path: Path) -> None:
    now = [datetime(2026, 7, 1, tzinfo=UTC)]
    (tmp_path / "a.png").write_bytes(png(640, 480))
    async with open_world(clock=lambda: now[0]) as world:
        asset = await world.call("upload_asset", {"source": str(tmp_path / "a.png"), "model": "seedance2.0-std"})
        now[0] += timedelta(days=3)
        refused = await world.create(model="seedance2.0-std", images=[asset["reference"]])
    assert f"is an image whose URL expired at {asset['expires_at']}" in refused.text
    assert "upload_asset gives with seedance2.0-std" in refused.error["allowed"]


async def test_the_provider_fails_a_task_with_a_page_in_it() -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(Sandbox(no_film)), base_url="https://a.invalid") as http:
        http.headers["Authorization"] = f"Bearer {KEY}"
        body = {"model": "seedance2.0-sp", "prompt": "a fox", "images": ["https://youtu.be/a"]}
        made = await http.post("/api/open-api/v1/seedance/videos", json=body)
        await anyio.sleep(60)
        task = (await http.get(f"/api/open-api/v1/videos/{made.json()['data']['task_id']}")).json()["data"]
    assert task["status"] == "failed"
    assert "failed to download" in task["error_message"]


OTHERS = {
    "seedance2.5-gz": "2.5",
    "seedance-2.5": "2.5",
    "seedance25": "2.5",
    "sd2.5-720p": "2.5",
    "doubao-seedance-1-5-pro": "1.5",
    "seedance-3": "3.0",
}


@pytest.mark.parametrize("name", OTHERS)
async def test_a_model_of_another_generation_is_named_as_such(open_world: OpenWorld, name: str) -> None:
    async with open_world() as world:
        refused = await world.create(model=name)
        near = await world.create(model="seedance2.0-spp")
    assert f"It is of Seedance {OTHERS[name]}, and this edition has only 2.0." in refused.text
    assert "Did you mean" not in refused.text
    assert "Did you mean seedance2.0-sp" in near.text


async def test_progress_counts_at_the_time_it_was_reported(open_world: OpenWorld) -> None:
    now = [datetime(2026, 7, 1, tzinfo=UTC)]

    async def pass_seconds(seconds: float) -> None:
        await anyio.sleep(seconds)
        now[0] += timedelta(seconds=seconds)

    slow = Sandbox(no_film, queue_seconds=0, work_seconds=100)
    async with open_world(sandbox=slow, clock=lambda: now[0]) as world:
        task = await world.create()
        await pass_seconds(20)
        seen = await world.call("get_task", {"task_id": task["task_id"]})
        await pass_seconds(30)
        later = await world.create()  # a duplicate shows the task as it is known, and polls nothing
    assert later["progress"] == seen["progress"]
    assert later["eta_seconds"] < seen["eta_seconds"]
