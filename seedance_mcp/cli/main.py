"""The command `seedance-mcp`: its options, and one function for each subcommand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio

from seedance_mcp._version import __version__
from seedance_mcp.cli import numbers, principals, serving
from seedance_mcp.cli.loading import without_garbage_collection
from seedance_mcp.cli.mcp_clients import BY_NAME as CLIENTS_BY_NAME
from seedance_mcp.cli.running import EXIT_FAILED, read_settings, run
from seedance_mcp.errors import InvalidRequest, TaskNotFound
from seedance_mcp.money.ledger import Ledger, open_ledger
from seedance_mcp.money.policy import spent
from seedance_mcp.money.records import Page, Record, SumBy, Totals, Verdict
from seedance_mcp.money.sums import add_up
from seedance_mcp.settings import Settings
from seedance_mcp.tools.times import read_time

FIRST_DAY = "1971-01-01"
DAYS = 14
"""So many days, today among them, are shown with what they cost."""
BAR_COLUMNS = 40
_INSTALL_OPTIONS = {
    "--url",
    "--token-from-env",
    "--sign-in",
    "--sandbox",
    "--key-from-env",
    "--dry-run",
    "--undo",
    "--command",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after `seedance-mcp`; by default those of this process.

    Returns:
        The exit code: 0, or one of those of `running`.
    """

    def command() -> int | None:
        options = parser().parse_args(argv)
        return options.run(options)

    return run(command)


def parser() -> argparse.ArgumentParser:
    """Give the parser of the whole command line; `options.run` is the function of the chosen command."""
    parser = argparse.ArgumentParser(prog="seedance-mcp", description="Seedance 2.0 video for MCP clients.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(run=_welcome)
    commands = parser.add_subparsers(title="commands", metavar="")
    serve = commands.add_parser("serve", help="serve MCP (the default, over stdio)")
    serve.add_argument("--transport", choices=["stdio", "http", "sse"], default="stdio", help="default: stdio")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address; outside loopback, tokens, an OAuth issuer or principals are needed"
    )
    serve.add_argument("--port", type=numbers.port, default=8931, help="port of http and sse; default: 8931")
    serve.add_argument("--tls-certificate", help="PEM file; with --tls-key the server speaks https")
    serve.add_argument("--tls-key", help="PEM file of the certificate's private key")
    serve.add_argument("--keep", action="store_true", help="save every finished video unasked, as SEEDANCE_AUTO_SAVE=1 does")
    serve.set_defaults(run=_serve)
    keep = commands.add_parser("keep", help="only follow everybody's tasks and save what is finished, beside the servers")
    keep.set_defaults(run=_keep)
    demo = commands.add_parser("demo", help="make a film of three shots on the sandbox: no key, no cost")
    demo.add_argument("--output", help="folder for the videos; default: ./seedance-videos")
    demo.set_defaults(run=_demo)
    _add_provider(commands)
    _add_money(commands)
    principals.add_commands(commands, _principals, _audit)
    _add_ledger(commands)
    _add_setup(commands)
    return parser


def _add_provider(commands: Any) -> None:
    """Add the commands about the provider, its imitation and its models."""
    sandbox = commands.add_parser("sandbox", help="run only the sandbox, an imitation of the provider, on loopback")
    sandbox.add_argument("--port", type=int, default=8930, help="default: 8930; 0 takes a free one")
    sandbox.add_argument(
        *("--fault", "--mood"),
        action="append",
        default=[],
        metavar="NAME[:PATH[:TIMES]]",
        help="misbehave on purpose; an unknown name lists all",
    )
    sandbox.add_argument("--pace", choices=["quick", "real"], default="quick", help="real: as long as published making times")
    sandbox.add_argument("--cassette", help="replay the answers in a file that `seedance-mcp verify` wrote")
    sandbox.set_defaults(run=_sandbox)
    models = commands.add_parser("models", help="list the models and their limits")
    models.add_argument("--drift", action="store_true", help="ask for the provider's price list, and show what changed")
    models.set_defaults(run=_models)
    verify = commands.add_parser("verify", help="hold the provider to its documents, free unless you say otherwise")
    verify.add_argument("--creates", action="store_true", help="also send creates that are documented to be refused for free")
    verify.add_argument("--spend", metavar="MODEL", help="also pay for one shortest video of this model")
    verify.add_argument("--max", type=numbers.amount, metavar="COST", help="with --spend: JimiCoin that it may cost at most")
    verify.add_argument("--output", default="seedance-verify", help="folder of the report; default: ./seedance-verify")
    verify.set_defaults(run=_verify)


