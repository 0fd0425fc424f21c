"""When to ask the provider about a task, and for whom one answer serves."""

__all__ = [
    "schedule",
    "shared",
]
