"""Holds the references of a request against what is known beyond their form: which are pages, and which were sent here."""

from __future__ import annotations

from collections.abc import Iterator

from seedance_mcp.catalogue.facts import KIND_OF_FIELD, LIST_FIELDS, MEDIA_FIELDS
from seedance_mcp.catalogue.requests import VideoRequest
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.media.urls import quoted, share_page
from seedance_mcp.money.ledger import Ledger


async def check_references(ledger: Ledger, request: VideoRequest) -> None:
    """Raise `InvalidRequest` for a reference that the schema allows and that is known to be something else."""
    for field, reference in _references(request):
        if page := share_page(reference):
            raise _refused(field, reference, page, "an address of the file itself, or the reference that upload_asset gives")
        if KIND_OF_FIELD[field] != "video" and await ledger.media_seconds(reference) is not None:
            raise _refused(field, reference, "a video that was sent from here", f"a reference of kind {KIND_OF_FIELD[field]}")


def _references(request: VideoRequest) -> Iterator[tuple[str, str]]:
    for field in MEDIA_FIELDS:
        value = getattr(request, field) or ()
        yield from ((field, each) for each in (value if field in LIST_FIELDS else (value,)) if each)


def _refused(field: str, reference: str, what: str, allowed: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} has the form that the schema asks for, but {quoted(reference)} is {what}; allowed: {allowed}. Nothing was "
        "sent.",
        field=field,
        allowed=allowed,
    )
