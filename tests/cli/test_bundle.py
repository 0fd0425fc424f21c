"""`seedance-mcp bundle`: the manifest agrees with the code, and the file holds everything that it starts."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

import seedance_mcp
from seedance_mcp.cli import main
from seedance_mcp.server.tool_table import TOOLS
from seedance_mcp.settings import Settings

TOP = Path(__file__).parents[2]


@pytest.fixture
def bundle(tmp_path: Path) -> zipfile.ZipFile:
    assert main.main(["bundle", str(tmp_path / "seedance.mcpb")]) == 0
    return zipfile.ZipFile(tmp_path / "seedance.mcpb")


def manifest(bundle: zipfile.ZipFile) -> dict[str, Any]:
    return json.loads(bundle.read("manifest.json"))


def test_the_manifest_names_this_version_and_every_tool(bundle: zipfile.ZipFile) -> None:
    listed = manifest(bundle)
    assert listed["version"] == seedance_mcp.__version__
    assert [(tool["name"], tool["description"]) for tool in listed["tools"]] == [
        (tool.name, tool.description) for tool in TOOLS
    ]
    assert listed["server"]["entry_point"] in bundle.namelist()


def test_every_question_is_a_setting_and_the_key_is_a_secret(bundle: zipfile.ZipFile) -> None:
    listed = manifest(bundle)
    assert set(listed["user_config"]) <= set(Settings.model_fields)
    assert [name for name, asked in listed["user_config"].items() if asked.get("sensitive")] == ["api_key"]
    given = listed["server"]["mcp_config"]["env"]
    assert given == {f"SEEDANCE_{name.upper()}": f"${{user_config.{name}}}" for name in listed["user_config"]}


def test_questions_without_an_answer_start_a_server_with_a_limit(
    bundle: zipfile.ZipFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = manifest(bundle)
    for name, value in listed["server"]["mcp_config"]["env"].items():
        default = listed["user_config"][name.removeprefix("SEEDANCE_").lower()].get("default", value)
        monkeypatch.setenv(name, str(default).lower())
    settings = Settings()
    assert (settings.api_key, settings.sandbox, settings.max_cost_per_day) == (None, False, 20)
    assert settings.output_dir == Path.home() / "seedance-videos"


def test_the_whole_package_and_its_dependencies_are_inside(bundle: zipfile.ZipFile) -> None:
    folder = TOP / "seedance_mcp"
    files = {str(path.relative_to(TOP)) for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert set(bundle.namelist()) == {*files, "manifest.json", "pyproject.toml"}
    assert bundle.read("seedance_mcp/money/prices.toml") == (folder / "money/prices.toml").read_bytes()
    project, ours = bundle.read("pyproject.toml").decode(), (TOP / "pyproject.toml").read_text("utf-8")
    for name in re.findall(r'^    "([a-z-]+)>=', ours, re.MULTILINE):
        assert (f'"{name}' in project) is (
            name not in {"pytest", "pytest-cov", "pytest-xdist", "hypothesis", "jsonschema", "pyyaml", "trio"}
        )
    assert '"av<19,>=15"' in project


def test_the_same_installation_makes_the_same_bundle(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main.main(["bundle", str(tmp_path / name)]) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bundle", str(tmp_path / "none" / "x.mcpb")]) == 2
    assert "cannot be written" in capsys.readouterr().err
