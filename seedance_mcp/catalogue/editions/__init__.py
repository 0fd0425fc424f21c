"""The catalogue as it stood at a date, one module for each."""

__all__ = [
    "edition_2026_07",
]
