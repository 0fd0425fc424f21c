"""The sandbox itself: a callable from request to response that keeps tasks, assets and an account."""

from __future__ import annotations

import ipaddress
import json
import math
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx

from seedance_mcp.catalogue.edition import Edition, load_edition
from seedance_mcp.catalogue.facts import Model
from seedance_mcp.sandbox.cassette import Cassette
from seedance_mcp.sandbox.faults import ANSWERS, BROKEN_CONNECTIONS, ENVELOPES, TASK_FAILURES, Fault, refusal, success
from seedance_mcp.sandbox.judge import judge
from seedance_mcp.sandbox.kept_tasks import KeptTask, TaskFolder
from seedance_mcp.sandbox.order import Order, order_of

KEY = "sk_sandbox"
UPLOADS = "https://uploads.sandbox.invalid/"
"""Where the URLs of uploaded files begin: of the right form, and readable only by the sandbox."""

_V1 = "/api/open-api/v1"
_PAGES = {"www.youtube.com", "youtu.be", "drive.google.com", "www.dropbox.com", "www.tiktok.com"}
"""Hosts of pages that an agent may take for files: whatever lies there fails the task."""
_PRICES = {"480p": 0.02, "720p": 0.05, "1080p": 0.11, "2k": 0.2, "4k": 0.4}
"""JimiCoin per second by resolution; invented, like the others: no source publishes prices."""
_PRICE_OF_ANOTHER_RESOLUTION = 1.0
_PRICE_PER_TASK = 0.3
_USUAL_SECONDS, _USUAL_WIDTH = 180.0, 0.4
"""Of a video whose making time nobody published; invented."""
_SISTERS = {"minimax": "/minimax/videos", "kling": "/kling/videos", "wan": "/wan/videos", "flux3": "/flux3/videos"}
"""How the names of other lines begin, and their endpoints, which the sandbox has not."""
_PRICE_PER_MILLION_TOKENS = 7.0

Body = dict[str, Any]
"""A create body, as JSON has it."""
Render = Callable[[Order, list[bytes]], Awaitable[bytes]]
"""Makes the MP4 of one order and its pictures."""


@dataclass(slots=True)
class SandboxTask:
    """One task and the moments at which it moves on, in seconds of the event loop's clock."""

    task_id: str
    body: Body
    cost: float
    created_at: int
    """Unix time, in seconds."""
    starts_at: float
    ends_at: float
    failure: str | None = None
    film: bytes | None = None
    rendering: bool = False
    settled: bool = True
    """Whether the cost is final; what is billed by tokens is settled when the video is there."""


@dataclass(slots=True)
class SandboxAsset:
    """One asset under review."""

    asset_id: str
    kind: str
    url: str
    name: str
    active_at: float
    """When the review ends, in seconds of the event loop's clock."""
    rejected: bool = False


