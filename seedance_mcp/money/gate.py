"""Before money: repeats recognised, limits held, a person asked; and afterwards, what the balance says of a lost answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import anyio

from seedance_mcp.catalogue.requests import VideoRequest
from seedance_mcp.errors import BudgetExceeded, ConfirmationRequired
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.prices import Estimate
from seedance_mcp.money.records import Entry, Record, Spent, next_day
from seedance_mcp.settings import Settings

IN_FLIGHT_SECONDS, IN_FLIGHT_LOOK_SECONDS = 10.0, 0.2
"""How long, and how often, a repeat looks whether the first one has its answer."""
Action = Literal["accept", "decline", "cancel", "absent"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person said to a question that was asked in an earlier round of the same call."""

    action: Action
    token: str


Ask = Callable[[str, str], Awaitable[Action]]
"""Puts a question to the person; takes the token that stands for a yes."""


def fingerprint(request: VideoRequest) -> str:
    """One name for all requests that would make the same video: defaults filled in, what has no effect left out."""
    body = request.to_body()
    if ratio := body.get("ratio") or request.route.ratio.value.default:
        body["ratio"] = ratio
    if request.ratio:
        body.pop("orientation", None)
    body["prompt"] = request.prompt.strip()
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def check_limits(settings: Settings, estimate: Estimate, spent: Spent, now: datetime) -> None:
    """Refuse what would pass a limit of the operator's; raises `BudgetExceeded`."""
    amount, currency = estimate.certain, estimate.currency
    if amount is None:
        return _check_unpriced(settings)
    limits = (
        ("per video", settings.max_cost_per_video, Decimal(0), "The limit holds for every single video."),
        ("per day", settings.max_cost_per_day, spent.today, f"The day renews at {next_day(now):%Y-%m-%dT%H:%M:%SZ}."),
        ("in total", settings.max_cost_total, spent.total, "The total never renews: the operator would have to raise it."),
    )
    for name, limit, gone, renewal in limits:
        if limit is not None and gone + amount > limit:
            left = max(Decimal(0), limit - gone)
            raise BudgetExceeded(
                f"This video would cost {amount} {currency} and pass the operator's limit of {limit} {name}: {gone} is spent "
                f"or reserved, {left} is left. {renewal} Choose a cheaper request (list_models) or ask the operator.",
                allowed=f"at most {left} {currency}",
            )
    return None


def _check_unpriced(settings: Settings) -> None:
    if settings.limits and not settings.allow_unpriced:
        raise BudgetExceeded(
            "The operator has set a limit and the whole price of this request is not known, so it cannot be held. Choose a "
            "model with a price (list_models), or the operator adds one (SEEDANCE_PRICES) or sets SEEDANCE_ALLOW_UNPRICED=1.",
            allowed="a request with a known price",
        )


def must_ask(settings: Settings, estimate: Estimate) -> bool:
    """Whether a person has to agree to a price first; one that is not known is dear."""
    above = settings.confirm_above
    return above is not None and (estimate.certain is None or estimate.certain > above)


class _Unasked(Exception):
    """The request would be new and dear, and nobody was asked yet."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands between a valid request and its POST."""

    settings: Settings
    ledger: Ledger
    now: Callable[[], datetime]
    ask: Ask
    reply: Reply | None = None

    async def admit(
        self, request: VideoRequest, estimate: Estimate, *, allow_duplicate: bool = False, confirm_token: str | None = None
    ) -> tuple[Record, bool]:
        """Write the request down, or find its twin; gives the record and whether it is new and to be sent.

        Raises `BudgetExceeded` and `ConfirmationRequired` with nothing sent.
        """
        window = 0.0 if allow_duplicate else self.settings.dedupe_seconds
        entry, token = Entry(request.to_body(), fingerprint(request), estimate.amount), None
        patience = anyio.current_time() + IN_FLIGHT_SECONDS
        while True:
            try:
                record, new = self._begin(entry, estimate, window, token)
            except _Unasked:
                token = await self._confirmed(entry.fingerprint, request, estimate, confirm_token)
                continue
            if new or not record.sending or anyio.current_time() >= patience:
                return record, new
            await anyio.sleep(IN_FLIGHT_LOOK_SECONDS)

    def _begin(self, entry: Entry, estimate: Estimate, window: float, token: str | None) -> tuple[Record, bool]:
        def admit(spent: Spent) -> None:
            check_limits(self.settings, estimate, spent, self.now())
            if token is None and must_ask(self.settings, estimate):
                raise _Unasked

        return self.ledger.begin(entry, window_seconds=window, admit=admit, token=token)

    async def _confirmed(self, name: str, request: VideoRequest, estimate: Estimate, confirm_token: str | None) -> str:
        """The token that says yes; raises `ConfirmationRequired` without one."""
        amount = estimate.certain
        question = _question(request, estimate)
        if self.reply and self.reply.action != "accept":
            raise self._unconfirmed(question, self.reply.action, self.reply.token)
        if given := confirm_token or (self.reply and self.reply.token):
            if fault := self.ledger.token_fault(given, name, amount):
                fresh = self.ledger.new_token(name, amount)
                raise self._unconfirmed(
                    f"The confirm_token does not confirm this request: {fault}. {question}", "absent", fresh
                )
            return given
        token = self.ledger.new_token(name, amount)
        action = await self.ask(question, token)
        if action != "accept":
            raise self._unconfirmed(question, action, token)
        return token

    def _unconfirmed(self, question: str, action: Action, token: str) -> ConfirmationRequired:
        if action == "decline":
            return ConfirmationRequired("The person declined this request: do not send it, and ask what they want instead.")
        return ConfirmationRequired(
            f"{question} Ask the person in the chat. Only after a yes, call create_video again with the same request and this "
            "confirm_token (good once, for ten minutes).",
            confirm_token=token,
        )


def _question(request: VideoRequest, estimate: Estimate) -> str:
    price = f"{estimate.amount} {estimate.currency}" if estimate.amount is not None else "an unpublished price"
    price = f"at least {price}" if estimate.at_least else price
    return f"A video of {request.duration} s at {request.output_resolution} with {request.model} costs {price}. Make it?"
