"""The documents agree with the code. `UPDATE=1 pytest` rewrites their tables, `pytest` compares."""

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
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from derived import check
from pydantic import SecretStr

import seedance_mcp
from seedance_mcp import _version, settings
from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.cli import main
from seedance_mcp.cli.mcp_clients import BY_NAME, CLIENTS, SERVER, ClientApp
from seedance_mcp.errors import InvalidRequest, SeedanceError
from seedance_mcp.origin import PUBLISHED, requirement
from seedance_mcp.server import resources
from seedance_mcp.server.markdown import table
from seedance_mcp.server.prompts import PROMPTS, PromptSpec
from seedance_mcp.server.tool_table import TOOLS
from seedance_mcp.settings import Settings
from seedance_mcp.tools.arguments import read_create_video

TOP = Path(__file__).parent.parent
README = TOP / "README.md"
BENCHMARKS = TOP / "BENCHMARKS.md"
DOCS = TOP / "docs"
HTTP = TOP / "HTTP.md"
CLIENTS_PAGE = DOCS / "clients.md"
GUIDES = (README, HTTP, TOP / "llms-install.md", *sorted(DOCS.glob("*.md")))
DOCUMENTS = sorted([*TOP.glob("*.md"), *TOP.glob(".github/*.md"), *DOCS.glob("*.md")])
PACKAGE = TOP / "seedance_mcp"
PYPROJECT: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
REGISTRY: dict[str, Any] = json.loads((TOP / "server.json").read_text("utf-8"))


README_HOOK: dict[str, Any] = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
RAW = "https://raw.githubusercontent.com/seedance-mcp/seedance-mcp/main"
CHARS_PER_TOKEN = 3.3
"""What a token (o200k) has in pages such as these, at least: counted with gpt-tokenizer it was 3.5 to 3.7."""

RELEASE = (TOP / "RELEASE.md").read_text("utf-8")
JUSTFILE = (TOP / "Justfile").read_text("utf-8")


def variable(name: str) -> str:
    return f"SEEDANCE_{name.upper()}"


def tools_table() -> str:
    rows = [
        (f"`{spec.name}`", ", ".join(_arguments(spec.listed(load_edition(), "flat").input_schema)), spec.description)
        for spec in TOOLS
    ]
    return table(("Tool", "Arguments", "What it does"), rows)


def _arguments(schema: dict[str, Any]) -> list[str]:
    names = list(schema["properties"])
    return [f"`{name}`" for name in names] or ["none"]


def prompts_table() -> str:
    rows = [(f"`{each.name}`", ", ".join(f"`{name}`" for name in _named(each)), each.description) for each in PROMPTS]
    return table(("Prompt", "Arguments", "What it does"), rows)


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
    return table(("Variable", "Meaning", "Default"), rows)


FOLDERS = {
    "data_dir": "`~/.local/share/seedance-mcp`",
    "output_dir": "`seedance-videos` in `~/Videos`, or in `~` where that is missing",
    "media_roots": "the output and the working folder, pictures, videos, music, downloads; never `~` itself",
}
"""Defaults that are found at start."""


def default(name: str) -> str:
    """The default as it is typed into the variable; empty for a setting that starts unset."""
    value = Settings.model_fields[name].default
    told = str(int(value) if isinstance(value, bool) else value) if isinstance(value, (int, str)) else ""
    return f"`{told}`" if told else ""


def shown_path(client: ClientApp) -> str:
    return f"`{client.path('linux', {'HOME': '~'})}`"


def clients_table() -> str:
    rows = [(client.title, f"`{client.name}`", shown_path(client)) for client in CLIENTS]
    return table(("Client", "Name", "Its file"), rows)


def steps_table() -> str:
    rows = [(f"`{client.name}`", client.title, shown_path(client), client.key_hint, client.reload_hint) for client in CLIENTS]
    return table(("CLIENT", "Which is", "Its file", "The key", "Afterwards"), rows)


LINKED = [(BY_NAME[name], sandbox) for name in ("cursor", "vscode") for sandbox in (False, True)]
"""The clients that take an entry from a link; only the README has such links, so they are made here."""


def links() -> str:
    if not PUBLISHED:
        return "Links that install with one click follow with the first version on the package index."
    return " · ".join(f"[{each.title}{', sandbox' * sandbox}]({link(each, sandbox)})" for each, sandbox in LINKED)


def by_name(sandbox: bool) -> list[str]:  # noqa: FBT001
    return ["uvx", "--from", requirement("sandbox" if sandbox else "", "", published=True) or "", "seedance-mcp"]


