"""What a video task is, for every part of the program."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

Status = Literal["queued", "processing", "completed", "failed", "cancelled", "unknown"]
FINAL: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})
RUNNING: frozenset[Status] = frozenset({"queued", "processing"})
"""What may still change by itself: neither final nor of unknown outcome."""


@dataclass(frozen=True, slots=True)
class ProviderTask:
    """A task as the provider reports it, in our words."""

    task_id: str | None
    status: Status
    progress: int = 0
    """Percent, 0 to 100."""
    model: str | None = None
    created_at: datetime | None = None
    """By the provider's clock, like `completed_at`."""
    completed_at: datetime | None = None
    video_url: str | None = None
    error: str | None = None
    """The provider's own words."""
    cost: Decimal | None = None
    """What the provider charged, in JimiCoin."""
    warnings: list[str] = field(default_factory=list[str])

    def ended_at(self, made_at: datetime) -> datetime | None:
        """Give the end by our clock, for a task that was made at `made_at` by our clock: the provider's clock may differ."""
        if self.created_at and self.completed_at:
            return made_at + max(timedelta(), self.completed_at - self.created_at)
        return self.completed_at
