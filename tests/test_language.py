"""Docstrings speak the field's plain English: none of the first house's private words, no sentence without a subject."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import seedance_mcp

ROOT = Path(seedance_mcp.__file__).parent

HELD = ("server", "instant", "tools", "settings.py")
"""Folders and modules whose docstrings are held to the list."""

PRIVATE = {
    r"look(s|ed|ing)?": "poll, read, ask",
    r"floors?": "minimum poll interval",
    r"guests?": "principal",
    r"username": "principal",
    r"books?": "ledger",
    r"laps(e|es|ed|ing)": "expire",
    r"stale": "expired",
    r"unclear": "of unknown outcome",
    r"doubt(s|ed|ing)?": "conflicting source",
    r"cannot tell": "of unknown outcome",
    r"twins?": "duplicate",
    r"moods?": "fault",
    r"twists?": "fault",
    r"told|tell(s|ing)?": "report, message, description",
    r"(in|our|few) words": "message, description",
    r"persons?": "user",
    r"held": "reserved, kept",
}
"""A word of the first house, and what the field calls it."""
PATTERNS = {
    r"\A(Who|What|Whoever|Whatever)\b": "a sentence whose subject is 'who' or 'what'",
    r"\b(alone|so|of it)(?=[.,;:!?)]|\Z)": "a clause that ends on 'alone', 'so' or 'of it'",
}


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring, those below a constant too; without what stands in backticks."""
    for node in ast.walk(tree):
        for each in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) and isinstance(each.value.value, str):
                yield each.lineno, re.sub(r"`[^`]*`", "…", each.value.value)


def faults(text: str) -> list[str]:
    """What is wrong with one docstring, and what to write."""
    words = [
        f"{found[0]!r}: {better}" for word, better in PRIVATE.items() for found in [_found(rf"\b({word})\b", text)] if found
    ]
    return words + [why for pattern, why in PATTERNS.items() if re.search(pattern, text)]


def _found(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(pattern, text, re.IGNORECASE)


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] in HELD)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_hold_no_private_word_and_every_sentence_has_its_subject(path: Path) -> None:
    found = [(line, each) for line, text in docstrings(ast.parse(path.read_text("utf-8"))) for each in faults(text)]
    assert not found, "\n".join(f"{path.name}:{line}: {each}" for line, each in found)


@pytest.mark.parametrize(
    "text",
    [
        "Look at one task.",
        "The same open book.",
        "Who gives up takes no place.",
        "Says what is told.",
        "Media links live for days, and these alone.",
        "Make it so; then go on.",
        "One part of it, and the rest.",
        "A\nTWIN of a request.",
    ],
)
def test_a_private_word_and_a_missing_subject_are_found(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize(
    "text", ["Give the lookup table.", "Stay so long.", "Say what was wrong.", "Only one bookkeeper knows."]
)
def test_plain_sentences_pass(text: str) -> None:
    assert not faults(text)
