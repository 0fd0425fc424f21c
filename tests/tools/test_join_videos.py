"""A finished video goes on: one of its frames is a source, and several videos become one film."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import av
import pytest
from conftest import Answer, OpenWorld, World
from mcp_types import ResourceLink
from memory_store import MemoryStore
from PIL import Image
from reel import BLUE, GREEN, RED, Seen, Shot, clip, is_near, job, seen, wave_file

from seedance_mcp.media import decoder, sound
from seedance_mcp.media.long_jobs import make
from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.polling.schedule import Meter
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.tools.film import Portion

pytestmark = pytest.mark.anyio
SHOTS = {"red": Shot(RED, (1280, 720), tags=1), "green": Shot(GREEN, (1280, 720), tags=1), "small": Shot(BLUE, (320, 240))}
MODEL = {"model": "seedance2.0-std"}


async def drawn(order: Order, pictures: list[bytes]) -> bytes:
    name = order.prompt
    return (
        clip(Shot((0, 0, 0), (640, 360), counts=True))
        if name == "counts"
        else clip(SHOTS[name])
        if name in SHOTS
        else sound_only()
    )


def sound_only() -> bytes:
    """Write an MP4 without pictures, which is whole."""
    written = io.BytesIO()
    opened: Any = av.open(written, "w", format="mp4")
    with opened as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        container.mux(list(sound.packets_of(stream, bytes(96_000), sound.Form(48_000, 1))))
    return written.getvalue()


@pytest.fixture
def films() -> Sandbox:
    return Sandbox(drawn)


async def finished(world: World, prompt: str) -> str:
    task = await world.create(prompt=prompt)
    await world.call("wait_for_video", {"task_id": task["task_id"]})
    return task["task_id"]


@pytest.mark.parametrize("is_saved", [False, True])
@pytest.mark.parametrize(("moment", "grey"), [("first", 60), ("last", 154), ("1.5", 132), ("0.02", 60), ("2", 154)])
@pytest.mark.slow
async def test_a_frame_of_a_finished_video_is_a_source(
    open_world: OpenWorld,
    films: Sandbox,
    moment: str,
    grey: int,
    is_saved: bool,  # noqa: FBT001
) -> None:
    async with open_world(sandbox=films) as world:
        task_id = await finished(world, "counts")
        if is_saved:
            await world.call("download_video", {"task_id": task_id})
        fetched = len(world.sandbox.requests)
        asset = await world.call("upload_asset", {"source": f"task:{task_id}#{moment}", **MODEL})
        assert any("results" in path for _, path in world.sandbox.requests[fetched:]) is not is_saved
        (content,) = world.sandbox.uploads.values()
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.size, asset["kind"], asset["changes"]) == ("PNG", (640, 360), "image", [])
        pixel: Any = image.getpixel((320, 180))
        assert is_near(pixel, (grey, grey, grey), 3)
        assert asset["use_in"] == ["images", "first_image", "last_image"]
        assert (await world.create(model="seedance2.0-std", first_image=asset["reference"]))["task_id"]


@pytest.mark.slow
async def test_a_frame_of_hd_has_the_colours_that_a_player_shows(open_world: OpenWorld, films: Sandbox) -> None:
    async with open_world(sandbox=films) as world:
        await world.call("upload_asset", {"source": f"task:{await finished(world, 'red')}#last", **MODEL})
        (content,) = world.sandbox.uploads.values()
    pixel: Any = Image.open(io.BytesIO(content)).getpixel((640, 360))
    assert is_near(pixel, RED, 3)


async def test_a_moment_that_is_none_is_refused(open_world: OpenWorld, films: Sandbox) -> None:
    async with open_world(sandbox=films) as world:
        task_id = await finished(world, "small")
        for moment in ("", "#", "#middle", "#-1", "#1e3"):
            refused = await world.call("upload_asset", {"source": f"task:{task_id}{moment}", **MODEL})
            assert refused.error["field"] == "source"
            assert "task:vid_1#2.5" in refused.text
        late = await world.call("upload_asset", {"source": f"task:{task_id}#2.5", **MODEL})
        assert late.error["code"] == "file_rejected"
        assert "has no frame at 2.5 s: it ends after 2.000 s. Nothing was sent." in late.text
        nothing = await world.call("upload_asset", {"source": "task:vid_none#last", **MODEL})
        assert nothing.error["code"] == "task_not_found"
        broken = await world.call("upload_asset", {"source": f"task:{await finished(world, 'broken')}#last", **MODEL})
        assert broken.error["code"] == "file_rejected"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("vid_1", "the id of a task; allowed: task:vid_1#first, #last or #<seconds>, for a frame of its video"),
        ("vid_1#last", "the id of a task; allowed: task:vid_1#first"),
        ("@mia", "the name of an asset; allowed: a path or an https:// URL; get_asset gives the reference of a name"),
    ],
)
async def test_a_source_that_is_a_task_id_or_a_name_is_answered_with_the_call(
    open_world: OpenWorld, source: str, told: str
) -> None:
    async with open_world() as world:
        answer = await world.call("upload_asset", {"source": source, **MODEL})
    assert (answer.error["code"], answer.error["field"]) == ("invalid_request", "source")
    assert told in answer.text


@pytest.mark.parametrize(
    ("field", "value", "source"),
    [
        ("first_image", "vid_abc123", "task:vid_abc123#last"),
        ("last_image", "videos_0f", "task:videos_0f#first"),
        ("images", ["task:task_7#2.5"], "task:task_7#2.5"),
    ],
)
async def test_a_task_id_in_a_media_field_is_answered_with_the_call_that_brings_its_frame(
    open_world: OpenWorld, field: str, value: Any, source: str
) -> None:
    async with open_world() as world:
        refused = await world.create(model="seedance2.0-std", **{field: value})
    assert refused.error["code"] == "invalid_request"
    call = json.dumps({"source": source, "model": "seedance2.0-std"})
    assert f"Call upload_asset with {call}" in refused.text


async def test_a_task_id_as_a_reference_video_is_answered_with_a_download(open_world: OpenWorld) -> None:
    async with open_world() as world:
        refused = await world.create(model="seedance2.0-std", reference_videos=["vid_1"])
    assert 'download_video with {"task_id": "vid_1"}' in refused.text


def in_memory(_: Settings) -> MemoryStore:
    return MemoryStore()


def film_of(saved: Answer) -> Seen:
    return seen(Path(saved["path"]).read_bytes())


@pytest.mark.slow
async def test_finished_videos_become_one_film_kept_like_any_other(open_world: OpenWorld, films: Sandbox) -> None:
    told: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with open_world(sandbox=films) as world:
        tasks = [await finished(world, "red"), await finished(world, "green")]
        await world.call("download_video", {"task_id": tasks[0]})
        arguments = {"tasks": [*tasks, tasks[0]], "filename": "three", "project": "foxes"}
        film = await world.call("join_videos", arguments, progress_callback=on_progress)
        again = await world.call("join_videos", {**arguments, "filename": None})
        costs = [(await world.call("get_task", {"task_id": task}))["cost"] for task in tasks]
    assert Path(film["path"]).name == "three.mp4"
    assert film["task_id"].startswith("film_")
    assert film["seconds"] == 6.0
    assert [each["task_id"] for each in film["clips"]] == arguments["tasks"]
    assert [each["seconds"] for each in film["clips"]] == [2.0, 2.0, 2.0]
    assert [each["cost"] for each in film["clips"]] == [*costs, costs[0]]
    assert [each["saved"] for each in film["clips"]] == [True, False, True]
    (link,) = film.more
    assert isinstance(link, ResourceLink)
    assert link.size == film["bytes"]
    watched = film_of(film)
    assert [is_near(watched.colours[number], colour) for number, colour in ((0, RED), (50, GREEN), (143, RED))] == [True] * 3
    assert told == sorted(set(told))
    assert told[-1] > 90
    assert "film of 3" in again["path"]
    assert again["sha256"] == film["sha256"]


@pytest.mark.slow
async def test_a_film_is_listed_and_taken_wherever_a_finished_video_is(open_world: OpenWorld, films: Sandbox) -> None:
    async with open_world(sandbox=films) as world:
        red, green = [await finished(world, "red"), await finished(world, "green")]
        arguments = {"tasks": [red, green, red], "filename": "three", "project": "foxes"}
        film = await world.call("join_videos", arguments)
        film_id = film["task_id"]
        asked = len(world.sandbox.requests)
        listed = await world.call("list_tasks", {"project": "foxes"})
        cost = sum([(await world.call("get_task", {"task_id": task}))["cost"] for task in (red, green)])
        (row,) = listed["tasks"]
        assert row.items() >= {"task_id": film_id, "status": "completed", "saved": True, "project": "foxes"}.items()
        assert (row["cost"], row["parts"]) == (cost, arguments["tasks"])
        assert listed["total"] == listed["totals"]["count"] == 1
        assert listed["totals"]["charged"] == 0
        (whole,) = (await world.call("list_tasks", {"project": "foxes", "detail": "full"}))["tasks"]
        one = await world.call("get_task", {"task_id": film_id})
        waited = await world.call("wait_for_video", {"task_id": film_id})
        for task in (whole, one.content, waited.content):
            assert (task["status"], task["saved_path"], task["parts"]) == ("completed", film["path"], arguments["tasks"])
            assert (task["cost"], task["project"], task["next"], task["video_url_expires_at"]) == (cost, "foxes", None, None)
        again = await world.call("download_video", {"task_id": film_id, "filename": "other"})
        assert (again["path"], again["sha256"]) == (film["path"], film["sha256"])
        assert "filename ignored" in again.text
        request_id = (await world.call("get_task", {"task_id": red}))["request_id"]
        preview = await world.call("preview_video", {"task_ids": [film_id, red, request_id, red]})
        assert "row 3" not in preview.text
        assert f"row 1: {film_id} (1280x720, frames at 0, " in preview.text
        asset = await world.call("upload_asset", {"source": f"task:{film_id}#last", **MODEL})
        assert asset["kind"] == "image"
        longer = await world.call("join_videos", {"tasks": [film_id, green]})
        assert longer["seconds"] == 8.0
        assert [(each["seconds"], each["cost"]) for each in longer["clips"]] == [(6.0, cost), (2.0, cost / 2)]
        assert (await world.call("get_task", {"task_id": longer["task_id"]}))["cost"] == cost
        assert not any(film_id in path for _, path in world.sandbox.requests[asked:])
        refused = await world.create(model="seedance2.0-std", first_image=film_id)
        assert f'Call upload_asset with {{"source": "task:{film_id}#last"' in refused.text


async def test_a_film_whose_file_is_gone_is_answered_with_the_call_that_makes_it_again(
    open_world: OpenWorld, films: Sandbox
) -> None:
    async with open_world(sandbox=films) as world:
        red = await finished(world, "red")
        film = await world.call("join_videos", {"tasks": [red, red]})
        Path(film["path"]).unlink()  # noqa: ASYNC240 - a small file of the test
        for tool in ("download_video", "preview_video"):
            gone = await world.call(tool, {"task_id": film["task_id"]})
            assert gone.error["code"] == "download_failed"
            assert f'join_videos with {{"tasks": ["{red}", "{red}"]}} makes it again, for free' in gone.text


@pytest.mark.slow
async def test_the_row_of_a_long_film_names_as_many_parts_as_there_is_room_for(open_world: OpenWorld, films: Sandbox) -> None:
    async with open_world(sandbox=films) as world:
        one = await finished(world, "small")
        await world.call("join_videos", {"tasks": [one] * 12, "project": "x" * 40, "filename": "long"})
        await world.call("join_videos", {"tasks": [one] * 2, "filename": "short"})
        short, long, _ = (await world.call("list_tasks"))["tasks"]
        assert all(len(json.dumps(row)) <= 250 for row in (long, short))
        *shown, more = long["parts"]
        assert shown
        assert more == f"and {12 - len(shown)} more"
        assert "path" not in long
        assert short["parts"] == [one, one]


@pytest.mark.slow
async def test_unequal_videos_are_joined_with_a_crossfade_and_music(
    open_world: OpenWorld, films: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "song.m4a").write_bytes(clip(Shot(tone_hertz=300, frames=24)))
    async with open_world(sandbox=films, keep=in_memory) as world:
        tasks = [await finished(world, "red"), await finished(world, "small")]
        music = str(tmp_path / "song.m4a")
        no_song = await world.call("join_videos", {"tasks": tasks, "music": music})
        (tmp_path / "song.m4a").write_text("no song", "utf-8")
        no_media = await world.call("join_videos", {"tasks": tasks, "music": music})
        outside = await world.call("join_videos", {"tasks": tasks, "music": "/etc/passwd"})
        (tmp_path / "song.wav").write_bytes(wave_file(3))
        wish = {"tasks": tasks, "transition": "crossfade", "crossfade_seconds": 0.25, "music": str(tmp_path / "song.wav")}
        film = await world.call("join_videos", wish)
        (tmp_path / "song.wav").write_bytes(wave_file(4))
        filled = await world.call("join_videos", wish)
    assert "music was an MP4 video; allowed: a sound file" in no_song.text
    assert no_media.error["code"] == outside.error["code"] == "file_rejected"
    assert film["seconds"] == 3.75
    assert "warning: the music ends at 3 s of 3.75 s; a longer file fills the film" in film.text
    assert "warning" not in filled.text


@pytest.mark.slow
async def test_a_clip_that_is_not_there_is_named(open_world: OpenWorld, films: Sandbox) -> None:
    async with open_world(sandbox=films) as world:
        red = await finished(world, "red")
        running = (await world.create(prompt="green"))["task_id"]
        early = await world.call("join_videos", {"tasks": [red, running]})
        nobody = await world.call("join_videos", {"tasks": [red, "vid_none"]})
        unseen = await world.call("preview_video", {"task_ids": [red, running]})
        alone = await world.call("preview_video", {"task_ids": [running]})
        broken = await world.call("join_videos", {"tasks": [red, await finished(world, "broken")]})
        short = await world.call("join_videos", {"tasks": [red, red], "transition": "crossfade", "crossfade_seconds": 2})
        assert not list(world.settings.output_dir.glob("*.mp4"))
    assert f"Clip 2 ({running}): There is no video yet" in early.text
    assert f"{running}: There is no video yet" in unseen.text
    assert f"{running}: There is no" not in alone.text
    assert nobody.error["code"] == "task_not_found"
    assert "Clip 2 (vid_none)" in nobody.text
    assert "The clips cannot be joined: clip 2 holds no pictures" in broken.text
    assert "clip 1 has only 2.00 s, too few for its crossfades" in short.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"tasks": ["a"]}, "tasks"), ({"tasks": ["a"] * 41}, "tasks"), ({"tasks": ["a", "b"], "transition": "wipe"}, "transition"),
     ({"tasks": ["a", "b"], "crossfade_seconds": 9}, "crossfade_seconds")],
)  # fmt: skip
async def test_arguments_beyond_their_bounds_are_named(open_world: OpenWorld, arguments: dict[str, Any], words: str) -> None:
    async with open_world() as world:
        refused = await world.call("join_videos", arguments)
    assert refused.error["field"] == words


@pytest.mark.parametrize(
    ("tool", "given", "allowed"),
    [
        ("join_videos", {"tasks": ["a"]}, "a list of 2 to 40"),
        ("join_videos", {"tasks": ["a", "b"], "crossfade_seconds": 0}, "a number from 0.1 to 2"),
        ("preview_video", {"task_ids": ["a"] * 5}, "a list of 1 to 4"),
    ],
)
async def test_a_refusal_names_the_bounds_that_hold(
    open_world: OpenWorld, tool: str, given: dict[str, Any], allowed: str
) -> None:
    async with open_world() as world:
        assert f"allowed: {allowed}" in (await world.call(tool, given)).text


async def test_what_is_no_music_is_named_as_such(open_world: OpenWorld, films: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "list.mp3").write_text("#EXTM3U\n/etc/passwd\n", "utf-8")
    (tmp_path / "half.wav").write_bytes(wave_file(3)[:30])
    async with open_world(sandbox=films) as world:
        red = await finished(world, "red")
        for source in ("https://example.com/song.mp3", f"task:{red}", "@song"):
            refused = await world.call("join_videos", {"tasks": [red, red], "music": source})
            assert refused.error["field"] == "music"
            assert "allowed: the path of a local sound file" in refused.text
        playlist = await world.call("join_videos", {"tasks": [red, red], "music": str(tmp_path / "list.mp3")})
        half = await world.call("join_videos", {"tasks": [red, red], "music": str(tmp_path / "half.wav")})
    assert playlist.error["field"] == "music"
    assert "allowed: mp3" in playlist.text
    assert "The clips cannot be joined: the music cannot be decoded" in half.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_film_without_room_names_the_folder() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "red.mp4"
        path.write_bytes(clip(SHOTS["small"]))
        done = job("join", clips=[str(path), str(path)], output="/dev/full")
    assert "the disk is full: the operator should free the temporary folder (TMPDIR)" in done["reason"]


async def test_what_a_killed_process_left_goes_with_a_later_call(
    open_world: OpenWorld, films: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, young, others = (tmp_path / name for name in ("seedance-scratch-1", "seedance-scratch-2", "scratch-3"))
    for folder in (left, young, others):
        folder.mkdir()
        (folder / "0.mp4").write_bytes(b"clip")
    for folder in (left, others):
        os.utime(folder, (0, 0))
    async with open_world(sandbox=films) as world:
        red = await finished(world, "red")
        assert (await world.call("join_videos", {"tasks": [red, red]}))["seconds"] == 4
    assert not left.exists()
    assert (young / "0.mp4").exists()
    assert (others / "0.mp4").exists()


async def test_a_missing_extra_is_named(open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    async with open_world() as world:
        joined = await world.call("join_videos", {"tasks": ["a", "b"]})
        frame = await world.call("upload_asset", {"source": "task:vid_1#last", **MODEL})
    assert joined.error["code"] == frame.error["code"] == "not_configured"
    assert "join_videos needs more than is installed: the operator should run" in joined.text
    assert "A frame of a video needs more than is installed: the operator should run" in frame.text


async def test_a_full_temporary_folder_is_named(
    open_world: OpenWorld, films: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    async with open_world(sandbox=films) as world:
        tasks = [await finished(world, "red"), await finished(world, "green")]
        monkeypatch.setattr("seedance_mcp.tools.film.shutil.copyfileobj", full)
        answer = await world.call("join_videos", {"tasks": tasks})
    assert answer.error["code"] == "download_failed"
    assert "There is no room for the clips" in answer.text


@pytest.mark.slow
async def test_a_cancelled_call_ends_its_child(open_world: OpenWorld, tmp_path: Path) -> None:
    started = threading.Event()
    long = clip(Shot(RED, (1280, 720), frames=240, tone_hertz=None))
    wanted: dict[str, Any] = {
        "format": "mp4",
        "kind": "video",
        "title": "",
        "target": {},
        "output": str(tmp_path / "out"),
        "shape": "",
        "start_seconds": 0.0,
        "may_cut": False,
        "known_seconds": 10.0,
    }
    (tmp_path / "long.mp4").write_bytes(long)
    with (tmp_path / "long.mp4").open("rb") as file:
        async with anyio.create_task_group() as group:

            async def report(percent: float) -> None:
                started.set()
                group.cancel_scope.cancel()

            await make("moving", json.dumps(wanted), file, report)
    assert started.is_set()
    stop = decoder.Stop()
    stop.now()
    with (tmp_path / "long.mp4").open("rb") as file, pytest.raises(decoder.Unreadable):
        decoder.decode("stream", "mp4", file, decoder.PROBE, stop=stop)


@dataclass
class Listener:
    """A caller that keeps what it hears."""

    told: list[float] = field(default_factory=list[float])
    reply: Reply | None = None
    address: str | None = None

    async def report(self, progress: float, message: str) -> None:
        self.told.append(progress)

    async def ask(self, question: str, token: str) -> Action:
        return "decline"


async def test_a_part_of_the_work_reports_the_progress_of_the_whole_and_asks_the_same_user() -> None:
    listener = Listener()
    portion = Portion(listener, Meter(), 40, 100)
    await portion.report(50, "joining")
    assert listener.told == [70]
    assert await portion.ask("?", "") == "decline"
