"""The player in the chat (MCP Apps): one page that shows a task, and the content security policy of that page."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import mcp_types as types
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID, ResourceCsp

from seedance_mcp.settings import is_loopback
from seedance_mcp.tools.session import Session

EXTENSION = EXTENSION_ID
URI = "ui://seedance/task.html"

REMEMBERED = 20
"""How many of the newest videos are read for the hosts that results come from."""
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?", re.ASCII)

Meta = dict[str, Any]


SHOWN: Meta = {"ui": {"resourceUri": URI}}
"""The metadata of a tool whose result the page shows."""
SHOWN_NOT_CALLED: Meta = {"ui": {"resourceUri": URI, "visibility": ["model"]}}
"""The same for a tool that the page must not call, since it spends money."""


async def read(session: Session) -> types.ReadResourceResult:
    """Give the page for one caller: it may load videos only from the hosts that the caller's results came from."""
    hosts = await result_hosts(session)
    csp = ResourceCsp(connect_domains=[], resource_domains=hosts).model_dump(by_alias=True, exclude_none=True)
    page = types.TextResourceContents(
        uri=URI, mime_type=APP_MIME_TYPE, text=_page(hosts), _meta={"ui": {"csp": csp, "prefersBorder": True}}
    )
    return types.ReadResourceResult(contents=[page], ttl_ms=0, cache_scope="private")


async def result_hosts(session: Session) -> list[str]:
    """Give the origins of videos: the provider's own, and those of the newest results, since an account may have its own."""
    base_url = session.settings.base_url
    usual = [_origin(base_url)] if is_loopback(base_url) else [_origin(base_url), *session.edition.result_hosts.value]
    records = (await session.ledger.page("completed", REMEMBERED)).records
    seen = [record.video_url or "" for record in records]
    saved = [record.saved.uri for record in records if record.saved][:1]  # every URL of one store has the same host
    own = [link for link in seen if link.startswith("https:")] + [_lent(session, uri) for uri in saved]
    origins = [*usual, *map(_origin, own)]
    return list(dict.fromkeys(filter(None, origins)))


def _lent(session: Session, uri: str) -> str:
    """Give a URL that the video store lends, whose host the page may load from; an empty text where it lends none."""
    return session.video_store.link(uri, session.settings.link_seconds) or ""


def _origin(link: str) -> str:
    """Give scheme, host and port; an empty text where a policy could read them as more than one host."""
    parts = urlsplit(link)
    origin = f"{parts.scheme}://{parts.netloc.lower()}"
    return origin if _ORIGIN.fullmatch(origin) else ""


def _page(hosts: list[str]) -> str:
    """Give the page with its policy: its one script, its one style, videos of these hosts, and nothing else."""
    from seedance_mcp.tools.gallery_page import content_policy  # noqa: PLC0415 - most sessions show no page

    text = files("seedance_mcp.server").joinpath("task.html").read_text("utf-8")
    return text.replace("{policy}", content_policy(text, media=" ".join(hosts) or "'none'"))
