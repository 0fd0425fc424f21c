"""One more edition is one more file: an imaginary one with a changed number and a new model needs nothing else."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenWorld, no_film

from seedance_mcp.catalogue import edition as catalogue
from seedance_mcp.catalogue import editions
from seedance_mcp.catalogue.edition import edition_names, load_edition
from seedance_mcp.sandbox.judge import judge
from seedance_mcp.sandbox.provider import Sandbox
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import offered_edition

pytestmark = pytest.mark.anyio

IMAGINARY = '''"""An imaginary edition: STD up to 20 seconds, and a new model."""

from dataclasses import replace

from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.catalogue.facts import Fact, Model, Span

_OLD = load_edition("2026-09")
_STD = next(route for route in _OLD.routes if route.name == "std")
_NEW = replace(_STD, duration=Fact(Span(4, 20, 5), "pages-10"))
_KEPT = tuple(replace(model, route=_NEW) if model.route is _STD else model for model in _OLD.models)

EDITION = replace(
    _OLD,
    name="2026-10",
    sources={**_OLD.sources, "pages-10": "an imaginary page, October 2026"},
    routes=tuple(_NEW if route is _STD else route for route in _OLD.routes),
    models=(*_KEPT, Model("seedance2.0-std-next", "STD next", _NEW, "720p")),
)
'''

GOLDEN: list[tuple[dict[str, Any], str]] = [
    ({"model": "seedance2.0-std", "prompt": "a fox", "duration": 20}, "allowed"),
    ({"model": "seedance2.0-std", "prompt": "a fox", "duration": 21}, "refused"),
    ({"model": "seedance2.0-std-next", "prompt": "a fox", "duration": 20}, "allowed"),
    ({"model": "seedance2.0-std-next", "prompt": "a fox", "resolution": "1080p"}, "refused"),
]


@pytest.fixture
def imaginary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    (tmp_path / "edition_2026_10.py").write_text(IMAGINARY, "utf-8")
    monkeypatch.setattr(editions, "__path__", [*editions.__path__, str(tmp_path)])
    load_edition.cache_clear()
    before = load_edition()
    yield
    load_edition.cache_clear()
    sys.modules.pop("seedance_mcp.catalogue.editions.edition_2026_10", None)
    assert load_edition() is before


@pytest.mark.usefixtures("imaginary")
async def test_an_imaginary_edition_takes_one_file_and_golden_lines(open_world: OpenWorld) -> None:
    assert edition_names() == ("2026-07", "2026-09", "2026-10")
    new = offered_edition(Settings(edition="2026-10"))
    async with open_world(edition=new, sandbox=Sandbox(no_film, new)) as world:
        for request, verdict in GOLDEN:
            answer = await world.call("create_video", {"request": request, "dry_run": True})
            assert answer.is_error is (verdict == "refused"), request
            assert (judge(new, request) is not None) is (verdict == "refused"), request
        made = await world.call("create_video", {"request": GOLDEN[2][0]})
        done = await world.call("wait_for_video", {"task_id": made["task_id"]})
        row = (await world.call("list_models", {"model": "seedance2.0-std-next"}))["models"][0]
        limits = await world.client.read_resource("seedance://limits")
    assert done["status"] == "completed"
    assert (row["duration"]["max"], row["listed"]) == (20, True)
    assert "edition 2026-10" in str(limits)
    old = catalogue.load_edition("2026-09")
    async with open_world(edition=old) as world:
        refused = await world.call("create_video", {"request": GOLDEN[0][0], "dry_run": True})
    assert "The edition 2026-10 allows 4 to 20: set SEEDANCE_EDITION=2026-10" in refused.text
