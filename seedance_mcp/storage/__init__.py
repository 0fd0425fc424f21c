"""Where finished videos are kept."""

__all__ = [
    "dirfd",
    "local_disk",
    "video_names",
    "video_store",
]
