"""Where finished videos are kept."""

__all__ = [
    "dirfd",
    "local_disk",
]
