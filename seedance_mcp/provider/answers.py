"""Reads what each endpoint answers: the provider's fields in, small frozen objects of safe values out.

Every text is sanitized here, and a field that makes no sense becomes absent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, NamedTuple, cast

from seedance_mcp.errors import AssetRejected, ProviderFailed
from seedance_mcp.provider.failures import WORDS, words_of
from seedance_mcp.provider.result_links import find_link
from seedance_mcp.provider.status_words import STATUS, plain_word
from seedance_mcp.task import ProviderTask, Status
from seedance_mcp.untrusted import (
    NAME_MOST_CHARS,
    read_amount,
    read_id,
    read_link,
    read_name,
    read_number,
    read_time,
    sanitize,
)

Data = dict[str, Any]
"""The `data` of a successful answer, as it came."""
Stage = Literal["processing", "active", "failed"]
"""Where the review of an asset stands."""

STAGES: dict[str, Stage] = {
    "active": "active",
    "failed": "failed",
    "rejected": "failed",
    "expired": "failed",
    "deleted": "failed",
}
"""The review statuses that end a review, in lower case, by the pages of the audit, the library and the whitelist.

Every other one means that it goes on; the pages name none, uploading, pending, processing and submitted.
"""

_UNFINISHED = Decimal(99)
"""The most progress, in percent, of a task that is not completed."""


class NoAsset(ProviderFailed):
    """The provider's answer names no asset."""


class UploadedFile(NamedTuple):
    """A file that the provider took."""

    url: str | None
    """Where it lies now; `None` where the provider named no usable address."""


class AssetReview(NamedTuple):
    """Where the review of one asset stands."""

    asset_id: str | None
    """`None` where the route reviews nothing and the URL itself is the reference."""
    stage: Stage
    reference: str
    """What a request's media field takes."""


class Account(NamedTuple):
    """The account's money in JimiCoin; each figure is `None` where the provider did not say it."""

    balance: Decimal | None
    """Everything that was ever paid in, subscription credit included."""
    used: Decimal | None
    """Everything that was ever consumed, less refunds; never below zero."""
    available: Decimal | None
    """`balance` less `used`."""


class KeyQuota(NamedTuple):
    """The cap of one key in JimiCoin; each figure is `None` where the provider did not say it."""

    name: str | None
    total: Decimal | None
    used: Decimal | None
    available: Decimal | None
    unlimited: bool
    """Whether the key has no cap of its own; the other figures are 0 then."""


class PriceRow(NamedTuple):
    """One row of the public price list."""

    name: str
    """The billing name; empty where the row has none."""
    mode: str
    """What the price is multiplied by, for example `per_second` or `per_task`."""
    unit_price: Decimal | None
    """In JimiCoin; `None` where it is no number from 0."""
    is_video: bool
    """Whether its type is video or videos, as the provider writes both."""


def read_task(data: Data, base_url: str) -> ProviderTask:
    """Read the answer to a create or a query; a field that makes no sense is named in the warnings."""
    (link, left_out), warnings = find_link(data, base_url), list[str]()
    status = _status(data.get("status"), warnings, has_link=link is not None)
    warnings += left_out if status == "completed" else []
    return ProviderTask(
        task_id=_task_id(data),
        status=status,
        progress=100 if status == "completed" else _percent(data.get("progress")),
        model=read_name(data.get("model")),
        created_at=read_time(data.get("created_at")),
        completed_at=read_time(data.get("completed_at")),
        video_url=link,
        error=words_of(data) if status in {"failed", "cancelled"} else None,
        cost=read_amount(data.get("cost")),
        warnings=warnings,
    )


_TASK_IDS = ("task_id", "taskId", "id")
"""How the id of a task is spelt: at the provider, and at gateways; of a paid video none may be overlooked."""


def _task_id(data: Data) -> str | None:
    """Find the id of the task that an answer is about, also where the task lies one deeper."""
    inner: Any = data.get("task")
    places = (data, cast("Data", inner) if isinstance(inner, dict) else {})
    return next(filter(None, (read_id(place.get(name)) for place in places for name in _TASK_IDS)), None)


def _status(value: Any, warnings: list[str], *, has_link: bool) -> Status:
    """Read a status word; an unknown one comes with a warning, and with a link the task is completed all the same."""
    if value is None:
        return "completed" if has_link else "queued"
    status = STATUS.get(plain_word(str(value)))
    if status:
        return status
    word = sanitize(value, NAME_MOST_CHARS).lower()
    read_as, why = ("completed", ", since it comes with a link") if has_link else ("processing", "")
    warnings.append(f'The provider gave a status we do not know ("{word}"): read as {read_as}{why}.')
    return read_as


def _percent(value: Any) -> int:
    amount = read_amount(value)
    return int(min(amount, _UNFINISHED)) if amount else 0


def read_upload(data: Data) -> UploadedFile:
    """Read the answer to a file's upload."""
    return UploadedFile(read_link(data.get("url")))


def read_review(data: Data, asset_id: str | None = None) -> AssetReview:
    """Read where an asset stands.

    Args:
        data: The answer, or one of its items.
        asset_id: The asset that was asked for; counts where the answer names none.

    Raises:
        NoAsset: Neither names an asset.
    """
    named = data.get("asset_id", asset_id)
    if not isinstance(named, str) or not (named := read_id(named)):
        raise NoAsset("The provider's answer names no asset. Try again later.")
    stage = STAGES.get(str(data.get("status")).lower(), "processing")
    return AssetReview(named, stage, f"asset://{named}")


def read_portrait(data: Data) -> AssetReview:
    """Read where a real person's portrait stands; it may have a reference of its own. Raises `NoAsset`."""
    review, reference = read_review(data), data.get("asset_ref")
    own = read_id(reference) if isinstance(reference, str) else None
    return AssetReview(review.asset_id, review.stage, own or review.reference)


def read_audit(data: Data) -> AssetReview:
    """Read where the first asset of an audit stands; raises `AssetRejected` where the audit refused one, and `NoAsset`."""
    if failed := data.get("failed_items"):
        raise AssetRejected(f'The review refused the file: bring another one with upload_asset. {WORDS}"{sanitize(failed)}".')
    items = data.get("items")
    first: Any = cast("list[Any]", items)[0] if isinstance(items, list) and items else {}
    return read_review(cast("Data", first) if isinstance(first, dict) else {})


def read_account(data: Data) -> Account:
    """Read the account's balance."""
    return Account(
        balance=read_number(data.get("balance")),
        used=read_amount(data.get("used_coin")),
        available=read_number(data.get("available")),
    )


def read_key_quota(data: Data) -> KeyQuota:
    """Read the key's own cap."""
    return KeyQuota(
        name=read_name(data.get("name")),
        total=read_number(data.get("total_quota")),
        used=read_number(data.get("used_quota")),
        available=read_number(data.get("available_quota")),
        unlimited=bool(data.get("unlimited")),
    )


def read_prices(data: Data) -> list[PriceRow]:
    """Read the price list; an entry that is no object is left out."""
    listed = data.get("list")
    rows = cast("list[Any]", listed) if isinstance(listed, list) else []
    return [_price_row(cast("Data", row)) for row in rows if isinstance(row, dict)]


def _price_row(row: Data) -> PriceRow:
    return PriceRow(
        name=sanitize(row.get("model_name", ""), NAME_MOST_CHARS),
        mode=sanitize(row.get("price_mode"), NAME_MOST_CHARS),
        unit_price=read_amount(row.get("unit_price")),
        is_video=str(row.get("model_type")).lower() in {"video", "videos"},
    )
