"""The principals of the ledger at the door of the HTTP transports, read anew every few seconds: no change needs a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio
from mcp.server.auth.provider import AccessToken

from seedance_mcp.errors import LedgerUnusable
from seedance_mcp.money.ledger import Ledger
from seedance_mcp.money.principals import Principal, digest_of

log = logging.getLogger(__name__)

FRESH_SECONDS = 2.0
"""How long the rows are used before they are read again: a disabled principal comes in no longer than this."""
REFETCH_SECONDS = 60.0
"""An OAuth issuer is never asked more often than this, whatever tokens come."""


class PrincipalsAway(Exception):
    """The ledger could not be read yet, so that nobody knows whose token is good."""


class IssuerAway(Exception):
    """The OAuth issuer gives no keys, so that no token can be verified now."""


class KnownPrincipals:
    """Verifies the tokens of the ledger's principals, as the SDK's `TokenVerifier`, and knows who is disabled."""

    def __init__(self, ledger: Callable[[], Ledger | None], clock: Callable[[], float] = anyio.current_time) -> None:
        """Take how to get the ledger, which is not there before the server runs, and seconds that never run backwards."""
        self._ledger, self._clock = ledger, clock
        self._rows: list[Principal] | None = None
        self._read_at = float("-inf")
        self._lock = anyio.Lock()

    async def refresh(self) -> None:
        """Read the rows again if they are too old; those that were read last stay while the ledger cannot be used.

        Raises:
            PrincipalsAway: They were never read.
        """
        if self._is_old():
            async with self._lock:
                await self._read()
        if self._rows is None:
            raise PrincipalsAway

    def _is_old(self) -> bool:
        return self._clock() - self._read_at >= FRESH_SECONDS

    async def _read(self) -> None:
        """Read the rows, unless another request did meanwhile."""
        if not self._is_old():
            return
        ledger = self._ledger()
        try:
            self._rows = await ledger.registered() if ledger else []
        except LedgerUnusable as error:
            log.warning("The principals cannot be read: %s", type(error).__name__)
        self._read_at = self._clock()

    @property
    def has_any(self) -> bool:
        """Whether there is any, disabled or not: then nobody comes in without a token."""
        return bool(self._rows)

    def is_disabled(self, name: str) -> bool:
        """Whether the operator disabled a principal, whatever vouches for it."""
        return any(row.disabled for row in self._rows or () if row.name == name)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Find the principal of a token; every digest is compared, each in constant time."""
        digest = digest_of(token)
        names = [row.name for row in self._rows or () if row.has_token(digest)]
        return AccessToken(token="", client_id=names[0], scopes=[]) if names else None
