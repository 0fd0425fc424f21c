"""The provider's HTTP API."""

__all__ = [
    "client",
    "envelope",
    "failures",
    "result_download",
    "reviews",
]
