"""What an agent calls."""

__all__ = [
    "arguments",
    "balance",
    "changes",
    "create",
    "downloads",
    "models",
    "observer",
    "results",
    "session",
    "tasks",
    "uploads",
    "views",
]