def _add_money(commands: Any) -> None:
    """Add the commands that read and correct the ledger."""
    tasks = commands.add_parser("tasks", help="list the requests of the ledger, newest first")
    tasks.add_argument("--limit", type=numbers.count, default=20, help="how many; default: 20")
    tasks.add_argument("--principal", metavar="NAME", help="only this caller's; by default everybody's")
    tasks.set_defaults(run=_tasks)
    spending = commands.add_parser("spending", help="show what was spent, and estimates beside charges")
    spending.add_argument("--by", choices=["model", "project", "principal"], default="model", help="default: model")
    spending.add_argument("--since", metavar="DAY", help="only from this day (UTC) on: 2026-07-01, today or 7d")
    spending.add_argument("--principal", metavar="NAME", help="only this caller's; by default everybody's")
    spending.set_defaults(run=_spending)
    assets = commands.add_parser("assets", help="list the assets that are kept by name, or remove one")
    assets.add_argument("action", nargs="?", choices=["list", "remove"], default="list", help="default: list")
    assets.add_argument("name", nargs="?", default="", help="the asset to remove")
    assets.add_argument("--principal", metavar="NAME", default="", help="whose; by default those of this machine's user")
    assets.set_defaults(run=_assets)
    gallery = commands.add_parser("gallery", help="write a page of the saved videos, beside them")
    gallery.add_argument("--keep-updated", action="store_true", help="each video that is saved later renews the page")
    gallery.add_argument("--principal", metavar="NAME", help="only this caller's; by default everybody's")
    gallery.set_defaults(run=_gallery)
    settle = commands.add_parser("settle", help="record by hand whether a request of unknown outcome was charged")
    settle.add_argument("request_id", help="as `seedance-mcp tasks` shows it")
    settle.add_argument("outcome", choices=["charged", "not-charged"])
    settle.add_argument("--amount", type=numbers.amount, help="JimiCoin that were charged; default: the estimate")
    settle.set_defaults(run=_settle)


def _add_ledger(commands: Any) -> None:
    """Add the commands that take care of the ledger itself."""
    ledger = commands.add_parser("ledger", help="migrate, copy, back up or prune the ledger")
    actions = ledger.add_subparsers(title="actions", required=True)
    actions.add_parser("migrate", help="make or update the schema of the database in SEEDANCE_DATABASE_URL").set_defaults(
        run=_ledger_command, action="migrate"
    )
    actions.add_parser(
        "copy", help="copy the ledger in SEEDANCE_DATA_DIR into that database, which must be empty"
    ).set_defaults(run=_ledger_command, action="copy")
    backup = actions.add_parser("backup", help="write a whole copy of the ledger in SEEDANCE_DATA_DIR while it is used")
    backup.add_argument("file", help="the new file")
    backup.set_defaults(run=_ledger_command, action="backup")
    prune = actions.add_parser("prune", help="forget prompts, bodies and links of old requests; what they cost stays")
    prune.add_argument("--older-than", required=True, metavar="AGE", help="for example 90d; at least 8d")
    prune.set_defaults(run=_ledger_command, action="prune")
    actions.metavar = "|".join(actions.choices)


def _add_setup(commands: Any) -> None:
    """Add the commands that set the server up."""
    doctor = commands.add_parser("doctor", help="check key, provider, folders, ledger and versions")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(run=_doctor)
    about = doctor.add_subparsers(metavar="")
    explained = about.add_parser("error", help="say what an error means, and what to do")
    explained.add_argument("text", nargs="+", help="its code, or the provider's words")
    explained.set_defaults(run=_explain)
    install = commands.add_parser("install", help="add the server to a client's configuration, or remove it")
    install.add_argument("client", nargs="?", choices=list(CLIENTS_BY_NAME), help="without one: list where it is installed")
    install.add_argument("--url", help="connect to a server over HTTP: the address of its /mcp, instead of starting a program")
    install.add_argument(
        "--token-from-env", action="store_true", help="write the token into the file; only for a client that has no other way"
    )
    install.add_argument("--sign-in", action="store_true", help="send no token: the client lets its user sign in (OAuth)")
    install.add_argument("--sandbox", action="store_true", help="an entry for the sandbox: no key, nothing is charged")
    install.add_argument(
        "--key-from-env", action="store_true", help="write the key into the file; only for a client that has no other way"
    )
    install.add_argument("--dry-run", action="store_true", help="show the change and write nothing")
    install.add_argument("--undo", action="store_true", help="take the entry out again")
    install.add_argument(
        "--command",
        nargs=argparse.REMAINDER,
        type=_command_word,
        help="the command that the client starts, or uvx; takes the rest of the line",
    )
    install.set_defaults(run=_install)
    bundle = commands.add_parser("bundle", help="make an MCPB file for Claude Desktop")
    bundle.add_argument("output", nargs="?", default="seedance.mcpb", help="the .mcpb file; default: ./seedance.mcpb")
    bundle.set_defaults(run=_bundle)


