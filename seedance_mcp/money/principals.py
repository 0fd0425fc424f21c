"""The callers whom the operator knows by name: their limits and the digests of their tokens, as pure functions of a row."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal

from seedance_mcp.errors import InvalidRequest

NAME_MAX_CHARS = 300
"""An OAuth subject comes after the URL of its issuer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one principal beside the operator's settings, in JimiCoin; `None` sets none."""

    per_video: Decimal | None = None
    per_day: Decimal | None = None
    total: Decimal | None = None
    confirm_above: Decimal | None = None
    """The user is asked before a request that costs more."""

    def by_setting(self) -> dict[str, Decimal]:
        """Give the hard limits that are set, by the name of the operator's setting of the same kind."""
        found = {"max_cost_per_video": self.per_video, "max_cost_per_day": self.per_day, "max_cost_total": self.total}
        return {name: limit for name, limit in found.items() if limit is not None}

    def __str__(self) -> str:
        named = {each.name.replace("_", " "): getattr(self, each.name) for each in fields(self)}
        return ", ".join(f"{name} {'none' if amount is None else format(amount, 'f')}" for name, amount in named.items())


@dataclass(frozen=True, slots=True)
class Principal:
    """The row of one principal."""

    name: str
    """That of a token; or the issuer's URL, a blank and the subject, for an OAuth subject."""
    at: datetime
    """When it was added."""
    limits: Limits = Limits()
    disabled: bool = False
    digest: str | None = field(default=None, repr=False)
    """SHA-256 of the token, as hexadecimal digits; `None` for an OAuth subject."""
    digest_before: str | None = field(default=None, repr=False)
    """That of the token before, which is good until the next one is made."""

    def has_token(self, digest: str) -> bool:
        """Compare a digest with those that are kept, in constant time."""
        known = (self.digest, self.digest_before)
        return sum(hmac.compare_digest(digest, each) for each in known if each) > 0

    @property
    def is_oauth_subject(self) -> bool:
        """Whether an issuer answers for it: no name of a token holds a colon."""
        return ":" in self.name


def new_token() -> str:
    """Make a token that nobody can guess."""
    return f"seedance_{secrets.token_urlsafe(32)}"


def digest_of(token: str) -> str:
    """Give what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def check_name(name: str) -> str:
    """Give a name that a principal may have; raises `InvalidRequest`."""
    if name and name == name.strip() and name.isprintable() and "," not in name and len(name) <= NAME_MAX_CHARS:
        return name
    raise InvalidRequest(
        f"The name was {name[:40]!a}; allowed: 1 to {NAME_MAX_CHARS} printable characters without a comma, and without "
        "blanks at its ends; for an OAuth subject the issuer's URL, a blank and the subject."
    )


def rotated(principal: Principal, digest: str) -> Principal:
    """Give a row with a new token beside the last one; the one before that is good no more.

    Raises:
        InvalidRequest: It is an OAuth subject, which has no token of ours.
    """
    if principal.is_oauth_subject:
        raise InvalidRequest(f"{principal.name} is an OAuth subject: its issuer gives it tokens, and we have none of it.")
    if principal.digest == digest:  # an earlier try, whose answer was lost
        return principal
    return replace(principal, digest=digest, digest_before=principal.digest)


def without_old_token(principal: Principal) -> Principal:
    """Give a row whose last token alone is good."""
    return replace(principal, digest_before=None)


def enabled(principal: Principal, *, is_enabled: bool) -> Principal:
    """Give a row that is let in or refused."""
    return replace(principal, disabled=not is_enabled)


def stricter(*amounts: Decimal | None) -> Decimal | None:
    """Give the lowest of the limits that are set."""
    return min((amount for amount in amounts if amount is not None), default=None)
