"""`seedance-mcp doctor` checks everything that a server needs and says what to do about each fault.

A server is started from this shell or by a client. Each entry that `install` wrote is checked with its own environment.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Literal, TypeVar

import anyio

from seedance_mcp._version import __version__
from seedance_mcp.catalogue.edition import load_edition
from seedance_mcp.cli.installed import ClientFile, client_files, without_ours
from seedance_mcp.cli.invocation import as_typed
from seedance_mcp.cli.mcp_clients import TOKEN
from seedance_mcp.cli.principals import summary
from seedance_mcp.errors import NotConfigured, SeedanceError
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.price_lists import ListedRow, changes, earlier_than, read_names
from seedance_mcp.money.prices import load_prices
from seedance_mcp.money.records import Health
from seedance_mcp.money.stores.sqlite import LEDGER_FILE
from seedance_mcp.origin import PACKAGE, PUBLISHED, install_command
from seedance_mcp.server.handlers import open_shared
from seedance_mcp.settings import Settings, check_settings
from seedance_mcp.tools.session import Connect, Shared, connect_to_provider, kept_price_lists, utc_now
from seedance_mcp.tools.variables import ignored_variables
from seedance_mcp.untrusted import sanitize

ANSWER_SECONDS = 20.0
"""The provider has this long for one answer."""

T = TypeVar("T")
Mark = Literal["ok", "warn", "fail"]
_CHECK_THE_SANDBOX = "SEEDANCE_SANDBOX=1 seedance-mcp doctor"
_EXTRAS = ("av", "PIL", "pillow_heif", "rich")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `--json` prints these fields."""

    mark: Mark
    what: str
    """The thing that was checked, in a word or two."""
    fact: str
    remedy: str = ""
    """The next step for the operator; empty where nothing is wrong."""
    where: str = ""
    """The clients' files whose entry was checked; empty for this shell and this machine."""


@dataclass(frozen=True, slots=True)
class _Start:
    """One way in which the server is started: from this shell, or by the entries of clients that say the same."""

    environment: Mapping[str, str]
    variables: Mapping[str, str]
    """Those of the environment that were meant for this server."""
    files: tuple[ClientFile, ...] = ()
    """None for this shell."""

    @property
    def where(self) -> str:
        return ", ".join(f"{each.client.title} ({each.path})" for each in self.files)

    @property
    def whose(self) -> str:
        return "(in the entry)" if self.files else "(this shell's; a client's entry may differ)"


def failed(findings: Iterable[Finding]) -> bool:
    """Say whether anything must be repaired before a video can be made."""
    return any(finding.mark == "fail" for finding in findings)


def as_text(findings: Iterable[Finding]) -> str:
    """Write one line for each finding, with its remedy below it, and a title above those of clients' entries."""
    parts: list[str] = []
    for where, group in groupby(findings, key=lambda each: each.where):
        parts += [f"\n{where}"] if where else []
        parts += [_line(each) for each in group]
    return as_typed("\n".join(parts))


def _line(finding: Finding) -> str:
    remedy = f"\n     -> {finding.remedy}" if finding.remedy else ""
    return f"{finding.mark:4} {finding.what}: {finding.fact}{remedy}"


def as_json(findings: Iterable[Finding]) -> str:
    """Write the findings for programs."""
    rows = [{name: as_typed(value) for name, value in asdict(each).items() if value or name != "where"} for each in findings]
    return json.dumps(rows, ensure_ascii=False, indent=2)


async def report(as_data: bool) -> bool:  # noqa: FBT001 - the option as typed
    """Check everything and print the findings.

    Returns:
        Whether anything must be repaired.
    """
    findings = await examine()
    print(as_json(findings) if as_data else as_text(findings))
    return failed(findings)


async def examine(connect: Connect = connect_to_provider) -> list[Finding]:
    """Check everything; nothing is written or paid.

    Args:
        connect: Makes the provider's client from the settings.
    """
    files = client_files()
    starts = _starts(files)
    found = [_versions(), *map(_unreadable, (each for each in files if each.fault))]
    if starts and not _is_server():
        found += _ignored(os.environ)
        found.append(Finding("ok", "this shell", "no key and no sandbox is set here; what clients start follows"))
    else:
        starts.insert(0, _Start(dict(os.environ), dict(os.environ)))
    for start in starts:
        with _environment(start.environment):
            found += [replace(each, where=start.where) for each in await _examine(start, connect)]
    return found


