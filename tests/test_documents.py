"""README, server.json and changelog say what the code says. `UPDATE=1 pytest` rewrites the tables, `pytest` compares."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp import __version__ as version
from seedance_mcp import config, resources
from seedance_mcp.arguments import read_create_video
from seedance_mcp.config import Settings
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.prompts import PROMPTS, PromptSpec
from seedance_mcp.toolbox import TOOLS

TOP = Path(__file__).parent.parent
README = TOP / "README.md"
PYPROJECT: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
SERVER: dict[str, Any] = json.loads((TOP / "server.json").read_text("utf-8"))


def variable(name: str) -> str:
    return f"SEEDANCE_{name.upper()}"


def tools_table() -> str:
    rows = [(f"`{spec.name}`", ", ".join(_arguments(spec.listed("flat").input_schema)), spec.description) for spec in TOOLS]
    return resources.table(("Tool", "Arguments", "What it does"), rows)


def _arguments(schema: dict[str, Any]) -> list[str]:
    names = list(schema["properties"])
    return [f"`{name}`" for name in names] or ["none"]


def prompts_table() -> str:
    rows = [(f"`{each.name}`", ", ".join(f"`{name}`" for name in _named(each)), each.description) for each in PROMPTS]
    return resources.table(("Prompt", "Arguments", "What it does"), rows)


def _named(spec: PromptSpec) -> list[str]:
    return [argument.name for argument in spec.listed().arguments or []]


def described() -> dict[str, str]:
    """Each setting's own docstring; the server does not read them, since that slows its start."""
    found = next(node for node in ast.parse(inspect.getsource(config)).body if getattr(node, "name", "") == "Settings")
    assert isinstance(found, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(str(text.value.value)).replace("\n", " ")
        for field, text in pairwise(found.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def settings_table() -> str:
    texts = described()
    rows = [(f"`{variable(name)}`", texts[name]) for name in Settings.model_fields]
    return resources.table(("Variable", "Meaning"), rows)


TABLES = {
    "tools": tools_table,
    "prompts": prompts_table,
    "models": resources.models_table,
    "limits": resources.limits_table,
    "settings": settings_table,
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_in_the_readme_are_made_by_the_code(name: str) -> None:
    text = README.read_text("utf-8")
    found = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found, f"README has no table {name}"
    made = TABLES[name]() + "\n"
    if os.environ.get("UPDATE"):
        README.write_text(text[: found.start(1)] + made + text[found.end(1) :], "utf-8")
    else:
        assert found[1] == made


def test_one_version_everywhere() -> None:
    assert SERVER["version"] == version
    assert [package["version"] for package in SERVER["packages"]] == [version]
    sections = re.findall(r"^## (\S+)", (TOP / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert sections[0] == version


def test_the_registry_entry_is_ours() -> None:
    assert f"<!-- mcp-name: {SERVER['name']} -->" in README.read_text("utf-8")
    (package,) = SERVER["packages"]
    assert package["identifier"] == PYPROJECT["project"]["name"]
    assert "registryBaseUrl" not in package
    assert len(SERVER["description"]) <= 100
    known = {variable(name) for name in Settings.model_fields}
    assert {each["name"] for each in package["environmentVariables"]} == known
    secrets = {each["name"] for each in package["environmentVariables"] if each.get("isSecret")}
    assert secrets == {"SEEDANCE_API_KEY", "SEEDANCE_HTTP_TOKENS"}


def test_client_blocks_are_json_and_start_the_command() -> None:
    blocks = re.findall(r"```json\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        assert "seedance-mcp" in json.dumps(json.loads(block))


def test_the_sample_refusal_is_a_real_one() -> None:
    request = {"model": "sd2_mx_1080p", "prompt": "a fox in snow", "duration": 15, "images": ["./fox.png"]}
    with pytest.raises(InvalidRequest) as caught:
        read_create_video({"request": request})
    assert caught.value.message in README.read_text("utf-8").replace("\n> ", " ")
