"""The tool that spends money: one request, priced, admitted, recorded, and sent at most once."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime
from functools import partial

import anyio
import anyio.to_thread

from seedance_mcp.catalogue.requests import VideoRequest, disputes
from seedance_mcp.errors import (
    BudgetExceeded,
    InvalidRequest,
    LedgerAway,
    LedgerUnusable,
    NotConfigured,
    OutcomeUnknown,
    SeedanceError,
    place_of,
)
from seedance_mcp.money import gate
from seedance_mcp.money.policy import is_of_unknown_outcome
from seedance_mcp.money.prices import Estimate, billed_video
from seedance_mcp.money.records import JUDGED_AFTER_SECONDS, NewRequest, Record, Reservation
from seedance_mcp.task import ProviderTask
from seedance_mcp.tools import refusals
from seedance_mcp.tools.arguments import CreateVideo
from seedance_mcp.tools.beside import beside
from seedance_mcp.tools.changes import (
    judge_unknown,
    keep_awaiting,
    publish_change,
    reconcile_account,
    sharing_warnings,
    used_now,
)
from seedance_mcp.tools.observations import Observed, sentences
from seedance_mcp.tools.picture_shapes import cropped_pictures
from seedance_mcp.tools.prompt_places import empty_places
from seedance_mcp.tools.references import check_references
from seedance_mcp.tools.results import Next, Task
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.tools.tasks import poll_some, running_tasks
from seedance_mcp.tools.views import as_float, settling_pause_seconds

log = logging.getLogger(__name__)


async def create_video(session: Session, arguments: CreateVideo, caller: Caller) -> Task:
    """Make one video: price the request, pass the gate, record it, send it once, and record the answer.

    A duplicate gives the earlier request's task, and a dry run the request that would be sent; neither sends anything.

    Raises:
        OutcomeUnknown: The request was sent and its answer was lost; it may have been charged.
        SeedanceError: We or the provider refused the request; `charged` says whether money went.
    """
    request = arguments.request
    if arguments.options.dry_run:
        estimate, warnings = await _priced(session, request)
        return _estimated(await _would_send(session, arguments, estimate, warnings), estimate)
    try:
        estimate, warnings = await _priced(session, request)
        session.client.require_key()
    except SeedanceError as refusal:  # the gate enters those that come later
        await refusals.enter(session, refusal, request.model)
        raise
    found = await _admitted(session, arguments, estimate, caller)
    if not found.is_new:
        told = _UNSETTLED if is_of_unknown_outcome(found.record) else _REPEATED
        return (await session.view(found.record, [*warnings, told])).model_copy(update={"deduplicated": True})
    record = found.record
    with anyio.CancelScope(shield=True):  # a request that was sent is recorded, whatever the caller does
        record = await _send(session, record, request)
    return _estimated(await _told(session, record, warnings), estimate)


async def _admitted(session: Session, arguments: CreateVideo, estimate: Estimate, caller: Caller) -> Reservation:
    """Pass the gate; where an equal request is of unknown outcome, learn its fate from the balance and pass again."""
    admission = gate.Gate(
        session.settings,
        session.ledger,
        session.now,
        session.shared.refusals,
        caller.ask,
        caller.reply,
        await _settle_what_can_be(session),
        session.principal,
    )
    labels = arguments.options.model_dump(include={"allow_duplicate", "confirm_token", "project", "take"})
    admit = partial(admission.admit, arguments.request, estimate, **labels)
    found = await admit()
    if found.is_new or not is_of_unknown_outcome(found.record) or not _is_quiet(session, found.record):
        return found
    await reconcile_account(session)
    return await admit()


async def _priced(session: Session, request: VideoRequest) -> tuple[Estimate, list[str]]:
    """Give the price of a request and the warnings about it; raises `SeedanceError` where it may not be sent at all."""
    _check_strictly(session, request)
    unknown = await check_references(session, request)
    await session.prices.refresh()
    reference = billed_video(request)
    billed = await session.ledger.media(reference) if reference else None
    estimate = session.prices.estimate(request, billed and billed.seconds)
    told = [*await _disputed(session, request), *_unlisted(session, request)]
    return estimate, [*unknown, *_warnings(request, estimate, told)]


def _check_strictly(session: Session, request: VideoRequest) -> None:
    """Refuse what a source disputes, where the operator wants that; raises `InvalidRequest`."""
    if session.settings.strict and (found := disputes(request)):
        name, disputed = found[0].field, [each.sentence for each in found]
        allowed = "what no source disputes (SEEDANCE_STRICT=1)"
        raise InvalidRequest(f"{' '.join(disputed)} Allowed: {allowed}. Nothing was sent.", field=name, allowed=allowed)


_REPEATED = "The same request was made a short while ago and this is its task; allow_duplicate: true pays for another video."

_UNSETTLED = (
    "The same request was sent before and its money is not settled: get_balance, or the operator with `seedance-mcp settle`, "
    "settles it; after the user agreed, allow_duplicate: true pays for another one."
)
REFRESH_MOST = 8
"""How many running tasks are polled before a create, the newest first."""
REFRESH_SECONDS = 5.0
"""How long they may take together."""


def _is_quiet(session: Session, record: Record) -> bool:
    """Say whether the balance can show by now that a request was not charged."""
    return (session.now() - record.created_at).total_seconds() >= JUDGED_AFTER_SECONDS


async def _settle_what_can_be(session: Session) -> gate.Drift | None:
    """Learn what earlier requests cost, and what the account used beyond that, where the operator set a limit."""
    ledger = session.ledger
    if not gate.limits_for(session.settings, await session.registration()):
        return None
    await _poll_unsettled(session)
    asked_at, used = session.now(), await used_now(session)
    await judge_unknown(session, used, asked_at)
    return None if used is None else gate.drift_of(used, await ledger.used_before(), await ledger.spent())


async def _poll_unsettled(session: Session) -> None:
    """Poll the newest tasks whose cost is not known; one that cannot be polled stays as it was."""
    running = await running_tasks(session, REFRESH_MOST)
    unsettled = [record for record in running if record.task_id and record.settled is None]
    with anyio.move_on_after(REFRESH_SECONDS):
        await poll_some(session, unsettled[:REFRESH_MOST], REFRESH_MOST)


async def _obstacles(session: Session, estimate: Estimate) -> list[str]:
    """Name what would stop the request of a dry run from being sent."""
    found: list[str] = []
    try:
        session.client.require_key()
    except NotConfigured as refusal:
        found.append(f"It cannot be sent: {refusal.message}")
    try:
        drift = await _settle_what_can_be(session)
        gate.check_limits(session.settings, estimate, await session.ledger.spent(), session.now(), drift)
    except BudgetExceeded as refusal:
        found.append(f"It would be refused: {refusal.message}")
    return found


async def _send(session: Session, record: Record, request: VideoRequest) -> Record:
    """Send a request and write down the task that it got; a request that got none is written down as failed."""
    request_id = record.request_id
    try:
        await session.ledger.mark_sending(request_id, await used_now(session))
        task = await _post(session, request_id, request)
    except SeedanceError as error:
        await _note_failure(session, record, request, error)
        raise
    except Exception as failure:  # whatever it was, the request may have been sent
        error = _unforeseen(failure)
        await _note_failure(session, record, request, error)
        raise error from failure
    try:
        after = await _write_down(session, request_id, task)
    except LedgerUnusable as error:
        _keep_unwritten(session, request_id, task)
        raise LedgerUnusable(
            f"The video is being made as task {task.task_id}, but the ledger could not be written. Keep this id and call "
            f"wait_for_video with it; do not create the video again. {error.message}",
            charged="yes",
            request_id=request_id,
        ) from error
    await _observe(session, request, accepted=True)
    return await publish_change(session, record, after)


async def _note_failure(session: Session, record: Record, request: VideoRequest, error: SeedanceError) -> None:
    """Write down that a request got no task, and report it to the observer."""
    error.details["request_id"] = record.request_id
    if error.charged == "maybe":
        session.observer.answer_lost(record, error)
    with suppress(LedgerUnusable):  # that money may have gone matters more than a ledger that cannot be written
        await publish_change(session, record, await session.ledger.fail(record.request_id, error))
    if isinstance(error, InvalidRequest) and not error.details.get("cause"):
        await _observe(session, request, accepted=False)


RENEW_SECONDS = 15.0
"""How often this process says that it still awaits an answer."""


async def _post(session: Session, request_id: str, request: VideoRequest) -> ProviderTask:
    """Send the request, and say in the ledger that its answer is awaited for as long as it is."""
    session.shared.awaiting[request_id] = session.ledger
    try:
        async with beside(partial(_renew, session)):
            return await session.client.create_video(request.to_body(), request.route.path)
    finally:
        del session.shared.awaiting[request_id]


async def _renew(session: Session) -> None:
    while True:
        await anyio.sleep(RENEW_SECONDS)
        with suppress(LedgerUnusable):
            await keep_awaiting(session)


def _keep_unwritten(session: Session, request_id: str, task: ProviderTask) -> None:
    """Keep a paid task in this process, until a call for it finds the ledger usable, and name it to the operator."""
    session.shared.unwritten[task.task_id or ""] = session.principal, request_id, task
    log.error("Request %s was made as task %s, which could not be written down", request_id, task.task_id)


WRITE_PAUSES_SECONDS = (0.1, 0.5, 2.0)
"""How long to wait between two tries to write down what was paid."""


async def _write_down(session: Session, request_id: str, task: ProviderTask) -> Record:
    """Keep a task that was paid; a ledger that cannot be written for a moment is tried again, unless it tried long enough."""
    for pause_seconds in WRITE_PAUSES_SECONDS:
        try:
            return await session.ledger.observe(request_id, task)
        except LedgerAway:
            raise
        except LedgerUnusable:
            await anyio.sleep(pause_seconds)
    return await session.ledger.observe(request_id, task)


async def _told(session: Session, record: Record, warnings: list[str]) -> Task:
    """Give the result of a request that was paid; an error of ours is never reported as if nothing had been charged."""
    try:
        return await session.view(record, [*warnings, *await sharing_warnings(session, record)])
    except Exception as failure:
        _log_unforeseen(failure)
        raise OutcomeUnknown(
            f"The video is being made as task {record.task_id}, and an error inside seedance-mcp keeps its result back. Call "
            "wait_for_video with this id; do not create it again.",
            charged="yes",
            request_id=record.request_id,
        ) from failure


def _unforeseen(failure: Exception) -> OutcomeUnknown:
    _log_unforeseen(failure)
    return OutcomeUnknown(
        "A bug inside seedance-mcp showed while the request was under way: the operator finds its place in the log. Do not "
        "send the request again before get_balance shows whether money went.",
        charged="maybe",
    )


def _log_unforeseen(failure: Exception) -> None:
    log.error("%s while a request was under way:\n%s", type(failure).__name__, place_of(failure))


async def _disputed(session: Session, request: VideoRequest) -> list[str]:
    """Say what sources dispute, or what this account showed about it."""
    found = disputes(request)
    known = await anyio.to_thread.run_sync(session.shared.observations.read) if found else {}
    return sentences(found, request.model, known)


async def _observe(session: Session, request: VideoRequest, *, accepted: bool) -> None:
    """Keep what the provider did with disputed values; a refusal shows something only where one value is disputed."""
    found = {each.field: each.asked for each in disputes(request)}
    if not found or (len(found) > 1 and not accepted):
        return
    day = f"{session.now():%Y-%m-%d}"
    seen = [Observed(request.model, field, value, accepted, day) for field, value in found.items()]
    await anyio.to_thread.run_sync(session.shared.observations.note, seen)


def _unlisted(session: Session, request: VideoRequest) -> list[str]:
    """Say that the provider's price list names a model no longer."""
    if session.prices.is_listed(request.row) is not False:
        return []
    as_of = session.prices.live_as_of
    return [f"{request.model}: the provider's price list of {as_of} does not name it. It may be retired: ask the user first."]


