"""The steps of RELEASE.md up to the publication, each by its recipe, in a fresh clone."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from deadline import ran
from workshop import ENVIRONMENT, ROOT, install, venv

from seedance_mcp import __version__

PINNED = dict(re.findall(r'"([\w-]+)==([\d.]+)"', (ROOT / "pyproject.toml").read_text("utf-8")))
TOOLS = [f"{name}=={PINNED[name]}" for name in ("build", "twine", "cyclonedx-bom", "uv", "rust-just")]
ZIZMOR = "zizmor==1.32.0"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "clone"
    install("git", "clone", "-q", ROOT, folder)
    tools = venv(*TOOLS)
    for recipe in ("build", "rehearse", "sbom"):
        install(tools / "just", "--justfile", folder / "Justfile", f"bin={tools}", recipe)
    return folder


def test_the_wheel_and_the_archive_hold_the_package(clone: Path) -> None:
    names = {path.name for path in (clone / "dist" / "release").iterdir()}
    wheel = f"seedance_mcp-{__version__}-py3-none-any.whl"
    assert names == {wheel, f"seedance_mcp-{__version__}.tar.gz"}
    inside = set(zipfile.ZipFile(clone / "dist" / "release" / wheel).namelist())
    assert {f"seedance_mcp/{path.relative_to(ROOT / 'seedance_mcp')}" for path in files()} <= inside


def files() -> list[Path]:
    """Every file of the package that is under version control."""
    listed = ran(["git", "ls-files", "seedance_mcp"], cwd=ROOT)
    return [ROOT / line for line in listed.stdout.splitlines()]


def test_the_wheel_made_the_films_of_the_demo(clone: Path) -> None:
    assert len(list((clone / "dist" / "films").glob("*.mp4"))) == 4


def test_the_sbom_names_this_version_and_every_library_of_the_lock(clone: Path) -> None:
    sbom: dict[str, Any] = json.loads((clone / "dist" / "seedance-mcp.cdx.json").read_text("utf-8"))
    about = sbom["metadata"]["component"]
    assert (sbom["bomFormat"], about["name"], about["version"]) == ("CycloneDX", "seedance-mcp", __version__)
    versions = {f"{each['name'].lower().replace('_', '-')}=={each['version']}" for each in sbom["components"]}
    locked = re.findall(
        r"^([a-z0-9-]+)(?:\[[a-z,]+\])?(==[^ ]+) \\", (ROOT / "deploy" / "image.lock").read_text("utf-8"), re.MULTILINE
    )
    assert {"".join(each) for each in locked} <= versions


def test_a_scanner_finds_nothing_in_the_workflows_but_actions_that_are_to_be_pinned(tmp_path: Path) -> None:
    command = [str(venv(ZIZMOR) / "zizmor"), "--offline", "--format", "json", str(ROOT / ".github" / "workflows")]
    found = json.loads(ran(command, env={**ENVIRONMENT, "HOME": str(tmp_path)}).stdout)
    assert {each["ident"] for each in found if not each["ignored"]} <= {"unpinned-uses"}
