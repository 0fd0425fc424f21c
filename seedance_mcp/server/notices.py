"""Posts a signed notice of each video that ended to the operator's address, as Standard Webhooks specifies.

A notice holds ids, status and money, and neither a prompt nor a URL. The address is the operator's own, so it may be private;
redirects are not followed, so no answer leads elsewhere. https://www.standardwebhooks.com, read on 2026-11-27.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

import anyio
import httpx
from pydantic import SecretStr
from standardwebhooks import Webhook

from seedance_mcp._version import __version__
from seedance_mcp.money.records import Record
from seedance_mcp.provider.environment import open_client
from seedance_mcp.task import FINAL
from seedance_mcp.tools.newest import keep_newest
from seedance_mcp.tools.observer import Observer
from seedance_mcp.tools.session import utc_now
from seedance_mcp.tools.views import as_float

log = logging.getLogger(__name__)

PAUSES_SECONDS = (5.0, 30.0, 300.0, 1800.0, 7200.0)
"""How long a notice that was not taken is left before each further try; then it is given up."""
ANSWER_SECONDS = 15.0
"""The receiver has this long for one answer; a longer task of its own belongs after it."""
WAITING_MOST = 1000
"""So many notices wait at most; further ones are dropped, with a line in the log."""
AT_ONCE = 4
LAST_SECONDS = 3.0
"""How long the end of the process waits for first tries that are under way."""
ENDS_KEPT = 10_000
"""Of so many ends it is kept that they were reported."""


class Notices(Observer):
    """Learns of every end of a video and posts it once; a notice that is not taken is tried again for hours."""

    def __init__(
        self,
        url: SecretStr,
        secret: SecretStr,
        *,
        currency: str,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Take the address and the secret that signs, `whsec_` and base64."""
        self._url, self._signer = url.get_secret_value(), Webhook(secret.get_secret_value())
        self._currency, self._transport, self._now = currency, transport, now
        self._queue = deque[tuple[str, str]]()
        self._came, self._tried = anyio.Event(), anyio.Event()
        self._reported = OrderedDict[str, None]()
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._waiting = self._first_tries = 0
        self._is_gone = False

    async def task_changed(self, task: Record) -> None:
        """Put the notice of an end into the queue; a request that got no task is no video."""
        message_id = _id(task)
        if task.status not in FINAL or task.task_id is None or message_id in self._reported or self._is_gone:
            return
        keep_newest(self._reported, message_id, None, ENDS_KEPT)
        if self._waiting >= WAITING_MOST:
            log.error("Request %s: too many notices wait, so this one is dropped", task.request_id)
            return
        if not self._first_tries:
            self._tried = anyio.Event()
        self._waiting += 1
        self._first_tries += 1
        self._queue.append((message_id, json.dumps(self._said(task), separators=(",", ":"))))
        self._came.set()

    def _said(self, task: Record) -> dict[str, object]:
        cost = task.settled if task.cost is None else task.cost
        data = {
            "request_id": task.request_id,
            "task_id": task.task_id,
            "status": task.status,
            "model": task.model,
            "principal": task.principal,
            "project": task.project,
            "take": task.take,
            "cost": as_float(cost),
            "currency": self._currency,
            "completed_at": task.completed_at.isoformat() if task.completed_at else None,
        }
        return {"type": f"video.{task.status}", "timestamp": self._now().isoformat(), "data": data}

    async def run(self) -> None:
        """Post what comes until it is cancelled."""
        options = {"transport": self._transport, "timeout": ANSWER_SECONDS, "trust_env": self._url.startswith("https:")}
        async with open_client(**options) as http, anyio.create_task_group() as group:
            while True:
                while self._queue:
                    group.start_soon(self._deliver, http, *self._queue.popleft())
                self._came = anyio.Event()
                await self._came.wait()

    async def finish(self) -> None:
        """Wait a moment for first tries that are under way; a notice that waits for another try is lost with the process."""
        with anyio.move_on_after(LAST_SECONDS, shield=True):
            if self._first_tries:
                await self._tried.wait()

    async def _deliver(self, http: httpx.AsyncClient, message_id: str, body: str) -> None:
        is_taken = await self._post(http, message_id, body)
        self._first_tries -= 1
        if not self._first_tries:
            self._tried.set()
        for pause_seconds in PAUSES_SECONDS:
            if is_taken or self._is_gone:
                break
            await anyio.sleep(pause_seconds)
            is_taken = await self._post(http, message_id, body)
        self._waiting -= 1
        if not is_taken:
            log.error("Notice %s was not taken and is given up", message_id)

    async def _post(self, http: httpx.AsyncClient, message_id: str, body: str) -> bool:
        """Send a notice once; says whether it was taken."""
        at = self._now()
        headers = {
            "content-type": "application/json",
            "user-agent": f"seedance-mcp/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signer.sign(message_id, at, body),
        }
        async with self._limiter:
            try:
                with anyio.fail_after(ANSWER_SECONDS):
                    async with http.stream("POST", self._url, content=body, headers=headers) as answer:
                        status = answer.status_code
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
                log.warning("Notice %s was not taken: %s", message_id, type(error).__name__)
                return False
        if status == HTTPStatus.GONE:
            self._is_gone = True
            log.error("The receiver of notices wants no more (410): none is sent until a restart")
        is_taken = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        if not is_taken:
            log.warning("Notice %s was not taken: HTTP %s", message_id, status)
        return is_taken


def _id(task: Record) -> str:
    """Name an end, the same in every process, so that a receiver knows a notice that comes twice."""
    return f"msg_{hashlib.sha256(f'{task.request_id} {task.status}'.encode()).hexdigest()[:32]}"