def _command_word(text: str) -> str:
    """Take one word of a client's command; refuse an option of `install`, which would be written into the file."""
    if text in _INSTALL_OPTIONS:
        raise argparse.ArgumentTypeError(f"{text} belongs before --command, which takes the rest of the line")
    return text


def _doctor(options: argparse.Namespace) -> int:
    from seedance_mcp.cli import doctor  # noqa: PLC0415 - loads everything that it checks

    return EXIT_FAILED if anyio.run(doctor.report, options.json) else 0


def _explain(options: argparse.Namespace) -> None:
    from seedance_mcp.cli.error_words import explanation  # noqa: PLC0415 - the server does not need it

    print(explanation(" ".join(options.text)))


def _install(options: argparse.Namespace) -> None:
    from seedance_mcp.cli import install  # noqa: PLC0415 - the server does not need it

    install.run(install.InstallOptions(**{name: getattr(options, name) for name in install.InstallOptions.__slots__}))


def _bundle(options: argparse.Namespace) -> None:
    from seedance_mcp.cli import bundle  # noqa: PLC0415 - the server does not need it

    print(bundle.build(options.output))


def _welcome(_: argparse.Namespace) -> None:
    """Show a user who typed the bare command what to do next; a client's server never comes here."""
    from seedance_mcp.cli import welcome  # noqa: PLC0415 - a server does not need it

    print(welcome.text())


def _serve(options: argparse.Namespace) -> None:
    if options.transport == "stdio":
        serving.serve_stdio(keep=options.keep)
    else:
        _serve_http(options)


def _serve_http(options: argparse.Namespace) -> None:
    with without_garbage_collection():
        from seedance_mcp.server import http  # noqa: PLC0415 - stdio does not need it

    place = http.Place(options.host, options.port, options.tls_certificate, options.tls_key)
    serving.serve_http(options.transport, place, keep=options.keep)


def _keep(_: argparse.Namespace) -> None:
    serving.keep_videos()


def _demo(options: argparse.Namespace) -> None:
    serving.need_sandbox()
    from seedance_mcp.cli import demo  # noqa: PLC0415 - needs the sandbox extra

    demo.run(options.output)


def _sandbox(options: argparse.Namespace) -> None:
    from seedance_mcp.cli import sandbox  # noqa: PLC0415 - needs the sandbox extra

    sandbox.run(read_settings(), options)


def _models(options: argparse.Namespace) -> None:
    from seedance_mcp.server import resources  # noqa: PLC0415 - slow to import
    from seedance_mcp.tools.session import offered_edition  # noqa: PLC0415 - likewise

    settings = read_settings()
    if options.drift:
        from seedance_mcp.cli import drift  # noqa: PLC0415 - only this option asks the provider

        _show(anyio.run(drift.report, settings))
    else:
        _show(resources.models_table(offered_edition(settings)))


def _verify(options: argparse.Namespace) -> int:
    from seedance_mcp.cli import verify  # noqa: PLC0415 - a server does not need it

    wanted = verify.VerifyOptions(options.creates, options.spend, options.max, options.output)
    return EXIT_FAILED if anyio.run(verify.run_and_tell, read_settings(), wanted, _show) else 0


@asynccontextmanager
async def _ledger() -> AsyncGenerator[tuple[Settings, Ledger]]:
    settings = read_settings()
    async with aclosing(open_ledger(settings, lambda: datetime.now(UTC))) as ledger:
        yield settings, ledger


async def _views(ledger: Ledger, only: str | None = None) -> dict[str, Ledger]:
    """Give the ledger as each caller sees it, or as one of them does.

    Raises:
        InvalidRequest: The one that was asked for made no request.
    """
    names = await ledger.principals()
    if only is not None and only not in names:
        raise InvalidRequest(f"{only} made no request here. Callers: {', '.join(filter(None, names)) or 'none'}.")
    return {name: ledger.for_principal(name) for name in (names if only is None else [only])}


def _tasks(options: argparse.Namespace) -> None:
    anyio.run(_print_tasks, options)


async def _print_tasks(options: argparse.Namespace) -> None:
    from seedance_mcp.cli import tables  # noqa: PLC0415 - a server does not need it

    async with _ledger() as (_, ledger):
        views = (await _views(ledger, options.principal)).values()
        pages = [await each.page(limit=options.limit) for each in views]
        films = [(film, spent(await view.get(film.film_id))) for view in views for film in await view.films(options.limit)]
    records = sorted((record for page in pages for record in page.records), key=lambda each: each.created_at, reverse=True)
    _show(tables.tasks_table(Page(records[: options.limit], sum(page.total for page in pages))))
    if films:
        _show(f"\n{tables.films_table(films)}")


def _spending(options: argparse.Namespace) -> None:
    anyio.run(_print_spending, options)


