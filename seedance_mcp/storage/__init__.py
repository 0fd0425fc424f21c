"""Where finished videos are kept."""

__all__ = [
    "asset_files",
    "dirfd",
    "local_disk",
    "video_names",
    "video_store",
]
