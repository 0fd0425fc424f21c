"""Where an answer may hold the link of the finished video, each place with the witness that it is written there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from seedance_mcp.provider.status_words import RELAYS, UPSTREAM
from seedance_mcp.untrusted import read_link, sanitize

PROVIDER = "the provider's query page, and its first real answers"
OLDEST = "the provider's oldest query page, without an envelope"


class Place(NamedTuple):
    """One place in the data of an answer."""

    path: str
    """The names on the way, separated by dots; 0 is the first entry of a list."""
    witness: str


PLACES = (
    Place("result.video_url", PROVIDER),
    Place("video_url", OLDEST),
    Place("content.video_url", UPSTREAM),
    Place("result.url", RELAYS),
    Place("result.video_urls.0", RELAYS),
    Place("result.videos.0.url", RELAYS),
    Place("result.videos.0.video_url", RELAYS),
    Place("result.videos.0", RELAYS),
    Place("result.video.url", RELAYS),
    Place("result.0.video_url", RELAYS),
    Place("result.0.url", RELAYS),
    Place("result.0", RELAYS),
    Place("result", RELAYS),
    Place("video_urls.0", RELAYS),
    Place("videos.0.url", RELAYS),
    Place("videos.0.video_url", RELAYS),
    Place("data.video_url", RELAYS),
    Place("output.video_url", RELAYS),
    Place("url", RELAYS),
    Place("output.0", RELAYS),
    Place("output", RELAYS),
)
"""In the order in which they are tried: the first usable link counts.

A bare output comes last: it may be a file's name or kind beside the link, which would be read as a path.
"""

_PATH = re.compile(r"[^\s:]*/[^\s:]*|[^\s:/]+\.(mp4|mov|webm)(\?\S*)?", re.IGNORECASE)
"""A path below the provider's own host, as older servers gave it; a word such as "ok" is none."""


class Found(NamedTuple):
    """The result of a search."""

    link: str | None
    """An absolute URL, or `None` where there is no usable one."""
    warnings: list[str]
    """A message for the user about what was left out."""


def find_link(data: dict[str, Any], base_url: str) -> Found:
    """Find the first usable link of an answer.

    Args:
        data: The answer's data.
        base_url: The provider's address, which a path belongs to; a plain `http://` link is usable only where this is one.
    """
    schemes, left_out = {"https", urlsplit(base_url).scheme}, list[str]()
    for text in _texts(data):
        is_path, link = _PATH.fullmatch(text) and not text.startswith("//"), read_link(text, base_url)
        scheme = urlsplit(link).scheme if link and (is_path or ":" in text or text.startswith("//")) else ""
        if link and scheme in schemes:
            return Found(link, [])
        left_out.append(_told(link if scheme == "http" else None))
    return Found(None, left_out[:1])


def _told(plain: str | None) -> str:
    if plain is None:
        return "The provider gave a link that is not https, or no usable link, and was left out."
    return (
        "The provider gave a link that is not https. It is not fetched, since anybody on the way could exchange the video; "
        f'show it to the user, who may open it: "{sanitize(plain, len(plain) + 1)}".'
    )


def _texts(data: dict[str, Any]) -> Iterator[str]:
    """Give every text that stands where a link may stand, each once."""
    found = (_at(data, place.path.split(".")) for place in PLACES)
    yield from dict.fromkeys(text for text in found if isinstance(text, str) and text.strip())


def _at(value: Any, path: list[str]) -> Any:
    """Give what stands at a path; `None` where the path leads nowhere."""
    for name in path:
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(name)
        elif isinstance(value, list) and name.isdecimal() and cast("list[Any]", value):
            value = cast("list[Any]", value)[int(name)]
        else:
            return None
    return value