def link(client: ClientApp, sandbox: bool) -> str:  # noqa: FBT001
    """The link that lets a client ask its user whether to add the server, started by uvx."""
    text = _compact(client.entry(by_name(sandbox), sandbox=sandbox))
    if client.name == "cursor":
        config = base64.b64encode(text.encode()).decode()
        return "https://cursor.com/install-mcp?" + urlencode({"name": SERVER, "config": config})
    question = {} if sandbox else {"inputs": _compact([client.input])}
    return "https://vscode.dev/redirect/mcp/install?" + urlencode(
        {"name": SERVER, **question, "config": text}, quote_via=quote
    )


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def limits() -> str:
    return resources.limits_text(load_edition()).rstrip()


def codes_table() -> str:
    """Each code with the first line of its error; errors below another one share its code."""
    found = {each.code: each for each in reversed(_below(SeedanceError))}
    rows = [(f"`{code}`", _sentence(each), "yes" if each.retryable else "no") for code, each in sorted(found.items())]
    return table(("Code", "What is wrong", "The same call may succeed later"), rows)


def _below(error: type[SeedanceError]) -> list[type[SeedanceError]]:
    return [found for each in error.__subclasses__() for found in (each, *_below(each))]


def _sentence(error: type[SeedanceError]) -> str:
    return (inspect.getdoc(error) or "").partition("\n")[0]


def folders_table() -> str:
    """Each folder's own first line, and the folders that its modules import."""
    rows = [
        (f"`{each.name}`", _first_line(each / "__init__.py"), _imported(each))
        for each in sorted(PACKAGE.iterdir())
        if each.is_dir() and (each / "__init__.py").exists()
    ]
    return table(("Folder", "Subject", "Imports"), rows)


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]


def _imported(folder: Path) -> str:
    text = "\n".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    found = set(re.findall(r"^ *(?:from|import) seedance_mcp\.(\w+)", text, re.MULTILINE))
    return ", ".join(sorted(name for name in found - {folder.name} if (PACKAGE / name).is_dir()))


RECIPE = re.compile(r"^# (.+)\n([a-z-]+)[a-z *]*:\n((?: {4}.+\n)+)", re.MULTILINE)


def recipes_table() -> str:
    """Each recipe's sentence, and its commands as they are typed without `just`."""
    rows = [(f"`just {name}`", sentence, _commands(body)) for sentence, name, body in RECIPE.findall(JUSTFILE)]
    return table(("Recipe", "What it does", "Without `just`"), rows)


def _commands(body: str) -> str:
    named = {"bin": ".venv/bin", "python": ".venv/bin/python"}
    text = re.sub(r"{{ (\w+) }}", lambda found: named.get(found[1], ""), re.sub(r"{{ if .*? }}", "python3", body))
    text = re.sub(r'"(\.venv/\S+)"', r"\1", text)
    return "<br>".join(f"`{line.strip()}`" for line in text.splitlines())


