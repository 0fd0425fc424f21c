"""Replays answers that were recorded at a provider: the same question gets the same answers in the same order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

VERSION = 1
Question = tuple[str, str, bool, str]
"""Method, path, whether a wrong key was sent, and the JSON that was sent."""


@dataclass(slots=True)
class Cassette:
    """Recorded answers by question; the last one to a question is repeated."""

    answers: dict[Question, list[httpx.Response]]

    @staticmethod
    def read(path: Path) -> Cassette:
        """Read a file that `seedance-mcp verify` wrote; raises `OSError`, or `ValueError` for one of another form."""
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["version"] != VERSION:
                raise ValueError(f"version {content['version']}")
            found: dict[Question, list[httpx.Response]] = {}
            for each in content["exchanges"]:
                key = each["method"], each["path"], each["probe"] == "wrong_key", _written(each["sent"])
                found.setdefault(key, []).append(_answer(each))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no cassette of seedance-mcp verify ({error!r})") from error
        return Cassette(found)

    def answer(self, request: httpx.Request, sent: bytes, *, wrong_key: bool) -> httpx.Response | None:
        """Give the next recorded answer; `None` for a question that was not recorded."""
        is_json = "json" in request.headers.get("Content-Type", "")
        answers = self.answers.get((request.method, request.url.path, wrong_key, _written(_json(sent) if is_json else None)))
        if answers is None:
            return None
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _answer(exchange: dict[str, Any]) -> httpx.Response:
    if exchange["answer"] is None:
        return httpx.Response(exchange["status"], text=exchange["page"])
    return httpx.Response(exchange["status"], json=cast("dict[str, Any]", exchange["answer"]))


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _written(sent: Any) -> str:
    return json.dumps(sent, sort_keys=True)
