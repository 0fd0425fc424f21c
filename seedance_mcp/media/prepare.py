"""Makes a file fit a route: says whether it has to change, and has the child change it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio.to_thread

from seedance_mcp.catalogue.facts import Bound, Model, UploadLimits
from seedance_mcp.errors import FileRejected
from seedance_mcp.media.decoder import Unreadable, is_installed
from seedance_mcp.media.formats import NAMES
from seedance_mcp.media.long_jobs import Report, make
from seedance_mcp.media.probe import DEMUXERS, MediaFile, check_bounds, probe, unaccepted
from seedance_mcp.media.sizes import Target
from seedance_mcp.storage.scratch_folder import scratch_folder

Fit = Literal["convert", "trim", "none"]
"""How much of a file may change: what nobody sees, also what is cut and its aspect, or nothing."""
_PICTURES = {"jpg", "png", "gif", "webp", "bmp", "heic", "heif", "avif", "tiff", "jp2", "ico"}
"""Formats of still pictures that the child can make JPEG or PNG."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The wishes of a caller for a file."""

    fit: Fit = "convert"
    start_seconds: float = 0.0
    shape: str = "pad"
    """How another aspect is made, where that may be: `pad` or `crop`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that may be sent, and a description of each change."""

    file: MediaFile
    changes: list[str]


def must_change(found: MediaFile, model: Model, limits: UploadLimits, wish: Wish) -> bool:
    """Return whether a file cannot be sent to a route as it is, or shall not.

    Raises:
        FileRejected: The provider does not take its format, and it cannot be converted here.
    """
    form = found.content.form
    is_taken = form.ending in limits.all_endings
    if not is_taken and not _is_convertible(found):
        raise unaccepted(form, limits)
    if found.content.damage or not _is_convertible(found):
        return False
    is_cut = wish.fit == "trim" and wish.start_seconds > 0
    return not is_taken or found.content.is_peculiar or is_cut or bool(check_bounds(found, model)) or _too_large(found, limits)


def _too_large(found: MediaFile, limits: UploadLimits) -> bool:
    return found.size_bytes > limits.max_bytes


def _is_convertible(found: MediaFile) -> bool:
    name = NAMES[found.content.form.title]
    return is_installed() and name in (_PICTURES if found.kind == "image" else DEMUXERS)


@asynccontextmanager
async def prepared(
    found: MediaFile, model: Model, limits: UploadLimits, wish: Wish, report: Report
) -> AsyncGenerator[Prepared]:
    """Change a file until it fits; the new one is gone afterwards.

    Raises:
        FileRejected: It cannot be made to fit as was asked for; the message says what helps.
    """
    if wish.fit == "none" or not must_change(found, model, limits, wish):
        yield Prepared(found, [])
        return
    with scratch_folder() as folder:
        made = await _made(found, _argument(found, model, limits, wish, folder / "file"), report)
        output = folder / f"file.{made['ending']}"
        again = await anyio.to_thread.run_sync(open_made, output, Path(found.name), limits)
        with again.file:
            yield Prepared(again, made["changes"])


def _argument(found: MediaFile, model: Model, limits: UploadLimits, wish: Wish, output: Path) -> dict[str, Any]:
    """Give what the child needs to know."""
    target = Target.of([*model.route.bounds_of(found.kind), Bound("bytes", 1, limits.max_bytes)])
    name = NAMES[found.content.form.title]
    common = {"title": found.content.form.title, "target": target.as_json(), "shape": wish.shape if wish.fit == "trim" else ""}
    if found.kind == "image":
        return {**common, "format": name, "output": str(output)}
    return {
        **common,
        "format": DEMUXERS[name],
        "kind": found.kind,
        "output": str(output),
        "start_seconds": wish.start_seconds,
        "may_cut": wish.fit == "trim",
        "known_seconds": None if found.content.header_seconds else found.seconds,  # pictures may begin late, and last less
    }


async def _made(found: MediaFile, argument: dict[str, Any], report: Report) -> dict[str, Any]:
    job = "still" if found.kind == "image" else "moving"
    try:
        return await make(job, json.dumps(argument), found.file, report)
    except (Unreadable, OSError) as error:
        title = found.content.form.title
        raise FileRejected(f"{title[0].upper()}{title[1:]} {error}. Nothing was sent.", field="source") from error


def open_made(path: Path, name: Path, limits: UploadLimits) -> MediaFile:
    """Open a file of our own, which is to be closed; raises `FileRejected` where the provider would not take it."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        found = probe(file, name, limits, digest, file.seek(0, os.SEEK_END))
        stack.pop_all()
        return found