TABLES = {
    "folders": folders_table,
    "recipes": recipes_table,
    "clients": clients_table,
    "steps": steps_table,
    "links": links,
    "tools": tools_table,
    "prompts": prompts_table,
    "models": lambda: resources.models_table(load_edition()),
    "limits": limits,
    "codes": codes_table,
    "causes": resources.causes_table,
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
    version = _version.__version__
    assert seedance_mcp.__version__ == version
    assert REGISTRY["version"] == version
    assert [package["version"] for package in REGISTRY["packages"]] == [version]
    assert f"image: seedance-mcp:{version}\n" in (TOP / "deploy/kubernetes.yaml").read_text("utf-8")
    sections = re.findall(r"^## (\S+)", (TOP / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert sections[0] == version


def test_the_registry_entry_is_ours() -> None:
    assert f"<!-- mcp-name: {REGISTRY['name']} -->" in README.read_text("utf-8")
    (package,) = REGISTRY["packages"]
    assert package["identifier"] == PYPROJECT["project"]["name"]
    assert "registryBaseUrl" not in package
    assert len(REGISTRY["description"]) <= 100
    known = {variable(name) for name in Settings.model_fields}
    assert {each["name"] for each in package["environmentVariables"]} == known
    secrets = {each["name"] for each in package["environmentVariables"] if each.get("isSecret")}
    hidden = ("API_KEY", "HTTP_TOKENS", "DOWNLOAD_PROXY", "DATABASE_URL", "NOTIFY_URL", "NOTIFY_SECRET")
    assert secrets == {f"SEEDANCE_{name}" for name in hidden}
    told = {each["name"]: each["default"] for each in package["environmentVariables"] if "default" in each}
    assert told == {variable(name): default(name).strip("`") for name in Settings.model_fields if default(name)}


@pytest.mark.skipif(sys.platform != "linux", reason="the page tells the folders of Linux")
def test_the_documented_folders_are_those_of_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_VIDEOS_DIR"):
        monkeypatch.delenv(name, raising=False)
    home = Path.home()
    assert f"`~/{Settings().data_dir.relative_to(home)}`" == FOLDERS["data_dir"]
    assert Settings().output_dir == home / "seedance-videos"
    (home / "Videos").mkdir(parents=True)
    assert Settings().output_dir == home / "Videos" / "seedance-videos"


def test_the_documented_http_tokens_are_accepted() -> None:
    section = HTTP.read_text("utf-8")
    (shown,) = re.findall(r"SEEDANCE_HTTP_TOKENS=(\S+)", section)
    (sent,) = re.findall(r"Bearer ([\w-]+)'", section)
    assert sent in Settings(http_tokens=SecretStr(shown)).http_token_pairs.values()


def test_client_blocks_are_json_and_start_the_command() -> None:
    blocks = re.findall(r"```json\n(.*?)```", CLIENTS_PAGE.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert "seedance-mcp" in json.dumps(json.loads(block))


def test_the_sample_refusal_is_a_real_one() -> None:
    request = {"model": "sd2_mx_1080p", "prompt": "a fox in snow", "duration": 15, "images": ["./fox.png"]}
    with pytest.raises(InvalidRequest) as caught:
        read_create_video(load_edition(), {"request": request})
    assert caught.value.message in (DOCS / "errors.md").read_text("utf-8").replace("\n> ", " ")


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_every_documented_command_is_accepted_by_the_parser(path: Path) -> None:
    told = re.findall(r"(?:^|`)seedance-mcp ([^`…\n]+)", path.read_text("utf-8"), re.MULTILINE)
    assert told or path.parent == DOCS
    for line in told:
        main.parser().parse_args(line.replace("CLIENT", "cursor").replace("REQUEST_ID", "req_1").split())  # else it exits


def test_links_carry_the_entries_that_install_writes_and_are_shown_once_the_package_is_published() -> None:
    assert ("config=" in CLIENTS_PAGE.read_text("utf-8")) is PUBLISHED
    assert ("not on the package index yet" in README.read_text("utf-8")) is not PUBLISHED
    assert ("it is not published" in (TOP / "llms-install.md").read_text("utf-8")) is not PUBLISHED
    for client, sandbox in LINKED:
        url = link(client, sandbox)
        query = parse_qs(urlsplit(url).query)
        (config,) = query["config"]
        assert query["name"] == [SERVER]
        entry = json.loads(base64.b64decode(config) if client.name == "cursor" else config)
        assert entry == client.entry(by_name(sandbox), sandbox=sandbox)
        assert ("inputs" in query) is (client.name == "vscode" and not sandbox)
        assert [json.loads(each) for each in query.get("inputs", [])] == [[client.input]] * ("inputs" in query)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what each is given."""
    text = re.sub(r"\\\n\s*", "", (TOP / "Dockerfile").read_text("utf-8"))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in text.splitlines()) if name.isupper()]


def test_the_docker_image_starts_an_existing_command_as_an_ordinary_user() -> None:
    image = dict(instructions())
    assert json.loads(image["ENTRYPOINT"]) == list(PYPROJECT["project"]["scripts"])
    assert image["USER"] != "root"
    serve = main.parser().parse_args(json.loads(image["CMD"]))
    assert (serve.transport, str(serve.port)) == ("http", image["EXPOSE"])
    assert {part.partition("=")[0] for part in image["ENV"].split()} <= {variable(name) for name in Settings.model_fields}
    assert f"{image['EXPOSE']}/mcp" in HTTP.read_text("utf-8")
    assert f":{image['EXPOSE']}/healthz" in image["HEALTHCHECK"]


def test_the_docker_image_copies_everything_that_the_build_reads() -> None:
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    assert all((TOP / word).exists() for word in copied)
    project, build = PYPROJECT["project"], PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    locks = {"deploy/image.lock", "deploy/build.lock"}
    assert {"pyproject.toml", *_fragments(), *project["license-files"], *build["packages"], *locks} == set(copied)


def _fragments() -> list[str]:
    return [each["path"] for each in README_HOOK["fragments"]]


def test_the_package_index_shows_every_link_of_the_readme_with_its_whole_address() -> None:
    (path,) = _fragments()
    text = (TOP / path).read_text("utf-8")
    for each in README_HOOK["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    assert LINK.findall(text) == []
    assert f"({RAW}/docs/film.webp)" in text
    assert "(https://github.com/seedance-mcp/seedance-mcp/blob/main/docs/clients.md#what-has-been-seen)" in text


def test_the_readme_is_read_in_a_minute_and_its_picture_loads_at_once() -> None:
    assert len(README.read_text("utf-8")) / CHARS_PER_TOKEN < 2500
    picture = (DOCS / "film.webp").read_bytes()
    assert (picture[:4], picture[8:12]) == (b"RIFF", b"WEBP")
    assert b"ANMF" in picture
    assert len(picture) < 1_500_000


SHELL = re.compile(
    r"seedance-mcp .+|python3 .* (demo|--cov)|export (SEEDANCE_\w+)=\S+|# in another terminal:|curl http://127.0.0.1:8931/mcp .*|  -H .*"
)
"""What stands in a shell block: a command that the parser is given, one that the gate runs, or the block of HTTP.md."""


@pytest.mark.parametrize("path", [README, HTTP, *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_every_block_is_of_a_kind_that_is_checked(path: Path) -> None:
    for kind, block in re.findall(r"```(\w*)\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
        assert kind in {"sh", "json"}
        for found in map(SHELL.fullmatch, block.splitlines() if kind == "sh" else []):
            assert found, block
            assert not found[2] or found[2] in set(map(variable, Settings.model_fields))


def test_the_figures_of_the_page_on_tests_are_rows_of_the_whole_table() -> None:
    section = (DOCS / "testing.md").read_text("utf-8").partition("## Benchmarks\n")[2]
    shown = [line for line in section.splitlines() if line.startswith("|")]
    assert len(shown) > 10
    assert set(shown) <= set(BENCHMARKS.read_text("utf-8").splitlines())


LINK = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text("utf-8")):
        found = (path.parent / target) if target else path
        assert found.exists(), target
        headings = re.findall(r"^#+ (.+)$", found.read_text("utf-8") if anchor else "", re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("name", ["AGENTS", "ARCHITECTURE", "CONTRIBUTING", "RELEASE", "SECURITY"])
def test_every_file_that_maintainers_are_sent_to_exists(name: str) -> None:
    words = re.findall(r"`((?!\.venv|dist/)[\w./-]*/[\w./-]*)`", (TOP / f"{name}.md").read_text("utf-8"))
    assert [word for word in words if not _exists(word)] == []


def _exists(word: str) -> bool:
    """Whether there is such a file or folder, or a module by its name inside the package."""
    return any((place / name).exists() for place in (TOP, PACKAGE) for name in (word, f"{word}.py"))


def test_every_recipe_has_a_sentence_and_only_known_commands() -> None:
    assert [name for _, name, _ in RECIPE.findall(JUSTFILE)] == re.findall(r"^([a-z-]+)[a-z *]*:$", JUSTFILE, re.MULTILINE)
    hooks = (TOP / ".pre-commit-config.yaml").read_text("utf-8")
    known = {*re.findall(r"[a-z-]+(?===)", (TOP / "pyproject.toml").read_text("utf-8")), "pip", "python"}
    assert set(re.findall(r"(?:{{ bin }}|entry: \.venv/bin)/([\w-]+)", JUSTFILE + hooks)) <= known


def test_the_commands_for_agents_are_those_of_the_recipes() -> None:
    bodies = {name: re.findall(r"`(.*?)`", _commands(body)) for _, name, body in RECIPE.findall(JUSTFILE)}
    told = re.findall(r"^(\S.*?) +# (?:or: )?just ([a-z-]+)", (TOP / "AGENTS.md").read_text("utf-8"), re.MULTILINE)
    assert {name for _, name in told} == {"setup", "fix", "test", "types", "docs", "test-all"}
    for line, name in told:
        assert set(line.split(" && ")) <= set(bodies[name])


def test_the_workflow_runs_the_gate_on_every_python_of_the_classifiers() -> None:
    workflow = (TOP / ".github/workflows/gate.yml").read_text("utf-8")
    (versions,) = re.findall(r"python: \[(.+)\]", workflow)
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(PYPROJECT["project"]["classifiers"]))
    assert json.loads(f"[{versions}]") == classified
    assert PYPROJECT["project"]["requires-python"] == f">={classified[0]}"
    assert "- run: .ci/run\n" in workflow
    assert (TOP / ".ci/run").exists()
    for line in re.findall(r"run: seedance-mcp (.+)", workflow):
        assert line == "--version" or main.parser().parse_args(line.split())


def test_the_workflow_of_a_release_does_what_the_recipes_do() -> None:
    workflow = (TOP / ".github/workflows/release.yml").read_text("utf-8")
    for recipe in ("build", "rehearse", "sbom"):
        (body,) = (body for _, name, body in RECIPE.findall(JUSTFILE) if name == recipe)
        for line in re.findall(r"`(.*?)`", _commands(body)):
            assert f"- run: {line.removeprefix('.venv/bin/')}\n" in workflow
    (bundled,) = re.findall(r"run: seedance-mcp (bundle .+)", workflow)
    assert main.parser().parse_args(bundled.split())
    assert f"`seedance-mcp {bundled}`" in RELEASE
    assert {"release", "pypi"} == set(re.findall(r"(?:name|environment): (release|pypi)\b", workflow))
    assert "release" in RELEASE
    assert "pypi" in RELEASE
