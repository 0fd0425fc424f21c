"""The gallery: a page beside the videos, made of the ledger, in which no stranger's text becomes markup."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import OpenWorld, World
from corpus import Clip
from corpus import film as film_of
from memory_store import MemoryStore
from PIL import Image

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.cli import main
from seedance_mcp.errors import DownloadRefused, OutcomeUnknown
from seedance_mcp.media import decoder
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.records import Film, NewRequest, Saved
from seedance_mcp.origin import install_command
from seedance_mcp.sandbox.order import Order
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.storage.local_disk import LocalDisk
from seedance_mcp.storage.page_file import PageFolder
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools import gallery as galleries
from seedance_mcp.tools.gallery import Gallery, Written
from seedance_mcp.tools.gallery_page import inline_hash

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BODY: dict[str, Any] = {"model": "seedance2.0-mini", "prompt": "a fox", "duration": 4, "resolution": "480p"}
EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' {videos} {policy} \u202e\x00"


@pytest.fixture(scope="module")
def film() -> bytes:
    return film_of(Clip(size_px=(864, 496), audio=None))


def no_library(name: str) -> None:
    """Find no library."""


class Shelf:
    """A ledger and a folder of one caller, and the page that is made of them."""

    def __init__(self, settings: Settings, principal: str = "") -> None:
        self.settings, self.principal, self.at = settings, principal, NOW
        self.ledger: Ledger = open_ledger(settings, lambda: self.at).for_principal(principal)
        self.gallery = Gallery(self.ledger, principal, settings, load_edition())
        self.made = 0

    async def aclose(self) -> None:
        await self.ledger.aclose()

    async def add(self, status: str = "completed", film: bytes | None = None, *, name: str = "clip", **fields: Any) -> str:
        """Note a request, a minute after the last one; a film is saved in the folder."""
        self.made += 1
        self.at += timedelta(minutes=1)
        labels = {key: fields.pop(key) for key in ("project", "take") if key in fields}
        request = NewRequest({**BODY, **fields}, f"print {self.made}", Decimal("0.08"), **labels)
        await self.ledger.reserve(request, window_seconds=0, admit=lambda _: None)
        if status == "lost":
            await self.ledger.fail(request.request_id, OutcomeUnknown("lost", charged="maybe"))
            return request.request_id
        await self.ledger.observe(request.request_id, self._report(status))
        if film is not None:
            part = LocalDisk(self.settings.output_dir).new(name, self.principal)
            part.write(film + self.made.to_bytes(4))
            stored = part.commit()
            await self.ledger.save(request.request_id, Saved(stored.uri, stored.size_bytes, stored.sha256))
        return request.request_id

    def _report(self, status: str) -> ProviderTask:
        task_id = f"vid_{self.made}"
        if status == "completed":
            url = "https://results.invalid/secret?sign=1"
            return ProviderTask(task_id, "completed", cost=Decimal("0.08"), video_url=url, completed_at=self.at)
        if status == "failed":
            return ProviderTask(task_id, "failed", error="words <b>of theirs</b>")
        return ProviderTask(task_id, "processing", progress=42)

    async def write(self, **options: Any) -> Written:
        chosen: dict[str, Any] = {"renew": False, "posters_most": 10, **options}
        return await self.gallery.write(self.at, **chosen)

    @property
    def page(self) -> str:
        return (self.settings.output_dir / self.principal / "gallery.html").read_text("utf-8")


class Outline(HTMLParser):
    """What a browser makes of a page: its elements with their attributes, in order, and the text of each heading."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if re.fullmatch(r"h\d", self._inside):
            self.headings.append((self._inside, data))
        self._inside = ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncGenerator[Shelf]:
    async with aclosing(Shelf(Settings(data_dir=tmp_path / "data", output_dir=tmp_path / "videos"))) as opened:
        yield opened


