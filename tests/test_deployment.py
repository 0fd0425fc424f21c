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
from seedance_mcp.server.http import MCP_PATH
from seedance_mcp.server.http_door import HEALTH_PATH, READY_PATH
from seedance_mcp.server.oauth import METADATA_PATH
from seedance_mcp.settings import Settings
from seedance_mcp.tools.links import FILES, UPLOADS
from seedance_mcp.tools.sent_files import UPLOAD_MOST_BYTES

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
    assert "health_uri" not in COMPOSE["configs"]["caddyfile"]["content"]  # it has no effect on dynamic upstreams
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
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] == MANIFESTS["Service"]["metadata"]["name"]
    assert all(each.startswith(path["path"]) for each in (MCP_PATH, FILES, UPLOADS, METADATA_PATH))
    assert f"{UPLOAD_MOST_BYTES >> 20}m" in MANIFESTS["Ingress"]["metadata"]["annotations"].values()
    assert MANIFESTS["Ingress"]["spec"]["tls"][0]["hosts"] == [rule["host"]]
    assert {"name": "SEEDANCE_PUBLIC_URL", "value": f"https://{rule['host']}"} in SERVER["env"]
    assert "SEEDANCE_API_KEY" not in {each["name"] for each in SERVER["env"]}


LOCKED = re.compile(
    r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==\S+(?: ; .+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def locked(name: str) -> set[str]:
    """The packages of a lock, each with a version and at least one hash."""
    text = (TOP / "deploy" / name).read_text("utf-8")
    found = [name for name, _ in LOCKED.findall(text)]
    assert len(found) == len(re.findall(r"^[a-z]", text, re.MULTILINE))
    return set(found)


def test_the_image_installs_only_what_its_lock_names_with_hashes() -> None:
    project: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    about = project["project"]
    (extras,) = (each.split(",") for each in re.findall(r"\[([a-z,]+)\]\"", DOCKERFILE))
    assert f"EXTRAS = {tuple(extras)}".replace("'", '"') in (TOP / "packages" / "lock.py").read_text("utf-8")
    wanted = [*about["dependencies"], *(need for name in extras for need in about["optional-dependencies"][name])]
    assert _names(wanted) <= locked("image.lock")
    assert _names(project["build-system"]["requires"]) <= locked("build.lock")
    installed = re.findall(r"pip (?:download|install|wheel) .*", DOCKERFILE)
    assert installed
    assert all("--require-hashes" in each or "--no-index" in each or "--no-deps" in each for each in installed)


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=]", each)[0].replace("_", "-") for each in requirements}


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
