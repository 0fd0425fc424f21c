"""The ledger in memory: the contract that every engine keeps, written down a second time over the same policy."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from seedance_mcp.errors import ConfirmationRequired, InvalidRequest, SeedanceError, TaskNotFound
from seedance_mcp.money import policy, sums
from seedance_mcp.money.amounts import exact
from seedance_mcp.money.audit import Action, Entry, of_change, of_request
from seedance_mcp.money.principals import Principal
from seedance_mcp.money.records import (
    EVERY_MODEL,
    AssetReference,
    Film,
    Health,
    Listed,
    Media,
    Models,
    ModelSpending,
    Movements,
    NamedAsset,
    NewRequest,
    Page,
    PollClaim,
    Record,
    Reservation,
    Saved,
    Spent,
    SumBy,
    Token,
    Took,
    Totals,
    Upload,
    Used,
    Verdict,
    Wanted,
)
from seedance_mcp.money.sql_leases import FAR_SECONDS
from seedance_mcp.task import RUNNING, ProviderTask, Status
from seedance_mcp.tools.session import OpenLedger


def _fits(record: Record, wanted: Wanted) -> bool:
    """Say whether a request is one of those that are asked for."""
    return (
        wanted.status in {None, record.status}
        and wanted.project in {None, record.project}
        and (wanted.since is None or record.created_at >= wanted.since)
        and (wanted.until is None or record.created_at < wanted.until)
        and (wanted.saved is None or sums.kept(record) is wanted.saved)
    )


@dataclass(frozen=True)
class Event:
    request_id: str
    what: str
    at: datetime


def total(amounts: Iterable[Decimal]) -> Decimal:
    return exact(sum(amounts, Decimal(0)))


@dataclass
class Tables:
    """What all principals share."""

    requests: dict[str, Record] = field(default_factory=dict[str, Record])
    events: list[Event] = field(default_factory=list[Event])
    tokens: dict[str, Token] = field(default_factory=dict[str, Token])
    refusals: set[str] = field(default_factory=set[str])
    media: dict[str, Media] = field(default_factory=dict[str, Media])
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    assets: dict[tuple[str, str], NamedAsset] = field(default_factory=dict[tuple[str, str], NamedAsset])
    references: dict[tuple[str, str, str], AssetReference] = field(default_factory=dict[tuple[str, str, str], AssetReference])
    saving: dict[str, tuple[str, datetime]] = field(default_factory=dict[str, "tuple[str, datetime]"])
    polls: dict[str, tuple[str, datetime, datetime | None]] = field(
        default_factory=dict[str, "tuple[str, datetime, datetime | None]"]
    )
    pace: tuple[float, str, float] | None = None
    changed_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    uploads: dict[tuple[str, str], Upload] = field(default_factory=dict[tuple[str, str], Upload])
    films: list[tuple[str, Film]] = field(default_factory=list[tuple[str, Film]])
    principals: dict[str, Principal] = field(default_factory=dict[str, Principal])
    audit: list[Entry] = field(default_factory=list[Entry])


def _followed(record: Record) -> tuple[Any, ...]:
    return record.task_id, record.state, record.progress, record.cost, record.evidence


class MemoryLedger:
    """Nothing here waits, so every verb is a transaction."""

    def __init__(self, tables: Tables, now: Callable[[], datetime], principal: str = "") -> None:
        self._tables, self._now, self._principal = tables, now, principal

    def for_principal(self, principal: str) -> MemoryLedger:
        return MemoryLedger(self._tables, self._now, principal)

    async def aclose(self) -> None:
        """Keep everything: another server may open the same tables."""

    def _everybodys(self) -> list[Record]:
        """Newest first, as now seen."""
        kept = [policy.as_of(record, self._now()) for record in reversed(self._tables.requests.values())]
        return sorted(kept, key=lambda record: record.created_at, reverse=True)

    def _mine(self) -> list[Record]:
        return [record for record in self._everybodys() if record.principal == self._principal]

    def _known(self, request_id: str) -> Record:
        return policy.as_of(self._tables.requests[request_id], self._now())

    def _write(self, after: Record, event: str | None = None) -> Record:
        before = self._tables.requests.get(after.request_id)
        self._tables.requests[after.request_id] = after
        self._tables.audit += of_change(before, after, self._now()) if before is not None else []
        if before is not None and _followed(before) != _followed(after):
            self._tables.changed_at[after.request_id] = self._now()
        state = after.state if before is not None and before.state != after.state else None
        settled = policy.settled_anew(before, after) if before is not None else None
        for what in filter(None, [event] if event else [state, settled]):
            self._tables.events.append(Event(after.request_id, what, self._now()))
        return after

    async def reserve(
        self, request: NewRequest, *, window_seconds: float | None, admit: Callable[[Spent], None], token: str | None = None
    ) -> Reservation:
        if mine := self._tables.requests.get(request.request_id):
            return Reservation(mine, is_new=True)
        earlier = None if window_seconds is None else await self.duplicated(request.fingerprint, window_seconds)
        if earlier:
            return Reservation(earlier, is_new=False)
        await self.release_unsent()
        admit(await self.spent())
        if token and self._tables.tokens[token].used:
            raise ConfirmationRequired("The confirm_token was used meanwhile: ask the user again.")
        if token:
            self._tables.tokens[token] = self._tables.tokens[token]._replace(used=True)
        record = self._write(policy.reserve(request, self._principal, self._now()), "reserved")
        self._tables.bodies[record.request_id] = request.body
        if token:
            self._tables.audit.append(of_request("confirmed", record, self._now()))
        return Reservation(record, is_new=True)

    async def duplicated(self, fingerprint: str, window_seconds: float) -> Record | None:
        since = self._now() - timedelta(seconds=window_seconds)
        same = (record for record in self._mine() if record.fingerprint == fingerprint)
        return next((record for record in same if policy.is_duplicated_by(record, since)), None)

    async def mark_sending(self, request_id: str, used: Decimal | None) -> Record:
        return self._write(policy.mark_sending(self._known(request_id), used, self._now()))

    async def keep_awaiting(self, request_id: str) -> None:
        self._write(policy.keep_awaiting(self._known(request_id), self._now()))

    async def release_unsent(self) -> None:
        for record in self._everybodys():
            if record.state == "reserved" and record.overdue:
                self._write(policy.release(record, self._now()))

    async def observe(self, request_id: str, task: ProviderTask) -> Record:
        after = self._write(policy.observe(self._known(request_id), task, self._now()))
        for other in self._everybodys():
            if other.task_id == after.task_id is not None and other.request_id != request_id:
                self._write(policy.observe(other, task, self._now()))
        return after

    async def fail(self, request_id: str, error: SeedanceError) -> Record:
        return self._write(policy.fail(self._known(request_id), error, self._now()))

    async def settle(self, record: Record, verdict: Verdict) -> Record:
        before = self._known(record.request_id)
        after = policy.settle(before, verdict)
        if _followed(before) != _followed(after):
            self._tables.changed_at[after.request_id] = self._now()
        settled = (before.settled, before.settled_by) != (after.settled, after.settled_by)
        self._tables.requests[record.request_id] = after
        self._tables.audit += of_change(before, after, self._now())
        return self._write(after, f"settled by {verdict.by}: {verdict.evidence}" if settled else None)

    async def adopt(self, task_id: str, made_at: datetime | None) -> Record:
        for known in [*self._mine(), *self._everybodys()]:
            if known.task_id == task_id and known.principal != self._principal:
                raise TaskNotFound("No such task here")
            if known.task_id == task_id:
                return known
        request_id = f"req_{secrets.token_hex(16)}"
        return self._write(policy.adopt(request_id, task_id, self._principal, made_at or self._now()))

    async def save(self, request_id: str, saved: Saved) -> Record:
        return self._write(policy.save(self._known(request_id), saved))

    async def keep_film(self, film: Film) -> None:
        self._tables.films.append((self._principal, film))

    async def films(self, limit: int) -> list[Film]:
        mine = [film for principal, film in reversed(self._tables.films) if principal == self._principal]
        return sorted(mine, key=lambda film: film.created_at, reverse=True)[:limit]

    async def _joined(self) -> list[Record]:
        """The films as rows, newest first."""
        films = {film.film_id: film for film in await self.films(len(self._tables.films))}
        costs = {record.task_id: policy.spent(record) for record in reversed(self._mine()) if record.task_id}
        return [sums.row_of_film(film, self._principal, films, costs) for film in films.values()]

    async def _listed(self) -> list[Record]:
        """Films and requests, newest first; of the same time, films come first."""
        return sorted([*await self._joined(), *self._mine()], key=lambda record: record.created_at, reverse=True)

    async def find(self, key: str) -> Record | None:
        every = [*self._mine(), *await self._joined()]
        return next((record for record in every if key in {record.task_id, record.request_id}), None)

    async def get(self, key: str) -> Record:
        if found := await self.find(key):
            return found
        raise TaskNotFound("No such task here")

    async def belongs_elsewhere(self, task_id: str) -> bool:
        owners = {record.principal for record in self._everybodys() if record.task_id == task_id}
        return bool(owners) and self._principal not in owners

    async def sharing(self, record: Record) -> list[str]:
        mine = [each for each in reversed(self._mine()) if each.task_id == record.task_id is not None]
        return [each.request_id for each in mine if each.request_id != record.request_id]

    async def page(self, status: Status | None = None, limit: int | None = None) -> Page:
        fitting = [record for record in self._mine() if status in {None, record.status}]
        return Page(fitting[:limit], len(fitting))

    async def tasks(self, wanted: Wanted, limit: int, after: str | None = None) -> Listed:
        every = await self._listed()
        names = [record.request_id for record in every]
        if after and after not in names:
            raise InvalidRequest("cursor is none of ours")
        rest = every[names.index(after) + 1 :] if after else every
        fitting = [record for record in rest if _fits(record, wanted)]
        return Listed(fitting[:limit], fitting[limit - 1].request_id if len(fitting) > limit else None)

    async def totals(self, wanted: Wanted) -> Totals:
        films = sum(_fits(film, wanted) for film in await self._joined())
        return sum((sums.totals_of(record) for record in self._mine() if _fits(record, wanted)), Totals(films=films))

    async def request_body(self, request_id: str) -> dict[str, Any] | None:
        return self._tables.bodies.get(request_id) if await self.find(request_id) else None

    async def claim_poll(
        self, task_id: str, holder: str, seconds: float, pace_seconds: float, longest_seconds: float = 0.0
    ) -> PollClaim:
        far = timedelta(seconds=FAR_SECONDS + longest_seconds)
        now, (by, until, polled_at) = self._now(), self._tables.polls.get(task_id, (holder, self._now(), None))
        if by != holder and now < until < now + far:
            ago = None if polled_at is None else max(0.0, (now - polled_at).total_seconds())
            return PollClaim(is_mine=False, again_seconds=(until - now).total_seconds(), answered_seconds_ago=ago)
        if any(record.task_id == task_id for record in self._tables.requests.values()):
            self._tables.polls[task_id] = holder, now + timedelta(seconds=seconds), polled_at
        return PollClaim(is_mine=True, place_seconds=self._place_seconds(holder, seconds, pace_seconds, far))

    def _place_seconds(self, holder: str, seconds: float, pace_seconds: float, far: timedelta) -> float:
        at, (next_at, by, others_at) = self._now().timestamp(), self._tables.pace or (0.0, holder, 0.0)
        place_at = next_at if at < next_at < at + far.total_seconds() else at
        others_at = others_at if by == holder else at
        self._tables.pace = place_at + pace_seconds, holder, others_at
        return 0.0 if others_at < at - seconds else max(0.0, place_at + pace_seconds - pace_seconds - at)

    async def release_poll(self, task_id: str, holder: str, seconds: float, *, answered: bool) -> None:
        by, _, polled_at = self._tables.polls.get(task_id, ("", None, None))
        if by == holder:
            now = self._now()
            self._tables.polls[task_id] = by, now + timedelta(seconds=seconds), now if answered else polled_at

    async def claim_saving(self, request_id: str, holder: str, seconds: float, *, again: bool = False) -> bool:
        now, (by, until) = self._now(), self._tables.saving.get(request_id, (holder, self._now()))
        if sums.kept(self._known(request_id)) not in {False, again} or (
            by != holder and now < until < now + timedelta(seconds=FAR_SECONDS)
        ):
            return False
        self._tables.saving[request_id] = holder, now + timedelta(seconds=seconds)
        return True

    async def release_saving(self, request_id: str, holder: str) -> None:
        if self._tables.saving.get(request_id, ("",))[0] == holder:
            del self._tables.saving[request_id]

    async def keys(self, part: str, limit: int) -> list[str]:
        names = list(dict.fromkeys(record.task_id or record.request_id for record in [*self._mine(), *await self._joined()]))
        return [name for name in names if part.lower() in name.lower()][:limit]

    async def expiring(self, age_seconds: float, lifetime_seconds: float, limit: int, models: Models = EVERY_MODEL) -> Page:
        oldest, newest = (self._now() - timedelta(seconds=seconds) for seconds in (lifetime_seconds, age_seconds))
        ended = [
            (record.completed_at, record)
            for record in reversed(self._mine())
            if record.state == "completed" and record.saved is None and record.completed_at
            if (record.model in models.names) is not models.others
        ]
        fitting = [record for at, record in sorted(ended, key=lambda each: each[0]) if oldest <= at <= newest]
        return Page(fitting[:limit], len(fitting))

    async def similar_durations(self, record: Record) -> list[float]:
        ended = [
            Took((each.completed_at - each.created_at).total_seconds(), each.duration)
            for each in self._everybodys()
            if (each.principal, each.model) == (record.principal, record.model)
            and each.state in {"completed", "failed"}
            and each.task_id
            and each.completed_at
        ]
        return policy.alike(ended[:40], record.duration)

    async def spent(self) -> Spent:
        mine, everybodys, today = self._mine(), self._everybodys(), self._now().date()
        return Spent(
            total(policy.spent(record) for record in mine if record.created_at.date() == today),
            total(policy.spent(record) for record in mine),
            total(policy.reserved(record) for record in mine),
            total(policy.spent(record) for record in everybodys if record.created_at.date() == today),
            total(policy.spent(record) for record in everybodys),
            principal=self._tables.principals.get(self._principal),
        )

    async def used_before(self) -> Used:
        told = [
            (each.created_at.date(), each.used_before) for each in reversed(self._everybodys()) if each.used_before is not None
        ]
        today = [used for day, used in told if day >= self._now().date()]
        return Used(next(iter(today), None), next((used for _, used in told), None))

    async def spending_by_model(self) -> list[ModelSpending]:
        return sums.add_up(
            ModelSpending(record.model or "", 1, record.estimate or Decimal(0), record.settled)
            for record in self._mine()
            if record.settled is not None and not record.adopted and sums.counts_as_video(record.state)
        )

    async def spending(self, by: SumBy, since: date) -> dict[str, Totals]:
        counted = [record for record in self._mine() if not record.adopted and record.created_at.date() >= since]
        found: dict[str, Totals] = {}
        for record in counted:
            name = (record.project if by == "project" else record.model) or ""
            found[name] = found.get(name, Totals()) + sums.totals_of(record)
        return dict(sorted(found.items()))

    async def spending_by_day(self, since: date) -> dict[date, Totals]:
        found: dict[date, Totals] = {}
        for record in reversed(self._mine()):
            if (day := record.created_at.date()) >= since:
                found[day] = found.get(day, Totals()) + sums.totals_of(record)
        return found

    async def unknown_outcomes(self) -> list[Record]:
        return [record for record in reversed(self._everybodys()) if policy.is_of_unknown_outcome(record)]

    async def principals(self) -> list[str]:
        return sorted({record.principal for record in self._everybodys()})

    async def movements(self, record: Record, asked_at: datetime) -> Movements:
        order = list(self._tables.requests)
        own = order.index(record.request_id)
        others = [each for each in self._everybodys() if each.request_id != record.request_id and not each.adopted]
        before = [each for each in others if order.index(each.request_id) < own]
        after = [each for each in others if order.index(each.request_id) > own]
        names = [(event.request_id, event.what) for event in self._tables.events]
        reserved = names.index((record.request_id, "reserved"))
        sent = names.index((record.request_id, "sending")) if (record.request_id, "sending") in names else reserved
        answered = {name for name, what in names[:reserved] if what not in {"reserved", "sending"}}
        runs_since = record.created_at - timedelta(seconds=policy.RUNS_MOST_SECONDS)
        since = [
            (name, what) for name, what in names[reserved:] if any(name == each.request_id and each.task_id for each in before)
        ]
        return Movements(
            unanswered=self._now() < asked_at
            or any(
                each.request_id not in answered and each.created_at >= runs_since and (each.task_id or each.settled != 0)
                for each in before
            )
            or any(each.state == "sending" and not each.overdue and each.settled is None for each in others)
            or any(name != record.request_id for name, _ in names[reserved : sent + 1])
            or any(event.at >= asked_at and event.request_id != record.request_id for event in self._tables.events),
            failed=any(what in policy.CAME_TO_NOTHING for _, what in since),
            unclear=any(each.state in RUNNING and each.settled is None for each in others)
            or any((each.state == "completed" and each.settled is None) or each.settled_by == "estimate" for each in after)
            or any(what in policy.CHARGES for _, what in since),
            charged=total(each.settled or Decimal(0) for each in after),
            returnable=total(
                each.settled or Decimal(0)
                for each in after
                if each.state in {*RUNNING, "unknown"} or (each.state in policy.CAME_TO_NOTHING and each.task_id)
            ),
            hidden=any(each.state in RUNNING or policy.is_of_unknown_outcome(each._replace(overdue=True)) for each in before)
            or any(each.state == "unknown" and each.settled and each.created_at >= runs_since for each in before),
            charges_before_end=self._charges_before_end(record.model),
        )

    def _charges_before_end(self, model: str | None) -> bool:
        newest = list(reversed(self._tables.requests.values()))[: policy.CHARGES_LOOKED_AT]
        charged = [each for each in newest if each.task_id and each.settled and each.settled_by == "provider"]
        told = next((each.request_id for each in charged if each.model == model), None)
        events = [event.what for event in self._tables.events if event.request_id == told]
        return next((what for what in events if what not in policy.BEFORE_END), None) == "settled by provider"

    async def judge(self, record: Record, used: Decimal, asked_at: datetime, *, only_one: bool) -> Record:
        before = self._known(record.request_id)
        if not policy.is_of_unknown_outcome(before) or before.used_before != record.used_before:
            return before
        others = await self.movements(before, asked_at)
        return await self.settle(before, policy.judge(before, used, others, asked_at, only_one=only_one))

    async def new_token(self, fingerprint: str, price: Decimal | None, take: int | None) -> str:
        token, expires_at = f"confirm_{secrets.token_hex(16)}", self._now() + timedelta(seconds=policy.TOKEN_SECONDS)
        self._tables.tokens[token] = Token(self._principal + fingerprint, policy.terms_of(price, take), expires_at, used=False)
        return token

    async def keep_answer(self, fingerprint: str, *, agreed: bool) -> None:
        name, tokens = self._principal + fingerprint, self._tables.tokens
        self._tables.refusals -= {name}
        if not agreed:
            self._tables.refusals.add(name)
            tokens.update({each: kept._replace(used=True) for each, kept in tokens.items() if kept.fingerprint == name})

    async def is_refused(self, fingerprint: str) -> bool:
        return self._principal + fingerprint in self._tables.refusals

    async def token_fault(self, token: str, fingerprint: str, price: Decimal | None, take: int | None) -> str | None:
        terms = policy.terms_of(price, take)
        return policy.token_fault(self._tables.tokens.get(token), self._principal + fingerprint, terms, self._now())

    async def remember_media(self, media: Media) -> None:
        self._tables.media[self._principal + media.reference] = media

    async def media(self, reference: str) -> Media | None:
        return self._tables.media.get(self._principal + reference)

    async def remember_upload(self, digest: str, upload: Upload) -> None:
        self._tables.uploads[self._principal, digest] = upload

    async def find_upload(self, digest: str, lifetime_seconds: float) -> Upload | None:
        found = self._tables.uploads.get((self._principal, digest))
        return found if found and found.at > self._now() - timedelta(seconds=lifetime_seconds) else None

    def _forget_references(self, name: str) -> None:
        kept = self._tables.references
        for key in [key for key in kept if key[:2] == (self._principal, name)]:
            del kept[key]

    async def keep_asset(self, asset: NamedAsset) -> None:
        before = self._tables.assets.get((self._principal, asset.name), asset)
        if (before.source, before.sha256) != (asset.source, asset.sha256):
            self._forget_references(asset.name)
        self._tables.assets[self._principal, asset.name] = asset

    async def assets(self) -> list[tuple[NamedAsset, list[AssetReference]]]:
        mine = {name: asset for (principal, name), asset in self._tables.assets.items() if principal == self._principal}
        made = sorted(self._tables.references.items())
        return [(mine[name], [each for key, each in made if key[:2] == (self._principal, name)]) for name in sorted(mine)]

    async def remove_asset(self, name: str) -> bool:
        self._forget_references(name)
        return self._tables.assets.pop((self._principal, name), None) is not None

    async def remember_reference(self, made: AssetReference) -> None:
        self._tables.references[self._principal, made.name, made.route] = made

    async def registration(self) -> Principal | None:
        return self._tables.principals.get(self._principal)

    async def registered(self) -> list[Principal]:
        return [principal for _, principal in sorted(self._tables.principals.items())]

    async def add_principal(self, principal: Principal) -> None:
        known = self._tables.principals.get(principal.name)
        if known not in {None, principal}:
            raise InvalidRequest(f"{principal.name} is there already")
        if known is None:
            self._tables.principals[principal.name] = principal
            self._enter_change(principal, "added", principal.at)

    async def change_principal(self, name: str, change: Callable[[Principal], Principal], action: Action) -> Principal:
        if name not in self._tables.principals:
            raise InvalidRequest(f"{name} is no principal here")
        before, after = self._tables.principals[name], change(self._tables.principals[name])
        self._tables.principals[name] = after
        if before != after:
            self._enter_change(after, action, self._now())
        return after

    def _enter_change(self, principal: Principal, action: Action, at: datetime) -> None:
        detail = str(principal.limits) if action in {"added", "limited"} else None
        self._tables.audit.append(Entry(at, principal.name, "operator", action, detail=detail))

    async def tokens_made(self) -> dict[str, datetime]:
        return {each.principal: each.at for each in self._tables.audit if each.action in {"added", "rotated"}}

    async def enter(self, entry: Entry) -> None:
        if entry.entry_id not in {each.entry_id for each in self._tables.audit}:
            self._tables.audit.append(entry)

    async def audit(self, since: datetime | None, principal: str | None, limit: int) -> list[Entry]:
        fitting = [
            each for each in self._tables.audit if principal in {None, each.principal} and (not since or each.at >= since)
        ]
        return sorted(fitting, key=lambda each: each.at)[-limit:] if limit else []

    async def changes_since(self, at: datetime, until: datetime | None = None) -> list[Record]:
        order, every = list(self._tables.requests), self._tables.changed_at.items()
        changed = [(when, order.index(name)) for name, when in every if when >= at and (until is None or when < until)]
        return [self._known(order[place]) for _, place in sorted(changed, reverse=True)]

    async def listen(self) -> None:
        """Nobody else changes this ledger."""

    async def prune(self, before: datetime) -> int:
        known = self._tables.requests.values()
        old = [
            each for each in known if each.created_at < before and each.settled is not None and (each.prompt or each.video_url)
        ]
        for each in old:
            self._tables.requests[each.request_id] = each._replace(prompt=None, video_url=None)
            self._tables.bodies.pop(each.request_id, None)
        self._tables.uploads = {key: each for key, each in self._tables.uploads.items() if each.at >= before}
        return len(old)

    async def health(self) -> Health:
        return Health([], len(self._tables.requests), len(await self.unknown_outcomes()))


def memory_ledgers() -> OpenLedger:
    """Give a way to open ledgers in memory: those of one folder share their tables."""
    every: dict[Path, Tables] = {}
    return lambda settings, now: MemoryLedger(every.setdefault(settings.ledger_dir, Tables()), now)
