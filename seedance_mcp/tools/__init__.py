"""The tools that an agent calls, and one caller's view of the running server."""

__all__ = [
    "arguments",
    "balance",
    "changes",
    "create",
    "downloads",
    "models",
    "observer",
    "references",
    "results",
    "session",
    "tasks",
    "uploads",
    "views",
]
