"""The URLs that the HTTP server hands out of itself: of saved videos, and for one upload; each is signed and expires.

A signature is made with a key in the data folder, over the path and the end of the URL: a URL opens one thing for a time, and
needs no token, since a player or `curl` has none.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import parse_qs, quote

from seedance_mcp.settings import Settings
from seedance_mcp.storage.dirfd import open_file_below
from seedance_mcp.storage.upload_files import Incoming as Incoming
from seedance_mcp.storage.upload_files import TooMuchKept as TooMuchKept
from seedance_mcp.storage.upload_files import UploadFiles, folder_of
from seedance_mcp.storage.video_names import ENDING, folder_name
from seedance_mcp.storage.video_store import VideoStore
from seedance_mcp.storage.whole_file import written

FILES, UPLOADS = "/files/", "/uploads/"
UPLOAD_SECONDS = 600.0
"""How long an upload may begin and end after its URL was handed out."""
UPLOAD = "upload:"
"""How the source of `upload_asset` begins that names an upload."""
_KEY_BYTES = 32
_EXPIRES = re.compile(r"[0-9]{1,12}")


class Link(NamedTuple):
    """A URL, and when it ends."""

    url: str
    expires_at: datetime


def lent(store: VideoStore, uri: str, seconds: float, now: datetime) -> Link | None:
    """Give the URL that a video store lends for so many seconds; `None` where it lends none."""
    url = store.link(uri, seconds)
    return Link(url, now + timedelta(seconds=seconds)) if url else None


class Links:
    """Makes and checks the URLs of one server."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        """Take the operator's settings and the clock."""
        self._settings, self._now = settings, now

    @cached_property
    def _key(self) -> bytes:
        return _kept_key(self._settings.ledger_dir)

    def of_video(self, path: Path, principal: str, address: str) -> Link | None:
        """Make the URL of a saved video; `None` where it does not lie in the folder that the principal's videos go to.

        Args:
            path: Where the video is kept.
            principal: Whose it is.
            address: How the caller reached this server, as `https://host`.
        """
        own = self._settings.output_dir.absolute()
        folder = folder_name(principal) if principal else ""
        if path.parent != own / folder or not is_plain(path.name):
            return None
        return self._signed(FILES + (f"{folder}/" if folder else "") + path.name, self._settings.link_seconds, address)

    def for_upload(self, principal: str, address: str) -> tuple[str, Link]:
        """Make the URL that one file can be sent to; gives the source that names it afterwards, too."""
        name = secrets.token_hex(16)
        return f"{UPLOAD}{name}", self._signed(f"{UPLOADS}{folder_of(principal)}/{name}", UPLOAD_SECONDS, address)

    def _signed(self, path: str, seconds: float, address: str) -> Link:
        expires = int(self._now().timestamp() + seconds)
        query = f"expires={expires}&signature={self._signature(path, expires)}"
        return Link(f"{self._settings.public_url or address}{quote(path)}?{query}", datetime.fromtimestamp(expires, UTC))

    def _signature(self, path: str, expires: int) -> str:
        digest = hmac.digest(self._key, f"{expires}\n{path}".encode("utf-8", "surrogateescape"), sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def fault(self, path: str, query: str) -> str:
        """Say why a request does not come under a URL of ours; empty for one that does.

        Args:
            path: The path of the request, without percent signs.
            query: Its query.
        """
        given = parse_qs(query, keep_blank_values=True, max_num_fields=2) if query.count("&") <= 1 else {}
        expires, signature = given.get("expires", [""]), given.get("signature", [""])
        if len(expires) != 1 or len(signature) != 1 or not _EXPIRES.fullmatch(expires[0]):
            return "This is no URL of this server."
        right = self._signature(path, int(expires[0])).encode()
        if not hmac.compare_digest(right, signature[0].encode("utf-8", "surrogateescape")):
            return "This is no URL of this server."
        if int(expires[0]) <= self._now().timestamp():
            return "This URL has expired: call the tool that gave it again."
        return ""

    def open_video(self, path: str) -> BinaryIO | None:
        """Open the video of a path that has no `fault`; `None` where there is none, or a link in its place."""
        *folders, name = path.removeprefix(FILES).split("/")
        if len(folders) > 1 or not all(map(is_plain, folders)) or not is_plain(name) or not name.endswith(ENDING):
            return None
        try:
            return open_file_below(self._settings.output_dir.absolute(), folders, name)
        except OSError:
            return None

    def uploads_at(self, path: str) -> tuple[UploadFiles, str]:
        """Give the folder and the name of the upload whose path has no `fault`."""
        folder, _, name = path.removeprefix(UPLOADS).partition("/")
        return UploadFiles(self._settings.ledger_dir, folder), name

    def uploads_of(self, principal: str) -> UploadFiles:
        """Give the uploads of a principal."""
        return UploadFiles(self._settings.ledger_dir, folder_of(principal))


def is_plain(name: str) -> bool:
    """Whether a name is that of an entry in a folder, and not hidden."""
    return bool(name) and not name.startswith(".") and not set(name) & set("/\\\0")


def _kept_key(folder: Path) -> bytes:
    """Read the key that all processes on this data folder sign with, and make it where there is none."""
    path = folder / "links.key"
    if not path.exists():
        with suppress(FileExistsError), written(path, replaces=False) as file:  # another process may be quicker
            file.write(secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()
