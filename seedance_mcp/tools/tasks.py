"""What an agent calls: each tool a plain function from checked arguments to a result."""

from __future__ import annotations

import logging
import re
import traceback
from contextlib import suppress
from decimal import Decimal
from typing import Any

import anyio

from seedance_mcp.catalogue.editions import edition_2026_07
from seedance_mcp.catalogue.facts import Model
from seedance_mcp.catalogue.requests import VideoRequest, doubts_about
from seedance_mcp.errors import (
    BudgetExceeded,
    InvalidRequest,
    LedgerUnusable,
    NotConfigured,
    OutcomeUnknown,
    SeedanceError,
    TaskNotFound,
)
from seedance_mcp.money import gate
from seedance_mcp.money.prices import Estimate
from seedance_mcp.money.records import Record, new_request_id
from seedance_mcp.polling.schedule import Meter, wait
from seedance_mcp.provider.envelope import read_amount, read_number, stranger
from seedance_mcp.tools import views
from seedance_mcp.tools.arguments import (
    CreateVideo,
    GetTask,
    ListModels,
    ListTasks,
    NoArguments,
    WaitForVideo,
    find_model,
)
from seedance_mcp.tools.results import (
    FINAL,
    RUNNING,
    AccountBalance,
    Balance,
    KeyBalance,
    ModelList,
    Next,
    Spending,
    Task,
    TaskList,
)
from seedance_mcp.tools.session import App, Caller

log = logging.getLogger(__name__)

_ID = re.compile(r"[\w:-][\w.:-]{0,199}", re.ASCII)
"""What a task id looks like that did not come from the provider itself."""
LAPSES_SOON_SECONDS = 24 * 3600
"""list_tasks names what is not saved when its link has less than this to live."""
LOOKS_AT_ONCE = 4
"""Running tasks that list_tasks looks at side by side."""


async def list_models(app: App, arguments: ListModels, caller: Caller) -> ModelList:
    """Give the models that fit every filter; raises `InvalidRequest` for a filter that no model could fit."""
    found = [find_model(arguments.model)] if arguments.model else list(edition_2026_07.MODELS)
    for name, known in (("route", _ROUTES), ("resolution", _RESOLUTIONS)):
        wanted = getattr(arguments, name)
        if wanted is not None and wanted not in known:
            allowed = f"one of {', '.join(known)}"
            raise InvalidRequest(f'{name} was "{wanted}"; allowed: {allowed}.', field=name, allowed=allowed)
    await app.prices.refresh()
    return views.list_of_models(
        [model for model in found if _fits(model, arguments)],
        app.prices,
        with_schema=arguments.model is not None,
        sandbox=app.settings.sandbox,
    )


_ROUTES = tuple(route.name for route in edition_2026_07.ROUTES)
_RESOLUTIONS = tuple(dict.fromkeys(size for model in edition_2026_07.MODELS for size in views.resolutions(model)))


def _fits(model: Model, wanted: ListModels) -> bool:
    return (
        wanted.route in {None, model.route.name}
        and (wanted.resolution is None or wanted.resolution in views.resolutions(model))
        and all(model.takes(what) for what in wanted.takes or ())
    )


async def create_video(app: App, arguments: CreateVideo, caller: Caller) -> Task:
    """Make one video: priced, guarded, written down, sent once, settled.

    Raises a refusal of ours or the provider's with nothing charged, and `OutcomeUnknown` when it may have been.
    """
    request, options = arguments.request, arguments.options
    await app.prices.refresh()
    estimate = app.prices.estimate(request, app.ledger.media_seconds)
    warnings = _warnings(request, estimate)
    if options.dry_run:
        return _would_send(app, request.to_body(), estimate, warnings)
    app.client.require_key()
    admission = gate.Gate(app.settings, app.ledger, app.now, caller.ask, caller.reply)
    record, new = await admission.admit(request, estimate, options)
    if not new:
        return app.view(record, [*warnings, _REPEATED]).model_copy(update={"deduplicated": True})
    with anyio.CancelScope(shield=True):  # a paid request that left is written down whatever the caller does
        record = await _send(app, record, request.to_body())
    return app.view(record, warnings)


