"""The built wheel makes a video with the newest dependencies that pyproject.toml allows, and with the lowest."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name
from packaging.version import Version
from workshop import ROOT, closed_environment, empty_venv, install, sandboxed, venv

DRIVER = Path(__file__).parent / "drivers" / "make_video.py"
PIP, UV = "pip==26.1", "uv==0.13.9"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    install(venv(UV) / "uv", "build", "-q", "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


def test_it_works_with_the_newest_dependencies(wheel: Path, tmp_path: Path) -> None:
    binaries = empty_venv(tmp_path / "venv")
    install(binaries / "pip", "install", "-q", f"{wheel}[sandbox]")
    makes_a_video(binaries, tmp_path)


def test_it_works_with_the_lowest_dependencies(wheel: Path, tmp_path: Path) -> None:
    binaries = empty_venv(tmp_path / "venv")
    uv = (venv(UV) / "uv", "pip", "install", "-q", "--python", binaries / "python", "--resolution", "lowest-direct")
    table = ("-r", ROOT / "pyproject.toml", "--extra", "sandbox")  # to uv the wheel's own requirements are not direct ones
    install(*uv, *table, f"seedance-mcp[sandbox] @ {wheel.as_uri()}")
    installed = versions(binaries, tmp_path)
    for name, lowest in lowest_allowed().items():
        assert installed[name] == lowest, f"{name} {lowest} is allowed, but cannot be installed with the others"
    makes_a_video(binaries, tmp_path)
