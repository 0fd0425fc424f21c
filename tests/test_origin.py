"""What is missing is installed from where this installation came: no advice fetches a stranger's package by its name."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp import origin
from seedance_mcp.cli import main, mcp_clients
from seedance_mcp.cli.mcp_clients import BY_NAME

TOP = Path(__file__).parent.parent
PAGES = [*TOP.glob("*.md"), *TOP.glob("docs/*.md"), TOP / "Dockerfile", TOP / "Justfile", *TOP.glob("examples/*")]
CODE = [path for path in sorted(Path(origin.__file__).parent.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
BY_ITS_NAME = re.compile(
    r"\b(pip3?|pipx|uv tool) (install|run|inject|download)\b(?!.*--no-index)[^`&|]*[\s\"']seedance-mcp(?![\w-])(?!.* @ )"
    r"|\buvx[\s\"',]+(--from[\s\"',]+)?seedance-mcp(?!.* @ )"
)
"""A command that would fetch the package from an index. `server.json` is left out: its registry reads it after the release."""


@pytest.mark.parametrize("path", [*PAGES, *CODE], ids=lambda path: str(path.relative_to(TOP)))
def test_no_page_and_no_text_of_the_package_fetches_it_by_its_name(path: Path) -> None:
    if path.suffix in {".md", ".py", ".toml", ".json", ".html", ".sh", ""} and path.is_file():
        found = [line for line in path.read_text("utf-8").splitlines() if BY_ITS_NAME.search(line)]
        assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "pip install seedance-mcp",
        "pip install 'seedance-mcp[sandbox]'",
        "python -m pip install -U 'seedance-mcp[media]==0.1.0'",
        "uv tool install seedance-mcp",
        "pipx run seedance-mcp",
        "`uvx seedance-mcp`",
        "uvx --from seedance-mcp[sandbox] seedance-mcp",
    ],
)
def test_such_a_line_would_be_found(line: str) -> None:
    assert BY_ITS_NAME.search(line)


RECORDS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"url": Path(TOP).as_uri(), "dir_info": {"editable": True}}, "media", f"{TOP}[media]"),
    ({"url": Path(TOP).as_uri(), "dir_info": {}}, "", str(TOP)),
    ({"url": "file:///nowhere/at%20all", "dir_info": {}}, "media", None),
    ({"url": "file:///nowhere/x.whl", "archive_info": {}}, "media", None),
    (
        {"url": Path(__file__).as_uri(), "archive_info": {}},
        "media",
        f"seedance-mcp[media] @ {Path(__file__).as_uri()}",
    ),
    (
        {"url": "https://example.com/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        "",
        "seedance-mcp @ git+https://example.com/r.git@abc",
    ),
]


@pytest.mark.parametrize(("record", "extra", "wanted"), RECORDS)
def test_the_installers_record_says_where_from(record: dict[str, Any], extra: str, wanted: str | None) -> None:
    assert origin.requirement(extra, json.dumps(record)) == wanted


def test_without_a_record_the_libraries_of_the_extra_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "find_spec", {"pip": "there"}.get)  # an environment that uv made has none
    words = shlex.split(origin.install_command("sandbox", ""))
    assert words[: words.index("install") + 1] == [sys.executable, "-m", "pip", "install"]
    assert {re.split(r"\W", each)[0] for each in words[words.index("install") + 1 :]} == {"av", "pillow", "rich"}
    monkeypatch.setattr(origin, "find_spec", {"nothing": None}.get)
    assert origin.install_command("media", "").startswith(f"uv pip install --python {sys.executable} ")


def test_once_published_the_name_on_the_index_will_do() -> None:
    assert re.fullmatch(r"seedance-mcp\[media\]==\d+\.\d+\.\d+", origin.requirement("media", "", published=True) or "")


def test_a_remote_caller_learns_no_folder_of_the_server() -> None:
    assert str(TOP) in origin.advice("media", remote=False)
    told = origin.advice("media", remote=True)
    assert told == "the operator should run seedance-mcp doctor on the server, which says how to add the extra media."


def test_uvx_is_refused_where_the_origin_is_not_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(extra: str) -> None:
        """A wheel that was installed from a folder of wheels leaves no record."""

    monkeypatch.setattr(mcp_clients, "requirement", unknown)
    assert main.main(["install", "cursor", "--command", "uvx"]) == 2
    assert "not published yet" in capsys.readouterr().err
    assert not BY_NAME["cursor"].path().exists()


WORDS = ["/opt/my tools/seedance-mcp", "install", "cursor", "a'b"]
ON_WINDOWS = [r"C:\Users\Mia Li\Scripts\seedance-mcp.exe", "install", "cursor"]


def test_a_printed_command_is_quoted_as_the_shell_of_the_system_wants_it() -> None:
    assert shlex.split(origin.typed_line(WORDS, "posix")) == WORDS
    assert origin.typed_line(ON_WINDOWS, "nt") == r'"C:\Users\Mia Li\Scripts\seedance-mcp.exe" install cursor'


@pytest.mark.parametrize(
    ("url", "system", "path"),
    [
        ("file:///C:/my%20films", "nt", "C:/my films"),
        ("file:///films", "nt", "/films"),
        ("file:///C:/films", "posix", "/C:/films"),
    ],
)
def test_the_folder_of_an_installation_is_a_path_of_the_system(url: str, system: str, path: str) -> None:
    assert origin.folder_of(url, system) == path


@pytest.mark.parametrize(("system", "name"), [("posix", "seedance-mcp"), ("nt", "seedance-mcp.exe")])
def test_a_program_has_the_ending_of_its_system(system: str, name: str) -> None:
    assert origin.program("seedance-mcp", system) == name
