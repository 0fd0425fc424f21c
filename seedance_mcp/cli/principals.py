"""The commands for the people who use a server over HTTP: their tokens and limits, and the audit of what they did."""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import anyio

from seedance_mcp.cli import numbers
from seedance_mcp.errors import InvalidRequest
from seedance_mcp.money.audit import Changed, Entry
from seedance_mcp.money.gate import limits_for
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.principals import (
    Limits,
    Principal,
    check_name,
    digest_of,
    enabled,
    new_token,
    rotated,
    without_old_token,
)
from seedance_mcp.money.records import Spent
from seedance_mcp.server.markdown import table
from seedance_mcp.settings import Settings
from seedance_mcp.untrusted import sanitize

Show = Callable[[str], None]
"""Prints tables, laid out for a terminal where they go to one."""
Run = Callable[[argparse.Namespace], None]

_LIMITS = {
    "per_video": "hard limit for one video, in JimiCoin",
    "per_day": "hard limit for one UTC day",
    "total": "hard limit for all time",
    "confirm_above": "ask the user before a request that costs more than this",
}
"""Options of `add` and `limit`, by the name of the field of `Limits`."""
OLD_TOKEN, OLD_TOKEN_BESIDE = timedelta(days=180), timedelta(days=7)
"""`doctor` warns of a token that is older, and of one that is still good so long after it was replaced."""
_NAMED = 3
NOBODY = "There are no principals. seedance-mcp principals add NAME makes one and prints its token."


def add_commands(commands: Any, manage: Run, audit: Run) -> None:
    """Add `principals`, run by `manage`, and `audit`."""
    principals = commands.add_parser("principals", help="let people in over HTTP by a token, with limits of their own")
    principals.set_defaults(run=manage)
    actions = principals.add_subparsers(title="actions", required=True, dest="action")
    add = _named(actions, "add", "add a principal and print the token, which is shown this once")
    actions.add_parser("list", help="list the principals with what they spent and their limits")
    limit = _named(actions, "limit", "set limits; what is not named stays as it is")
    for name, text in _LIMITS.items():
        for parser in (add, limit):
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="AMOUNT", help=f"{text}; none for no limit")
    rotate = _named(actions, "rotate", "print a new token; the one before stays good until the next rotate")
    rotate.add_argument("--drop-old", action="store_true", help="make no token: only the last one stays good")
    _named(actions, "disable", "refuse a principal within seconds, its history stays")
    _named(actions, "enable", "let a disabled principal in again")
    actions.metavar = "|".join(actions.choices)
    entries = commands.add_parser("audit", help="show who did what and when: requests, refusals, money, principals")
    entries.add_argument("--since", metavar="TIME", help="only from this time (UTC) on: 2026-07-01, today, 7d or 12h")
    entries.add_argument("--principal", metavar="NAME", help="only this caller's; by default everybody's")
    entries.add_argument("--limit", type=numbers.count, default=50, help="how many of the newest; default: 50")
    entries.add_argument("--json", action="store_true", help="print one JSON object a line")
    entries.set_defaults(run=audit)


def _named(actions: Any, name: str, text: str) -> Any:
    parser = actions.add_parser(name, help=text)
    parser.add_argument("name", metavar="NAME", help="the principal; an OAuth subject as 'ISSUER SUBJECT', in quotes")
    return parser


def manage(settings: Settings, now: Callable[[], datetime], options: argparse.Namespace, show: Show) -> None:
    """Run one action of `principals`."""
    actions: dict[str, Callable[[Ledger], Awaitable[None]]] = {
        "add": partial(_add, now=now, options=options),
        "list": partial(_list, settings=settings, show=show),
        "limit": partial(_limit, options=options),
        "rotate": partial(_rotate, options=options),
        "disable": partial(_enable, name=getattr(options, "name", ""), is_enabled=False),
        "enable": partial(_enable, name=getattr(options, "name", ""), is_enabled=True),
    }
    anyio.run(_opened, settings, now, actions[options.action])


async def _opened(settings: Settings, now: Callable[[], datetime], work: Callable[[Ledger], Awaitable[None]]) -> None:
    async with aclosing(open_ledger(settings, now)) as ledger:
        await work(ledger)


async def _add(ledger: Ledger, *, now: Callable[[], datetime], options: argparse.Namespace) -> None:
    principal = Principal(check_name(options.name), now(), _limited(Limits(), options))
    if principal.is_oauth_subject:
        await ledger.add_principal(principal)
        print(f"{principal.name} has a row of its own; its issuer gives it tokens")
        return
    token = new_token()
    await ledger.add_principal(replace(principal, digest=digest_of(token)))
    print(token)


async def _limit(ledger: Ledger, *, options: argparse.Namespace) -> None:
    if all(getattr(options, name) is None for name in _LIMITS):
        named = ", ".join(f"--{name.replace('_', '-')}" for name in _LIMITS)
        raise InvalidRequest(f"No limit was named; allowed: {named}, each with a number or none.")
    _limited(Limits(), options)  # a number that cannot be read is said before a name that is not there

    def changed(principal: Principal) -> Principal:
        return replace(principal, limits=_limited(principal.limits, options))

    after = await ledger.change_principal(options.name, changed, "limited")
    print(f"{after.name}: {after.limits}")


def _limited(limits: Limits, options: argparse.Namespace) -> Limits:
    """Give limits with those that were named."""
    named = {name: getattr(options, name) for name in _LIMITS}
    return replace(limits, **{name: _amount(name, text) for name, text in named.items() if text is not None})


