"""The provider's HTTP API: one method for each endpoint, over one connection pool."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import anyio
import httpx

from seedance_mcp import errors
from seedance_mcp.provider.envelope import Reply, Unreadable, open_reply, read_task
from seedance_mcp.task import ProviderTask

BODY_MAX_BYTES = 10_000_000
"""Larger bodies are refused, ours and the provider's."""
GET_ATTEMPTS = 3
BACKOFF_SECONDS = 0.5
RETRY_AFTER_MAX_SECONDS = 30.0

_TIMEOUT = httpx.Timeout(60.0, connect=10.0, pool=10.0)
_UPLOAD_TIMEOUT = httpx.Timeout(300.0, connect=10.0, pool=10.0)
_V1 = "/api/open-api/v1"

BEFORE_SENDING: tuple[type[httpx.TransportError], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""Transport failures after which the provider cannot have seen the request."""

AFTER_SENDING: tuple[type[httpx.TransportError], ...] = (
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.CloseError,
    httpx.RemoteProtocolError,
)
"""Transport failures after which it may have."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP request to the provider and its answer, when it ended."""

    method: str
    path: str
    status: int | None
    """`None`: no answer came."""
    seconds: float


def _ignore(exchange: Exchange) -> None:
    """Take no note of a request."""


class TooLarge(Exception):
    """An answer over `BODY_MAX_BYTES`."""


class ProviderClient:
    """Speaks to one provider with one key; close it when done."""

    def __init__(self, base_url: str, key: str | None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Take the address, the key (`None`: keyless calls alone) and, in tests, a transport that opens no port."""
        self.base_url = base_url
        self._key = key
        self.on_exchange: Callable[[Exchange], None] = _ignore
        """Learns of every request."""
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=_TIMEOUT,
            transport=transport,
            verify=base_url.startswith("https:"),  # without TLS no certificates are loaded, which takes long
            trust_env=base_url.startswith("https:"),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def aclose(self) -> None:
        """Close the pool."""
        await self._http.aclose()

    async def create_video(self, body: Mapping[str, Any]) -> ProviderTask:
        """Send one POST and never a second.

        Raises `ProviderUnreachable` when nothing left, `OutcomeUnknown` when the answer is lost or says nothing, and the
        provider's own refusal otherwise.
        """
        content = _body(body)
        try:
            data = open_reply(await self._exchange("POST", f"{_V1}/seedance/videos", content=content), proof="task_id")
        except errors.ProviderFailed as error:
            raise error if error.proven else _unproven(error) from None
        except BEFORE_SENDING as error:
            raise _unreachable(error) from None
        except (*AFTER_SENDING, Unreadable, TooLarge) as error:
            raise _lost(type(error).__name__) from None
        task = read_task(data, self.base_url)
        if task.task_id is None:
            raise _lost("success without a task id")
        return task

    async def get_task(self, task_id: str) -> ProviderTask:
        """Look at one task; raises `TaskNotFound` when the provider has none of that id."""
        data = await self._get(f"{_V1}/videos/{quote(task_id, safe='')}", missing=errors.TaskNotFound)
        if "status" not in data:
            raise _unreadable("a task without a status")
        return read_task(data, self.base_url)

    async def upload_file(self, file: BinaryIO, name: str, mime_type: str) -> dict[str, Any]:
        """Send a file's bytes; gives `url`, `filename`, `size`, `mime_type`."""
        return await self._post(f"{_V1}/files/upload", files={"file": (name, file, mime_type)}, timeout=_UPLOAD_TIMEOUT)

    async def create_sp_asset(self, name: str, kind: str, url: str) -> dict[str, Any]:
        """Register a link in the SP library; gives `asset_id`."""
        return await self._post(f"{_V1}/seedance/sp/assets/upload", {"name": name, "type": kind, "url": url})

    async def get_sp_asset(self, asset_id: str) -> dict[str, Any]:
        """Look at one SP asset; gives `status` and `name`."""
        return await self._post(f"{_V1}/seedance/sp/assets/detail", {"asset_id": asset_id})

    async def list_sp_assets(self, asset_ids: list[str]) -> dict[str, Any]:
        """Look at several SP assets; gives `items`."""
        return await self._post(f"{_V1}/seedance/sp/assets/status", {"asset_ids": asset_ids})

    async def create_portrait(self, name: str, url: str) -> dict[str, Any]:
        """Submit a real person's portrait to the SP whitelist; gives `asset_id` and `status`."""
        return await self._post(f"{_V1}/seedance/sp/realperson/submit", {"name": name, "url": url})

    async def get_portrait(self, asset_id: str) -> dict[str, Any]:
        """Look at one portrait; gives `status` and, once active, `asset_ref`."""
        return await self._post(f"{_V1}/seedance/sp/realperson/status", {"asset_id": asset_id})

    async def create_audit(self, kind: str, url: str) -> dict[str, Any]:
        """Submit one link to the Full route's audit; gives `items` and `failed_items`."""
        links = {f"{each}_urls": [url] if each == kind else [] for each in ("image", "video", "audio")}
        return await self._post(f"{_V1}/seedance/assets/audit", links)

    async def get_audit(self, asset_id: str) -> dict[str, Any]:
        """Look at one audited asset; gives `items`."""
        return await self._post(f"{_V1}/seedance/assets/status", {"asset_ids": [asset_id]})

    async def get_user_balance(self) -> dict[str, Any]:
        """Look at the account; gives `balance`, `used_coin`, `available`."""
        return await self._get(f"{_V1}/user/balance")

    async def get_key_balance(self) -> dict[str, Any]:
        """Look at the key's quota; gives `name`, `total_quota`, `used_quota`, `available_quota`, `unlimited`."""
        return await self._get(f"{_V1}/key/balance")

    async def list_prices(self) -> dict[str, Any]:
        """Get the public price list, without the key; gives `list`."""
        return await self._get("/api/openapi/model/catalog", keyed=False)

    async def _get(
        self, path: str, *, keyed: bool = True, missing: type[errors.SeedanceError] = errors.ProviderFailed
    ) -> dict[str, Any]:
        """GET with patience: transport failures, 5xx and 429 are tried again with growing, jittered pauses."""
        for attempt in range(GET_ATTEMPTS):
            last = attempt == GET_ATTEMPTS - 1
            try:
                reply = await self._exchange("GET", path, keyed=keyed)
                if reply.status == HTTPStatus.NOT_FOUND and not _is_json(reply.body):
                    raise missing("The provider answered 404: it knows nothing of that id.")
                return open_reply(reply)
            except (errors.RateLimited, Unreadable, httpx.TransportError) as error:
                if last:
                    raise _given_up(error) from None
                await anyio.sleep(_pause(attempt, error))
            except TooLarge as error:
                raise _unreadable(type(error).__name__) from None
        raise AssertionError("unreachable")  # pragma: no cover - the last attempt returns or raises

    async def _post(self, path: str, content: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """POST once; these calls cost nothing."""
        try:
            sent = _body(content) if content is not None else None
            return open_reply(await self._exchange("POST", path, content=sent, **options))
        except (Unreadable, httpx.TransportError) as error:
            raise _given_up(error) from None
        except TooLarge as error:
            raise _unreadable(type(error).__name__) from None

    async def _exchange(self, method: str, path: str, *, keyed: bool = True, **options: Any) -> Reply:
        """One request, one answer; redirects are not followed, so the key goes nowhere else."""
        headers = self._headers(keyed=keyed)
        if options.get("content") is not None:
            headers["Content-Type"] = "application/json"
        began, status = anyio.current_time(), None
        try:
            async with self._http.stream(method, path, headers=headers, **options) as response:
                status = response.status_code
                body = await read_body(response)
                return Reply(response.status_code, body, _retry_after(response.headers.get("Retry-After")))
        finally:
            self.on_exchange(Exchange(method, path, status, anyio.current_time() - began))

    def _headers(self, *, keyed: bool) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.require_key()}"} if keyed else {}

    def require_key(self) -> str:
        """The key; raises `NotConfigured` without one."""
        if self._key is None:
            raise errors.NotConfigured(
                "No key is set: the operator must set SEEDANCE_API_KEY, or SEEDANCE_SANDBOX=1 to try without one."
            )
        return self._key


async def read_body(response: httpx.Response) -> bytes:
    """The bytes as sent: we ask for no encoding, so one that comes all the same is unreadable, never unpacked."""
    if int(response.headers.get("Content-Length", 0)) > BODY_MAX_BYTES:
        raise TooLarge
    body = bytearray()
    stream = cast("httpx.AsyncByteStream", response.stream)
    async with aclosing(cast("AsyncGenerator[bytes]", aiter(stream))) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                raise TooLarge
    return bytes(body)


def _body(content: Mapping[str, Any]) -> bytes:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > BODY_MAX_BYTES:
        raise errors.InvalidRequest(
            f"The request has {len(body)} bytes; allowed: {BODY_MAX_BYTES}. Give links, never media inside the request.",
            field="request",
            allowed=f"at most {BODY_MAX_BYTES} bytes",
        )
    return body


def _is_json(body: bytes) -> bool:
    return body.lstrip()[:1] == b"{"


def _retry_after(value: str | None) -> float | None:
    """Seconds from a header that says seconds or a date; `None` when absent or senseless."""
    if not value:
        return None
    try:
        wanted = float(value) if value.isdigit() else (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return max(0.0, wanted)


def _pause(attempt: int, error: Exception) -> float:
    wanted = error.details.get("retry_after_seconds") if isinstance(error, errors.SeedanceError) else None
    backoff = BACKOFF_SECONDS * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 - jitter needs no secrecy
    return min(RETRY_AFTER_MAX_SECONDS, wanted if wanted is not None else backoff)


def _given_up(error: Exception) -> errors.SeedanceError:
    if isinstance(error, errors.SeedanceError):
        return error
    if isinstance(error, BEFORE_SENDING):
        return _unreachable(error)
    return _unreadable(str(error) if isinstance(error, Unreadable) else type(error).__name__)


def _unreachable(error: Exception) -> errors.ProviderUnreachable:
    return errors.ProviderUnreachable(
        f"The provider could not be reached ({type(error).__name__}), so nothing was sent. Try again later; if it stays, "
        "the operator should check the network and SEEDANCE_BASE_URL."
    )


def _unreadable(what: str) -> errors.ProviderFailed:
    return errors.ProviderFailed(f"The provider's answer could not be used ({what}). Try again later.")


def _unproven(error: errors.ProviderFailed) -> errors.ProviderFailed:
    """An error of the provider's own that does not say whether the request went through before it."""
    return errors.ProviderFailed(
        f"{error.message} Do not send it again: the video may be in the making. Look at get_balance to see whether money "
        "went, and ask the person before anything new.",
        charged="maybe",
    )


def _lost(what: str) -> errors.OutcomeUnknown:
    return errors.OutcomeUnknown(
        f"The request was sent, but its answer was lost ({what}): the video may be in the making. Do not send it again: "
        "look at get_balance to see whether money went, and ask the person before anything new.",
        charged="maybe",
    )