@dataclass
class Sandbox:
    """The provider as documented; call it with an `httpx.Request`."""

    render: Render
    edition: Edition = field(default_factory=load_edition)
    queue_seconds: float = 0.5
    work_seconds: float = 3.0
    real_pace: bool = False
    """Whether making takes as long as was published, in place of `work_seconds`."""
    review_seconds: float = 1.0
    balance: float = 100.0
    used: float = 0.0
    faults: list[Fault] = field(default_factory=list[Fault])
    requests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Method and path of each request that came."""
    tasks: dict[str, SandboxTask] = field(default_factory=dict[str, SandboxTask])
    assets: dict[str, SandboxAsset] = field(default_factory=dict[str, SandboxAsset])
    uploads: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Content by URL."""
    envelope: str = "code_20000"
    """The form of success (a key of `ENVELOPES`) where the documentation does not fix one."""
    token_factor: float = 1.0
    """How many tokens a video takes in the end, as a part of what was charged first."""
    cassette: Cassette | None = None
    """Recorded answers, which go before those of the sandbox itself."""
    price_rows: list[dict[str, Any]] | None = None
    """The rows of the price list in place of those of the edition."""
    kept: TaskFolder | None = None
    """Where tasks outlive this process; without it they are in memory only."""

    def __post_init__(self) -> None:
        """Count what the kept tasks cost."""
        self.used += self.kept.spent() if self.kept else 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, or answer it with the fault that was asked for.

        Raises:
            httpx.TransportError: The fault breaks the connection.

        """
        path = request.url.path
        self.requests.append((request.method, path))
        fault = self._fault(path)
        if fault in ANSWERS:
            return ANSWERS[fault]()
        if fault == "unreachable":
            raise httpx.ConnectError("refused", request=request)
        if fault in ENVELOPES:
            self.envelope = fault
        answer = await self._answer(request, fault)
        if fault in BROKEN_CONNECTIONS:
            raise BROKEN_CONNECTIONS[fault]("lost", request=request)
        return answer

    def _fault(self, path: str) -> str:
        """Use up the first fault that is for this path; gives its name, or an empty text."""
        for fault in self.faults:
            if fault.times and fault.path in path:
                fault.times -= 1
                return fault.name
        return ""

    async def _answer(self, request: httpx.Request, fault: str) -> httpx.Response:
        path, key = request.url.path, request.headers.get("Authorization")
        if self.cassette:
            recorded = self.cassette.answer(request, await request.aread(), wrong_key=key not in {None, f"Bearer {KEY}"})
            if recorded:
                return recorded
        if path == "/api/openapi/model/catalog":
            rows = price_list(self.edition) if self.price_rows is None else self.price_rows
            return success({"list": rows}, self.envelope)
        if path.startswith("/results/"):
            return await self._video(path, fault)
        if key != f"Bearer {KEY}":
            return refusal(20001, "authentication failed")
        return self._keyed(request, await request.aread(), fault)

    def _keyed(self, request: httpx.Request, content: bytes, fault: str) -> httpx.Response:
        path = request.url.path.removeprefix(_V1)
        if request.method == "GET" and path.startswith("/videos/"):
            return self._get_task(path.removeprefix("/videos/"), fault, str(request.url.copy_with(path="/")))
        if path == "/files/upload":
            return self._upload_file(content, request.headers["Content-Type"])
        handlers: dict[tuple[str, str], Callable[[Any, str], httpx.Response]] = {
            **{("POST", served): partial(self._create_video, served) for served in self.edition.paths},
            ("POST", "/seedance/assets/audit"): self._create_audit,
            ("POST", "/seedance/assets/status"): self._list_assets,
            ("POST", "/seedance/sp/assets/upload"): self._create_sp_asset,
            ("POST", "/seedance/sp/assets/detail"): self._get_sp_asset,
            ("POST", "/seedance/sp/assets/status"): self._list_assets,
            ("POST", "/seedance/sp/realperson/submit"): self._create_portrait,
            ("POST", "/seedance/sp/realperson/status"): self._get_portrait,
            ("GET", "/user/balance"): self._get_user_balance,
            ("GET", "/key/balance"): self._get_key_balance,
        }
        handler = handlers.get((request.method, path))
        if handler is None:
            return httpx.Response(404, text="404 page not found")
        try:
            return handler(json.loads(content or b"{}"), fault)
        except (ValueError, KeyError, TypeError):
            return refusal(20002, "invalid parameters")

    def _create_video(self, path: str, body: Any, fault: str) -> httpx.Response:
        if right := self._served_elsewhere(path, body):
            return refusal(20002, f"model {body['model']} 请改用 POST {_V1}{right}，勿使用 {path}")
        if reason := judge(self.edition, body):
            return refusal(20002, f"invalid parameters: {reason}")
        cost = price_of(self.edition, body)
        if cost > self.balance - self.used:
            return refusal(-1, "余额不足 insufficient balance")
        self.used += cost
        start, model = anyio.current_time() + self.queue_seconds, self.edition.by_name[body["model"]]
        task = SandboxTask(
            task_id=f"vid_{secrets.token_hex(8)}",
            body=body,
            cost=cost,
            created_at=int(time.time()),
            starts_at=start,
            ends_at=start + (making_seconds(model) if self.real_pace else self.work_seconds),
            settled=model.per != "million tokens",
            failure=TASK_FAILURES.get(fault) or self._asset_failure(body),
        )
        self.tasks[task.task_id] = task
        self._keep(task)
        data = {"task_id": task.task_id, "status": "queued", "model": body["model"], "created_at": task.created_at}
        return success({**data, "cost": cost} if task.settled else data, self.envelope)

    def _settle(self, task: SandboxTask) -> None:
        """Charge the tokens that a finished video took, in place of those that were charged first."""
        if not task.settled:
            after = round(task.cost * self.token_factor, 6)
            self.used, task.cost, task.settled = self.used + after - task.cost, after, True

    def _served_elsewhere(self, path: str, body: Any) -> str | None:
        """Give the other endpoint that serves the model of a body; `None` where this one does, or none."""
        name = cast("Body", body).get("model") if isinstance(body, dict) else None
        model = self.edition.find(name)
        sister = next((served for begin, served in _SISTERS.items() if str(name).startswith(begin)), None)
        served = model.route.path if model else sister
        return served if served != path else None

    def _keep(self, task: SandboxTask) -> None:
        """Keep a task where another process finds it, by the wall's clock."""
        if self.kept:
            wall_ahead = time.time() - anyio.current_time()
            times = task.starts_at + wall_ahead, task.ends_at + wall_ahead
            self.kept.keep(KeptTask(task.task_id, task.body, task.cost, task.created_at, *times, task.failure))

    def _find(self, task_id: str) -> SandboxTask | None:
        """Find a task of this process or of another one on the same folder."""
        if self.kept and task_id not in self.tasks and (found := self.kept.find(task_id)):
            wall_ahead = time.time() - anyio.current_time()
            times = found.starts_at - wall_ahead, found.ends_at - wall_ahead
            film = self.kept.find_film(task_id)
            self.tasks[task_id] = SandboxTask(task_id, found.body, found.cost, found.created_at, *times, found.failure, film)
        return self.tasks.get(task_id)

    def _asset_failure(self, body: Body) -> str | None:
        """Give why an asset fails the task (the call succeeds all the same): it is unknown or not active."""
        for reference in _references(body):
            asset = self.assets.get(reference.removeprefix("asset://"))
            if reference.startswith("asset://") and (asset is None or self._review_status(asset) != "Active"):
                return f"素材未通过审核 asset is not active: {reference}"
            if urlsplit(reference).hostname in _PAGES:
                return f"下载失败 failed to download, a page and no media: {reference}"
            if not _is_reachable(reference) or (reference.startswith(UPLOADS) and reference not in self.uploads):
                return TASK_FAILURES["media_unreachable"]
        return None

    def _get_task(self, task_id: str, fault: str, host: str) -> httpx.Response:
        task = self._find(task_id)
        if task is None:
            return refusal(-1, "任务不存在")
        status, progress = self._status(task)
        if fault == "falling_progress":
            progress = 1
        data: dict[str, Any] = {"task_id": task_id, "status": status, "progress": progress, "model": task.body["model"]}
        if status == "completed":
            self._settle(task)
        data |= {"created_at": task.created_at, **({"cost": task.cost} if task.settled or status == "failed" else {})}
        if status == "completed":
            path = f"results/{task_id}.mp4?signature={secrets.token_hex(8)}"
            data["completed_at"] = task.created_at + math.ceil(task.ends_at - task.starts_at + self.queue_seconds)
            data["result"] = {"image_url": "", "video_url": path if fault == "relative_link" else host + path}
        elif status == "failed":
            data["error_message"] = task.failure
        return success({**data, "status": "melting"} if fault == "strange_status" else data, self.envelope)

    def _status(self, task: SandboxTask) -> tuple[str, int]:
        """Give the status word and the progress (0 to 100); a failure gives the money back."""
        now = anyio.current_time()
        if now < task.starts_at:
            return "queued", 0
        if task.rendering or now < task.ends_at:
            done = (now - task.starts_at) / (task.ends_at - task.starts_at)
            return "processing", max(1, min(99, int(done * 100)))
        if task.failure:
            self.used, task.cost = self.used - task.cost, 0.0
            return "failed", 0
        return "completed", 100

    async def _video(self, path: str, fault: str) -> httpx.Response:
        task = self._find(path.removeprefix("/results/").removesuffix(".mp4"))
        if task is None or fault == "expired_link" or self._status(task)[0] != "completed":
            return httpx.Response(403, text="<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
        if task.film is None:
            await self.prepare(task)
        return httpx.Response(200, content=task.film, headers={"Content-Type": "video/mp4"})

    async def prepare(self, task: SandboxTask) -> None:
        """Render a task's video; the task counts as processing meanwhile."""
        task.rendering = True
        try:
            task.film = await self.render(order_of(self.edition, task.body), self._pictures(task.body))
        finally:
            task.rendering = False
        if self.kept:
            self.kept.keep_film(task.task_id, task.film)

    def _pictures(self, body: Body) -> list[bytes]:
        """Give the content of the pictures in a body that were uploaded here."""
        named = [body[name] for name in ("first_image", "last_image") if name in body] or body.get("images", [])
        urls = [self.assets[each[8:]].url if each[8:] in self.assets else each for each in named]
        return [self.uploads[url] for url in urls if url in self.uploads]

    def _upload_file(self, content: bytes, content_type: str) -> httpx.Response:
        form = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + content)
        part = next(
            (each for each in form.iter_parts() if each.get_param("name", header="content-disposition") == "file"), None
        )
        if part is None:
            return refusal(20002, "invalid parameters: no part named file")
        data, name = part.get_payload(decode=True), part.get_filename() or "file"
        url = f"{UPLOADS}{secrets.token_hex(8)}/{name}"
        self.uploads[url] = bytes(data) if isinstance(data, bytes) else b""
        uploaded = {"url": url, "filename": name, "size": len(self.uploads[url]), "mime_type": part.get_content_type()}
        return success(uploaded, "code_20000")

    def _create_asset(self, kind: str, url: str, name: str, fault: str) -> SandboxAsset:
        asset_id = f"asset-{secrets.token_hex(6)}"
        active_at = anyio.current_time() + self.review_seconds
        self.assets[asset_id] = SandboxAsset(asset_id, kind, url, name, active_at, fault == "asset_rejected")
        return self.assets[asset_id]

    def _review_status(self, asset: SandboxAsset) -> str:
        """Give the status word as the audit writes it."""
        if anyio.current_time() < asset.active_at:
            return "Pending"
        return "Failed" if asset.rejected else "Active"

    def _create_audit(self, body: Any, fault: str) -> httpx.Response:
        files = [(kind, url) for kind in ("image", "video", "audio") for url in body.get(f"{kind}_urls", [])]
        made = [self._create_asset(kind, url, "", fault) for kind, url in files]
        items = [
            {"asset_id": each.asset_id, "original_url": each.url, "asset_type": each.kind, "status": "Pending"}
            for each in made
        ]
        failed = [{"url": url, "reason": "the file could not be read"} for _, url in files]
        data = {"items": [], "failed_items": failed} if fault == "audit_refused" else {"items": items, "failed_items": []}
        return success(data, "code_text_20000")

    def _create_sp_asset(self, body: Any, fault: str) -> httpx.Response:
        asset = self._create_asset(body["type"], body["url"], body["name"], fault)
        return success({"asset_id": asset.asset_id}, self.envelope)

    def _get_sp_asset(self, body: Any, fault: str) -> httpx.Response:
        asset = self.assets.get(body["asset_id"])
        if asset is None or asset.kind == "portrait":
            return refusal(20002, "素材不存在 no such asset")
        status = self._review_status(asset).upper()
        return success({"asset_id": asset.asset_id, "status": status, "name": asset.name}, self.envelope)

    def _list_assets(self, body: Any, fault: str) -> httpx.Response:
        known = [self.assets[asset_id] for asset_id in body["asset_ids"] if asset_id in self.assets]
        items = [{"asset_id": asset.asset_id, "status": self._review_status(asset)} for asset in known]
        return success({"items": items}, self.envelope)

    def _create_portrait(self, body: Any, fault: str) -> httpx.Response:
        return self._portrait_answer(self._create_asset("portrait", body["url"], body["name"], fault))

    def _get_portrait(self, body: Any, fault: str) -> httpx.Response:
        asset = self.assets.get(body["asset_id"])
        return self._portrait_answer(asset) if asset else refusal(20002, "素材不存在 no such asset")

    def _portrait_answer(self, asset: SandboxAsset) -> httpx.Response:
        status = self._review_status(asset).replace("Pending", "Processing")
        reference = f"asset://{asset.asset_id}" if status == "Active" else None
        data = {"asset_id": asset.asset_id, "status": status, "asset_ref": reference, "name": asset.name, "url": asset.url}
        return success(data, self.envelope)

    def _get_user_balance(self, body: Any, fault: str) -> httpx.Response:
        data = {"balance": self.balance, "used_coin": self.used, "available": self.balance - self.used}
        return success(data, "code_20000")

    def _get_key_balance(self, body: Any, fault: str) -> httpx.Response:
        data = {"name": "sandbox", "total_quota": 0, "used_quota": self.used, "available_quota": 0, "unlimited": True}
        return success(data, "code_20000")