def _unreadable(file: ClientFile) -> Finding:
    fact = f"{file.client.title}, {file.path}: {file.fault}"
    return Finding("warn", "client", fact, "correct the file; it was left as it is")


def _starts(files: list[ClientFile]) -> list[_Start]:
    """Give what the clients start; entries that come to the same are checked once."""
    found: dict[tuple[object, ...], _Start] = {}
    for file in files:
        if file.entry is not None:
            variables = file.variables(os.environ)
            key = tuple(sorted(variables.items())), file.asks_for_key, file.is_remote
            start = found.setdefault(key, _Start(without_ours(os.environ) | variables, variables))
            found[key] = replace(start, files=(*start.files, file))
    return list(found.values())


def _is_server() -> bool:
    """Say whether this shell is meant to start a server too."""
    settings, problems = check_settings()
    return settings.sandbox or settings.api_key is not None or any("API_KEY" in problem for problem in problems)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Generator[None]:
    """Have this process read another environment: folders, proxies and certificates are looked up there by libraries too."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


async def _examine(start: _Start, connect: Connect) -> list[Finding]:
    """Check one way in which the server is started; the environment is already its own."""
    found = [_program(file) for file in start.files]
    if any(file.is_remote for file in start.files):
        return [*found, *map(_token, start.files)]
    settings, problems = check_settings()
    found += [
        *_settings(start, problems),
        *_extras(settings),
        _key(start, settings, problems),
        _profile(settings),
        _limits(start, settings),
    ]
    found += [_prices(settings), *_folders(settings), *await _ledger(settings)]
    if any("BASE_URL" in problem for problem in problems):  # the key must go to no address but the intended one
        return [*found, Finding("fail", "provider", "not checked: its address is invalid", "correct SEEDANCE_BASE_URL")]
    try:
        async with open_shared(Shared(settings, connect)) as shared:
            found += await _provider(shared)
    except ModuleNotFoundError as error:
        found.append(Finding("fail", "provider", f"the sandbox needs {error.name}", install_command("sandbox")))
    except NotConfigured as error:
        found.append(Finding("fail", "provider", error.message, "correct or unset it, here and in the client's entry"))
    return found


def _program(file: ClientFile) -> Finding:
    """Say what a client starts, and whether it is there."""
    if file.is_remote:
        fact = f"none: the entry names a running server, which is not checked here ({file.address})"
        return Finding("ok", "program", fact)
    again = f"seedance-mcp install {file.client.name}"
    if not file.program:
        return Finding("fail", "program", f"{file.client.title} finds no command in the entry", again)
    shown = sanitize(file.program)
    if shutil.which(file.program) is None:
        return Finding("fail", "program", f"{file.client.title} starts {shown}, which is not there", again)
    if file.fetches_by_name and not PUBLISHED:
        fact = f"{file.client.title} has {shown} fetch {PACKAGE} by its name, not published yet: it may be a stranger's"
        return Finding("warn", "program", fact, again)
    return Finding("ok", "program", f"{file.client.title} starts {shown}")


def _token(file: ClientFile) -> Finding:
    """Say how the token gets to a server over HTTP, and whether it is there."""
    if file.token.endswith(TOKEN) and not os.environ.get(TOKEN):
        return Finding("warn", "token", f"{file.token}, which is not set in this shell", "set it where the client is started")
    return Finding("ok", "token", file.token or "none: the client lets its user sign in, or the server asks for none")


def _versions() -> Finding:
    versions = {"seedance-mcp": __version__, "Python": platform.python_version(), "mcp": metadata.version("mcp")}
    versions["SQLite"] = sqlite3.sqlite_version
    return Finding("ok", "versions", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _settings(start: _Start, problems: list[str]) -> Iterable[Finding]:
    for problem in problems:
        yield Finding("fail", "setting", problem, "correct it or unset it; the server does not start with it")
    yield from _ignored(start.variables)
    given = sorted(sanitize(name) for name in start.variables if name.upper().startswith(("SEEDANCE_", "JIMMYAI_")))
    if not problems:
        yield Finding("ok", "settings", ", ".join(given) or "none set: all defaults")


def _ignored(variables: Mapping[str, str]) -> Iterable[Finding]:
    for told in ignored_variables(variables):
        fact, _, question = told.partition("; ")
        yield Finding("warn", "setting", fact, question or "unset it")


def _extras(settings: Settings) -> Iterable[Finding]:
    missing = [name for name in _EXTRAS if find_spec(name) is None]
    remedy = install_command("sandbox")
    if missing:
        yield Finding("fail" if settings.sandbox else "warn", "extras", f"the sandbox lacks {', '.join(missing)}", remedy)
    else:
        yield Finding("ok", "extras", "the sandbox and its films work here")


def _key(start: _Start, settings: Settings, problems: list[str]) -> Finding:
    if settings.sandbox:
        return Finding("ok", "key", "none needed: SEEDANCE_SANDBOX is set")
    if any(file.asks_for_key for file in start.files):
        return Finding("ok", "key", "the client asks for it at the first start; it is not known here")
    if any("API_KEY" in problem for problem in problems):
        return Finding("fail", "key", "set, but not a valid key", "copy it again from the provider's console")
    if settings.api_key is None:
        return _no_key(start)
    if not settings.api_key.get_secret_value().startswith(("sk_", "sk-")):
        return Finding(
            "warn", "key", "set, but it does not start like the provider's keys (sk_ or sk-)", "compare it with yours"
        )
    return Finding("ok", "key", "set and well-formed")


def _no_key(start: _Start) -> Finding:
    """Say that the key is missing, and how each client gets it."""
    if not start.files:
        return Finding("fail", "key", "not set", f"set SEEDANCE_API_KEY; without one: {_CHECK_THE_SANDBOX}")
    hints = dict.fromkeys(f"{each.client.title}: {each.client.key_hint}" for each in start.files)
    return Finding("fail", "key", "not set in the entry, nor in this shell where the entry refers to it", "; ".join(hints))


def _profile(settings: Settings) -> Finding:
    auto = "chosen by the client's name: flat for clients that refuse unions" if settings.schema_profile == "auto" else ""
    return Finding("ok", "schema profile", auto or settings.schema_profile)


def _limits(start: _Start, settings: Settings) -> Finding:
    limits = ", ".join(f"{name} {limit:f}" for name, limit in settings.limits.items())
    if limits or settings.sandbox:
        return Finding("ok", "limits", f"{limits} {start.whose}" if limits else "none, and nothing is charged here")
    fact = f"none: an agent may spend the whole balance {start.whose}"
    again = " and ".join(f"seedance-mcp install {each.client.name}" for each in start.files) or "seedance-mcp install NAME"
    return Finding("warn", "limits", fact, f"set SEEDANCE_MAX_COST_PER_DAY; {again}, as before, writes it into the entry")


def _prices(settings: Settings) -> Finding:
    try:
        count = len(load_prices(settings.prices)) if settings.prices else 0
    except SeedanceError as error:
        return Finding("fail", "price file", error.message, "correct the file or unset SEEDANCE_PRICES")
    return Finding("ok", "price file", f"{count} prices" if settings.prices else "none: only the provider's list")


def _folders(settings: Settings) -> Iterable[Finding]:
    for what, folder in (("data folder", settings.ledger_dir), ("output folder", settings.output_dir)):
        yield _folder(what, folder)
    roots = settings.upload_roots
    there = [str(root) for root in roots if root.is_dir()]
    if there:
        yield Finding("ok", "media folders", ", ".join(there))
    else:
        yield Finding(
            "warn", "media folders", "none of them exists", "set SEEDANCE_MEDIA_ROOTS, else no local file can be uploaded"
        )


def _folder(what: str, folder: Path) -> Finding:
    variable = f"SEEDANCE_{what.split(maxsplit=1)[0].upper()}_DIR"
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            "fail", what, f"{folder}: {nearest} cannot be written to", f"make it writable or set {variable} to another folder"
        )
    return Finding("ok", what, f"{folder}" + ("" if nearest == folder else " (made at first use)"))


async def _ledger(settings: Settings) -> list[Finding]:
    if not settings.ledger_url and not (settings.ledger_dir / LEDGER_FILE).exists():
        return [Finding("ok", "ledger", "none yet (made at first use)")]
    try:
        async with aclosing(open_ledger(settings, utc_now)) as ledger:
            return [_health(settings, await ledger.health()), *await _principals(ledger, settings)]
    except SeedanceError as error:
        return [Finding("fail", "ledger", error.message, "nothing is sent without it")]


async def _principals(ledger: Ledger, settings: Settings) -> Iterable[Finding]:
    rows = await ledger.registered()
    if rows:
        facts, problems = summary(settings, rows, await ledger.tokens_made(), utc_now())
        remedy = "see seedance-mcp principals list; limit, rotate and disable change them" if problems else ""
        return [Finding("warn" if problems else "ok", "principals", "; ".join([facts, *problems]), remedy)]
    return []


def _health(settings: Settings, health: Health) -> Finding:
    if health.faults:
        damage = sanitize(health.faults[0])
        in_file = (f"damaged: {damage}", "copy it, then move it away: a new ledger is started")
        return Finding("fail", "ledger", *((damage, "see to the database") if settings.ledger_url else in_file))
    unclear, total = health.unknown_outcomes, f"{health.requests} request{'s' * (health.requests != 1)}"
    if unclear:
        return Finding("warn", "ledger", f"{total}, {unclear} of unknown outcome", "see seedance-mcp tasks")
    where = "in the database, " if settings.ledger_url else ""
    return Finding("ok", "ledger", f"{where}whole, {total}")


async def _provider(shared: Shared) -> list[Finding]:
    """Ask for the public price list, and with a key for the account; both are free."""
    where = "the embedded sandbox" if shared.settings.sandbox else shared.settings.base_url
    remedy = "check the network, a proxy, and SEEDANCE_BASE_URL"
    listed: list[ListedRow] = []

    async def list_prices() -> list[ListedRow]:
        listed.extend(await shared.client.list_prices())
        return listed

    found = [await _ask("provider", where, list_prices, lambda rows: f"{where} lists {len(rows)} prices", remedy)]
    found += _drift(shared, listed)
    if shared.settings.api_key and found[0].mark == "ok":
        remedy = "compare SEEDANCE_API_KEY with the provider's console"
        describe = partial(_play_money if shared.settings.sandbox else _balance, shared.edition.currency)
        ask = shared.client.get_user_balance
        found.append(await _ask("account", "the key", ask, lambda account: describe(account.available), remedy))
    return found


def _drift(shared: Shared, listed: Iterable[ListedRow]) -> Iterable[Finding]:
    """Compare the price list with the edition and with the list before, one finding for each change."""
    new = read_names(listed, utc_now().isoformat(timespec="seconds"))
    earlier = earlier_than(new, kept_price_lists(shared.settings).read())
    for each in changes(load_edition(shared.edition.name), new, earlier):
        yield Finding("warn", "price list", f"{each.kind}: {each.name}: {each.fact}", each.remedy)


async def _ask(what: str, where: str, ask: Callable[[], Awaitable[T]], describe: Callable[[T], str], remedy: str) -> Finding:
    """Ask the provider one question; `describe` turns its answer into a fact."""
    try:
        with anyio.fail_after(ANSWER_SECONDS):
            return Finding("ok", what, describe(await ask()))
    except TimeoutError:
        return Finding("fail", what, f"{where}: no answer within {ANSWER_SECONDS:.0f} seconds", remedy)
    except SeedanceError as error:
        return Finding("fail", what, f"{where}: {_without_advice(error)}", remedy)


def _without_advice(error: SeedanceError) -> str:
    """Give the message without its advice to an agent: the operator gets a remedy of their own."""
    return error.message.partition(" Try again later")[0]


def _balance(currency: str, left: Decimal | None) -> str:
    return (
        f"the key works, {left:f} {currency} left" if left is not None else "the key works, but the provider gives no balance"
    )


def _play_money(currency: str, left: Decimal | None) -> str:
    return f"{left or 0:.0f} {currency} of play money"
