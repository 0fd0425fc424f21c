"""Answers what a client asks first, before the server is loaded."""

__all__ = ["opening", "pipes"]
