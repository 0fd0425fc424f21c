"""`seedance-mcp doctor`: every fault is printed with a remedy, and everything that works is printed too."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import PROVIDER, no_film
from served import held_port

import seedance_mcp.sandbox
from seedance_mcp.cli import doctor, main
from seedance_mcp.errors import OutcomeUnknown, ProviderFailed, SeedanceError
from seedance_mcp.money import sql_ledger
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.money.principals import Limits, Principal
from seedance_mcp.money.records import NewRequest
from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.origin import install_command
from seedance_mcp.provider.client import ProviderClient
from seedance_mcp.sandbox.faults import Fault
from seedance_mcp.sandbox.provider import KEY, Sandbox
from seedance_mcp.settings import Settings

pytestmark = pytest.mark.anyio
Env = Callable[[str, str], None]
NOW = datetime.now(UTC)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Env:
    for name, value in {"API_KEY": KEY, "DATA_DIR": str(tmp_path / "data"), "MAX_COST_PER_DAY": "5"}.items():
        monkeypatch.setenv(f"SEEDANCE_{name}", value)
    return lambda name, value: monkeypatch.setenv(f"SEEDANCE_{name}", value)


async def examined(sandbox: Sandbox | None = None) -> dict[str, doctor.Finding]:
    """Findings by what they are about; the worst where there are several."""

    def connect(settings: Settings) -> ProviderClient:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return ProviderClient(PROVIDER, key, transport=httpx.MockTransport(sandbox or Sandbox(no_film)))

    found = await doctor.examine(connect)
    assert KEY not in doctor.as_text(found) + doctor.as_json(found)
    assert all(bool(each.remedy) is (each.mark != "ok") for each in found)
    assert doctor.failed(found) is any(each.mark == "fail" for each in found)
    return {each.what: each for each in sorted(found, key=lambda each: ("ok", "warn", "fail").index(each.mark))}


async def test_a_complete_installation_has_no_faults(env: Env) -> None:
    sandbox = Sandbox(no_film)
    found = await examined(sandbox)
    assert {each.mark for each in found.values()} == {"ok"}
    assert "lists 36 prices" in found["provider"].fact
    assert found["account"].fact == "the key works, 100 JimiCoin left"
    assert found["limits"].fact == "max_cost_per_day 5 (this shell's; a client's entry may differ)"
    assert "(made at first use)" in found["data folder"].fact
    assert {method for method, _ in sandbox.requests} == {"GET"}
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("name", "value", "what", "mark", "told"),
    [
        ("API_KEY", "", "key", "fail", "not set"),
        ("API_KEY", "${user_config.api_key}", "key", "fail", "not set"),
        ("API_KEY", "$SEEDANCE_API_KEY", "key", "fail", "not set"),
        ("API_KEY", "two words", "key", "fail", "set, but not a valid key"),
        ("API_KEY", "pk_other", "key", "warn", "does not start like"),
        ("MAX_COST_PER_DAY", "", "limits", "warn", "whole balance (this shell's; a client's"),
        ("MAX_COST_PER_DAY", "much", "setting", "fail", "SEEDANCE_MAX_COST_PER_DAY: "),
        ("MAX_COST_DAY", "5", "setting", "warn", "SEEDANCE_MAX_COST_DAY: unknown variable"),
        ("HTTP_OAUTH_ISSUER", "https://issuer.example.com", "setting", "fail", "must be set together"),
        ("HTTP_OAUTH_ISSUER", "issuer", "setting", "fail", "SEEDANCE_HTTP_OAUTH_ISSUER: "),
        ("QQQ", "5", "setting", "warn", "SEEDANCE_QQQ: unknown variable"),
        ("EDITION", "2031-01", "provider", "fail", "there is no edition"),
        ("BASE_URL", "http://example.com", "provider", "fail", "not checked: its address is invalid"),
        ("PRICES", "/nowhere/prices.toml", "price file", "fail", "cannot be used"),
        ("OUTPUT_DIR", "/dev/null/videos", "output folder", "fail", "/dev/null cannot be written to"),
        ("MEDIA_ROOTS", "/nowhere", "media folders", "warn", "none of them exists"),
        ("SCHEMA_PROFILE", "flat", "schema profile", "ok", "flat"),
    ],
)
async def test_each_fault_is_found_and_everything_else_is_still_checked(
    env: Env, name: str, value: str, what: str, mark: str, told: str
) -> None:
    env(name, value)
    found = await examined()
    assert found[what].mark == mark
    assert told in found[what].fact
    assert {"versions", "extras", "schema profile", "data folder", "ledger", "provider"} <= set(found)


async def test_a_misspelt_variable_is_answered_with_the_nearest_setting(env: Env) -> None:
    env("MAX_COST_PER_DAYS", "5")
    assert (await examined())["setting"].remedy == "did you mean SEEDANCE_MAX_COST_PER_DAY?"


@pytest.mark.parametrize(("fault", "what"), [("unavailable", "provider"), ("hang", "provider"), ("revoked", "account")])
async def test_a_provider_that_fails_is_a_fault(env: Env, fault: str, what: str) -> None:
    sandbox = Sandbox(no_film)
    if fault == "revoked":
        env("API_KEY", "sk_revoked")
    else:
        sandbox.faults = [Fault(fault, "catalog", 99)]
    found = await examined(sandbox)
    assert found[what].mark == "fail"
    assert ("account" in found) is (what == "account")


async def test_an_unreachable_provider_has_exactly_one_remedy(env: Env) -> None:
    sandbox = Sandbox(no_film, faults=[Fault("unreachable", "catalog", 99)])
    found = (await examined(sandbox))["provider"]
    assert found.fact.endswith("could not be reached (ConnectError), so nothing was sent.")
    assert found.remedy == "check the network, a proxy, and SEEDANCE_BASE_URL"


async def test_without_a_key_the_command_that_checks_the_sandbox_is_named(env: Env) -> None:
    env("API_KEY", "")
    assert "SEEDANCE_SANDBOX=1 seedance-mcp doctor" in (await examined())["key"].remedy


async def test_a_provider_that_never_answers_is_a_timeout(env: Env) -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    found = await doctor.examine(lambda _: ProviderClient(PROVIDER, KEY, transport=httpx.MockTransport(silent)))
    assert "no answer within 20 seconds" in doctor.as_text(found)


@pytest.mark.parametrize(
    ("data", "told"), [({"list": "?"}, "0 prices"), ({}, "the key works, but the provider gives no balance")]
)
async def test_malformed_answers_of_the_provider_are_survived(env: Env, data: dict[str, Any], told: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"code": 0, "data": data}))
    found = await doctor.examine(lambda _: ProviderClient(PROVIDER, KEY, transport=transport))
    assert told in doctor.as_text(found)


async def booked(folder: Path, outcome: SeedanceError | None = None) -> None:
    """Write one request down, and what became of it."""
    async with aclosing(open_ledger(Settings(data_dir=folder), lambda: datetime.now(UTC))) as ledger:
        request = NewRequest({"model": "seedance2.0-sp", "prompt": "a fox"}, "x", None)
        await ledger.reserve(request, window_seconds=0, admit=lambda _: None)
        await ledger.mark_sending(request.request_id, None)
        if outcome:
            await ledger.fail(request.request_id, outcome)


@pytest.mark.parametrize(
    ("outcome", "mark", "told"),
    [
        (OutcomeUnknown("lost", charged="maybe"), "warn", "1 request, 1 of unknown outcome"),
        (ProviderFailed("no"), "ok", "whole, 1 request"),
    ],
)
async def test_the_ledger_is_counted_and_unknown_outcomes_are_named(
    env: Env, tmp_path: Path, outcome: SeedanceError, mark: str, told: str
) -> None:
    await booked(tmp_path / "data", outcome)
    found = (await examined())["ledger"]
    assert (found.mark, found.fact) == (mark, told)


@pytest.mark.parametrize(
    ("sound", "damaged", "told"),
    [(b"SQLite format 3", b"SQLite format ?", "cannot be used"), (b"sending", b"seeding", "damaged: ")],
)
async def test_a_damaged_ledger_is_found(env: Env, tmp_path: Path, sound: bytes, damaged: bytes, told: str) -> None:
    await booked(tmp_path / "data")
    file = tmp_path / "data" / LEDGER_FILE
    file.write_bytes(file.read_bytes().replace(sound, damaged, 1))
    found = (await examined())["ledger"]
    assert found.mark == "fail"
    assert told in found.fact


async def test_a_database_that_does_not_answer_is_a_fault(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_ledger, "AWAY_SECONDS", 0.0)
    with held_port() as port:
        env("DATABASE_URL", f"postgresql://me:secret@127.0.0.1:{port}/ledger")
        found = (await examined())["ledger"]
    assert found.mark == "fail"
    assert "does not answer" in found.fact
    assert "secret" not in str(found)


async def test_a_missing_extra_is_a_fault_only_for_the_sandbox(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(doctor, "find_spec", {"PIL": "there", "pillow_heif": "there", "rich": "there"}.get)
    assert (await examined())["extras"].mark == "warn"
    monkeypatch.setitem(sys.modules, "seedance_mcp.sandbox.serve", None)
    monkeypatch.delattr(seedance_mcp.sandbox, "serve", raising=False)  # another test may have loaded it
    env("SANDBOX", "1")
    found = await examined()
    assert (found["extras"].mark, found["provider"].mark) == ("fail", "fail")
    assert found["provider"].remedy == install_command("sandbox")


@pytest.mark.slow
def test_the_exit_code_says_whether_there_is_a_fault(
    env: Env, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env("SANDBOX", "1")
    assert main.main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "ok   key: none needed" in told
    assert "ok   account: 100 JimiCoin of play money\n" in told
    monkeypatch.delenv("SEEDANCE_SANDBOX")
    assert main.main(["doctor", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert {"mark": "ok", "what": "key", "fact": "set and well-formed", "remedy": ""} in findings
    assert next(each for each in findings if each["what"] == "provider")["mark"] == "fail"


async def keep_principals(tmp_path: Path, days_ago: float, *rows: Principal) -> None:
    """Write rows as the operator did some time ago, each with a second token beside the first one."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    async with aclosing(open_ledger(Settings(data_dir=tmp_path / "data"), lambda: at)) as ledger:
        for row in rows:
            await ledger.add_principal(replace(row, at=at))


