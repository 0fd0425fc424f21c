"""The tool that spends money: one request, priced, admitted, recorded, and sent at most once."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from typing import Any

import anyio

from seedance_mcp.catalogue.requests import VideoRequest, conflicting_sources
from seedance_mcp.errors import BudgetExceeded, LedgerUnusable, NotConfigured, OutcomeUnknown, SeedanceError
from seedance_mcp.money import gate
from seedance_mcp.money.prices import Estimate, billed_video
from seedance_mcp.money.records import NewRequest, Record
from seedance_mcp.tools import views
from seedance_mcp.tools.arguments import CreateVideo
from seedance_mcp.tools.changes import publish_change, used_now
from seedance_mcp.tools.results import Next, Task
from seedance_mcp.tools.session import Caller, Session

log = logging.getLogger(__name__)


async def create_video(session: Session, arguments: CreateVideo, caller: Caller) -> Task:
    """Make one video: price the request, pass the gate, record it, send it once, and record the answer.

    A duplicate gives the earlier request's task, and a dry run the request that would be sent; neither sends anything.

    Raises:
        OutcomeUnknown: The request was sent and its answer was lost; it may have been charged.
        SeedanceError: We or the provider refused the request; `charged` says whether money went.
    """
    request, options = arguments.request, arguments.options
    await session.prices.refresh()
    reference = billed_video(request)
    estimate = session.prices.estimate(request, await session.ledger.media_seconds(reference) if reference else None)
    warnings = _warnings(request, estimate)
    if options.dry_run:
        return await _would_send(session, request.to_body(), estimate, warnings)
    session.client.require_key()
    admission = gate.Gate(session.settings, session.ledger, session.now, caller.ask, caller.reply)
    found = await admission.admit(
        request, estimate, allow_duplicate=options.allow_duplicate, confirm_token=options.confirm_token
    )
    if not found.is_new:
        return (await session.view(found.record, [*warnings, _REPEATED])).model_copy(update={"deduplicated": True})
    record = found.record
    with anyio.CancelScope(shield=True):  # a request that was sent is recorded, whatever the caller does
        record = await _send(session, record, request.to_body())
    return await session.view(record, warnings)


_REPEATED = "The same request was made a short while ago and this is its task; allow_duplicate: true pays for another video."


async def _obstacles(session: Session, estimate: Estimate) -> list[str]:
    """Name what would stop the request of a dry run from being sent."""
    found: list[str] = []
    try:
        session.client.require_key()
    except NotConfigured:
        found.append("No key is set: the operator must set SEEDANCE_API_KEY before it can be sent.")
    try:
        if session.settings.limits:
            gate.check_limits(session.settings, estimate, await session.ledger.spent(), session.now())
    except BudgetExceeded as refusal:
        found.append(f"It would be refused: {refusal.message}")
    return found


async def _send(session: Session, record: Record, body: dict[str, Any]) -> Record:
    request_id = record.request_id
    try:
        await session.ledger.mark_sending(request_id, await used_now(session.client))
        task = await session.client.create_video(body)
    except Exception as failure:  # whatever it was, the request may have been sent
        error = failure if isinstance(failure, SeedanceError) else _unforeseen(failure)
        error.details["request_id"] = request_id
        if error.charged == "maybe":
            session.observer.answer_lost(record, error)
        with suppress(LedgerUnusable):  # that money may have gone matters more than a ledger that cannot be written
            await publish_change(session, record, await session.ledger.fail(request_id, error))
        if error is failure:
            raise
        raise error from failure
    try:
        return await publish_change(session, record, await session.ledger.observe(request_id, task))
    except LedgerUnusable as error:
        raise LedgerUnusable(
            f"The video is being made as task {task.task_id}, but the ledger could not be written. Keep this id and call "
            f"wait_for_video with it; do not create the video again. {error.message}",
            charged="yes",
            request_id=request_id,
        ) from error


def _unforeseen(failure: Exception) -> OutcomeUnknown:
    where = "".join(traceback.format_tb(failure.__traceback__))  # its message could hold a prompt or a signed URL
    log.error("%s while a request was under way:\n%s", type(failure).__name__, where)
    return OutcomeUnknown(
        "A bug inside seedance-mcp showed while the request was under way: the operator finds its place in the log. Do not "
        "send the request again before get_balance shows whether money went.",
        charged="maybe",
    )


def _warnings(request: VideoRequest, estimate: Estimate) -> list[str]:
    found = conflicting_sources(request)
    if request.orientation and request.ratio:
        found.append("orientation has no effect: ratio wins over it.")
    return [*found, f"Estimate: {estimate.message}"]


async def _would_send(session: Session, body: dict[str, Any], estimate: Estimate, warnings: list[str]) -> Task:
    """Give the result of a dry run; a request that would be refused has no next call."""
    obstacles = await _obstacles(session, estimate)
    question = ["The user would be asked to confirm the price first."] if gate.must_ask(session.settings, estimate) else []
    return Task(
        request_id=NewRequest(body, "", None).request_id,
        model=body["model"],
        prompt=body["prompt"][: views.PROMPT_SHOWN_CHARS],
        status="unknown",
        estimated_cost=None if estimate.amount is None else float(estimate.amount),
        currency=session.edition.currency,
        warnings=["Dry run: the request is valid, nothing was sent or charged.", *obstacles, *question, *warnings],
        dry_run=True,
        would_send=body,
        next=None if obstacles else Next(tool="create_video", arguments={"request": body}, after_seconds=0),
    )
