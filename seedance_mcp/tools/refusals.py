"""Enters refused calls of create_video in the audit, each kind once an hour, so that a flood of them fills no disk."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, cast

import anyio

from seedance_mcp.catalogue.requests import VideoRequest
from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.audit import Entry, RefusalKind
from seedance_mcp.tools.arguments import CreateOptions
from seedance_mcp.tools.session import Session


async def enter_unread(session: Session, refusal: SeedanceError, given: dict[str, Any]) -> None:
    """Enter that the arguments of a call could not be read, unless they ask for a dry run."""
    nested = given.get("request")
    request = cast("dict[str, Any]", nested) if isinstance(nested, dict) else given
    if not given.get("dry_run"):
        await enter(session, refusal, request.get("model"))


async def enter(session: Session, refusal: SeedanceError, model: object) -> None:
    """Enter a refusal that came before the request had a price; one that cannot be entered is a refusal all the same.

    Args:
        session: The caller.
        refusal: Why nothing was sent; its words may hold a prompt or a URL and are not entered.
        model: The model as the caller named it, which is entered where there is one of that name.
    """
    row = session.edition.find(model)
    kind = RefusalKind(session.principal, refusal.code, row.name if row else None, _known_field(session, refusal))
    detail = session.shared.refusals.detail(kind, anyio.current_time())
    if detail is None:
        return
    with suppress(SeedanceError):
        await session.ledger.enter(
            Entry(session.now(), kind.principal, "caller", "refused", kind.code, model=kind.model, detail=detail or None)
        )


def _known_field(session: Session, refusal: SeedanceError) -> str | None:
    """Give the field that was refused, where the name is one of ours and not the caller's words."""
    found = re.match(r"\w+", str(refusal.details.get("field", "")))
    known = {"request", *VideoRequest.model_fields, *CreateOptions.model_fields, *session.edition.option_names}
    return found.group() if found and found.group() in known else None