@pytest.mark.slow
async def test_takes_stand_side_by_side_under_their_project_with_posters_and_relative_players(
    shelf: Shelf, film: bytes
) -> None:
    for take in (1, 2):
        await shelf.add(film=film, name=f"fox #{take} ü?", project="snow", take=take)
    await shelf.add(film=film, prompt="a long story " * 20, project="snow")
    await shelf.add(prompt="an owl")
    written = await shelf.write()
    assert (written.requests, written.players, written.unsaved, written.without_poster, written.can_draw) == (4, 3, 1, 0, True)
    assert written.path == shelf.settings.output_dir / "gallery.html"
    outline = Outline(shelf.page)
    assert outline.headings == [
        ("h1", "Seedance videos"),
        ("h2", "No project"),
        ("h3", "an owl"),
        ("h2", "snow"),
        ("h3", ("a long story " * 20)[:90].rstrip() + "…"),
        ("h3", "a fox"),
    ]
    videos = outline.all("video")
    assert [each["src"] for each in videos] == ["./clip.mp4", "./fox%20%231%20%C3%BC%3F.mp4", "./fox%20%232%20%C3%BC%3F.mp4"]
    assert [each["aria-label"] for each in videos][1:] == ["Take 1: a fox", "Take 2: a fox"]
    for each in videos:
        assert (each["preload"], "controls" in each, "poster" in each) == ("none", True, False)
        jpeg = base64.b64decode(each["data-poster"] or "")
        assert len(jpeg) <= 16_000
        assert Image.open(io.BytesIO(jpeg)).size[0] == 360
    for shown in (
        "4 requests · 0.32 JimiCoin charged · <strong>1 finished and not saved</strong>",
        "download_video <code>vid_4",
    ):
        assert shown in shelf.page
    assert "results.invalid" not in shelf.page  # a signed link is nobody else's business
    assert 'content="once"' in shelf.page


@pytest.mark.slow
async def test_every_outcome_is_told_and_can_be_filtered(shelf: Shelf, film: bytes) -> None:
    await shelf.add("failed")
    await shelf.add("processing", prompt="an owl")
    await shelf.add("lost", prompt="a hare")
    saved = await shelf.add(film=film, prompt="gone")
    await shelf.add(prompt="elsewhere")
    await shelf.ledger.adopt("vid_of_others", NOW)
    (shelf.settings.output_dir / "clip.mp4").unlink()
    await shelf.write()
    statuses = {each["data-status"] for each in Outline(shelf.page).all("li")}
    assert statuses == {"failed", "running", "unknown", "unsaved"}
    for told in (
        *("words &lt;b&gt;of theirs&lt;/b&gt;", "42 % when this page was written", "The answer was lost"),
        *("Its file is not there any more.", "about 0.08 JimiCoin, estimated", "none known", "<dt>Link until</dt>"),
        *("0.16 JimiCoin charged", "0.16 JimiCoin reserved", "A video that was made elsewhere"),
    ):
        assert told in shelf.page, told
    await shelf.ledger.save(saved, Saved("s3://bucket/clip.mp4", 9, "00"))
    await shelf.write()
    assert "Kept in the bucket" in shelf.page
    assert '"saved"' in shelf.page


