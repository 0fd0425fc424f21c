"""The tree of errors: each knows its code, whether a repeat may help, and whether money went.

SeedanceError
├── InvalidRequest            our own checks refused it: nothing was sent
├── NotConfigured             no key, or a setting that cannot be used: nothing was sent
│   └── LedgerUnusable        the ledger cannot be read or written
│       └── LedgerAway        its database did not answer for a moment
├── AuthFailed                the provider refused the key
├── InsufficientBalance       the provider refused for lack of balance or quota
├── BudgetExceeded            a limit of the operator refused it: nothing was sent
├── ConfirmationRequired      the user has to agree to the price first: nothing was sent
├── RateLimited               the provider takes no more requests just now
├── ProviderFailed            the provider answered with an error, or with nothing that can be used
│   └── ProviderRefused       and a repeat would change nothing: nothing was carried out
├── ProviderUnreachable       no connection came about: nothing was sent
├── OutcomeUnknown            sent, and the answer was lost: it may have been charged
├── TaskNotFound              no such task
├── AssetRejected             the provider's review refused the file
├── AssetNotReady             the provider's review has not finished
├── FileRejected              a local file or a URL that may not be sent: nothing was sent
└── DownloadFailed            the finished video could not be fetched or saved; its task and its price are as they were
    └── DownloadRefused       and a repeat would change nothing
        └── LinkExpired       because its link gives no video any more

The provider's refusals charge nothing. Each error says for itself what went: see `charged`.
"""

from __future__ import annotations

import traceback
from typing import Any, ClassVar, Literal

Charged = Literal["no", "maybe", "yes"]

_AFTERWARDS: dict[Charged, str] = {
    "no": "Nothing was charged.",
    "maybe": "It may have been charged.",
    "yes": "It was charged.",
}


_LONG_CHARS = 500
"""Longer lists, such as the names of all models, stand in one place only: the model pays for each."""


def place_of(failure: BaseException) -> str:
    """Give where an exception was raised, for the log, without its message, which could hold a prompt or a signed URL."""
    return "".join(traceback.format_tb(failure.__traceback__))


class SeedanceError(Exception):
    """A failure, described for the agent."""

    code: ClassVar[str] = "provider_error"
    """What the result calls it; one of the contract's codes."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later."""

    def __init__(self, message: str, *, charged: Charged = "no", **details: Any) -> None:
        """Describe the failure.

        Args:
            message: What was wrong, what is allowed, and what to do next; whether money went is added from `charged`.
            charged: Whether money went.
            details: Any of `field`, `allowed`, `request_id`, `retry_after_seconds`, `confirm_token` and `cause` (a family of
                `provider.failures`); `None` is left out.
        """
        super().__init__(message)
        self.message = message
        self.charged: Charged = charged
        self.proven = True
        """Whether it is certain that the provider did not carry the request out.

        False only for a provider's error of its own, such as "server error", which may have come after the video was begun:
        `create_video` then counts its outcome as unknown.
        """
        self.details = {name: value for name, value in details.items() if value is not None}

    @property
    def may_be_repeated(self) -> bool:
        """Whether the same call may succeed later and cannot be paid twice."""
        return self.retryable and self.charged == "no"

    def as_dict(self) -> dict[str, Any]:
        """Give the `error` object of a tool result; a long list of what is allowed stands in it once."""
        allowed = str(self.details.get("allowed", ""))
        return {
            "code": self.code,
            "message": self.message.replace(allowed, "see allowed") if len(allowed) > _LONG_CHARS else self.message,
            "charged": self.charged,
            "retryable": self.may_be_repeated,
            **self.details,
        }

    def as_text(self) -> str:
        """Give the same facts as one readable text; `allowed` is left out where the message holds it already."""
        shown = {name: value for name, value in self.details.items() if name != "allowed" or str(value) not in self.message}
        details = "".join(f"\n{name}: {value}" for name, value in shown.items())
        retry = "may be repeated" if self.may_be_repeated else "do not repeat unchanged"
        return f"{self.message} {_AFTERWARDS[self.charged]}\ncode: {self.code} ({retry}), charged: {self.charged}{details}"


class InvalidRequest(SeedanceError):
    """Our own checks refused the call."""

    code = "invalid_request"


class NotConfigured(SeedanceError):
    """No key is set, or a setting cannot be used."""

    code = "not_configured"


class LedgerUnusable(NotConfigured):
    """The ledger cannot be read or written."""


class LedgerAway(LedgerUnusable):
    """The ledger's database did not answer for a moment: what was begun may be tried again, and may have been done already."""

    retryable = True


class AuthFailed(SeedanceError):
    """The provider refused the key."""

    code = "auth_failed"


class InsufficientBalance(SeedanceError):
    """The account's balance or the key's quota does not suffice."""

    code = "insufficient_balance"


class BudgetExceeded(SeedanceError):
    """The request would pass a limit that the operator set."""

    code = "budget_exceeded"


class ConfirmationRequired(SeedanceError):
    """The user has to agree to the price first."""

    code = "confirmation_required"


class RateLimited(SeedanceError):
    """The provider takes no more requests just now."""

    code = "rate_limited"
    retryable = True


class ProviderFailed(SeedanceError):
    """The provider answered with an error, or with nothing that can be used."""

    code = "provider_error"
    retryable = True


class ProviderRefused(ProviderFailed):
    """The provider's server, or a gateway before it, refused what a repeat would not change."""

    retryable = False


class ProviderUnreachable(SeedanceError):
    """No connection came about, so that nothing was sent."""

    code = "provider_unreachable"
    retryable = True


class OutcomeUnknown(SeedanceError):
    """The request was sent and its answer is lost."""

    code = "outcome_unknown"


class TaskNotFound(SeedanceError):
    """There is no task of that id."""

    code = "task_not_found"


class AssetRejected(SeedanceError):
    """The provider's review refused the file."""

    code = "asset_rejected"


class AssetNotReady(SeedanceError):
    """The provider's review has not finished."""

    code = "asset_not_ready"
    retryable = True


class FileRejected(SeedanceError):
    """A local file or a URL may not be sent."""

    code = "file_rejected"


class DownloadFailed(SeedanceError):
    """The finished video could not be fetched or saved."""

    code = "download_failed"
    retryable = True


class DownloadRefused(DownloadFailed):
    """The finished video could not be fetched or saved, and a repeat would change nothing."""

    retryable = False


class LinkExpired(DownloadRefused):
    """The link of the finished video gives no video any more."""
