"""Proof against the provider: each documented fact is asked for, and confirmed, contradicted or unseen."""

__all__ = [
    "documented",
    "probes",
    "recorder",
    "verdicts",
]
