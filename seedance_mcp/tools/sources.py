"""The sources of uploads: a URL, a frame of a finished video, or a local file, of which a part may be asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from seedance_mcp.errors import InvalidRequest
from seedance_mcp.media import urls
from seedance_mcp.tools import remedies

Shape = Literal["pad", "crop"]
"""How a picture gets another aspect: bars are added, or the edges are cut off."""
TASK = "task:"
_MOMENT = re.compile(r"first|last|\d{1,5}(\.\d{1,6})?")
_NAMED = re.compile(r"@[\w-]+")
_PART = re.compile(r"#(?P<options>(?:t=\d{1,5}(?:\.\d{1,6})?|pad|crop)(?:&(?:t=\d{1,5}(?:\.\d{1,6})?|pad|crop))*)$")


@dataclass(frozen=True, slots=True)
class FrameSource:
    """One frame of the video of a task."""

    task_id: str
    moment: str
    """`first`, `last`, or seconds from the first frame."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A local file, and which part of it is wanted where it is too long or has another aspect."""

    path: str
    start_seconds: float = 0.0
    shape: Shape = "pad"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """An address that the provider reads by itself."""

    url: str


def read_source(source: str, fit: str) -> FrameSource | FileSource | UrlSource:
    """Read a source; raises `InvalidRequest` for a moment or a part that cannot be read, and for the name of anything else."""
    if source.startswith(TASK):
        return _frame(source)
    if urls.is_url(source):
        return UrlSource(source)
    if task := remedies.TASK.fullmatch(source):
        raise _no_source(source, "the id of a task", f"task:{task['id']}#first, #last or #<seconds>, for a frame of its video")
    if _NAMED.fullmatch(source):
        raise _no_source(source, "the name of an asset", "a path or an https:// URL; get_asset gives the reference of a name")
    return _file(source, fit)


def _no_source(source: str, what: str, allowed: str) -> InvalidRequest:
    told = f"source was {urls.quoted(source)}, {what}; allowed: {allowed}. Nothing was sent."
    return InvalidRequest(told, field="source", allowed=allowed)


def _frame(source: str) -> FrameSource:
    task_id, _, moment = source.removeprefix(TASK).partition("#")
    if task_id and _MOMENT.fullmatch(moment):
        return FrameSource(task_id, moment)
    allowed = "task:<task_id>#first, #last or #<seconds>, for example task:vid_1#2.5"
    raise _no_source(source, "which names no frame", allowed)


def _file(source: str, fit: str) -> FileSource:
    part = _PART.search(source)
    if part is None:
        return FileSource(source)
    if fit != "trim":
        raise InvalidRequest(
            f"source ends with {part.group()}, and fit was {fit}; allowed: a part only with fit: trim. Nothing was sent.",
            field="fit",
            allowed="trim",
        )
    options = part["options"].split("&")
    start = next((float(each[2:]) for each in options if each.startswith("t=")), 0.0)
    return FileSource(source[: part.start()], start, "crop" if "crop" in options else "pad")
