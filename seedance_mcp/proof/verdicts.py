"""The verdict on each documented fact, and the report and cassette that it is written to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from seedance_mcp.proof.documented import EVERY, SOURCES, Asked, Documented
from seedance_mcp.proof.recorder import Exchange, Recorder

Word = Literal["confirmed", "contradicted", "unseen"]
CASSETTE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word that the answers give on one fact."""

    fact: Documented
    word: Word
    seen: str
    """The shape of the answer that contradicts it, or why nothing was seen; empty for a fact that is confirmed."""


def judge(recorder: Recorder, asked: Asked, facts: Sequence[Documented] = EVERY) -> list[Verdict]:
    """Give the verdict on each fact; one answer that contradicts outweighs all that confirm."""
    found = (_verdict(fact, recorder.of(fact.probe), asked) for fact in facts)
    return [replace(each, seen=recorder.without_secrets(each.seen)) for each in found]


def _verdict(fact: Documented, exchanges: list[Exchange], asked: Asked) -> Verdict:
    shown = [(fact.holds(each, asked), each) for each in exchanges]
    against = next((each for holds, each in shown if holds is False), None)
    if against:
        return Verdict(fact, "contradicted", against.description)
    if any(holds for holds, _ in shown):
        return Verdict(fact, "confirmed", "")
    return Verdict(fact, "unseen", exchanges[-1].description if exchanges else "not asked, or no answer came")


def rows_of(verdicts: Iterable[Verdict]) -> list[tuple[str, ...]]:
    """Give the rows of the report's table: fact, verdict, expectation, source, what was seen."""
    cells = ((each.fact.name, each.word, each.fact.expected, SOURCES[each.fact.source], each.seen) for each in verdicts)
    return [tuple(cell.replace("|", "/") for cell in row) for row in cells]


HEAD = ("Fact", "Verdict", "Expected", "Source", "Seen")


def summary(verdicts: Sequence[Verdict], recorder: Recorder) -> str:
    """Count the verdicts, and say where answers were none of the provider's."""
    count = Counter(each.word for each in verdicts)
    told = ", ".join(f"{count[word]} {word}" for word in ("confirmed", "contradicted", "unseen"))
    nonsense = sum(each.answer is None for each in recorder.exchanges)
    if not nonsense:
        return f"{told}."
    return (
        f"{told}. {nonsense} of {len(recorder.exchanges)} answers were no JSON: something other than the provider answered, "
        "such as a gateway on the way. Is SEEDANCE_BASE_URL right?"
    )


def cassette_of(recorder: Recorder, made_at: str, edition: str) -> str:
    """Write the exchanges as JSON without secrets, for the sandbox to replay."""
    content: dict[str, Any] = {
        "version": CASSETTE_VERSION,
        "made_at": made_at,
        "edition": edition,
        "exchanges": recorder.cassette(),
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
