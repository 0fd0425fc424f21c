"""When to poll the provider about a task, and how many callers share one answer."""

__all__ = [
    "schedule",
    "shared",
]
