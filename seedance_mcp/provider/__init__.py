"""The provider's HTTP API."""

__all__ = ["client", "envelope", "result_download", "reviews"]
