"""URLs that an agent names as a source: which of them may be handed to the provider."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from seedance_mcp.catalogue.facts import Kind, UploadLimits
from seedance_mcp.errors import FileRejected, InvalidRequest

_SHOWN_CHARS = 200
"""How much of a source a refusal repeats."""


def is_url(source: str) -> bool:
    """Return whether a source is a URL; a `file://` URL is a path."""
    return bool(re.match(r"[a-z][a-z0-9+.-]+://", source, re.IGNORECASE)) and not source.lower().startswith("file://")


def check_url(source: str) -> str:
    """Give the URL back when it is `https://` with a host, and without user or blanks; raises `FileRejected` otherwise."""
    parts = _split(source)
    if parts.scheme != "https" or not parts.hostname or parts.username or re.search(r"\s", source):
        raise FileRejected(
            f"The URL {quoted(without_user(source))} cannot be used; allowed: https:// with a host, without user or blanks. "
            "Nothing was sent: use the https:// address, or download the file and give its path.",
            field="source",
            allowed="an https:// URL or a local path",
        )
    if page := share_page(source):
        raise FileRejected(
            f"The URL {quoted(source)} is {page}, and no media lies behind it. Nothing was sent: download the file, if the "
            "user may use it, and give its path, or use the address of the file itself.",
            field="source",
            allowed="an https:// URL of a file, or a local path",
        )
    return source


_PAGES: tuple[tuple[str, str, str], ...] = (
    (r"(.+\.)?(youtube\.com|youtu\.be|youtube-nocookie\.com)", r"/.", "a page of YouTube"),
    (r"(.+\.)?(tiktok|douyin)\.com", r"/.", "a page of TikTok"),
    (r"(drive|docs)\.google\.com", r"/(?!uc\b)", "a page of Google Drive"),
    (r"photos\.(google\.com|app\.goo\.gl)", r"/", "a page of Google Photos"),
    (r"(www\.)?dropbox\.com", r"/(?!.*[?&](dl|raw)=1)", "a page of Dropbox (with dl=1 in place of dl=0 it is the file)"),
    (r"(www\.)?(1drv\.ms|onedrive\.live\.com)", r"/", "a page of OneDrive"),
    (r"(www\.|share\.)?icloud\.com", r"/", "a page of iCloud"),
    (r"(www\.)?(wetransfer\.com|we\.tl)", r"/", "a page of WeTransfer"),
    (r"pan\.baidu\.com", r"/", "a page of Baidu Pan"),
    (r"(www\.|m\.)?(instagram|facebook|twitter|x|pinterest)\.com|fb\.watch|pin\.it", r"/.", "a page of a social network"),
    (r"(www\.|m\.)?(bilibili\.com|b23\.tv|vimeo\.com|xiaohongshu\.com)", r"/.", "a page of a video site"),
    (r"(www\.)?imgur\.com", r"/", "a page of Imgur"),
    (r"github\.com", r"/[^/]+/[^/]+/blob/(?!.*[?&]raw=true)", "a page of GitHub"),
)
"""Host, path and query of well-known pages that show a file and are none, and what each is."""


def share_page(url: str) -> str:
    """Say which well-known page a URL is, behind which no media lies; empty for any other URL."""
    parts = _split(url)
    path = f"{parts.path or '/'}?{parts.query}"
    host = (parts.hostname or "").lower()
    return next((what for hosts, paths, what in _PAGES if re.fullmatch(hosts, host) and re.match(paths, path)), "")


def _split(source: str) -> SplitResult:
    try:
        return urlsplit(source)
    except ValueError as error:
        raise FileRejected(
            f"{quoted(without_user(source))} is an invalid URL. Nothing was sent: check it.", field="source"
        ) from error


def quoted(source: str) -> str:
    """Repeat at most 200 characters of a source between quotation marks."""
    return f'"{source[:_SHOWN_CHARS]}"'


def without_user(url: str) -> str:
    """Leave a password out of a URL that is shown."""
    return re.sub(r"//[^/?#]*@", "//", url, count=1)


def kind_of_url(source: str, wanted: Kind | None, limits: UploadLimits) -> Kind:
    """Give the kind that was named, else the kind of the path's ending; raises `InvalidRequest` when neither says it."""
    ending = PurePosixPath(_split(source).path).suffix.lower().removeprefix(".")
    if found := wanted or limits.kind_of(ending):
        return found
    raise InvalidRequest(
        "The ending of the URL's path does not say what it is: name it with kind; allowed: image, video, audio. Nothing was "
        "sent.",
        field="kind",
        allowed="one of image, video, audio",
    )
