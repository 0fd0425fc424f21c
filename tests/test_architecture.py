"""The floors of the house: who may import whom, to the letter; and how large anything may grow."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

import seedance_mcp

ROOT = Path(seedance_mcp.__file__).parent
PACKAGE = "seedance_mcp"

FLOORS = """
errors:
instant:
facts:
catalog: facts
schemas: catalog facts
results:
portable:
mp4:
measures:
folders:
arguments: catalog errors facts portable results schemas
profiles: arguments catalog facts portable schemas
wire: errors results
pricing: errors facts schemas wire
waiting: errors
config: errors
store: errors
records: results
ledger: errors records results store wire
client: errors wire
fetch: config errors wire
saving: errors folders
sheet: errors
guard: arguments catalog client config errors ledger pricing records schemas wire
media: arguments catalog errors facts folders measures mp4
assets: arguments client errors facts wire
views: catalog facts pricing profiles records results waiting wire
prompts: arguments catalog errors facts portable profiles views
jsonc: errors
clients:
install: clients config errors jsonc
handover: instant
oauth: client config
demo:
__main__: cli instant
sandbox.__init__:
sandbox.judge: catalog facts
sandbox.moods:
sandbox.provider: catalog sandbox.judge sandbox.moods
sandbox.film: catalog
sandbox.serve: sandbox.film sandbox.moods sandbox.provider
looks:
app: client config fetch guard ledger looks pricing records results views
player: app catalog config
caller: app guard
sessions: caller instant
handles: caller results
subscriptions: caller records
uploads: app arguments assets catalog errors facts media records results views waiting
tools: app arguments catalog errors facts guard pricing records results schemas views waiting wire
resources: app arguments catalog errors facts pricing records tools views wire
downloads: app arguments errors fetch records results saving sheet tools waiting
toolbox: app arguments downloads player portable profiles results tools uploads
server: app caller catalog config errors handles handover instant player prompts resources results sandbox.serve subscriptions toolbox tools
__init__: config server
doctor: app catalog config errors ledger pricing server wire
transports: app config errors oauth server sessions
bundle: errors toolbox
cli: bundle clients config demo doctor errors install instant ledger resources sandbox.serve server transports
"""
"""Module: all that it imports of the package, no more and no less."""

HTTPX = {"client", "fetch", "oauth", "sandbox.moods", "sandbox.provider", "sandbox.serve"}
SDK = {
    "caller",
    "demo",
    "handles",
    "handover",
    "oauth",
    "player",
    "prompts",
    "server",
    "subscriptions",
    "toolbox",
    "transports",
}


def modules() -> dict[str, ast.Module]:
    found = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(ROOT.rglob("*.py"))}
    return {name: ast.parse(path.read_text("utf-8")) for path, name in found.items()}


MODULES = modules()


def imported(tree: ast.Module) -> set[str]:
    """Every dotted name that a module imports, wherever it does so."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_every_arrow_is_listed_and_every_listed_arrow_is_there() -> None:
    drawn = {
        name: {each.removeprefix(f"{PACKAGE}.") for each in imported(tree)} & set(MODULES) for name, tree in MODULES.items()
    }
    listed = {name: set(below.split()) for name, _, below in (line.partition(":") for line in FLOORS.split("\n") if line)}
    assert drawn == listed


def test_the_arrows_go_down_only() -> None:
    order = [line.partition(":")[0] for line in FLOORS.split("\n") if line]
    order.sort(key=lambda name: not name.startswith("sandbox"))
    for name, tree in MODULES.items():
        for below in {each.removeprefix(f"{PACKAGE}.") for each in imported(tree)} & set(MODULES):
            assert order.index(below) < order.index(name) or name.startswith("sandbox") or name == "__main__", (name, below)


@pytest.mark.parametrize(("library", "rooms"), [("httpx", HTTPX), ("mcp|mcp_types", SDK)])
def test_a_heavy_library_is_known_in_few_rooms(library: str, rooms: set[str]) -> None:
    assert {
        name for name, tree in MODULES.items() if set(library.split("|")) & {each.split(".")[0] for each in imported(tree)}
    } == rooms


@pytest.mark.parametrize("name", MODULES)
def test_modules_stay_under_350_lines(name: str) -> None:
    assert len((ROOT / f"{name.replace('.', '/')}.py").read_text("utf-8").splitlines()) < 350


def test_functions_are_short() -> None:
    lengths = [
        ((node.end_lineno or 0) - node.body[0].lineno + 1, name, node.name)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert max(lengths)[0] <= 40, max(lengths)
    assert statistics.median(length for length, *_ in lengths) <= 6
