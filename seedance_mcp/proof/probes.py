"""The probes: questions to the provider whose answers show the documented facts."""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from seedance_mcp.catalogue.facts import Model
from seedance_mcp.catalogue.requests import VideoRequest, request_model
from seedance_mcp.errors import BudgetExceeded, SeedanceError
from seedance_mcp.money import gate
from seedance_mcp.money.prices import Estimate
from seedance_mcp.money.records import NewRequest, Spent
from seedance_mcp.proof.recorder import Recorder
from seedance_mcp.task import RUNNING
from seedance_mcp.tools.arguments import CreateOptions, CreateVideo, DownloadVideo, WaitForVideo, find_model
from seedance_mcp.tools.changes import used_now
from seedance_mcp.tools.create import create_video
from seedance_mcp.tools.downloads import download_video
from seedance_mcp.tools.results import Task
from seedance_mcp.tools.session import Caller, Session
from seedance_mcp.tools.tasks import wait_for_video

if TYPE_CHECKING:
    from seedance_mcp.provider.client import ProviderClient

PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=")
"""A PNG of one pixel."""
PROMPT = "A red paper boat drifts on a calm pond, seen from above."
"""Ours: no prompt of the user's is ever sent or recorded."""
WRONG_KEY = "sk_wrong_on_purpose"
NO_TASK = "video_task_0000000000"
PROJECT = "verify"
_ADDRESS = "https://example.com/boat.png"
_LONGEST_WAIT_SECONDS = 1800

Say = Callable[[str], None]
"""Reports to the operator what is done now."""


@dataclass(frozen=True, slots=True)
class RefusedCreate:
    """A create that the documents refuse at no charge."""

    probe: str
    description: str
    changes: dict[str, Any]
    """The fields that differ from a sound request."""
    dearer: int = 1
    """How many times the price of the sound request it would cost if it were made after all."""


REFUSED_CREATES = (
    RefusedCreate("no_prompt", "an empty prompt", {"prompt": ""}),
    RefusedCreate("too_long", "duration 99", {"duration": 99}, dearer=25),
    RefusedCreate("images_and_frames", "images together with first_image", {"images": [_ADDRESS], "first_image": _ADDRESS}),
    RefusedCreate("wrong_endpoint", "model minimax-h3, which another endpoint serves", {"model": "minimax-h3"}),
    RefusedCreate("unknown_model", "a model that there is not", {"model": "no-such-model"}),
)


