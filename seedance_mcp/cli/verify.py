"""`seedance-mcp verify` holds the provider to its documents: free by default, and named before anything may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from seedance_mcp.errors import InvalidRequest, SeedanceError
from seedance_mcp.money.gate import Action, Reply
from seedance_mcp.money.principals import stricter
from seedance_mcp.proof.documented import Asked
from seedance_mcp.proof.probes import PICTURE, WRONG_KEY, Probes, Say
from seedance_mcp.proof.recorder import Recorder
from seedance_mcp.proof.verdicts import HEAD, Verdict, cassette_of, judge, rows_of, summary
from seedance_mcp.server.handlers import open_shared
from seedance_mcp.server.markdown import table
from seedance_mcp.settings import Settings
from seedance_mcp.tools.session import Shared

REPORT, CASSETTE = "report.md", "cassette.json"


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of the command."""

    creates: bool = False
    spend: str | None = None
    """The model of the one video that may be paid."""
    max: Decimal | None = None
    """JimiCoin that it may cost at most."""
    output: str = "seedance-verify"


class _Operator:
    """The operator at the terminal, who agreed to the price by naming the model and the most that it may cost."""

    reply: Reply | None = None
    address: str | None = None

    def __init__(self, say: Say) -> None:
        self._say = say

    async def report(self, progress: float, message: str) -> None:
        """Print the progress."""
        self._say(message)

    async def ask(self, question: str, token: str) -> Action:
        """Print the question, whose answer was typed with the command."""
        self._say(f"{question} Yes, by --spend and --max.")
        return "accept"


Make = Callable[[Settings], Shared]
"""Gives what a server shares."""


async def run(settings: Settings, options: VerifyOptions, say: Say, make: Make = Shared) -> list[Verdict]:
    """Ask the provider, write report and cassette into the output folder, and give the verdicts.

    Args:
        settings: The operator's settings.
        options: What may be sent beyond what is free.
        say: Reports to the operator what is done.
        make: Gives what a server shares, from the settings.

    Raises:
        InvalidRequest: `spend` and `max` do not come together, or the folder cannot be written; nothing was sent.
        NotConfigured: There is no key.
    """
    if (options.spend is None) is not (options.max is None):
        raise InvalidRequest("--spend MODEL and --max COST come together. Nothing was sent.")
    async with open_shared(make(_alone(settings, options))) as shared:
        key, folder = shared.client.require_key(), _made(options.output)
        recorder = Recorder({key, WRONG_KEY})
        probes = Probes(shared.session(), recorder, say)
        wrong = shared.settings.model_copy(update={"api_key": SecretStr(WRONG_KEY)})
        await probes.ask_what_is_free(shared.connect(wrong))
        if options.creates:
            await probes.send_refused_creates()
        if options.spend is not None and options.max is not None:
            await _spend(probes, options.spend, options.max, say)
        asked = Asked(shared.settings.base_url, shared.edition.result_hosts.value, len(PICTURE))
        verdicts, made_at = judge(recorder, asked), shared.now().isoformat(timespec="seconds")
        cassette = cassette_of(recorder, made_at, shared.edition.name)
    text = f"{table(HEAD, rows_of(verdicts))}\n{summary(verdicts, recorder)}"
    _write(folder, f"# What the provider showed, {made_at}\n\n{text}\n", cassette)
    say(f"{text}\nWritten: {folder / REPORT} and {folder / CASSETTE}.")
    return verdicts


async def run_and_tell(settings: Settings, options: VerifyOptions, say: Say) -> bool:
    """Do the same, and say whether any fact was contradicted."""
    return any(each.word == "contradicted" for each in await run(settings, options, say))


def _alone(settings: Settings, options: VerifyOptions) -> Settings:
    """Give settings under which nothing else asks the provider meanwhile, and `max` is a limit like the operator's own."""
    limit = stricter(settings.max_cost_per_video, options.max)
    return settings.model_copy(update={"auto_save": False, "notify_url": None, "max_cost_per_video": limit})


def _made(output: str) -> Path:
    """Make the folder and try to write both files, before anything is sent; those of an earlier run stay as they are."""
    folder = Path(output).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (REPORT, CASSETTE):
            with (folder / name).open("ab") as file:
                is_new = not file.tell()
            if is_new:
                (folder / name).unlink()
    except OSError as error:
        raise InvalidRequest(
            f"{folder} cannot be written to ({error.strerror}): give another --output. Nothing was sent."
        ) from error
    return folder


def _write(folder: Path, report: str, cassette: str) -> None:
    (folder / REPORT).write_text(report, encoding="utf-8")
    (folder / CASSETTE).write_text(cassette, encoding="utf-8")


async def _spend(probes: Probes, model: str, most: Decimal, say: Say) -> None:
    """Make the one video; a refusal ends it and the report is written all the same."""
    try:
        ended = await probes.spend(model, most, _Operator(say))
        say(f"It ended as {ended.status}, at {ended.cost} {ended.currency}.")
    except SeedanceError as error:
        say(error.message)
