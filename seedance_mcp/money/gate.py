"""The checks between a valid request and its payment: duplicates, spending limits, and the confirmation of the user."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

import anyio

from seedance_mcp.catalogue.requests import VideoRequest
from seedance_mcp.errors import BudgetExceeded, ConfirmationRequired, SeedanceError
from seedance_mcp.money.audit import RefusalKind, Refusals, of_refusal
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.prices import Estimate
from seedance_mcp.money.principals import Limits, Principal, stricter
from seedance_mcp.money.records import NewRequest, Reservation, Spent, Used, next_day
from seedance_mcp.settings import Settings
from seedance_mcp.untrusted import UNSAFE

IN_FLIGHT_SECONDS, IN_FLIGHT_POLL_SECONDS = 10.0, 0.2
"""How long, and how often, a duplicate asks the ledger whether the first request has its answer."""
Action = Literal["accept", "decline", "cancel", "absent"]


class Reply(NamedTuple):
    """The user's answer to a question that was asked in an earlier round of the same call."""

    action: Action
    token: str


class AskedForLater(Exception):
    """The call ends with a question, and another round of it brings the answer."""


Ask = Callable[[str, str], Awaitable[Action]]
"""Puts a question to the user; takes the question and the token that stands for a yes."""


def fingerprint(request: VideoRequest, take: int | None = None) -> str:
    """Give one name to all requests that would make the same video: defaults are filled in, what has no effect is left out.

    Each take of a request has a name of its own.
    """
    body = request.to_body()
    if ratio := body.get("ratio") or request.route.ratio.value.default:
        body["ratio"] = ratio
    for option, fact in request.route.options.items():
        body.setdefault(option, fact.value if isinstance(fact.value, bool) else fact.value.default)
    if request.ratio:
        body.pop("orientation", None)
    body["prompt"] = _as_read(request.prompt)
    if take is not None:
        body["take"] = take
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _as_read(prompt: str) -> str:
    """Give a prompt as it is read: any blanks are one, and what is not shown is left out."""
    words = (UNSAFE.sub("", word) for word in prompt.split())
    return unicodedata.normalize("NFC", " ".join(filter(None, words)))


def check_limits(settings: Settings, estimate: Estimate, spent: Spent, now: datetime, drift: Drift | None = None) -> None:
    """Refuse a request that would pass a limit of the operator's, of the settings or of the principal's row.

    Args:
        settings: They hold the limits of everybody.
        estimate: The price of the request; the part of it that is known counts, even where the whole is not.
        spent: What is spent or reserved, and the row of the principal.
        now: The time, which decides when the day renews.
        drift: What the account used beyond what the ledger knows.

    Raises:
        BudgetExceeded: A limit would be passed or is used up, or is set and cannot be applied since the price is not known;
            or the principal is disabled.
    """
    if spent.principal and spent.principal.disabled:
        raise BudgetExceeded(
            "The operator disabled this caller: no more videos can be made. Ask the operator.", allowed="nothing any more"
        )
    for limit in _limits(settings, spent, now, drift or Drift()):
        if limit.is_passed_by(estimate):
            raise limit.refusal(estimate)
    if estimate.certain is None and limits_for(settings, spent.principal) and not settings.allow_unpriced:
        raise BudgetExceeded(
            "The operator has set a limit and the whole price of this request is not known, so the limit cannot be applied. "
            "Choose a model with a price (list_models), or the operator adds one (SEEDANCE_PRICES) or sets "
            "SEEDANCE_ALLOW_UNPRICED=1.",
            allowed="a request with a known price",
        )


def limits_for(settings: Settings, principal: Principal | None) -> dict[str, Decimal]:
    """Give the hard limits that hold for a principal, by the name of their setting: the stricter one of each kind."""
    own, everybodys = _own(principal).by_setting(), settings.limits
    names = [*everybodys, *(name for name in own if name not in everybodys)]
    return {name: min(found[name] for found in (own, everybodys) if name in found) for name in names}


def confirm_above(settings: Settings, principal: Principal | None) -> Decimal | None:
    """Give the price above which the user of a principal has to agree first."""
    return stricter(settings.confirm_above, _own(principal).confirm_above)


def _own(principal: Principal | None) -> Limits:
    return principal.limits if principal else Limits()


class Drift(NamedTuple):
    """The consumption of the account beyond what the ledger knows, in JimiCoin; never negative."""

    today: Decimal = Decimal(0)
    total: Decimal = Decimal(0)


def drift_of(used: Decimal, before: Used, spent: Spent) -> Drift:
    """Compare what the account used since the first requests with what the ledger believes that they cost."""

    def beyond(start: Decimal | None, believed: Decimal) -> Decimal:
        return Decimal(0) if start is None else max(Decimal(0), used - start - believed)

    return Drift(beyond(before.before_today, spent.account_today), beyond(before.before_all, spent.account_total))


