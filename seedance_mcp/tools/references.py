"""Holds the references of a request against what is known beyond their form: which are pages, and which were sent here."""

from __future__ import annotations

from collections.abc import Iterator

from seedance_mcp.catalogue.facts import KIND_OF_FIELD, LIST_FIELDS, MEDIA_FIELDS
from seedance_mcp.catalogue.requests import VideoRequest
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.media.urls import quoted, share_page
from seedance_mcp.money.records import Media
from seedance_mcp.tools.session import Session
from seedance_mcp.tools.views import iso


async def check_references(session: Session, request: VideoRequest) -> list[str]:
    """Name the references that nothing is known of though `upload_asset` makes such ones.

    Raises:
        InvalidRequest: The schema allows a reference that is known to be something else, or not to work.
    """
    unknown: list[str] = []
    for field, reference in references_of(request):
        if page := share_page(reference):
            raise _refused(field, reference, page, "an address of the file itself, or the reference that upload_asset gives")
        known = await session.ledger.media(reference)
        if known:
            _check_known(session, request, field, known)
        elif reference.startswith("asset://"):
            unknown.append(reference)
    return [_UNKNOWN.format(", ".join(map(quoted, dict.fromkeys(unknown))))] if unknown else []


_UNKNOWN = "Not brought from here, so nothing is known of it: {}. get_asset asks the provider for free whether it is there."


def references_of(request: VideoRequest) -> Iterator[tuple[str, str]]:
    """Give every media field with each of its references."""
    for field in MEDIA_FIELDS:
        value = getattr(request, field) or ()
        yield from ((field, each) for each in (value if field in LIST_FIELDS else (value,)) if each)


def _check_known(session: Session, request: VideoRequest, field: str, known: Media) -> None:
    """Raise `InvalidRequest` for a reference that is of another kind or review than the field takes, or has expired."""
    wanted, again = KIND_OF_FIELD[field], f"the reference that upload_asset gives with {request.model}"
    kind = f"{'a' if known.kind == 'video' else 'an'} {known.kind}"
    if known.kind != wanted:
        raise _refused(field, known.reference, f"{kind} that was sent from here", f"a reference of kind {wanted}")
    if known.review and known.review != request.route.review:
        routes = ", ".join(route.name for route in session.edition.reviewed_by(known.review))
        raise _refused(field, known.reference, f"{kind} that was reviewed for the route {routes} only", again)
    if known.expires_at and known.expires_at <= session.now():
        raise _refused(field, known.reference, f"{kind} whose URL expired at {iso(known.expires_at)}", again)


def _refused(field: str, reference: str, what: str, allowed: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} has the form that the schema asks for, but {quoted(reference)} is {what}; allowed: {allowed}. Nothing was "
        "sent.",
        field=field,
        allowed=allowed,
    )
