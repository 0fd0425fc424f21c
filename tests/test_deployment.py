"""The image, compose.yaml and the Kubernetes manifests fit the program; no network is needed, and no container is started."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from deadline import ran
from served import held_port, served

from seedance_mcp.cli import main
from seedance_mcp.server.http_door import HEALTH_PATH, READY_PATH
from seedance_mcp.settings import Settings

TOP = Path(__file__).parent.parent
KNOWN = {f"SEEDANCE_{name.upper()}" for name in Settings.model_fields}
DOCKERFILE = (TOP / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "deploy/compose.yaml").read_text("utf-8"))
MANIFESTS: dict[str, Any] = {
    each["kind"]: each for each in yaml.safe_load_all((TOP / "deploy/kubernetes.yaml").read_text("utf-8"))
}
POD: dict[str, Any] = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
(SERVER,) = cast("list[dict[str, Any]]", POD["containers"])
PORT = 8931


def test_every_variable_is_a_setting_and_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = COMPOSE["x-seedance"]["environment"]
    given = {each["name"]: each["value"] for each in SERVER["env"]}
    assert compose.keys() | given.keys() <= KNOWN
    for name, value in {
        **{name: str(text).rpartition(":-")[2].rstrip("}") for name, text in compose.items()},
        **given,
    }.items():
        if "?" not in value:
            monkeypatch.setenv(name, value)
    assert Settings().log_format == "json"


def test_compose_runs_two_servers_and_a_keeper_behind_a_gateway() -> None:
    services = COMPOSE["services"]
    assert services["server"]["deploy"]["replicas"] == 2
    assert services["server"]["expose"] == [str(PORT)]
    main.parser().parse_args(services["keeper"]["command"])  # else it exits
    assert f"dynamic a server {PORT}" in COMPOSE["configs"]["caddyfile"]["content"]
    assert f"health_uri {READY_PATH}" in COMPOSE["configs"]["caddyfile"]["content"]
    assert services["gateway"]["configs"][0]["source"] in COMPOSE["configs"]
    assert {volume.partition(":")[0] for volume in COMPOSE["x-seedance"]["volumes"]} == set(COMPOSE["volumes"])


def test_the_manifests_fit_each_other_and_the_program() -> None:
    options = main.parser().parse_args(SERVER["args"])
    assert (options.transport, options.port, options.keep) == ("http", PORT, True)
    assert SERVER["ports"] == [{"name": "http", "containerPort": PORT}]
    assert SERVER["livenessProbe"]["httpGet"] == {"path": HEALTH_PATH, "port": "http"}
    assert SERVER["readinessProbe"]["httpGet"] == {"path": READY_PATH, "port": "http"}
    assert POD["terminationGracePeriodSeconds"] >= 30
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert MANIFESTS["Service"]["spec"]["selector"] == MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert {each["name"] for each in POD["volumes"]} == {each["name"] for each in SERVER["volumeMounts"]}
    (rule,) = MANIFESTS["Ingress"]["spec"]["rules"]
    assert rule["host"] in {each["value"] for each in SERVER["env"]}
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == MANIFESTS["Service"]["metadata"]["name"]
    assert "SEEDANCE_API_KEY" not in {each["name"] for each in SERVER["env"]}


def test_the_image_pins_what_it_installs() -> None:
    pins = dict(line.split("==") for line in (TOP / "deploy/constraints.txt").read_text("utf-8").splitlines() if "==" in line)
    project: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    (extras,) = set(re.findall(r"\[([a-z,]+)\]\"", DOCKERFILE))
    wanted = [
        *project["dependencies"],
        *(need for name in extras.split(",") for need in project["optional-dependencies"][name]),
    ]
    assert {re.split(r"[\[<>=]", need)[0].replace("_", "-") for need in wanted} <= pins.keys()


@pytest.mark.slow
def test_the_health_check_of_the_image_passes_while_the_server_answers_and_fails_after(tmp_path: Path) -> None:
    (found,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    with held_port() as port:
        python, *words = [part.replace(f":{PORT}/", f":{port}/") for part in json.loads(found)]
        assert python == "python"  # which the image has, and not every machine
        command = [sys.executable, *words]
        with served(port, {**os.environ, "SEEDANCE_DATA_DIR": str(tmp_path)}):
            assert ran(command).returncode == 0
        assert ran(command).returncode != 0
