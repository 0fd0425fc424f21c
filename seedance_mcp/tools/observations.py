"""Keeps what became of values that the sources dispute, with the day, in the data folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from seedance_mcp.catalogue.requests import Dispute
from seedance_mcp.untrusted import sanitize

FILE = "observed.jsonl"
"""One observation a line; the last one about a value counts."""


class Key(NamedTuple):
    """A value of a field for one model, as JSON."""

    model: str
    field: str
    value: str


class Observed(NamedTuple):
    """The end of a request with a disputed value: it was accepted or refused."""

    model: str
    field: str
    value: Any
    accepted: bool
    on: str
    """The day, UTC."""

    @property
    def key(self) -> Key:
        """The value that it is about."""
        return Key(self.model, self.field, json.dumps(self.value))

    @property
    def sentence(self) -> str:
        """The observation as warnings and notes write it."""
        what = "accepted" if self.accepted else "refused"
        return f"{self.field} {self.key.value}: observed {sanitize(self.on, 10)}, the provider {what} it with this account."


class Observations:
    """The observations of one data folder; every method may wait for the disk and raises nothing."""

    def __init__(self, folder: Path) -> None:
        """Keep them in a folder, which is made at the first one."""
        self._path = folder / FILE

    def read(self) -> dict[Key, Observed]:
        """Give the last observation of each value; a line that cannot be read is left out."""
        found: dict[Key, Observed] = {}
        with suppress(OSError, UnicodeDecodeError):
            for line in self._path.read_text("utf-8").splitlines():
                with suppress(ValueError, TypeError):
                    each = Observed(**json.loads(line))
                    found[each.key] = each
        return found

    def note(self, seen: Iterable[Observed]) -> None:
        """Keep observations that say something new; one line is written at once, so that processes do not mix theirs."""
        known = self.read()
        fresh = [each for each in seen if each.key not in known or known[each.key].accepted is not each.accepted]
        if not fresh:
            return
        lines = "".join(json.dumps(each._asdict(), ensure_ascii=False) + "\n" for each in fresh)
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(lines.encode())


def sentences(disputes: Sequence[Dispute], model: str, known: dict[Key, Observed]) -> list[str]:
    """Give what was observed of each disputed value, or the sentences of its sources where nothing was."""
    found = [known.get(Key(model, each.field, json.dumps(each.asked))) for each in disputes]
    told = (seen.sentence if seen else each.sentence for each, seen in zip(disputes, found, strict=True))
    return list(dict.fromkeys(told))
