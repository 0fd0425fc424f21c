"""The provider's HTTP API."""

__all__ = [
    "answers",
    "client",
    "envelope",
    "environment",
    "failures",
    "result_download",
    "reviews",
]
