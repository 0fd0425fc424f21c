"""The provider's HTTP API: one method for each endpoint, over one connection pool."""

from __future__ import annotations

import json
import math
import random
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager, nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import quote

import anyio
import httpx

from seedance_mcp import errors
from seedance_mcp.provider import answers
from seedance_mcp.provider.answers import Account, AssetReview, KeyQuota, PriceRow, UploadedFile
from seedance_mcp.provider.envelope import Reply, Unreadable, open_reply
from seedance_mcp.provider.environment import open_client
from seedance_mcp.provider.failures import WORDS
from seedance_mcp.task import ProviderTask

BODY_MAX_BYTES = 10_000_000
"""Larger bodies are refused, ours and the provider's."""
GET_ATTEMPTS = 3
"""How often one GET is sent at most; a POST is sent once."""
BACKOFF_SECONDS = 0.5
"""How long the first pause between two attempts is; each further one is twice as long."""
FREE_SECONDS = 20.0
"""How long a call that costs nothing may take in all, repeats and pauses included; the bytes of a file have their own."""
_RETRY_AFTER_TOLD_SECONDS = 86_400.0
"""A longer one is reported as this."""

_LENGTH_MAX_CHARS = 20
"""A longer number of bytes is no length, and costs time to read."""

CREATE_SECONDS = 36.0
"""How long the answer to a create is awaited in all, however it trickles."""

_TIMEOUT = httpx.Timeout(60.0, connect=10.0, pool=10.0)
_UPLOAD_TIMEOUT = httpx.Timeout(40.0, connect=10.0, pool=10.0)
"""For how long no byte may move; a large file takes as long as it takes."""
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
"""Transport failures after which the provider may have seen the request."""


class Exchange(NamedTuple):
    """One HTTP request to the provider and its answer, when it ended."""

    method: str
    path: str
    status: int | None
    """`None`: no answer came."""
    seconds: float


def _ignore(exchange: Exchange) -> None:
    """Take no note of a request."""


class Heard(NamedTuple):
    """One whole answer as it came, with what was asked: for a proof against the provider, never for a log."""

    method: str
    path: str
    sent: bytes | None
    """The JSON that was sent; `None` for none, or for a file."""
    status: int
    body: bytes


def _ignore_answer(heard: Heard) -> None:
    """Take no note of an answer."""


class TooLarge(Exception):
    """An answer has more than `BODY_MAX_BYTES`."""


