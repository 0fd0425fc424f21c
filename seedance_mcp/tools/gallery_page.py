"""The gallery as HTML: one page with everything in it, made of rows of the ledger; no text of theirs becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from importlib.resources import files
from pathlib import PurePath
from urllib.parse import unquote

from seedance_mcp.catalogue.edition import Edition
from seedance_mcp.money import policy
from seedance_mcp.money.records import Record, Totals
from seedance_mcp.task import RUNNING
from seedance_mcp.tools.views import charge_of
from seedance_mcp.untrusted import UNSAFE

HEADING_CHARS = 90
"""A longer prompt is cut in its heading, and stands whole below it."""
NO_PROJECT = "No project"
STATUSES = {
    "saved": "Saved",
    "unsaved": "Finished, not saved",
    "running": "In the making",
    "failed": "Failed or cancelled",
    "unknown": "Outcome unknown",
}
"""What the page filters by, and its name."""
_SLOT = re.compile(r"\{(policy|renewal|written|summary|projects|models|statuses|videos)\}")
_RENEWED = re.compile(rb'<meta name="seedance-gallery" content="(once|renewed)">')
HEAD_BYTES = 2000
"""So much of a page says whether it is ours, and whether it is renewed."""
_POSTER = re.compile(rb' data-video="([0-9a-f]{64})" data-poster="([A-Za-z0-9+/]+={0,2})"')


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger, and what the disk has of its video."""

    record: Record
    link: str | None = None
    """The video's URL as seen from the page; `None` where its file is not there."""
    poster: str = ""
    """A small JPEG of its first frame, in base64."""

    @property
    def is_in_a_bucket(self) -> bool:
        """Whether it is saved, and not on a disk."""
        return self.record.saved is not None and "://" in self.record.saved.uri

    @property
    def status(self) -> str:
        """The key of its status in `STATUSES`."""
        if self.record.status == "completed":
            return "saved" if self.link or self.is_in_a_bucket else "unsaved"
        return "running" if self.record.status in RUNNING else "unknown" if self.record.status == "unknown" else "failed"


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts on the page about all its videos."""

    totals: Totals
    """Over all requests, also those that are too old for the page."""
    edition: Edition
    """Its currency, and how long the URLs of finished videos work."""
    now: datetime
    is_renewed: bool
    """Whether each saved video renews the page."""
    is_sandbox: bool


def content_policy(page: str, **sources: str) -> str:
    """Give the policy of a page: its one script, its one style, what is named besides, and nothing else.

    Args:
        page: The page, with a slot where the policy goes.
        sources: By kind of content, such as `media`: where it may come from.
    """
    more = "".join(f"{kind}-src {source}; " for kind, source in sources.items())
    return (
        f"default-src 'none'; script-src {inline_hash(page, 'script')}; style-src {inline_hash(page, 'style')}; "
        f"{more}base-uri 'none'; form-action 'none'"
    )


def inline_hash(text: str, tag: str) -> str:
    """Give the hash with which a policy lets one inline element pass."""
    inside = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"


def is_gallery(page: bytes) -> bool:
    """Return whether a page is one of ours."""
    return _RENEWED.search(page, 0, HEAD_BYTES) is not None


def is_renewed(page: bytes) -> bool:
    """Return whether each saved video renews a page."""
    found = _RENEWED.search(page, 0, HEAD_BYTES)
    return found is not None and found[1] == b"renewed"


def posters(page: bytes) -> dict[str, str]:
    """Give the posters in an earlier page, by the SHA-256 of their videos."""
    return {video.decode(): poster.decode() for video, poster in _POSTER.findall(page)}


def gallery_page(entries: Sequence[Entry], facts: Facts) -> bytes:
    """Write the page: projects, the newest first, and in each the takes of one prompt side by side."""
    text = files("seedance_mcp.tools").joinpath("gallery.html").read_text("utf-8")
    slots = {
        "policy": content_policy(text, img="data:", media="'self' file:"),
        "renewal": "renewed" if facts.is_renewed else "once",
        "written": _time(facts.now),
        "summary": _summary(entries, facts),
        "projects": _options(entry.record.project or NO_PROJECT for entry in entries),
        "models": _options(entry.record.model or "" for entry in entries),
        "statuses": "".join(f'<option value="{key}">{name}</option>' for key, name in STATUSES.items()),
        "videos": "\n".join(_project(name, found, facts) for name, found in _grouped_by_project(entries).items()),
    }
    return _SLOT.sub(lambda slot: slots[slot[1]], text).encode("utf-8", "replace")


def _text(text: str) -> str:
    """Give foreign text as HTML, also between quotation marks."""
    return escape(UNSAFE.sub(" ", text).strip())


def _time(at: datetime) -> str:
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M} UTC</time>'


def _coins(amount: Decimal, facts: Facts) -> str:
    return f"{amount.normalize():f} {_text(facts.edition.currency)}"


def _options(names: Iterable[str]) -> str:
    found = sorted({_text(name) for name in names if name})
    return "".join(f'<option value="{name}">{name}</option>' for name in found)


def _summary(entries: Sequence[Entry], facts: Facts) -> str:
    totals = facts.totals
    told = [f"{totals.count} requests", *([f"{totals.films} films"] if totals.films else [])]
    told += [f"{_coins(totals.charged, facts)} charged"]
    told += [f"{_coins(totals.reserved, facts)} reserved"] if totals.reserved else []
    unsaved = sum(entry.status == "unsaved" for entry in entries)
    told += [f"<strong>{unsaved} finished and not saved</strong>"] if unsaved else ["everything finished is saved"]
    told += [f"the newest {len(entries)} are shown"] if totals.count + totals.films > len(entries) else []
    told += ["<strong>sandbox: nothing is real, nothing is charged</strong>"] if facts.is_sandbox else []
    return " · ".join(told)


def _grouped_by_project(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.record.project or NO_PROJECT, []).append(entry)
    return found


def _project(name: str, entries: Sequence[Entry], facts: Facts) -> str:
    prompts: dict[str, list[Entry]] = {}
    for entry in entries:
        prompts.setdefault(" ".join((entry.record.prompt or entry.record.request_id).split()), []).append(entry)
    scenes = "\n".join(_scene(takes, facts) for takes in prompts.values())
    return (
        f'<section class="project" data-project="{_text(name)}">\n'
        f'<h2 dir="auto">{_text(name)}</h2>\n<div class="scenes">\n{scenes}\n</div>\n</section>'
    )


def _scene(takes: Sequence[Entry], facts: Facts) -> str:
    """Show one prompt and its takes side by side, in the order in which they were made."""
    prompt = takes[0].record.prompt or _name(takes[0].record)
    is_long = len(prompt) > HEADING_CHARS
    heading = _text(f"{prompt[:HEADING_CHARS].rstrip()}…" if is_long else prompt)
    whole = f'<details><summary>Whole prompt</summary><p dir="auto">{_text(prompt)}</p></details>' if is_long else ""
    videos = "\n".join(_video(entry, heading, number, facts) for number, entry in enumerate(reversed(takes), 1))
    many = " many" if len(takes) > 1 else ""
    return (
        f'<article class="scene{many}">\n<h3 dir="auto">{heading}</h3>{whole}\n<ul class="takes">\n{videos}\n</ul>\n</article>'
    )


def _name(record: Record) -> str:
    """Name what has no prompt."""
    if record.parts and record.saved:
        return f"Film: {PurePath(record.saved.uri).stem}"
    return "A video that was made elsewhere"


def _video(entry: Entry, heading: str, number: int, facts: Facts) -> str:
    record = entry.record
    take = f"Film of {len(record.parts)} clips" if record.parts else f"Take {record.take or number}"
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _lines(entry, facts) if value)
    return (
        f'<li class="video {entry.status}" data-status="{entry.status}" data-model="{_text(record.model or "")}">\n'
        f"{_stage(entry, f'{take}: {heading}')}\n"
        f'<p class="state"><span>{take}</span> <span class="badge">{STATUSES[entry.status]}</span></p>\n'
        f"<dl>{lines}</dl>\n</li>"
    )


def _stage(entry: Entry, label: str) -> str:
    """Show the player of a saved video, and for any other one its end or its state."""
    if entry.link and entry.record.saved:
        poster = (
            f' data-video="{_text(entry.record.saved.sha256)}" data-poster="{_text(entry.poster)}"' if entry.poster else ""
        )
        return f'<video controls playsinline preload="none" src="{_text(entry.link)}"{poster} aria-label="{label}"></video>'
    return f'<p class="stage">{_reason(entry)}</p>'


def _reason(entry: Entry) -> str:
    record, key = entry.record, f"<code>{_text(entry.record.key)}</code>"
    if entry.status == "running":
        return f"{record.progress} % when this page was written"
    if entry.status == "unknown":
        return "The answer was lost: ask for get_balance before anything is made again"
    if entry.status == "failed":
        return _text(record.error or record.status)
    if entry.is_in_a_bucket:
        return "Kept in the bucket: no player can reach it from this page"
    gone = "Its file is not there any more. " if record.saved else ""
    if record.parts:
        return f"{gone}Ask in the chat to join its clips again, which is free"
    return f"{gone}Ask in the chat to save it: download_video {key}"


def _lines(entry: Entry, facts: Facts) -> list[tuple[str, str]]:
    record, ends = entry.record, ""
    if entry.status == "unsaved" and record.completed_at and not record.parts:
        lives = timedelta(seconds=facts.edition.url_lifetime_seconds_of(record.model))
        ends = _time(record.completed_at + lives)
    return [
        ("Made", _time(record.created_at)),
        ("Model", _text(record.model or "")),
        ("Length", f"{record.duration} s" if record.duration else ""),
        ("Clips", " ".join(f"<code>{_text(part)}</code>" for part in record.parts)),
        ("Their cost" if record.parts else "Cost", _cost(record, facts)),
        ("Link until", ends),
        ("File", f"<code>{_text(unquote(entry.link or record.saved.uri).removeprefix('./'))}</code>" if record.saved else ""),
        ("Film" if record.parts else "Task", f"<code>{_text(record.key)}</code>"),
    ]


def _cost(record: Record, facts: Facts) -> str:
    charged = charge_of(record)
    if charged is not None:
        return _coins(charged, facts)
    reserved = policy.spent(record)
    return f"about {_coins(reserved, facts)}, estimated" if reserved else "none known"