class _Limit(NamedTuple):
    """One limit that the operator set, and how much is used up."""

    limit: Decimal
    name: str
    gone: Decimal
    renewal: str

    def is_passed_by(self, estimate: Estimate) -> bool:
        """Say whether a request would pass it; one of unknown price passes a limit that is used up."""
        more = self.gone + (estimate.amount or Decimal(0))
        return more > self.limit or (estimate.certain is None and more >= self.limit)

    def refusal(self, estimate: Estimate) -> BudgetExceeded:
        """Make the error."""
        left, currency = max(Decimal(0), self.limit - self.gone), estimate.currency
        amount = "an unpublished price" if estimate.amount is None else f"{estimate.amount} {currency}"
        return BudgetExceeded(
            f"This video would cost {'at least ' if estimate.at_least else ''}{amount} and pass the operator's limit of "
            f"{self.limit} {self.name}: {self.gone} is spent or reserved, {left} is left. {self.renewal} Choose a cheaper "
            "request (list_models) or ask the operator.",
            allowed=f"at most {left} {currency}",
        )


def _limits(settings: Settings, spent: Spent, now: datetime, drift: Drift) -> list[_Limit]:
    day = f"The day renews at {next_day(now):%Y-%m-%dT%H:%M:%SZ}."
    never = "The total never renews: the operator would have to raise it."
    today, total = spent.today + drift.today, spent.total + drift.total
    own, everybody, ever = _own(spent.principal), spent.account_today + drift.today, spent.account_total + drift.total
    rows = (
        (settings.max_cost_per_video, "per video", Decimal(0), "The limit holds for every single video."),
        (settings.max_cost_per_day, "per day", today, day),
        (settings.max_cost_total, "in total", total, never),
        (settings.max_cost_account_per_day, "per day for the whole account", everybody, day),
        (settings.max_cost_account_total, "in total for the whole account", ever, never),
        (own.per_video, "per video for this caller", Decimal(0), "The limit holds for every single video."),
        (own.per_day, "per day for this caller", today, day),
        (own.total, "in total for this caller", total, never),
    )
    return [_Limit(limit, name, gone, renewal) for limit, name, gone, renewal in rows if limit is not None]


ONLY_DOCUMENTED = "only a page of its own names it, no list of the provider's does"


def must_ask(
    settings: Settings,
    estimate: Estimate,
    request: VideoRequest,
    principal: Principal | None,
    *,
    is_refused: bool,
) -> bool:
    """Say whether the user has to agree first: to a high price or an unknown one, or to a model that is only documented.

    Args:
        settings: They hold the price above which the user is asked.
        estimate: The price of the request.
        request: The request.
        principal: The row of the principal, which may hold a lower price.
        is_refused: Whether the user said no to this request before, which also holds at a price that has fallen since.
    """
    above = confirm_above(settings, principal)
    if request.row.is_only_documented:
        return True
    return above is not None and (is_refused or estimate.certain is None or estimate.certain > above)


class _Unasked(Exception):
    """The request would be new, its price needs a confirmation, and nobody was asked yet."""


