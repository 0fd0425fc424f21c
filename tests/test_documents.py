"""README, server.json and changelog say what the code says. `UPDATE=1 pytest` rewrites the tables, `pytest` compares."""

from __future__ import annotations

import ast
import base64
import inspect
import json
import re
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from derived import check
from pydantic import SecretStr

from seedance_mcp import __version__ as version
from seedance_mcp import settings
from seedance_mcp.cli import main
from seedance_mcp.cli.mcp_clients import BY_NAME, CLIENTS, ClientApp, install_link, uvx_command
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.server import resources
from seedance_mcp.server.prompts import PROMPTS, PromptSpec
from seedance_mcp.server.tool_table import TOOLS
from seedance_mcp.settings import Settings
from seedance_mcp.tools.arguments import read_create_video

TOP = Path(__file__).parent.parent
README = TOP / "README.md"
LIMITS, BENCHMARKS = TOP / "LIMITS.md", TOP / "BENCHMARKS.md"
TOLD = (README, TOP / "llms-install.md")
DOCUMENTS = (*TOLD, LIMITS)
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
    found = next(node for node in ast.parse(inspect.getsource(settings)).body if getattr(node, "name", "") == "Settings")
    assert isinstance(found, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(str(text.value.value)).replace("\n", " ")
        for field, text in pairwise(found.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def settings_table() -> str:
    texts = described()
    rows = [(f"`{variable(name)}`", texts[name], FOLDERS.get(name) or default(name)) for name in Settings.model_fields]
    return resources.table(("Variable", "Meaning", "Default"), rows)


FOLDERS = {
    "data_dir": "`~/.local/share/seedance-mcp`",
    "output_dir": "`seedance-videos` in `~/Videos`, or in `~` where that is missing",
    "media_roots": "the output and the working folder, pictures, videos, music, downloads; never `~` itself",
}
"""What is found out at the start."""


def default(name: str) -> str:
    """As it is typed into the variable; nothing for what starts unset."""
    value = Settings.model_fields[name].default
    told = str(int(value) if isinstance(value, bool) else value) if isinstance(value, (int, str)) else ""
    return f"`{told}`" if told else ""


def shown_path(client: ClientApp) -> str:
    return f"`{client.path('linux', {'HOME': '~'})}`"


def clients_table() -> str:
    rows = [(client.title, f"`{client.name}`", shown_path(client)) for client in CLIENTS]
    return resources.table(("Client", "Name", "Its file"), rows)


def steps_table() -> str:
    rows = [(f"`{client.name}`", client.title, shown_path(client), client.key_told, client.then) for client in CLIENTS]
    return resources.table(("CLIENT", "Which is", "Its file", "The key", "Afterwards"), rows)


def links() -> str:
    named = [(BY_NAME[name], sandbox) for name in ("cursor", "vscode") for sandbox in (False, True)]
    shown = [f"[{each.title}{', sandbox' * sandbox}]({install_link(each, sandbox=sandbox)})" for each, sandbox in named]
    return " · ".join(shown)


def limits() -> str:
    return resources.limits_text().rstrip()


TABLES = {
    "clients": clients_table,
    "steps": steps_table,
    "links": links,
    "tools": tools_table,
    "prompts": prompts_table,
    "models": resources.models_table,
    "limits": limits,
    "settings": settings_table,
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_in_the_documents_are_made_by_the_code(name: str) -> None:
    (path,) = (path for path in DOCUMENTS if f"<!-- table: {name} -->" in path.read_text("utf-8"))
    text = path.read_text("utf-8")
    found = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found, f"{path} has no table {name}"
    check(path, f"{text[: found.start(1)]}{TABLES[name]()}\n{text[found.end(1) :]}")


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
    told = {each["name"]: each["default"] for each in package["environmentVariables"] if "default" in each}
    assert told == {variable(name): default(name).strip("`") for name in Settings.model_fields if default(name)}


@pytest.mark.skipif(sys.platform != "linux", reason="the page tells the folders of Linux")
def test_the_folders_that_are_told_are_those_of_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_VIDEOS_DIR"):
        monkeypatch.delenv(name, raising=False)
    home = Path.home()
    assert f"`~/{Settings().data_dir.relative_to(home)}`" == FOLDERS["data_dir"]
    assert Settings().output_dir == home / "seedance-videos"
    (home / "Videos").mkdir(parents=True)
    assert Settings().output_dir == home / "Videos" / "seedance-videos"


def test_the_tokens_that_are_shown_are_taken() -> None:
    section = README.read_text("utf-8").partition("## Over HTTP")[2]
    (shown,) = re.findall(r"SEEDANCE_HTTP_TOKENS=(\S+)", section)
    (sent,) = re.findall(r"Bearer ([\w-]+)'", section)
    assert sent in Settings(http_tokens=SecretStr(shown)).http_token_pairs.values()


def test_client_blocks_are_json_and_start_the_command() -> None:
    blocks = re.findall(r"```json\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert "seedance-mcp" in json.dumps(json.loads(block))


def test_the_sample_refusal_is_a_real_one() -> None:
    request = {"model": "sd2_mx_1080p", "prompt": "a fox in snow", "duration": 15, "images": ["./fox.png"]}
    with pytest.raises(InvalidRequest) as caught:
        read_create_video({"request": request})
    assert caught.value.message in README.read_text("utf-8").replace("\n> ", " ")


@pytest.mark.parametrize("path", TOLD, ids=lambda path: path.name)
def test_every_command_that_is_told_is_one(path: Path) -> None:
    told = re.findall(r"(?:^|`)seedance-mcp ([^`…\n]+)", path.read_text("utf-8"), re.MULTILINE)
    assert len(told) >= 5
    for line in told:
        main.parser().parse_args(line.replace("CLIENT", "cursor").replace("REQUEST_ID", "req_1").split())  # else it exits


@pytest.mark.parametrize("sandbox", [False, True])
def test_links_carry_the_entry_that_installation_writes(sandbox: bool) -> None:  # noqa: FBT001
    for name in ("cursor", "vscode"):
        client = BY_NAME[name]
        asked = parse_qs(urlsplit(install_link(client, sandbox=sandbox)).query)
        (config,) = asked["config"]
        entry = json.loads(base64.b64decode(config) if name == "cursor" else config)
        assert asked["name"] == ["seedance"]
        assert entry == client.entry(uvx_command(sandbox=sandbox), sandbox=sandbox)
        assert ("inputs" in asked) is (name == "vscode" and not sandbox)
        assert [json.loads(each) for each in asked.get("inputs", [])] == [[client.input]] * ("inputs" in asked)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what each is given."""
    text = re.sub(r"\\\n\s*", "", (TOP / "Dockerfile").read_text("utf-8"))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in text.splitlines()) if name.isupper()]


def test_the_image_starts_a_command_that_exists_as_nobody_special() -> None:
    image = dict(instructions())
    assert json.loads(image["ENTRYPOINT"]) == list(PYPROJECT["project"]["scripts"])
    assert image["USER"] != "root"
    serve = main.parser().parse_args(json.loads(image["CMD"]))
    assert (serve.transport, str(serve.port)) == ("http", image["EXPOSE"])
    assert {part.partition("=")[0] for part in image["ENV"].split()} <= {variable(name) for name in Settings.model_fields}
    assert f"{image['EXPOSE']}/mcp" in README.read_text("utf-8")
    assert f":{image['EXPOSE']}/healthz" in image["HEALTHCHECK"]


def test_the_image_is_made_of_all_that_the_build_reads() -> None:
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    assert all((TOP / word).exists() for word in copied)
    project, build = PYPROJECT["project"], PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {"pyproject.toml", project["readme"], *project["license-files"], *build["packages"]} == set(copied)


def test_the_figures_of_the_readme_are_rows_of_the_whole_table() -> None:
    section = README.read_text("utf-8").partition("## Benchmarks\n")[2]
    shown = [line for line in section.splitlines() if line.startswith("|")]
    assert len(shown) > 10
    assert set(shown) <= set(BENCHMARKS.read_text("utf-8").splitlines())
