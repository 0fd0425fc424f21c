"""Files of callers from elsewhere: the URL that one is sent to, and where its bytes are afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from seedance_mcp.errors import FileRejected
from seedance_mcp.media.signatures import recognise
from seedance_mcp.tools.links import UPLOAD
from seedance_mcp.tools.session import Session
from seedance_mcp.tools.views import iso

UPLOAD_MOST_BYTES = 512 << 20
"""The largest file that can be sent here: five times what the provider takes, since a video may be converted."""


def is_media(file: BinaryIO) -> bool:
    """Whether a file is a picture, a video or a sound by its content."""
    return recognise(file) is not None


def located(session: Session, path: str, roots: list[Path]) -> tuple[str, list[Path]]:
    """Give the path of a source and the folders that may be read for it; an upload lies in the caller's own folder of these.

    Raises:
        FileRejected: The source names no upload.
    """
    if not path.startswith(UPLOAD):
        return path, roots
    files = session.shared.links.uploads_of(session.principal)
    try:
        return str(files.path(path.removeprefix(UPLOAD))), [files.folder.resolve()]
    except FileNotFoundError as error:
        raise FileRejected(
            "source names no upload; allowed: upload:<id> as the answer to an upload gave it. Nothing was sent.",
            field="source",
        ) from error


def not_readable(session: Session, address: str) -> FileRejected:
    """Make the refusal of a path that this server does not read for a caller from elsewhere, with the URL to send the file to.

    It is the same whether or not there is such a file, and does not name the server's folders.
    """
    source, link = session.shared.links.for_upload(session.principal, address)
    expires_at = iso(link.expires_at)
    return FileRejected(
        "The server does not read the files of your machine, or has no such upload any more, and nothing was sent. Bring the "
        f"bytes: send the file by PUT to upload_url, once, before {expires_at} (image, video or audio of at most "
        f"{UPLOAD_MOST_BYTES >> 20} MB), for example: curl -T FILE '{link.url}' . Then make this call again with {source} in "
        "place of the path. An https:// URL works too.",
        field="source",
        upload_url=link.url,
        upload_source=source,
        upload_expires_at=expires_at,
    )
