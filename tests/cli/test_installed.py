"""What `install` wrote is read back: by `install` without a client, and by `doctor`, which checks each entry as its client does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import PROVIDER, no_film

from seedance_mcp.cli import doctor, main
from seedance_mcp.cli.mcp_clients import BY_NAME, CLIENTS, ClientApp
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
SECRET = "sk_of_another_0123"  # noqa: S105 - of nobody


@pytest.fixture(autouse=True)
def a_shell_without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDANCE_BASE_URL")


def put(client: ClientApp, content: str | bytes) -> Path:
    path = client.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def entry(name: str, **fields: Any) -> Path:
    return put(BY_NAME[name], json.dumps({BY_NAME[name].servers: {"seedance": fields}}))


async def every_finding() -> list[doctor.Finding]:

    def connect(settings: Settings) -> ProviderClient:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return ProviderClient(PROVIDER, key, transport=httpx.MockTransport(Sandbox(no_film)))

    before = dict(os.environ)
    found = await doctor.examine(connect)
    assert dict(os.environ) == before
    assert SECRET not in doctor.as_text(found) + doctor.as_json(found)
    return found


async def examined(path: Path | None = None) -> dict[str, doctor.Finding]:
    """The findings about one file, or about none."""
    return {each.what: each for each in await every_finding() if (str(path) in each.where if path else not each.where)}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
@pytest.mark.slow
def test_an_entry_for_the_sandbox_has_no_fault_and_its_file_is_named(
    client: ClientApp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["install", client.name, "--sandbox"]) == 0
    capsys.readouterr()
    assert main.main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert f"\n\n{client.title} ({client.path()})\nok   program: {client.title} starts /" in told
    assert "ok   key: none needed" in told
    assert main.main(["doctor", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row.get("where", "") for row in rows} == {"", f"{client.title} ({client.path()})"}
    assert {row["mark"] for row in rows} == {"ok"}


def test_entries_that_say_the_same_are_checked_once(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cursor", "codex"):
        assert main.main(["install", name, "--sandbox"]) == 0
    capsys.readouterr()
    assert main.main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert told.count("provider: ") == 1
    assert told.count("program: ") == 2


@pytest.mark.parametrize("name", [client.name for client in CLIENTS if client.key_fields and not client.input])
async def test_a_key_that_the_entry_refers_to_is_taken_from_this_shell(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_MAX_COST_PER_DAY", "5")
    assert main.main(["install", name]) == 0
    monkeypatch.delenv("SEEDANCE_MAX_COST_PER_DAY")
    found = await examined(BY_NAME[name].path())
    assert (found["key"].mark, found["limits"].fact) == ("fail", "max_cost_per_day 5 (in the entry)")
    assert BY_NAME[name].key_hint in found["key"].remedy
    monkeypatch.setenv("SEEDANCE_API_KEY", KEY)
    found = await examined(BY_NAME[name].path())
    assert found["account"].fact == "the key works, 100 JimiCoin left"
    assert found["settings"].fact == "SEEDANCE_API_KEY, SEEDANCE_MAX_COST_PER_DAY"
    assert (await examined())["limits"].mark == "warn"  # the shell has a key: it is checked too


async def test_a_client_that_asks_for_the_key_is_named() -> None:
    assert main.main(["install", "vscode"]) == 0
    found = await examined(BY_NAME["vscode"].path())
    assert (found["key"].mark, "account" in found) == ("ok", False)


async def test_a_client_that_fills_nothing_in_passes_on_what_stands_there() -> None:
    path = entry("claude-desktop", command="/bin/sh", env={"SEEDANCE_API_KEY": "$SEEDANCE_API_KEY"})
    assert (await examined(path))["key"].mark == "fail"


async def test_a_default_beside_a_reference_is_read(tmp_path: Path) -> None:
    env = {"SEEDANCE_SANDBOX": "${NOT_SET:-1}", "SEEDANCE_DATA_DIR": str(tmp_path / "here"), "SEEDANCE_DEDUPE_SECONDS": 5}
    found = await examined(entry("claude-code", command="/bin/sh", env=env))
    assert str(tmp_path / "here") in found["data folder"].fact
    assert found["key"].fact.startswith("none needed")


@pytest.mark.parametrize(
    ("fields", "mark", "told"),
    [
        ({"command": "/nowhere/\x1b[31mseedance-mcp"}, "fail", "Cursor starts /nowhere/ [31mseedance-mcp, which is not there"),
        ({"command": []}, "fail", "Cursor finds no command in the entry"),
        ({"env": SECRET}, "fail", "Cursor finds no command in the entry"),
        ({"command": "uvx", "args": ["seedance-mcp[sandbox]"]}, "warn", "fetch seedance-mcp by its name"),
        ({"command": "uvx", "args": ["--from", "seedance-mcp==1", "seedance-mcp"]}, "warn", "by its name"),
        ({"command": "uvx", "args": ["--from", "/folder[sandbox]", "seedance-mcp"]}, "ok", "Cursor starts uvx"),
        ({"command": "sh", "env_vars": [1, "PATH"]}, "ok", "Cursor starts sh"),
        ({"url": f"https://example.com/mcp?token={SECRET}"}, "ok", "a running server, which is not checked here"),
    ],
)
async def test_what_a_client_starts_is_there_and_ours(
    fields: dict[str, Any], mark: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uvx").touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = await examined(entry("cursor", **fields))
    assert found["program"].mark == mark
    assert told in found["program"].fact
    assert ("key" in found) is ("url" not in fields)


async def test_what_is_wrong_in_an_entry_is_found_there_and_in_the_shell_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_MAX_COST_DAY", "5")
    env = {"SEEDANCE_MAX_COST_PER_DAYS": "5", "SEEDANCE_MAX_COST_TOTAL": SECRET, "SEEDANCE_\x1b[31m": "1"}
    path = entry("cursor", command="sh", env=env)
    found = [each for each in await every_finding() if each.what == "setting"]
    assert [str(path) in each.where for each in found] == [False, True, True, True]
    assert "\x1b" not in doctor.as_text(found)
    assert SECRET not in doctor.as_text(found)


UNREADABLE: list[tuple[str, str | bytes | None, str]] = [
    ("cursor", f'{{"{SECRET}": \x1b', "Invalid JSON at line 1."),
    ("cursor", "[" * 100_000, "Invalid JSON at line 1."),
    ("cursor", "[]", "The whole file must be an object."),
    ("cursor", '{"mcpServers": []}', "mcpServers must be an object."),
    ("cursor", '{"mcpServers": {"seedance": "x"}}', "mcpServers.seedance must be an object."),
    ("cursor", b"\xff", "It is not UTF-8 text."),
    ("cursor", None, "It is no file."),
    ("codex", f'{SECRET} = 1\n{SECRET} = "\x1b"', "Invalid TOML at line 2."),
    ("codex", f"a = {'[' * 100_000}", "Invalid TOML."),
]


@pytest.mark.parametrize(("name", "content", "told"), UNREADABLE)
async def test_a_malformed_file_is_named_and_does_no_harm(
    name: str, content: str | bytes | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = BY_NAME[name].path()
    if content is None:
        path.mkdir(parents=True)
    else:
        put(BY_NAME[name], content)
    found = (await examined())["client"]
    assert (found.mark, found.fact) == ("warn", f"{BY_NAME[name].title}, {path}: {told}")
    assert main.main(["install"]) == 0
    shown = capsys.readouterr().out
    assert f"{path}: {told}" in shown
    assert SECRET not in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("target", ["config.toml", "/proc/self/mem"])
async def test_a_file_that_cannot_be_read_is_named(target: str) -> None:
    path = BY_NAME["codex"].path()
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    assert "codex/config.toml: It " in (await examined())["client"].fact


def test_install_without_a_client_lists_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    put(BY_NAME["cursor"], f'{{"mcpServers": {{"other": {{"env": {{"TOKEN": "{SECRET}"}}}}}}}} // mine')
    put(BY_NAME["gemini"], "")
    assert main.main(["install", "codex", "--sandbox"]) == 0
    entry("vscode", url=f"https://example.com/{SECRET}")
    entry("zed", env={})
    capsys.readouterr()
    assert main.main(["install"]) == 0
    told = capsys.readouterr().out
    assert SECRET not in told
    lines = {line.split()[0]: line for line in told.splitlines()}
    assert f"here, not connected; its file: {BY_NAME['cursor'].path()}" in lines["cursor"]
    assert "here, not connected" in lines["gemini"]
    assert "not found here" in lines["windsurf"]
    assert f"installed in {BY_NAME['codex'].path()}, sandbox, starts /" in lines["codex"]
    assert lines["vscode"].endswith("connects to https://example.com")
    assert lines["zed"].endswith("starts no program")
    assert list(lines)[:-1] == list(BY_NAME)


async def test_the_remedy_of_an_entry_without_a_limit_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_API_KEY", SECRET)
    assert main.main(["install", "cursor"]) == 0
    limits = (await examined(BY_NAME["cursor"].path()))["limits"]
    assert "seedance-mcp install cursor, as before, writes it into the entry" in limits.remedy


def test_a_change_without_a_client_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["install", "--undo"]) == 2
    assert "Which client? Allowed: claude-desktop, " in capsys.readouterr().err


@pytest.mark.parametrize("client", [each for each in CLIENTS if each.url_field], ids=lambda client: client.name)
async def test_an_entry_over_http_is_read_back_with_the_way_of_its_token(
    client: ClientApp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["install", client.name, "--url", "https://me.example.com:8443/mcp"]) == 0
    found = await examined(client.path())
    assert "(https://me.example.com:8443)" in found["program"].fact
    assert set(found) == {"program", "token"}
    by_variable = bool(client.token_fields) and not client.token_input
    assert (found["token"].mark == "warn") is by_variable
    monkeypatch.setenv("SEEDANCE_TOKEN", SECRET)
    found = await examined(client.path())
    assert found["token"].mark == "ok"
    assert found["token"].fact.startswith(
        "from SEEDANCE_TOKEN" if by_variable else "the client asks" if client.token_input else "none: the client lets"
    )
    assert "setting" not in await examined()
    capsys.readouterr()
    assert main.main(["install"]) == 0
    assert "connects to https://me.example.com:8443" in capsys.readouterr().out


async def test_a_token_in_the_file_is_named_and_not_shown() -> None:
    path = entry("lmstudio", url="https://example.com/mcp", headers={"Authorization": f"Bearer {SECRET}"})
    assert (await examined(path))["token"].fact == "in the file"
