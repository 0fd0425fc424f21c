"""Results for callers over HTTP: what lies on the server's disk comes with a URL that they can open."""

from __future__ import annotations

from seedance_mcp.tools.links import Link, lent
from seedance_mcp.tools.results import Result, SavedTask, SavedVideo, Task
from seedance_mcp.tools.session import Session
from seedance_mcp.tools.views import iso


def reachable(session: Session, result: Result, address: str | None) -> Result:
    """Give a result with the URL of its saved video, where it has one and the caller is not on this machine without HTTP."""
    uri = result.saved_path if isinstance(result, Task) else result.path if isinstance(result, SavedVideo) else None
    link = _link(session, uri, address) if uri and address else None
    if link is None:
        return result
    if isinstance(result, SavedVideo):
        told = {"url": link.url, "expires_at": iso(link.expires_at), "location": link.url}
        return result.model_copy(update=told)
    facts = {name: getattr(result, name) for name in type(result).model_fields}
    return SavedTask.model_construct(**facts, saved_url=link.url, saved_url_expires_at=iso(link.expires_at))


def _link(session: Session, uri: str, address: str) -> Link | None:
    if path := session.video_store.path(uri):
        return session.shared.links.of_video(path, session.principal, address)
    return lent(session.video_store, uri, session.settings.link_seconds, session.now())
