"""Drift: what appeared, vanished or changed in the provider's price list is named, and an empty list is no evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import PROVIDER, OpenWorld, no_film

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.cli import doctor, drift, main
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import KEY, Sandbox, price_list
from seedance_mcp.settings import Settings
from seedance_mcp.tools.price_list_file import FILE

pytestmark = pytest.mark.anyio
Rows = list[dict[str, Any]]
Change = Callable[[Rows], Rows]


def without(*beginnings: str) -> Change:
    return lambda rows: [row for row in rows if not row["model_name"].startswith(beginnings)]


def with_row(name: str, kind: str = "videos") -> Change:
    row = {"model_name": name, "model_type": kind, "price_mode": "per_second", "unit_price": 0.5}
    return lambda rows: [*rows, row]


def with_value(name: str, field: str, value: Any) -> Change:
    return lambda rows: [{**row, field: value} if row["model_name"] == name else row for row in rows]


TEN: dict[str, Change] = {
    "appeared: seedance2.0-gz-720p": with_row("seedance2.0-gz-720p"),
    "appeared: seedance3.0": with_row("seedance3.0"),
    "appeared: sd2_new_720p": with_row("sd2_new_720p", "video"),
    "vanished: sd2_mx_4k": without("sd2_mx_4k"),
    "vanished: seedance2.0-std": without("seedance2.0-std"),
    "vanished: sd2_sp_1080p": without("sd2_sp_1080p"),
    "price mode changed: seedance2.0-md": with_value("seedance2.0-md", "price_mode", "per_second"),
    "price mode changed: sd2_mx_720p": with_value("sd2_mx_720p", "price_mode", "per_million_tokens"),
    "price changed: sd2_sp_720p": with_value("sd2_sp_720p", "unit_price", 0.06),
    "price changed: sd2_sp_480p": with_value("sd2_sp_480p", "unit_price", None),
}
NO_DRIFT: list[Change] = [with_row("seedance-cover", "images"), with_row("kling-o3"), with_row("minimax-h3")]


def changed(*changes: Change) -> Sandbox:
    sandbox = Sandbox(no_film)
    sandbox.price_rows = price_list(sandbox.edition)
    for change in changes:
        sandbox.price_rows = change(sandbox.price_rows)
    return sandbox


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(base_url=PROVIDER, data_dir=tmp_path / "data")


async def report(settings: Settings, sandbox: Sandbox) -> str:
    return await drift.report(settings, lambda _: ProviderClient(PROVIDER, None, transport=httpx.MockTransport(sandbox)))


def named(text: str) -> set[str]:
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert len({(kind, name) for kind, name, _ in rows}) == len(rows)
    return {f"{kind}: {name}" for kind, name, _ in rows}


async def test_a_list_with_ten_changes_names_exactly_ten_and_an_empty_one_none(settings: Settings) -> None:
    assert "Nothing changed." in await report(settings, changed(*NO_DRIFT))
    for _ in range(2):  # what changed is named until the list changes again
        told = await report(settings, changed(*TEN.values(), *NO_DRIFT))
        assert named(told) == TEN.keys()
        assert told.startswith("Read at 20")
        assert "no price per_second; before: 0" in told
    empty = await report(settings, changed(lambda _: []))
    silent = await report(settings, Sandbox(no_film, faults=[Fault("unavailable", "catalog", 99)]))
    assert "no evidence of any change" in empty
    assert "no evidence of any change" in silent
    assert named(await report(settings, changed(*TEN.values()))) == TEN.keys()
    text = doctor.as_text(await examined(settings, changed(*TEN.values())))
    for name, advice in (
        ("seedance2.0-gz-720p", "SEEDANCE_EDITION=2026-09 knows it"),
        ("seedance3.0", "no edition knows it: its"),
    ):
        assert advice in text.partition(f"appeared: {name}: ")[2].partition("appeared: ")[0]


@pytest.mark.parametrize("name", TEN)
async def test_each_change_is_named_by_itself(settings: Settings, name: str) -> None:
    await report(settings, changed())
    assert named(await report(settings, changed(TEN[name]))) == {name}


async def test_a_name_that_is_listed_twice_counts_with_its_highest_price_in_any_order(settings: Settings) -> None:
    await report(settings, changed(with_row("sd2_sp_720p")))
    assert "Nothing changed." in await report(settings, changed(with_row("sd2_sp_720p"), lambda rows: rows[::-1]))
    assert "Nothing changed." in await report(settings, changed(with_value("sd2_sp_720p", "unit_price", "0.50")))
    unpriced = changed(with_row("sd2_sp_720p"), lambda rows: [*rows, {**rows[-1], "unit_price": None}])
    assert "Nothing changed." in await report(settings, unpriced)


async def test_a_name_that_the_edition_knows_appears_and_the_kept_list_decides(settings: Settings) -> None:
    await report(settings, changed(without("sd2_sp_1080p")))
    assert named(await report(settings, changed())) == {"appeared: sd2_sp_1080p"}
    elsewhere = settings.model_copy(update={"base_url": "https://elsewhere.invalid"})
    assert "Nothing changed." in await report(elsewhere, changed())
    for content in ("", "[]", "{}", '{"provider": "https://elsewhere.invalid", "lists": [{"read_at": 1, "rows": {"a": 1}}]}'):
        (settings.ledger_dir / FILE).write_text(content, "utf-8")
        assert "Nothing changed." in await report(elsewhere, changed())


async def test_without_a_kept_list_the_edition_decides(settings: Settings) -> None:
    against_edition = {name for name in TEN if not name.startswith("price changed") and name != "vanished: sd2_sp_1080p"}
    assert named(await report(settings, changed(*TEN.values()))) == against_edition


async def test_each_billing_name_of_a_model_has_its_price_mode(tmp_path: Path) -> None:
    sandbox = Sandbox(no_film, load_edition("2026-09"))
    for name in ("seedance2.0-gz-720p", "seedance2.0-gz-video-720p"):
        sandbox.price_rows = with_value(name, "price_mode", "per_task")(price_list(sandbox.edition))
        told = await report(Settings(base_url=PROVIDER, data_dir=tmp_path / name, edition="2026-09"), sandbox)
        assert named(told) == {f"price mode changed: {name}"}


async def examined(settings: Settings, sandbox: Sandbox) -> list[doctor.Finding]:
    with pytest.MonkeyPatch.context() as env:
        env.setenv("SEEDANCE_API_KEY", KEY)
        env.setenv("SEEDANCE_BASE_URL", settings.base_url)
        env.setenv("SEEDANCE_DATA_DIR", str(settings.data_dir))
        return await doctor.examine(lambda _: ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(sandbox)))


async def test_doctor_says_each_change_in_one_line_and_keeps_no_list(settings: Settings) -> None:
    found = await examined(settings, changed(TEN["appeared: seedance3.0"]))
    assert [each.fact for each in found if each.what == "price list"] == [
        "appeared: seedance3.0: 0.5 per_second; the edition 2026-07 does not know it"
    ]
    assert not settings.data_dir.exists()
    await report(settings, changed())
    found = await examined(settings, changed(*TEN.values()))
    assert {": ".join(each.fact.split(": ")[:2]) for each in found if each.what == "price list"} == TEN.keys()
    assert not [each for each in await examined(settings, changed(lambda _: [])) if each.what == "price list"]


async def test_a_vanished_model_is_said_to_be_unlisted_and_creating_with_it_warns(open_world: OpenWorld) -> None:
    async with open_world(sandbox=changed(without("sd2_sp_"))) as world:
        brief = {row["model"]: row.get("listed") for row in (await world.call("list_models"))["models"]}
        full = {row["model"]: row["listed"] for row in (await world.call("list_models", {"detail": "full"}))["models"]}
        dry = await world.call("create_video", {"request": {"model": "seedance2.0-sp", "prompt": "a fox"}, "dry_run": True})
        other = await world.create(model="seedance2.0-mini")
    gone = {name for name, listed in full.items() if listed is False}
    assert gone == {name for name, listed in brief.items() if listed is False} == {"seedance2.0-sp", "seedance2.0-fast-sp"}
    assert set(full.values()) == {True, False}
    assert "does not name it. It may be retired" in " ".join(dry["warnings"])
    assert "retired" not in " ".join(other["warnings"])
    kept: dict[str, Any] = json.loads((world.settings.ledger_dir / FILE).read_bytes())
    assert [len(each["rows"]) for each in kept["lists"]] == [len(price_list(world.sandbox.edition)) - 6]


async def test_an_empty_list_says_nothing_about_any_model(open_world: OpenWorld) -> None:
    async with open_world(sandbox=changed(lambda _: [])) as world:
        full = await world.call("list_models", {"detail": "full"})
    assert {row["listed"] for row in full["models"]} == {None}


def test_the_command_prints_plainly_into_a_pipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SEEDANCE_SANDBOX", "1")
    assert main.main(["models", "--drift"]) == 0
    assert "Nothing changed." in capsys.readouterr().out
