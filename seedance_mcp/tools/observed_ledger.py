"""Reports every call of the ledger to an observer, whichever engine answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import anyio

from seedance_mcp.money.ledger import Ledger
from seedance_mcp.tools.observer import LedgerCall

Report = Callable[[LedgerCall], None]


class _ObservedLedger:
    """Stands before a ledger; every verb is the ledger's own."""

    def __init__(self, ledger: Ledger, report: Report) -> None:
        self._ledger, self._report = ledger, report

    def for_principal(self, principal: str) -> Ledger:
        return observed(self._ledger.for_principal(principal), self._report)

    def __getattr__(self, verb: str) -> Any:
        return partial(_timed, self._report, verb, getattr(self._ledger, verb))


async def _timed(report: Report, verb: str, run: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
    began, failure = anyio.current_time(), None
    try:
        return await run(*arguments, **options)
    except BaseException as error:
        failure = type(error).__name__
        raise
    finally:
        report(LedgerCall(verb, anyio.current_time() - began, failure))


def observed(ledger: Ledger, report: Report) -> Ledger:
    """Give the same ledger, every call of which is reported when it ended."""
    return cast("Ledger", _ObservedLedger(ledger, report))
