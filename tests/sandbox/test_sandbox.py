"""The sandbox as a person uses it: real videos, a real port, and faults by name."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from deadline import LONGEST_SECONDS, running
from PIL import Image, ImageChops, ImageStat

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.sandbox import serve
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.film import render
from seedance_mcp.sandbox.order import Order, order_of
from seedance_mcp.sandbox.provider import KEY, Sandbox

EDITION = load_edition()
V1 = "/api/open-api/v1"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def picture(colour: str, size: tuple[int, int] = (64, 36)) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, "PNG")
    return target.getvalue()


def film(body: dict[str, Any], *pictures: bytes) -> tuple[Any, list[Image.Image]]:
    container, frames = all_of(body, *pictures)
    return container, [frames[0], frames[len(frames) // 2], frames[-1]]


def all_of(body: dict[str, Any], *pictures: bytes) -> tuple[Any, list[Image.Image]]:
    container: Any = av.open(io.BytesIO(render(order_of(EDITION, {"prompt": "a fox", **body}), list(pictures))))
    return container, [frame.to_image() for frame in container.decode(video=0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "pixels", "seconds", "sound"),
    [
        ({"model": "seedance2.0-sp", "resolution": "480p", "ratio": "1:1", "duration": 4}, (640, 640), 4, True),
        ({"model": "seedance2.0-md", "ratio": "9:16", "duration": 1}, (720, 1280), 1, False),
        ({"model": "seedance2.0-fast-i2v", "orientation": "portrait", "duration": 1}, (720, 1280), 1, False),
        ({"model": "seedance2.0-fast-i2v", "duration": 2}, (1280, 720), 2, False),
        ({"model": "sd2_mx_1080p", "ratio": "Adaptive", "duration": 4}, (1920, 1080), 4, True),
    ],
)
def test_a_video_has_the_requested_length_pixels_and_sound(
    body: dict[str, Any],
    pixels: tuple[int, int],
    seconds: int,
    sound: bool,  # noqa: FBT001
) -> None:
    container, _ = film(body)
    video = container.streams.video[0]
    assert (video.width, video.height) == pixels
    assert video.codec_context.name == "h264"
    assert video.average_rate == 24
    assert float(video.duration * video.time_base) == seconds
    assert len(container.streams.audio) == sound
    if sound:
        audio = container.streams.audio[0]
        assert abs(float(audio.duration * audio.time_base) - seconds) < 0.1


def middle(image: Image.Image) -> tuple[int, ...]:
    colour = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(colour, tuple)
    return tuple(round(part / 255) for part in colour)


@pytest.mark.slow
def test_first_and_last_frame_are_blended_from_one_to_the_other() -> None:
    body = {"model": "seedance2.0-std", "duration": 4, "first_image": "x", "last_image": "y"}
    _, (first, half, last) = film(body, picture("red"), picture("blue"))
    assert middle(first) == (1, 0, 0)
    assert middle(last) == (0, 0, 1)
    colour = half.getpixel((half.width // 2, half.height // 2))
    assert isinstance(colour, tuple)
    assert all(60 < colour[part] < 195 for part in (0, 2))


def difference(one: Image.Image, other: Image.Image) -> float:
    """How much two frames differ in their middle, where no text is."""
    box = (160, 90, 480, 250)
    return _difference(one.crop(box), other.crop(box))


def _difference(one: Image.Image, other: Image.Image) -> float:
    stat: Any = ImageStat.Stat(ImageChops.difference(one, other))
    return max(stat.mean)


@pytest.mark.slow
@pytest.mark.parametrize("given", [0, 1])
def test_a_film_moves_and_its_first_frame_is_the_given_picture_without_text(given: int) -> None:
    drawn = Image.new("RGB", (640, 360), "navy")
    drawn.paste("orange", (180, 100, 300, 180))
    target = io.BytesIO()
    drawn.save(target, "PNG")
    body = {"model": "seedance2.0-sp", "resolution": "480p", "ratio": "16:9", "duration": 4, "images": ["x"] * given}
    _, (first, half, last) = film(body, *[target.getvalue()] * given)
    assert difference(first, half) > 3
    assert difference(half, last) > 3
    if given:
        shown: Any = first
        assert _difference(shown.resize((640, 360)), drawn) < 3


@pytest.mark.slow
def test_the_text_leaves_before_a_crossfade_is_half_over_so_that_two_are_never_seen_together() -> None:
    _, frames = all_of({"model": "seedance2.0-md", "duration": 1}, picture("lime"))
    shown: list[float] = [_difference(frame, frames[0]) for frame in frames]
    assert max(shown[:7] + shown[-7:]) < 1 < shown[8]
    assert shown[-9] > 1


@pytest.mark.slow
def test_an_adaptive_ratio_follows_the_picture_and_an_unreadable_one_is_passed_over() -> None:
    body = {"model": "seedance2.0-sp", "ratio": "adaptive", "resolution": "480p", "duration": 4, "images": ["x", "y"]}
    container, (first, *_) = film(body, b"no picture", picture("lime", (100, 140)))
    assert (container.streams.video[0].width, container.streams.video[0].height) == EDITION.frame_sizes["3:4"]["480p"]
    assert middle(first) == (0, 1, 0)


@pytest.mark.slow
def test_two_prompts_look_different() -> None:
    body = {"model": "seedance2.0-md", "duration": 1}
    assert film({**body, "prompt": "a fox"})[1][0].tobytes() != film({**body, "prompt": "a cat"})[1][0].tobytes()


def test_a_first_picture_decides_an_adaptive_ratio() -> None:
    order = order_of(EDITION, {"model": "seedance2.0-sp", "prompt": "x", "ratio": "adaptive"})
    assert order.shaped_like(210, 90).size == EDITION.frame_sizes["21:9"]["720p"]


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_over_a_real_port_faults_break_the_connection_and_videos_are_drawn_ahead() -> None:
    sandbox = Sandbox(serve.render_in_thread, queue_seconds=0, work_seconds=0.2)
    body = {"model": "seedance2.0-md", "prompt": "a fox", "duration": 1}
    async with serve.run_in_background(sandbox) as address, httpx.AsyncClient(base_url=address, headers=HEADERS) as http:
        sandbox.faults = [Fault("lost", "/seedance/videos")]
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(f"{V1}/seedance/videos", json=body)
        assert len(sandbox.tasks) == 1
        big = b"\x89PNG" + b"x" * 1_000_000
        assert (await http.post(f"{V1}/files/upload", files={"file": ("a.png", big)})).json()["data"]["size"] == len(big)
        sandbox.faults = [Fault("bad_encoding", "/seedance/videos"), Fault("too_large", "/user")]
        with pytest.raises(httpx.DecodingError):
            await http.post(f"{V1}/seedance/videos", json=body)
        task_id = (await http.post(f"{V1}/seedance/videos", json=body)).json()["data"]["task_id"]
        while (told := (await http.get(f"{V1}/videos/{task_id}")).json()["data"])["status"] != "completed":
            assert told["status"] in {"queued", "processing"}
        assert sandbox.tasks[task_id].film
        assert (await http.get(told["result"]["video_url"])).content == sandbox.tasks[task_id].film


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/seedance/videos", b"no json"),
        ("POST", "/seedance/videos", b"[]"),
        ("POST", "/seedance/sp/assets/upload", b"{}"),
        ("POST", "/seedance/sp/realperson/status", b'{"asset_id": "x"}'),
        ("POST", "/seedance/sp/assets/detail", b'{"asset_id": "x"}'),
        ("POST", "/seedance/assets/status", b"7"),
        ("GET", "/videos/none", b""),
    ],
)
async def test_nonsense_is_refused_in_an_envelope(method: str, path: str, content: bytes) -> None:
    async def no_film(order: Order, pictures: list[bytes]) -> bytes:
        raise AssertionError

    sandbox = Sandbox(no_film)
    answer = await sandbox(httpx.Request(method, f"https://x{V1}{path}", content=content, headers=HEADERS))
    assert answer.json()["code"] in {20002, -1}
    assert (await sandbox(httpx.Request(method, f"https://x{V1}{path}", content=content))).json()["code"] == 20001
    assert (await sandbox(httpx.Request("GET", f"https://x{V1}/nowhere", headers=HEADERS))).status_code == 404
    form = httpx.Request("POST", f"https://x{V1}/files/upload", files={"other": b"x"}, headers=HEADERS)
    assert (await sandbox(form)).json()["code"] == 20002
    sandbox.balance = 0
    body = {"model": "seedance2.0-md", "prompt": "a fox"}
    answer = await sandbox(httpx.Request("POST", f"https://x{V1}/seedance/videos", json=body, headers=HEADERS))
    assert "insufficient balance" in answer.json()["msg"]


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="rate_limited"):
        Fault("grumpy")


@pytest.mark.slow
def test_the_command_serves_it_with_faults(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seedance_mcp", "sandbox", "--port", "0", "--fault", "unavailable:/user:2"]
    command += ["--fault", "lost:/catalog"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": dict(os.environ)}
    with running("the sandbox", command, **pipes) as process:
        assert process.stdout
        line = process.stdout.readline()
        address, key = (part.split("=", 1)[1] for part in line.split())
        assert key == KEY
        with httpx.Client(base_url=address, headers=HEADERS, timeout=LONGEST_SECONDS) as http:
            answers = [http.get(f"{V1}/user/balance").status_code for _ in range(3)]
            with pytest.raises(httpx.RemoteProtocolError):
                http.get("/api/openapi/model/catalog")
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert process.stderr.read() == ""
    assert answers == [503, 503, 200]
    assert process.returncode == 130


def test_on_windows_nobody_else_takes_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)  # stands for what this system lacks
    with closing(serve.listen()) as bound:
        found = [bound.getsockopt(socket.SOL_SOCKET, name) for name in (socket.SO_KEEPALIVE, socket.SO_REUSEADDR)]
    assert found == [1, 0]