class ProviderClient:
    """A connection pool to one provider with one key; close it when done.

    Every method but `create_video` is free of charge and raises the provider's refusal as one of our errors,
    `ProviderUnreachable` when nothing was sent, and `ProviderFailed` when no answer can be used.
    """

    def __init__(self, base_url: str, key: str | None, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Open no connection yet.

        Args:
            base_url: The provider's address; the environment's proxies are used for `https:` only.
            key: The account's key; without one only the public price list can be asked for.
            transport: What carries the requests in tests, without a port.

        Raises:
            NotConfigured: A variable of the environment about proxies or certificates cannot be used.
        """
        self.base_url = base_url
        self._key = key
        self.on_exchange: Callable[[Exchange], None] = _ignore
        """Learns of every request."""
        self.on_answer: Callable[[Heard], None] = _ignore_answer
        """Learns of every answer, with what may be secret in it."""
        self._http = open_client(
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

    async def create_video(self, body: Mapping[str, Any], path: str = "/seedance/videos") -> ProviderTask:
        """Send one POST that may be charged, and never a second.

        Args:
            body: The request as the provider takes it.
            path: Where its model is served, below the API's prefix.

        Returns:
            The new task; its `task_id` is never `None`.

        Raises:
            ProviderUnreachable: Nothing was sent, so nothing was charged.
            OutcomeUnknown: The request was sent, and its answer is lost or says neither yes nor no.
            ProviderFailed: The provider reported an error of its own; `charged` is `maybe` unless the answer proves that
                nothing was made.
            SeedanceError: The provider refused; nothing was charged.
        """
        content = _body(body)
        try:
            with anyio.fail_after(CREATE_SECONDS):
                reply = await self._exchange("POST", f"{_V1}{path}", content=content)
            data = open_reply(reply, proof="task_id")
        except TimeoutError as error:
            raise _lost(f"not whole after {CREATE_SECONDS:.0f} s") from error
        except errors.ProviderFailed as error:
            if error.proven:
                raise
            raise _unproven(error) from error
        except BEFORE_SENDING as error:
            raise _unreachable(error) from error
        except Unreadable as error:
            raise _unclear(error) from error
        except (*AFTER_SENDING, TooLarge) as error:
            raise _lost(type(error).__name__) from error
        task = answers.read_task(data, self.base_url)
        if task.task_id is None:
            raise _lost("success without a task id")
        return task

    async def get_task(self, task_id: str) -> ProviderTask:
        """Ask where one task stands; raises `TaskNotFound` when the provider has none of that id."""
        data = await self._get(f"{_V1}/videos/{quote(task_id, safe='')}", missing=errors.TaskNotFound)
        if "status" not in data:
            raise _unreadable("a task without a status")
        return answers.read_task(data, self.base_url)

    async def upload_file(self, file: BinaryIO, name: str, mime_type: str) -> UploadedFile:
        """Send a file's bytes under a file name; the file is read from where it stands."""
        data = await self._post(f"{_V1}/files/upload", files={"file": (name, file, mime_type)}, timeout=_UPLOAD_TIMEOUT)
        return answers.read_upload(data)

    async def create_sp_asset(self, name: str, kind: str, url: str) -> AssetReview:
        """Register a URL in the SP library; raises `NoAsset` where the answer names none."""
        data = await self._post(f"{_V1}/seedance/sp/assets/upload", {"name": name, "type": kind, "url": url})
        return answers.read_review(data)

    async def get_sp_asset(self, asset_id: str) -> AssetReview:
        """Ask where one asset of the SP library stands."""
        data = await self._post(f"{_V1}/seedance/sp/assets/detail", {"asset_id": asset_id})
        return answers.read_review(data, asset_id)

    async def create_portrait(self, name: str, url: str) -> AssetReview:
        """Submit a real person's portrait to the SP whitelist; raises `NoAsset` where the answer names none."""
        return answers.read_portrait(await self._post(f"{_V1}/seedance/sp/realperson/submit", {"name": name, "url": url}))

    async def get_portrait(self, asset_id: str) -> AssetReview:
        """Ask where one portrait stands; raises `NoAsset` where the answer names none."""
        return answers.read_portrait(await self._post(f"{_V1}/seedance/sp/realperson/status", {"asset_id": asset_id}))

    async def create_audit(self, kind: str, url: str) -> AssetReview:
        """Submit one URL to the Full route's audit; raises `AssetRejected` where it is refused at once, and `NoAsset`."""
        urls = {f"{each}_urls": [url] if each == kind else [] for each in ("image", "video", "audio")}
        return answers.read_audit(await self._post(f"{_V1}/seedance/assets/audit", urls))

    async def get_audit(self, asset_id: str) -> AssetReview:
        """Ask where one audited asset stands; raises `NoAsset` where the answer names none."""
        return answers.read_audit(await self._post(f"{_V1}/seedance/assets/status", {"asset_ids": [asset_id]}))

    async def get_user_balance(self) -> Account:
        """Ask for the account's money."""
        return answers.read_account(await self._get(f"{_V1}/user/balance"))

    async def get_key_balance(self) -> KeyQuota:
        """Ask for the key's own cap."""
        return answers.read_key_quota(await self._get(f"{_V1}/key/balance"))

    async def list_prices(self) -> list[PriceRow]:
        """Ask for the public price list, without the key."""
        return answers.read_prices(await self._get("/api/openapi/model/catalog", keyed=False))

    async def _get(
        self, path: str, *, keyed: bool = True, missing: type[errors.SeedanceError] = errors.ProviderFailed
    ) -> dict[str, Any]:
        """Send a GET up to three times: again after a transport failure, 5xx or 429, with growing, jittered pauses.

        A pause that the provider asks for and that is longer than the time left is reported to the caller and not made.

        Args:
            path: Below the base URL.
            keyed: Whether the key goes along.
            missing: What a 404 that is not the provider's own answer is raised as.
        """
        with _time_for_a_free_call() as until:
            return await self._get_in_time(path, until, keyed=keyed, missing=missing)

    async def _get_in_time(
        self, path: str, until: float, *, keyed: bool, missing: type[errors.SeedanceError]
    ) -> dict[str, Any]:
        for attempt in range(GET_ATTEMPTS):
            is_last = attempt == GET_ATTEMPTS - 1
            try:
                reply = await self._exchange("GET", path, keyed=keyed)
                if reply.status == HTTPStatus.NOT_FOUND and not _is_json(reply.body):
                    raise missing("The provider answered HTTP 404: it knows nothing of that id.")
                return open_reply(reply)
            except errors.InvalidRequest as error:
                raise errors.ProviderFailed(f"{_NO_ANSWER}{_quoted(error)}", **error.details) from error
            except (errors.RateLimited, errors.ProviderFailed) as error:
                pause_seconds = error.details.get("retry_after_seconds", _pause(attempt))
                if is_last or not _passes(error) or anyio.current_time() + pause_seconds >= until:
                    raise
                await anyio.sleep(pause_seconds)
            except (Unreadable, httpx.TransportError) as error:
                if is_last:
                    raise _given_up(error) from error
                await anyio.sleep(_pause(attempt))
            except TooLarge as error:
                raise _unreadable(type(error).__name__) from error
        raise AssertionError("unreachable")  # pragma: no cover - the last attempt returns or raises

    async def _post(self, path: str, content: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Send a POST that costs nothing, once."""
        try:
            sent = _body(content) if content is not None else None
            with _time_for_a_free_call() if "files" not in options else nullcontext():
                return open_reply(await self._exchange("POST", path, content=sent, **options))
        except (Unreadable, httpx.TransportError) as error:
            raise _given_up(error) from error
        except TooLarge as error:
            raise _unreadable(type(error).__name__) from error

    async def _exchange(self, method: str, path: str, *, keyed: bool = True, **options: Any) -> Reply:
        """Send one request and read its answer; no redirect is followed, so that the key reaches no other host."""
        headers = self._headers(keyed=keyed)
        if options.get("content") is not None:
            headers["Content-Type"] = "application/json"
        began, status = anyio.current_time(), None
        try:
            async with self._http.stream(method, path, headers=headers, **options) as response:
                status = response.status_code
                body = await read_body(response)
                self.on_answer(Heard(method, path, options.get("content"), status, body))
                return Reply(status, body, _retry_after(response.headers.get("Retry-After")), _origin(response))
        finally:
            self.on_exchange(Exchange(method, path, status, anyio.current_time() - began))

    def _headers(self, *, keyed: bool) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.require_key()}"} if keyed else {}

    def require_key(self) -> str:
        """Give the key; raises `NotConfigured` without one."""
        if self._key is None:
            raise errors.NotConfigured(
                "No key is set: the operator must set SEEDANCE_API_KEY, or SEEDANCE_SANDBOX=1 to try without one."
            )
        return self._key


async def read_body(response: httpx.Response) -> bytes:
    """Give the body as it was sent; raises `TooLarge`.

    We ask for no encoding, so that a packed body, which could unpack to any size, stays as it is and cannot be read.
    """
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > _LENGTH_MAX_CHARS or int(announced) > BODY_MAX_BYTES):
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
            f"The request has {len(body)} bytes; allowed: at most {BODY_MAX_BYTES} bytes. Nothing was sent: give URLs, never "
            "media inside the request.",
            field="request",
            allowed=f"at most {BODY_MAX_BYTES} bytes",
        )
    return body


def _is_json(body: bytes) -> bool:
    return body.lstrip()[:1] == b"{"


def _retry_after(value: str | None) -> float | None:
    """Read seconds from a header that gives seconds or a date; `None` where there is none that makes sense."""
    if not value:
        return None
    try:
        wanted = float(value) if value.isdigit() else (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # a date may have a zone that lies years away
        return None
    return min(max(0.0, wanted), _RETRY_AFTER_TOLD_SECONDS) if math.isfinite(wanted) else None


def _origin(response: httpx.Response) -> str | None:
    """Give scheme and host of the address that a redirect names; `None` where there is none that can be read."""
    try:
        target = response.url.join(response.headers["Location"])
    except (KeyError, ValueError, httpx.InvalidURL):
        return None
    return f"{target.scheme}://{target.netloc.decode(errors='replace')}"


@contextmanager
def _time_for_a_free_call() -> Generator[float]:
    """Give the time at which a call that costs nothing ends; raises `ProviderFailed` where it has no answer by then."""
    try:
        with anyio.fail_after(FREE_SECONDS) as scope:
            yield scope.deadline
    except TimeoutError as error:
        raise errors.ProviderFailed(f"The provider did not answer within {FREE_SECONDS:.0f} s. Try again later.") from error


def _pause(attempt: int) -> float:
    """Give the seconds before the next attempt: they grow, with jitter."""
    return BACKOFF_SECONDS * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 - jitter needs no secrecy


def _given_up(error: Exception) -> errors.SeedanceError:
    """Make the error for a free call whose last attempt failed."""
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


_NO_ANSWER = "The provider did not answer the question. Call again later."


def _quoted(error: errors.SeedanceError) -> str:
    """Give the provider's words out of a refusal, marked as such."""
    _, mark, words = error.message.partition(f" {WORDS}")
    return f"{mark}{words}"


def _passes(error: errors.SeedanceError) -> bool:
    """Say whether a refusal of a free call is likely to pass in a moment."""
    return isinstance(error, errors.RateLimited) or error.details.get("cause") == "busy"


def _unproven(error: errors.ProviderFailed) -> errors.ProviderFailed:
    """Give an error of the provider's own that may have come after the request was carried out."""
    advice = "" if error.details.get("cause") == "busy" else f" {_DO_NOT_SEND_AGAIN}"  # "busy" has advice of its own
    return errors.ProviderFailed(f"{error.message}{advice}", charged="maybe", **error.details)


def _unclear(error: Unreadable) -> errors.OutcomeUnknown:
    return errors.OutcomeUnknown(
        f"The request was sent, and its answer does not tell whether the video is made ({error}). {_DO_NOT_SEND_AGAIN}",
        charged="maybe",
        cause=error.cause,
    )


def _lost(what: str) -> errors.OutcomeUnknown:
    return errors.OutcomeUnknown(
        f"The request was sent, but its answer was lost ({what}). {_DO_NOT_SEND_AGAIN}", charged="maybe"
    )


_DO_NOT_SEND_AGAIN = (
    "Do not send it again: the video may be in the making. Look at get_balance to see whether money went, and ask the user "
    "before anything new."
)