_REPEATED = "The same request was made a short while ago and this is its task; allow_duplicate: true pays for another one."


def _obstacles(app: App, estimate: Estimate) -> list[str]:
    """What would keep the request that a dry run has checked from being sent."""
    found: list[str] = []
    try:
        app.client.require_key()
    except NotConfigured:
        found.append("No key is set: it could not be sent before the operator sets SEEDANCE_API_KEY.")
    try:
        if app.settings.limits:
            gate.check_limits(app.settings, estimate.certain, app.ledger.spent(), app.now())
    except BudgetExceeded as refusal:
        found.append(f"It would be refused: {refusal.message}")
    return found


async def _send(app: App, record: Record, body: dict[str, Any]) -> Record:
    request_id = record.request_id
    try:
        app.ledger.note_used(request_id, await gate.used_now(app.client))
        task = await app.client.create_video(body)
    except Exception as failure:  # noqa: BLE001 - whatever it was, the request may have left
        error = failure if isinstance(failure, SeedanceError) else _unforeseen(failure)
        error.details["request_id"] = request_id
        log.warning("create_video %s on %s: %s, charged: %s", request_id, body["model"], error.code, error.charged)
        with suppress(LedgerUnusable):  # what became of the money matters more than the book
            app.ledger.refuse(request_id, error)
            await _publish_change(app, record)
        raise error from None
    log.info("create_video %s on %s: task %s", request_id, body["model"], task.task_id)
    try:
        app.ledger.update(request_id, task)
        return await _publish_change(app, record)
    except LedgerUnusable as error:
        raise LedgerUnusable(
            f"The video is being made as task {task.task_id}, but that could not be written down. Keep this id and call "
            f"wait_for_video with it; do not create it again. {error.message}",
            charged="yes",
            request_id=request_id,
        ) from None


async def _publish_change(app: App, before: Record) -> Record:
    """The row as it is now; whoever listens is told if that is another state (a link that was signed anew is none)."""
    after = app.ledger.reread(before)
    if _state(before) != _state(after):
        with anyio.CancelScope(shield=True):  # no later look would find a change to tell
            await app.publish(after)
    return after


def _state(record: Record) -> tuple[Any, ...]:
    return record.task_id, record.status, record.progress, record.cost, record.evidence


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


def _would_send(app: App, body: dict[str, Any], estimate: Estimate, warnings: list[str]) -> Task:
    """The answer to a dry run; what would be refused has no next call."""
    obstacles = _obstacles(app, estimate)
    question = ["The person would be asked to confirm the price first."] if gate.must_ask(app.settings, estimate) else []
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


async def get_task(app: App, arguments: GetTask, caller: Caller) -> Task:
    """Look at one task; raises `TaskNotFound`."""
    return await look(app, app.ledger.find(arguments.task_id), arguments.task_id)


async def look(app: App, known: Record | None, task_id: str) -> Task:
    """Ask the provider about a task, unless the ledger knows that there is nothing to ask or it was asked just now."""
    if known and (known.task_id is None or known.status in FINAL - {"completed"}):
        return app.view(known)
    if known is None and (app.principal or not _ID.fullmatch(task_id) or app.ledger.belongs_elsewhere(task_id)):
        raise TaskNotFound("No such task here: give the task_id of create_video or list_tasks.")
    key = known.task_id if known and known.task_id else task_id
    async with app.looks.turn(key, patient=known is None) as due:
        known = app.ledger.find(key)  # as the look of another caller left it
        return app.view(known) if known and not due else await _look(app, known, key)


async def _look(app: App, known: Record | None, task_id: str) -> Task:
    try:
        seen = await app.client.get_task(task_id)
    except TaskNotFound:
        if known is None:
            raise
        why = "the embedded sandbox forgets when its process ends" if app.settings.sandbox else "yet, or any more"
        return app.view(known, [f"The provider does not know this task ({why}): this is what the ledger holds."])
    record = known or app.ledger.adopt(task_id, seen.created_at)
    app.ledger.update(record.request_id, seen)
    return app.view(await _publish_change(app, record), seen.warnings)


