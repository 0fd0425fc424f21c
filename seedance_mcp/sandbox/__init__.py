"""An imitation of the provider as documented, for trials and tests: raw JSON in, envelope out, real MP4 files."""

__all__ = [
    "cassette",
    "faults",
    "film",
    "judge",
    "kept_tasks",
    "order",
    "provider",
    "scene",
    "serve",
]
