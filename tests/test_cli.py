"""The command line, as typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import pytest

from seedance_mcp import cli


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
