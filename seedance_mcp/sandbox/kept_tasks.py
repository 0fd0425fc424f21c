"""Keeps the tasks of an embedded sandbox in a folder, so that a restart or a second window knows them all."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT_SECONDS = 7 * 24 * 3600.0
"""A task is forgotten after this time, as upstream forgets."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_TASK_ID = re.compile(r"vid_[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class KeptTask:
    """The facts that are kept of a task; times are Unix time, in seconds."""

    task_id: str
    body: dict[str, Any]
    cost: float
    created_at: int
    starts_at: float
    ends_at: float
    failure: str | None


class TaskFolder:
    """A folder with one file for each task and one for each film; only its owner can read them."""

    def __init__(self, path: Path) -> None:
        """Make the folder and forget what is old; raises `OSError`."""
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        for file in path.iterdir():
            with suppress(OSError):  # another window may do the same
                if file.stat().st_mtime < time.time() - KEPT_SECONDS:
                    file.unlink()

    def keep(self, task: KeptTask) -> None:
        """Write a task."""
        fields = {name: getattr(task, name) for name in KeptTask.__slots__}
        self._write(f"{task.task_id}.json", json.dumps(fields).encode())

    def keep_film(self, task_id: str, film: bytes) -> None:
        """Write the film of a task."""
        self._write(f"{task_id}.mp4", film)

    def find(self, task_id: str) -> KeptTask | None:
        """Read a task; `None` where there is none of that id, or its file cannot be read."""
        content = self._read(task_id, "json")
        try:
            return None if content is None else KeptTask(**json.loads(content))
        except (ValueError, TypeError):
            return None

    def find_film(self, task_id: str) -> bytes | None:
        """Read the film of a task; `None` where there is none yet."""
        return self._read(task_id, "mp4")

    def spent(self) -> float:
        """Add up what all tasks cost."""
        tasks = [self.find(file.stem) for file in self._path.glob("*.json")]
        return sum(task.cost for task in tasks if task and not task.failure)

    def _read(self, task_id: str, ending: str) -> bytes | None:
        if not _TASK_ID.fullmatch(task_id):
            return None
        try:
            return (self._path / f"{task_id}.{ending}").read_bytes()
        except OSError:
            return None

    def _write(self, name: str, content: bytes) -> None:
        """Write a file that appears whole or not at all; a full disk costs only the memory of the task."""
        part = self._path / f".{secrets.token_hex(8)}"
        with suppress(OSError):
            with os.fdopen(os.open(part, _NEW, 0o600), "wb") as file:
                file.write(content)
            part.replace(self._path / name)
