"""The provider's HTTP API."""

__all__ = [
    "answers",
    "client",
    "envelope",
    "failures",
    "result_download",
    "reviews",
    "whole_mp4",
]
