"""The tools that an agent calls, and one caller's view of the running server."""

__all__ = [
    "arguments",
    "balance",
    "brief",
    "changes",
    "create",
    "downloads",
    "gallery",
    "gallery_page",
    "models",
    "observer",
    "results",
    "session",
    "tasks",
    "times",
    "uploads",
    "views",
]
