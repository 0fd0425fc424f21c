"""Where finished videos are kept."""

__all__ = [
    "asset_files",
    "dirfd",
    "local_disk",
    "page_file",
    "video_names",
    "video_store",
]