def _is_reachable(reference: str) -> bool:
    """Say whether the provider could fetch a URL: no name or address of a private network."""
    host = urlsplit(reference).hostname or ""
    try:
        return reference.startswith("asset://") or ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost"))


def making_seconds(model: Model) -> float:
    """Draw how long making a video takes: around the published time, or around a usual one where none is published."""
    published = model.route.making_time
    seconds, width = (published.seconds, published.width) if published else (_USUAL_SECONDS, _USUAL_WIDTH)
    return random.lognormvariate(math.log(seconds), width)


def _references(body: Body) -> list[str]:
    single = [body[name] for name in ("first_image", "last_image") if name in body]
    return [*single, *(each for name in ("images", "reference_videos", "reference_audios") for each in body.get(name, []))]


def _unit_price(model: Model, resolution: str) -> float:
    """Give the invented price of a second, of a task or of a million tokens."""
    by_second = _PRICES.get(resolution, _PRICE_OF_ANOTHER_RESOLUTION)
    return {"second": by_second, "task": _PRICE_PER_TASK, "million tokens": _PRICE_PER_MILLION_TOKENS}[model.per]


def price_of(edition: Edition, body: Body) -> float:
    """Give what the sandbox charges first for an accepted body, in the edition's currency."""
    model = edition.by_name[body["model"]]
    unit = _unit_price(model, body.get("resolution", model.default_resolution))
    span = model.route.duration.value
    seconds = body.get("duration", span.default)
    seconds = span.max if seconds in span.also else seconds
    return round(unit * {"second": seconds, "task": 1, "million tokens": _tokens(edition, body, seconds)}[model.per], 6)


def _tokens(edition: Edition, body: Body, seconds: int) -> float:
    """Give the millions of tokens of a video without reference videos: every frame, and one more, by its pixels."""
    width, height = order_of(edition, body).size
    return (seconds * 24 + 1) * width * height / 1024 / 1_000_000


def price_list(edition: Edition) -> list[dict[str, Any]]:
    """Give the rows of the public price list, each billing name once; types are singular and plural, as at the provider."""
    rows: dict[str, dict[str, Any]] = {}
    for model in edition.models:
        for resolution in model.resolutions:
            unit = _unit_price(model, resolution)
            kind = "videos" if model.per == "million tokens" else "video"
            for name in {model.billing_names(resolution, with_videos=videos)[0] for videos in (False, True)}:
                rows[name] = {"model_name": name, "display_name": model.title, "model_type": kind}
                rows[name] |= {"price_mode": model.price_mode, "unit_price": unit, "remark": "sandbox", "group": "video"}
    return list(rows.values())
