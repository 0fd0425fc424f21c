"""The command line, as typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import aclosing, closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import anyio
import av
import pytest
from deadline import ran
from mcp_types import CallToolResult, TextContent

from seedance_mcp import __version__
from seedance_mcp.cli import demo, main, running
from seedance_mcp.cli.install import InstallOptions
from seedance_mcp.cli.invocation import invocation
from seedance_mcp.cli.mcp_clients import BY_NAME
from seedance_mcp.errors import OutcomeUnknown
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.money.records import Film, NewRequest, Saved
from seedance_mcp.origin import install_command
from seedance_mcp.sandbox.serve import listen
from seedance_mcp.settings import Settings
from seedance_mcp.task import ProviderTask


def test_models_are_listed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models"]) == 0
    assert "| `seedance2.0-md` | md | 1-15 | 720p | 4 | 3 | - | https | task |" in capsys.readouterr().out


@pytest.mark.slow
def test_an_invalid_setting_ends_the_server_with_one_sentence() -> None:
    wrong = {**os.environ, "SEEDANCE_BASE_URL": "http://example.com"}
    command = [sys.executable, "-m", "seedance_mcp"]
    done = ran(command, env=wrong, input="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("seedance-mcp: SEEDANCE_BASE_URL: ")


@pytest.mark.slow
def test_a_misspelt_variable_is_told_when_a_server_starts_and_the_client_is_served() -> None:
    wrong = {**os.environ, "SEEDANCE_MAX_COST_PER_DAYS": "5"}
    done = ran([sys.executable, "-m", "seedance_mcp"], env=wrong, input="")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        "seedance-mcp: SEEDANCE_MAX_COST_PER_DAYS: unknown variable, it has no effect; "
        "did you mean SEEDANCE_MAX_COST_PER_DAY?\n"
    )


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    for command in ("serve", "demo", "sandbox", "models", "doctor", "install", "bundle", "gallery"):
        assert f"    {command} " in printed


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"seedance-mcp {__version__}\n")


@pytest.mark.parametrize("option", [f"--{name.replace('_', '-')}" for name in InstallOptions.__slots__ if name != "client"])
def test_an_install_option_after_command_is_refused_and_nothing_is_written(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["install", "cursor", "--command", "uvx", "seedance-mcp", option])
    assert caught.value.code == 2
    assert f"{option} belongs before --command" in capsys.readouterr().err
    assert not BY_NAME["cursor"].path().exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--fault", "grumpy"], "grumpy; known: "),
        (["--mood", "grumpy"], "Invalid --fault: "),
        (["--fault", "lost:/x:often"], "lost:/x:often is not NAME[:PATH[:TIMES]]"),
        (["--port", "70000"], "Port 70000 cannot be used"),
    ],
)
def test_a_sandbox_that_cannot_start_says_why_in_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["sandbox", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_sandbox_on_a_port_in_use_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(listen()) as taken:
        port = taken.getsockname()[1]
        assert main.main(["sandbox", "--port", str(port)]) == 2
    assert f"Port {port} is in use: give another with --port" in capsys.readouterr().err


def test_an_interrupt_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "check_settings", interrupted)
    assert main.main(["serve", "--transport", "http"]) == 130


@pytest.mark.slow
def test_the_demo_makes_a_film_of_three_shots(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seedance_mcp", "demo", "--output", str(tmp_path / "videos")]
    done = ran(command)
    assert done.returncode == 0, done.stderr
    shots: list[int] = []
    for path in sorted((tmp_path / "videos").iterdir()):
        assert str(path) in done.stdout
        with av.open(path) as container:
            assert len(container.streams.audio) == 1
            shots.append(container.streams.video[0].frames)
    assert shots == [4 * 24, 4 * 24, 4 * 24, 12 * 24]
    assert "0.2 JimiCoin at the sandbox's invented prices" in done.stdout
    assert done.stderr == ""


def test_a_demo_whose_tool_call_fails_raises_its_message() -> None:
    refused = CallToolResult(content=[TextContent(type="text", text="no key")], is_error=True)
    with pytest.raises(RuntimeError, match="no key"):
        demo.checked(refused)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "sandbox"), [("demo", "0"), ("sandbox", "0"), ("serve", "1"), ("install cursor --sandbox", "0")]
)
def test_a_missing_extra_is_named_with_the_pip_command(command: str, sandbox: str) -> None:
    script = f"import sys; sys.modules['av'] = None; from seedance_mcp.cli.main import main; sys.exit(main({command.split()}))"
    done = ran([sys.executable, "-c", script], env={**os.environ, "SEEDANCE_SANDBOX": sandbox})
    assert done.returncode == 2
    assert install_command("sandbox") in done.stderr
    assert done.stdout == ""
    assert not BY_NAME["cursor"].path().exists()


NOTICES = {"SEEDANCE_NOTIFY_URL": "https://example.com/ended", "SEEDANCE_NOTIFY_SECRET": "whsec_" + "A" * 44}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "extra", "owed"),
    [("standardwebhooks", "notify", NOTICES), ("obstore", "storage", {"SEEDANCE_VIDEO_STORE": "s3://films"})],
)
def test_a_server_that_lacks_a_library_that_its_settings_need_does_not_start(
    library: str, extra: str, owed: dict[str, str]
) -> None:
    script = f"import sys; sys.modules[{library!r}] = None; from seedance_mcp.cli.main import main; sys.exit(main(['serve']))"
    done = ran([sys.executable, "-c", script], env={**os.environ, **owed})
    assert (done.returncode, done.stdout) == (2, "")
    assert install_command(extra) in done.stderr


def filled_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """One charged and one lost request."""
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path / "data"))
    return anyio.run(filled, tmp_path / "data")


async def filled(folder: Path, lost_at: Decimal | None = Decimal("2.5")) -> tuple[str, str]:
    ledger = open_ledger(Settings(data_dir=folder), lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    made: list[str] = []
    prompts = ("one", "a fox | with\x1b[31m a very long tail that goes on and on"), ("two", "a lost fox")
    for (name, prompt), estimate in zip(prompts, (Decimal("2.5"), lost_at), strict=True):
        request = NewRequest({"model": "seedance2.0-sp", "prompt": prompt}, name, estimate)
        await ledger.reserve(request, window_seconds=0, admit=lambda _: None)
        made.append(request.request_id)
    await ledger.observe(made[0], ProviderTask("vid_1", "completed", cost=Decimal("2.5")))
    await ledger.fail(made[1], OutcomeUnknown("lost", charged="maybe"))
    await ledger.aclose()
    return made[0], made[1]


def test_tasks_and_spending_are_printed_as_tables_without_control_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, lost = filled_ledger(tmp_path, monkeypatch)
    assert main.main(["tasks"]) == 0
    tasks = capsys.readouterr().out
    assert f"| 2026-11-23 12:00 | unknown | seedance2.0-sp | 2.5 | ? | {lost} | a lost fox |" in tasks
    assert "| vid_1 | a fox / with [31m a very long tail that … |" in tasks
    assert tasks.endswith("2 of 2\n")
    monkeypatch.setenv("SEEDANCE_MAX_COST_TOTAL", "10")
    assert main.main(["spending"]) == 0
    spending = capsys.readouterr().out
    assert "| seedance2.0-sp | 1 | estimate 2.5, charged 2.5 |" in spending
    assert "in total 5 JimiCoin (2.5 of this is reserved and not settled). Limits: max_cost_total 10." in spending


def test_spending_is_summed_by_project_and_since_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    filled_ledger(tmp_path, monkeypatch)

    def printed(*arguments: str) -> str:
        assert main.main(["spending", *arguments]) == 0
        return capsys.readouterr().out

    assert "| Project | Requests | Estimated | Charged | Reserved | Not saved |" in printed("--by", "project")
    assert "| (none) | 2 | 5 | 2.5 | 2.5 | 1 |" in printed("--by", "project")
    assert "| seedance2.0-sp | 2 | 5 | 2.5 | 2.5 | 1 |" in printed("--since", "2026-11-23")
    assert "| (this machine) | 2 | 5 | 2.5 | 2.5 | 1 |" in printed("--since", "2026-11-23", "--by", "principal")
    assert "| In all | 0 | 0 | 0 | 0 | 0 |" in printed("--since", "2100-01-01", "--by", "model")
    assert main.main(["spending", "--since", "soon"]) == 2


@pytest.mark.parametrize(
    ("estimate", "outcome", "told"),
    [
        (None, ["charged"], "The price of this request is unknown: say with --amount what was charged."),
        (Decimal("2.5"), ["not-charged", "--amount", "5"], "--amount goes with charged: what was not charged cost nothing."),
    ],
)
def test_a_settlement_whose_amount_is_open_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    estimate: Decimal | None,
    outcome: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path))
    _, lost = anyio.run(filled, tmp_path, estimate)
    assert main.main(["settle", lost, *outcome]) == 2
    assert f"{told} Nothing was written." in capsys.readouterr().err
    assert main.main(["settle", lost, "charged", "--amount=0"]) == 0
    assert f"{lost}: charged, 0 JimiCoin, settled by hand" in capsys.readouterr().out


COINS, ROWS = "number from 0 to 1000000000, in JimiCoin", "whole number from 0 to 1000000000"


@pytest.mark.parametrize(
    ("outcome", "told", "spent"),
    [
        (["charged"], "charged, 2.5 JimiCoin, settled by hand", "in total 5 "),
        (["charged", "--amount", "3"], "charged, 3 JimiCoin, settled by hand", "in total 5.5 "),
        (["not-charged"], "not charged, 0 JimiCoin, settled by hand", "in total 2.5 "),
    ],
)
def test_a_request_of_unknown_outcome_can_be_settled_by_hand(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcome: list[str],
    told: str,
    spent: str,
) -> None:
    done, lost = filled_ledger(tmp_path, monkeypatch)
    assert main.main(["settle", lost, *outcome]) == 0
    assert told in capsys.readouterr().out
    assert main.main(["spending"]) == 0
    assert spent in capsys.readouterr().out
    for other in (done, "req_nobody"):
        assert main.main(["settle", other, *outcome]) == 2
        assert f"{other} is no request of unknown outcome; {invocation()} tasks lists them." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        *(
            (["settle", "LOST", "charged", f"--amount={each}"], COINS)
            for each in ("-5", "much", "", "nan", "sNaN", "inf", "1e999999")
        ),
        *((["verify", "--spend", "seedance2.0-sp", f"--max={each}"], COINS) for each in ("x", "nan", "-1")),
        *(
            ([command, f"--limit={each}"], ROWS)
            for command in ("tasks", "audit")
            for each in ("-1", "few", "9" * 20, "9" * 5000)
        ),
        *(
            (["serve", "--transport", "http", f"--port={each}"], "whole number from 0 to 65535")
            for each in ("-1", "65536", "http")
        ),
    ],
)
def test_a_number_that_is_none_or_out_of_bounds_is_refused_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], allowed: str
) -> None:
    _, lost = filled_ledger(tmp_path, monkeypatch)
    with pytest.raises(SystemExit) as ended:
        main.main([lost if each == "LOST" else each for each in words])
    assert ended.value.code == 2
    assert f"allowed: a {allowed}" in capsys.readouterr().err
    assert main.main(["spending"]) == 0
    assert "2.5 of this is reserved and not settled" in capsys.readouterr().out


async def team(folder: Path) -> str:
    """Requests of three callers, one of them with a lost answer."""
    ledger = open_ledger(Settings(data_dir=folder), lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    lost = ""
    for name in ("", "alice", "bob\x1b[31m"):
        request = NewRequest({"model": "seedance2.0-sp", "prompt": "一只狐狸在雪地里"}, name, Decimal("2.5"))
        mine = ledger.for_principal(name)
        await mine.reserve(request, window_seconds=0, admit=lambda _: None)
        if name == "alice":
            await mine.fail(request.request_id, OutcomeUnknown("lost", charged="maybe"))
            lost = request.request_id
        else:
            await mine.observe(request.request_id, ProviderTask(f"vid_{len(name)}", "completed", cost=Decimal("2.5")))
    await ledger.aclose()
    return lost


def test_films_are_listed_with_what_their_clips_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def joined() -> None:
        async with aclosing(open_ledger(Settings(), lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))) as ledger:
            saved = Saved(str(tmp_path / "film.mp4"), 9, "00")
            for film_id, seconds, parts in (("film_1", 12.5, ("vid_1", "vid_1")), ("film_2", 20.0, ("film_1", "vid_1"))):
                await ledger.keep_film(Film(film_id, datetime(2026, 11, 23, 12, tzinfo=UTC), seconds, parts, saved))

    filled_ledger(tmp_path, monkeypatch)
    anyio.run(joined)
    assert main.main(["tasks"]) == 0
    shown = capsys.readouterr().out
    assert f"| 12.50 | 2 | 2.5 | {tmp_path / 'film.mp4'} |" in shown
    assert f"| 20.00 | 2 | 2.5 | {tmp_path / 'film.mp4'} |" in shown


@pytest.mark.slow
def test_the_operator_of_a_team_sees_every_callers_requests_and_settles_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path / "data"))

    def printed(*words: str, code: int = 0) -> str:
        assert main.main(words) == code
        return "".join(capsys.readouterr())

    assert "Today 0, in total 0 JimiCoin. Limits: none." in printed("spending")
    assert "Callers: none." in printed("tasks", "--principal", "alice", code=2)
    lost = anyio.run(team, tmp_path / "data")
    told = printed("tasks")
    assert told.endswith("3 of 3\n")
    assert "| alice | unknown |" in told
    assert "| (this machine) | completed |" in told
    assert "\x1b" not in told + printed("spending", "--by", "principal")
    assert printed("tasks", "--limit", "1").endswith("1 of 3\n")
    assert printed("tasks", "--principal", "alice").endswith("1 of 1\n")
    assert "alice, bob" in printed("tasks", "--principal", "carol", code=2)
    assert "| seedance2.0-sp | 2 | estimate 5.0, charged 5.0 |" in printed("spending")
    assert "in total 7.5 JimiCoin (2.5 of this is reserved and not settled). Limits for each caller: none." in printed(
        "spending"
    )
    assert "in total 2.5 JimiCoin (" in printed("spending", "--principal", "alice")
    assert re.search(r"\| alice \| [0-9.]+ \| 2.5 \| 2.5 \|", printed("spending", "--by", "principal"))
    assert "3 requests, 1 of unknown outcome" in printed("doctor", code=1)
    assert "not charged, 0 JimiCoin" in printed("settle", lost, "not-charged")
    assert "in total 5.0 JimiCoin. Limits" in printed("spending")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp936", "utf-8"])
@pytest.mark.parametrize("command", ["tasks", "spending --by principal", "models", "doctor"])
@pytest.mark.slow
def test_no_encoding_of_a_pipe_ends_a_command(tmp_path: Path, encoding: str, command: str) -> None:
    anyio.run(team, tmp_path / "一 data")
    given = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "SEEDANCE_DATA_DIR": str(tmp_path / "一 data")}
    with (tmp_path / "file").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "seedance_mcp", *command.split()],
            env=given,
            stdout=file,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert b"Error" not in done.stderr
    assert done.returncode == (command == "doctor")
    told = (tmp_path / "file").read_bytes().decode(encoding)
    if command == "tasks":
        assert ("狐狸" if encoding in {"cp936", "utf-8"} else "\\u72d0\\u72f8") in told


@pytest.mark.parametrize(
    "words", [["--tls-certificate", "MISSING", "--tls-key", "MISSING"], ["--tls-certificate", "NONE"], ["--tls-key", "NONE"]]
)
def test_a_certificate_that_cannot_be_used_is_named_and_nothing_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "NONE").write_text("no PEM")
    paths = [str(tmp_path / each) if each.isupper() else each for each in words]
    assert main.main(["serve", "--transport", "http", "--port", "0", *paths]) == 2
    told = capsys.readouterr().err
    assert "allowed: PEM files of a certificate and its private key, or none. Nothing is served." in told
    assert "http" not in told
