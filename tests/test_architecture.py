"""The folders of the house: who may import whom, what each folder gives, and how large anything may grow."""

from __future__ import annotations

import ast
import statistics
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import seedance_mcp
from seedance_mcp.catalogue.edition import edition_names

ROOT = Path(seedance_mcp.__file__).parent
PACKAGE = "seedance_mcp"

ARROWS = """
cli: server proof tools money storage sandbox instant catalogue settings errors untrusted origin _version
server: tools money provider polling sandbox instant catalogue settings task errors _version untrusted
proof: tools money provider catalogue task errors untrusted
tools: money provider media storage polling catalogue settings task errors origin untrusted
money: catalogue settings task errors untrusted
provider: catalogue settings task errors untrusted
media: storage catalogue errors
storage: errors untrusted
polling: errors
catalogue:
sandbox: catalogue
settings: errors
instant:
__init__: server settings _version
__main__: cli instant
task:
errors:
untrusted:
origin:
_version:
"""
"""Folder or module at the top: all that it imports of the package, no more and no less."""

HTTPX = {
    "provider.environment",
    "provider.client",
    "provider.result_body",
    "provider.result_download",
    "provider.result_hosts",
    "server.notices",
    "server.oauth",
    "sandbox.cassette",
    "sandbox.faults",
    "sandbox.provider",
    "sandbox.serve",
}
SDK_FOLDERS = {"server", "cli.demo"}


PATHS = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}
"""Every module by its dotted name."""


@cache
def modules() -> dict[str, ast.Module]:
    """Every module, parsed when a test asks for them first."""
    return {name: ast.parse(path.read_text("utf-8")) for name, path in PATHS.items()}


def imported(tree: ast.Module) -> set[str]:
    """Every dotted name that a module imports, wherever it does so."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def ours(tree: ast.Module) -> set[str]:
    """The modules of the package that a module imports."""
    return {each.removeprefix(f"{PACKAGE}.") for each in imported(tree)} & PATHS.keys()


def room(name: str) -> str:
    """The folder of a module, or the module itself at the top."""
    return name.partition(".")[0]


@pytest.mark.slow
def test_folders_import_what_is_drawn_and_everything_drawn_is_imported() -> None:
    drawn: dict[str, set[str]] = {room(name): set() for name in PATHS}
    for name, tree in modules().items():
        drawn[room(name)] |= {room(each) for each in ours(tree)} - {room(name)}
    listed = {name: set(below.split()) for name, _, below in (line.partition(":") for line in ARROWS.split("\n") if line)}
    assert drawn == listed
    TopologicalSorter(drawn).prepare()  # raises CycleError: no two folders import each other, by whatever way


@pytest.mark.parametrize("folder", sorted({room(name) for name in PATHS if "." in name}))
def test_no_cycle_inside_a_folder(folder: str) -> None:
    inside = {
        name: {each for each in ours(tree) if room(each) == folder} for name, tree in modules().items() if room(name) == folder
    }
    TopologicalSorter(inside).prepare()


EDITIONS = "catalogue.editions"
"""One more edition is one more file there, and nothing else."""
FOLDERS = sorted({name.removesuffix(".__init__") for name in PATHS if name.endswith(".__init__")} - {EDITIONS})


def test_editions_are_loaded_by_name_and_imported_by_no_module() -> None:
    assert {name for name, tree in modules().items() if any(each.startswith(EDITIONS) for each in ours(tree))} == set()
    assert [name.removeprefix(f"{EDITIONS}.") for name in PATHS if name.startswith(f"{EDITIONS}.")][1:] == [
        f"edition_{name.replace('-', '_')}" for name in edition_names()
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_lists_its_modules_and_loads_none(folder: str) -> None:
    document, listing = modules()[f"{folder}.__init__"].body
    assert isinstance(document, ast.Expr)
    assert isinstance(listing, ast.Assign)
    there = {name.removeprefix(f"{folder}.").partition(".")[0] for name in PATHS if name.startswith(f"{folder}.")}
    assert ast.literal_eval(listing.value) == sorted(there - {"__init__"})


def test_top_level_is_a_page() -> None:
    tops = {room(name) for name in PATHS}
    folders = {room(name) for name in PATHS if "." in name}
    assert 8 <= len(folders) <= 13
    assert len(tops - folders) <= 8


@pytest.mark.parametrize(("library", "rooms"), [("httpx", HTTPX), ("mcp|mcp_types", SDK_FOLDERS)])
@pytest.mark.slow
def test_a_heavy_library_is_known_in_few_rooms(library: str, rooms: set[str]) -> None:
    found = {
        name for name, tree in modules().items() if set(library.split("|")) & {each.split(".")[0] for each in imported(tree)}
    }
    assert {name if name in rooms else room(name) for name in found} == rooms


@pytest.mark.parametrize("name", PATHS)
def test_modules_stay_under_500_lines_and_25_public_names(name: str) -> None:
    assert len(PATHS[name].read_text("utf-8").splitlines()) <= 500
    public = [
        node.name for node in modules()[name].body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    limit = 40 if name in {"errors", "tools.results"} else 25  # two modules are lists of classes
    assert len([each for each in public if not each.startswith("_")]) <= limit


@pytest.mark.slow
def test_functions_are_short() -> None:
    lengths = [
        ((node.end_lineno or 0) - node.body[0].lineno + 1, name, node.name)
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert max(lengths)[0] <= 40, max(lengths)
    assert statistics.median(length for length, *_ in lengths) <= 6
