"""Remedies for a value that a route does not take: the very call that makes it fit, or the way around."""

from __future__ import annotations

import json
import re
from typing import Any

from seedance_mcp.catalogue.facts import KIND_OF_FIELD, LIST_FIELDS, Model

_SHOWN_CHARS = 320
"""A longer text is no address that is repeated in a call."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+", re.IGNORECASE)
TASK = re.compile(r"(task:)?(?P<id>(vid|videos?|film|task|req)_[\w-]+)(#(?P<moment>first|last|[\d.]+))?")
"""A task id, which the provider writes in these ways, a film's id, or a frame as `upload_asset` takes one."""
OF_RULES = {"images_or_frames": " Keep one: first_image is how the video begins, images what is seen in it."}
"""The way out of a rule between fields that its words do not name."""
_IN_SHOTS = (
    " For a longer film make several shots: upload_asset of task:<id>#last is the next one's first_image; then join_videos "
    "once all are completed."
)


def of_length(value: Any, most_seconds: int) -> str:
    """Say how a film becomes longer than one video may be; empty for any other length."""
    try:
        return _IN_SHOTS if float(value) > most_seconds else ""
    except (TypeError, ValueError):
        return ""


def of_media(row: Model, field: str, value: str) -> str:
    """Give the call that turns a value of a media field into what the model's route takes."""
    task = TASK.fullmatch(value)
    return _frame_call(row, field, task) if task else _url_call(row, field, value)


def _url_call(row: Model, field: str, value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme in row.route.schemes.value and rest:
        return f" Put it into a list: {json.dumps([value])}." if field in LIST_FIELDS else ""
    if scheme == "asset":
        return " This route takes no assets: give the https:// URL itself."
    if not value or scheme.startswith("data:") or len(value) > _SHOWN_CHARS:
        return " Bring the file itself with upload_asset and put the reference it gives here."
    if rest and _SCHEME.fullmatch(scheme) and scheme.lower() not in {"https", "file"}:
        return " Only https:// URLs can be read: use the https:// address, or bring the file itself with upload_asset."
    named = {"reference": value, "model": row.name}
    source = {"source": value, "model": row.name, "kind": KIND_OF_FIELD[field]}
    tool, arguments = ("get_asset", named) if value.startswith("@") else ("upload_asset", source)
    call = json.dumps(arguments, ensure_ascii=False)
    return f" Call {tool} with {call} and put the reference it gives here."


def _frame_call(row: Model, field: str, task: re.Match[str]) -> str:
    """Give the call that turns a frame of a task's video into a reference."""
    kind = KIND_OF_FIELD[field]
    if kind != "image":
        call = json.dumps({"task_id": task["id"]})
        return f" Save its video by download_video with {call}, call upload_asset with the path, and put the reference here."
    moment = task["moment"] or ("first" if field == "last_image" else "last")
    call = json.dumps({"source": f"task:{task['id']}#{moment}", "model": row.name})
    return f" Call upload_asset with {call}: it brings that frame of the video; put the reference it gives here."
