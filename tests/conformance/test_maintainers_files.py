"""The files that other programs read for the maintainers are what those programs understand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from workshop import ROOT, venv

PINNED = dict(re.findall(r'"([\w-]+)==([\d.]+)"', (ROOT / "pyproject.toml").read_text("utf-8")))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[0-9]*.yml"))
SCHEMAS: dict[str, list[Path]] = {
    "vendor.github-workflows": sorted((ROOT / ".github/workflows").glob("*.yml")),
    "custom.github-workflows-require-timeout": sorted((ROOT / ".github/workflows").glob("*.yml")),
    "vendor.github-issue-forms": FORMS,
    "vendor.github-issue-config": [ROOT / ".github/ISSUE_TEMPLATE/config.yml"],
    "vendor.dependabot": [ROOT / ".github/dependabot.yml"],
}


def run(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_just_understands_every_recipe() -> None:
    just = venv(f"rust-just=={PINNED['rust-just']}") / "just"
    for name in run(just, "--summary").split():
        assert run(just, "--dry-run", name)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_github_understands_its_files(schema: str) -> None:
    assert SCHEMAS[schema]
    run(venv("check-jsonschema==0.39.0") / "check-jsonschema", "--builtin-schema", schema, *SCHEMAS[schema])


def test_pre_commit_understands_its_configuration() -> None:
    run(venv(f"pre-commit=={PINNED['pre-commit']}") / "pre-commit", "validate-config")
