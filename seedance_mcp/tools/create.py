"""The tool that pays: one video, priced, admitted, recorded, sent once."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from typing import Any

import anyio

from seedance_mcp.catalogue.editions import edition_2026_07
from seedance_mcp.catalogue.requests import VideoRequest, doubts_about
from seedance_mcp.errors import BudgetExceeded, LedgerUnusable, NotConfigured, OutcomeUnknown, SeedanceError
from seedance_mcp.money import gate
from seedance_mcp.money.prices import Estimate
from seedance_mcp.money.records import Record, new_request_id
from seedance_mcp.tools import views
from seedance_mcp.tools.arguments import CreateVideo
from seedance_mcp.tools.changes import publish_change, used_now
from seedance_mcp.tools.results import Next, Task
from seedance_mcp.tools.session import Caller, Session

log = logging.getLogger(__name__)


async def create_video(session: Session, arguments: CreateVideo, caller: Caller) -> Task:
    """Make one video: priced, guarded, written down, sent once, settled.

    Raises a refusal of ours or the provider's with nothing charged, and `OutcomeUnknown` when it may have been.
    """
    request, options = arguments.request, arguments.options
    await session.prices.refresh()
    estimate = session.prices.estimate(request, session.ledger.media_seconds)
    warnings = _warnings(request, estimate)
    if options.dry_run:
        return _would_send(session, request.to_body(), estimate, warnings)
    session.client.require_key()
    admission = gate.Gate(session.settings, session.ledger, session.now, caller.ask, caller.reply)
    record, new = await admission.admit(
        request, estimate, allow_duplicate=options.allow_duplicate, confirm_token=options.confirm_token
    )
    if not new:
        return session.view(record, [*warnings, _REPEATED]).model_copy(update={"deduplicated": True})
    with anyio.CancelScope(shield=True):  # a paid request that left is written down whatever the caller does
        record = await _send(session, record, request.to_body())
    return session.view(record, warnings)


_REPEATED = "The same request was made a short while ago and this is its task; allow_duplicate: true pays for another one."


def _obstacles(session: Session, estimate: Estimate) -> list[str]:
    """What would keep the request that a dry run has checked from being sent."""
    found: list[str] = []
    try:
        session.client.require_key()
    except NotConfigured:
        found.append("No key is set: it could not be sent before the operator sets SEEDANCE_API_KEY.")
    try:
        if session.settings.limits:
            gate.check_limits(session.settings, estimate.certain, session.ledger.spent(), session.now())
    except BudgetExceeded as refusal:
        found.append(f"It would be refused: {refusal.message}")
    return found


async def _send(session: Session, record: Record, body: dict[str, Any]) -> Record:
    request_id = record.request_id
    try:
        session.ledger.note_used(request_id, await used_now(session.client))
        task = await session.client.create_video(body)
    except Exception as failure:  # noqa: BLE001 - whatever it was, the request may have left
        error = failure if isinstance(failure, SeedanceError) else _unforeseen(failure)
        error.details["request_id"] = request_id
        if error.charged == "maybe":
            session.observer.answer_lost(record, error)
        with suppress(LedgerUnusable):  # what became of the money matters more than the book
            session.ledger.refuse(request_id, error)
            await publish_change(session, record)
        raise error from None
    try:
        session.ledger.update(request_id, task)
        return await publish_change(session, record)
    except LedgerUnusable as error:
        raise LedgerUnusable(
            f"The video is being made as task {task.task_id}, but that could not be written down. Keep this id and call "
            f"wait_for_video with it; do not create it again. {error.message}",
            charged="yes",
            request_id=request_id,
        ) from None


def _unforeseen(failure: Exception) -> OutcomeUnknown:
    where = "".join(traceback.format_tb(failure.__traceback__))  # its message could hold a prompt or a link
    log.error("%s while a request was on its way:\n%s", type(failure).__name__, where)
    return OutcomeUnknown(
        "An error inside seedance-mcp while the request was on its way: the operator finds more in its log. Do not send it "
        "again before get_balance tells whether money went.",
        charged="maybe",
    )


def _warnings(request: VideoRequest, estimate: Estimate) -> list[str]:
    found = doubts_about(request)
    if request.orientation and request.ratio:
        found.append("orientation has no effect: ratio wins over it.")
    return [*found, f"Estimate: {estimate.words}"]


def _would_send(session: Session, body: dict[str, Any], estimate: Estimate, warnings: list[str]) -> Task:
    """The answer to a dry run; what would be refused has no next call."""
    obstacles = _obstacles(session, estimate)
    question = ["The person would be asked to confirm the price first."] if gate.must_ask(session.settings, estimate) else []
    return Task(
        request_id=new_request_id(),
        model=body["model"],
        prompt=body["prompt"][: views.PROMPT_SHOWN_CHARS],
        status="unknown",
        estimated_cost=None if estimate.amount is None else float(estimate.amount),
        currency=edition_2026_07.CURRENCY,
        warnings=["Dry run: the request is valid, nothing was sent or charged.", *obstacles, *question, *warnings],
        dry_run=True,
        would_send=body,
        next=None if obstacles else Next(tool="create_video", arguments={"request": body}, after_seconds=0),
    )