class Gate(NamedTuple):
    """The checks of one call of `create_video`."""

    settings: Settings
    ledger: Ledger
    now: Callable[[], datetime]
    refusals: Refusals
    """The refusals for a limit that were entered in the audit of late."""
    ask: Ask
    reply: Reply | None
    drift: Drift | None
    principal: str
    """Who asks, for the audit."""

    async def admit(
        self,
        request: VideoRequest,
        estimate: Estimate,
        *,
        allow_duplicate: bool = False,
        confirm_token: str | None = None,
        project: str | None = None,
        take: int | None = None,
    ) -> Reservation:
        """Write the request down, or find the one that it duplicates, which is given up to ten seconds to get its answer.

        Args:
            request: The request.
            estimate: Its price.
            allow_duplicate: Whether the same request may be paid again.
            confirm_token: The token that an earlier call gave for the user's yes.
            project: A label of the caller's.
            take: Makes the same request another one on purpose. A no of the user's holds for every take, a yes for one.

        Raises:
            BudgetExceeded: A limit of the operator's refuses; nothing was sent.
            ConfirmationRequired: The user has to agree first, or declined; nothing was sent.
        """
        window_seconds = None if allow_duplicate else self.settings.dedupe_seconds
        body, name = request.to_body(), fingerprint(request, take)
        wanted = NewRequest(body, name, estimate.amount, project=project, take=take)
        try:
            return await self._admitted(wanted, request, estimate, window_seconds, confirm_token)
        except (BudgetExceeded, ConfirmationRequired) as refusal:
            await self._note(refusal, request, estimate)
            raise
        except AskedForLater:
            await self._note(ConfirmationRequired("The user is asked.", confirm_token=""), request, estimate)
            raise

    async def _admitted(
        self,
        wanted: NewRequest,
        request: VideoRequest,
        estimate: Estimate,
        window_seconds: float | None,
        confirm_token: str | None,
    ) -> Reservation:
        """Write the request down as soon as the user agreed, and wait for the answer to the one that it duplicates."""
        token, is_refused = None, await self.ledger.is_refused(fingerprint(request))
        deadline = anyio.current_time() + IN_FLIGHT_SECONDS
        while True:
            try:
                found = await self._reserve(wanted, estimate, request, window_seconds, token, is_refused=is_refused)
            except _Unasked:
                token = await self._confirmed(request, wanted.take, estimate, confirm_token)
                continue
            if found.is_new or not found.record.sending or anyio.current_time() >= deadline:
                return found
            await anyio.sleep(IN_FLIGHT_POLL_SECONDS)

    async def _note(self, refusal: SeedanceError, request: VideoRequest, estimate: Estimate) -> None:
        """Add a refusal to the audit; one that cannot be written down is a refusal all the same.

        Of an agent that runs into a limit again and again, the first refusal in an hour is entered; the others are counted.
        """
        detail: str | None = ""
        if isinstance(refusal, BudgetExceeded):
            kind = RefusalKind(self.principal, refusal.code, request.model, None)
            detail = self.refusals.detail(kind, anyio.current_time())
        if detail is None:
            return
        entry = of_refusal(self.principal, refusal, request.model, estimate.amount, self.now(), detail or None)
        with suppress(SeedanceError):
            await self.ledger.enter(entry)

    async def _reserve(
        self,
        wanted: NewRequest,
        estimate: Estimate,
        request: VideoRequest,
        window_seconds: float | None,
        token: str | None,
        *,
        is_refused: bool,
    ) -> Reservation:
        def admit(spent: Spent) -> None:
            check_limits(self.settings, estimate, spent, self.now(), self.drift)
            if token is None and must_ask(self.settings, estimate, request, spent.principal, is_refused=is_refused):
                raise _Unasked

        return await self.ledger.reserve(wanted, window_seconds=window_seconds, admit=admit, token=token)

    async def _confirmed(self, request: VideoRequest, take: int | None, estimate: Estimate, confirm_token: str | None) -> str:
        """Give the token that stands for the user's yes; raises `ConfirmationRequired` without one.

        Where the client has forms only a form can say yes, whatever token the agent gives. A form that was declined, closed or
        left unanswered is kept as a no, also for clients without forms, until another form says yes. A no holds for every take
        of the request, and a yes only for the take that was asked for.
        """
        name, amount, question = fingerprint(request), estimate.certain, _question(request, take, estimate)
        if self.reply and (agreed := await self._replied(name, amount, take, self.reply)):
            return agreed
        token = await self.ledger.new_token(name, amount, take)
        action = await self.ask(question, token)
        if action != "absent":
            await self._heed(name, action)
            return token
        if await self.ledger.is_refused(name):
            raise ConfirmationRequired(f"{_SAID_NO['decline']} Only a form can ask again, in a client that has forms.")
        if not confirm_token:
            raise _ask_in_chat(question, token)
        if fault := await self.ledger.token_fault(confirm_token, name, amount, take):
            raise _ask_in_chat(f"The confirm_token does not confirm this request: {fault}. {question}", token)
        return confirm_token

    async def _replied(self, name: str, amount: Decimal | None, take: int | None, reply: Reply) -> str | None:
        """Give the token of a form that was answered with yes; `None` where it is too late for that answer."""
        if reply.action == "accept" and await self.ledger.token_fault(reply.token, name, amount, take):
            return None
        await self._heed(name, reply.action)
        return reply.token

    async def _heed(self, name: str, action: Action) -> None:
        """Keep the answer to a form; raises `ConfirmationRequired` for whatever is no yes."""
        await self.ledger.keep_answer(name, agreed=action == "accept")
        if action != "accept":
            raise ConfirmationRequired(_SAID_NO[action])


_SAID_NO: dict[Action, str] = {
    "decline": "The user declined this request: do not send it, and ask what they want instead.",
    "cancel": "The user closed the form or did not answer it in time, which is no yes: do not send this request, and ask what "
    "they want.",
}


def _ask_in_chat(question: str, token: str) -> ConfirmationRequired:
    return ConfirmationRequired(
        f"{question} Ask the user in the chat. Only after a yes, call create_video again with the same request and this "
        "confirm_token (good once, for ten minutes).",
        confirm_token=token,
    )


def _question(request: VideoRequest, take: int | None, estimate: Estimate) -> str:
    price = f"{estimate.amount} {estimate.currency}" if estimate.amount is not None else "an unpublished price"
    price = f"at least {price}" if estimate.at_least else price
    unsure = f" The model may not exist: {ONLY_DOCUMENTED}." if request.row.is_only_documented else ""
    named = f"A video of {request.duration} s at {request.output_resolution} with {request.model}"
    another = f" (take {take})" if take is not None else ""
    return f"{named}{another} costs {price}.{unsure} Make it?"