async def test_no_text_of_a_stranger_becomes_markup_and_the_page_may_load_nothing(shelf: Shelf, film: bytes) -> None:
    await shelf.add(film=film, name="#?\"'", prompt=EVIL, project=EVIL, model=EVIL)
    await shelf.add(prompt=EVIL * 30)
    await shelf.write()
    outline = Outline(shelf.page)
    assert (len(outline.all("script")), len(outline.all("style")), outline.all("img"), outline.all("a")) == (
        *(1, 1, []),
        [{"class": "skip", "href": "#videos"}],
    )
    assert all(not name.startswith("on") for _, attributes in outline.elements for name in attributes)
    assert not re.search(
        r"https?:|//(?! )", re.sub(r'<script>.*</script>|data-poster="[^"]*"', "", shelf.page, flags=re.DOTALL)
    )
    assert "\u202e" not in shelf.page
    assert [text for tag, text in outline.headings if tag == "h2"][-1].startswith('"><script>alert(1)')
    assert len(outline.all("video")) == 1
    (policy,) = [each["content"] for each in outline.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy == (
        f"default-src 'none'; script-src {inline_hash(shelf.page, 'script')}; style-src {inline_hash(shelf.page, 'style')}; "
        "img-src data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


async def test_a_video_outside_the_folder_is_played_from_there(shelf: Shelf, film: bytes, tmp_path: Path) -> None:
    request = await shelf.add()
    other = tmp_path / "other place" / "fox.mp4"
    other.parent.mkdir()
    other.write_bytes(film)
    for uri, size_bytes, shown in (
        *((str(other), len(film), ["../other%20place/fox.mp4"]), (str(other), 1, [])),
        *(("fox.mp4", len(film), []), (str(other.parent), 4096, []), (f"{other}\x00", 1, [])),
    ):
        await shelf.ledger.save(request, Saved(uri, size_bytes, "0" * 64))
        assert (await shelf.write()).players == len(shown)
        assert [(each["src"] or "").removeprefix("./") for each in Outline(shelf.page).all("video")] == shown
    assert (
        "data-poster=" not in shelf.page.partition("<main")[2].partition("<script>")[0]
    )  # its bytes are not those that were saved


@pytest.mark.slow
async def test_posters_are_drawn_once_a_few_at_a_time_and_only_of_videos(
    shelf: Shelf, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await shelf.add(film=film)
    await shelf.add(film=b"no film")
    told: list[int] = []
    assert (await shelf.write(posters_most=2, drawn=told.append)).without_poster == 3
    assert told == [1, 2]
    assert (await shelf.write()).without_poster == 1
    monkeypatch.setattr(decoder, "find_spec", no_library)
    written = await shelf.write()
    assert (written.without_poster, written.can_draw) == (1, False)


async def test_a_file_of_that_name_that_is_not_ours_stays(shelf: Shelf, tmp_path: Path) -> None:
    folder = shelf.settings.output_dir
    folder.mkdir()
    (folder / "gallery.html").write_text("<html>mine</html>")
    with pytest.raises(DownloadRefused, match="is no gallery of this program: move it"):
        await shelf.write()
    assert shelf.page == "<html>mine</html>"
    (folder / "gallery.html").unlink()
    (folder / "gallery.html").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DownloadRefused, match="cannot be written"):
        await shelf.write()
    assert not (tmp_path / "elsewhere").exists()
    (folder / "gallery.html").unlink()
    (folder / "gallery.html").mkdir()
    with pytest.raises(DownloadRefused, match="cannot be written"):
        await shelf.write()


async def test_what_cannot_be_replaced_leaves_nothing_and_a_long_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "gallery.html").mkdir()
    with PageFolder(tmp_path, "") as folder:
        with pytest.raises(OSError, match="directory"):
            folder.replace("gallery.html", b"page")
        assert os.listdir(tmp_path) == ["gallery.html"]  # noqa: PTH208
        (tmp_path / "long").write_bytes(bytes(11))
        with pytest.raises(OSError, match="longer than 10 bytes"):
            folder.read("long", 10)
        assert folder.read("long", 11) == bytes(11)
        assert (folder.head("long", 4), folder.head("none", 4)) == (bytes(4), None)
        assert folder.read("none", 10) is None
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OSError, match="pipe is no file"):
            folder.read("pipe", 10)