def _warnings(request: VideoRequest, estimate: Estimate, told: list[str]) -> list[str]:
    found = [*_availability(request), *empty_places(request), *told]
    if request.orientation and request.ratio:
        found.append("orientation has no effect: ratio wins over it.")
    return [*found, *([] if estimate.amount is not None else [estimate.message])]


def _estimated(task: Task, estimate: Estimate) -> Task:
    """Put what the estimate is made of beside the cost; an unknown one is among the warnings."""
    return task.model_copy(update={"estimate": estimate.message if estimate.amount is not None else None})


def _availability(request: VideoRequest) -> list[str]:
    """Say that a model may not be there any more, or only stands on a page of its own."""
    stated = request.row.availability
    if stated is None or stated.value == "listed":
        return []
    source = request.edition.sources[stated.source]
    told = {"documented": gate.ONLY_DOCUMENTED, "delisted": "the provider lists it no longer: it may be retired"}
    return [f"{request.model}: {told[stated.value]} ({source})."]


async def _would_send(session: Session, arguments: CreateVideo, estimate: Estimate, warnings: list[str]) -> Task:
    """Give the result of a dry run, with the prompt in one place; a request that would be refused has no next call."""
    body, options = arguments.request.to_body(), arguments.options
    earlier, cropped = await _earlier(session, arguments), await cropped_pictures(session.ledger, arguments.request)
    obstacles = await _obstacles(session, estimate)
    question = (
        ["The user would be asked to confirm the price first."]
        if gate.must_ask(
            session.settings,
            estimate,
            arguments.request,
            await session.registration(),
            is_refused=await session.ledger.is_refused(gate.fingerprint(arguments.request)),
        )
        else []
    )
    return Task(
        request_id=NewRequest(body, "", None).request_id,
        model=body["model"],
        status="unknown",
        estimated_cost=as_float(estimate.amount),
        currency=session.edition.currency,
        warnings=[
            _DRY_RUN if obstacles else f"{_DRY_RUN} {_HOW_TO_SEND}",
            *obstacles,
            *_told_earlier(session, earlier),
            *question,
            *cropped,
            *warnings,
        ],
        dry_run=True,
        would_send=body,
        project=options.project,
        take=options.take,
        next=None if obstacles else _next(earlier, session.now(), allow_duplicate=options.allow_duplicate),
    )