async def wait_for_video(app: App, arguments: WaitForVideo, caller: Caller) -> Task:
    """Look until the task is final or the time is up; a wait that runs out is no error."""
    meter = Meter()

    async def tell(task: Task) -> None:
        await caller.report(meter.rise(task.progress), f"{task.status} {task.progress} %")

    def pause(task: Task) -> float:
        if task.task_id is None:  # its create is still under way: the ledger alone can tell
            return app.settings.floor_seconds
        wanted = task.next.after_seconds if task.next else 0.0
        return app.looks.seconds_until(task.task_id, wanted, task.elapsed_seconds or 0.0)

    return await wait(
        lambda: get_task(app, arguments, caller),
        lambda task: task.status not in RUNNING,
        tell,
        pause,
        timeout_seconds=arguments.timeout_seconds,
        seen=_seen_before(app, arguments.task_id),
    )


def _seen_before(app: App, task_id: str) -> Task | None:
    known = app.ledger.find(task_id)
    return app.view(known) if known else None


async def list_tasks(app: App, arguments: ListTasks, caller: Caller) -> TaskList:
    """Give the newest tasks of the ledger; `refresh` looks at all that run and at the balance first."""
    if arguments.refresh:
        await _refresh(app)
    records, total = app.ledger.list(arguments.status, arguments.limit)
    lifetime_seconds = edition_2026_07.LINK_LIFETIME_SECONDS
    lapsing = app.ledger.lapsing(lifetime_seconds - LAPSES_SOON_SECONDS, lifetime_seconds)
    return TaskList(tasks=[app.view(record) for record in records], total=total, warnings=views.lapsing(lapsing))


async def _refresh(app: App) -> None:
    """Look at every running task, a few at a time; one that cannot be looked at stays as it was."""
    places = anyio.CapacityLimiter(LOOKS_AT_ONCE)

    async def look_at(record: Record) -> None:
        async with places:
            with suppress(SeedanceError):
                await look(app, record, record.request_id)

    async with anyio.create_task_group() as group:
        for record in (*app.ledger.list("queued")[0], *app.ledger.list("processing")[0]):
            group.start_soon(look_at, record)
        group.start_soon(_reconcile, app)


async def _reconcile(app: App) -> None:
    """Look at the balance where an answer was lost."""
    if app.ledger.unclear():
        await _judge(app, await gate.used_now(app.client))


async def _judge(app: App, used: Decimal | None) -> list[Record]:
    """Judge lost answers by what the account has used, as far as that is told; gives those that stay unclear."""
    lost = app.ledger.unclear()
    unclear = lost if used is None else gate.reconcile(app.ledger, lost, used, app.now())
    for record in lost:
        await _publish_change(app, record)
    return unclear


async def get_balance(app: App, arguments: NoArguments, caller: Caller) -> Balance:
    """Look at the account and the key, and judge requests whose answer was lost by what they say."""
    account, key = await app.client.get_user_balance(), await app.client.get_key_balance()
    unclear = await _judge(app, read_amount(account.get("used_coin")))
    spent, day = app.ledger.spent(), app.settings.max_cost_per_day
    return Balance(
        currency=edition_2026_07.CURRENCY,
        account=AccountBalance(
            balance=_number(account, "balance"), used=_number(account, "used_coin"), available=_number(account, "available")
        ),
        key=KeyBalance(
            name=stranger(key["name"]) if key.get("name") else None,
            total_quota=_number(key, "total_quota"),
            used_quota=_number(key, "used_quota"),
            available_quota=_number(key, "available_quota"),
            unlimited=bool(key.get("unlimited")),
        ),
        spent_here=Spending(today=float(spent.today), total=float(spent.total), reserved=float(spent.held)),
        limits={name: float(limit) for name, limit in app.settings.limits.items()},
        left_today=None if day is None else float(max(Decimal(0), day - spent.today)),
        unclear=[record.request_id for record in unclear if record.scope == app.principal],
    )


def _number(data: dict[str, Any], name: str) -> float | None:
    """A figure of the provider's, or `None` where it told none."""
    amount = read_number(data.get(name))
    return None if amount is None else float(amount)
