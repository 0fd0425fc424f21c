"""The tools that an agent calls, and one caller's view of the running server."""

__all__ = [
    "arguments",
    "balance",
    "changes",
    "create",
    "downloads",
    "film",
    "models",
    "observer",
    "results",
    "session",
    "sources",
    "tasks",
    "uploads",
    "views",
]
