"""The command line, as typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import pytest
from mcp_types import CallToolResult, TextContent

from seedance_mcp import cli, demo


def test_models_are_listed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    assert "| `seedance2.0-md` | md | 1-15 | 720p | 4 | 3 | - | https | task |" in capsys.readouterr().out


def test_a_wrong_setting_ends_the_server_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDANCE_BASE_URL", "http://example.com")
    assert cli.main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "seedance-mcp: SEEDANCE_BASE_URL: " in captured.err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    for command in ("serve", "demo", "sandbox", "models"):
        assert f"    {command} " in told


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "load_settings", interrupted)
    assert cli.main(["serve"]) == 130


def test_the_demo_makes_three_real_videos(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seedance_mcp", "demo", "--output", str(tmp_path / "videos")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for path in sorted((tmp_path / "videos").iterdir()):
        assert str(path) in done.stdout
        with av.open(path) as container:
            assert container.streams.video[0].frames == 5 * 24
    assert len(list((tmp_path / "videos").iterdir())) == 3
    assert "0.25 JimiCoin at the sandbox's invented prices" in done.stdout
    assert done.stderr == ""


def test_a_demo_that_meets_an_error_says_which() -> None:
    refused = CallToolResult(content=[TextContent(type="text", text="no key")], is_error=True)
    with pytest.raises(RuntimeError, match="no key"):
        demo.checked(refused)


@pytest.mark.parametrize(("command", "sandbox"), [("demo", "0"), ("sandbox", "0"), ("serve", "1")])
def test_a_missing_extra_is_told_with_the_remedy(command: str, sandbox: str) -> None:
    script = f"import sys; sys.modules['av'] = None; from seedance_mcp.cli import main; sys.exit(main(['{command}']))"
    environment = {**os.environ, "SEEDANCE_SANDBOX": sandbox}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert "pip install 'seedance-mcp[sandbox]'" in done.stderr
    assert done.stdout == ""
