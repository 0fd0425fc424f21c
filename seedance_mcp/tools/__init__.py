"""The tools that an agent calls, and one caller's view of the running server."""

__all__ = [
    "arguments",
    "auto_save",
    "balance",
    "brief",
    "cast",
    "changes",
    "create",
    "downloads",
    "film",
    "models",
    "observer",
    "picture_shapes",
    "references",
    "results",
    "session",
    "sources",
    "tasks",
    "times",
    "uploads",
    "views",
]
