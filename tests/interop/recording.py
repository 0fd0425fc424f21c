"""What a model behind a client was shown of tools, pictures and errors: facts taken from what the client sent to its model."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

SNAPSHOTS = Path(__file__).parents[1] / "server" / "snapshots" / "tools"
BOUNDS = {"minimum", "maximum", "maxItems", "maxLength"}
RULES = "dependentSchemas"
"""The rules between fields, which one client drops; every description says them, too."""
LIMITS_IN_WORDS = "4-12: full; 4-15: sp mini mini-sp std; 1-15: md fast-i2v"
DESCRIBED_BOUND = re.compile(rf"\b({'|'.join(BOUNDS)}): ([0-9.]+)")
CHARGED = re.compile(r"charged\W+(no|yes|maybe)\b")
JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Shown:
    """What a model gets to see in one client."""

    form: Literal["flat", "union"]
    """`union`: the fields of `create_video` are listed for each route; `flat`: once, with the limits of each route in words."""
    bounds: Literal["as numbers", "in descriptions", "stripped"]
    """Where the numeric bounds that the server lists stand: in the schemas, or in the description of each field."""
    picture: bool
    """Whether the preview comes as a picture to look at."""
    forms_over: tuple[str, ...]
    """The transports over which a request above the agreed price leads to a form; else the agent gets a token and is to ask."""
    about_chars: int
    """The size of the tools as the client sends them, in JSON."""
    letters: bool = False
    """Whether the preview comes as letters, which the model cannot look at and has to read."""

    def row(self) -> list[str]:
        """What the table in docs/clients.md says of it."""
        limits = "as numbers" if self.bounds == "as numbers" else "in words"
        asks = {"": "in the chat", "stdio": "by a form; over HTTP in the chat"}.get(" ".join(self.forms_over), "by a form")
        return [limits, "yes" if self.picture else "NO: as letters" if self.letters else "NO", asks, f"{self.about_chars:,}"]


def judge_recording(expected: Shown, record: dict[str, Any], transport: str) -> None:
    """Compare the recording of one run with what is expected of its client."""
    listed, snapshots = record["listed"], _snapshots(expected.form)
    bounds, described = _bounds(snapshots), _descriptions(listed)
    assert _bounds(listed) == (bounds if expected.bounds == "as numbers" else Counter())
    assert _enumerations(listed) == _enumerations(snapshots)
    assert _described_bounds(described) == (bounds if expected.bounds == "in descriptions" else Counter())
    assert {text for text in _descriptions(snapshots) if not any(each.startswith(text) for each in described)} == set()
    assert (LIMITS_IN_WORDS in described) is (expected.form == "flat")
    size_chars = len(json.dumps(listed, separators=(",", ":"), ensure_ascii=False))
    assert abs(size_chars - expected.about_chars) < expected.about_chars / 10, size_chars
    pictures = [_is_picture(text) for text in _strings(record["preview"]) if "/9j/" in text]
    assert pictures == [True] * expected.picture + [False] * expected.letters
    assert set(_charges(record["refused"])) == set(_charges(record["asked"])) == {"no"}
    asked = " ".join(_strings(record["asked"]))
    assert "confirmation_required" in asked
    assert ("confirm_token" in asked) is (transport not in expected.forms_over), asked


def _snapshots(form: str) -> list[dict[str, Any]]:
    """Give what the server lists: names, descriptions and input schemas."""
    files = (path for path in SNAPSHOTS.glob("*.json") if path.stem.partition(".")[2] in {"", form})
    tools = [json.loads(path.read_text("utf-8")) for path in files]
    return [{name: tool[name] for name in ("name", "description", "inputSchema")} for tool in tools]


def _fields(value: Any, skipped: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every name in a JSON value, however deep, with what it holds, but what is skipped; items have no name."""
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inner = list(cast("dict[str, Any]", value).items())
    elif isinstance(value, list):
        inner = [("", each) for each in cast("list[Any]", value)]
    for name, each in inner:
        if name not in skipped:
            yield name, each
            yield from _fields(each, skipped)


def _bounds(tools: Any) -> Counter[tuple[str, float]]:
    return Counter((name, value) for name, value in _fields(tools) if name in BOUNDS)


def _enumerations(tools: Any) -> Counter[tuple[str, ...]]:
    """Every list of a field's allowed values, which no client strips."""
    found = (value for name, value in _fields(tools, skipped=(RULES,)) if name == "enum")
    return Counter(tuple(value) for value in found)


def _described_bounds(descriptions: list[str]) -> Counter[tuple[str, float]]:
    """Read the bounds that a client took out of the schemas and put behind the descriptions."""
    found = (match for text in descriptions for match in DESCRIBED_BOUND.findall(text))
    return Counter((name, float(number)) for name, number in found)


def _descriptions(tools: Any) -> list[str]:
    """Every description, with dots for the ellipsis as one client writes it."""
    found = (value for name, value in _fields(tools) if name == "description" and isinstance(value, str))
    return [text.replace("…", "...") for text in found]


def _strings(value: Any) -> list[str]:
    return [text for _, text in _fields([value]) if isinstance(text, str)]


def _is_picture(text: str) -> bool:
    """Whether a text is nothing but a JPEG, as a client hands on what a model may look at."""
    try:
        return base64.b64decode(re.sub(r"\Adata:image/jpeg;base64,", "", text), validate=True).startswith(JPEG)
    except binascii.Error:
        return False


def _charges(shown: Any) -> list[str]:
    return [charge for text in _strings(shown) for charge in CHARGED.findall(text)]
