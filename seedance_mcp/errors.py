"""What can go wrong, and whether money went.

SeedanceError
  InvalidRequest            refused by our own checks: nothing was sent
  NotConfigured             no key, or a setting that cannot be used
    LedgerUnusable          the book on disk cannot be read or written
  AuthFailed                the provider refused the key
  InsufficientBalance       the provider refused for lack of balance or quota
  BudgetExceeded            the operator's limit refused
  ConfirmationRequired      a person has to agree first
  RateLimited               the provider asks for patience
  ProviderFailed            the provider answered with an error
  ProviderUnreachable       no connection: nothing was sent
  OutcomeUnknown            sent, but the answer was lost: it may have been charged
  TaskNotFound              no such task
  AssetRejected             the provider's review refused the file
  AssetNotReady             the review is still running
  FileRejected              a local file or link that may not be sent
  DownloadFailed            the finished video could not be fetched or saved
    DownloadRefused         and a repeat would change nothing
      LinkExpired            its link gives no video any more
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

Charged = Literal["no", "maybe", "yes"]

_AFTERWARDS: dict[Charged, str] = {
    "no": "Nothing was charged.",
    "maybe": "It may have been charged.",
    "yes": "It was charged.",
}


class SeedanceError(Exception):
    """A failure in words for the agent; `message` says what was wrong, what is allowed and what to do next."""

    code: ClassVar[str] = "provider_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, charged: Charged = "no", **details: Any) -> None:
        """Take the message and any of `field`, `allowed`, `request_id`, `retry_after_seconds`, `confirm_token`."""
        super().__init__(message)
        self.message = message
        self.charged: Charged = charged
        self.proven = True
        """Whether the provider's answer itself shows that nothing was charged."""
        self.details = {name: value for name, value in details.items() if value is not None}

    @property
    def may_be_repeated(self) -> bool:
        """Whether the same call may succeed later and cannot be paid twice."""
        return self.retryable and self.charged == "no"

    def as_dict(self) -> dict[str, Any]:
        """The `error` object of a tool result."""
        return {
            "code": self.code,
            "message": self.message,
            "charged": self.charged,
            "retryable": self.may_be_repeated,
            **self.details,
        }

    def as_text(self) -> str:
        """The same facts as one readable text; what the message allows already is not said twice."""
        told = {name: value for name, value in self.details.items() if name != "allowed" or str(value) not in self.message}
        details = "".join(f"\n{name}: {value}" for name, value in told.items())
        retry = "may be repeated" if self.may_be_repeated else "do not repeat unchanged"
        return f"{self.message} {_AFTERWARDS[self.charged]}\ncode: {self.code} ({retry}), charged: {self.charged}{details}"


class InvalidRequest(SeedanceError):
    """Refused by our own checks."""

    code = "invalid_request"


class NotConfigured(SeedanceError):
    """No key is set."""

    code = "not_configured"


class LedgerUnusable(NotConfigured):
    """The book on disk cannot be read or written."""


class AuthFailed(SeedanceError):
    """The provider refused the key."""

    code = "auth_failed"


class InsufficientBalance(SeedanceError):
    """The account's balance or the key's quota does not suffice."""

    code = "insufficient_balance"


class BudgetExceeded(SeedanceError):
    """A limit that the operator set would be passed."""

    code = "budget_exceeded"


class ConfirmationRequired(SeedanceError):
    """A person has to agree to the price first."""

    code = "confirmation_required"


class RateLimited(SeedanceError):
    """The provider asks for patience."""

    code = "rate_limited"
    retryable = True


class ProviderFailed(SeedanceError):
    """The provider answered with an error."""

    code = "provider_error"
    retryable = True


class ProviderUnreachable(SeedanceError):
    """No connection came about, so nothing was sent."""

    code = "provider_unreachable"
    retryable = True


class OutcomeUnknown(SeedanceError):
    """The request left and its answer is lost."""

    code = "outcome_unknown"


class TaskNotFound(SeedanceError):
    """No task of that id."""

    code = "task_not_found"


class AssetRejected(SeedanceError):
    """The provider's review refused the file."""

    code = "asset_rejected"


class AssetNotReady(SeedanceError):
    """The provider's review has not finished."""

    code = "asset_not_ready"
    retryable = True


class FileRejected(SeedanceError):
    """A local file or link that may not be sent."""

    code = "file_rejected"


class DownloadFailed(SeedanceError):
    """The finished video could not be fetched or saved."""

    code = "download_failed"
    retryable = True


class DownloadRefused(DownloadFailed):
    """It could not, and a repeat would change nothing."""

    retryable = False


class LinkExpired(DownloadRefused):
    """The link gives no video any more."""