_DRY_RUN = "Dry run: the request is valid, nothing was sent or charged."
_HOW_TO_SEND = "The same call with the changes of next makes the video."


async def _earlier(session: Session, arguments: CreateVideo) -> Record | None:
    """Find the request that this one would duplicate."""
    name = gate.fingerprint(arguments.request, arguments.options.take)
    return await session.ledger.duplicated(name, session.settings.dedupe_seconds)


def _told_earlier(session: Session, earlier: Record | None) -> list[str]:
    if earlier is None:
        return []
    age_seconds = max(0.0, (session.now() - earlier.created_at).total_seconds())
    made = f"The same request was made {age_seconds:.0f} s ago: {earlier.key} ({earlier.status})."
    return [f"{made} {_UNSETTLED if is_of_unknown_outcome(earlier) else _WOULD_REPEAT}"]


_WOULD_REPEAT = (
    "Without allow_duplicate it gives that task and pays nothing; allow_duplicate: true, as in next, pays for another."
)


def _next(earlier: Record | None, now: datetime, *, allow_duplicate: bool) -> Next:
    """Give what to change in the call of a dry run; money that is not settled is settled before more of it goes."""
    if earlier and is_of_unknown_outcome(earlier) and not allow_duplicate:
        return Next(tool="get_balance", arguments={}, after_seconds=settling_pause_seconds(earlier, now))
    again = {"allow_duplicate": True} if earlier or allow_duplicate else {}
    return Next(tool="create_video", arguments={"dry_run": False, **again}, after_seconds=0)
