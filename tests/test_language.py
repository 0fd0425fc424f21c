"""Docstrings speak the field's plain English: none of the first house's private words, no sentence without a subject."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import seedance_mcp

ROOT = Path(seedance_mcp.__file__).parent

PRIVATE = {
    r"look(s|ed|ing)?(?! (for|up)\b)": "poll, read, ask",
    r"floors?": "minimum poll interval",
    r"guests?|username": "principal",
    r"books?": "ledger",
    r"laps(e|es|ed|ing)": "expire",
    r"stale": "expired",
    r"unclear|cannot tell": "of unknown outcome",
    r"doubt(s|ed|ing)?": "conflicting source",
    r"twins?": "duplicate",
    r"moods?|twists?": "fault",
    r"told|tell(s|ing)?": "report, message, description",
    r"(in|our|few) words": "message, description",
    r"(?<!real )persons?": "user",
    r"held": "reserved, kept",
}
"""A word of the first house, and what the field calls it."""
NO_SUBJECT = re.compile(r"\A(Who|What|Whoever|Whatever)\b")
TRAILING = re.compile(r"\b(alone|so|of it)(?=[.,;:!?)]|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class Docstring:
    """A docstring, or the string below a constant or a field, without all that stands in backticks."""

    line: int
    text: str
    is_label: bool
    """Below a constant or a field, where a noun without a verb is enough."""


def docstrings(tree: ast.Module) -> Iterator[Docstring]:
    blocks = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in (node for node in ast.walk(tree) if isinstance(node, blocks)):
        for place, each in enumerate(node.body):
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) and isinstance(each.value.value, str):
                yield Docstring(each.lineno, re.sub(r"`[^`]*`", "…", each.value.value), is_label=place > 0)


def faults(text: str, *, is_label: bool = False) -> list[str]:
    """Say what is wrong with one docstring, and what to write."""
    words = {better: re.search(rf"\b({word})\b", text, re.IGNORECASE) for word, better in PRIVATE.items()}
    found = [f"{match[0]!r}: {better}" for better, match in words.items() if match]
    found += ["'Who' or 'What' is no subject"] if NO_SUBJECT.match(text) and not is_label else []
    return found + [f"a clause ends on {match[0]!r}" for match in TRAILING.finditer(text)]


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_hold_no_private_word_and_every_sentence_has_its_subject(path: Path) -> None:
    found = {
        f"{path.name}:{each.line}: {fault}"
        for each in docstrings(ast.parse(path.read_text("utf-8")))
        for fault in faults(each.text, is_label=each.is_label)
    }
    assert not found, "\n".join(sorted(found))


@pytest.mark.parametrize(
    "text",
    [
        "Look at one task.",
        "The same open book.",
        "Who gives up takes no place.",
        "Report what was told.",
        "Media links live for days, and these alone.",
        "Make it so; then go on.",
        "One part of it, and the rest.",
        "A\nTWIN of a request.",
    ],
)
def test_a_private_word_a_missing_subject_and_a_trailing_word_are_found(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize(
    "text", ["Give the lookup table.", "Look up a real person's name.", "Stay so long.", "Only one bookkeeper knows."]
)
def test_plain_sentences_pass(text: str) -> None:
    assert not faults(text)


def test_a_label_below_a_constant_may_be_a_noun() -> None:
    labels = list(docstrings(ast.parse('"""Do `look`."""\nSECONDS = 1\n"""What a poll costs."""\n')))
    assert [(each.line, each.is_label) for each in labels] == [(1, False), (3, True)]
    assert not [fault for each in labels for fault in faults(each.text, is_label=each.is_label)]
