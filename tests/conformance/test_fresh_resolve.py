"""The built wheel makes a video with the newest dependencies that pyproject.toml allows, and with the lowest."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from workshop import ROOT, closed_environment, empty_venv, install, sandboxed, venv

DRIVER = Path(__file__).parent / "drivers" / "make_video.py"
UV = "uv==0.13.9"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    install(venv(UV) / "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


def test_it_works_with_the_newest_dependencies(wheel: Path, tmp_path: Path) -> None:
    binaries = empty_venv(tmp_path / "venv")
    install(binaries / "pip", "install", "-q", f"{wheel}[sandbox]")
    make_video(binaries, tmp_path)


def test_it_works_with_the_lowest_dependencies(wheel: Path, tmp_path: Path) -> None:
    binaries = empty_venv(tmp_path / "venv")
    lowest = ("--resolution", "lowest-direct", "--python", binaries / "python")
    table = ("-r", ROOT / "pyproject.toml", "--extra", "sandbox")  # to uv what the wheel itself asks for is not direct
    install(venv(UV) / "uv", "pip", "install", *lowest, *table, f"seedance-mcp[sandbox] @ {wheel.as_uri()}")
    packages = make_video(binaries, tmp_path)
    assert f'"mcp>={packages["mcp"].removesuffix(".0")},' in (ROOT / "pyproject.toml").read_text()


def make_video(binaries: Path, scratch: Path) -> dict[str, str]:
    """Let the official client of that environment drive the server of that environment; gives what is installed there."""
    command = [str(binaries / "python"), str(DRIVER)]
    environment = closed_environment(scratch, **sandboxed(scratch))
    ran = subprocess.run(command, env=environment, cwd=scratch, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    print(json.dumps(told["packages"], sort_keys=True))
    assert told["task"].get("status") == "completed", f"{told['task']}\n{ran.stderr}"
    return told["packages"]
