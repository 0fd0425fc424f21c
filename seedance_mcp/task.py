"""A video task, as every part of the program knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

Status = Literal["queued", "processing", "completed", "failed", "cancelled", "unknown"]
"""`unknown`: the request was sent and its answer was lost, or the provider does not know its task any more."""
FINAL: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})
"""The statuses of a task that has ended."""
RUNNING: frozenset[Status] = frozenset({"queued", "processing"})
"""The statuses of a task that still changes by itself: neither ended nor of unknown outcome."""


@dataclass(frozen=True, slots=True)
class ProviderTask:
    """A task as the provider reports it."""

    task_id: str | None
    """`None` where the provider named none."""
    status: Status
    progress: int = 0
    """Percent, 0 to 100."""
    model: str | None = None
    created_at: datetime | None = None
    """By the provider's clock, like `completed_at`."""
    completed_at: datetime | None = None
    video_url: str | None = None
    """An absolute URL, which expires about three days after the task's end."""
    error: str | None = None
    """Why it failed, in the provider's own words, sanitized."""
    cost: Decimal | None = None
    """What the provider charged, in JimiCoin."""
    warnings: list[str] = field(default_factory=list[str])
    """What in the report made no sense and was left out."""

    def ended_at(self, made_at: datetime) -> datetime | None:
        """Give when the task ended by our clock, which the provider's may differ from; `None` while it runs.

        Args:
            made_at: When the task was made, by our clock.
        """
        if self.created_at and self.completed_at:
            return made_at + max(timedelta(), self.completed_at - self.created_at)
        return self.completed_at
