"""A download that was cut off goes on where it ended, and two processes fetch a video once."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import Answer, OpenWorld, World
from memory_store import MemoryStore

from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.storage.part_files import Turn
from seedance_mcp.storage.video_store import VideoStore
from seedance_mcp.tools.session import OpenLedger, utc_now

pytestmark = pytest.mark.anyio

Get = Callable[[World, str], Coroutine[Any, Any, Answer]]
HEAD = b"\0\0\0\x10ftypisom\0\0\0\0"
FILM = HEAD + (100_008).to_bytes(4) + b"mdat" + bytes(range(250)) * 400 + b"\0\0\0\x08moov"
OTHER = FILM.replace(b"\x01\x02", b"\x02\x01")
CUT = 60_000


async def film(order: Order, pictures: list[bytes]) -> bytes:
    return FILM


@dataclass
class Body(httpx.AsyncByteStream):
    """A body that breaks off, or goes slowly."""

    content: bytes
    ends_at: int
    pause_seconds: float

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        for at in range(0, min(self.ends_at, len(self.content)), 5000):
            await anyio.sleep(self.pause_seconds)
            yield self.content[at : min(at + 5000, self.ends_at)]
        if self.ends_at < len(self.content):
            raise httpx.ReadError("reset")


@dataclass
class Host(Sandbox):
    """A host that continues transfers; the first one breaks off."""

    content: bytes = FILM
    names: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    continues: bool = True
    announces: bool = True
    ends_at: list[int] = field(default_factory=lambda: [CUT])
    pause_seconds: float = 0
    alter: Callable[[httpx.Response], None] = lambda _: None
    seen: list[httpx.Request] = field(default_factory=list[httpx.Request])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/api/" in request.url.path:
            return await super().__call__(request)
        self.seen.append(request)
        start = int(re.findall(r"\d+", request.headers.get("Range", "0"))[0])
        if not self.continues or request.headers.get("If-Range") not in self.names.values():
            start = 0
        ends_at = self.ends_at.pop(0) if self.ends_at else len(self.content)
        stream = Body(self.content[start:], ends_at, self.pause_seconds)
        length = {"Content-Length": str(len(self.content) - start)} if self.announces else {}
        response = httpx.Response(206 if start else 200, stream=stream, headers={**length, **self.names})
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
            self.alter(response)
        return response

    @property
    def ranges(self) -> list[str | None]:
        return [request.headers.get("Range") for request in self.seen]


def host(**fields: Any) -> Host:
    return Host(film, **fields)


async def finished(world: World) -> str:
    task = await world.create()
    await world.call("wait_for_video", {"task_id": task["task_id"]})
    return task["task_id"]


async def download(world: World, task_id: str, **options: Any) -> Answer:
    return await world.call("download_video", {"task_id": task_id, "filename": "fox"}, **options)


def parts(world: World) -> list[Path]:
    return list((world.settings.data_dir / "downloads").iterdir())


def content(saved: Answer) -> bytes:
    return Path(saved["path"]).read_bytes()


async def cut(world: World) -> str:
    """Let a first download break off; gives its task."""
    task_id = await finished(world)
    assert (await download(world, task_id)).error["retryable"] is True
    return task_id


@pytest.mark.parametrize("name", ["ETag", "Last-Modified"])
@pytest.mark.parametrize("announces", [True, False])
async def test_a_transfer_that_was_cut_off_goes_on_after_a_restart(
    open_world: OpenWorld,
    name: str,
    announces: bool,  # noqa: FBT001
) -> None:
    provider = host(names={name: "Wed, 21 Oct 2026 07:28:00 GMT"}, announces=announces)
    async with open_world(sandbox=provider) as world:
        task_id = await cut(world)
        (part,) = parts(world)
        assert CUT <= part.stat().st_size <= CUT + 1024
        assert part.stat().st_mode & 0o777 == 0o600
    async with open_world(sandbox=provider) as world:
        saved = await download(world, task_id)
        assert (content(saved), saved["bytes"]) == (FILM, len(FILM))
        assert parts(world) == []
    assert provider.ranges == [None, f"bytes={CUT}-"]
    assert provider.seen[1].headers["If-Range"] == "Wed, 21 Oct 2026 07:28:00 GMT"


async def test_a_cancelled_transfer_goes_on_and_may_be_cut_again(open_world: OpenWorld) -> None:
    told: list[str | None] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    provider = host(ends_at=[len(FILM), 10_000], pause_seconds=1)
    async with open_world(sandbox=provider) as world:
        task_id = await finished(world)
        with anyio.move_on_after(12.5):
            await download(world, task_id)
        await anyio.sleep(5)
        await download(world, task_id)
        saved = await download(world, task_id, progress_callback=on_progress)
        assert content(saved) == FILM
    first, second, third = provider.ranges
    assert first is None
    assert second
    assert third
    assert third == f"bytes={int(second[6:-1]) + 10_000}-"
    assert told[0] == f"{(int(third[6:-1]) + 5000) / 1e6:.1f} MB fetched"


async def test_a_host_that_continues_nothing_is_asked_for_everything(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(provider := host(continues=False))) as world:
        assert content(await download(world, await cut(world))) == FILM
    assert provider.ranges == [None, f"bytes={CUT}-"]


async def test_a_video_that_is_another_by_now_comes_whole(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(provider := host())) as world:
        task_id = await cut(world)
        provider.content, provider.names = OTHER, {"ETag": '"two"'}
        assert content(await download(world, task_id)) == OTHER


def ranged(text: str, status: int = 206) -> Callable[[httpx.Response], None]:
    def alter(response: httpx.Response) -> None:
        response.status_code = status
        response.headers["Content-Range"] = text

    return alter


@pytest.mark.parametrize(
    "alter",
    [
        *(ranged(f"bytes */{len(FILM)}", 416), ranged(""), ranged("bytes 0-9/10"), ranged("bytes=60000-1/2")),
        *(ranged(f"bytes {CUT}-{len(FILM)}/{len(FILM) + 1}"), ranged(f"bytes {CUT}-{len(FILM) - 2}/{len(FILM)}")),
        ranged(f"bytes {CUT + 1}-{len(FILM) - 1}/{len(FILM)}"),
    ],
)
async def test_an_answer_that_does_not_fit_begins_anew(open_world: OpenWorld, alter: Callable[[httpx.Response], None]) -> None:
    async with open_world(sandbox=(provider := host(alter=alter))) as world:
        assert content(await download(world, await cut(world))) == FILM
    assert provider.ranges == [None, f"bytes={CUT}-", None]


@pytest.mark.parametrize("names", [{}, {"ETag": 'W/"one"'}, {"ETag": '"\t"'}])
async def test_a_transfer_without_a_strong_name_is_not_kept(open_world: OpenWorld, names: dict[str, str]) -> None:
    async with open_world(sandbox=(provider := host(names=names))) as world:
        task_id = await cut(world)
        assert parts(world) == []
        assert content(await download(world, task_id)) == FILM
    assert provider.ranges == [None, None]


async def test_an_expired_link_is_renewed_and_the_transfer_goes_on(open_world: OpenWorld) -> None:
    statuses = [403]

    def alter(response: httpx.Response) -> None:
        response.status_code = statuses.pop() if statuses else 206

    async with open_world(sandbox=(provider := host(alter=alter))) as world:
        assert content(await download(world, await cut(world))) == FILM
    assert provider.ranges == [None, f"bytes={CUT}-", f"bytes={CUT}-"]


async def test_parts_that_do_not_fit_together_are_no_video(open_world: OpenWorld) -> None:
    def alter(response: httpx.Response) -> None:
        response.stream = httpx.ByteStream(bytes(len(FILM) - CUT))

    async with open_world(sandbox=host(alter=alter)) as world:
        task_id = await cut(world)
        assert "came incomplete" in (await download(world, task_id)).text
        assert parts(world) == []


async def test_a_video_that_turns_out_too_large_is_dropped(open_world: OpenWorld) -> None:
    huge = ranged(f"bytes {CUT}-199999/200000")
    async with open_world(sandbox=host(announces=False, alter=huge), most_bytes=150_000) as world:
        task_id = await cut(world)
        assert "larger than 150000 bytes" in (await download(world, task_id)).text
        assert parts(world) == []


async def test_a_part_whose_link_has_expired_goes_with_the_next_download(open_world: OpenWorld) -> None:
    async with open_world(sandbox=host(ends_at=[CUT])) as world:
        await cut(world)
        (part,) = parts(world)
        os.utime(part, (0, 0))
        other = (await world.create(prompt="a hare"))["task_id"]
        await world.call("wait_for_video", {"task_id": other})
        assert content(await download(world, other)) == FILM
        assert parts(world) == []


async def test_what_came_whole_is_not_fetched_again_when_the_store_had_no_room(open_world: OpenWorld) -> None:
    store = MemoryStore(CUT)

    def keep(_: Settings) -> VideoStore:
        return store

    async with open_world(sandbox=(provider := host(ends_at=[])), keep=keep) as world:
        task_id = await finished(world)
        assert "cannot be written" in (await download(world, task_id)).text
        store.room_bytes = 1_000_000
        assert (await download(world, task_id))["bytes"] == len(FILM)
    assert len(provider.seen) == 1


async def test_a_whole_part_that_is_no_video_is_fetched_anew(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(provider := host(ends_at=[]))) as world:
        task_id = await finished(world)
        request_id = (await world.call("get_task", {"task_id": task_id}))["request_id"]
        part = Turn(world.settings.data_dir / "downloads", request_id).take()
        assert part
        part.begin('"one"', 4)
        part.write(b"junk")
        part.close()
        assert content(await download(world, task_id)) == FILM
    assert provider.ranges == [None]


async def test_two_processes_fetch_a_video_once(open_world: OpenWorld) -> None:
    told: list[str | None] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    provider, answers = host(ends_at=[], pause_seconds=1), list[Answer]()
    async with open_world(sandbox=provider) as one, open_world(sandbox=provider) as other:
        task_id = await finished(one)
        await other.call("get_task", {"task_id": task_id})

        async def get(world: World, **options: Any) -> None:
            answers.append(await download(world, task_id, **options))

        async with anyio.create_task_group() as group:
            group.start_soon(get, one)
            await anyio.sleep(3)
            group.start_soon(lambda: get(other, progress_callback=on_progress))
    assert [answer["path"] for answer in answers] == [str(one.settings.output_dir / "fox.mp4")] * 2
    assert list(one.settings.output_dir.iterdir()) == [one.settings.output_dir / "fox.mp4"]
    assert len(provider.seen) == 1
    assert set(told) == {"another process is downloading this video"}


@pytest.mark.slow
async def test_a_wait_for_another_process_can_be_cancelled_and_ends(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(provider := host(ends_at=[]))) as world:
        task_id = await finished(world)
        request_id = (await world.call("get_task", {"task_id": task_id}))["request_id"]
        part = Turn(world.settings.data_dir / "downloads", request_id).take()
        assert part
        with anyio.move_on_after(30) as scope:
            await download(world, task_id)
        assert scope.cancelled_caught
        answer = await download(world, task_id)
        assert "Another process is downloading" in answer.text
        assert answer.error["retryable"] is True
        part.close()
        assert content(await download(world, task_id)) == FILM
    assert len(provider.seen) == 1


@pytest.mark.slow
async def test_a_video_that_another_machine_saves_is_waited_for_and_never_fetched_beside_it(
    open_world: OpenWorld, open_ledger: OpenLedger
) -> None:
    told: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        assert message == "another process is downloading this video"
        told.append(progress)

    async with open_world(sandbox=(provider := host(ends_at=[]))) as world, open_world(auto_save=True) as saver:
        task_id = await finished(world)
        request_id = (await world.call("get_task", {"task_id": task_id}))["request_id"]
        async with aclosing(open_ledger(world.settings, utc_now)) as ledger:
            assert await ledger.claim_saving(request_id, "another machine", 60)
            answer = await download(world, task_id, progress_callback=on_progress)
            assert "has not finished for long" in answer.text
            assert answer.error["retryable"] is True
            assert told == sorted(set(told))
            assert (await saver.call("wait_for_video", {"task_id": task_id}))["saved_path"] is None
            assert provider.seen == []

            async def let_go() -> None:
                await anyio.sleep(800)  # a transfer may take that long
                await ledger.release_saving(request_id, "another machine")

            async with anyio.create_task_group() as group:
                group.start_soon(let_go)
                assert content(await download(world, task_id)) == FILM
    assert len(provider.seen) == 1


async def preview(world: World, task_id: str) -> Answer:
    """The film has no frames: a preview brings it whole, and says then that it cannot be shown."""
    answer = await world.call("preview_video", {"task_id": task_id})
    assert "cannot be shown" in answer.text
    return answer


async def test_a_preview_goes_on_where_a_transfer_was_cut_off_and_keeps_nothing(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(provider := host())) as world:
        await preview(world, await cut(world))
        assert parts(world) == []
        assert not world.settings.output_dir.exists() or not list(world.settings.output_dir.iterdir())
    assert provider.ranges == [None, f"bytes={CUT}-"]


async def test_a_preview_that_is_cut_off_leaves_its_part_to_the_download(open_world: OpenWorld) -> None:
    async with open_world(sandbox=(provider := host())) as world:
        task_id = await finished(world)
        assert (await world.call("preview_video", {"task_id": task_id})).error["retryable"] is True
        assert content(await download(world, task_id)) == FILM
    assert provider.ranges == [None, f"bytes={CUT}-"]


@pytest.mark.parametrize("second", [preview, download])
@pytest.mark.parametrize("first", [preview, download])
@pytest.mark.parametrize("processes", [1, 2])
async def test_previews_and_downloads_at_once_fetch_a_video_once(
    open_world: OpenWorld, first: Get, second: Get, processes: int
) -> None:
    provider = host(ends_at=[], pause_seconds=1)
    async with open_world(sandbox=provider) as one, open_world(sandbox=provider) as other:
        task_id = await finished(one)
        await other.call("get_task", {"task_id": task_id})
        async with anyio.create_task_group() as group:
            group.start_soon(first, one, task_id)
            await anyio.sleep(3)
            group.start_soon(second, one if processes == 1 else other, task_id)
        assert parts(one) == []
    assert len(provider.seen) == 1