async def _print_spending(options: argparse.Namespace) -> None:
    from seedance_mcp.cli import tables  # noqa: PLC0415 - a server does not need it
    from seedance_mcp.tools.session import offered_edition  # noqa: PLC0415 - likewise

    async with _ledger() as (settings, ledger):
        edition = offered_edition(settings)
        views = await _views(ledger, options.principal)
        if options.since or options.by == "project":
            since = read_time("--since", options.since or FIRST_DAY, datetime.now(UTC)).date()
            by: SumBy = "model" if options.by == "model" else "project"
            sums = {name: await view.spending(by, since) for name, view in views.items()}
            _show(tables.sums_table(options.by, tables.sums_of(options.by, sums)))
            return
        spent = {name: await view.spent() for name, view in views.items()}
        models = add_up([each for view in views.values() for each in await view.spending_by_model()])
        days = await _days(list(views.values()))
    shown = tables.callers_table(spent) if options.by == "principal" else tables.models_spending_table(models)
    if any(each.count for each in days.values()):
        _show(f"{tables.days_table(days, BAR_COLUMNS if sys.stdout.isatty() else 0)}\n")
    _show(f"{shown}\n{tables.spending_totals(list(spent.values()), settings.limits, edition.currency)}")


async def _days(views: list[Ledger]) -> dict[date, Totals]:
    """Sum the requests of each of the last days, today last."""
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    found = [await view.spending_by_day(days[0]) for view in views]
    return {day: sum((each.get(day, Totals()) for each in found), Totals()) for day in days}


def _show(text: str) -> None:
    """Print tables, laid out for a terminal where they go to one."""
    from seedance_mcp.cli import screen  # noqa: PLC0415 - a server does not need it

    print(screen.fitted(text, sys.stdout))


def _assets(options: argparse.Namespace) -> None:
    anyio.run(_show_assets, options)


async def _show_assets(options: argparse.Namespace) -> None:
    from seedance_mcp.cli import tables  # noqa: PLC0415 - a server does not need it
    from seedance_mcp.tools import cast  # noqa: PLC0415 - likewise
    from seedance_mcp.tools.session import Shared  # noqa: PLC0415 - likewise

    async with aclosing(Shared(read_settings())) as shared:
        session = shared.session(options.principal)
        if options.action == "remove":
            asset = await cast.find(session, options.name)
            await session.ledger.remove_asset(asset.name)
            await cast.sweep(session, [asset])
            print(f"@{asset.name} is removed")
            return
        _show(tables.assets_table(await session.ledger.assets()))


def _gallery(options: argparse.Namespace) -> None:
    anyio.run(_write_gallery, options)


async def _write_gallery(options: argparse.Namespace) -> None:
    from seedance_mcp.cli import gallery  # noqa: PLC0415 - slow to import

    async with _ledger() as (settings, ledger):
        await gallery.write(settings, await _views(ledger, options.principal) or {"": ledger}, renew=options.keep_updated)


def _principals(options: argparse.Namespace) -> None:
    principals.manage(read_settings(), lambda: datetime.now(UTC), options, _show)


def _audit(options: argparse.Namespace) -> None:
    since = read_time("--since", options.since, datetime.now(UTC)) if options.since else None
    principals.audit(read_settings(), lambda: datetime.now(UTC), since, options, _show)


def _ledger_command(options: argparse.Namespace) -> None:
    from seedance_mcp.cli import ledger  # noqa: PLC0415 - the server does not need it

    ledger.run(read_settings(), options)


def _settle(options: argparse.Namespace) -> None:
    anyio.run(_settle_by_hand, options)


async def _settle_by_hand(options: argparse.Namespace) -> None:
    async with _ledger() as (_, ledger):
        found = [await view.find(options.request_id) for view in (await _views(ledger)).values()]
        record = next(filter(None, found), None)
        if record is None or record.status != "unknown":
            raise TaskNotFound(f"{options.request_id} is no request of unknown outcome; seedance-mcp tasks lists them.")
        evidence = "charged" if options.outcome == "charged" else "not charged"
        settled = await ledger.settle(record, Verdict(evidence, _amount_charged(options, record), "person"))
        print(f"{settled.request_id}: {settled.evidence}, {settled.settled} JimiCoin, settled by hand")


def _amount_charged(options: argparse.Namespace, record: Record) -> Decimal:
    """Give what the operator says was charged, by default the estimate; raises `InvalidRequest` where it stays open."""
    if options.outcome == "not-charged":
        if options.amount:
            raise InvalidRequest("--amount goes with charged: what was not charged cost nothing. Nothing was written.")
        return Decimal(0)
    amount = record.estimate if options.amount is None else options.amount
    if amount is None:
        raise InvalidRequest("The price of this request is unknown: say with --amount what was charged. Nothing was written.")
    return amount
