"""`seedance-mcp doctor`: everything that a server needs, looked at one by one, each a fact and a remedy."""

from __future__ import annotations

import difflib
import json
import os
import platform
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from decimal import Decimal
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeVar

import anyio

from seedance_mcp._version import __version__
from seedance_mcp.catalogue.editions.edition_2026_07 import CURRENCY
from seedance_mcp.errors import SeedanceError
from seedance_mcp.money.ledger import open_ledger
from seedance_mcp.money.prices import load_prices
from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.server.handlers import open_shared
from seedance_mcp.settings import Settings, check_settings
from seedance_mcp.tools.session import Connect, Shared, connect_to_provider, utc_now
from seedance_mcp.untrusted import sanitize

PATIENCE_SECONDS = 20.0
"""How long the provider has for one answer."""

T = TypeVar("T")
Mark = Literal["ok", "warn", "fail"]
_NAMES = {f"SEEDANCE_{name.upper()}" for name in Settings.model_fields} | {"JIMMYAI_API_KEY", "JIMMYAI_BASE_URL"}
_PLAY = "SEEDANCE_SANDBOX=1 seedance-mcp doctor"
_HERE = "(this shell's; a client's entry may differ)"
_EXTRAS = ("av", "PIL", "rich")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do."""

    mark: Mark
    what: str
    fact: str
    remedy: str = ""


def failed(findings: Iterable[Finding]) -> bool:
    """Whether anything must be mended before a video can be made."""
    return any(finding.mark == "fail" for finding in findings)


def as_text(findings: Iterable[Finding]) -> str:
    """A line each, the remedy below."""
    return "\n".join(
        f"{each.mark:4} {each.what}: {each.fact}" + (f"\n     -> {each.remedy}" if each.remedy else "") for each in findings
    )


def as_json(findings: Iterable[Finding]) -> str:
    """The same for programs."""
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2)


async def tell(as_data: bool) -> bool:  # noqa: FBT001 - what was typed
    """Print what there is to say; gives whether anything must be mended."""
    findings = await examine()
    print(as_json(findings) if as_data else as_text(findings))
    return failed(findings)


async def examine(connect: Connect = connect_to_provider) -> list[Finding]:
    """Look at everything; nothing is written, sent twice or paid."""
    settings, problems = check_settings()
    found = [
        _versions(),
        *_settings(problems),
        *_extras(settings),
        _key(settings, problems),
        _profile(settings),
        _limits(settings),
    ]
    found += [_prices(settings), *_folders(settings), await _ledger(settings)]
    if any("BASE_URL" in problem for problem in problems):  # the key must not go to another address than the one meant
        return [*found, Finding("fail", "provider", "not looked at: its address is wrong", "set SEEDANCE_BASE_URL right")]
    try:
        async with open_shared(settings, connect) as shared:
            found += await _provider(shared)
    except ModuleNotFoundError as error:
        found.append(Finding("fail", "provider", f"the sandbox needs {error.name}", "pip install 'seedance-mcp[sandbox]'"))
    return found


def _versions() -> Finding:
    versions = {"seedance-mcp": __version__, "Python": platform.python_version(), "mcp": metadata.version("mcp")}
    versions["SQLite"] = sqlite3.sqlite_version
    return Finding("ok", "versions", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _settings(problems: list[str]) -> Iterable[Finding]:
    for problem in problems:
        yield Finding("fail", "setting", problem, "set it right or unset it; the server does not start like this")
    given = sorted(name for name in os.environ if name.upper().startswith(("SEEDANCE_", "JIMMYAI_")))
    for name in given:
        if name.upper() not in _NAMES:
            near = difflib.get_close_matches(name.upper(), _NAMES, n=1)
            yield Finding("warn", "setting", f"{name} is none of ours", f"did you mean {near[0]}?" if near else "unset it")
    if not problems:
        yield Finding("ok", "settings", ", ".join(given) or "none set, all as by default")


def _extras(settings: Settings) -> Iterable[Finding]:
    missing = [name for name in _EXTRAS if find_spec(name) is None]
    remedy = "pip install 'seedance-mcp[sandbox]'"
    if missing:
        yield Finding("fail" if settings.sandbox else "warn", "extras", f"the sandbox lacks {', '.join(missing)}", remedy)
    else:
        yield Finding("ok", "extras", "the sandbox and its films work here")


def _key(settings: Settings, problems: list[str]) -> Finding:
    if settings.sandbox:
        return Finding("ok", "key", "none needed: SEEDANCE_SANDBOX is set")
    if any("API_KEY" in problem for problem in problems):
        return Finding("fail", "key", "set, but no key", "copy it again from the provider's console")
    if settings.api_key is None:
        return Finding(
            "fail", "key", "not set", f"set SEEDANCE_API_KEY; without one, or for an entry made with --sandbox: {_PLAY}"
        )
    if not settings.api_key.get_secret_value().startswith(("sk_", "sk-")):
        return Finding(
            "warn", "key", "set, but it does not start like the provider's keys (sk_ or sk-)", "compare it with yours"
        )
    return Finding("ok", "key", "set and well-formed")


def _profile(settings: Settings) -> Finding:
    auto = "by the client's name: flat for those that refuse unions" if settings.schema_profile == "auto" else ""
    return Finding("ok", "schema profile", auto or settings.schema_profile)


def _limits(settings: Settings) -> Finding:
    told = ", ".join(f"{name} {limit:f}" for name, limit in settings.limits.items())
    if told or settings.sandbox:
        return Finding("ok", "limits", f"{told} {_HERE}" if told else "none, and nothing is charged here")
    fact = f"none: an agent may spend the whole balance {_HERE}"
    return Finding("warn", "limits", fact, "set SEEDANCE_MAX_COST_PER_DAY, then seedance-mcp install writes it into the entry")


def _prices(settings: Settings) -> Finding:
    try:
        count = len(load_prices(settings.prices)) if settings.prices else 0
    except SeedanceError as error:
        return Finding("fail", "price file", error.message, "mend the file or unset SEEDANCE_PRICES")
    return Finding("ok", "price file", f"{count} prices" if settings.prices else "none, the provider's list alone")


def _folders(settings: Settings) -> Iterable[Finding]:
    for what, folder in (("data folder", settings.ledger_dir), ("output folder", settings.output_dir)):
        yield _folder(what, folder)
    roots = settings.upload_roots
    there = [str(root) for root in roots if root.is_dir()]
    if there:
        yield Finding("ok", "media folders", ", ".join(there))
    else:
        yield Finding(
            "warn", "media folders", "none of them is there", "set SEEDANCE_MEDIA_ROOTS, else no local file is uploaded"
        )


def _folder(what: str, folder: Path) -> Finding:
    variable = f"SEEDANCE_{what.split(maxsplit=1)[0].upper()}_DIR"
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            "fail", what, f"{folder}: {nearest} cannot be written to", f"open it or set {variable} to another folder"
        )
    return Finding("ok", what, f"{folder}" + ("" if nearest == folder else " (made at first use)"))


async def _ledger(settings: Settings) -> Finding:
    if not (settings.ledger_dir / LEDGER_FILE).exists():
        return Finding("ok", "ledger", "none yet (made at first use)")
    try:
        async with aclosing(open_ledger(settings, utc_now)) as ledger:
            health = await ledger.health()
    except SeedanceError as error:
        return Finding("fail", "ledger", error.message, "nothing is sent without it")
    if health.faults:
        return Finding(
            "fail", "ledger", f"damaged: {sanitize(health.faults[0])}", "keep a copy, then move it away: a new one begins"
        )
    total, unclear = health.requests, health.unknown_outcomes
    if unclear:
        return Finding("warn", "ledger", f"{total} requests, {unclear} of them without an answer", "see seedance-mcp tasks")
    return Finding("ok", "ledger", f"whole, {total} requests")


async def _provider(shared: Shared) -> list[Finding]:
    """One look at the public price list, and with a key one at the account; both are free."""
    where = "the embedded sandbox" if shared.settings.sandbox else shared.settings.base_url
    remedy = "check the network, a proxy, and SEEDANCE_BASE_URL"
    found = [
        await _look("provider", where, shared.client.list_prices, lambda rows: f"{where} lists {len(rows)} prices", remedy)
    ]
    if shared.settings.api_key and found[0].mark == "ok":
        remedy = "compare SEEDANCE_API_KEY with the provider's console"
        told = _play_money if shared.settings.sandbox else _balance
        ask = shared.client.get_user_balance
        found.append(await _look("account", "the key", ask, lambda account: told(account.available), remedy))
    return found


async def _look(what: str, where: str, ask: Callable[[], Awaitable[T]], tell: Callable[[T], str], remedy: str) -> Finding:
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            return Finding("ok", what, tell(await ask()))
    except TimeoutError:
        return Finding("fail", what, f"{where}: no answer within {PATIENCE_SECONDS:.0f} seconds", remedy)
    except SeedanceError as error:
        return Finding("fail", what, f"{where}: {_without_advice(error)}", remedy)


def _without_advice(error: SeedanceError) -> str:
    """What happened; what an agent is told to do about it stands here as our remedy, for the operator."""
    return error.message.partition(" Try again later")[0]


def _balance(left: Decimal | None) -> str:
    return f"the key works, {left:f} {CURRENCY} left" if left is not None else "the key works, the balance is not told"


def _play_money(left: Decimal | None) -> str:
    return f"{left or 0:.0f} {CURRENCY} of play money"
