"""The provider's HTTP API."""

__all__ = [
    "answers",
    "client",
    "envelope",
    "environment",
    "failures",
    "result_body",
    "result_download",
    "result_hosts",
    "result_links",
    "reviews",
    "status_words",
    "whole_mp4",
]