async def test_principals_are_counted_where_there_are_any(env: Env, tmp_path: Path) -> None:
    await keep_principals(tmp_path, 1, Principal("anna", NOW, digest="a"), Principal("bert", NOW, disabled=True, digest="b"))
    found = (await examined())["principals"]
    assert (found.mark, found.fact) == ("ok", "2, 1 disabled")


async def test_what_is_wrong_with_principals_is_named_with_a_few_of_them(
    env: Env, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SEEDANCE_MAX_COST_PER_DAY")
    named = [Principal(name, NOW, digest=name) for name in ("anna", "bert", "carl", "dora")]
    subject = Principal("https://issuer.example.com 7", NOW, Limits(total=Decimal(5)))
    both = Principal("emil", NOW, Limits(per_day=Decimal(2)), digest="new", digest_before="old")
    await keep_principals(tmp_path, 200, *named, subject, both)
    found = (await examined())["principals"]
    assert found.mark == "warn"
    assert found.fact == (
        "6, 0 disabled; anna, bert, carl and 1 more without any limit; anna, bert, carl and 2 more with a token older than "
        "180 days; emil with an old token still good 7 days after the new one"
    )


async def test_nobody_who_may_come_in_is_told(env: Env, tmp_path: Path) -> None:
    await keep_principals(tmp_path, 1, Principal("anna", NOW, disabled=True, digest="a"))
    assert (await examined())["principals"].fact == "1, 1 disabled; nobody is let in"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            ["[SY_ERR:10]", "PROVIDER_MODERATION_ERROR: TRADEMARK"],
            ("Cause: moderation_brand", "likely fails again", "leave it out"),
        ),
        (
            ["系统繁忙，请稍后重试"],
            ("Cause: busy", "The same request again: may pass", "Money: a refused request costs nothing"),
        ),
        (["budget_exceeded"], ("Code: budget_exceeded", "a limit that the operator set", "until something is changed")),
        (["provider_error: the provider's words: 余额不足"], ("Code: provider_error", "may succeed later", "Cause: no_money")),
        (["moderation_face"], ("Cause: moderation_face (", "Real faces are refused")),
        (["outcome_unknown"], ("Code: outcome_unknown", "may pay a second time; get_balance first")),
        (["confirmation_required"], ("The same call: is sent once the user said yes",)),
        (["\x1b[31mnobody knows"], ("Error: [31mnobody knows", "Cause: unknown (no words that are known)")),
    ],
)
def test_doctor_explains_an_error_by_its_code_or_by_the_providers_words(
    text: list[str], wanted: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["doctor", "error", *text]) == 0
    told = capsys.readouterr().out
    assert all(each in told for each in wanted), told
    assert ("Cause:" in told) is not text[0].startswith(("budget", "outcome", "confirmation"))
