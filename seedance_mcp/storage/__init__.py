"""Where finished videos are kept."""

__all__ = [
    "dirfd",
    "local_disk",
    "page_file",
    "video_names",
    "video_store",
]
