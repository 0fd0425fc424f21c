"""Files and URLs that keep a name: kept bytes, fresh references for every route, and whose they are."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenWorld, World, no_film, png
from mcp_types import PromptReference

from seedance_mcp.cli import main
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.storage.asset_files import AssetFiles
from seedance_mcp.tools import cast

pytestmark = pytest.mark.anyio
PNG = png(640, 480)
SP, FULL, MINI = "seedance2.0-sp", "sd2_mx_720p", "seedance2.0-mini"


def kept(folder: Path) -> list[Path]:
    return sorted(each for each in (folder / "data" / "assets").rglob("*") if each.is_file())


async def keep(world: World, source: str, name: str = "mia", model: str = SP, **more: Any) -> Any:
    return await world.call("upload_asset", {"source": source, "model": model, "name": name, **more})


@pytest.mark.slow
async def test_a_name_gives_a_fresh_reference_for_every_route_after_the_file_is_gone(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    (tmp_path / "mia.png").write_bytes(PNG)
    async with open_world() as world:
        first = await keep(world, str(tmp_path / "mia.png"), "@Mia")
        assert first["name"] == "@mia"
        (tmp_path / "mia.png").unlink()
        (path,) = kept(tmp_path)
        assert path.read_bytes() == PNG
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o600
    async with open_world(sandbox=world.sandbox) as world:
        for model, scheme in ((SP, "asset://"), (FULL, "asset://"), (MINI, "https://")):
            asset = await world.call("get_asset", {"reference": "@mia", "model": model})
            assert asset["reference"].startswith(scheme)
            assert (asset["ready"], asset["name"], asset["kind"]) == (True, "@mia", "image")
            made = await world.call(
                "create_video", {"request": {"model": model, "prompt": "a fox", "images": [asset["reference"]]}}
            )
            assert made["status"] == "queued"
        uploads = sum(path.endswith("/upload") for _, path in world.sandbox.requests)
        assert (await world.call("get_asset", {"reference": "@mia", "model": SP}))["reference"] == first["reference"]
        assert sum(path.endswith("/upload") for _, path in world.sandbox.requests) == uploads
        listed = await world.call("list_assets")
        (row,) = listed["assets"]
        assert (row["name"], row["kind"], row["used_with"], row["ready"]) == ("@mia", "image", ["full", "mini", "sp"], True)
        assert row["expires_at"]
        (of_full,) = (await world.call("list_assets", {"model": FULL, "kind": "image"}))["assets"]
        assert of_full["used_with"] == ["full"]
        audios = await world.call("list_assets", {"kind": "audio"})
        assert audios["assets"] == []
        assert audios.text.endswith("assets: none; upload_asset with name keeps one")
        assert (await world.call("list_assets", {"model": "seedance2.0-fast-i2v"}))["assets"][0]["ready"] is False


async def test_a_url_keeps_its_name_and_its_review(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        first = await keep(world, "https://a.b/mia.png", model=FULL)
        again = await world.call("get_asset", {"reference": "@mia", "model": FULL})
        assert again["reference"] == first["reference"]
        assert (await world.call("get_asset", {"reference": "@mia", "model": MINI}))["reference"] == "https://a.b/mia.png"
        assert kept(tmp_path) == []
    async with open_world(sandbox=Sandbox(no_film)) as world:  # it forgot the asset
        assert (await world.call("get_asset", {"reference": "@mia", "model": FULL}))["ready"] is True


async def test_a_url_whose_review_failed_since_is_brought_anew(open_world: OpenWorld) -> None:
    async with open_world() as world:
        first = await keep(world, "https://a.b/mia.png", model=FULL)
        world.sandbox.assets[first["asset_id"]].rejected = True
        again = await world.call("get_asset", {"reference": "@mia", "model": FULL})
        assert again["ready"] is True
        assert again["asset_id"] != first["asset_id"]


async def test_a_named_asset_expires_when_the_upload_does_that_it_shares(open_world: OpenWorld, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    (tmp_path / "mia.png").write_bytes(PNG)
    async with open_world(clock=lambda: now) as world:
        first = await world.call("upload_asset", {"source": str(tmp_path / "mia.png"), "model": MINI})
        now += timedelta(days=1)
        await keep(world, str(tmp_path / "mia.png"), model=MINI)
        (listed,) = (await world.call("list_assets"))["assets"]
    assert listed["expires_at"] == first["expires_at"]


async def test_a_name_in_a_media_field_is_answered_with_the_call(open_world: OpenWorld) -> None:
    async with open_world() as world:
        for fields in ({"images": ["@mia"]}, {"first_image": "@mia"}):
            answer = await world.create(**fields)
            assert 'get_asset with {"reference": "@mia", "model": "seedance2.0-sp"}' in answer.text
            assert "upload_asset" not in answer.text


async def test_an_unknown_name_is_answered_with_those_there_are(open_world: OpenWorld) -> None:
    async with open_world() as world:
        nothing = await world.call("get_asset", {"reference": "@mia", "model": SP})
        assert "none yet: upload_asset with name" in nothing.text
        await keep(world, "https://a.b/c.png", "the old  dog")
        assert nothing.error["field"] == "reference"
        assert "allowed: @the-old-dog" in (await world.call("get_asset", {"reference": "@mia", "model": SP})).text
        for name in ("", "@", "x" * 41):
            assert "text of 1 to 40 characters" in (await keep(world, "https://a.b/c.png", name)).text


async def test_a_name_is_replaced_and_its_bytes_go(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        for number in (1, 2):
            (tmp_path / "a.png").write_bytes(png(640, 480 + number))
            await keep(world, str(tmp_path / "a.png"))
        await keep(world, str(tmp_path / "a.png"), "other")
        assert len(kept(tmp_path)) == 1
        kept(tmp_path)[0].unlink()
        gone = await world.call("get_asset", {"reference": "@mia", "model": MINI})
        assert gone.error["code"] == "file_rejected"


async def test_there_is_an_end_to_what_is_kept(open_world: OpenWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "data" / "assets").mkdir(parents=True)
    async with open_world() as world:
        monkeypatch.setattr(cast, "BYTES_MOST", len(PNG) - 1)
        answer = await keep(world, str(tmp_path / "a.png"))
        assert (answer.error["code"], answer.error["field"]) == ("file_rejected", "name")
        monkeypatch.setattr(cast, "BYTES_MOST", len(PNG))
        AssetFiles(tmp_path / "data", "").folder.write_text("no folder")
        assert "cannot be kept by name" in (await keep(world, str(tmp_path / "a.png"))).text
        assert (await world.call("list_assets"))["assets"] == []


async def test_names_are_completed(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await keep(world, "https://a.b/c.png")
        reference = PromptReference(name="animate_image")
        found = await world.client.complete(reference, {"name": "image", "value": "MI"})
        assert found.completion.values == ["@mia"]


def test_assets_are_listed_and_removed_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import anyio  # noqa: PLC0415

    from seedance_mcp.money.records import NamedAsset  # noqa: PLC0415
    from seedance_mcp.tools.session import utc_now  # noqa: PLC0415

    async def fill() -> None:
        ledger = open_ledger(Settings(data_dir=tmp_path), utc_now)
        await ledger.keep_asset(NamedAsset("mia", "image", "mia.png", "ab", 3, portrait=False, at=utc_now()))
        await ledger.for_principal("anna").keep_asset(NamedAsset("bo", "image", "b.png", "cd", 3, portrait=True, at=utc_now()))
        await ledger.aclose()

    anyio.run(fill)
    files = AssetFiles(tmp_path, "")
    files.folder.mkdir(parents=True)
    files.path("ab", ".png").write_bytes(b"abc")
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path))
    assert main.main(["assets"]) == 0
    assert "| @mia | image | 3 | mia.png |  |" in capsys.readouterr().out
    assert main.main(["assets", "remove", "@bo"]) == 2
    assert main.main(["assets", "remove", "bo", "--principal", "anna"]) == 0
    assert main.main(["assets", "remove", "mia"]) == 0
    assert capsys.readouterr().out.endswith("@mia is removed\n")
    assert not any(files.folder.iterdir())
