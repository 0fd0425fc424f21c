"""Entries of the audit: who did what, and when, without a prompt, a key or a link."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from seedance_mcp.errors import ConfirmationRequired, SeedanceError
from seedance_mcp.money.policy import is_settled_anew
from seedance_mcp.money.records import Record

Made = Literal["sent", "asked", "confirmed", "declined", "refused", "failed", "lost", "settled", "saved"]
"""What became of a request. `asked`: the user has to agree first; `refused`: by us, nothing was sent; `failed`: by the
provider; `lost`: its answer."""
Changed = Literal["added", "limited", "rotated", "disabled", "enabled"]
"""What the operator did with a principal."""
Action = Made | Changed


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit."""

    at: datetime
    principal: str
    """Whose money it concerns."""
    actor: str
    """`caller`, `operator` (at the command line), or whose word an amount rests on."""
    action: Action
    code: str | None = None
    """Of an error."""
    request_id: str | None = None
    model: str | None = None
    amount: Decimal | None = None
    """In JimiCoin: what was reserved when it was sent, asked for or refused; what was charged when it was settled."""
    detail: str | None = None
    entry_id: str = field(default_factory=lambda: secrets.token_hex(16), repr=False, compare=False)
    """Chosen before the ledger is written, so that a second try adds nothing."""


def of_request(action: Action, record: Record, at: datetime, code: str | None = None) -> Entry:
    """Give the entry of something that was done with a request."""
    about = (record.request_id, record.model)
    return Entry(at, record.principal, "caller", action, code, *about, amount=record.estimate)


def of_change(before: Record, after: Record, at: datetime) -> list[Entry]:
    """Give the entries of what changed in a request: it was sent, it failed, its money was settled, its video was saved."""
    found: list[Entry] = []
    if before.state == "reserved" and after.state == "sending":
        found.append(of_request("sent", after, at))
    if before.state in {"reserved", "sending"} and after.error_code is not None:
        found.append(of_request("lost" if after.state == "unknown" else "failed", after, at, code=after.error_code))
    if is_settled_anew(before, after):
        found.append(_settled(after, at))
    if after.saved != before.saved:
        found.append(of_request("saved", after, at))
    return found


def _settled(record: Record, at: datetime) -> Entry:
    actor = "operator" if record.settled_by == "person" else str(record.settled_by)
    about = (record.request_id, record.model, record.settled, record.evidence)
    return Entry(at, record.principal, actor, "settled", None, *about)


def of_refusal(
    principal: str, error: SeedanceError, model: str, amount: Decimal | None, at: datetime, detail: str | None
) -> Entry:
    """Give the entry of a request that was refused before it was written down."""
    action: Action = "refused"
    if isinstance(error, ConfirmationRequired):
        action = "asked" if "confirm_token" in error.details else "declined"
    return Entry(at, principal, "caller", action, code=error.code, model=model, amount=amount, detail=detail)


WINDOW_SECONDS = 3600.0
"""Each kind of refusal by us, of arguments or for a limit, is entered once in so long by one process."""
KINDS_MOST = 200
"""So many kinds are entered in that time, of all principals together; what is beyond them is not."""


class RefusalKind(NamedTuple):
    """The things that refusals have in common: the principal, the reason, and the request's model and field."""

    principal: str
    code: str
    model: str | None
    field: str | None


@dataclass
class Refusals:
    """The kinds of refusals that this process entered of late, and how many more of each came: a flood fills no disk."""

    begun_at: float = float("-inf")
    more: dict[RefusalKind, int] = field(default_factory=dict[RefusalKind, int])
    more_before: dict[RefusalKind, int] = field(default_factory=dict[RefusalKind, int])

    def detail(self, kind: RefusalKind, now_seconds: float) -> str | None:
        """Give the detail of a refusal that is to be entered: its field, and how many more came in the hour before.

        Args:
            kind: Its kind.
            now_seconds: A time that never runs backwards.

        Returns:
            An empty text for one without any; `None` for a refusal that is counted and not entered.
        """
        if not self._is_due(kind, now_seconds):
            return None
        more = self.more_before.pop(kind, 0)
        return ", ".join([*filter(None, [kind.field]), *([f"{more} more like it in the hour before"] if more else [])])

    def _is_due(self, kind: RefusalKind, now_seconds: float) -> bool:
        if now_seconds - self.begun_at >= WINDOW_SECONDS:
            self.begun_at, self.more, self.more_before = now_seconds, {}, self.more
        if kind in self.more:
            self.more[kind] += 1
            return False
        if len(self.more) >= KINDS_MOST:
            return False
        self.more[kind] = 0
        return True
