"""What an agent calls."""

__all__ = ["arguments", "downloads", "results", "session", "tasks", "uploads", "views"]
