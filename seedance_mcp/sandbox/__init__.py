"""The provider as documented, for trying and for tests: raw JSON in, envelope out, real MP4 files."""

__all__ = [
    "faults",
    "film",
    "judge",
    "provider",
    "serve",
]