class Probes:
    """Asks one provider, and has every answer recorded."""

    def __init__(self, session: Session, recorder: Recorder, say: Say) -> None:
        """Record what the session's client is answered from now on."""
        self._session, self._recorder = session, recorder
        self._say: Say = lambda text: say(recorder.without_secrets(text))
        session.client.on_answer = recorder.hear

    async def ask_what_is_free(self, stranger: ProviderClient) -> None:
        """Ask for the price list, the balances, an unknown task, with a wrong key, and upload a picture of one pixel.

        Args:
            stranger: A client of the same provider with `WRONG_KEY`, which is closed afterwards.
        """
        client = self._session.client
        stranger.on_answer = self._recorder.hear
        await self._ask("prices", client.list_prices)
        await self._ask("balance", client.get_user_balance)
        await self._ask("key_balance", client.get_key_balance)
        async with aclosing(stranger):
            await self._ask("wrong_key", stranger.get_user_balance)
        await self._ask("unknown_task", lambda: client.get_task(NO_TASK))
        await self._ask("upload", lambda: client.upload_file(io.BytesIO(PICTURE), "pixel.png", "image/png"))

    async def _ask(self, probe: str, ask: Callable[[], Awaitable[object]]) -> None:
        """Ask one question; a refusal is an answer like any other, and is judged by the facts."""
        with self._recorder.listening(probe):
            try:
                await ask()
            except SeedanceError as error:
                self._say(f"{probe}: {error.message}")

    async def send_refused_creates(self) -> None:
        """Send each create that is refused at no charge, named first, written down and at most once."""
        await self._session.prices.refresh()
        request, estimate = self._cheapest()
        for each in REFUSED_CREATES:
            self._say(f"Sending a create that is documented to be refused at no charge: {each.description}.")
            await self._send_refused(each, request, estimate)

    async def _send_refused(self, create: RefusedCreate, request: VideoRequest, estimate: Estimate) -> None:
        session, ledger = self._session, self._session.ledger
        body = request.to_body() | create.changes
        amount = None if estimate.amount is None else estimate.amount * create.dearer

        def admit(spent: Spent) -> None:
            price = Estimate(amount, estimate.message, estimate.price, currency=estimate.currency)
            gate.check_limits(session.settings, price, spent, session.now())

        new = NewRequest(body, f"{PROJECT} {create.probe} {secrets.token_hex(8)}", amount, project=PROJECT)
        try:
            record = (await ledger.reserve(new, window_seconds=None, admit=admit)).record
            await ledger.mark_sending(record.request_id, await used_now(session))
        except SeedanceError as refusal:
            self._say(f"Not sent: {refusal.message}")
            return
        try:
            with self._recorder.listening(create.probe):
                task = await session.client.create_video(body, request.route.path)
        except SeedanceError as error:
            await ledger.fail(record.request_id, error)
        else:
            await ledger.observe(record.request_id, task)
            self._say(
                f"It was NOT refused: task {task.task_id} is being made, and may be charged. seedance-mcp tasks lists it."
            )

    def _cheapest(self) -> tuple[VideoRequest, Estimate]:
        """Give the cheapest request there is, of any model whose price is known; else one of the first."""
        requests = [shortest_request(self._session, model) for model in self._session.edition.models]
        priced = [(each, self._session.prices.estimate(each)) for each in requests]
        return min(priced, key=lambda pair: Decimal("inf") if pair[1].certain is None else pair[1].certain)

    async def spend(self, name: str, most: Decimal, caller: Caller) -> Task:
        """Make the cheapest video of a model by the way of every paid request, wait for its end, and save it.

        Args:
            name: The model.
            most: JimiCoin that it may cost at most.
            caller: Gets reports of the progress, and agrees to the price.

        Raises:
            BudgetExceeded: It would cost more than `most`, or its price is not known; nothing was sent.
            SeedanceError: We or the provider refused; `charged` says whether money went.
        """
        session = self._session
        request = shortest_request(session, find_model(session.edition, name))
        await session.prices.refresh()
        estimate = session.prices.estimate(request)
        if estimate.certain is None or estimate.certain > most:
            raise BudgetExceeded(f"Nothing was sent. {estimate.message} Allowed by --max: {most} {estimate.currency}.")
        self._say(f"Making one video of {request.duration} s with {request.model}. {estimate.message}")
        with self._recorder.listening("create", request.route.path, "POST"):
            task = await create_video(session, CreateVideo(request, CreateOptions(project=PROJECT)), caller)
        return await self._to_its_end(task, caller)

    async def _to_its_end(self, task: Task, caller: Caller) -> Task:
        session, key = self._session, task.task_id or task.request_id
        self._say(f"It is task {key}.")
        with self._recorder.listening("task", f"/videos/{key}"):
            ended = await wait_for_video(session, WaitForVideo(task_id=key, timeout_seconds=_LONGEST_WAIT_SECONDS), caller)
        if ended.status == "completed":
            saved = await download_video(session, DownloadVideo(task_id=key), caller)
            self._say(f"Saved as {saved.path}: {saved.bytes} bytes, {ended.elapsed_seconds:.0f} s after its creation.")
        elif ended.status in RUNNING:
            self._say(f"It still runs: seedance-mcp tasks lists it, and nothing is sent again ({ended.progress} %).")
        return ended


def shortest_request(session: Session, model: Model) -> VideoRequest:
    """Give the request of a model that asks for the least: its shortest and smallest video, from nothing but a text."""
    fields: dict[str, Any] = {"model": model.name, "prompt": PROMPT, "duration": model.route.duration.value.min}
    if model.route.resolution:
        fields["resolution"] = model.resolutions[0]
    return request_model(session.edition, model.route)(**fields)