async def test_the_newest_are_shown_where_there_are_too_many(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(galleries, "SHOWN_MOST", 2)
    for number in range(3):
        await shelf.add("failed", prompt=f"owl {number}")
    await shelf.write()
    assert "3 requests · 0 JimiCoin charged · everything finished is saved · the newest 2 are shown" in shelf.page
    assert "owl 0" not in shelf.page


def of_sandbox(film: bytes) -> Sandbox:
    async def drawn(order: Order, pictures: list[bytes]) -> bytes:
        return film

    return Sandbox(drawn)


async def saved(world: World, prompt: str) -> str:
    task = await world.create(prompt=prompt)
    await world.call("wait_for_video", {"task_id": task["task_id"]})
    return (await world.call("download_video", {"task_id": task["task_id"]}))["path"]


async def test_a_film_stands_on_the_page_with_its_clips_and_is_no_request(shelf: Shelf, film: bytes) -> None:
    await shelf.add(film=film, project="snow")
    part = LocalDisk(shelf.settings.output_dir).new("the <film>", "")
    part.write(film)
    stored = part.commit()
    kept = Saved(stored.uri, stored.size_bytes, stored.sha256)
    await shelf.ledger.keep_film(Film("film_1", shelf.at, 12.4, ("vid_1", "vid_1"), kept, "snow"))
    assert (await shelf.write()).players == 2
    outline = Outline(shelf.page)
    assert outline.headings[1:] == [("h2", "snow"), ("h3", f"Film: {Path(stored.uri).stem}"), ("h3", "a fox")]
    for told in (
        *("1 requests · 1 films · 0.08 JimiCoin charged", "<span>Film of 2 clips</span>", "<dt>Length</dt><dd>12 s</dd>"),
        *("<dt>Their cost</dt><dd>0.08 JimiCoin</dd>", "<code>vid_1</code> <code>vid_1</code>", "<code>film_1</code>"),
    ):
        assert told in shelf.page, told
    Path(stored.uri).unlink()  # noqa: ASYNC240 - a small file of the test
    await shelf.write()
    assert "Its file is not there any more. Ask in the chat to join its clips again, which is free" in shelf.page
    assert "Link until" not in shelf.page


@pytest.mark.slow
async def test_each_save_renews_the_page_where_that_is_wanted_and_never_fails_for_it(
    open_world: OpenWorld, film: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(sandbox=of_sandbox(film)) as world:
        path = world.settings.output_dir / "gallery.html"
        await saved(world, "a fox")
        assert not path.exists()
        async with aclosing(Shelf(world.settings)) as shelf:
            for renew in (False, True):
                await shelf.write(renew=renew)
                prompt = "an owl" if renew else "a hare"
                await saved(world, prompt)
                assert (f"{prompt}</h3>" in shelf.page) is renew
            assert len(Outline(shelf.page).all("video")) == 3
            assert shelf.page.count('data-poster="/9j/') == 3
            assert 'content="renewed"' in shelf.page
            tasks = [row["task_id"] for row in (await world.call("list_tasks", {"limit": 2}))["tasks"]]
            joined = await world.call("join_videos", {"tasks": tasks, "filename": "both"})
            assert f"<code>{joined['task_id']}</code>" in shelf.page
            assert len(Outline(shelf.page).all("video")) == 4
            path.unlink()
            path.symlink_to(tmp_path / "elsewhere")
            assert (await saved(world, "a crow")).endswith(".mp4")
            assert "The gallery could not be renewed: OSError" in caplog.text


def in_memory(_: Settings) -> MemoryStore:
    return MemoryStore()


async def test_videos_that_are_kept_elsewhere_make_no_folder(open_world: OpenWorld, film: bytes) -> None:
    async with open_world(sandbox=of_sandbox(film), keep=in_memory) as world:
        await saved(world, "a fox")
        assert not world.settings.output_dir.exists()


@pytest.mark.slow
def test_the_command_writes_each_callers_page_beside_the_callers_videos(
    tmp_path: Path, film: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SEEDANCE_OUTPUT_DIR", str(tmp_path / "videos"))
    assert main.main(["gallery"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'videos' / 'gallery.html'}\n0 requests, 0 videos to play")

    async def fill() -> None:
        for principal in ("", "anna"):
            async with aclosing(Shelf(Settings(), principal)) as shelf:
                await shelf.add(film=film, prompt=f"of {principal or 'me'}")

    anyio.run(fill)
    assert main.main(["gallery", "--principal", "anna"]) == 0
    assert "drawn" not in capsys.readouterr().err
    assert not (tmp_path / "videos" / "gallery.html").read_text("utf-8").count("of me")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main.main(["gallery", "--keep-updated"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("1 requests, 1 videos to play, 0 finished and not saved\n") == 2
    assert "1 posters drawn" in printed.err
    assert "Each video that is saved renews it." in printed.out
    assert "of anna" in (tmp_path / "videos" / "anna" / "gallery.html").read_text("utf-8")
    assert "of anna" not in (tmp_path / "videos" / "gallery.html").read_text("utf-8")
    monkeypatch.setattr(decoder, "find_spec", no_library)
    (tmp_path / "videos" / "gallery.html").unlink()
    assert main.main(["gallery"]) == 0
    assert f"1 without a poster; {install_command('media')} draws posters" in capsys.readouterr().out
    (tmp_path / "videos" / "gallery.html").write_text("mine")
    assert main.main(["gallery"]) == 2
    assert "is no gallery of this program" in capsys.readouterr().err