def _amount(name: str, text: str) -> Decimal | None:
    if text == "none":
        return None
    try:
        return numbers.amount(text)
    except argparse.ArgumentTypeError as refusal:
        raise InvalidRequest(f"--{name.replace('_', '-')} {refusal}, or none.") from refusal


async def _rotate(ledger: Ledger, *, options: argparse.Namespace) -> None:
    if options.drop_old:
        await ledger.change_principal(options.name, without_old_token, "rotated")
        print(f"{options.name}: only the last token is good")
        return
    token = new_token()
    await ledger.change_principal(options.name, partial(rotated, digest=digest_of(token)), "rotated")
    print(token)


async def _enable(ledger: Ledger, *, name: str, is_enabled: bool) -> None:
    action: Changed = "enabled" if is_enabled else "disabled"
    await ledger.change_principal(name, partial(enabled, is_enabled=is_enabled), action)
    print(f"{name} is {action}")


async def _list(ledger: Ledger, *, settings: Settings, show: Show) -> None:
    rows = await ledger.registered()
    if not rows:
        print(NOBODY)
        return
    spent = [await ledger.for_principal(row.name).spent() for row in rows]
    shown = table(
        ("Name", "Today", "In total", "Per video", "Ask above", "Tokens", "State"),
        [_row(row, each) for row, each in zip(rows, spent, strict=True)],
    )
    show(f"{shown}\nSpent/limit, in JimiCoin. {_general(settings)}")


def summary(settings: Settings, rows: list[Principal], made: dict[str, datetime], now: datetime) -> tuple[str, list[str]]:
    """Say how many principals there are, and what is wrong with them.

    Args:
        settings: They hold the limits of everybody.
        rows: Every principal.
        made: When the newest token of each was made.
        now: The time.
    """
    let_in = [row for row in rows if not row.disabled]
    with_tokens = [(row, now - made.get(row.name, row.at)) for row in let_in if not row.is_oauth_subject]
    faults = {
        "without any limit": [row for row in let_in if not limits_for(settings, row)],
        f"with a token older than {OLD_TOKEN.days} days": [row for row, age in with_tokens if age > OLD_TOKEN],
        f"with an old token still good {OLD_TOKEN_BESIDE.days} days after the new one": [
            row for row, age in with_tokens if row.digest_before and age > OLD_TOKEN_BESIDE
        ],
    }
    named = [f"{_named_first(found)} {fault}" for fault, found in faults.items() if found]
    return f"{len(rows)}, {len(rows) - len(let_in)} disabled", named if let_in else ["nobody is let in"]


def _named_first(rows: list[Principal]) -> str:
    names = ", ".join(_cell(row.name) for row in rows[:_NAMED])
    return f"{names} and {len(rows) - _NAMED} more" if len(rows) > _NAMED else names


def _row(row: Principal, spent: Spent) -> tuple[str, ...]:
    limits = row.limits
    tokens = sum(digest is not None for digest in (row.digest, row.digest_before))
    return (
        _cell(row.name),
        f"{spent.today:f}/{_coins(limits.per_day)}",
        f"{spent.total:f}/{_coins(limits.total)}",
        _coins(limits.per_video),
        _coins(limits.confirm_above),
        "OAuth" if row.is_oauth_subject else str(tokens),
        "disabled" if row.disabled else "",
    )


def _general(settings: Settings) -> str:
    limits = {**settings.limits, **({"confirm_above": settings.confirm_above} if settings.confirm_above is not None else {})}
    general = ", ".join(f"{name} {limit:f}" for name, limit in limits.items()) or "none"
    return f"For everybody, the stricter one holds: {general}."


def _coins(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount:f}"


def _cell(text: str) -> str:
    return sanitize(text).replace("|", "/")


def audit(
    settings: Settings, now: Callable[[], datetime], since: datetime | None, options: argparse.Namespace, show: Show
) -> None:
    """Print the newest entries of the audit, the newest last."""
    anyio.run(_opened, settings, now, partial(_audit, since=since, options=options, show=show))


async def _audit(ledger: Ledger, *, since: datetime | None, options: argparse.Namespace, show: Show) -> None:
    entries = await ledger.audit(since, options.principal, options.limit)
    if options.json:
        print("".join(f"{json.dumps(_as_json(entry))}\n" for entry in entries), end="")
        return
    head = ("At (UTC)", "Whose", "By", "What", "Amount", "Code", "Request", "Detail")
    show(table(head, [_line(entry) for entry in entries]))


def _line(entry: Entry) -> tuple[str, ...]:
    request = entry.request_id or entry.model or ""
    who = (_cell(entry.principal) or "(this machine)", entry.actor, entry.action)
    return (f"{entry.at:%Y-%m-%d %H:%M:%S}", *who, _coins(entry.amount), entry.code or "", request, entry.detail or "")


def _as_json(entry: Entry) -> dict[str, str | None]:
    amount = None if entry.amount is None else f"{entry.amount:f}"
    known = {"principal": entry.principal, "actor": entry.actor, "action": entry.action, "code": entry.code}
    about = {"request_id": entry.request_id, "model": entry.model, "amount": amount, "detail": entry.detail}
    return {"at": f"{entry.at:%Y-%m-%dT%H:%M:%S.%fZ}", **known, **about}
